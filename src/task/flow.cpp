// Flow: who brings, who takes, who waits for whom.
//
// An item stays with the task that brings it until the consumer has its turn. If that task is cancelled in
// between, the item is gone, and what it was woken for with it: so the consumer looks in its turn, and waits
// again. The cancelled task then brings its CancelledError.
#include "asyncio/task/flow.hpp"

#include <new>

#include "asyncio/base/error.hpp"
#include "detail/loop_impl.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

const LeafOps Parcel::ops_{&Parcel::cancel, nullptr, "Flow"};
const LeafOps FlowCore::Room::ops_{&FlowCore::Room::cancel, nullptr, "Flow"};
const LeafOps FlowCore::NextBase::ops_{
    &FlowCore::NextBase::cancel, &FlowCore::NextBase::turn, "Flow", nullptr, nullptr, false, true};

// ---- those who bring ----------------------------------------------------------------------------

void Parcel::bring() noexcept {
    suspend_on(this);
    core_->add(this);
}

CancelAnswer Parcel::cancel(Leaf* leaf) noexcept {
    auto* const parcel = static_cast<Parcel*>(leaf);
    if (parcel->taken_) return CancelAnswer::pending;  // it is lent: what it lies in must stay
    parcel->core_->withdraw(parcel);
    return CancelAnswer::resume;
}

void FlowCore::spawn(Coro<> work, std::size_t place) {
    spawning_ = true;
    try {
        group_.create_task(run(this, Producer(this), std::move(work), place));
    } catch (...) {
        spawning_ = false;
        throw;
    }
    spawning_ = false;
}

Coro<> FlowCore::run(FlowCore* core, Producer producer, Coro<> work, std::size_t place) {
    producer.has_begun();
    std::exception_ptr error;
    try {
        co_await std::move(work);
    } catch (...) {
        error = std::current_exception();
    }
    if (error == nullptr) co_return;
    if (core->leaving_) {
        core->report(error);
        co_return;
    }
    if (place == no_place) {
        try {
            place = core->new_place();
        } catch (const std::bad_alloc&) {
            if (core->error_now_ != nullptr) core->report(std::exchange(core->error_now_, nullptr));
            core->error_now_ = error;
            core->stopping_ = true;
            core->wake_feeder();
            co_return core->wake_consumer();
        }
    }
    Parcel parcel(core, place, error);
    try {
        co_await parcel;
    } catch (const CancelledError&) {}  // the scope is left, or somebody has cancelled this very task
    if (parcel.taken_) co_return;
    core->report(error);
    if (!core->leaving_) core->lose_one();
}

void FlowCore::report(const std::exception_ptr& error) const noexcept {
    if (is_cancelled(error)) return;
    report_exception(impl_of(current_loop), "a task of a Flow failed, and next() has not thrown that", error,
                     nullptr);
}

void FlowCore::producer_ended(bool begun) noexcept {
    --producers_;
    if (spawning_) return;  // it is no task yet, and whoever wanted one is told
    if (!begun && !leaving_) lost_one_ = true;
    wake_consumer();
}

void FlowCore::lose_one() noexcept {
    lost_one_ = true;
    wake_consumer();
}

std::size_t FlowCore::new_place() {
    if (in_order_) window_.push_back(nullptr);
    ++outstanding_;
    return in_order_ ? first_place_ + window_.size() - 1 : 0;
}

void FlowCore::give_back_place() noexcept {
    if (in_order_) window_.pop_back();
    --outstanding_;
}

void FlowCore::add(Parcel* parcel) noexcept {
    if (in_order_) {
        ASYNCIO_ASSERT(parcel->place_ - first_place_ < window_.size());
        window_[parcel->place_ - first_place_] = parcel;
    } else {
        ready_.push_back(*parcel);
    }
    if (parcel->error_ != nullptr) {
        stopping_ = true;
        wake_feeder();
    }
    wake_consumer();
}

void FlowCore::withdraw(Parcel* parcel) noexcept {
    if (in_order_) {
        window_[parcel->place_ - first_place_] = nullptr;
    } else {
        parcel->hook_.unlink();
    }
}

