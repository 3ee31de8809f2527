// gather. One waiter object for all children: it counts. Each child's end takes a turn of the ready queue (as
// in Python, where it is a done-callback), so the order of everything else is Python's.
#include "asyncio/task/gather.hpp"

#include "detail/task_extra.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

namespace {

/// The text of the latest request to cancel a task.
std::string_view last_message(const PromiseBase* record) noexcept {
    const TaskExtra* const extra = record->extra();
    return extra != nullptr ? std::string_view(extra->cancel_message) : std::string_view();
}

}  // namespace

bool GatherCore::start() {
    // Nothing may fail between the first promotion and the last: what can is done first.
    std::size_t promoted = 0;
    std::size_t watched = 0;
    try {
        for (; promoted != count_; ++promoted) {
            if (children_[promoted].owned) promote(children_[promoted].record, 1);
        }
        for (; watched != count_; ++watched) {
            GatherChild& child = children_[watched];
            if (child.record == frame->task) throw_awaits_itself(child.record);
            if (child.owned) child.record->set(adopted);
            if (!child.record->is(done)) add_waiter(child.record, child.owned ? &owned_ : &others_);
        }
    } catch (...) {
        // No memory: the children that became tasks are cancelled before their first step; they never run.
        for (std::size_t i = 0; i != watched; ++i) {
            remove_waiter(children_[i].record, children_[i].owned ? &owned_ : &others_);
        }
        for (std::size_t i = 0; i != promoted; ++i) {
            if (!children_[i].owned) continue;
            request_cancel(children_[i].record);
            release(children_[i].record);
            children_[i] = {};
        }
        throw;
    }
    started_ = true;
    suspend_on(this);
    left_ = count_;
    for (std::size_t i = 0; i != count_; ++i) owned_left_ += children_[i].owned ? 1u : 0u;
    for (std::size_t i = 0; i != count_; ++i) {
        if (children_[i].record->is(done)) ended(children_[i].record);  // done before: counted now
    }
    if (!finished_) return true;
    frame->task->live.leaf = nullptr;
    if (!budget_spent(current_loop)) return false;
    push_frame(current_loop, frame);  // too much was done already in this step: the others have a turn
    return true;
}

void GatherCore::ended(PromiseBase* record) noexcept {
    --left_;
    if (keep_errors_) record->set(retrieved);  // an outcome, also if the gather itself is cancelled
    if (finished_) return;
    if (first_failure_ == nullptr && !keep_errors_ && record->is(has_error | was_cancelled)) {
        first_failure_ = record;
        if (!cancel_asked_) cancel_owned();  // a second cancel would break into their cleanup
    }
    if (first_failure_ != nullptr ? owned_left_ == 0 : left_ == 0) finished_ = true;
}

void GatherCore::owned_ended(Waiter* waiter, PromiseBase* record) noexcept {
    GatherCore* const gather = static_cast<Listener*>(waiter)->gather;
    --gather->owned_left_;
    gather->ended(record);
    if (gather->finished_) wake(gather);
}

void GatherCore::other_ended(Waiter* waiter, PromiseBase* record) noexcept {
    GatherCore* const gather = static_cast<Listener*>(waiter)->gather;
    const bool was_finished = gather->finished_;
    gather->ended(record);
    if (gather->finished_ && !was_finished) wake(gather);
}

void GatherCore::cancel_owned() noexcept {
    for (std::size_t i = 0; i != count_; ++i) {
        if (children_[i].owned && !children_[i].record->is(done)) request_cancel(children_[i].record);
    }
}

/// Does not wait for this one any more: it waits for the gather's own task.
void GatherCore::let_go(GatherChild& child) noexcept {
    child.let_go = true;
    remove_waiter(child.record, &others_);
    --left_;
}

CancelAnswer GatherCore::cancel(Leaf* leaf) noexcept {
    auto* const gather = static_cast<GatherCore*>(leaf);
    LoopCore* const loop = current_loop;
    if (gather->asking_) {
        loop->cancel_met_circle = true;
        return CancelAnswer::circle;
    }
    if (loop->cancel_depth == 0) {
        ++loop->cancel_number;
    } else if (gather->asked_for_ == loop->cancel_number) {
        // On another way to the same tasks. (In a net of gathers there may be 2^n of them; CPython takes
        // all.)
        return gather->cancel_asked_ ? CancelAnswer::passed : CancelAnswer::pending;
    }
    gather->asked_for_ = loop->cancel_number;
    bool any = false;
    bool circle_of_owned = false;
    gather->asking_ = true;
    ++loop->cancel_depth;
    for (std::size_t i = 0; i != gather->count_; ++i) {
        GatherChild& child = gather->children_[i];
        if (child.let_go) continue;
        any |= request_cancel(child.record).accepted;
        if (!std::exchange(loop->cancel_met_circle, false)) continue;
        // Tasks of its own a gather never leaves behind: then somebody else in the circle lets go, and there
        // is one, or a task would be its own child.
        if (child.owned) {
            circle_of_owned = true;
        } else {
            gather->let_go(child);
        }
    }
    --loop->cancel_depth;
    ASYNCIO_ASSERT(!circle_of_owned || loop->cancel_depth != 0);
    gather->asking_ = false;
    loop->cancel_met_circle = circle_of_owned;
    // After a failure the gather only waits for its own to end, and would throw that failure: this request
    // must outlive it.
    if (!any || gather->first_failure_ != nullptr) return CancelAnswer::pending;
    gather->cancel_asked_ = true;
    if (gather->left_ != 0) return CancelAnswer::passed;
    gather->finished_ = true;
    return CancelAnswer::resume;
}

void GatherCore::check() {
    if (frame == nullptr) return;  // no children
    PromiseBase* const task = frame->task;
    if (first_failure_ == nullptr && !cancel_asked_) return throw_if_cancelled(task);
    const bool ends_cancelled = first_failure_ == nullptr || first_failure_->is(was_cancelled);
    CancelledError own;
    if (ends_cancelled && task->pending != 0) {
        // Cancelled once more when it had ended: one CancelledError, and the children's comes first.
        own = take_cancel(task);
    } else {
        throw_if_cancelled(task);
    }
    if (first_failure_ != nullptr) throw_outcome(first_failure_);
    PromiseBase* last = nullptr;  // whose text is Python's choice
    for (std::size_t i = 0; i != count_; ++i) {
        if (!children_[i].let_go) last = children_[i].record;
    }
    if (last == nullptr) throw own;
    if (last->is(was_cancelled)) throw_outcome(last);
    throw CancelledError(last_message(last));
}

std::exception_ptr taken_already(PromiseBase* record) {
    try {
        throw_outcome(record);
    } catch (...) {
        return std::current_exception();
    }
}

void GatherCore::drop() noexcept {
    for (std::size_t i = 0; i != count_; ++i) {
        GatherChild& child = children_[i];
        if (child.record == nullptr) continue;
        if (child.owned && !started_) {
            drop_unstarted(child.record);
        } else {
            if (started_) remove_waiter(child.record, child.owned ? &owned_ : &others_);
            release(child.record);
        }
    }
    count_ = 0;
}

}}}  // namespace asyncio::v1::detail
