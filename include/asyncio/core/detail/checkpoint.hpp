// Checkpoint: what an operation awaits that may have nothing to wait for.
#pragma once
#include "asyncio/core/detail/loop_core.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

/// Delivers a cancel that is pending; yields once if the step has used up its budget.
class Checkpoint {
  public:
    constexpr Checkpoint() noexcept {}
    bool await_ready() const noexcept {
        LoopCore* const loop = current_loop;
        return loop != nullptr && loop->current->pending == 0 && !budget_spent(loop);
    }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h, Where where = where_here()) const {
        PromiseBase* const frame = awaiting(h);
        if (!enter_wait(current_loop, frame, where)) push_frame(current_loop, frame);
    }
    void await_resume() const { throw_if_cancelled(current_loop->current); }
};

}}}  // namespace asyncio::v1::detail