void FlowCore::remove(Parcel* parcel) noexcept {
    if (in_order_) {
        ASYNCIO_ASSERT(window_.front() == parcel);
        window_.pop_front();
        ++first_place_;
    } else {
        parcel->hook_.unlink();
    }
    if (parcel->place_ != no_place) --outstanding_;
    parcel->taken_ = true;
}

void FlowCore::taken(Parcel* parcel) noexcept {
    remove(parcel);
    wake(parcel);
    wake_feeder();
}

void FlowCore::lend(Parcel* parcel) noexcept {
    remove(parcel);
    lent_ = parcel;
}

void FlowCore::take_back() noexcept {
    if (lent_ != nullptr) wake(std::exchange(lent_, nullptr));
}

CancelAnswer FlowCore::Room::cancel(Leaf* leaf) noexcept {
    static_cast<Room*>(leaf)->core_->feeder_ = nullptr;
    return CancelAnswer::resume;
}

void FlowCore::wake_feeder() noexcept {
    if (feeder_ != nullptr && feeder_->there_is()) wake(std::exchange(feeder_, nullptr));
}

// ---- who takes ----------------------------------------------------------------------------------

Parcel* FlowCore::first() noexcept {
    if (in_order_) return window_.empty() ? nullptr : window_.front();
    return ready_.empty() ? nullptr : &ready_.front();
}

bool FlowCore::answerable() noexcept {
    return first() != nullptr || producers_ == 0 || lost_one_ || at_end_ || error_now_ != nullptr;
}

void FlowCore::wake_consumer() noexcept {
    if (consumer_ != nullptr && !consumer_->woken_ && answerable()) {
        consumer_->woken_ = true;
        consumer_->frame->task->live.waits_on.clear();
        push_turn(current_loop, consumer_);
    }
}

void FlowCore::NextBase::admit() const {
    if (!core_->entered_ || core_->leaving_) {
        throw RuntimeError(
            "next() of a Flow outside of its scope: co_await asyncio::with(merge(...), body), and iterate in "
            "the body");
    }
    if (core_->loop_ != current_loop)
        throw RuntimeError("next() of a Flow that belongs to another event loop: iterate there");
    if (core_->consumer_ != nullptr)
        throw RuntimeError("another task waits in next() of this Flow already: let one hand the items on");
}

CancelAnswer FlowCore::NextBase::cancel(Leaf* leaf) noexcept {
    static_cast<NextBase*>(leaf)->woken_ = true;
    return CancelAnswer::resume;
}

void FlowCore::NextBase::turn(Leaf* leaf) noexcept {
    auto* const next = static_cast<NextBase*>(leaf);
    PromiseBase* const task = next->frame->task;
    if (task->pending != 0 || next->core_->answerable()) return step_frame(current_loop, next->frame);
    next->woken_ = false;
    task->live.waits_on = next;
}

Parcel* FlowCore::NextBase::take() {
    if (core_->consumer_ == this) core_->consumer_ = nullptr;
    if (frame != nullptr) throw_if_cancelled(frame->task);
    if (core_->at_end_) return nullptr;
    if (core_->error_now_ != nullptr) {
        core_->at_end_ = true;
        std::rethrow_exception(std::exchange(core_->error_now_, nullptr));
    }
    Parcel* const parcel = core_->first();
    if (parcel == nullptr) {
        if (!core_->lost_one_) return nullptr;
        core_->at_end_ = true;
        throw CancelledError("a task of this Flow was cancelled");
    }
    if (parcel->error_ == nullptr) return parcel;
    const std::exception_ptr error = std::move(parcel->error_);
    core_->at_end_ = true;
    core_->taken(parcel);
    std::rethrow_exception(error);
}

// ---- the scope ----------------------------------------------------------------------------------

void FlowCore::enter() {
    if (entered_) throw RuntimeError("this Flow was entered already");
    group_.aenter();
    loop_ = current_loop;
    entered_ = true;
}

Coro<bool> FlowCore::leave(const std::exception_ptr& error) {
    leaving_ = true;
    stopping_ = true;
    take_back();
    if (error_now_ != nullptr) report(std::exchange(error_now_, nullptr));
    // A cancel of the body leaves the group as it leaves any; else the group is shut down without one.
    if (error != nullptr && is_cancelled(error)) return group_.aexit(error);
    if (producers_ != 0) group_.cancel();
    return group_.aexit(nullptr);
}

}}}  // namespace asyncio::v1::detail
