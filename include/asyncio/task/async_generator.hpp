// AsyncGenerator<T>: a coroutine that yields values and may await in between, Python's `async def` with
// `yield`.
#pragma once
#include <coroutine>
#include <optional>
#include <type_traits>
#include <utility>

#include "asyncio/base/optional_ref.hpp"
#include "asyncio/core/coro.hpp"
#include "asyncio/task/detail/awaitable.hpp"
#include "asyncio/task/detail/generator_record.hpp"
#include "asyncio/task/detail/ready.hpp"

namespace asyncio { inline namespace v1 {

template <class T, class Sent = void>
class AsyncGenerator;

namespace detail {

/// What next() gives: the item, or nothing at the end.
template <class T>
using ItemOf = std::conditional_t<std::is_reference_v<T>, OptionalRef<std::remove_reference_t<T>>,
                                  std::optional<std::remove_cvref_t<T>>>;

/// The body's side of a hand-over: suspends at the co_yield and goes on in the consumer.
template <class Sent>
class YieldAwaiter {
  public:
    explicit YieldAwaiter(GeneratorRecord* body) noexcept : body_(body) {}
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise>, Where where = where_here()) const noexcept {
        body_->where = where;
        current_loop->next = reinterpret_cast<std::uintptr_t>(body_->continuation);
    }
    auto await_resume() const {
        body_->throw_if_told();
        if constexpr (!std::is_void_v<Sent>) {
            auto* const sent = static_cast<Sent*>(std::exchange(body_->sent, nullptr));
            return sent != nullptr ? std::optional<Sent>(std::move(*sent)) : std::optional<Sent>();
        }
    }

  protected:
    GeneratorRecord* body_;
};

/// The same of something that has to be made or copied first.
template <class T, class Sent>
class MadeYieldAwaiter : public YieldAwaiter<Sent> {
  public:
    template <class U>
    MadeYieldAwaiter(GeneratorRecord* body, U&& from)
        : YieldAwaiter<Sent>(body), value_(std::forward<U>(from)) {}
    MadeYieldAwaiter(const MadeYieldAwaiter&) = delete;
    MadeYieldAwaiter& operator=(const MadeYieldAwaiter&) = delete;
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h, Where where = where_here()) noexcept {
        this->body_->item = std::addressof(value_);
        YieldAwaiter<Sent>::await_suspend(h, where);
    }

  private:
    T value_;
};

template <class T, class Sent>
struct GeneratorPromiseCommon : GeneratorRecord {
    static constexpr DropFn drop_fn = nullptr;  // it is no task
    AsyncGenerator<T, Sent> get_return_object(Where place = where_here()) noexcept {
        this->where = place;
        return AsyncGenerator<T, Sent>(this);
    }
    std::suspend_always initial_suspend() noexcept { return {}; }
    Final final_suspend() noexcept { return Final(); }
    void return_void() noexcept {}
    void unhandled_exception() noexcept { store_current_exception(this, nullptr); }
};

template <class T, class Sent>
struct GeneratorPromise : GeneratorPromiseCommon<T, Sent> {
    static_assert(!std::is_const_v<T> && !std::is_void_v<T> && alignof(T) <= 16,
                  "an async generator yields values or lvalue references, aligned to 16 bytes at most");
    /// A temporary lives until the body goes on: it is moved from where it lies.
    YieldAwaiter<Sent> yield_value(T&& value) noexcept {
        this->item = std::addressof(value);
        return YieldAwaiter<Sent>(this);
    }
    template <class U>
        requires(!std::is_same_v<U, T> && std::is_constructible_v<T, U &&>)
    MadeYieldAwaiter<T, Sent> yield_value(U&& value) {
        return MadeYieldAwaiter<T, Sent>(this, std::forward<U>(value));
    }
};
template <class T, class Sent>
struct GeneratorPromise<T&, Sent> : GeneratorPromiseCommon<T&, Sent> {
    YieldAwaiter<Sent> yield_value(T& value) noexcept {
        this->item = const_cast<void*>(static_cast<const volatile void*>(std::addressof(value)));
        return YieldAwaiter<Sent>(this);
    }
};
template <class T, class Sent>
struct GeneratorPromise<T&&, Sent> {
    static_assert(std::is_void_v<T>, "an async generator yields values or lvalue references");
};

}  // namespace detail

