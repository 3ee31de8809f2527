// Semaphore: what is released goes to the first that waits at once: the counter is lowered for it when it is
// woken, and raised again if it turns out to have been cancelled.
//
// A newcomer waits as long as anybody is before it, also if the counter is above 0 by now. So whoever has had
// its turn, or was cancelled, looks whether more can be let in; else those newcomers would wait for ever.
#include "asyncio/sync/semaphore.hpp"

namespace asyncio { inline namespace v1 {

void Semaphore::Acquire::start() {
    if (semaphore_->try_acquire()) return yield();  // the step's budget is spent, no more
    semaphore_->binding_.require("Semaphore");
    park(semaphore_->queue_);
}

void Semaphore::take_turn(WaitPlace& waiter) noexcept {
    const bool acquired = waiter.woken() || waiter.yielded();
    waiter.leave();
    if (waiter.cancelled() && acquired) ++value_;
    while (value_ > 0) {
        if (!wake_next()) break;
    }
}

void Semaphore::throw_over_release() {
    throw ValueError(
        "a BoundedSemaphore is released more often than it was acquired: release it once for each "
        "acquire, or let `with` or scoped() do it");
}

void Semaphore::throw_negative() { throw ValueError("the initial value of a Semaphore must be 0 or more"); }

}}  // namespace asyncio::v1
