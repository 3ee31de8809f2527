// Handles for other threads: RemoteTask, RemoteFuture<T>, run_coroutine_threadsafe.
#pragma once
#include <memory>
#include <utility>

#include "asyncio/base/outcome.hpp"
#include "asyncio/core/loop_handle.hpp"
#include "asyncio/task/future.hpp"
#include "asyncio/task/task.hpp"

namespace asyncio { inline namespace v1 {

namespace detail {

/// Holds a record for other threads. The record belongs to the loop's thread: the loop keeps the anchor, and
/// lets the record go when the last remote handle has said so, or when it closes.
struct RemoteAnchor;

std::shared_ptr<RemoteAnchor> make_anchor(PromiseBase* record);
/// Runs `action(record)` on the loop's thread; dropped if the loop has let the record go. Throws RuntimeError
/// when closed.
void post_to_anchor(const std::shared_ptr<RemoteAnchor>& anchor, UniqueFunction<void(PromiseBase*)> action);
bool anchor_done(const RemoteAnchor& anchor) noexcept;

/// What run_coroutine_threadsafe shares between two threads.
class CrossThreadState {
  public:
    CrossThreadState();
    virtual ~CrossThreadState();
    CrossThreadState(const CrossThreadState&) = delete;
    CrossThreadState& operator=(const CrossThreadState&) = delete;
    void wait();
    bool wait_for(Duration limit);
    bool done() const noexcept;
    void finish() noexcept;  // the result is in place
    void set_task(std::shared_ptr<RemoteAnchor> task);
    virtual bool cancel();

  private:
    void require_other_thread() const;
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

template <class T>
struct CrossThreadResult : CrossThreadState {
    std::optional<Outcome<T>> outcome;  // written before finish(), read after wait()
    bool taken = false;                 // the asking thread's
};

}  // namespace detail

/// A task's handle for other threads: copyable, may outlive the loop.
///
/// Threads     any thread
/// Python      none: Task objects are touched through call_soon_threadsafe
class RemoteTask {
  public:
    explicit RemoteTask(std::shared_ptr<detail::RemoteAnchor> anchor) noexcept : anchor_(std::move(anchor)) {}
    /// Asks the task to stop, on its loop's thread. Without effect if it is done by then.
    /// Throws  RuntimeError  "event loop is closed"
    void cancel() const;
    /// True once the loop has seen the task end, or has closed.
    bool done() const noexcept { return detail::anchor_done(*anchor_); }

  private:
    std::shared_ptr<detail::RemoteAnchor> anchor_;
};

/// A future's handle for other threads: copyable, may outlive the loop.
///
/// Threads     any thread
/// Python      loop.call_soon_threadsafe(future.set_result, value)
template <class T = void>
class RemoteFuture {
  public:
    explicit RemoteFuture(std::shared_ptr<detail::RemoteAnchor> anchor) noexcept
        : anchor_(std::move(anchor)) {}

    /// Sets the result, on the loop's thread. Without effect if the future is done by then (cancelled, say).
    /// Throws  RuntimeError  "event loop is closed"
    template <class U = T>
        requires(!std::is_void_v<T>)
    void set_result(U&& value) const {
        detail::post_to_anchor(anchor_, [v = T(std::forward<U>(value))](detail::PromiseBase* record) mutable {
            if (!record->is(detail::done))
                Future<T>(detail::RecordRef::share(record)).set_result(std::move(v));
        });
    }
    void set_result() const
        requires(std::is_void_v<T>)
    {
        detail::post_to_anchor(anchor_, [](detail::PromiseBase* record) {
            if (!record->is(detail::done)) Future<T>(detail::RecordRef::share(record)).set_result();
        });
    }
    /// Sets an exception, on the loop's thread. Without effect if the future is done by then.
    /// Throws  RuntimeError  "event loop is closed"
    template <class E>
    void set_exception(E&& error) const {
        std::exception_ptr pointer;
        if constexpr (std::is_same_v<std::decay_t<E>, std::exception_ptr>) {
            pointer = std::forward<E>(error);
        } else {
            pointer = std::make_exception_ptr(std::forward<E>(error));
        }
        detail::post_to_anchor(anchor_, [pointer](detail::PromiseBase* record) {
            if (!record->is(detail::done)) Future<T>(detail::RecordRef::share(record)).set_exception(pointer);
        });
    }
    /// Cancels the future, on the loop's thread. Without effect if it is done by then.
    /// Throws  RuntimeError  "event loop is closed"
    void cancel() const {
        detail::post_to_anchor(anchor_, [](detail::PromiseBase* record) { detail::request_cancel(record); });
    }
    /// True once the loop has seen the future done, or has closed.
    bool done() const noexcept { return detail::anchor_done(*anchor_); }

