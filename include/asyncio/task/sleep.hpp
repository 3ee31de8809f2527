// sleep and sleep_until.
#pragma once
#include <utility>

#include "asyncio/base/duration.hpp"
#include "asyncio/core/detail/record.hpp"

namespace asyncio { inline namespace v1 {

namespace detail {

/// Waits in the timer queue; for a delay of zero or less, for one turn of the ready queue.
class [[nodiscard("nothing sleeps before this is awaited: co_await asyncio::sleep(…)")]] SleepAwaiter
    : Timer {
  public:
    /// For a delay; not more than 0: one turn.
    explicit SleepAwaiter(std::int64_t delay_ns) noexcept : Timer(&ops_) {
        position = delay_ns > 0 ? static_cast<std::uint64_t>(delay_ns) : 0;
    }
    /// Before it is awaited.
    SleepAwaiter(SleepAwaiter&& other) noexcept : Timer(&ops_), absolute_(other.absolute_) {
        ASYNCIO_ASSERT(other.frame == nullptr, "an awaiter is movable until it is awaited");
        position = other.position;
    }
    using LooseAwaitableTag = void;
    /// For a point in time.
    static SleepAwaiter until(TimePoint when) noexcept { return SleepAwaiter(when, 0); }
    ~SleepAwaiter() {
        if (armed()) [[unlikely]]
            disarm_timer(current_loop, this);
    }

    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h, Where where = where_here()) {
        if (enter_leaf(this, h, where)) {
            // Of a sleep that is one turn of the queue nothing was let go: a later request may still say why.
            if (position == 0) frame->task->clear(cancel_thrown);
            return;
        }
        LoopCore* const loop = current_loop;
        if (position == 0) return push_frame(loop, frame);
        arm_timer(loop, this, absolute_ ? position : saturating_add(now_ns(loop), position));
        suspend_on(this);
    }
    void await_resume() const { throw_if_cancelled(frame->task); }

  private:
    SleepAwaiter(TimePoint when, int) noexcept : Timer(&ops_), absolute_(true) {
        const auto ns = when.time_since_epoch().count();
        position = ns > 0 ? static_cast<std::uint64_t>(ns) : 1;
    }
    static CancelAnswer cancel(Leaf* leaf) noexcept {
        disarm_timer(current_loop, static_cast<SleepAwaiter*>(leaf));
        return CancelAnswer::resume;
    }
    static void due(Leaf* leaf) noexcept { wake(leaf); }
    static constexpr LeafOps ops_{&cancel, &due, "sleep"};

    bool absolute_ = false;
};

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
