// Awaitables that are handed over instead of coroutines: `gather(sleep(1s), …)`, `create_task(sleep(1s))`.
#pragma once
#include <type_traits>
#include <utility>

#include "asyncio/core/coro.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

/// As the compiler finds it: a member `operator co_await`, a free one, or the awaitable itself.
template <class A>
decltype(auto) awaiter_of(A&& awaitable) {
    if constexpr (requires { std::forward<A>(awaitable).operator co_await(); }) {
        return std::forward<A>(awaitable).operator co_await();
    } else if constexpr (requires { operator co_await(std::forward<A>(awaitable)); }) {
        return operator co_await(std::forward<A>(awaitable));
    } else {
        return std::forward<A>(awaitable);
    }
}
/// What `co_await` on an `A` gives.
template <class A>
using AwaitResult = decltype(awaiter_of(std::declval<A>()).await_resume());

/// An awaitable of the library's own that is handed over instead of a coroutine: `gather(sleep(1s), …)`. They
/// say so themselves, since moving a foreign awaiter about is not ours to decide.
struct LooseTag {
    using LooseAwaitableTag = void;
};
template <class A>
concept LooseAwaitable =
    !std::is_lvalue_reference_v<A> && std::is_move_constructible_v<std::remove_cvref_t<A>> &&
    requires { typename std::remove_cvref_t<A>::LooseAwaitableTag; };

/// The same, of one that borrows (a stream, the caller's memory): what awaits it in place may be handed it
/// (`wait_for(reader.readline(), 1s)`), what detaches it may not.
struct ScopedTag {
    using ScopedAwaitableTag = void;
};
template <class A>
concept ScopedAwaitable =
    LooseAwaitable<A> ||
    (!std::is_lvalue_reference_v<A> && std::is_move_constructible_v<std::remove_cvref_t<A>> &&
     requires { typename std::remove_cvref_t<A>::ScopedAwaitableTag; });

/// The tag of what is made of these: it borrows if one of them does.
template <class... A>
using TagOfAll = std::conditional_t<((ScopedAwaitable<A> && !LooseAwaitable<A>) || ...), ScopedTag, LooseTag>;

/// An awaiter that also is a coroutine if somebody needs one: `Coro<T> c = with(timeout(1s), body)`.
template <class A>
concept CoroLike = is_coro<std::decay_t<A>> || requires { typename std::remove_cvref_t<A>::IsCoroToo; };

/// What is awaited, and not a value: where a body or callable gives this, it is awaited.
template <class A>
concept Awaited = CoroLike<A> || ScopedAwaitable<A>;

template <class A>
Coro<AwaitResult<A>> await_in_frame(A awaitable) {
    if constexpr (std::is_void_v<AwaitResult<A>>) {
        co_await awaitable;
    } else {
        co_return co_await awaitable;
    }
}

/// Awaits it at the place that the coroutine's record names before its first await: where the awaitable was
/// handed over.
template <class A>
struct Placed : A {
    explicit Placed(A&& awaitable) : A(std::move(awaitable)) {}
    template <class Promise>
    auto await_suspend(std::coroutine_handle<Promise> h) {
        return A::await_suspend(h, h.promise().where);
    }
};
template <class A>
concept Placeable = !requires(A& awaitable) { awaitable.operator co_await(); };

/// A coroutine that owns the awaitable. If that borrows, so does the coroutine. `where` it is handed over, if
/// that is known.
template <class A>
Coro<AwaitResult<A>> await_owned(A awaitable, Where where = nullptr) {
    const Borrow* borrow = nullptr;
    if constexpr (requires { awaitable.borrow(); }) borrow = awaitable.borrow();
    auto* promise = static_cast<typename Coro<AwaitResult<A>>::promise_type*>(nullptr);
    if constexpr (Placeable<A>) {
        promise = await_in_frame<Placed<A>>(Placed<A>(std::move(awaitable))).release();
        if (where != nullptr) promise->where = where;
    } else {
        promise = await_in_frame<A>(std::move(awaitable)).release();
    }
    if (borrow != nullptr) {
        promise->set(borrows);
        promise->borrow = borrow;
    }
    return Coro<AwaitResult<A>>(promise);
}

}}}  // namespace asyncio::v1::detail
