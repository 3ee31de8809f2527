// adapt(x): awaits what another coroutine library gives.
#pragma once
#include <coroutine>
#include <optional>
#include <type_traits>
#include <utility>

#include "asyncio/base/function.hpp"
#include "asyncio/task/detail/awaitable.hpp"
#include "asyncio/task/detail/foreign_call.hpp"

namespace asyncio { inline namespace v1 {

namespace detail {

/// Stands for our coroutine where another library wants one to resume: the two pointers that each coroutine
/// frame begins with, on every compiler that we know.
struct StandIn {
    void (*resume)(StandIn*);
    void (*destroy)(StandIn*);
    void* owner;
    std::coroutine_handle<> handle() noexcept { return std::coroutine_handle<>::from_address(this); }
};

struct NoHook {
    void operator()() const noexcept {}
};

template <class A>
using AwaiterOf = decltype(awaiter_of(std::declval<A>()));

template <class A, class Hook>
class [[nodiscard("nothing is awaited yet: co_await it")]] AdaptAwaiter : public ForeignCall {
  public:
    explicit AdaptAwaiter(A&& awaitable, Hook& hook)
        : ForeignCall(adapt, std::is_same_v<Hook, NoHook> ? nullptr : &ask),
          stand_in_{&on_resume, &on_destroy, this},
          awaiter_(awaiter_of(std::forward<A>(awaitable))),
          hook_(hook) {}
    AdaptAwaiter(AdaptAwaiter&&) = delete;

    bool await_ready() const noexcept { return false; }  // a pending cancel comes first
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> h, Where where = where_here()) {
        if (enter_leaf(this, h, where)) return true;
        begun_ = true;
        if (awaiter_.await_ready()) return yield_if_spent();
        begin();
        try {
            if (start()) return true;
        } catch (...) {
            take_back();
            throw;
        }
        take_back();
        return yield_if_spent();
    }
    AwaitResult<A> await_resume() {
        if (!begun_) throw_if_cancelled(frame->task);
        if (dropped_) std::rethrow_exception(dropped_error("adapt", place()));
        // A result is delivered also to a task that was cancelled meanwhile, since it cannot be put back (it
        // may be a lock); the cancel comes with the next await. An error is taken for the cancel's work.
        if (!cancel_is_pending()) [[likely]]
            return awaiter_.await_resume();
        try {
            return awaiter_.await_resume();
        } catch (...) {
            throw_if_cancelled(frame->task);
            throw;
        }
    }

  private:
    /// What is always ready must let others run, too.
    bool yield_if_spent() noexcept {
        if (!budget_spent(current_loop)) return false;
        push_frame(current_loop, frame);
        return true;
    }
    /// True: the stand-in will be resumed, or was.
    bool start() {
        using Suspended = decltype(awaiter_.await_suspend(stand_in_.handle()));
        if constexpr (std::is_void_v<Suspended>) {
            awaiter_.await_suspend(stand_in_.handle());
        } else if constexpr (std::is_same_v<Suspended, bool>) {
            return awaiter_.await_suspend(stand_in_.handle());
        } else {
            // Symmetric transfer, to a coroutine of theirs: it runs here until it suspends.
            const std::coroutine_handle<> next = awaiter_.await_suspend(stand_in_.handle());
            if (next == stand_in_.handle()) return false;
            next.resume();
        }
        return true;
    }
    static void on_resume(StandIn* stand_in) { static_cast<AdaptAwaiter*>(stand_in->owner)->report_back(); }
    static void on_destroy(StandIn* stand_in) {
        AdaptAwaiter* const me = static_cast<AdaptAwaiter*>(stand_in->owner);
        me->dropped_ = true;
        me->report_back();
    }
    static void ask(ForeignCall* call) { static_cast<AdaptAwaiter*>(call)->hook_(); }

    StandIn stand_in_;
    bool begun_ = false;
    bool dropped_ = false;  // written before report_back, read after
    AwaiterOf<A> awaiter_;
    Hook& hook_;
};

/// What `adapt` gives: owns the awaitable if it was given one by value.
template <class A, class Hook>
class [[nodiscard("nothing is awaited yet: co_await it")]] Adapted
    : public std::conditional_t<std::is_lvalue_reference_v<A>, ScopedTag, LooseTag> {
  public:
    explicit Adapted(A&& awaitable, Hook hook)
        : awaitable_(std::forward<A>(awaitable)), hook_(std::move(hook)) {}
    AdaptAwaiter<A, Hook> operator co_await() {
        return AdaptAwaiter<A, Hook>(std::forward<A>(awaitable_), hook_);
    }

  private:
    A awaitable_;  // a reference, if it was given an lvalue
    Hook hook_;
};

template <class A>
concept ForeignAwaitable = !Awaited<A> && requires(AwaiterOf<A> awaiter, std::coroutine_handle<> h) {
    awaiter.await_ready();
    awaiter.await_suspend(h);
    awaiter.await_resume();
};

}  // namespace detail

/// Makes an awaitable of another library one of ours: the task goes on in a turn of its loop, whatever thread
/// or library has resumed it. (Awaited bare, it would run our coroutine on that thread, outside of its loop.)
/// An lvalue is borrowed, an rvalue is moved in.
///
/// `on_cancel()`, if it is given, is called after a cancel, in a turn of the loop of its own: it tells the
/// other library to stop. What it throws goes to the loop's exception handler, and the await goes on waiting.
/// It is not called when the awaitable has resumed by then; one that resumes on another thread may do so
/// while the hook runs, so what the hook touches must live until the await has ended.
///
/// Returns     what the awaitable gives
/// Throws      what the awaitable throws; RuntimeError  the other library destroyed its handle of our
///             coroutine instead of resuming it
/// Suspends    unless the awaitable is ready, and the step's budget is not used up
/// Cancel      waits for the foreign operation, which may use our memory. If that then fails, CancelledError
///             is thrown; a result is delivered, and the next await throws
/// Threads     loop thread; the awaitable may resume on any thread, once
/// Lifetime    an lvalue must live until the await has ended
/// Cost        no allocation
/// Python      none
template <class A>
    requires detail::ForeignAwaitable<A>
auto adapt(A&& awaitable) {
    return detail::Adapted<A, detail::NoHook>(std::forward<A>(awaitable), detail::NoHook());
}
template <class A, class Hook>
    requires(detail::ForeignAwaitable<A> && std::is_invocable_v<Hook&>)
auto adapt(A&& awaitable, Hook on_cancel) {
    return detail::Adapted<A, Hook>(std::forward<A>(awaitable), std::move(on_cancel));
}

}}  // namespace asyncio::v1
