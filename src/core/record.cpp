// The life of records: promotion to tasks, waiters, cancellation, the last handle.
//
// Cancellation is a request (DECISIONS: "Cancellation bookkeeping" is the contract). A task counts them in
// `cancels`; those that no await has delivered yet are `pending`. `epoch` counts deliveries, so that a scope
// which made a request can tell whether it is among the delivered ones, and withdraw exactly its own.
//
// A request goes on to what a task awaits, and from there on. It walks, it does not recurse: tasks may wait
// for each other a million deep, in chains and through gathers. It never runs user code and never resumes a
// coroutine: whoever lets go is put into the ready queue.
#include <cxxabi.h>

#include <new>
#include <thread>

#include "asyncio/base/error.hpp"
#include "asyncio/core/detail/record.hpp"
#include "detail/context_slot.hpp"
#include "detail/loop_impl.hpp"
#include "detail/promote.hpp"
#include "detail/task_extra.hpp"
#include "detail/warnings.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

// ---- promotion ----------------------------------------------------------------------------------

void promote(PromiseBase* frame, std::uint32_t refs, const ContextRef* context) {
    LoopImpl* const loop = impl_of(current_loop);
    ASYNCIO_ASSERT(loop != nullptr);
    // What can fail comes first.
    std::unique_ptr<TaskExtra> extra;
    if (context != nullptr || loop->special) [[unlikely]]
        extra = make_extra_with(context_for(context));
    reserve_slot(loop);
    promote_reserved(loop, frame, refs);
    if (extra != nullptr) [[unlikely]]
        give_extra(frame, std::move(extra));
}

std::unique_ptr<TaskExtra> make_extra_with(ContextRef context) {
    if (context == nullptr) return nullptr;
    auto extra = std::make_unique<TaskExtra>();
    extra->waiters.reserve(1);
    extra->context = std::move(context);
    return extra;
}

void give_extra(PromiseBase* task, std::unique_ptr<TaskExtra> extra) noexcept {
    if (task->waiter_word != 0) extra->waiters.push_back(reinterpret_cast<Waiter*>(task->waiter_word));
    task->waiter_word = reinterpret_cast<std::uintptr_t>(extra.release()) | 1;
    impl_of(current_loop)->note_contexts();
}

void drop_unstarted(PromiseBase* frame) noexcept {
    if (in_debug_mode()) {
        warn_with(runtime_warning, "a coroutine was never awaited", [frame] {
            return "coroutine '" + coroutine_name(frame->where) + "' was never awaited (" +
                   place_text(frame->where) + "): co_await it, or start it with asyncio::create_task";
        });
    }
    frame->magic = 0;
    frame->handle().destroy();
}

// ---- whose it is --------------------------------------------------------------------------------

void require_own(const PromiseBase* record, const char* what) {
    const LoopCore* const loop = current_loop;
    if (record->magic == record_magic || record->is(done)) return;  // nobody's yet, or nobody's any more
    const bool task = record->is(is_task);
    if (loop != nullptr) {
        if (record->magic == loop->magic) return;
        throw RuntimeError((task ? "task '" + record_name(record) + "'" : std::string("a Future")) +
                           " belongs to a different loop and cannot be " + what +
                           " here: use its remote() handle, or run_coroutine_threadsafe");
    }
    // Between two runs of its loop all is allowed; from another thread, nothing.
    LoopCore* const own = loop_of(record);
    if (own != nullptr && impl_of(own)->running_now) {
        throw RuntimeError(std::string(task ? "a Task" : "a Future") +
                           " belongs to its loop's thread and cannot be " + what +
                           " on another: use its remote() handle");
    }
}

bool may_look_from_outside(const PromiseBase* record) noexcept {
    if (record->magic == record_magic || record->is(done)) return true;
    LoopCore* const own = loop_of(record);
    return own == nullptr || !impl_of(own)->running_now || impl_of(own)->thread == std::this_thread::get_id();
}

// ---- waiters ------------------------------------------------------------------------------------

TaskExtra& make_extra(PromiseBase* record) {
    if (TaskExtra* extra = record->extra()) return *extra;
    auto extra = std::make_unique<TaskExtra>();
    if (record->waiter_word != 0) extra->waiters.push_back(reinterpret_cast<Waiter*>(record->waiter_word));
    TaskExtra* const made = extra.release();
    record->waiter_word = reinterpret_cast<std::uintptr_t>(made) | 1;
    return *made;
}

