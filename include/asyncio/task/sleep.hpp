// sleep and sleep_until.
#pragma once
#include <utility>

#include "asyncio/base/duration.hpp"
#include "asyncio/core/detail/record.hpp"

namespace asyncio { inline namespace v1 {

namespace detail {

/// Waits in the timer queue; for a delay of zero or less, for one turn of the ready queue.
class [[nodiscard("nothing sleeps before this is awaited: co_await asyncio::sleep(…)")]] SleepAwaiter
    : Sleeper {
  public:
    /// For a delay; not more than 0: one turn.
    explicit SleepAwaiter(std::int64_t delay_ns) noexcept : Sleeper(delay_ns > 0 ? delay_ns : 0) {}
    /// Before it is awaited.
    SleepAwaiter(SleepAwaiter&& other) noexcept : Sleeper(other.delay) {
        ASYNCIO_ASSERT(other.index == unawaited, "an awaiter is movable until it is awaited");
    }
    using LooseAwaitableTag = void;
    /// For a point in time.
    static SleepAwaiter until(TimePoint when) noexcept { return SleepAwaiter(when); }
    ~SleepAwaiter() {
        if (armed()) [[unlikely]]
            disarm_timer(current_loop, this);
    }

    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h, Where where = __builtin_source_location()) {
        const std::int64_t wanted = delay;
        frame = awaiting(h);
        index = awaited;
        LoopCore* const loop = current_loop;
        if (enter_wait(loop, frame, where)) {
            // Of a sleep that is one turn of the queue nothing was let go: a later request may still say why.
            if (wanted == 0) frame->task->clear(cancel_thrown);
            return;
        }
        if (wanted == 0) return push_frame(loop, frame);
        arm_timer(loop, static_cast<Sleeper*>(this),
                  wanted < 0 ? static_cast<std::uint64_t>(-wanted)
                             : saturating_add(now_ns(loop), static_cast<std::uint64_t>(wanted)));
        frame->task->live.waits_on = this;
    }
    void await_resume() const { throw_if_cancelled(frame->task); }

  private:
    static constexpr std::uint32_t unawaited = 0;
    static constexpr std::uint32_t awaited = 1;
    /// A point in time is a delay below 0.
    explicit SleepAwaiter(TimePoint when) noexcept
        : Sleeper(when.time_since_epoch().count() > 0 ? -when.time_since_epoch().count() : -1) {}
};
static_assert(sizeof(SleepAwaiter) == 16);

template <class T>
class [[nodiscard("nothing sleeps before this is awaited: co_await asyncio::sleep(…)")]] SleepResultAwaiter
    : public SleepAwaiter {
  public:
    SleepResultAwaiter(std::int64_t delay_ns, T result)
        : SleepAwaiter(delay_ns), result_(std::move(result)) {}
    T await_resume() {
        SleepAwaiter::await_resume();
        return std::move(result_);
    }

  private:
    T result_;
};

}  // namespace detail

/// Suspends the task for `delay`, never less. A delay of zero or less yields once: every other ready task
///          runs first.
///
/// Suspends    always
/// Cancel      ends the sleep at once
/// Threads     loop thread
/// Cost        no allocation
/// Python      asyncio.sleep. Takes any std::chrono duration; a bare number is refused: write sleep(1s)
inline detail::SleepAwaiter sleep(Duration delay) noexcept { return detail::SleepAwaiter(delay.count_ns()); }
// Without a Duration between, which g++ would keep in the frame.
template <class Rep, class Period>
detail::SleepAwaiter sleep(std::chrono::duration<Rep, Period> delay) {
    return detail::SleepAwaiter(Duration(delay).count_ns());
}

/// The same; the await gives `result`.
///
/// Suspends    always
/// Cancel      ends the sleep at once; the result is destroyed
/// Threads     loop thread
template <class T>
detail::SleepResultAwaiter<std::decay_t<T>> sleep(Duration delay, T&& result) {
    return detail::SleepResultAwaiter<std::decay_t<T>>(delay.count_ns(), std::forward<T>(result));
}

/// Suspends the task until the loop's clock shows `when`; once, if that is past.
///
/// Suspends    always
/// Cancel      ends the sleep at once
/// Threads     loop thread
/// Python      no equivalent; loop.call_at
inline detail::SleepAwaiter sleep_until(TimePoint when) noexcept { return detail::SleepAwaiter::until(when); }

}}  // namespace asyncio::v1