/// A coroutine that yields items and may await in between:
///
///     AsyncGenerator<int> ticks(int n) {
///         for (int i = 0; i < n; ++i) { co_await sleep(1s); co_yield i; }
///     }
///     auto gen = ticks(3);
///     while (auto item = co_await gen.next()) use(*item);
///
/// The body runs as part of the task that asks for an item, and only while somebody asks: that task's cancel,
/// timeout and current_task() are the body's. One task at a time may ask. Dropping it destroys the body there
/// and then, with its locals, where it stands: cleanup that awaits needs `co_await gen.aclose()`, or
/// `with(gen, …)`, which closes it at the end.
///
/// `T` may be a reference (what is yielded must live until the next item is asked for) and need not be
/// copyable. With a `Sent`, `co_yield` gives a std::optional<Sent>: what `asend` was given, nothing after
/// next(). A generator that was moved from is at its end.
///
/// Threads     loop thread only; one that has not begun may be moved to another
/// Lifetime    references, views and a lambda's captures must live as long as it is iterated; the generator
///             must outlive each await of its members and stay where it is meanwhile
/// Cost        one frame from the recycler; an item costs no allocation and no turn of the loop
/// Python      async generators. The event loop keeps no list of them and its shutdown closes none: whoever
///             owns one does
/// See         hazards/lambda_coroutines
template <class T, class Sent>
class [[nodiscard("an async generator runs only while it is asked: co_await gen.next()")]] AsyncGenerator {
  public:
    using value_type = T;
    using promise_type = detail::GeneratorPromise<T, Sent>;
    /// std::optional<T>; of references, OptionalRef.
    using Item = detail::ItemOf<T>;

    explicit AsyncGenerator(detail::GeneratorRecord* body) noexcept : body_(body) {}
    AsyncGenerator(const AsyncGenerator&) = delete;  // one consumer at a time: write std::move(generator)
    AsyncGenerator(AsyncGenerator&& other) noexcept : body_(other.give()) {}
    AsyncGenerator& operator=(AsyncGenerator&& other) noexcept {
        if (this != &other) {
            detail::GeneratorRecord* const old = std::exchange(body_, other.give());
            if (old != nullptr) detail::drop_generator(old);
        }
        return *this;
    }
    ~AsyncGenerator() {
        if (body_ != nullptr) detail::drop_generator(body_);
    }

    class Next;
    class Send;
    class Throw;
    class Close;

    /// The next item; nothing when the body has ended, from then on always.
    ///
    /// Throws      what leaves the body, once: after that it is at its end
    ///             RuntimeError  somebody is in next() already; it was begun on another loop
    /// Suspends    only where the body does, and once in 128 items that are ready
    /// Cancel      a pending one is thrown before the body goes on, which stays where it is. One that comes
    ///             later is thrown into the body, where it waits; if it yields instead of ending, the item is
    ///             given and the cancel is over
    /// Threads     loop thread
    /// Python      anext(gen), gen.__anext__(), `async for`
    Next next() & noexcept { return Next(this); }
    Next next() && = delete;  // the generator would be gone before its second item: name it

    /// The same, and the `co_yield` at which the body stands gives `value`.
    ///
    /// Throws      as next(); RuntimeError  the body has not begun
    /// Suspends    as next()
    /// Cancel      as next(); the value of one that was not begun is lost
    /// Threads     loop thread
    /// Python      gen.asend(value)
    template <class V>
        requires std::is_constructible_v<Sent, V&&>
    Send asend(V&& value) & {
        return Send(this, std::forward<V>(value));
    }