void add_waiter_slow(PromiseBase* record, Waiter* waiter) {
    ASYNCIO_ASSERT(!record->is(done));
    LoopCore* const loop = current_loop;
    if (loop != nullptr && record->magic != loop->magic) {
        require_own(record, "awaited");
        record->magic = loop->magic;
        record->id = loop->loop_id;
    }
    if (waiter->resumes == nullptr && !record->is(owns_slot)) {
        ASYNCIO_ASSERT(loop != nullptr, "futures are awaited and get callbacks on their loop's thread only");
        reserve_slot(loop);
        record->set(owns_slot);
    }
    if (record->waiter_word == 0) {
        record->waiter_word = reinterpret_cast<std::uintptr_t>(waiter);
    } else {
        make_extra(record).waiters.push_back(waiter);
    }
}

void remove_waiter(PromiseBase* record, Waiter* waiter) noexcept {
    if (TaskExtra* extra = record->extra()) {
        for (Waiter*& each : extra->waiters) {
            if (each != waiter) continue;
            if (record->is(done)) {
                each = nullptr;  // they may be being told just now
            } else {
                extra->waiters.erase(extra->waiters.begin() + (&each - extra->waiters.data()));
            }
            return;
        }
    } else if (record->waiter_word == reinterpret_cast<std::uintptr_t>(waiter)) {
        record->waiter_word = 0;
    }
}

// ---- cancellation -------------------------------------------------------------------------------

namespace {

void remember_message(LoopCore* loop, PromiseBase* task) noexcept {
    if (loop == nullptr) return;
    TaskExtra* extra = task->extra();
    if (loop->cancel_message.empty() && extra == nullptr) return;
    try {
        if (extra == nullptr) extra = &make_extra(task);
        extra->cancel_message.assign(loop->cancel_message);
    } catch (const std::bad_alloc&) {
        // The request counts; its text is a comfort.
    }
}

/// Requests that no await has delivered are forgotten; one that is being thrown cannot be.
void forget_pending(PromiseBase* task) noexcept { task->pending = task->is(cancel_thrown) ? 1 : 0; }

void cancel_future(LoopCore* loop, PromiseBase* future) noexcept {
    future->set(was_cancelled);
    remember_message(loop, future);
    complete_future(future);
}

/// The request waits in the task; in one whose leaf let go it is thrown in the task's next step.
void leave_pending(LoopCore* loop, PromiseBase* task, bool let_go) noexcept {
    // Of several requests before a delivery the last one's text counts; but the first one's, once it is on
    // its way.
    if (!task->is(cancel_thrown)) remember_message(loop, task);
    if (let_go) task->set(cancel_thrown);
    if (task->pending != 0xff) ++task->pending;
}

/// Enters the answer of what the task waits on into its books. True: the request has gone on.
bool settle_cancel(LoopCore* loop, PromiseBase* task, CancelAnswer answer) noexcept {
    if (answer == CancelAnswer::passed || answer == CancelAnswer::forward) {
        ++task->epoch;
        return true;
    }
    if (answer == CancelAnswer::circle) {  // this request is counted already
        --task->cancels;
        return false;
    }
    if (answer == CancelAnswer::resume) {
        Leaf* const leaf = task->live.waits_on.leaf();
        if (leaf->ops->by_turn) {
            task->live.waits_on.clear();
            push_turn(loop, leaf);
        } else {
            wake(leaf);
        }
    }
    leave_pending(loop, task, answer == CancelAnswer::resume);
    return false;
}

/// Counts the request and asks what the task waits on. `forward`: it goes on to `loop->cancel_next`; `fan`:
/// to each that the leaf will name, and nothing is settled yet.
CancelAnswer ask_to_cancel(LoopCore* loop, PromiseBase* task) noexcept {
    if (task->cancels != 0xffff) ++task->cancels;
    loop->cancel_next = nullptr;
    const WaitsOn waits_on = task->live.waits_on;
    Leaf* const leaf = waits_on.leaf();
    if (PromiseBase* const sleeper = waits_on.sleeper(task)) {
        disarm_timer(loop, TimerRef(sleeper));
        task->live.waits_on.clear();
        push_frame(loop, sleeper);
        leave_pending(loop, task, true);
        return CancelAnswer::resume;
    }
    const CancelAnswer answer = leaf != nullptr ? leaf->ops->cancel(leaf) : CancelAnswer::pending;
    if (answer != CancelAnswer::fan) settle_cancel(loop, task, answer);
    return answer;
}

/// `task` waits for somebody who waits for `task`: only a cancel can end that, and it ends it here.
void break_circle(LoopCore* loop, PromiseBase* task) noexcept {
    Leaf* const leaf = task->live.waits_on.leaf();
    loop->cancel_in_circle = true;
    const CancelAnswer answer = leaf->ops->cancel(leaf);
    loop->cancel_in_circle = false;
    ASYNCIO_ASSERT(answer == CancelAnswer::resume);
    wake(leaf);
    leave_pending(loop, task, true);
}

/// `each` was asked: passes the request on along the tasks that it waits for, however many. Should they wait
/// in a circle, `met` meets it (Brent's way of finding one: it is moved up at distances that double). A fan
/// at the end of the chain is put before `fans`.
void pass_along(LoopCore* loop, PromiseBase* each, CancelAnswer answer, CancelFan*& fans) noexcept {
    PromiseBase* asked_by = nullptr;
    PromiseBase* met = each;
    std::size_t steps = 0;
    std::size_t steps_max = 1;
    while (answer == CancelAnswer::forward) {
        PromiseBase* const next = loop->cancel_next;
        if (next == met) return break_circle(loop, each);
        if (next->is(is_future)) return cancel_future(loop, next);
        answer = ask_to_cancel(loop, next);
        if (std::exchange(loop->cancel_met_circle, false)) return break_circle(loop, each);
        asked_by = std::exchange(each, next);
        if (++steps == steps_max) {
            met = each;
            steps = 0;
            steps_max *= 2;
        }
    }
    if (answer != CancelAnswer::fan) return;
    auto* const fan = static_cast<CancelFan*>(each->live.waits_on.leaf());
    fan->asked_by = asked_by;
    fan->outer = std::exchange(fans, fan);
}

}  // namespace

