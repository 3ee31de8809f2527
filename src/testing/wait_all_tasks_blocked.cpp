// wait_all_tasks_blocked. The loop itself looks (LoopImpl::wait_for_work): it alone knows when nothing is
// left to run.
#include "asyncio/testing/wait_all_tasks_blocked.hpp"

#include "detail/loop_impl.hpp"

namespace asyncio { inline namespace v1 { namespace testing { namespace detail {

const LeafOps BlockedAwaiter::ops_{&BlockedAwaiter::cancel, nullptr, "wait_all_tasks_blocked"};

void BlockedAwaiter::start() {
    impl_of(current_loop)->idle_waiters.push_back(this);
    suspend_on(this);
}

CancelAnswer BlockedAwaiter::cancel(Leaf* leaf) noexcept {
    std::erase(impl_of(current_loop)->idle_waiters, leaf);
    return CancelAnswer::resume;
}

}}}}  // namespace asyncio::v1::testing::detail
