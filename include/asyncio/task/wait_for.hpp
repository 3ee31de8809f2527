// wait_for and try_wait_for: one awaitable, with a limit.
#pragma once
#include "asyncio/task/future.hpp"
#include "asyncio/task/gather.hpp"
#include "asyncio/task/timeout.hpp"

namespace asyncio { inline namespace v1 {

namespace detail {

/// Destroys the coroutine of a wait_for that nobody has awaited; debug mode says so.
ASYNCIO_COLD void drop_unawaited_limit(PromiseBase* child) noexcept;

/// What an await under a limit gives: for try_wait_for an outcome.
template <class T, bool Try>
using Limited = std::conditional_t<Try, Outcome<T>, T>;

template <class T, bool Try>
Limited<T, Try> time_is_up() {
    if constexpr (Try) {
        return Outcome<T>(std::make_exception_ptr(TimeoutError()));
    } else {
        throw TimeoutError();
    }
}

/// The coroutine runs in place, as part of this task, under an alarm.
template <class T, bool Try, class Tag = LooseTag>
class [[nodiscard("nothing runs before this is awaited: co_await it")]] WaitForCoro : public Tag {
  public:
    WaitForCoro(Coro<T> coro, Duration limit) noexcept : child_(coro.release()), limit_(limit) {}
    /// Before it is awaited.
    WaitForCoro(WaitForCoro&& other) noexcept
        : child_(std::exchange(other.child_, nullptr)), limit_(other.limit_) {
        ASYNCIO_ASSERT(!other.started_, "an awaiter is movable until it is awaited");
    }
    WaitForCoro& operator=(WaitForCoro&&) = delete;
    /// What a task made of this looks at, or null.
    const Borrow* borrow() const noexcept { return child_->is(borrows) ? child_->borrow : nullptr; }
    ~WaitForCoro() {
        alarm_.disarm();
        if (child_ != nullptr) [[unlikely]]
            alarm_.frame != nullptr ? drop_awaited(child_) : drop_unawaited_limit(child_);
    }

    bool await_ready() const noexcept { return false; }
    template <class Parent>
    void await_suspend(std::coroutine_handle<Parent> h, Where where = where_here()) {
        if (enter_leaf(&alarm_, h, where)) return;
        LoopCore* const loop = current_loop;
        PromiseBase* const parent = alarm_.frame;
        if (limit_.count_ns() <= 0) {
            // Never starts it. Takes the turns that Python's task, cancelled before its first step, takes.
            alarm_.turns_to_wait = 1;
            queue_timer(loop, &alarm_);
            return suspend_on(&alarm_);
        }
        alarm_.watch(parent->task);
        if (limit_.has_value()) {
            alarm_.arm(loop, saturating_add(now_ns(loop), static_cast<std::uint64_t>(limit_.count_ns())));
        }
        started_ = true;
        child_->continuation = parent;
        child_->task = parent->task;
        loop->next = reinterpret_cast<std::uintptr_t>(static_cast<PromiseBase*>(child_));
    }
    Limited<T, Try> await_resume() {
        alarm_.disarm();
        if (!started_) {
            throw_if_cancelled(alarm_.frame->task);
            return time_is_up<T, Try>();
        }
        const bool ours = alarm_.take_back();
        if (!child_->is(has_value)) [[unlikely]] {
            const bool cancelled = child_->is(was_cancelled);
            if (ours && cancelled) {
                drop_awaited(std::exchange(child_, nullptr));
                return time_is_up<T, Try>();
            }
            if constexpr (Try) {
                if (!cancelled) return Outcome<T>(take_error_and_destroy(std::exchange(child_, nullptr)));
            }
            std::rethrow_exception(error_of_awaited(child_));
        }
        Promise<T>* const child = std::exchange(child_, nullptr);
        const EndOfAwaited<T> end(child);
        if constexpr (!std::is_void_v<T>) {
            return std::move(*child->value());
        } else if constexpr (Try) {
            return Outcome<void>();
        }
    }

