// Spawning: a program is started with some descriptors in place of its standard streams.
#pragma once
#include <string>
#include <vector>

#include "asyncio/process/subprocess.hpp"
#include "detail/owned_descriptor.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

/// What a program is started with: copies of what the options look at.
struct SpawnRequest {
    SpawnRequest(std::vector<std::string> program_and_arguments, const SubprocessOptions& options,
                 const char* function);

    const char* what;  // the public function, for messages
    std::vector<std::string> arguments;
    std::vector<std::string> environment;
    bool has_environment;
    std::string executable;
    std::string cwd;
    std::vector<int> pass_fds;
    SubprocessOptions options;  // what of them are numbers

    std::string subject() const { return std::string(what) + " '" + executable + "'"; }
};

/// A program that runs, and the ends of its pipes that are ours; -1 where there is none.
struct Spawned {
    int pid = -1;
    OwnedDescriptor in, out, err;
};

/// Throws  as create_subprocess_exec
Spawned spawn_program(const SpawnRequest& request);

}}}  // namespace asyncio::v1::detail
