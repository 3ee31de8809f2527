// checkpoint: for operations that may have nothing to wait for.
#pragma once
#include "asyncio/core/detail/loop_core.hpp"

namespace asyncio { inline namespace v1 {

namespace detail {

/// See checkpoint.
class [[nodiscard("nothing happens before this is awaited: co_await asyncio::checkpoint()")]] Checkpoint {
  public:
    constexpr Checkpoint() noexcept {}
    bool await_ready() const noexcept {
        const LoopCore* const loop = current_loop;
        return loop != nullptr && loop->current->pending == 0 && !budget_spent(current_loop);
    }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h, Where where = where_here()) const {
        PromiseBase* const frame = awaiting(h);
        if (!enter_wait(current_loop, frame, where)) push_frame(current_loop, frame);
    }
    void await_resume() const { throw_if_cancelled(current_loop->current); }
};

}  // namespace detail

/// Delivers a cancel that is pending, and lets others run if this task has gone on for long without a
/// suspension. For operations of your own that may find everything ready, and for long computations.
///
/// Throws      CancelledError
/// Suspends    once in 128 times
/// Cancel      delivered here
/// Threads     loop thread
/// Cost        no allocation
/// Python      none; Trio's lowlevel.checkpoint, which yields each time, as `sleep(0s)` does
inline detail::Checkpoint checkpoint() noexcept { return detail::Checkpoint(); }

}}  // namespace asyncio::v1
