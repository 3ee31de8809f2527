// with: Python's `async with`, for every async scope.
#pragma once
#include <concepts>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include "asyncio/base/error.hpp"
#include "asyncio/core/coro.hpp"
#include "asyncio/task/detail/callable.hpp"
#include "asyncio/task/detail/ready.hpp"

namespace asyncio { inline namespace v1 {

/// A type with `aenter()` and `aexit(std::exception_ptr)`, both giving something to await.
template <class M>
concept AsyncContextManager = requires(M& manager, std::exception_ptr error) {
    manager.aenter();
    manager.aexit(error);
};

/// What `aenter` and `aexit` of a scope may give that needs no wait: `return ReadyEnter();`,
/// `return ReadyLeave(handled);`. A scope whose both are so takes no frame of its own in `with`.
using ReadyEnter = detail::Ready;
using ReadyLeave = detail::ReadyBool;

namespace detail {

template <class M>
using Entered = AwaitResult<decltype(std::declval<M&>().aenter())>;

/// What the body is given: what aenter gave, or the manager.
template <class M>
struct BodyArgument {
    using Type = std::remove_reference_t<Entered<M>>&;
};
template <class M>
    requires std::is_void_v<Entered<M>>
struct BodyArgument<M> {
    using Type = M&;
};

template <class Body, class Argument>
decltype(auto) call_body(Body& body, Argument& argument) {
    if constexpr (std::is_invocable_v<Body&, Argument&>) {
        return body(argument);
    } else {
        static_assert(std::is_invocable_v<Body&>,
                      "the body of `with` takes the scope's value (by reference), or nothing");
        return body();
    }
}
template <class Body, class Argument>
using BodyCall =
    decltype(call_body(std::declval<Body&>(), std::declval<std::remove_reference_t<Argument>&>()));

template <class R>
struct BodyValue {
    using Type = std::decay_t<R>;
};
template <Awaited R>
struct BodyValue<R> {
    using Type = AwaitResult<R>;
};
template <>
struct BodyValue<void> {
    using Type = void;
};
template <class M, class Body>
using WithResult = typename BodyValue<BodyCall<Body, typename BodyArgument<M>::Type>>::Type;

/// Runs the body; its value goes to `result`, what it throws to `error`.
template <class R, class Body, class Argument>
Coro<> run_body(Body& body, Argument& argument, std::optional<Stored<R>>& result, std::exception_ptr& error) {
    constexpr bool is_coroutine = Awaited<BodyCall<Body, Argument>>;
    try {
        if constexpr (std::is_void_v<R>) {
            if constexpr (is_coroutine) {
                co_await call_body(body, argument);
            } else {
                call_body(body, argument);
            }
        } else if constexpr (is_coroutine) {
            result.emplace(co_await call_body(body, argument));
        } else {
            result.emplace(call_body(body, argument));
        }
    } catch (...) {
        error = std::current_exception();
    }
    co_return;
}

/// The same, not started yet; nothing if there is no memory for its frame, which then is the error: a scope
/// that was entered is left in any case.
template <class R, class Body, class Argument>
std::optional<Coro<>> make_body(Body& body, Argument& argument, std::optional<Stored<R>>& result,
                                std::exception_ptr& error) noexcept {
    try {
        return run_body<R, Body, Argument>(body, argument, result, error);
    } catch (...) {
        error = std::current_exception();
        return std::nullopt;
    }
}

/// Debug mode says that a scope was dropped which nobody had awaited.
ASYNCIO_COLD void report_unawaited_scope(const char* body) noexcept;

[[noreturn]] ASYNCIO_COLD void throw_left_without_value(const std::exception_ptr& handled);

/// Inside a handler: what aexit has thrown goes on in place of the body's error, which becomes its context;
/// if it can carry none, the loop's exception handler hears of the body's.
ASYNCIO_COLD void replace_error(const std::exception_ptr& of_body) noexcept;

template <class M, class Body>
Coro<WithResult<std::remove_reference_t<M>, std::remove_reference_t<Body>>> with_scope(M manager, Body body) {
    using Manager = std::remove_reference_t<M>;
    using BodyType = std::remove_reference_t<Body>;
    using R = WithResult<Manager, BodyType>;
    std::exception_ptr error;
    std::optional<Stored<R>> result;
    if constexpr (std::is_void_v<Entered<Manager>>) {
        co_await manager.aenter();
        auto running = make_body<R, BodyType, Manager>(body, manager, result, error);
        if (running.has_value()) co_await std::move(*running);
        bool handled = false;
        try {
            if constexpr (std::is_void_v<AwaitResult<decltype(manager.aexit(error))>>) {
                co_await manager.aexit(error);
            } else {
                handled = co_await manager.aexit(error);
            }
        } catch (...) {
            replace_error(error);
            throw;
        }
        if (error != nullptr && !handled) std::rethrow_exception(error);
        if constexpr (!std::is_void_v<R>) {
            if (error != nullptr) throw_left_without_value(error);
            co_return std::move(*result);
        }
    } else {
        using Value = std::remove_reference_t<Entered<Manager>>;
        Entered<Manager> entered = co_await manager.aenter();
        auto running = make_body<R, BodyType, Value>(body, entered, result, error);
        if (running.has_value()) co_await std::move(*running);
        bool handled = false;
        try {
            if constexpr (std::is_void_v<AwaitResult<decltype(manager.aexit(error))>>) {
                co_await manager.aexit(error);
            } else {
                handled = co_await manager.aexit(error);
            }
        } catch (...) {
            replace_error(error);
            throw;
        }
        if (error != nullptr && !handled) std::rethrow_exception(error);
        if constexpr (!std::is_void_v<R>) {
            if (error != nullptr) throw_left_without_value(error);
            co_return std::move(*result);
        }
    }
}

/// Entering and leaving it need no wait, so that it takes no frame of its own.
template <class M>
concept ReadyManager = requires(M& manager, const std::exception_ptr& error) {
    { manager.aenter() } -> std::same_as<Ready>;
    { manager.aexit(error) } -> std::same_as<ReadyBool>;
};

/// `with` for such a manager: the body's coroutine runs in place, as part of the awaiting one.
template <class M, class Body>
class [[nodiscard("nothing runs before this is awaited: co_await it")]] ReadyScope {
  public:
    using Result = WithResult<M, Body>;
    using value_type = Result;
    using LooseAwaitableTag = void;
    using IsCoroToo = void;
    /// What a task made of this looks at, or null.
    const Borrow* borrow() const noexcept { return is_borrow<Body>() ? &borrow_of<Body> : nullptr; }
    /// The same as a coroutine, with a frame of its own. Throws std::bad_alloc.
    operator Coro<Result>() && {  // NOLINT(google-explicit-constructor)
        child_ = nullptr;
        return with_scope<M, Body>(std::move(manager_), std::move(body_));
    }

