// TaskGroup. The order of things is CPython 3.13's: a child's end is handled in a turn of its own.
#include "asyncio/task/task_group.hpp"

#include <optional>
#include <utility>

#include "asyncio/base/error.hpp"
#include "asyncio/base/exception_group.hpp"
#include "detail/await_links.hpp"
#include "detail/context_slot.hpp"
#include "detail/loop_impl.hpp"
#include "detail/start_task.hpp"

namespace asyncio { inline namespace v1 {

using detail::PromiseBase;

/// Waits until no child is left. A cancel that arrives meanwhile is not thrown here: it is the result.
class TaskGroup::Join : public detail::Leaf {
  public:
    explicit Join(TaskGroup* group) noexcept : Leaf(&ops_), group_(group) {}
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h,
                       detail::Where where = detail::where_here()) noexcept {
        if (detail::enter_leaf(this, h, where)) return;
        group_->join_ = this;
        detail::suspend_on(this);
    }
    /// What to throw if the parent was cancelled while it waited.
    std::optional<CancelledError> await_resume() noexcept {
        group_->join_ = nullptr;
        if (frame->task->pending == 0) return std::nullopt;
        return detail::take_cancel(frame->task);
    }
    void all_ended() noexcept {
        if (std::exchange(woken_, true)) return;
        detail::wake(this);
    }

  private:
    static detail::CancelAnswer cancel(Leaf* leaf) noexcept {
        auto* const join = static_cast<Join*>(leaf);
        if (std::exchange(join->woken_, true)) return detail::CancelAnswer::pending;
        return detail::CancelAnswer::resume;
    }
    static constexpr detail::LeafOps ops_{&cancel, nullptr, "TaskGroup"};

