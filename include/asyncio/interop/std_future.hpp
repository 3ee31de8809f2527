// std::future, both ways. Opt-in: <future> is slow to compile.
#pragma once
#include <chrono>
#include <future>
#include <memory>
#include <type_traits>
#include <utility>

#include "asyncio/core/checkpoint.hpp"
#include "asyncio/core/loop_handle.hpp"
#include "asyncio/task/task.hpp"
#include "asyncio/task/to_thread.hpp"

namespace asyncio { inline namespace v1 {

namespace detail {

template <class F>
struct GetStdFuture {
    F future;
    explicit GetStdFuture(F f) noexcept : future(std::move(f)) {}
    decltype(auto) operator()() { return future.get(); }
};

template <class F>
bool std_future_is_ready(const F& future) {
    return future.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

/// Fulfils a std::promise, whatever happens.
template <class T>
class Fulfil {
  public:
    explicit Fulfil(std::promise<T> promise) noexcept : promise_(std::move(promise)), open_(true) {}
    Fulfil(Fulfil&& other) noexcept
        : promise_(std::move(other.promise_)), open_(std::exchange(other.open_, false)) {}
    Fulfil& operator=(Fulfil&&) = delete;
    ~Fulfil() {
        if (open_) promise_.set_exception(std::make_exception_ptr(CancelledError()));
    }
    std::future<T> future() { return promise_.get_future(); }
    /// If the value cannot be copied or moved, that is what the future gets.
    template <class... U>
    void value(U&&... result) {
        try {
            if constexpr (sizeof...(U) == 0) {
                promise_.set_value();
            } else {
                // Made before: what throws inside of set_value leaves a std::once_flag behind, for whose next
                // user ThreadSanitizer waits for ever.
                T made(std::forward<U>(result)...);
                promise_.set_value(std::move(made));
            }
            open_ = false;
        } catch (...) {
            error(std::current_exception());
        }
    }
    void error(std::exception_ptr error) {
        open_ = false;
        promise_.set_exception(std::move(error));
    }

  private:
    std::promise<T> promise_;
    bool open_;
};

template <class T>
Coro<> fulfil(Coro<T> coro, Fulfil<T> promise) {
    try {
        if constexpr (std::is_void_v<T>) {
            co_await std::move(coro);
            promise.value();
        } else {
            promise.value(co_await std::move(coro));
        }
    } catch (...) {
        promise.error(std::current_exception());
    }
}

}  // namespace detail

/// Awaits a std::future without blocking the loop. A std::future can tell nobody that it is ready, so a
/// thread of the loop's pool blocks in its `get()`: for a few at a time. Where the other side is yours, let
/// it complete a `RemoteFuture` or a `CallbackHandle` instead.
///
/// Returns     its value
/// Throws      its exception; std::future_error  it has no state; as to_thread
/// Suspends    unless it is ready, and the step's budget is not used up
/// Cancel      a pending one is delivered first; else it is when the future is ready
/// Threads     loop thread
/// Cost        one thread of the pool while it waits
/// Python      asyncio.wrap_future
template <class T>
Coro<T> adapt(std::future<T> future) {
    static_assert(!std::is_reference_v<T>,
                  "adapt(std::future<T&>): a coroutine returns values; use a std::future<T*>");
    if (!future.valid()) throw std::future_error(std::future_errc::no_state);
    if (detail::std_future_is_ready(future)) {
        co_await checkpoint();
        co_return future.get();
    }
    co_return co_await to_thread(detail::GetStdFuture<std::future<T>>(std::move(future)));
}
/// The same for a shared one: gives a copy of its value.
///
/// Suspends    unless it is ready, and the step's budget is not used up
/// Cancel      a pending one is delivered first; else it is when the future is ready
/// Threads     loop thread
template <class T>
Coro<T> adapt(std::shared_future<T> future) {
    if (!future.valid()) throw std::future_error(std::future_errc::no_state);
    if (detail::std_future_is_ready(future)) {
        co_await checkpoint();
        co_return future.get();
    }
    co_return co_await to_thread(detail::GetStdFuture<std::shared_future<T>>(std::move(future)));
}
/// The same, but a cancel ends the await at once and leaves the thread behind in the future's `get()`.
///
/// Suspends    always
/// Cancel      at once
/// Threads     loop thread
template <class T>
auto adapt(abandon_on_cancel_t, std::future<T> future) {
    return to_thread(abandon_on_cancel, detail::GetStdFuture<std::future<T>>(std::move(future)));
}

/// Runs a coroutine as a task of another thread's loop; gives a std::future of its result. As
/// `run_coroutine_threadsafe`, for code that wants the standard's type.
///
/// Throws      RuntimeError  the loop is closed, or the coroutine was made by calling a lambda that captures
/// Suspends    never
/// Cancel      the future gets CancelledError, also when the loop closes before
/// Threads     any thread; do not wait for the future on the loop's own
/// Python      asyncio.run_coroutine_threadsafe
template <class T>
std::future<T> to_std_future(Coro<T> coro, const LoopHandle& loop) {
    auto* const frame = coro.release();
    detail::refuse_lambda_coroutine(frame);
    coro = Coro<T>(frame);
    detail::Fulfil<T> promise{std::promise<T>()};
    std::future<T> future = promise.future();
    loop.call_soon_threadsafe([c = std::move(coro), p = std::move(promise)]() mutable {
        create_task(detail::fulfil<T>(std::move(c), std::move(p)));
    });
    return future;
}
/// A std::future of a task's result, a copy. Of the task's own loop and thread.
///
/// Suspends    never
/// Cancel      the future gets CancelledError; it cannot cancel the task
/// Threads     loop thread; the future is for any other
template <class T>
std::future<T> to_std_future(const Task<T>& task) {
    auto promise = std::make_shared<detail::Fulfil<T>>(std::promise<T>());
    std::future<T> future = promise->future();
    task.add_done_callback([task, promise] {
        if (task.cancelled()) return;
        if (auto error = task.exception()) return promise->error(std::move(error));
        if constexpr (std::is_void_v<T>) {
            promise->value();
        } else {
            promise->value(task.result());
        }
    });
    return future;
}

}}  // namespace asyncio::v1