    ReadyScope(M&& manager, Body&& body) noexcept(std::is_nothrow_move_constructible_v<Body>)
        : manager_(std::move(manager)), body_(std::move(body)) {}
    /// Before it is awaited.
    ReadyScope(ReadyScope&& other) noexcept(std::is_nothrow_move_constructible_v<Body>)
        : manager_(std::move(other.manager_)), body_(std::move(other.body_)) {
        ASYNCIO_ASSERT(other.child_ == unawaited(), "an awaiter is movable until it is awaited");
        other.child_ = nullptr;
    }
    ReadyScope& operator=(ReadyScope&&) = delete;
    ~ReadyScope() {
        if (child_ != nullptr) [[unlikely]]
            child_ == unawaited() ? report_unawaited_scope(type_spelling<Body>()) : drop_awaited(child_);
    }

    bool await_ready() const noexcept { return false; }
    template <class Parent>
    void await_suspend(std::coroutine_handle<Parent> h, Where where = where_here()) {
        PromiseBase* const parent = awaiting(h);
        LoopCore* const loop = current_loop;
        if (loop == nullptr || loop->running != parent) [[unlikely]]
            assert_in_step(loop);
        parent->where = where;
        child_ = nullptr;
        manager_.aenter();
        PromiseBase* next = parent;
        try {
            child_ = static_cast<Coro<Result>>(call_body(body_, manager_)).release();
            child_->continuation = parent;
            child_->task = parent->task;
            next = child_;
        } catch (...) {
            error_ = std::current_exception();  // a scope that was entered is left in any case
        }
        loop->next = reinterpret_cast<std::uintptr_t>(next);
    }
    Result await_resume() {
        if (child_ == nullptr || !child_->is(has_value)) [[unlikely]]
            return leave_failed();
        Promise<Result>* const child = std::exchange(child_, nullptr);
        const EndOfAwaited<Result> end(child);
        manager_.aexit(nullptr);
        if constexpr (!std::is_void_v<Result>) return std::move(*child->value());
    }

  private:
    ASYNCIO_COLD Result leave_failed() {
        if (child_ != nullptr) error_ = take_error_and_destroy(std::exchange(child_, nullptr));
        bool handled = false;
        try {
            handled = manager_.aexit(error_).value;
        } catch (...) {
            replace_error(error_);
            throw;
        }
        if (!handled) std::rethrow_exception(error_);
        if constexpr (!std::is_void_v<Result>) throw_left_without_value(error_);
    }

    static Promise<Result>* unawaited() noexcept {
        return reinterpret_cast<Promise<Result>*>(std::uintptr_t{1});
    }