  private:
    std::shared_ptr<detail::RemoteAnchor> anchor_;
};

template <class T>
RemoteFuture<T> Future<T>::remote() const {
    return RemoteFuture<T>(detail::make_anchor(record_));
}
inline RemoteTask AnyTask::remote() const { return RemoteTask(detail::make_anchor(record_)); }

/// The result of `run_coroutine_threadsafe` or `ThreadPoolExecutor::submit`, for the thread that asked.
///
/// Threads     any thread but a loop's (waiting there would block it, perhaps for ever)
/// Python      concurrent.futures.Future
template <class T = void>
class ConcurrentFuture {
  public:
    explicit ConcurrentFuture(std::shared_ptr<detail::CrossThreadResult<T>> state) noexcept
        : state_(std::move(state)) {}

    /// Blocks the thread until the coroutine or call has ended; gives its result.
    /// Throws  what that threw; CancelledError  it was cancelled; RuntimeError  on the loop's own
    ///         thread; InvalidStateError  the result was taken already
    T get() {
        state_->wait();
        if (!std::is_void_v<T> && state_->outcome->has_value() && std::exchange(state_->taken, true)) {
            throw InvalidStateError("the result of this ConcurrentFuture was already taken");
        }
        return std::move(*state_->outcome).value();
    }
    /// Blocks at most `limit`; returns whether it has ended.
    /// Throws  RuntimeError  on the loop's own thread, if it has not ended
    bool wait_for(Duration limit) { return state_->wait_for(limit); }
    /// True once the coroutine or call has ended: `get` does not block any more.
    bool done() const noexcept { return state_->done(); }
    /// Asks the coroutine's task to stop. False if it has ended. A submitted call is taken back if it has not
    /// begun; if it has, its std::stop_token is set, and this is false.
    bool cancel() { return state_->cancel(); }

  private:
    std::shared_ptr<detail::CrossThreadResult<T>> state_;
};

namespace detail {

template <class T>
Coro<> run_for_other_thread(Coro<T> coro, std::shared_ptr<CrossThreadResult<T>> state) {
    try {
        if constexpr (std::is_void_v<T>) {
            co_await std::move(coro);
            state->outcome.emplace();
        } else {
            state->outcome.emplace(std::in_place, co_await std::move(coro));
        }
    } catch (...) {
        state->outcome.emplace(std::current_exception());
    }
    state->finish();
}

/// Sees to it that the other thread is told, also if the coroutine never ran.
template <class T>
struct CrossThreadStart {
    Coro<T> coro;
    std::shared_ptr<CrossThreadResult<T>> state;

    CrossThreadStart(Coro<T> c, std::shared_ptr<CrossThreadResult<T>> s) noexcept
        : coro(std::move(c)), state(std::move(s)) {}
    CrossThreadStart(CrossThreadStart&&) noexcept = default;
    ~CrossThreadStart() {
        if (state == nullptr) return;  // moved from, or started
        state->outcome.emplace(std::make_exception_ptr(CancelledError("the event loop was closed")));
        state->finish();
    }
    void operator()() {
        const auto shared = state;
        std::optional<Task<>> task;
        try {
            task = create_task(run_for_other_thread<T>(std::move(coro), shared));
            // A task that is cancelled before its first step never runs its body: then this tells.
            task->add_done_callback([shared] {
                if (shared->outcome) return;
                shared->outcome.emplace(std::make_exception_ptr(CancelledError()));
                shared->finish();
            });
            shared->set_task(make_anchor(task->record()));
        } catch (...) {
            if (task.has_value()) task->cancel();  // before its first step: it never runs
            if (!shared->outcome) {
                shared->outcome.emplace(std::current_exception());
                shared->finish();
            }
        }
        state = nullptr;
    }
};

}  // namespace detail

/// Runs a coroutine as a task of another thread's loop; gives a future to wait for in this thread.
///
/// Throws      RuntimeError  the loop is closed, or the coroutine was made by calling a lambda that captures
/// Suspends    never
/// Cancel      ConcurrentFuture::cancel
/// Threads     any thread
/// Lifetime    the coroutine's frame is moved to the loop's thread: what it borrows must live until it has
///             ended
/// Python      asyncio.run_coroutine_threadsafe
template <class T>
ConcurrentFuture<T> run_coroutine_threadsafe(Coro<T> coro, const LoopHandle& loop) {
    auto* const frame = coro.release();
    detail::refuse_lambda_coroutine(frame);
    coro = Coro<T>(frame);
    auto state = std::make_shared<detail::CrossThreadResult<T>>();
    loop.call_soon_threadsafe(detail::CrossThreadStart<T>(std::move(coro), state));
    return ConcurrentFuture<T>(std::move(state));
}
/// The same for an awaitable of the library: `run_coroutine_threadsafe(sleep(1s), loop.remote())`.
///
/// Throws      RuntimeError  the loop is closed
/// Suspends    never
/// Cancel      ConcurrentFuture::cancel
/// Threads     any thread
template <detail::LooseAwaitable A>
auto run_coroutine_threadsafe(A&& awaitable, const LoopHandle& loop) {
    return run_coroutine_threadsafe(detail::await_owned<std::remove_cvref_t<A>>(std::forward<A>(awaitable)),
                                    loop);
}

}}  // namespace asyncio::v1
