// sleep and sleep_until.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "asyncio/base/duration.hpp"
#include "asyncio/core/detail/record.hpp"

namespace asyncio { inline namespace v1 {

namespace detail {

/// Waits in the timer queue; for a delay of zero or less, for one turn of the ready queue. What is needed
/// while it waits lies in the coroutine's record: see WaitsOn.
class [[nodiscard("nothing sleeps before this is awaited: co_await asyncio::sleep(…)")]] SleepAwaiter {
  public:
    /// For a delay; not more than 0: one turn.
    explicit SleepAwaiter(std::int64_t delay_ns) noexcept { set_delay(delay_ns > 0 ? delay_ns : 0); }
    /// Before it is awaited.
    SleepAwaiter(SleepAwaiter&& other) noexcept { set_delay(other.delay()); }
    using LooseAwaitableTag = void;
    /// For a point in time.
    static SleepAwaiter until(TimePoint when) noexcept { return SleepAwaiter(when); }

    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h, Where where = where_here()) {
        PromiseBase* const frame = awaiting(h);
        LoopCore* const loop = current_loop;
        const std::int64_t ns = delay();
        if (enter_wait(loop, frame, where)) {
            // Of a sleep that is one turn of the queue nothing was let go: a later request may still say why.
            if (ns == 0) loop->current->clear(cancel_thrown);
            return;
        }
        if (ns == 0) return push_frame(loop, frame);
        const std::uint64_t deadline = ns < 0 ? static_cast<std::uint64_t>(-ns)
                                              : saturating_add(now_ns(loop), static_cast<std::uint64_t>(ns));
        start_sleep(loop, frame, deadline);
    }
    void await_resume() const { throw_if_cancelled(current_loop->current); }

  private:
    /// A point in time is a delay below 0.
    explicit SleepAwaiter(TimePoint when) noexcept {
        const std::int64_t ns = when.time_since_epoch().count();
        set_delay(ns > 0 ? -ns : -1);
    }
    std::int64_t delay() const noexcept {
        std::int64_t ns = 0;
        std::memcpy(&ns, delay_, sizeof ns);
        return ns;
    }
    void set_delay(std::int64_t ns) noexcept { std::memcpy(delay_, &ns, sizeof ns); }

    // Not aligned: g++ lays a frame out in the order of the source, and so this shares its word with the
    // flags before it and the final awaiter behind it. Of a million sleepers that is 16 bytes each.
    std::byte delay_[sizeof(std::int64_t)];
};
static_assert(sizeof(SleepAwaiter) == 8 && alignof(SleepAwaiter) == 1);

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
inline detail::SleepAwaiter sleep(const Duration& delay) noexcept {
    return detail::SleepAwaiter(delay.count_ns());
}
// By reference, and without a Duration between: g++ would keep a copy of each in the frame.
template <class Rep, class Period>
detail::SleepAwaiter sleep(const std::chrono::duration<Rep, Period>& delay) {
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
inline detail::SleepAwaiter sleep_until(const TimePoint& when) noexcept {
    return detail::SleepAwaiter::until(when);
}

}}  // namespace asyncio::v1
