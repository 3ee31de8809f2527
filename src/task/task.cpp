// Tasks: starting them, and what a handle can do.
#include "asyncio/task/task.hpp"

#include <cstdio>
#include <optional>

#include "asyncio/base/error.hpp"
#include "asyncio/task/future.hpp"
#include "asyncio/task/with.hpp"
#include "detail/await_links.hpp"
#include "detail/context_slot.hpp"
#include "detail/loop_impl.hpp"
#include "detail/promote.hpp"
#include "detail/start_task.hpp"
#include "detail/task_extra.hpp"
#include "detail/warnings.hpp"

namespace asyncio { inline namespace v1 {
namespace detail {

// ---- starting -----------------------------------------------------------------------------------

namespace {

void require_detachable(PromiseBase* frame) {
    if (!frame->is(lambda_coro)) return;
    throw RuntimeError("the coroutine " + coroutine_name(frame->where) + " (" + place_text(frame->where) +
                       ") was made by calling a lambda that captures, and the lambda may be gone before the "
                       "task runs: write "
                       "create_task(lambda, args…), which keeps both");
}

/// A task that will call a callable and has not begun: its place is one of the library.
bool wraps_callable(const PromiseBase* task) noexcept {
    return !task->is(started) &&
           std::string_view(task->place()->file).ends_with("asyncio/task/detail/callable.hpp");
}

/// A detached task that borrows: its creator is remembered, to look after it when the creator ends.
void note_borrower(LoopImpl* loop, PromiseBase* task, const Borrow* borrow) {
    PromiseBase* const creator = loop->running;
    if (creator == nullptr) return;
    if (!loop->debug) {
        // The end of `run` is looked after in every build: one bit, so that a million such tasks cost
        // nothing.
        if (loop->main_task != creator) return;
        task->made_by_main = 1;
        creator->set(made_borrower);
        return;
    }
    TaskExtra& extra = make_extra(task);
    extra.creator = creator;
    extra.borrow = borrow;
    extra.of_callable = wraps_callable(task);
    creator->set(made_borrower);
}

}  // namespace

void refuse_lambda_coroutine(PromiseBase* frame) {
    Refused refused{frame};
    require_detachable(frame);
    refused.frame = nullptr;
}

void start_plain_task(PromiseBase* frame, Where where) {
    auto* const loop = impl_of(current_loop);
    // What can fail, and what must be said or noted, is start_task's.
    if (loop == nullptr || loop->special || loop->ready.full() || frame->is(lambda_coro | borrows))
        [[unlikely]]
        return start_task(frame, TaskOptions(), where);
    ++loop->ready.reserved;
    promote_reserved(loop, frame, 1);
}

void start_task(PromiseBase* frame, const TaskOptions& options, Where where) {
    Refused refused{frame};
    auto* const loop = impl_of(current_loop);
    if (loop == nullptr) {
        throw RuntimeError("no running event loop: create_task works inside what asyncio::run drives (" +
                           coroutine_name(frame->where) + ", " + place_text(frame->where) + ")");
    }
    require_detachable(frame);
    refused.frame = nullptr;
    if (loop->task_factory != nullptr) [[unlikely]]
        return start_by_factory(loop, frame, options, where);
    launch_task(loop, frame, options, where);
}

void launch_task(LoopImpl* loop, PromiseBase* frame, const TaskOptions& options, Where where) {
    Refused refused{frame};
    const bool joined = frame->is(adopted);
    const bool eager = options.eager_start.value_or(false) && loop->running_now;  // else nothing may run yet
    const ContextRef* const context = options.context != nullptr ? &options.context->state() : nullptr;
    if (eager && context != nullptr) require_not_entered(*context);
    const Borrow* const borrow = frame->is(borrows) ? frame->borrow : nullptr;  // promotion writes over it
    promote(frame, 1, context);
    refused.frame = nullptr;
    try {
        if (!options.name.empty()) make_extra(frame).name = options.name;
        if (loop->debug) make_extra(frame).created_at = where;
        if (borrow != nullptr && !joined) note_borrower(loop, frame, borrow);
    } catch (...) {
        request_cancel(frame);  // before its first step: it never runs
        release(frame);
        throw;
    }
    if (eager) run_first_step(frame);
}

void run_first_step(PromiseBase* task) noexcept {
    auto* const loop = impl_of(current_loop);
    --loop->ready.tail;
    const std::uint64_t step_time = loop->step_time;
    std::optional<OuterContext> outer;
    if (loop->has_contexts) outer.emplace();
    loop->step(task);
    loop->step_time = step_time;
    loop->next = 0;
}

/// "parameter 2 (int*): pass it by value"
static std::string borrowed(const TaskExtra& extra) {
    const Borrow& borrow = *extra.borrow;
    if (extra.of_callable && borrow.parameter == 1) return "may borrow by its captures: capture by value";
    const unsigned parameter = borrow.parameter - (extra.of_callable ? 1 : 0);
    return "borrows parameter " + std::to_string(parameter) + " (" + type_name(borrow.spelling) +
           "): pass it by value";
}

static void report_borrower(const PromiseBase* task, Where creator) noexcept {
    const TaskExtra* const extra = task->extra();
    const bool noted = extra != nullptr && extra->borrow != nullptr;
    try {
        const bool named = extra != nullptr && !extra->name.empty();
        // A callable that was never called is told by who made it.
        const Where own = wraps_callable(task) ? creator : task->where;
        const Where made = noted && extra->created_at != nullptr ? extra->created_at : own;
        std::string text = "task '" + (named ? extra->name : coroutine_name(own)) + "' (" + place_text(made) +
                           ") outlives '" + coroutine_name(creator) + "', which created it, and ";
        text += noted ? borrowed(*extra) : "borrows a parameter (debug mode says which): pass it by value";
        text += ", or use a TaskGroup";
        warn(remark, text);
    } catch (...) {
        warn(remark, "a task outlives its creator and borrows from it");
    }
}

void report_borrowers(PromiseBase* creator) noexcept {
    creator->clear(made_borrower);
    auto* const loop = impl_of(current_loop);
    for (PromiseBase* task = loop->live.live.next; task != &loop->live; task = task->live.next) {
        TaskExtra* const extra = task->extra();
        const bool noted = extra != nullptr && extra->creator == creator;
        const bool marked = task->made_by_main && loop->main_task == creator;
        if ((!noted && !marked) || task->is(adopted)) continue;
        if (noted) extra->creator = nullptr;
        if (noted && extra->of_callable && !task->is(started) && loop->main_task != creator) {
            extra->left_by = creator->where;  // in a moment it calls, and then the place is known
            continue;
        }
        report_borrower(task, creator->where);
    }
}

void callable_is_known(PromiseBase* task) noexcept {
    TaskExtra* const extra = task->extra();
    if (extra == nullptr || extra->left_by == nullptr) return;
    report_borrower(task, std::exchange(extra->left_by, nullptr));
}

void assert_in_step(const LoopCore* loop) noexcept {
    if (loop != nullptr && loop->owner == nullptr) refuse_forked_loop();
    ASYNCIO_ASSERT(loop != nullptr,
                   "a coroutine was resumed outside of its loop, perhaps by a foreign awaitable on another "
                   "thread: co_await asyncio::adapt(x)");
    ASYNCIO_ASSERT(false,
                   "a coroutine was resumed by something else than its loop's step, perhaps by a foreign "
                   "awaitable: co_await asyncio::adapt(x)");
    __builtin_unreachable();
}

// ---- handles ------------------------------------------------------------------------------------

bool cancel_record(PromiseBase* record, std::string_view message) noexcept {
    LoopCore* const loop = running_loop();
    if (loop == nullptr) {
        // Between two runs of its loop.
        LoopCore* const own = loop_of(record);
        if (own == nullptr) return request_cancel(record).accepted;
        if (impl_of(own)->left_behind) refuse_forked_loop();
        const OnLoop on(own);
        return cancel_record(record, message);
    }
    const std::string_view outer = std::exchange(loop->cancel_message, message);
    const bool accepted = request_cancel(record).accepted;
    loop->cancel_message = outer;
    return accepted;
}

std::exception_ptr record_exception(PromiseBase* record) {
    if (!record->is(done))
        throw InvalidStateError("exception of '" + record_name(record) + "' is not set: it is not done");
    record->set(retrieved);
    if (record->is(was_cancelled)) throw_outcome(record);
    return record->is(has_error) ? record->error() : nullptr;
}

std::string name_of(const PromiseBase* record) { return record_name(record); }

Context context_of_record(PromiseBase* record) {
    if (!record->is(is_task)) throw RuntimeError("a Future has no context: its callbacks have their own");
    return Context(context_of_task(record));
}

void set_name_of(PromiseBase* record, std::string_view name) {
    require_own(record, "named");
    make_extra(record).name.assign(name);
}

std::vector<std::string> stack_of(const PromiseBase* record) {
    require_own(record, "looked at");
    return await_chain(record);
}

void print_stack_of(const PromiseBase* record) {
    std::string text = "Stack of " + record_name(record) + " (outermost coroutine first):\n";
    for (const std::string& line : stack_of(record)) text += "  " + line + "\n";
    std::fputs(text.c_str(), stderr);
}

// ---- done callbacks -----------------------------------------------------------------------------

namespace {

struct DoneCallback : Waiter {
    UniqueFunction<void(AnyTask)> function;
    std::uint64_t id;
    ContextRef context;