CancelRequest request_cancel(PromiseBase* task) noexcept {
    LoopCore* const loop = current_loop;
    if (task->ended()) return {false, false, 0};
    if (loop == nullptr || loop->owner == nullptr) [[unlikely]] {
        // Between two runs of its loop, or in a child process.
        if (LoopCore* const own = loop_of(task)) {
            if (impl_of(own)->left_behind) return {false, false, 0};
            const OnLoop on(own);
            return request_cancel(task);
        }
    }
    if (task->is(is_future)) {
        cancel_future(loop, task);
        return {true, true, 0};
    }
    ++loop->cancel_number;
    const CancelAnswer answer = ask_to_cancel(loop, task);
    const bool delivered = answer == CancelAnswer::passed || answer == CancelAnswer::forward;
    CancelRequest request{true, delivered, task->epoch};
    CancelFan* fans = nullptr;  // those that are being gone through, the innermost first
    pass_along(loop, task, answer, fans);
    while (CancelFan* const fan = fans) {
        if (PromiseBase* const next = fan->ops->next_asked(fan)) {
            if (next->is(is_future)) {
                cancel_future(loop, next);
            } else {
                pass_along(loop, next, ask_to_cancel(loop, next), fans);
            }
            continue;
        }
        fans = fan->outer;
        PromiseBase* const waits = fan->frame->task;
        const bool passed_on = settle_cancel(loop, waits, fan->ops->all_asked(fan));
        if (waits == task) request = {true, passed_on, task->epoch};
        if (fan->asked_by != nullptr && std::exchange(loop->cancel_met_circle, false))
            break_circle(loop, fan->asked_by);
    }
    loop->cancel_met_circle = false;
    return request;
}

unsigned withdraw_cancel(PromiseBase* task, const CancelRequest& request) noexcept {
    if (!request.accepted) return task->cancels;
    if (task->cancels != 0) --task->cancels;
    const unsigned least = task->is(cancel_thrown) ? 1 : 0;
    if (!request.delivered && request.epoch == task->epoch && task->pending > least) --task->pending;
    if (task->cancels == 0) forget_pending(task);
    return task->cancels;
}

unsigned uncancel(PromiseBase* task) noexcept {
    if (task->cancels != 0 && --task->cancels == 0) forget_pending(task);
    return task->cancels;
}

CancelledError take_cancel(PromiseBase* task) noexcept {
    task->pending = 0;
    ++task->epoch;
    task->clear(cancel_thrown);
    const TaskExtra* const extra = task->extra();
    return extra != nullptr ? CancelledError(extra->cancel_message) : CancelledError();
}

