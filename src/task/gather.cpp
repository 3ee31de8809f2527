// gather. One waiter object for all children: it counts. Each child's end takes a turn of the ready queue (as
// in Python, where it is a done-callback), so the order of everything else is Python's.
#include "asyncio/task/gather.hpp"

#include "asyncio/task/gather_limit.hpp"
#include "detail/await_links.hpp"
#include "detail/context_slot.hpp"
#include "detail/promote.hpp"
#include "detail/start_task.hpp"
#include "detail/task_extra.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

namespace {

/// The text of the latest request to cancel a task.
std::string_view last_message(const PromiseBase* record) noexcept {
    const TaskExtra* const extra = record->extra();
    return extra != nullptr ? std::string_view(extra->cancel_message) : std::string_view();
}

/// What so many children need to run in copies of the current context; nothing if that is empty.
std::vector<std::unique_ptr<TaskExtra>> make_extras(std::size_t count) {
    std::vector<std::unique_ptr<TaskExtra>> extras;
    while (extras.size() != count) {
        std::unique_ptr<TaskExtra> extra = make_extra_with(inherit_context());
        if (extra == nullptr) break;
        if (extras.empty()) extras.reserve(count);
        extras.push_back(std::move(extra));
    }
    return extras;
}

}  // namespace

const Borrow* GatherCore::borrow() const noexcept {
    for (std::size_t i = 0; i != count_; ++i) {
        const GatherChild& child = children_[i];
        if (child.owned() && child.record()->is(borrows)) return child.record()->borrow;
    }
    return nullptr;
}

bool GatherCore::start() {
    LoopCore* const loop = current_loop;
    // What can fail is done first: room for the children that will be tasks, and the ears at the tasks of
    // others.
    std::size_t owned = 0;
    for (std::size_t i = 0; i != count_; ++i) {
        if (children_[i].record() == frame->task) throw_awaits_itself(children_[i].record());
        owned += children_[i].owned() ? 1u : 0u;
    }
    std::vector<std::unique_ptr<TaskExtra>> extras;
    if (loop->special) [[unlikely]] {
        if (owned != 0 && impl_of(loop)->task_factory != nullptr) return start_by_factory(owned);
        extras = make_extras(owned);
    }
    if (owned != 0) reserve_slots(loop, owned);
    if (owned != count_) listen_to_others(owned);

    started_ = true;
    suspend_on(this);
    owned_.left = owned;
    others_.left = count_ - owned;
    for (std::size_t i = 0; i != count_; ++i) {
        if (!children_[i].owned()) continue;
        if (i + fetched_ahead < count_) __builtin_prefetch(children_[i + fetched_ahead].record(), 1);
        PromiseBase* const record = children_[i].record();
        promote_reserved(loop, record, 1);
        record->set(adopted);
        record->waiter_word = reinterpret_cast<std::uintptr_t>(static_cast<Waiter*>(&owned_));
    }
    if (!extras.empty()) [[unlikely]] {
        auto next = extras.begin();
        for (std::size_t i = 0; i != count_; ++i) {
            if (children_[i].owned()) give_extra(children_[i].record(), std::move(*next++));
        }
    }
    if (owned == count_) return true;
    for (std::size_t i = 0; i != count_; ++i) {
        if (children_[i].record()->is(done)) count_ended(children_[i]);
    }
    return wait_for_started();
}

/// Counts one that is done and has no waiter of ours.
void GatherCore::count_ended(const GatherChild& child) noexcept {
    --(child.owned() ? owned_ : others_).left;
    ended(child.record());
}

/// All that can be waited for is. False: nothing is left to wait for.
bool GatherCore::wait_for_started() noexcept {
    if (!finished_) return true;
    frame->task->live.waits_on.clear();
    if (!budget_spent(current_loop)) return false;
    push_frame(current_loop, frame);  // too much was done already in this step: the others have a turn
    return true;
}

