// from_callback: awaits what calls back, once.
#pragma once
#include <optional>
#include <type_traits>
#include <utility>

#include "asyncio/base/outcome.hpp"
#include "asyncio/task/adapt.hpp"
#include "asyncio/task/detail/callable.hpp"

namespace asyncio { inline namespace v1 {

namespace detail {

template <class T>
class CallbackState : public ForeignCall {
  public:
    explicit CallbackState(Ask ask) noexcept : ForeignCall(from_callback, ask) {}
    CallbackState(CallbackState&& other) noexcept : ForeignCall(static_cast<ForeignCall&&>(other)) {}
    /// Any thread, once: this may be gone when it returns.
    template <class... U>
    void complete(U&&... value) noexcept {
        try {
            if constexpr (std::is_void_v<T>) {
                outcome_.emplace();
            } else {
                outcome_.emplace(std::in_place, std::forward<U>(value)...);
            }
        } catch (...) {
            outcome_.emplace(std::current_exception());
        }
        report_back();
    }
    void fail(std::exception_ptr error) noexcept {
        outcome_.emplace(std::move(error));
        report_back();
    }
    void drop() noexcept { fail(dropped_error("from_callback", place())); }

  protected:
    std::optional<Outcome<T>> outcome_;  // written before report_back, read after
};

}  // namespace detail

/// The right to complete a `from_callback`, once, from any thread. If the last one is destroyed without that,
/// the await throws RuntimeError.
///
/// Threads     any thread, one at a time
/// Python      `loop.call_soon_threadsafe(future.set_result, value)` in a callback
template <class T = void>
class CallbackHandle {
  public:
    explicit CallbackHandle(detail::CallbackState<T>* state) noexcept : state_(state) {}
    CallbackHandle(CallbackHandle&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
    CallbackHandle& operator=(CallbackHandle&& other) noexcept {
        CallbackHandle old(std::move(*this));  // dropped last
        state_ = std::exchange(other.state_, nullptr);
        return *this;
    }
    ~CallbackHandle() {
        if (state_ != nullptr) state_->drop();
    }

    /// Completes the await with a value.
    /// Throws  InvalidStateError  this handle was called, moved from or released already
    template <class U = T>
        requires(!std::is_void_v<T> && std::is_constructible_v<T, U &&>)
    void operator()(U&& value) {
        take()->complete(std::forward<U>(value));
    }
    void operator()()
        requires(std::is_void_v<T>)
    {
        take()->complete();
    }
    /// Completes it with an exception: an exception object, or an exception_ptr.
    /// Throws  InvalidStateError  as above
    template <class E>
    void set_exception(E&& error) {
        if constexpr (std::is_same_v<std::decay_t<E>, std::exception_ptr>) {
            ASYNCIO_ASSERT(error != nullptr, "set_exception: the exception_ptr is null");
            take()->fail(std::forward<E>(error));
        } else {
            take()->fail(std::make_exception_ptr(std::forward<E>(error)));
        }
    }

    /// For the `void* user_data` of a C library, which must then give it to `adopt` exactly once.
    /// Throws  InvalidStateError  as above
    [[nodiscard("give it to the C library")]] void* release() { return take(); }
    /// What `release` gave.
    static CallbackHandle adopt(void* released) noexcept {
        return CallbackHandle(static_cast<detail::CallbackState<T>*>(released));
    }
    /// False once it was called, moved from or released.
    explicit operator bool() const noexcept { return state_ != nullptr; }

  private:
    detail::CallbackState<T>* take() {
        if (state_ == nullptr) {
            throw InvalidStateError(
                "this CallbackHandle was called, moved from or released already: a callback comes once");
        }
        return std::exchange(state_, nullptr);
    }
    detail::CallbackState<T>* state_;
};

namespace detail {

/// Looks at what it does not own: a lambda that captures by reference, or what says so.
template <class Start>
consteval bool start_borrows() {
    if constexpr (requires { typename Start::Borrows; }) {
        return true;
    } else {
        return is_borrow<Start>();
    }
}

template <class T, class Start, class Hook>
class [[nodiscard("nothing is started before this is awaited: co_await it")]] CallbackAwaiter
    : public CallbackState<T>,
      public std::conditional_t<start_borrows<Start>() || start_borrows<Hook>(), ScopedTag, LooseTag> {
  public:
    explicit CallbackAwaiter(Start start, Hook hook)
        : CallbackState<T>(std::is_same_v<Hook, NoHook> ? nullptr : &ask),
          start_(std::move(start)),
          hook_(std::move(hook)) {}
    /// Before it is awaited.
    CallbackAwaiter(CallbackAwaiter&& other) noexcept
        : CallbackState<T>(static_cast<CallbackState<T>&&>(other)),
          start_(std::move(other.start_)),
          hook_(std::move(other.hook_)) {}

    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h, Where where = where_here()) {
        if (enter_leaf(this, h, where)) return;
        this->begin();
        try {
            start_(CallbackHandle<T>(this));
        } catch (...) {
            // The handle was dropped, or somebody has it and will call: either way the end is still to come.
            error_ = std::current_exception();
        }
    }
    T await_resume() {
        if (!this->outcome_.has_value()) throw_if_cancelled(this->frame->task);  // nothing was started
        if (error_ != nullptr) std::rethrow_exception(error_);
        if (!this->outcome_->has_value()) throw_if_cancelled(this->frame->task);
        return std::move(*this->outcome_).value();
    }