    TaskGroup* group_;
    bool woken_ = false;
};

TaskGroup::Listener::Listener(TaskGroup* g) noexcept : Counter(&TaskGroup::told), group(g) {}

void TaskGroup::told(detail::Waiter* waiter, PromiseBase* child) noexcept {
    static_cast<Listener*>(waiter)->group->child_ended(child);
}

PromiseBase* detail::awaiting_task_group(const Waiter* waiter) noexcept {
    if (waiter->notify != &TaskGroup::told) return nullptr;
    const TaskGroup& group = *static_cast<const TaskGroup::Listener*>(waiter)->group;
    return group.join_ != nullptr ? group.join_->frame : group.parent_;
}

TaskGroup::~TaskGroup() {
    ASYNCIO_ASSERT(listener_.left == 0, "a TaskGroup was destroyed before its tasks had ended");
    if (leaving_.has_value() && leaving_->valid())
        leaving_->release()->handle().destroy();  // entered, but not by `with`
}

namespace {

/// Nothing runs in the context, so a first step may. Else the coroutine is destroyed.
void require_free(PromiseBase* frame, const Context& context) {
    detail::Refused refused{frame};
    detail::require_not_entered(context.state());
    refused.frame = nullptr;
}

}  // namespace

void TaskGroup::add(PromiseBase* frame, const TaskOptions& options, detail::Where where) {
    const auto* const loop = detail::impl_of(detail::current_loop);
    const char* refusal = nullptr;
    if (parent_ == nullptr) {
        refusal = "this TaskGroup has not been entered: co_await asyncio::with(TaskGroup{}, body)";
    } else if (loop != nullptr && parent_->magic != loop->magic) {
        refusal =
            "this TaskGroup belongs to another event loop: create the task there, by "
            "loop.remote().call_soon_threadsafe";
    } else if (finished_ || (exiting_ && listener_.left == 0)) {
        refusal = "this TaskGroup is finished";
    } else if (aborting_) {
        refusal = "this TaskGroup is shutting down";
    }
    if (refusal != nullptr) {
        frame->handle().destroy();
        throw RuntimeError(refusal);
    }
    if (children_.size() == children_.capacity()) {
        forget_ended();
        try {
            if (children_.size() == children_.capacity())
                children_.reserve(children_.empty() ? 4 : children_.size() * 2);
        } catch (...) {
            frame->handle().destroy();
            throw;
        }
    }
    frame->set(detail::adopted);
    // Its first step comes when the group waits for it, whatever that does; only a factory takes it before.
    const bool by_factory = loop != nullptr && loop->task_factory != nullptr;
    const bool eager_here = !by_factory && options.eager_start.value_or(false);
    TaskOptions here = options;
    if (eager_here) {
        here.eager_start.reset();
        if (options.context != nullptr) require_free(frame, *options.context);
    }
    detail::start_task(frame, here, where);
    ++frame->refs;
    children_.push_back(detail::RecordRef(frame));
    try {
        frame->is(detail::done) ? detail::tell_in_turn(frame, &listener_)
                                : detail::add_waiter(frame, &listener_);
    } catch (...) {
        detail::request_cancel(frame);  // before its first step it never runs
        children_.pop_back();
        detail::release(frame);
        throw;
    }
    ++listener_.left;
    // One that fails in its first step is heard of in its turn: the parent is not cancelled in here.
    if (eager_here) detail::run_first_step(frame);
}

void TaskGroup::forget_ended() {
    std::erase_if(children_, [](const detail::RecordRef& child) { return child.record()->is(detail::done); });
}

void TaskGroup::abort() noexcept {
    aborting_ = true;
    // Cancelling runs no user code, so the list holds still.
    for (const detail::RecordRef& child : children_) {
        if (!child.record()->is(detail::done)) detail::request_cancel(child.record());
    }
}

void TaskGroup::child_ended(PromiseBase* child) noexcept {
    --listener_.left;
    if (join_ != nullptr && listener_.left == 0) join_->all_ended();
    if (!child->is(detail::has_error) || child->is(detail::was_cancelled)) return;
    try {
        errors_.push_back(child->error());
        child->set(detail::retrieved);
    } catch (const std::bad_alloc&) {
        // Of several the later ones go to the exception handler when their tasks are dropped.
        if (unkept_.record() == nullptr) unkept_ = detail::RecordRef::share(child);
    }
    if (aborting_ || parent_asked_) return;
    abort();
    parent_asked_ = true;
    parent_request_ = detail::request_cancel(parent_);
}

void TaskGroup::cancel() noexcept {
    if (parent_ == nullptr) {
        cancel_on_entry_ = true;
        return;
    }
    if (finished_) return;
    ASYNCIO_DASSERT(detail::may_look(parent_), "a TaskGroup was cancelled on another thread than its loop's");
    cancelled_ = true;
    if (!aborting_) abort();
    if (!exiting_ && !parent_asked_) {
        parent_asked_ = true;
        parent_request_ = detail::request_cancel(parent_);
    }
}

detail::Ready TaskGroup::aenter() {
    if (parent_ != nullptr) throw RuntimeError("this TaskGroup was entered already");
    detail::LoopCore* const loop = detail::current_loop;
    if (loop == nullptr || loop->current == nullptr)
        throw RuntimeError("a TaskGroup is used inside a task only");
    leaving_.emplace(leave());
    parent_ = loop->current;
    cancels_at_entry_ = parent_->cancels;
    if (cancel_on_entry_) cancel();
    return detail::Ready();
}

Coro<bool> TaskGroup::aexit(std::exception_ptr error) {
    if (!leaving_.has_value() || !leaving_->valid())
        throw RuntimeError("TaskGroup::aexit is called once, after aenter: let asyncio::with do it");
    body_error_ = std::move(error);
    return std::move(*leaving_);
}

Coro<bool> TaskGroup::leave() {
    const std::exception_ptr error = std::exchange(body_error_, nullptr);
    exiting_ = true;
    const bool body_cancelled = error != nullptr && is_cancelled(error);
    bool propagate = body_cancelled;
    CancelledError met;
    if (error != nullptr && !aborting_) abort();
    while (listener_.left != 0) {
        const std::optional<CancelledError> cancelled = co_await Join(this);
        if (!cancelled.has_value()) continue;
        // Whether it came from outside, or was our own after all, is looked at below. (CPython bug 155433: a
        // request from outside is lost there if the group was shutting down already.)
        if (!std::exchange(propagate, true)) met = *cancelled;
        if (!aborting_) abort();
    }
    finished_ = true;
    children_.clear();
    if (parent_asked_) {
        // Withdraw exactly our own request. What is left beyond the entry's count came from outside.
        const unsigned left = detail::withdraw_cancel(parent_, parent_request_);
        if (cancelled_ ? left <= cancels_at_entry_ : left == 0) propagate = false;
    } else if (cancelled_ && !body_cancelled && parent_->cancels <= cancels_at_entry_) {
        propagate = false;
    }
    if (unkept_.record() != nullptr || (error != nullptr && !body_cancelled)) {
        const detail::RecordRef failed = std::exchange(unkept_, detail::RecordRef(nullptr));
        try {
            errors_.reserve(errors_.size() + 2);
        } catch (const std::bad_alloc&) {
            // That is what the scope ends with; what was to be said goes to the exception handler.
            auto* const loop = detail::impl_of(detail::current_loop);
            for (const std::exception_ptr& each : errors_) {
                detail::report_exception(loop, "unhandled error in a TaskGroup", each, nullptr);
            }
            if (error != nullptr && !body_cancelled) {
                detail::report_exception(loop, "unhandled error in a TaskGroup", error, nullptr);
            }
            throw;
        }
        if (failed.record() != nullptr) {
            errors_.push_back(failed.record()->error());
            failed.record()->set(detail::retrieved);
        }
        if (error != nullptr && !body_cancelled) errors_.push_back(error);
    }
    if (propagate && errors_.empty()) {
        if (body_cancelled) co_return false;  // the body's own CancelledError goes on
        throw met;
    }
    if (!errors_.empty()) {
        if (parent_->cancels > 0) {
            // Cancelled from outside as well: errors win, and the next await raises the cancel. The count
            // stays.
            detail::uncancel(parent_);
            detail::request_cancel(parent_);
        }
        const ExceptionGroup group("unhandled errors in a TaskGroup", std::move(errors_));
        detail::ContextAccess::close(group);  // the body's error is in it, or was this group's own cancel
        throw group;
    }
    co_return body_cancelled;
}

}}  // namespace asyncio::v1
