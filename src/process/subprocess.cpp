// Process, and the two functions that make one.
#include "asyncio/process/subprocess.hpp"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>

#include "asyncio/base/error.hpp"
#include "asyncio/net/pipe.hpp"
#include "asyncio/task/gather.hpp"
#include "asyncio/task/wait_for.hpp"
#include "detail/warnings.hpp"
#include "net/stream_access.hpp"
#include "process/child.hpp"
#include "process/spawn.hpp"

namespace asyncio { inline namespace v1 {

namespace detail {

namespace {

Coro<int> wait_for_end(std::shared_ptr<Child> child) {
    co_await child->ended.wait();
    if (!child->has_ended()) {
        throw RuntimeError("subprocess " + std::to_string(child->pid) + " ('" + child->name +
                           "') ran on when its event loop was closed: nobody knows how it ended");
    }
    co_return *child->returncode;
}

/// Until it has ended, whatever comes.
Coro<> end_child(std::shared_ptr<Child> child, Duration grace) {
    std::exception_ptr cancelled;
    if (!child->has_ended()) {
        child->signal(SIGTERM);
        try {
            co_await wait_for(wait_for_end(child), grace);
        } catch (const TimeoutError&) {
        } catch (const CancelledError&) {
            cancelled = std::current_exception();
        }
        child->signal(SIGKILL);
        while (!child->has_ended() && child->part != nullptr) {
            try {
                co_await child->ended.wait();
            } catch (const CancelledError&) {
                cancelled = std::current_exception();
            }
        }
    }
    if (cancelled != nullptr) std::rethrow_exception(cancelled);
}

Coro<> feed(StreamWriter* in, std::string_view input) {
    if (in == nullptr) co_return;
    try {
        if (!input.empty()) co_await in->send(input);
        in->close();
        co_await in->wait_closed();
    } catch (const ConnectionError&) {
        // It does not read all of its input: its matter.
    }
}

Coro<std::string> read_all(StreamReader* from) {
    if (from == nullptr) co_return std::string();
    co_return co_await from->read();
}

/// Ends a process that was started for nothing.
struct KillUnlessKept {
    Child* child;
    explicit KillUnlessKept(Child* c) noexcept : child(c) {}
    KillUnlessKept(const KillUnlessKept&) = delete;
    KillUnlessKept& operator=(const KillUnlessKept&) = delete;
    ~KillUnlessKept() {
        if (child != nullptr) child->signal(SIGKILL);
    }
};

Coro<Process> start(SpawnRequest request) {
    throw_if_cancelled(current_loop->current);
    ProcessPart& part = running_process_part();
    const PipeOptions pipe_options{.limit = request.options.limit};
    auto child = std::make_shared<Child>(part, request.executable);
    child->grace = request.options.kill_after;
    part.running.reserve(part.running.size() + 1);
    Spawned spawned = spawn_program(request);
    child->watch(spawned.pid);
    KillUnlessKept guard(child.get());
    std::optional<StreamWriter> in;
    std::optional<StreamReader> out;
    std::optional<StreamReader> err;
    if (spawned.in.get() >= 0) in.emplace(co_await connect_write_pipe(spawned.in.give(), pipe_options));
    if (spawned.out.get() >= 0) out.emplace(co_await connect_read_pipe(spawned.out.give(), pipe_options));
    if (spawned.err.get() >= 0) err.emplace(co_await connect_read_pipe(spawned.err.give(), pipe_options));
    guard.child = nullptr;
    co_return Process(std::move(child), std::move(in), std::move(out), std::move(err));
}

bool is_held(const StreamWriter& writer) noexcept { return StreamAccess::duplex(writer) != nullptr; }
bool is_held(const StreamReader& reader) noexcept { return StreamAccess::inlet(reader) != nullptr; }

/// Null if it was not redirected, or somebody has moved it to a place of his own.
template <class Stream>
Stream* held(std::optional<Stream>& stream) noexcept {
    return stream.has_value() && is_held(*stream) ? &*stream : nullptr;
}

template <class Stream>
Stream& piped(std::optional<Stream>& stream, const char* which) {
    if (!stream.has_value()) {
        throw RuntimeError(std::string(which) + " of this subprocess was not redirected: pass {." + which +
                           " = asyncio::PIPE}");
    }
    if (!is_held(*stream))
        throw RuntimeError(std::string(which) + " of this subprocess was moved: use the stream it went to");
    return *stream;
}

}  // namespace

Coro<Process> spawn(std::vector<std::string> arguments, const SubprocessOptions& options, const char* what) {
    return start(SpawnRequest(std::move(arguments), options, what));
}

}  // namespace detail

Coro<Process> create_subprocess_shell(std::string_view command, const SubprocessOptions& options) {
    std::vector<std::string> arguments;
    for (const std::string_view each : {std::string_view("/bin/sh"), std::string_view("-c"), command})
        arguments.emplace_back(each);
    return detail::spawn(std::move(arguments), options, "create_subprocess_shell");
}

Process::Process(std::shared_ptr<detail::Child> child, std::optional<StreamWriter> in,
                 std::optional<StreamReader> out, std::optional<StreamReader> err) noexcept
    : child_(std::move(child)),
      stdin_stream_(std::move(in)),
      stdout_stream_(std::move(out)),
      stderr_stream_(std::move(err)) {}
Process::Process(Process&&) noexcept = default;
Process& Process::operator=(Process&& other) noexcept {
    if (this == &other) return *this;
    drop();
    child_ = std::move(other.child_);
    stdin_stream_ = std::move(other.stdin_stream_);
    stdout_stream_ = std::move(other.stdout_stream_);
    stderr_stream_ = std::move(other.stderr_stream_);
    return *this;
}
Process::~Process() { drop(); }

void Process::drop() noexcept {
    if (child_ == nullptr) return;
    if (StreamWriter* const in = detail::held(stdin_stream_)) in->close();
    if (child_->part != nullptr && child_->part->loop->debug) {
        detail::warn_with(detail::resource_warning, "a subprocess still runs", [this] {
            return "subprocess " + std::to_string(child_->pid) + " ('" + child_->name +
                   "') still runs: await wait(), or use with(create_subprocess_exec(…), body)";
        });
    }
    child_.reset();
}

int Process::pid() const noexcept { return child_->pid; }
std::optional<int> Process::returncode() const noexcept { return child_->returncode; }
StreamWriter& Process::stdin_() { return detail::piped(stdin_stream_, "stdin_"); }
StreamReader& Process::stdout_() { return detail::piped(stdout_stream_, "stdout_"); }
StreamReader& Process::stderr_() { return detail::piped(stderr_stream_, "stderr_"); }

Coro<int> Process::wait() const { return detail::wait_for_end(child_); }

Coro<std::pair<std::string, std::string>> Process::communicate(std::string input) {
    StreamWriter* const in = detail::held(stdin_stream_);
    if (in == nullptr && !input.empty()) {
        throw ValueError(
            "communicate: there is input, but stdin was not redirected: pass {.stdin_ = asyncio::PIPE}");
    }
    auto [fed, out, err] =
        co_await gather(detail::feed(in, input), detail::read_all(detail::held(stdout_stream_)),
                        detail::read_all(detail::held(stderr_stream_)));
    static_cast<void>(fed);
    co_await wait();
    co_return std::pair<std::string, std::string>(std::move(out), std::move(err));
}

void Process::send_signal(int number) { detail::signal_child(*child_, number); }
void Process::terminate() { send_signal(SIGTERM); }
void Process::kill() { send_signal(SIGKILL); }

Coro<> Process::aexit(std::exception_ptr) {
    if (StreamWriter* const in = detail::held(stdin_stream_)) in->close();
    return detail::end_child(child_, child_->grace);
}

}}  // namespace asyncio::v1