  private:
    static void ask(ForeignCall* call) { static_cast<CallbackAwaiter*>(call)->hook_(); }

    Start start_;
    Hook hook_;
    std::exception_ptr error_;
};

}  // namespace detail

/// Awaits something that calls back once: `start(done)` starts it, and whoever calls `done(value)` ends the
/// await. For C libraries: `c_start(&trampoline, done.release())`, and in the trampoline
/// `CallbackHandle<T>::adopt(user_data)(value)`. If `c_start` fails and will never call back, adopt it and
/// set the exception there.
///
/// `on_cancel()`, if it is given, is called after a cancel, in a turn of the loop of its own: it asks the
/// library to stop, so that the callback comes soon. What it throws goes to the loop's exception handler, and
/// the await goes on waiting. It is not called when the callback has come by then; on another thread the
/// callback may come while the hook runs, so what the hook touches must live until the await has ended, or
/// be guarded by a mutex that the callback takes, too.
///
/// Returns     the value
/// Throws      what was set; what `start` throws, once its handle was called or dropped; RuntimeError  the
///             handle was dropped without being called
/// Suspends    always
/// Cancel      waits for the callback. If that brings an exception, CancelledError is thrown in its place; a
///             value is delivered, and the next await throws
/// Threads     loop thread; the callback may come on any thread
/// Lifetime    `start` and `on_cancel` live until the await has ended
/// Cost        no allocation
/// Python      a Future, and `call_soon_threadsafe(future.set_result, value)`
template <class T = void, class Start>
    requires std::is_invocable_v<std::decay_t<Start>&, CallbackHandle<T>>
auto from_callback(Start&& start) {
    detail::refuse_fragile_closure<Start>();
    return detail::CallbackAwaiter<T, std::decay_t<Start>, detail::NoHook>(std::forward<Start>(start),
                                                                           detail::NoHook());
}
template <class T = void, class Start, class Hook>
    requires(std::is_invocable_v<std::decay_t<Start>&, CallbackHandle<T>> &&
             std::is_invocable_v<std::decay_t<Hook>&>)
auto from_callback(Start&& start, Hook&& on_cancel) {
    detail::refuse_fragile_closure<Start>();
    detail::refuse_fragile_closure<Hook>();
    return detail::CallbackAwaiter<T, std::decay_t<Start>, std::decay_t<Hook>>(std::forward<Start>(start),
                                                                               std::forward<Hook>(on_cancel));
}

}}  // namespace asyncio::v1
