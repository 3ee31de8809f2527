// Condition::wait: two waits in one, first for a notify, then for the lock. The coroutine goes on when both
// are over, so a cancel in either goes to `go_on` instead: it is kept, and the lock is waited for anew, at
// the end of its line, as often as that is cancelled.
#include "asyncio/sync/condition.hpp"

#include <string>

namespace asyncio { inline namespace v1 {

constinit const WaitKind Condition::Wait::kind{"Condition.wait", &Condition::Wait::go_on,
                                               WaitKind::Wakes::turn};

void Condition::Wait::start() {
    if (!condition_->locked()) throw_without_lock("wait");
    condition_->binding_.require("Condition");
    condition_->lock_->release();
    ++condition_->users_;
    stage_ = Stage::for_notify;
    park(condition_->queue_);
}

bool Condition::Wait::go_on(WaitPlace& waiter) noexcept { return static_cast<Wait&>(waiter).go_on(); }

bool Condition::Wait::go_on() noexcept {
    Lock& lock = *condition_->lock_;
    const bool was_cancelled = cancelled();
    if (stage_ == Stage::for_lock) {
        lock.take_turn(*this);
        if (!was_cancelled) return true;
    } else {
        leave();
        stage_ = Stage::for_lock;
    }
    if (was_cancelled) cancel_.emplace(take_cancel());
    if (lock.try_acquire()) return true;
    park(lock.queue_);
    return false;
}

void Condition::throw_without_lock(const char* what) {
    throw RuntimeError(
        std::string(what) +
        " of a Condition whose lock is not held: do it inside `with(condition, body)`, or after "
        "co_await condition.acquire()");
}

}}  // namespace asyncio::v1