/// The same as `start` where a factory makes the tasks. It may run their first steps, and it may refuse.
bool GatherCore::start_by_factory(std::size_t owned) {
    // A child that is refused has failed: a future stands for it. These are made before anything has begun.
    std::vector<RecordRef> failed;
    failed.reserve(count_);
    while (failed.size() != count_) failed.push_back(RecordRef(make_future_record<void>()));
    std::vector<bool> counted_now(count_);
    for (std::size_t i = 0; i != count_; ++i) counted_now[i] = children_[i].record()->is(done);
    listen_to_others(0);
    started_ = true;
    owned_.left = owned;
    others_.left = count_ - owned;
    for (std::size_t i = 0; i != count_; ++i) {
        if (children_[i].owned()) counted_now[i] = !start_child(children_[i], failed[i]);
    }
    // Only now: a first step may have cancelled the task that waits here, and there was nobody to pass it on
    // to.
    suspend_on(this);
    for (std::size_t i = 0; i != count_; ++i) {
        if (counted_now[i]) count_ended(children_[i]);
    }
    if (frame->task->pending != 0 && !finished_) pass_on_cancel();
    return wait_for_started();
}

/// False: it is done already, or it was refused and `failed` stands for it.
bool GatherCore::start_child(GatherChild& child, RecordRef& failed) noexcept {
    LoopImpl* const loop = impl_of(current_loop);
    PromiseBase* const record = child.take();
    RecordRef task(nullptr);
    try {
        record->set(adopted);
        detail::start_by_factory(loop, record, TaskOptions(), nullptr);
        task = RecordRef(record);
        if (!record->is(done)) add_waiter(record, &owned_);
        child = GatherChild(task.give(), true);
        return !record->is(done);
    } catch (...) {
        if (task.record() != nullptr) request_cancel(task.record());
        store_exception(failed.record(), std::current_exception());
        failed.record()->set(done);
        child = GatherChild(failed.give(), true);
        return false;
    }
}

RecordRef start_joined(GatherChild& child, unsigned flags) {
    LoopImpl* const loop = impl_of(current_loop);
    if (loop->task_factory == nullptr) {
        promote(child.record(), 1);  // on failure it is still the child's
        child.record()->set(adopted | flags);
        return RecordRef(child.take());
    }
    RecordRef failed(make_future_record<void>());
    PromiseBase* const record = child.take();
    record->set(adopted | flags);
    try {
        start_by_factory(loop, record, TaskOptions(), nullptr);
        return RecordRef(record);
    } catch (...) {
        store_exception(failed.record(), std::current_exception());
        failed.record()->set(done);
        return failed;
    }
}

/// The waiting task was cancelled while its children were started: as if it were now.
void GatherCore::pass_on_cancel() noexcept {
    LoopCore* const loop = current_loop;
    PromiseBase* const task = frame->task;
    const std::string_view outer = std::exchange(loop->cancel_message, last_message(task));
    uncancel(task);
    request_cancel(task);
    loop->cancel_message = outer;
}

/// On failure nothing has changed, and the slots that were set aside for the children are given back.
void GatherCore::listen_to_others(std::size_t slots) {
    std::size_t watched = 0;
    try {
        for (; watched != count_; ++watched) {
            const GatherChild& child = children_[watched];
            if (!child.owned() && !child.record()->is(done)) add_waiter(child.record(), &others_);
        }
    } catch (...) {
        for (std::size_t i = 0; i != watched; ++i) {
            if (!children_[i].owned()) remove_waiter(children_[i].record(), &others_);
        }
        current_loop->ready.reserved -= slots;
        throw;
    }
}

void GatherCore::ended(PromiseBase* record) noexcept {
    if (keep_errors_) record->set(retrieved);  // an outcome, also if the gather itself is cancelled
    if (finished_) return;
    if (first_failure_ == nullptr && !keep_errors_ && record->is(has_error | was_cancelled)) {
        first_failure_ = record;
        // A second cancel would break into their cleanup. (One that comes from outside later does: it reaches
        // whatever is waited for, as everywhere.)
        if (!cancel_asked_) cancel_owned();
    }
    if (owned_.left == 0 && (first_failure_ != nullptr || others_.left == 0)) finished_ = true;
}

void GatherCore::owned_ended(Waiter* waiter, PromiseBase* record) noexcept {
    GatherCore* const gather = static_cast<Listener*>(waiter)->gather;
    --gather->owned_.left;
    gather->ended(record);
    if (gather->finished_) wake(gather);
}

void GatherCore::other_ended(Waiter* waiter, PromiseBase* record) noexcept {
    GatherCore* const gather = static_cast<Listener*>(waiter)->gather;
    const bool was_finished = gather->finished_;
    --gather->others_.left;
    gather->ended(record);
    if (gather->finished_ && !was_finished) wake(gather);
}

