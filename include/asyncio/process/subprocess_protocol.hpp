// Subprocesses for protocols: subprocess_exec, subprocess_shell. (Coroutines use process/subprocess.hpp.)
#pragma once
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "asyncio/net/transport.hpp"
#include "asyncio/process/subprocess.hpp"

namespace asyncio { inline namespace v1 {

class SubprocessProtocol;

namespace detail {
struct SubprocessTransportCore;
}

/// A subprocess as its protocol sees it: a handle that can be copied.
///
/// Threads     loop thread only
/// Lifetime    may outlive the process and the loop
/// Python      asyncio.SubprocessTransport
class ASYNCIO_API SubprocessTransport {
  public:
    SubprocessTransport() noexcept = default;
    /// For the library's own.
    explicit SubprocessTransport(std::shared_ptr<detail::SubprocessTransportCore> core) noexcept
        : core_(std::move(core)) {}

    int get_pid() const noexcept;
    /// Nothing while it runs; -N: ended by signal N.
    std::optional<int> get_returncode() const noexcept;
    /// The transport of stdin (0), stdout (1) or stderr (2); an invalid one if that is no pipe.
    Transport get_pipe_transport(int number) const noexcept;
    /// Throws  ProcessLookupError  it has ended; ValueError  no such signal
    void send_signal(int number);
    void terminate();
    void kill();
    /// Closes the pipes, and kills the process if it has not ended.
    void close() noexcept;
    bool is_closing() const noexcept;
    /// Null when `connection_lost` was called.
    std::shared_ptr<SubprocessProtocol> get_protocol() const noexcept;
    /// Throws  ValueError  it is null
    void set_protocol(std::shared_ptr<SubprocessProtocol> protocol);

  private:
    std::shared_ptr<detail::SubprocessTransportCore> core_;
};

/// What is called when something happens to a subprocess. Each function does nothing unless it is overridden;
/// see BaseProtocol for how they are called.
///
/// Threads     loop thread only
/// Python      asyncio.SubprocessProtocol
class ASYNCIO_API SubprocessProtocol {
  public:
    SubprocessProtocol() = default;
    SubprocessProtocol(const SubprocessProtocol&) = delete;
    SubprocessProtocol& operator=(const SubprocessProtocol&) = delete;
    virtual ~SubprocessProtocol();

    /// The first call, once.
    virtual void connection_made(SubprocessTransport transport);
    /// The process has written into its stdout (1) or stderr (2). The bytes are valid until this returns.
    virtual void pipe_data_received(int number, std::string_view data);
    /// One of its pipes was closed: by us or by it (null), or broke.
    virtual void pipe_connection_lost(int number, std::exception_ptr error);
    /// It has ended; output may still be on its way.
    virtual void process_exited();
    /// The last call: it has ended, and all its pipes are closed.
    virtual void connection_lost(std::exception_ptr error);
};

namespace detail {

SubprocessTransport start_subprocess(std::shared_ptr<SubprocessProtocol> protocol, Process process);

/// As in Python, all three are pipes unless said otherwise.
SubprocessOptions piped_by_default(SubprocessOptions options) noexcept;

template <class P>
Coro<std::pair<SubprocessTransport, std::shared_ptr<P>>> connect_subprocess(FactoryFunction<P> factory,
                                                                            Coro<Process> starting) {
    Process process = co_await std::move(starting);
    std::shared_ptr<P> protocol = factory();
    SubprocessTransport transport = start_subprocess(protocol, std::move(process));
    co_return std::pair<SubprocessTransport, std::shared_ptr<P>>(std::move(transport), std::move(protocol));
}

}  // namespace detail

/// Starts a program for a protocol that `factory()` makes. What the options leave out is redirected to a
/// pipe.
///
/// Throws      as create_subprocess_exec; what the factory throws (the process is then dropped)
/// Suspends    never
/// Cancel      nothing is started
/// Threads     loop thread
/// Python      loop.subprocess_exec; options before the program
template <detail::FactoryOf<SubprocessProtocol> F, detail::Text Program, detail::Text... Arguments>
Coro<std::pair<SubprocessTransport, std::shared_ptr<detail::ProtocolOf<F>>>> subprocess_exec(
    F&& factory, const SubprocessOptions& options, const Program& program, const Arguments&... arguments) {
    return detail::connect_subprocess<detail::ProtocolOf<F>>(
        detail::factory_function(std::forward<F>(factory)),
        create_subprocess_exec(detail::piped_by_default(options), program, arguments...));
}
/// Runs a command line by /bin/sh for a protocol.
///
/// Throws      as subprocess_exec
/// Suspends    never
/// Cancel      nothing is started
/// Threads     loop thread
/// Python      loop.subprocess_shell
template <detail::FactoryOf<SubprocessProtocol> F>
Coro<std::pair<SubprocessTransport, std::shared_ptr<detail::ProtocolOf<F>>>> subprocess_shell(
    F&& factory, std::string_view command, const SubprocessOptions& options = SubprocessOptions()) {
    return detail::connect_subprocess<detail::ProtocolOf<F>>(
        detail::factory_function(std::forward<F>(factory)),
        create_subprocess_shell(command, detail::piped_by_default(options)));
}

}}  // namespace asyncio::v1
