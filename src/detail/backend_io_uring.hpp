// A door for the tests: the io_uring backend as it would be on an older kernel.
#pragma once
#include <memory>
#include <string_view>

#include "asyncio/core/backend.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

/// What is not to be used although the kernel has it.
struct RingLimits {
    bool no_defer_taskrun = false;  // as before Linux 6.1
    bool no_single_issuer = false;  // as before Linux 6.0, and without creating the ring disabled
    bool no_coop_taskrun = false;   // as before Linux 5.19
    // Small ones make the queues full and overflow.
    unsigned sq_entries = 256;
    unsigned cq_entries = 4096;
};

/// As make_io_uring_backend, but it probes on each call.
std::unique_ptr<KernelBackend> make_limited_io_uring_backend(int wake_descriptor,
                                                             const BackendOptions& options,
                                                             const RingLimits& limits,
                                                             std::string_view& reason);

}}}  // namespace asyncio::v1::detail
