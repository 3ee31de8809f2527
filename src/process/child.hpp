// Child: a process that was started, until its exit status is collected. See child.cpp.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "asyncio/base/duration.hpp"
#include "asyncio/core/backend.hpp"
#include "asyncio/process/subprocess.hpp"
#include "asyncio/sync/event.hpp"
#include "detail/loop_impl.hpp"
#include "detail/signal_hub.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

struct ProcessPart;

struct Child final : Operation, std::enable_shared_from_this<Child> {
    Child(ProcessPart& p, std::string program) noexcept;
    ~Child();

    bool has_ended() const noexcept { return returncode.has_value(); }
    /// It runs already. Watches it from now on.
    void watch(int its_pid);
    /// Collects the exit status if it has ended.
    void look() noexcept;
    /// 0 or an errno value.
    int signal(int number) noexcept;
    /// The loop closes: it is watched no more.
    void leave() noexcept;

    ProcessPart* part;  // null: its loop has closed
    const std::string name;
    Duration grace;  // between SIGTERM and SIGKILL
    int pid = -1;
    std::optional<int> returncode;
    Event ended;  // … or left

  private:
    void arm();
    void abandon() noexcept;
    static void readable(Operation* operation) noexcept;
};

/// What a loop keeps of its processes.
struct ProcessPart final : LoopPart {
    explicit ProcessPart(LoopImpl* l) noexcept : loop(l) {}
    void shut_down() noexcept override;

    /// From now on SIGCHLD makes it look at those that have no descriptor to be watched by.
    void watch_signals();
    void look_at_all() noexcept;
    void remove(const Child* child) noexcept;

    LoopImpl* const loop;
    std::vector<std::shared_ptr<Child>> running;
    std::shared_ptr<SignalSubscriber> signals;
};

/// Throws  ProcessLookupError  it has ended; ValueError  no such signal
void signal_child(Child& child, int number);

/// The way into a Process for those who take its place.
struct ProcessAccess {
    struct Streams {
        std::optional<StreamWriter> in;
        std::optional<StreamReader> out;
        std::optional<StreamReader> err;
    };
    static const std::shared_ptr<Child>& child(const Process& process) noexcept { return process.child_; }
    /// The process is forgotten by its handle.
    static Streams take_streams(Process& process) noexcept {
        process.child_.reset();
        return Streams{std::move(process.stdin_stream_), std::move(process.stdout_stream_),
                       std::move(process.stderr_stream_)};
    }
};

/// Of the running loop.
/// Throws  RuntimeError  no loop is running, it is closing, or its backend is `sim`
ProcessPart& running_process_part();

/// Tests: kernels before 5.3 have no pidfd_open(2), and filters may refuse it.
extern bool pidfds_are_refused;

}}}  // namespace asyncio::v1::detail