  private:
    Promise<T>* child_;
    Duration limit_;
    bool started_ = false;
    Alarm alarm_;
};

/// A task or future: waited for under an alarm; cancelled by it, and waited for until it has ended.
template <class T, bool Try>
class [[nodiscard("nothing is waited for before this is awaited: co_await it")]] WaitForRecord
    : public RecordAwaiterBase,
      public LooseTag {
  public:
    WaitForRecord(RecordRef ref, bool take, Duration limit) noexcept
        : RecordAwaiterBase(std::move(ref)), take_(take), limit_(limit) {}
    /// Before it is awaited.
    WaitForRecord(WaitForRecord&& other) noexcept
        : RecordAwaiterBase(std::move(other.ref)), take_(other.take_), limit_(other.limit_) {
        ASYNCIO_ASSERT(other.frame == nullptr, "an awaiter is movable until it is awaited");
    }
    ~WaitForRecord() { alarm_.disarm(); }

    bool await_ready() const noexcept { return RecordAwaiterBase::await_ready(); }
    template <class Parent>
    void await_suspend(std::coroutine_handle<Parent> h, Where where = where_here()) {
        if (limit_.count_ns() <= 0) return cancel_and_wait(h, where);
        RecordAwaiterBase::await_suspend(h, where);
        if (frame->task->live.waits_on.leaf() != this || !limit_.has_value()) return;
        alarm_.watch(frame->task);
        try {
            alarm_.arm(current_loop,
                       saturating_add(now_ns(current_loop), static_cast<std::uint64_t>(limit_.count_ns())));
        } catch (...) {
            remove_waiter(ref.record(), this);
            frame->task->live.waits_on.clear();
            throw;
        }
    }
    Limited<T, Try> await_resume() {
        alarm_.disarm();
        // A cancel that came when the record was done already wins, as in Python: the result stays where it
        // is. If this was the last handle it would be lost, so there it is delivered, and the cancel comes at
        // the next await.
        const bool delivers = take_ && ref.record()->is(has_value);
        const bool throws = frame != nullptr && frame->task->pending != 0 && !delivers;
        const bool ours = alarm_.task != nullptr && alarm_.take_back();
        if (throws) {
            throw_if_from_outside(ours);
            return time_is_up<T, Try>();
        }
        if ((ours || at_once_) && ref.record()->is(was_cancelled)) return time_is_up<T, Try>();
        if constexpr (Try) {
            const bool failed = !ref.record()->is(has_value) || ref.record()->is(result_taken);
            if (failed && !ref.record()->is(was_cancelled)) return Outcome<T>(error_of_child(ref.record()));
        }
        if constexpr (Try && std::is_void_v<T>) {
            result();
            return Outcome<void>();
        } else {
            return result();
        }
    }

  private:
    T result() {
        if constexpr (std::is_void_v<T> || std::is_copy_constructible_v<T>) {
            if (!take_) return peek_result<T>(ref.record());
        }
        return take_result<T>(ref.record());
    }
    /// A cancel is pending in this task. Throws it, unless it is the alarm's.
    ASYNCIO_COLD void throw_if_from_outside(bool ours) const {
        if (!ours && !at_once_) std::rethrow_exception(take_cancel_after(frame->task, ref.record()));
        if (!ours) throw take_cancel(frame->task);
        static_cast<void>(take_cancel(frame->task));
    }
    /// The time is up before it begins. (One turn more than an await takes, as in Python.)
    template <class Parent>
    void cancel_and_wait(std::coroutine_handle<Parent> h, Where where) {
        if (enter_leaf(this, h, where)) return;
        if (ref.record()->is(done)) return push_frame(current_loop, frame);
        // It waits for the end, not for the outcome: a cancel ends this wait and does not reach the task once
        // more.
        at_once_ = true;
        static constexpr LeafOps waiting{[](Leaf* me) noexcept {
                                             auto* const wait = static_cast<WaitForRecord*>(me);
                                             remove_waiter(wait->ref.record(), wait);
                                             return CancelAnswer::resume;
                                         },
                                         nullptr, "wait_for"};
        ops = &waiting;
        notify = &told_of_end;
        add_waiter(ref.record(), this);
        request_cancel(ref.record());
        if (frame->task->pending != 0) {  // by a chain of awaits that request has come back to this task
            remove_waiter(ref.record(), this);
            frame->task->set(cancel_thrown);
            return push_frame(current_loop, frame);
        }
        suspend_on(this);
    }

    bool take_;
    bool at_once_ = false;  // the limit was zero
    Duration limit_;
    Alarm alarm_;
};

}  // namespace detail

/// Waits for `awaitable` at most `limit`; then it is cancelled, waited for until it has ended, and
/// TimeoutError is thrown. A result that races the deadline is not lost. With a limit of zero or less a
/// coroutine is never started. Duration::none() is no limit.
///
/// Throws      TimeoutError  the time was up; what the awaitable throws, also while it is being cancelled
/// Suspends    unless it is a task or future that is done
/// Cancel      passed on to the awaitable
/// Threads     loop thread
/// Cost        no allocation: a coroutine runs in place
/// Python      asyncio.wait_for
template <class T>
detail::WaitForCoro<T, false> wait_for(Coro<T> awaitable, Duration limit) {
    return detail::WaitForCoro<T, false>(std::move(awaitable), limit);
}
template <class T>
detail::WaitForRecord<T, false> wait_for(const Task<T>& awaitable, Duration limit) {
    return detail::WaitForRecord<T, false>(awaitable, false, limit);
}
template <class T>
detail::WaitForRecord<T, false> wait_for(Task<T>&& awaitable, Duration limit) {
    return detail::WaitForRecord<T, false>(std::move(awaitable), true, limit);
}
template <class T>
detail::WaitForRecord<T, false> wait_for(const Future<T>& awaitable, Duration limit) {
    return detail::WaitForRecord<T, false>(awaitable, false, limit);
}
/// The same for an awaitable of the library: `wait_for(sleep(1h), 1s)`.
///
/// Suspends    always
/// Cancel      as above
/// Threads     loop thread
template <detail::ScopedAwaitable A>
auto wait_for(A&& awaitable, Duration limit) {
    using T = detail::AwaitResult<std::remove_cvref_t<A>>;
    return detail::WaitForCoro<T, false, detail::TagOfAll<A>>(
        detail::await_owned<std::remove_cvref_t<A>>(std::forward<A>(awaitable)), limit);
}
/// The same for a callable that gives a coroutine, which it owns.
///
/// Suspends    always
/// Cancel      as above
/// Threads     loop thread
template <class F>
    requires detail::CoroutineFunction<F>
auto wait_for(F&& function, Duration limit) {
    detail::refuse_fragile_closure<F>();
    return wait_for(detail::call_owned(std::forward<F>(function)), limit);
}

/// The same, and gives an `Outcome`: the value, or what `wait_for` would throw, without a throw. For loops in
/// which being late is no surprise: `if (auto page = co_await try_wait_for(fetch(url), 2s)) use(*page);`
///
/// Returns     TimeoutError when the time was up, else the outcome of the awaitable
/// Throws      CancelledError  this task or the awaitable was cancelled: that never becomes a value
/// Suspends    as wait_for
/// Cancel      passed on to the awaitable
/// Threads     loop thread
/// Cost        no allocation, but for a failure
/// Python      none
template <class T>
detail::WaitForCoro<T, true> try_wait_for(Coro<T> awaitable, Duration limit) {
    return detail::WaitForCoro<T, true>(std::move(awaitable), limit);
}
template <class T>
detail::WaitForRecord<T, true> try_wait_for(const Task<T>& awaitable, Duration limit) {
    return detail::WaitForRecord<T, true>(awaitable, false, limit);
}
template <class T>
detail::WaitForRecord<T, true> try_wait_for(Task<T>&& awaitable, Duration limit) {
    return detail::WaitForRecord<T, true>(std::move(awaitable), true, limit);
}
template <class T>
detail::WaitForRecord<T, true> try_wait_for(const Future<T>& awaitable, Duration limit) {
    return detail::WaitForRecord<T, true>(awaitable, false, limit);
}
/// The same for an awaitable of the library: `try_wait_for(sleep(1h), 1s)`.
///
/// Suspends    always
/// Cancel      as above
/// Threads     loop thread
template <detail::ScopedAwaitable A>
auto try_wait_for(A&& awaitable, Duration limit) {
    using T = detail::AwaitResult<std::remove_cvref_t<A>>;
    return detail::WaitForCoro<T, true, detail::TagOfAll<A>>(
        detail::await_owned<std::remove_cvref_t<A>>(std::forward<A>(awaitable)), limit);
}
/// The same for a callable that gives a coroutine, which it owns.
///
/// Suspends    always
/// Cancel      as above
/// Threads     loop thread
template <class F>
    requires detail::CoroutineFunction<F>
auto try_wait_for(F&& function, Duration limit) {
    detail::refuse_fragile_closure<F>();
    return try_wait_for(detail::call_owned(std::forward<F>(function)), limit);
}

}}  // namespace asyncio::v1
