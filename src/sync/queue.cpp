// Queues. What happens, and in which pass of the loop, is CPython's:
//
//   1. An item stays in the queue until the getter that was woken for it has its turn. So a getter that is
//      cancelled then leaves it there, and wakes the next.
//   2. Meanwhile anybody may take it who asks (get_nowait, or a get that finds the queue not empty). Python's
//      woken getter then finds the queue empty and waits again, at the end of the line.
//
// An awaiter, once its coroutine is resumed, cannot wait again. So promises are counted: `getters_.woken()`
// are those whose coroutines will take an item as soon as they run, and never more than there are items. Who
// takes an item that is promised takes the promise back (`retract`): of one of the woken, whichever, it is
// now not the coroutine that gets the turn but `go_on`, which looks again. Putters and room likewise.
#include "asyncio/sync/queue.hpp"

namespace asyncio { inline namespace v1 {

constinit const WaitKind QueueBase::Getting::kind{"Queue.get", &QueueBase::Getting::go_on};
constinit const WaitKind QueueBase::Putting::kind{"Queue.put", &QueueBase::Putting::go_on};

void QueueBase::Getting::start_otherwise() {
    if (base_->runs_elsewhere()) base_->binding_.require("Queue");  // which throws
    if (base_->count_ != 0) return yield_to_turn();                 // the step's budget is spent, no more
    if (base_->shut_down_) throw QueueShutDown();
    base_->binding_.require("Queue");
    park(base_->getters_);
}

bool QueueBase::Getting::go_on(WaitPlace& waiter) noexcept {
    const QueueBase& queue = *static_cast<Getting&>(waiter).base_;
    if (queue.count_ != 0 || queue.shut_down_ || waiter.cancelled()) return true;
    waiter.park(static_cast<Getting&>(waiter).base_->getters_);
    return false;
}

void QueueBase::Getting::pass_on() noexcept {
    WaitQueue& getters = base_->getters_;
    if (!woken() || base_->count_ == 0) return;
    if (getters.unpark_one() && getters.woken() > base_->count_) getters.retract();
}

void QueueBase::Putting::start_otherwise() {
    if (base_->runs_elsewhere()) base_->binding_.require("Queue");  // which throws
    if (base_->shut_down_) throw QueueShutDown();
    if (!base_->full()) return yield_to_turn();  // the step's budget is spent, no more
    base_->binding_.require("Queue");
    park(base_->putters_);
}

bool QueueBase::Putting::go_on(WaitPlace& waiter) noexcept {
    const QueueBase& queue = *static_cast<Putting&>(waiter).base_;
    if (!queue.full() || queue.shut_down_ || waiter.cancelled()) return true;
    waiter.park(static_cast<Putting&>(waiter).base_->putters_);
    return false;
}

void QueueBase::Putting::pass_on() noexcept {
    WaitQueue& putters = base_->putters_;
    if (!woken() || base_->full()) return;
    if (putters.unpark_one() && putters.woken() > base_->limit_ - base_->count_) putters.retract();
}

void QueueBase::shut_down(bool immediate) noexcept {
    binding_.assert_thread("Queue.shutdown");
    shut_down_ = true;
    if (immediate) {
        unfinished_ -= count_ < unfinished_ ? count_ : unfinished_;
        count_ = 0;
        if (unfinished_ == 0) joiners_.unpark_all();
    }
    while (getters_.unpark_one()) {}
    while (putters_.unpark_one()) {}
}

void QueueBase::throw_empty() const {
    if (shut_down_) throw QueueShutDown();
    throw QueueEmpty();
}

void QueueBase::throw_full() const {
    if (shut_down_) throw QueueShutDown();
    throw QueueFull();
}

void QueueBase::throw_done_too_often() {
    throw ValueError(
        "task_done was called more often than there were items: call it once for each item that "
        "was got");
}

}}  // namespace asyncio::v1
