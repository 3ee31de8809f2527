// Callables that are handed over instead of coroutines: they and their arguments live in a frame of their
// own, so that lambdas with captures are safe.
#pragma once
#include <tuple>
#include <type_traits>
#include <utility>

#include "asyncio/core/coro.hpp"
#include "asyncio/task/detail/awaitable.hpp"

namespace asyncio { inline namespace v1 {

/// Wraps a callable that owns what it captures, for the functions that take callables in an awaiting
/// expression: `co_await to_thread(asyncio::own(std::move(f)))`. g++ 12 copies such a closure bit by bit if
/// it is written in place.
template <class F>
class Owned {
  public:
    explicit Owned(F function) noexcept(std::is_nothrow_move_constructible_v<F>)
        : function_(std::move(function)) {}
    template <class... Args>
        requires std::is_invocable_v<F&, Args&&...>
    decltype(auto) operator()(Args&&... args) {
        return std::apply(function_, std::forward_as_tuple(std::forward<Args>(args)...));
    }

  private:
    F function_;
};
template <class F>
Owned<std::decay_t<F>> own(F&& function) {
    return Owned<std::decay_t<F>>(std::forward<F>(function));
}

namespace detail {

template <class F, class... Args>
using CallResult =
    decltype(std::apply(std::declval<std::decay_t<F>&>(), std::declval<std::tuple<std::decay_t<Args>...>>()));

/// Something that gives a Coro when it is called with copies of the arguments.
template <class F, class... Args>
concept CoroutineFunction =
    !is_coro<std::decay_t<F>> && std::is_invocable_v<std::decay_t<F>&, std::decay_t<Args>&&...> &&
    CoroLike<std::invoke_result_t<std::decay_t<F>&, std::decay_t<Args>&&...>>;

/// g++ 12 destroys a closure twice that is written inside an awaiting expression and owns something.
template <class F>
constexpr void refuse_fragile_closure() {
#if ASYNCIO_GCC12
    if constexpr (std::is_rvalue_reference_v<F&&>) {
        static_assert(
            !is_closure<std::remove_cvref_t<F>> || std::is_trivially_destructible_v<std::remove_cvref_t<F>>,
            "g++ 12 miscompiles a lambda with owning captures that is written in an awaiting expression: "
            "name it "
            "and pass the name, pass (function, arguments...), or wrap it: asyncio::own(std::move(lambda)). "
            "See docs/hazards/gcc12_lambda_captures.md");
    }
#endif
}

/// A task made of a callable has called it: what was to be told of the task can now name that.
ASYNCIO_COLD void callable_is_known(PromiseBase* task) noexcept;

/// Awaits a coroutine and names its function as the place of the await, so that a task made of a callable is
/// known by what it calls.
template <class T>
class [[nodiscard]] InPlaceOf : public CoroAwaiter<T> {
  public:
    explicit InPlaceOf(Coro<T>&& coro) noexcept : InPlaceOf(coro.release()) {}
    template <class Parent>
    void await_suspend(std::coroutine_handle<Parent> h) noexcept {
        CoroAwaiter<T>::await_suspend(h, place_);
        if (h.promise().extra() != nullptr) [[unlikely]]
            callable_is_known(&h.promise());
    }

  private:
    explicit InPlaceOf(Promise<T>* child) noexcept : CoroAwaiter<T>(child), place_(child->where) {}
    Where place_;
};

template <class F, class... Args>
Coro<typename std::invoke_result_t<F&, Args&&...>::value_type> run_owned(F function, Args... args) {
    // The callee's coroutine may refer to the function object and to these parameters: they live in this
    // frame.
    using Result = typename std::invoke_result_t<F&, Args&&...>::value_type;
    if constexpr (std::is_void_v<Result>) {
        co_await InPlaceOf<Result>(std::apply(function, std::forward_as_tuple(std::move(args)...)));
    } else {
        co_return co_await InPlaceOf<Result>(std::apply(function, std::forward_as_tuple(std::move(args)...)));
    }
}

template <class F, class... Args>
auto call_owned(F&& function, Args&&... args) {
    return run_owned<std::decay_t<F>, std::decay_t<Args>...>(std::forward<F>(function),
                                                             std::forward<Args>(args)...);
}

}  // namespace detail
}}  // namespace asyncio::v1
