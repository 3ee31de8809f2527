// Barrier. In Python it is a Condition and a counter; its lock is never held over a suspension, so nothing is
// lost without it. What is left of the Condition: one line of waiters, all of whom are woken by each change;
// each looks, in its own turn, whether it is its own (`go_on`), and else waits again behind the others. A
// cancelled one wakes the next, since its own wake-up may have been meant for more than itself.
//
// Whoever comes last goes on at once, and may destroy the barrier before the turns of those it has let go (in
// Python they keep it alive). So the woken stay in line until their turn, and the destructor tells them what
// they would have seen.
#include "asyncio/sync/barrier.hpp"

namespace asyncio { inline namespace v1 {

constinit const WaitKind Barrier::Wait::kind{"Barrier.wait", &Barrier::Wait::go_on, WaitKind::Wakes::turn};

Barrier::Barrier(std::ptrdiff_t parties) : parties_(static_cast<std::size_t>(parties)) {
    if (parties < 1) throw ValueError("a Barrier is for one party or more");
}

void Barrier::do_reset() noexcept {
    phase_ = count_ > 0 ? Phase::resetting : Phase::filling;
    wake_all();
}

void Barrier::do_abort() noexcept {
    phase_ = Phase::broken;
    wake_all();
}

/// One less is inside; the last of a lot lets the next come in.
void Barrier::leave() noexcept {
    if (--count_ != 0) return;
    if (phase_ == Phase::resetting || phase_ == Phase::draining) phase_ = Phase::filling;
    wake_all();
}

void Barrier::wake_all() noexcept {
    while (queue_.unpark_one()) {}
}

/// The barrier goes. (~WaitQueue asserts that nobody is left who needs it.)
void Barrier::let_go() noexcept {
    for (WaitPlace* each = queue_.front(); each != nullptr; each = queue_.front()) {
        if (!static_cast<Wait*>(each)->let_go()) return;
    }
}

void Barrier::Wait::start() {
    if (!goes_through()) barrier_->binding_.require("Barrier");
    if (arrive()) yield_to_turn();  // the step's budget is spent, no more
}

/// Comes in, if others are not leaving. True: there is nothing to wait for.
bool Barrier::Wait::arrive() noexcept {
    Barrier& barrier = *barrier_;
    if (barrier.phase_ == Phase::broken) {
        stage_ = Stage::aborted;
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
        barrier.wake_all();
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

/// How the wait has ended; `before`: it has not.
Barrier::Wait::Stage Barrier::Wait::verdict() const noexcept {
    if (cancelled()) return Stage::cancelled;
    switch (barrier_->phase_) {
        case Phase::filling: return Stage::before;
        case Phase::draining: return stage_ == Stage::inside ? Stage::passed : Stage::before;
        case Phase::resetting: return stage_ == Stage::inside ? Stage::reset : Stage::before;
        case Phase::broken: return Stage::aborted;
    }
    return Stage::before;
}

/// The barrier goes. False: this one still needs it.
bool Barrier::Wait::let_go() noexcept {
    const Stage ended = verdict();
    if (ended == Stage::before) return false;
    leave();
    stage_ = ended;
    barrier_ = nullptr;
    return true;
}

bool Barrier::Wait::go_on(WaitPlace& waiter) noexcept { return static_cast<Wait&>(waiter).go_on(); }

bool Barrier::Wait::go_on() noexcept {
    if (yielded()) return true;
    if (barrier_ == nullptr) {
        if (cancelled()) {  // perhaps later than it was let go
            cancel_.emplace(take_cancel());
            stage_ = Stage::cancelled;
        }
        return true;
    }
    Barrier& barrier = *barrier_;
    leave();
    const Stage ended = verdict();
    if (ended == Stage::cancelled) {
        cancel_.emplace(take_cancel());
        barrier.queue_.unpark_one();
    }
    if (ended != Stage::before) return end(ended);
    if (stage_ == Stage::outside && barrier.phase_ == Phase::filling) return arrive();
    park(barrier.queue_);
    return false;
}

void Barrier::Wait::fail() {
    if (cancel_.has_value()) throw *cancel_;
    if (stage_ == Stage::before) throw_if_cancelled();
    throw BrokenBarrierError(stage_ == Stage::aborted
                                 ? "the barrier was aborted: reset it before tasks wait at it again"
                                 : "the barrier was reset while this task waited at it");
}

}}  // namespace asyncio::v1