    /// The same, and the `co_yield` at which the body stands throws `error`. A body that has not begun never
    /// does.
    ///
    /// Throws      as next(): `error` itself, if the body lets it pass
    /// Suspends    as next()
    /// Cancel      as next()
    /// Threads     loop thread
    /// Python      gen.athrow(error)
    Throw athrow(std::exception_ptr error) & noexcept { return Throw(this, std::move(error)); }

    /// Ends the body: `GeneratorExit` is thrown at the `co_yield` at which it stands, and its cleanup runs,
    /// awaits and all. One that has not begun is destroyed. Afterwards the generator is at its end.
    ///
    /// Throws      RuntimeError  the body yields once more (it is destroyed there), or is running, or of
    ///             another loop; what else leaves the body
    /// Suspends    only where the body's cleanup does
    /// Cancel      reaches the cleanup where it waits; the generator is closed in any case. Unlike
    ///             with other awaits a pending one does not come first: the cleanup's first await meets it
    /// Threads     loop thread
    /// Python      gen.aclose()
    Close aclose() & noexcept { return Close(this); }

    /// For `with(gen, body)`: nothing is begun yet.
    ///
    /// Suspends    never
    /// Cancel      none: it is delivered by the next await
    /// Threads     loop thread
    /// Python      contextlib.aclosing(gen)
    detail::Ready aenter() const noexcept { return detail::Ready(); }
    /// For `with(gen, body)`: closes it, however the body has ended.
    ///
    /// Throws      as aclose()
    /// Suspends    as aclose()
    /// Cancel      as aclose()
    /// Threads     loop thread
    Close aexit(const std::exception_ptr&) noexcept { return Close(this); }

    /// Whether a body is left: false from its end on.
    bool valid() const noexcept { return body_ != nullptr; }

  private:
    detail::GeneratorRecord* give() noexcept {
        ASYNCIO_ASSERT(body_ == nullptr || body_->state != detail::GeneratorRecord::State::running,
                       "an AsyncGenerator was moved while its next() is pending");
        return std::exchange(body_, nullptr);
    }
    /// The body that was asked has yielded or ended.
    Item take() {
        if (body_->item != nullptr) [[likely]] {
            body_->state = detail::GeneratorRecord::State::suspended;
            if constexpr (std::is_reference_v<T>) {
                return Item(*static_cast<std::remove_reference_t<T>*>(body_->item));
            } else {
                return Item(std::move(*static_cast<T*>(body_->item)));
            }
        }
        detail::GeneratorRecord* const body = std::exchange(body_, nullptr);
        if (body->is(detail::has_error)) [[unlikely]]
            std::rethrow_exception(detail::take_error_and_destroy(body));
        body->handle().destroy();
        return Item();
    }

    detail::GeneratorRecord* body_;
};

template <class T, class Sent>
class [[nodiscard(
    "the body goes on only when this is awaited: co_await gen.next()")]] AsyncGenerator<T, Sent>::Next
    : public detail::ScopedTag {
  public:
    explicit Next(AsyncGenerator* generator) noexcept : generator_(generator) {}
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h, detail::Where where = detail::where_here()) {
        if (!detail::ask_body(generator_->body_, detail::awaiting(h), where, "anext()")) generator_ = nullptr;
    }
    Item await_resume() {
        if (generator_ != nullptr) [[likely]]
            return generator_->take();
        detail::throw_if_cancelled(detail::current_loop->current);
        return Item();
    }

  private:
    AsyncGenerator* generator_;  // null: the body was not entered
};