    DoneCallback(UniqueFunction<void(AnyTask)> f, std::uint64_t n, ContextRef c) noexcept
        : Waiter(&told), function(std::move(f)), id(n), context(std::move(c)) {}
    static void told(Waiter* waiter, PromiseBase* record) noexcept {
        LoopImpl* const loop = impl_of(current_loop);
        std::unique_ptr<DoneCallback> me(static_cast<DoneCallback*>(waiter));
        loop->enter_callback_context(me->context);
        try {
            me->function(AnyTask(RecordRef::share(record)));
        } catch (...) {
            report_exception(loop, "Exception in done callback", std::current_exception(), record, true);
        }
        me.reset();
        loop->leave_callback_context();
    }
};

std::uint64_t next_callback_id() noexcept {
    static thread_local std::uint64_t last = 0;
    return ++last;
}

}  // namespace

std::uint64_t add_done_callback(PromiseBase* record, UniqueFunction<void(AnyTask)> function,
                                const ContextOptions& options) {
    require_own(record, "given a callback");
    const std::uint64_t id = next_callback_id();
    if (record->is(done)) {
        get_running_loop().call_soon(options, [ref = RecordRef::share(record),
                                               f = std::move(function)]() mutable { f(AnyTask(ref)); });
        return id;
    }
    auto callback = std::make_unique<DoneCallback>(std::move(function), id, context_for(options));
    add_waiter(record, callback.get());
    callback.release();
    return id;
}

bool remove_done_callback(PromiseBase* record, std::uint64_t id) noexcept {
    const auto matches = [id](Waiter* waiter) {
        return waiter != nullptr && waiter->notify == &DoneCallback::told &&
               static_cast<DoneCallback*>(waiter)->id == id;
    };
    Waiter* found = nullptr;
    if (TaskExtra* extra = record->extra()) {
        for (Waiter* waiter : extra->waiters) {
            if (matches(waiter)) found = waiter;
        }
    } else if (matches(reinterpret_cast<Waiter*>(record->waiter_word))) {
        found = reinterpret_cast<Waiter*>(record->waiter_word);
    }
    if (found == nullptr) return false;
    remove_waiter(record, found);
    delete static_cast<DoneCallback*>(found);
    return true;
}

void drop_done_callbacks(PromiseBase* record) noexcept {
    // Only callbacks can be left: whoever awaits holds a reference.
    if (TaskExtra* extra = record->extra()) {
        for (Waiter* waiter : extra->waiters) {
            if (waiter != nullptr) delete static_cast<DoneCallback*>(waiter);
        }
        extra->waiters.clear();
    } else if (record->waiter_word != 0) {
        delete static_cast<DoneCallback*>(reinterpret_cast<Waiter*>(std::exchange(record->waiter_word, 0)));
    }
}

// ---- errors -------------------------------------------------------------------------------------

std::exception_ptr take_cancel_after(PromiseBase* task, PromiseBase* record) noexcept {
    // Not if the wait was given up, or refused from the start.
    const bool ended = !task->is(cancel_thrown) && record->is(done) && record->is(was_cancelled);
    const CancelledError own = take_cancel(task);
    return ended ? failure_of(record) : std::make_exception_ptr(own);
}

void RecordAwaiterBase::wait_for_any(LoopCore* loop, PromiseBase* record) {
    if (record == loop->current) throw_awaits_itself(record);
    if (record->is(done)) return push_frame(loop, frame);  // the budget is spent: one turn
    Waiter::resumes = frame;
    add_waiter(record, this);
    suspend_on(loop, this);
}

void RecordAwaiterBase::told_of_end(Waiter* waiter, PromiseBase*) noexcept {
    wake(static_cast<RecordAwaiterBase*>(waiter));
}

PromiseBase* awaiting_wait_for(const Waiter* waiter) noexcept {
    const bool ours = waiter->notify == &RecordAwaiterBase::told_of_end;
    return ours ? static_cast<const RecordAwaiterBase*>(waiter)->frame : nullptr;
}

void throw_awaits_itself(PromiseBase* record) {
    throw RuntimeError("Task cannot await on itself: " + record_name(record));
}

void throw_already_done(PromiseBase* record) {
    throw InvalidStateError(record->is(was_cancelled) ? "this future was cancelled: it takes no result"
                                                      : "this future has a result or exception already");
}

}  // namespace detail

void EventLoop::start_here(detail::PromiseBase* frame, const TaskOptions& options, detail::Where where) {
    const char* refusal = nullptr;
    if (impl_->left_behind) detail::refuse_forked_loop();
    if (impl_->closed) refusal = "event loop is closed";
    if (detail::running_loop() != nullptr && detail::current_loop != impl_.get()) {
        refusal = "another loop runs in this thread: use loop.remote() or run_coroutine_threadsafe";
    } else if (detail::current_loop != impl_.get() && impl_->running_now) {
        refusal = "create_task: this loop runs on another thread: use run_coroutine_threadsafe";
    }
    if (refusal != nullptr) {
        frame->handle().destroy();
        throw RuntimeError(refusal);
    }
    const detail::OnLoop on(impl_.get());
    detail::start_task(frame, options, where);
}

detail::PromiseBase* EventLoop::start_in(detail::PromiseBase* frame, const Context* context) {
    detail::Refused refused{frame};
    impl_->require_open();
    if (detail::running_loop() != nullptr) {
        throw RuntimeError(
            "a loop is running in this thread already: co_await the coroutine, or start it with "
            "asyncio::create_task (from another thread: loop.remote())");
    }
    const detail::OnLoop on(impl_.get());
    frame->set(detail::adopted);
    refused.frame = nullptr;
    TaskOptions options;
    options.context = context;
    if (impl_->task_factory != nullptr) {
        detail::start_by_factory(impl_.get(), frame, options, nullptr);
    } else {
        detail::launch_task(impl_.get(), frame, options, nullptr);
    }
    return frame;
}

AnyTask current_task() {
    const detail::LoopCore* const loop = detail::running_loop();
    if (loop == nullptr) throw RuntimeError("current_task: no running event loop");
    if (loop->current == nullptr) throw RuntimeError("current_task: a callback runs, not a task");
    return AnyTask(detail::RecordRef::share(loop->current));
}

std::vector<AnyTask> all_tasks() {
    detail::LoopCore* const loop = detail::running_loop();
    if (loop == nullptr) throw RuntimeError("all_tasks: no running event loop");
    std::vector<AnyTask> tasks;
    tasks.reserve(loop->task_count);
    for (detail::PromiseBase* task = loop->live.live.next; task != &loop->live; task = task->live.next) {
        tasks.push_back(AnyTask(detail::RecordRef::share(task)));
    }
    return tasks;
}

}}  // namespace asyncio::v1