    M manager_;
    Body body_;
    Promise<Result>* child_ = unawaited();
    std::exception_ptr error_;  // of a body that could not begin
};

/// It owns the manager and the body, which gives a coroutine.
template <class M, class Body>
consteval bool runs_in_place() {
    if constexpr (!std::is_reference_v<M> && !std::is_reference_v<Body> && ReadyManager<M>) {
        return CoroLike<BodyCall<Body, M>>;
    } else {
        return false;
    }
}

template <class A>
consteval bool gives_manager() {
    if constexpr (requires { typename AwaitResult<A>; }) {
        return AsyncContextManager<std::decay_t<AwaitResult<A>>>;
    } else {
        return false;
    }
}

/// Awaits what gives the manager, then enters it.
template <class A, class Body>
Coro<WithResult<std::decay_t<AwaitResult<A>>, std::remove_reference_t<Body>>> with_awaited(A awaitable,
                                                                                           Body body) {
    using Manager = std::decay_t<AwaitResult<A>>;
    using BodyType = std::remove_reference_t<Body>;
    if constexpr (std::is_void_v<WithResult<Manager, BodyType>>) {
        Manager manager = co_await std::move(awaitable);
        co_await with_scope<Manager&, BodyType&>(manager, body);
    } else {
        Manager manager = co_await std::move(awaitable);
        co_return co_await with_scope<Manager&, BodyType&>(manager, body);
    }
}

template <class A, class B, class Body>
auto with_both(A outer, B inner, Body body) -> Coro<typename BodyValue<
    decltype(body(std::declval<typename BodyArgument<std::remove_reference_t<A>>::Type>(),
                  std::declval<typename BodyArgument<std::remove_reference_t<B>>::Type>()))>::Type> {
    using InnerManager = std::remove_reference_t<B>;
    using X = std::remove_reference_t<typename BodyArgument<std::remove_reference_t<A>>::Type>;
    using Y = std::remove_reference_t<typename BodyArgument<InnerManager>::Type>;
    auto in_outer = [&](X& x) {
        auto in_inner = [&body, &x](Y& y) { return body(x, y); };
        return with_scope<InnerManager&, decltype(in_inner)>(inner, in_inner);
    };
    using R = WithResult<std::remove_reference_t<A>, decltype(in_outer)>;
    if constexpr (std::is_void_v<R>) {
        co_await with_scope<std::remove_reference_t<A>&, decltype(in_outer)&>(outer, in_outer);
    } else {
        co_return co_await with_scope<std::remove_reference_t<A>&, decltype(in_outer)&>(outer, in_outer);
    }
}

}  // namespace detail

/// Awaits `manager.aenter()`, then the body, then `manager.aexit(error)`, also when the body throws or is
/// cancelled, and gives the body's value. An lvalue manager is borrowed, an rvalue moved in. Something that
/// is no manager but can be awaited (`session.get(url)`) is awaited first, and what it gives is managed.
///
/// The body is a callable that gives a coroutine, or a plain function; it is given what `aenter` gave, or the
/// manager, or takes nothing. It lives until the scope is left, so its captures are safe.
///
/// Throws      what the body throws, unless `aexit` handles it (gives true); what `aexit` throws in its
///             place: the body's error is then its `context()`, or, if it is a foreign exception and cannot
///             carry one, goes to the loop's exception handler; InvalidStateError  an error was handled, and
///             the body had to give a value
/// Suspends    where the scope or the body does
/// Cancel      reaches the body; the library's own scopes finish leaving
/// Threads     loop thread
/// Python      async with
template <class M, class Body>
auto with(M&& manager, Body&& body) {
    detail::refuse_fragile_closure<Body>();
    using BodyParameter = std::conditional_t<std::is_lvalue_reference_v<Body>, Body, std::decay_t<Body>>;
    if constexpr (AsyncContextManager<std::remove_reference_t<M>>) {
        using ManagerParameter = std::conditional_t<std::is_lvalue_reference_v<M>, M, std::decay_t<M>>;
        if constexpr (detail::runs_in_place<ManagerParameter, BodyParameter>()) {
            return detail::ReadyScope<ManagerParameter, BodyParameter>(std::forward<M>(manager),
                                                                       std::forward<Body>(body));
        } else {
            return detail::with_scope<ManagerParameter, BodyParameter>(std::forward<M>(manager),
                                                                       std::forward<Body>(body));
        }
    } else {
        static_assert(!std::is_lvalue_reference_v<M>,
                      "with: pass the awaitable itself, or its awaited result");
        static_assert(detail::gives_manager<std::decay_t<M>>(),
                      "with takes something with aenter() and aexit(std::exception_ptr), or an awaitable "
                      "that gives it");
        return detail::with_awaited<std::decay_t<M>, BodyParameter>(std::forward<M>(manager),
                                                                    std::forward<Body>(body));
    }
}

/// Two scopes, the second inside the first: the body is given both values.
///
/// Suspends    as above
/// Cancel      as above
/// Threads     loop thread
template <class A, class B, class Body>
    requires(AsyncContextManager<std::remove_reference_t<A>> &&
             AsyncContextManager<std::remove_reference_t<B>>)
auto with(A&& outer, B&& inner, Body&& body) {
    detail::refuse_fragile_closure<Body>();
    using OuterParameter = std::conditional_t<std::is_lvalue_reference_v<A>, A, std::decay_t<A>>;
    using InnerParameter = std::conditional_t<std::is_lvalue_reference_v<B>, B, std::decay_t<B>>;
    using BodyParameter = std::conditional_t<std::is_lvalue_reference_v<Body>, Body, std::decay_t<Body>>;
    return detail::with_both<OuterParameter, InnerParameter, BodyParameter>(
        std::forward<A>(outer), std::forward<B>(inner), std::forward<Body>(body));
}

}}  // namespace asyncio::v1
