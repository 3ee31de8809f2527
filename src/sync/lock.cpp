// Lock: the order of events is CPython's, to the pass of the loop.
//
// release() wakes the one in front, and only that: a lock is `locked` again when the woken one has had its
// turn. Until then nobody else can take it, since somebody stands in line. If the one in front was cancelled,
// it is in its own turn that it wakes the next.
#include "asyncio/sync/lock.hpp"

namespace asyncio { inline namespace v1 {

void Lock::Acquire::start() {
    if (lock_->try_acquire()) return yield();  // the step's budget is spent, no more
    lock_->binding_.require("Lock");
    park(lock_->queue_);
}

void Lock::take_turn(WaitPlace& waiter) noexcept {
    const bool held = waiter.yielded();  // it was acquired before the yield
    waiter.leave();
    if (waiter.cancelled()) {
        if (held) locked_ = false;
        if (!locked_) wake_first();
    } else {
        locked_ = true;
    }
}

bool Lock::try_acquire_watched() noexcept { return !binding_.runs_elsewhere() && do_try_acquire(); }

void Lock::release_watched() {
    binding_.check_thread("Lock.release");
    do_release();
}

void Lock::throw_not_locked() {
    throw RuntimeError(
        "release of a Lock that is not locked: release it once for each acquire, or let "
        "`with` or scoped() do it");
}

}}  // namespace asyncio::v1