PromiseBase* awaiting_gather(const Waiter* waiter) noexcept {
    if (waiter->notify != &GatherCore::owned_ended && waiter->notify != &GatherCore::other_ended)
        return nullptr;
    return static_cast<const GatherCore::Listener*>(waiter)->gather->frame;
}

void GatherCore::cancel_owned() noexcept {
    for (std::size_t i = 0; i != count_; ++i) {
        if (children_[i].owned() && !children_[i].record()->is(done)) request_cancel(children_[i].record());
    }
}

/// Does not wait for this one any more: it waits for the gather's own task.
void GatherCore::let_go(GatherChild& child) noexcept {
    child.set_let_go();
    remove_waiter(child.record(), &others_);
    --others_.left;
}

CancelAnswer GatherCore::cancel(Leaf* leaf) noexcept {
    auto* const gather = static_cast<GatherCore*>(leaf);
    LoopCore* const loop = current_loop;
    if (gather->asking_) {
        loop->cancel_met_circle = true;
        return CancelAnswer::circle;
    }
    if (gather->asked_for_ == loop->cancel_number) {
        // On another way to the same tasks. (In a net of gathers there may be 2^n of them; CPython takes
        // all.)
        return gather->cancel_asked_ ? CancelAnswer::passed : CancelAnswer::pending;
    }
    gather->asked_for_ = loop->cancel_number;
    gather->asking_ = true;
    gather->any_accepted_ = false;
    gather->circle_of_owned_ = false;
    gather->asked_ = 0;
    return CancelAnswer::fan;
}

PromiseBase* GatherCore::next_asked(Leaf* leaf) noexcept {
    auto* const gather = static_cast<GatherCore*>(leaf);
    if (std::exchange(current_loop->cancel_met_circle, false)) {
        ASYNCIO_ASSERT(gather->asked_ != 0);
        // Tasks of its own a gather never leaves behind: then somebody else in the circle lets go, and there
        // is one, or a task would be its own child.
        GatherChild& child = gather->children_[gather->asked_ - 1];
        if (child.owned()) {
            gather->circle_of_owned_ = true;
        } else {
            gather->let_go(child);
        }
    }
    while (gather->asked_ != gather->count_) {
        const GatherChild& child = gather->children_[gather->asked_++];
        if (child.let_go() || child.record()->ended()) continue;
        gather->any_accepted_ = true;
        return child.record();
    }
    return nullptr;
}

CancelAnswer GatherCore::all_asked(Leaf* leaf) noexcept {
    auto* const gather = static_cast<GatherCore*>(leaf);
    gather->asking_ = false;
    current_loop->cancel_met_circle = gather->circle_of_owned_;
    // After a failure the gather only waits for its own to end, and would throw that failure: this request
    // must outlive it.
    if (!gather->any_accepted_ || gather->first_failure_ != nullptr) return CancelAnswer::pending;
    gather->cancel_asked_ = true;
    if (gather->owned_.left != 0 || gather->others_.left != 0) return CancelAnswer::passed;
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
        if (!children_[i].let_go()) last = children_[i].record();
    }
    if (last == nullptr) throw own;
    if (last->is(was_cancelled)) throw_outcome(last);
    throw CancelledError(last_message(last));
}

std::exception_ptr error_of_child(PromiseBase* record) {
    record->set(retrieved);
    if (record->is(has_error)) return record->error();
    if (record->is(was_cancelled)) return std::make_exception_ptr(CancelledError(last_message(record)));
    try {
        throw_outcome(record);
    } catch (...) {
        return std::current_exception();
    }
}

void GatherCore::drop() noexcept {
    for (std::size_t i = 0; i != count_; ++i) {
        GatherChild& child = children_[i];
        if (child.record() == nullptr) continue;
        if (child.owned() && !started_) {
            if (frame == nullptr) drop_unstarted(child.take());  // warns: nobody has awaited this gather
            child = GatherChild();                               // silently: it was cancelled before it began
            continue;
        }
        if (started_ && child.record()->waiter_word != 0) {
            remove_waiter(child.record(), child.owned() ? &owned_ : &others_);
        }
        release(child.take());
    }
    count_ = 0;
}

void GatherChild::drop() noexcept {
    const bool was_owned = owned();
    PromiseBase* const mine = take();
    if (!was_owned) return release(mine);
    mine->magic = 0;
    mine->handle().destroy();
}

}}}  // namespace asyncio::v1::detail
