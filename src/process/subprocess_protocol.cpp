// Subprocesses for protocols: each pipe has a transport of its own with a protocol that passes on what it is
// told, and a task waits for the end of the process.
//
// `connection_lost` comes when the process has ended and the last pipe is closed, whichever is later. A loop
// that closes cancels the task: then what is left is told at once.
#include "asyncio/process/subprocess_protocol.hpp"

#include <signal.h>

#include <array>

#include "asyncio/base/error.hpp"
#include "asyncio/core/event_loop.hpp"
#include "asyncio/task/task.hpp"
#include "detail/loop_impl.hpp"
#include "net/call_protocol.hpp"
#include "process/child.hpp"

namespace asyncio { inline namespace v1 {
namespace detail {

struct SubprocessTransportCore : std::enable_shared_from_this<SubprocessTransportCore> {
    SubprocessTransportCore(std::shared_ptr<SubprocessProtocol> p, std::shared_ptr<Child> c) noexcept
        : protocol(std::move(p)), child(std::move(c)) {}

    template <class F>
    void call(const char* function, F&& f) noexcept {
        const auto keeps = protocol;
        if (keeps != nullptr && !call_protocol(impl_of(current_loop), function, [&] { f(*keeps); })) close();
    }
    void close() noexcept {
        closing = true;
        for (Transport& each : pipes) {
            if (each.valid()) each.close();
        }
        if (!child->has_ended()) child->signal(SIGKILL);
    }
    void pipe_lost(int number, const std::exception_ptr& error) noexcept {
        call("pipe_connection_lost", [&](SubprocessProtocol& p) { p.pipe_connection_lost(number, error); });
        --open_pipes;
        end_if_over();
    }
    void end_if_over() noexcept {
        if (!exited || open_pipes != 0 || protocol == nullptr) return;
        call("connection_lost", [](SubprocessProtocol& p) { p.connection_lost(nullptr); });
        protocol.reset();
    }

    std::shared_ptr<SubprocessProtocol> protocol;  // null: connection_lost was called
    const std::shared_ptr<Child> child;
    std::array<Transport, 3> pipes;
    int open_pipes = 0;
    bool exited = false;  // process_exited was called
    bool closing = false;
};

namespace {

/// Of one pipe of a process.
class PipeProtocol final : public Protocol {
  public:
    PipeProtocol(std::shared_ptr<SubprocessTransportCore> core, int number) noexcept
        : core_(std::move(core)), number_(number) {}
    void data_received(std::string_view data) override {
        core_->call("pipe_data_received",
                    [&](SubprocessProtocol& p) { p.pipe_data_received(number_, data); });
    }
    void connection_lost(std::exception_ptr error) override {
        core_->pipe_lost(number_, error);
        core_.reset();
    }

  private:
    std::shared_ptr<SubprocessTransportCore> core_;
    int number_;
};

Coro<> watch_subprocess(std::shared_ptr<SubprocessTransportCore> core) {
    std::exception_ptr cancelled;
    try {
        core->call("connection_made",
                   [&](SubprocessProtocol& p) { p.connection_made(SubprocessTransport(core)); });
        co_await core->child->ended.wait();
    } catch (const CancelledError&) {
        cancelled = std::current_exception();
    }
    core->exited = true;
    if (core->child->has_ended())
        core->call("process_exited", [](SubprocessProtocol& p) { p.process_exited(); });
    core->end_if_over();
    if (cancelled != nullptr) std::rethrow_exception(cancelled);
}

}  // namespace

SubprocessOptions piped_by_default(SubprocessOptions options) noexcept {
    for (Redirect* each : {&options.stdin_, &options.stdout_, &options.stderr_}) {
        if (each->is(Redirect::Kind::inherit)) *each = PIPE;
    }
    return options;
}

SubprocessTransport start_subprocess(std::shared_ptr<SubprocessProtocol> protocol, Process process) {
    if (protocol == nullptr) throw ValueError("the factory gave no protocol");
    auto core = std::make_shared<SubprocessTransportCore>(std::move(protocol), ProcessAccess::child(process));
    const auto pipe_protocol = [&](int number) { return std::make_shared<PipeProtocol>(core, number); };
    auto streams = ProcessAccess::take_streams(process);
    if (streams.in.has_value()) core->pipes[0] = attach(pipe_protocol(0), std::move(*streams.in));
    if (streams.out.has_value()) core->pipes[1] = attach(pipe_protocol(1), std::move(*streams.out));
    if (streams.err.has_value()) core->pipes[2] = attach(pipe_protocol(2), std::move(*streams.err));
    for (const Transport& each : core->pipes) core->open_pipes += each.valid() ? 1 : 0;
    // Eagerly: connection_made is the first call, and the pipes are there.
    create_task(watch_subprocess(core), {.name = "subprocess transport", .eager_start = true});
    return SubprocessTransport(std::move(core));
}

}  // namespace detail

SubprocessProtocol::~SubprocessProtocol() = default;
void SubprocessProtocol::connection_made(SubprocessTransport) {}
void SubprocessProtocol::pipe_data_received(int, std::string_view) {}
void SubprocessProtocol::pipe_connection_lost(int, std::exception_ptr) {}
void SubprocessProtocol::process_exited() {}
void SubprocessProtocol::connection_lost(std::exception_ptr) {}

int SubprocessTransport::get_pid() const noexcept { return core_->child->pid; }
std::optional<int> SubprocessTransport::get_returncode() const noexcept { return core_->child->returncode; }
Transport SubprocessTransport::get_pipe_transport(int number) const noexcept {
    return number >= 0 && number < 3 ? core_->pipes[static_cast<std::size_t>(number)] : Transport();
}
void SubprocessTransport::send_signal(int number) { detail::signal_child(*core_->child, number); }
void SubprocessTransport::terminate() { send_signal(SIGTERM); }
void SubprocessTransport::kill() { send_signal(SIGKILL); }
void SubprocessTransport::close() noexcept { core_->close(); }
bool SubprocessTransport::is_closing() const noexcept { return core_->closing; }
std::shared_ptr<SubprocessProtocol> SubprocessTransport::get_protocol() const noexcept {
    return core_->protocol;
}
void SubprocessTransport::set_protocol(std::shared_ptr<SubprocessProtocol> protocol) {
    if (protocol == nullptr) throw ValueError("SubprocessTransport::set_protocol: there is none");
    if (core_->protocol != nullptr) core_->protocol = std::move(protocol);
}

}}  // namespace asyncio::v1
