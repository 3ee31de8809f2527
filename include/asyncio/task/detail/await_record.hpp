// Awaiting a task or future: the awaiter shared by Task<T> and Future<T>.
#pragma once
#include "asyncio/task/any_task.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

[[noreturn]] ASYNCIO_COLD void throw_awaits_itself(PromiseBase* record);

/// A cancel is pending in `task`, which waited for `record`: what is to be thrown. If that ended cancelled
/// too, it is its CancelledError.
ASYNCIO_COLD std::exception_ptr take_cancel_after(PromiseBase* task, PromiseBase* record) noexcept;

/// The value of a done record, or its exception. (Thrown inline, as in CoroAwaiter.)
template <class T>
decltype(auto) peek_result(PromiseBase* record) {
    if (!record->is(has_value) || record->is(result_taken) || !record->is(done)) [[unlikely]]
        std::rethrow_exception(failure_of(record));
    if constexpr (!std::is_void_v<T>) {
        return static_cast<const T&>(*static_cast<Record<T>*>(record)->value());
    }
}
template <class T>
T take_result(PromiseBase* record) {
    if (!record->is(has_value) || record->is(result_taken) || !record->is(done)) [[unlikely]]
        std::rethrow_exception(failure_of(record));
    if constexpr (!std::is_void_v<T>) {
        record->set(result_taken);
        return std::move(*static_cast<Record<T>*>(record)->value());
    }
}

struct RecordAwaiterBase : Leaf, Waiter {
    RecordRef ref;

    explicit RecordAwaiterBase(RecordRef r) noexcept : Leaf(&ops_), Waiter(&told), ref(std::move(r)) {}

    bool await_ready() const noexcept {
        LoopCore* const loop = current_loop;
        // A pending cancel and a spent budget go through the loop.
        return ref.record()->is(done) && loop != nullptr && loop->current != nullptr &&
               loop->current->pending == 0 && !budget_spent(loop);
    }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h, Where where = where_here()) {
        if (enter_leaf(this, h, where)) return;
        PromiseBase* const record = ref.record();
        LoopCore* const loop = current_loop;
        if (!can_wait_plainly(loop, record)) [[unlikely]]
            return wait_for_any(loop, record);
        Waiter::resumes = frame;
        record->waiter_word = reinterpret_cast<std::uintptr_t>(static_cast<Waiter*>(this));
        suspend_on(loop, this);
    }
    /// To be called first on resumption.
    void check_cancelled() const {
        if (frame != nullptr && frame->task->pending != 0) [[unlikely]]
            std::rethrow_exception(take_cancel_after(frame->task, ref.record()));
    }

  protected:
    /// Told when it waits for the end alone, not for the outcome: see WaitForRecord.
    static void told_of_end(Waiter* waiter, PromiseBase* record) noexcept;

  private:
    /// A task of this loop that is not done and not the awaiting one, and nobody else waits for it.
    static bool can_wait_plainly(const LoopCore* loop, const PromiseBase* record) noexcept {
        return (record->flags & (is_task | owns_slot)) == (is_task | owns_slot) && record->waiter_word == 0 &&
               record->magic == loop->magic && record != loop->current;
    }
    void wait_for_any(LoopCore* loop, PromiseBase* record);
    friend PromiseBase* awaiting_wait_for(const Waiter* waiter) noexcept;
    static CancelAnswer cancel(Leaf* leaf) noexcept {
        // As in Python, who awaits a task and is cancelled cancels that task, and goes on when it has ended.
        auto* const me = static_cast<RecordAwaiterBase*>(leaf);
        PromiseBase* const record = me->ref.record();
        if (current_loop->cancel_in_circle) {
            remove_waiter(record, me);
            return CancelAnswer::resume;
        }
        if (record->ended()) return CancelAnswer::pending;
        current_loop->cancel_next = record;
        return CancelAnswer::forward;
    }
    static void told(Waiter* waiter, PromiseBase*) noexcept { step_frame(current_loop, waiter->resumes); }
    static constexpr LeafOps ops_{&cancel, nullptr, "task"};
};

/// Copies the result: many may await.
template <class T>
class [[nodiscard]] CopyAwaiter : public RecordAwaiterBase {
  public:
    static_assert(std::is_void_v<T> || std::is_copy_constructible_v<T>,
                  "the result of this task cannot be copied: write co_await std::move(task)");
    using RecordAwaiterBase::RecordAwaiterBase;
    T await_resume() const {
        check_cancelled();
        return peek_result<T>(ref.record());
    }
};

/// Moves the result out.
template <class T>
class [[nodiscard]] TakeAwaiter : public RecordAwaiterBase {
  public:
    using RecordAwaiterBase::RecordAwaiterBase;
    T await_resume() const {
        check_cancelled();
        return take_result<T>(ref.record());
    }
};

}}}  // namespace asyncio::v1::detail
