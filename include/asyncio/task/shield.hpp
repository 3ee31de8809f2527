// shield: waits for a task without passing a cancel on to it.
#pragma once
#include "asyncio/task/future.hpp"

namespace asyncio { inline namespace v1 {

namespace detail {

struct ShieldBase : Leaf, Waiter {
    RecordRef ref;
    explicit ShieldBase(RecordRef r) noexcept : Leaf(&ops_), Waiter(&told), ref(std::move(r)) {}
    /// Before it is awaited.
    ShieldBase(ShieldBase&& other) noexcept : ShieldBase(std::move(other.ref)) {
        ASYNCIO_ASSERT(other.frame == nullptr, "an awaiter is movable until it is awaited");
    }
    ~ShieldBase() {
        if (frame != nullptr && ref.record() != nullptr) remove_waiter(ref.record(), this);
    }

    bool await_ready() const noexcept {
        return ref.record()->is(done) && current_loop->current->pending == 0 && !budget_spent(current_loop);
    }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h, Where where = where_here()) {
        if (enter_leaf(this, h, where)) return;
        if (ref.record()->is(done)) return push_frame(current_loop, frame);
        add_waiter(ref.record(), this);
        suspend_on(this);
    }
    void check_cancelled() const {
        if (told_ && ref.record()->is(was_cancelled)) [[unlikely]]
            throw_inner_cancelled();
        if (frame != nullptr) throw_if_cancelled(frame->task);
    }

  private:
    /// What a shield has waited for was cancelled: as in Python its message does not come through.
    [[noreturn]] ASYNCIO_COLD void throw_inner_cancelled() const {
        static_cast<void>(take_cancel(frame->task));
        throw CancelledError();
    }
    static CancelAnswer cancel(Leaf* leaf) noexcept {
        auto* const shield = static_cast<ShieldBase*>(leaf);
        remove_waiter(shield->ref.record(), shield);
        return CancelAnswer::resume;
    }
    static void told(Waiter* waiter, PromiseBase*) noexcept;
    friend PromiseBase* awaiting_shield(const Waiter* waiter) noexcept;
    static constexpr LeafOps ops_{&cancel, nullptr, "shield"};
    bool told_ = false;
};

template <class T>
class [[nodiscard("nothing is waited for before this is awaited: co_await it")]] ShieldAwaiter
    : public ShieldBase {
  public:
    ShieldAwaiter(RecordRef ref, bool take) noexcept : ShieldBase(std::move(ref)), take_(take) {}
    using LooseAwaitableTag = void;
    T await_resume() const {
        check_cancelled();
        if constexpr (std::is_void_v<T> || std::is_copy_constructible_v<T>) {
            if (!take_) return peek_result<T>(ref.record());
        }
        return take_result<T>(ref.record());
    }

  private:
    bool take_;
};

}  // namespace detail

/// Waits for the task; a cancel of the waiting task ends the wait but does not reach the shielded one. It is
/// not protected from `cancel` on itself, nor from the end of `run`.
///
/// Throws      what the task threw; CancelledError
/// Suspends    unless the task is done
/// Cancel      the await ends at once, the task runs on
/// Threads     loop thread
/// Python      asyncio.shield; takes a task, or a callable with its arguments by value, no bare coroutine:
///             whatever it borrowed could die while it runs on
template <class T>
detail::ShieldAwaiter<T> shield(const Task<T>& task) {
    return detail::ShieldAwaiter<T>(task, false);
}
template <class T>
detail::ShieldAwaiter<T> shield(Task<T>&& task) {
    return detail::ShieldAwaiter<T>(std::move(task), true);
}
template <class T>
detail::ShieldAwaiter<T> shield(const Future<T>& future) {
    return detail::ShieldAwaiter<T>(future, false);
}
/// Starts `function(args…)` as a task that owns them, and shields it.
///
/// Suspends    always
/// Cancel      the await ends at once, the task runs on
/// Threads     loop thread
template <class F, class... Args>
    requires detail::CoroutineFunction<F, Args...>
auto shield(F&& function, Args&&... args) {
    return shield(create_task(std::forward<F>(function), std::forward<Args>(args)...));
}
template <class T>
void shield(Coro<T>) = delete;  // write shield(create_task(coro)), or shield(function, args...)

}}  // namespace asyncio::v1
