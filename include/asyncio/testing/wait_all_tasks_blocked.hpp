// wait_all_tasks_blocked: until nothing else can run.
#pragma once
#include "asyncio/core/detail/loop_core.hpp"

namespace asyncio { inline namespace v1 { namespace testing {

namespace detail {

using namespace asyncio::detail;

class [[nodiscard("nothing waits before this is awaited: co_await wait_all_tasks_blocked()")]] BlockedAwaiter
    : Leaf {
  public:
    BlockedAwaiter() noexcept : Leaf(&ops_) {}
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h, Where where = where_here()) {
        if (enter_leaf(this, h, where)) return;
        start();
    }
    void await_resume() const { throw_if_cancelled(frame->task); }

  private:
    void start();
    static CancelAnswer cancel(Leaf* leaf) noexcept;
    static const LeafOps ops_;
};

}  // namespace detail

/// Suspends the task until every other one is blocked: nothing stands in the ready queue, the kernel has
/// nothing to tell, and no `to_thread` call is out. What a test waits for instead of a sleep: afterwards
/// everything has gone as far as it can go. Comes before a virtual clock's autojump. Tasks that wait here do
/// not keep each other waiting.
///
/// A peer in another thread or process, or data on its way between two sockets, may still wake somebody
/// later.
///
/// Throws      std::bad_alloc
/// Suspends    always
/// Cancel      ends the wait at once
/// Threads     loop thread
/// Python      Trio's wait_all_tasks_blocked
inline detail::BlockedAwaiter wait_all_tasks_blocked() noexcept { return detail::BlockedAwaiter(); }

}}}  // namespace asyncio::v1::testing