// ---- results ------------------------------------------------------------------------------------

void store_exception(PromiseBase* record, std::exception_ptr error) noexcept {
    if (record->is(is_task)) unlink_live(record);
    if (is_cancelled(error)) record->set(was_cancelled);
    ::new (static_cast<void*>(record->store)) std::exception_ptr(std::move(error));
    record->set(has_error);
}

void store_current_exception(PromiseBase* record, DropFn drop) noexcept {
    bool unlinked = false;
    if (record->is(has_value)) [[unlikely]] {
        // A destructor threw after co_return: the exception takes the value's place. (The links are gone
        // already.)
        if (drop != nullptr) drop(record);
        record->clear(has_value);
        unlinked = record->is(is_task);
    }
    if (record->is(is_task) && !unlinked) unlink_live(record);
    if (const std::type_info* type = abi::__cxa_current_exception_type();
        type != nullptr && *type == typeid(CancelledError)) {
        record->set(was_cancelled);
    }
    ::new (static_cast<void*>(record->store)) std::exception_ptr(std::current_exception());
    record->set(has_error);
}

void throw_invalid_state(PromiseBase* record, const char* what) {
    throw InvalidStateError((record->is(is_task) ? "result of task '" + record_name(record) + "' "
                                                 : std::string("result of future ")) +
                            what);
}

std::exception_ptr failure_of(PromiseBase* record) {
    record->set(retrieved);
    if (record->is(has_error)) return record->error();
    if (record->is(was_cancelled)) {
        const TaskExtra* extra = record->extra();
        return std::make_exception_ptr(
            CancelledError(extra != nullptr ? std::string_view(extra->cancel_message) : std::string_view()));
    }
    throw_invalid_state(record, record->is(result_taken) ? "was already taken" : "is not set");
}

void throw_outcome(PromiseBase* record) { std::rethrow_exception(failure_of(record)); }

void fail_without_return(PromiseBase* record) noexcept {
    try {
        throw InvalidStateError("coroutine '" + coroutine_name(record->where) + "' (" +
                                place_text(record->where) + ") ended without co_return");
    } catch (...) {
        store_current_exception(record, nullptr);
    }
}

std::exception_ptr error_of_awaited(PromiseBase* frame) noexcept {
    if (!frame->is(has_error)) fail_without_return(frame);
    return frame->error();
}

void drop_awaited(PromiseBase* frame) noexcept {
    if (frame->is(has_error)) frame->error().~exception_ptr();
    frame->handle().destroy();
}

std::exception_ptr take_error_and_destroy(PromiseBase* frame) noexcept {
    std::exception_ptr error = error_of_awaited(frame);
    drop_awaited(frame);
    return error;
}

/// One that has failed, or has more than a result.
ASYNCIO_COLD static void release_last_of_all(PromiseBase* record) noexcept {
    const auto seen_or_silent = retrieved | was_cancelled | logs_off;
    if (record->is(has_error) && !record->is(seen_or_silent)) {
        report_exception(impl_of(current_loop),
                         record->is(is_task) ? "Task exception was never retrieved"
                                             : "Future exception was never retrieved",
                         record->error(), record);
    }
    if (record->is(owns_slot)) {
        // A future with callbacks that nobody will complete. Its loop may be gone, with its queue.
        if (LoopCore* const loop = loop_of(record)) release_slot(loop);
    }
    while (record->waiter_word != 0) {
        drop_done_callbacks(record);
        // Taken off before it goes: the values of its context are user objects, and may ask for the current
        // one.
        const std::unique_ptr<TaskExtra> extra(record->extra());
        record->waiter_word = 0;
    }
    record->magic = 0;
    Husk* const husk = husk_of(record);
    if (record->is(has_error)) record->error().~exception_ptr();
    if (husk->drop != nullptr && husk->drop(record)) return;
    give_block(husk, husk->bytes);
}

void release_last(PromiseBase* record) noexcept {
    ASYNCIO_DASSERT((record->magic & record_magic_mask) == record_magic);
    if (record->is(has_error | owns_slot) || record->waiter_word != 0) [[unlikely]]
        return release_last_of_all(record);
    record->magic = 0;
    Husk* const husk = husk_of(record);
    if (husk->drop == nullptr || !husk->drop(record)) give_block(husk, husk->bytes);
}

}}}  // namespace asyncio::v1::detail
