// Barrier. In Python it is a Condition and a counter; its lock is never held over a suspension, so nothing is
// lost without it. What is left of the Condition: one line of waiters, all of whom are woken by each change;
// each looks, in its own turn, whether it is its own (`go_on`), and else waits again behind the others. A
// cancelled one wakes the next, since its own wake-up may have been meant for more than itself.
#include "asyncio/sync/barrier.hpp"

namespace asyncio { inline namespace v1 {

constinit const WaitKind Barrier::Wait::kind{"Barrier.wait", &Barrier::Wait::go_on, WaitKind::Wakes::turn};

Barrier::Barrier(std::ptrdiff_t parties) : parties_(static_cast<std::size_t>(parties)) {
    if (parties < 1) throw ValueError("a Barrier is for one party or more");
}

void Barrier::do_reset() noexcept {
    phase_ = count_ > 0 ? Phase::resetting : Phase::filling;
    queue_.unpark_all();
}

void Barrier::do_abort() noexcept {
    phase_ = Phase::broken;
    queue_.unpark_all();
}

/// One less is inside; the last of a lot lets the next come in.
void Barrier::leave() noexcept {
    if (--count_ != 0) return;
    if (phase_ == Phase::resetting || phase_ == Phase::draining) phase_ = Phase::filling;
    queue_.unpark_all();
}

void Barrier::Wait::start() {
    if (!goes_through()) barrier_->binding_.require("Barrier");
    if (arrive()) yield_to_turn();  // the step's budget is spent, no more
}

/// Comes in, if others are not leaving. True: there is nothing to wait for.
bool Barrier::Wait::arrive() noexcept {
    Barrier& barrier = *barrier_;
    if (barrier.phase_ == Phase::broken) {
        stage_ = Stage::failed;
        return true;
    }
    if (barrier.phase_ != Phase::filling) {
        stage_ = Stage::outside;
        park(barrier.queue_);
        return false;
    }
    index_ = barrier.count_++;
    stage_ = Stage::inside;
    if (barrier.count_ == barrier.parties_) {
        barrier.phase_ = Phase::draining;
        barrier.queue_.unpark_all();
        return end(Stage::passed);
    }
    park(barrier.queue_);
    return false;
}

bool Barrier::Wait::end(Stage stage) noexcept {
    const bool inside = stage_ == Stage::inside;
    stage_ = stage;
    if (inside) barrier_->leave();
    return true;
}

bool Barrier::Wait::go_on(WaitPlace& waiter) noexcept { return static_cast<Wait&>(waiter).go_on(); }

bool Barrier::Wait::go_on() noexcept {
    Barrier& barrier = *barrier_;
    if (yielded()) return true;
    leave();
    if (cancelled()) {
        cancel_.emplace(take_cancel());
        barrier.queue_.unpark_one();
        return end(Stage::cancelled);
    }
    if (stage_ == Stage::outside && barrier.phase_ != Phase::draining && barrier.phase_ != Phase::resetting)
        return arrive();
    if (stage_ == Stage::outside || barrier.phase_ == Phase::filling) {
        park(barrier.queue_);
        return false;
    }
    return end(barrier.phase_ == Phase::draining ? Stage::passed : Stage::failed);
}

void Barrier::Wait::fail() {
    if (cancel_.has_value()) throw *cancel_;
    if (stage_ == Stage::before) throw_if_cancelled();
    throw BrokenBarrierError(barrier_->broken()
                                 ? "the barrier was aborted: reset it before tasks wait at it again"
                                 : "the barrier was reset while this task waited at it");
}

}}  // namespace asyncio::v1
