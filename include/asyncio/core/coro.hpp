// Coro<T>: the lazy coroutine, Python's coroutine object.
#pragma once
#include <memory>
#include <span>
#include <string_view>

#include "asyncio/core/detail/record.hpp"

namespace asyncio { inline namespace v1 {

template <class T>
class Coro;

namespace detail {

/// Ends a coroutine: names who runs next and returns. The loop's step resumes it; nothing is resumed from
/// here, so the stack stays flat in every build (g++ 12 does not turn symmetric transfer into a jump at -O0
/// or under sanitizers).
struct Final {
    constexpr Final() noexcept {}
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h) const noexcept {
        Promise& me = h.promise();
        LoopCore* const loop = current_loop;
        ASYNCIO_DASSERT(loop != nullptr,
                        "a coroutine ended outside of its loop, resumed by a foreign awaitable on another "
                        "thread: co_await asyncio::adapt(x)");
        if (me.is(made_borrower)) [[unlikely]]
            report_borrowers(&me);
        if (me.is(is_task)) {
            loop->drop = Promise::drop_fn;
            loop->next = task_finished;
        } else {
            loop->next = reinterpret_cast<std::uintptr_t>(me.continuation);
        }
    }
    void await_resume() const noexcept {}
};

template <class T>
struct PromiseCommon : Record<T> {
    static constexpr DropFn drop_fn = drop_value_fn<T>;
    std::suspend_always initial_suspend() noexcept { return {}; }
    Final final_suspend() noexcept { return Final(); }
    void unhandled_exception() noexcept { store_current_exception(this, drop_fn); }
};

template <class T>
struct Promise : PromiseCommon<T> {
    static_assert(!std::is_reference_v<T>,
                  "a coroutine returns values: return a pointer or std::reference_wrapper");
    Coro<T> get_return_object(Where where = where_here()) noexcept {
        this->where = where;
        return Coro<T>(this);
    }
    template <class U = T>
        requires std::is_constructible_v<T, U&&>
    void return_value(U&& value) {
        write_value<T>(this, std::forward<U>(value));
    }
};

template <>
struct Promise<void> : PromiseCommon<Nothing> {
    Coro<void> get_return_object(Where where = where_here()) noexcept;
    void return_void() noexcept {
        if (is(is_task)) unlink_live(this);
        set(has_value);
    }
};

// ---- what a coroutine's parameters say ----------------------------------------------------------
template <class T>
consteval const char* type_spelling() {
    return __PRETTY_FUNCTION__;
}
/// Lambda closures have no other mark than the compilers' spelling of their type: `f()::<lambda(int)>` with
/// g++, `(lambda at f.cpp:3:4)` with clang. A template of a closure is none: what counts is how the spelling
/// ends.
constexpr bool spells_closure(std::string_view text) {
    text.remove_suffix(1);  // the ']' of "[with T = …]"
    const char closing = text.back();
    if (closing != '>' && closing != ')') return false;
    const char opening = closing == '>' ? '<' : '(';
    int depth = 0;
    for (std::size_t at = text.size(); at-- > 0;) {
        if (text[at] == closing && !(closing == '>' && at > 0 && text[at - 1] == '-')) ++depth;
        if (text[at] == opening && --depth == 0) {
            return text.substr(at + 1).starts_with(closing == '>' ? "lambda(" : "lambda at ");
        }
    }
    return false;
}
template <class T>
inline constexpr bool is_closure = std::is_class_v<T> && spells_closure(type_spelling<T>());
template <class T>
using Bare = std::remove_cv_t<std::remove_pointer_t<std::remove_cvref_t<T>>>;

template <class T>
inline constexpr bool is_view = false;
template <class C, class Tr>
inline constexpr bool is_view<std::basic_string_view<C, Tr>> = true;
template <class T, std::size_t N>
inline constexpr bool is_view<std::span<T, N>> = true;

/// A parameter through which a coroutine looks at something that it does not own.
template <class T>
consteval bool is_borrow() {
    if constexpr (std::is_reference_v<T> || std::is_pointer_v<T>) {
        // The closure of a lambda that captures nothing comes by reference, and is no loss.
        if constexpr (is_closure<Bare<T>>) {
            return !std::is_empty_v<Bare<T>>;
        } else {
            return !std::is_function_v<Bare<T>>;
        }
    } else if constexpr (is_closure<T>) {
        // What has something to destroy owns it; what has not may be a bundle of references.
        return !std::is_empty_v<T> && std::is_trivially_destructible_v<T>;
    } else {
        return is_view<std::remove_cv_t<T>>;
    }
}

/// The first such parameter.
template <class... Args>
constexpr Borrow first_borrow() {
    Borrow found{0, nullptr};
    unsigned at = 0;
    ((++at, found.parameter == 0 && is_borrow<Args>() ? void(found = {at, type_spelling<Args>()}) : void()),
     ...);
    return found;
}
template <class... Args>
inline constexpr Borrow borrow_of = first_borrow<Args...>();

/// True if the coroutine named in `where` is itself an operator() or lambda: its first parameter is then its
/// closure.
ASYNCIO_COLD bool names_a_closure_call(Where where) noexcept;

/// The promise of a coroutine with parameters: the same, and it notes what they say. Adds no member.
template <class T, class FirstArg, class... Rest>
struct PromiseOf : Promise<T> {
    // The closure type is incomplete while coroutine_traits is asked, so everything is asked here.
    Coro<T> get_return_object(Where where = where_here()) noexcept {
        if constexpr (is_borrow<FirstArg>() || (is_borrow<Rest>() || ...)) {
            this->set(borrows);
            this->borrow = &borrow_of<FirstArg, Rest...>;
        }
        using First = Bare<FirstArg>;
        if constexpr (is_closure<First>) {
            if constexpr (!std::is_empty_v<First>) {
                if (names_a_closure_call(where)) this->set(lambda_coro);
            }
        }
        return Promise<T>::get_return_object(where);
    }
};

/// Of a coroutine that was awaited in place and has a result: when that has been moved out, it goes with the
/// frame, before the caller goes on, as in Python.
template <class T>
class EndOfAwaited {
  public:
    explicit EndOfAwaited(Promise<T>* child) noexcept : child_(child) {}
    EndOfAwaited(const EndOfAwaited&) = delete;
    EndOfAwaited& operator=(const EndOfAwaited&) = delete;
    ~EndOfAwaited() {
        std::destroy_at(child_->value());
        child_->handle().destroy();
    }

