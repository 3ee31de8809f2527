// The watchdog: a thread that says where a loop is blocked, while it is.
//
// The loop writes its pulse once for each pass over its ready queue, and before it waits in the kernel. The
// watchdog looks at it a few times in each `limit`. A pulse that says "in a pass" and stays the same for
// `limit` is a callback or a step of a task that does not come back (or a pass over a great many: the report
// tells how many have run). A loop that waits, or is not run at all, is not blocked; a tight `sleep(0s)` loop
// has a pulse.
//
// What is no block although it looks like one:
//   - The process was stopped (a debugger, SIGSTOP, a machine that slept): then the watchdog's own wait took
//   too
//     long as well, and it begins anew.
//   - The machine is so busy that the thread had no processor: it is ready to run and has hardly run.
//
// The first report comes after `limit`, the next ones after twice the time each, and one line when the loop
// goes on. They are warnings (see set_warning_handler), given on this thread: the loop's cannot.
#include "detail/watchdog.hpp"

#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <string>
#include <thread>

#include "debug/stack_sample.hpp"
#include "debug/symbols.hpp"
#include "detail/loop_impl.hpp"
#include "detail/warnings.hpp"

namespace asyncio { inline namespace v1 {
namespace debug { namespace {

using Clock = std::chrono::steady_clock;

constexpr int looks_per_limit = 4;
constexpr auto look_interval_min = std::chrono::milliseconds(1);

/// What a thread has had of the processor; nothing if it has ended.
std::chrono::nanoseconds processor_time(pid_t tid) noexcept {
    // The clock of a thread by its number, as glibc's pthread_getcpuclockid makes it: that one takes a
    // pthread_t, which may be gone.
    const auto clock = static_cast<clockid_t>((~static_cast<unsigned>(tid) << 3) | 6u);
    timespec time{};
    if (::clock_gettime(clock, &time) != 0) return {};
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

/// 'R' runs or is ready to, 'S' sleeps in the kernel, 'D' on a disk …; see proc(5), "stat".
char state_of(pid_t tid) noexcept {
    char path[64];
    std::snprintf(path, sizeof path, "/proc/self/task/%d/stat", static_cast<int>(tid));
    std::FILE* const file = std::fopen(path, "re");
    if (file == nullptr) return '?';
    char text[256] = {};
    const std::size_t bytes = std::fread(text, 1, sizeof text - 1, file);
    std::fclose(file);
    const std::string_view line(text, bytes);
    const auto closing = line.rfind(')');  // the thread's name may have some of its own
    return closing != std::string_view::npos && closing + 2 < line.size() ? line[closing + 2] : '?';
}

std::string seconds_text(std::chrono::nanoseconds time) {
    char text[48];
    std::snprintf(text, sizeof text, "%.2f s", std::chrono::duration<double>(time).count());
    return text;
}

// ---- what a report says -------------------------------------------------------------------------

std::string task_text(const StackSample& sample) {
    if (!sample.runs_task) return "\n  a callback runs";
    std::string name = sample.task_name;
    if (name.empty()) name = "Task-" + std::to_string(sample.task_id);
    std::string text = "\n  task '" + name + "' runs, innermost coroutine first:";
    for (std::size_t i = 0; i != sample.await_count; ++i) {
        // The one that runs was last seen at its latest await; the others are at theirs.
        text += "\n    " + detail::coroutine_name(sample.awaits[i]) + (i == 0 ? " (after " : " (") +
                detail::place_text(sample.awaits[i]) + ")";
    }
    if (sample.more_awaits) text += "\n    …";
    return text;
}

/// What is below the loop's own step is the same every time.
bool is_the_loops(const std::string& frame) { return frame.find("detail::LoopImpl::") != std::string::npos; }

std::string native_text(const StackSample& sample) {
    std::string text = "\n  native stack of its thread:";
    for (const std::string& each : describe_addresses({sample.native, sample.native_count})) {
        if (is_the_loops(each)) break;
        text += "\n    " + each;
    }
    return text;
}

std::string no_sample_text(Sampled how) {
    if (how == Sampled::no_signal)
        return "\n  (where it is cannot be told: the program has a handler of its own for SIGURG)";
    return "\n  (where it is cannot be told: its thread blocks all signals, or the system does not run it)";
}

// ---- the thread ---------------------------------------------------------------------------------

class LoopWatchdog final : public detail::Watchdog {
  public:
    LoopWatchdog(const detail::LoopImpl& loop, std::chrono::nanoseconds limit) noexcept
        : loop_(loop),
          limit_(limit),
          interval_(std::max<std::chrono::nanoseconds>(limit / looks_per_limit, look_interval_min)) {}
    ~LoopWatchdog() override {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        changed_.notify_one();
        if (thread_.joinable()) thread_.join();
    }
    /// Throws std::system_error.
    void start() {
        sigset_t all;
        sigset_t before;
        sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all,
                          &before);  // signals are for threads that know what to do with them
        try {
            thread_ = std::thread([this] { run(); });
        } catch (...) {
            ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
            throw;
        }
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }
    void watch_this_thread() noexcept override {
        tid_.store(::gettid(),
                   std::memory_order_relaxed);  // ordered by the pulse being looked at later at all
    }

  private:
    /// A pulse that has not changed since `since`.
    struct Seen {
        std::uint64_t pulse = 0;
        Clock::time_point since{};
        std::chrono::nanoseconds processor{};
        std::chrono::nanoseconds report_at{};
        bool reported = false;
    };

    void run() noexcept {
        ::pthread_setname_np(::pthread_self(), "asyncio-watch");
        warm_up_unwinder();
        std::unique_lock lock(mutex_);
        Clock::time_point now = Clock::now();
        while (!stopping_) {
            changed_.wait_for(lock, interval_, [this] { return stopping_; });
            if (stopping_) break;
            const Clock::time_point before = std::exchange(now, Clock::now());
            const bool was_stopped = now - before > 2 * interval_ + std::chrono::milliseconds(20);
            lock.unlock();
            look(now, was_stopped);
            lock.lock();
            now = Clock::now();  // a report may take its time
        }
        lock.unlock();
        if (seen_.reported) look(Clock::now(), false);  // it goes on, or it would not be closed
    }

    void look(Clock::time_point now, bool was_stopped) noexcept {
        const std::uint64_t pulse =
            pulse_.load(std::memory_order_relaxed);  // it only has to be the latest soon
        if (pulse != seen_.pulse) {
            if (seen_.reported) say_it_goes_on(now);
            seen_ = Seen{pulse, now, processor_time(tid()), limit_, false};
            return;
        }
        const bool in_a_pass = (pulse & 1) != 0;
        if (!in_a_pass) return;
        if (was_stopped && !seen_.reported) {
            seen_.since = now;
            seen_.processor = processor_time(tid());
            return;
        }
        const auto blocked = now - seen_.since;
        if (blocked < seen_.report_at || is_starved(blocked)) return;
        report(blocked);
    }

    /// Ready to run all the time, and not let.
    bool is_starved(std::chrono::nanoseconds blocked) const noexcept {
        return !seen_.reported && processor_time(tid()) - seen_.processor < blocked / 10 &&
               state_of(tid()) == 'R';
    }

    void report(std::chrono::nanoseconds blocked) noexcept {
        StackSample sample;
        const Sampled how = sample_stack(loop_, tid(), seen_.pulse, sample);
        if (how == Sampled::moved_on) return;
        const auto worked = processor_time(tid()) - seen_.processor;
        detail::warn_with(detail::remark, "the event loop is blocked", [&] {
            std::string text = "the event loop of thread " + std::to_string(tid()) + " is blocked: for " +
                               seconds_text(blocked) + " nothing else could run (" + seconds_text(worked) +
                               " of processor time)";
            if (how != Sampled::taken) return text + no_sample_text(how);
            if (sample.entries_run > 1)
                text += "\n  " + std::to_string(sample.entries_run) +
                        " tasks and callbacks have run in this pass";
            return text + task_text(sample) + native_text(sample) +
                   "\n  hand such work to a thread, co_await asyncio::to_thread(f), or let others have a "
                   "turn, "
                   "co_await asyncio::sleep(0s)";
        });
        seen_.reported = true;
        seen_.report_at = 2 * blocked;
    }

    void say_it_goes_on(Clock::time_point now) noexcept {
        detail::warn_with(detail::remark, "the event loop goes on", [&] {
            return "the event loop of thread " + std::to_string(tid()) + " goes on, after " +
                   seconds_text(now - seen_.since);
        });
    }

    pid_t tid() const noexcept { return tid_.load(std::memory_order_relaxed); }

    const detail::LoopImpl& loop_;
    const std::chrono::nanoseconds limit_;
    const std::chrono::nanoseconds interval_;
    std::atomic<pid_t> tid_{0};
    Seen seen_;  // the watchdog's thread alone
    std::mutex mutex_;
    std::condition_variable changed_;
    bool stopping_ = false;  // guarded by mutex_
    std::thread thread_;
};

}}  // namespace debug

namespace detail {

std::unique_ptr<Watchdog> start_watchdog(const LoopImpl& loop, Duration limit) noexcept {
    try {
        auto made = std::make_unique<debug::LoopWatchdog>(loop, std::chrono::nanoseconds(limit.count_ns()));
        made->start();
        return made;
    } catch (...) {
        warn(remark, "no watchdog: there is no thread to be had for it");
        return nullptr;
    }
}

}  // namespace detail
}}  // namespace asyncio::v1