template <class T, class Sent>
class [[nodiscard(
    "nothing is sent before this is awaited: co_await gen.asend(value)")]] AsyncGenerator<T, Sent>::Send
    : public detail::ScopedTag {
  public:
    template <class V>
    Send(AsyncGenerator* generator, V&& value) : generator_(generator), value_(std::forward<V>(value)) {}
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h, detail::Where where = detail::where_here()) {
        detail::GeneratorRecord* const body = generator_->body_;
        if (body != nullptr && body->state == detail::GeneratorRecord::State::fresh)
            detail::throw_sent_too_early();
        if (detail::ask_body(body, detail::awaiting(h), where, "asend()")) {
            body->sent = std::addressof(value_);
        } else {
            generator_ = nullptr;
        }
    }
    Item await_resume() {
        if (generator_ != nullptr) return generator_->take();
        detail::throw_if_cancelled(detail::current_loop->current);
        return Item();
    }

  private:
    AsyncGenerator* generator_;
    std::conditional_t<std::is_void_v<Sent>, char, Sent> value_;
};

template <class T, class Sent>
class [[nodiscard(
    "nothing is thrown before this is awaited: co_await gen.athrow(error)")]] AsyncGenerator<T, Sent>::Throw
    : public detail::ScopedTag {
  public:
    Throw(AsyncGenerator* generator, std::exception_ptr error) noexcept
        : generator_(generator), error_(std::move(error)) {}
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h, detail::Where where = detail::where_here()) {
        using detail::GeneratorRecord;
        GeneratorRecord* body = generator_->body_;
        const bool fresh = body != nullptr && body->state == GeneratorRecord::State::fresh;
        if (fresh && h.promise().task->pending == 0)
            detail::drop_generator(std::exchange(generator_->body_, nullptr));
        body = fresh ? nullptr : body;
        if (detail::ask_body(body, detail::awaiting(h), where, "athrow()")) {
            ::new (static_cast<void*>(body->store)) std::exception_ptr(std::move(error_));
            body->resume = GeneratorRecord::Resume::error;
        } else {
            generator_ = nullptr;
        }
    }
    Item await_resume() {
        if (generator_ != nullptr) return generator_->take();
        detail::throw_if_cancelled(detail::current_loop->current);
        std::rethrow_exception(error_);
    }

  private:
    AsyncGenerator* generator_;
    std::exception_ptr error_;
};

template <class T, class Sent>
class [[nodiscard(
    "nothing is closed before this is awaited: co_await gen.aclose()")]] AsyncGenerator<T, Sent>::Close
    : public detail::ScopedTag {
  public:
    explicit Close(AsyncGenerator* generator) noexcept : generator_(generator) {}
    bool await_ready() noexcept {
        using State = detail::GeneratorRecord::State;
        detail::GeneratorRecord* const body = generator_->body_;
        if (body != nullptr && body->state != State::fresh) return false;
        generator_->body_ = nullptr;
        if (body != nullptr) detail::drop_generator(body);
        generator_ = nullptr;
        return true;
    }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h, detail::Where where = detail::where_here()) {
        detail::PromiseBase* const consumer = detail::awaiting(h);
        detail::LoopCore* const loop = detail::current_loop;
        if (loop == nullptr || loop->running != consumer) [[unlikely]]
            detail::assert_in_step(loop);
        consumer->where = where;
        detail::GeneratorRecord* const body = generator_->body_;
        detail::enter_body(loop, body, consumer, "aclose()");
        body->resume = detail::GeneratorRecord::Resume::exit;
        loop->next = reinterpret_cast<std::uintptr_t>(static_cast<detail::PromiseBase*>(body));
    }
    void await_resume() {
        if (generator_ == nullptr) return;
        detail::GeneratorRecord* const body = std::exchange(generator_->body_, nullptr);
        if (body->item != nullptr) detail::throw_ignored_exit(body);
        if (!body->is(detail::has_error)) return body->handle().destroy();
        const std::exception_ptr error = detail::take_error_of_closed(body);
        if (error != nullptr) std::rethrow_exception(error);
    }

  private:
    AsyncGenerator* generator_;  // null: there was no body to run
};

}}  // namespace asyncio::v1