  private:
    Promise<T>* child_;
};

/// Awaits a coroutine in place. It runs as part of the awaiting task, without a turn of the loop.
template <class T>
class [[nodiscard]] CoroAwaiter {
  public:
    explicit CoroAwaiter(Promise<T>* child) noexcept : child_(child) {}
    CoroAwaiter(const CoroAwaiter&) = delete;
    CoroAwaiter& operator=(const CoroAwaiter&) = delete;
    ~CoroAwaiter() {
        if (child_ != nullptr) [[unlikely]]
            drop_awaited(child_);
    }

    bool await_ready() const noexcept { return false; }
    template <class Parent>
    void await_suspend(std::coroutine_handle<Parent> h, Where where = where_here()) noexcept {
        static_assert(std::is_base_of_v<PromiseBase, Parent>,
                      "a Coro can be awaited in a coroutine of this library only: elsewhere, start it with "
                      "create_task or run_coroutine_threadsafe");
        PromiseBase* const parent = &h.promise();
        LoopCore* const loop = current_loop;
        if (loop == nullptr || loop->running != parent) [[unlikely]]
            assert_in_step(loop);
        parent->where = where;
        child_->continuation = parent;
        child_->task = parent->task;
        loop->next = reinterpret_cast<std::uintptr_t>(static_cast<PromiseBase*>(child_));
    }
    T await_resume() {
        // Thrown here, since each function in between costs the unwinder a fifth of the whole; then the
        // child's frame goes with this awaiter, before any handler of the caller runs.
        if (!child_->is(has_value)) [[unlikely]]
            std::rethrow_exception(error_of_awaited(child_));
        Promise<T>* const child = std::exchange(child_, nullptr);
        const EndOfAwaited<T> end(child);
        if constexpr (!std::is_void_v<T>) return std::move(*child->value());
    }

  private:
    Promise<T>* child_;
};

}  // namespace detail

/// A lazy coroutine, the result type of an `async def`: runs when it is awaited or handed to `create_task`,
/// `gather`, `run` …, once. Destroying one that was never awaited runs nothing; in debug mode it is reported
/// as `RuntimeWarning: coroutine 'f' was never awaited (file:line)`.
///
/// Suspends    awaiting it suspends only where its body does
/// Cancel      a cancel of the awaiting task reaches the operation that the body waits for
/// Threads     the thread of the loop that runs it; an unstarted one may be moved to another thread
/// Lifetime    references, views and a lambda's captures must live until it has ended
/// Cost        one frame from the recycler; awaiting it makes no task and takes no turn of the loop
/// Python      the coroutine object. Awaiting needs an rvalue: single use is checked by the compiler
/// See         hazards/lambda_coroutines
template <class T = void>
class [[nodiscard("this coroutine has not run: co_await it, or hand it to asyncio::create_task")]] Coro {
  public:
    using value_type = T;
    using promise_type = detail::Promise<T>;

    explicit Coro(promise_type* promise) noexcept : promise_(promise) {}
    Coro(const Coro&) = delete;  // a coroutine runs once: write std::move(coro)
    Coro(Coro&& other) noexcept : promise_(std::exchange(other.promise_, nullptr)) {}
    Coro& operator=(Coro&& other) noexcept {
        if (this != &other) {
            if (promise_ != nullptr) detail::drop_unstarted(promise_);
            promise_ = std::exchange(other.promise_, nullptr);
        }
        return *this;
    }
    ~Coro() {
        if (promise_ != nullptr) [[unlikely]]
            detail::drop_unstarted(promise_);
    }

    /// False once it was awaited, moved from or handed over.
    bool valid() const noexcept { return promise_ != nullptr; }

    detail::CoroAwaiter<T> operator co_await() && noexcept { return detail::CoroAwaiter<T>(release()); }
    void operator co_await() & = delete;  // "co_await std::move(coro)": a coroutine runs once

    /// For combinators: gives the coroutine away.
    promise_type* release() noexcept {
        ASYNCIO_ASSERT(promise_ != nullptr, "this Coro was awaited, moved from or handed over already");
        return std::exchange(promise_, nullptr);
    }

  private:
    promise_type* promise_;
};

namespace detail {
template <class T>
inline constexpr bool is_coro = false;
template <class T>
inline constexpr bool is_coro<Coro<T>> = true;

/// Whether a call of an `F` with these arguments only makes a coroutine, which nobody would run.
template <class F, class... Args>
consteval bool makes_coroutine() {
    if constexpr (std::is_invocable_v<F, Args...>) {
        return is_coro<std::invoke_result_t<F, Args...>>;
    } else {
        return false;
    }
}

inline Coro<void> Promise<void>::get_return_object(Where place) noexcept {
    this->where = place;
    return Coro<void>(this);
}
}  // namespace detail
}}  // namespace asyncio::v1

template <class T, class First, class... Rest>
struct std::coroutine_traits<asyncio::Coro<T>, First, Rest...> {
    using promise_type = asyncio::detail::PromiseOf<T, First, Rest...>;
};
