// run and Runner: a loop from its making to its end.
#pragma once
#include <exception>
#include <optional>
#include <utility>

#include "asyncio/core/event_loop.hpp"
#include "asyncio/task/future.hpp"
#include "asyncio/task/task.hpp"
#include "asyncio/task/with.hpp"

namespace asyncio { inline namespace v1 {

/// Runs coroutines one after another on one loop, which is made by the first and closed with the Runner. They
/// run in one context, a copy of the one in which the loop was made: a variable that the first sets is seen
/// by the second.
///
/// Threads     one thread
/// Python      asyncio.Runner
class Runner {
  public:
    explicit Runner(RunOptions options = RunOptions()) noexcept : options_(options) {}
    Runner(const Runner&) = delete;
    Runner& operator=(const Runner&) = delete;
    /// Closes it. What `close` would throw is printed.
    ~Runner();

    /// Runs the coroutine until it has ended; gives its result or throws its exception. The first Ctrl-C (in
    /// the main thread, if SIGINT is at its default) cancels it; if CancelledError then leaves it,
    /// KeyboardInterrupt is thrown. The second ends the program.
    /// Throws  RuntimeError  a loop is running in this thread, the Runner is closed, or nothing can ever wake
    ///         the tasks (virtual time only); KeyboardInterrupt; what the coroutine throws
    template <class T>
    T run(Coro<T> coro, const ContextOptions& options = ContextOptions()) {
        detail::PromiseBase* const frame = coro.release();
        Task<T> task{detail::RecordRef(start_main(frame, options))};
        drive(task.record(), options);
        return std::move(task).result();
    }
    template <class F>
        requires detail::CoroutineFunction<F>
    auto run(F&& function, const ContextOptions& options = ContextOptions()) {
        return run(detail::call_owned(std::forward<F>(function)), options);
    }
    template <detail::LooseAwaitable A>
    auto run(A&& awaitable, const ContextOptions& options = ContextOptions()) {
        return run(detail::await_owned<std::remove_cvref_t<A>>(std::forward<A>(awaitable)), options);
    }

    /// Cancels what tasks are left, waits for them, closes the loop. Does nothing the second time.
    /// Throws  RuntimeError  the loop is running
    void close();
    /// The loop; made if there is none yet.
    /// Throws  RuntimeError  the Runner is closed
    EventLoop& get_loop();

  private:
    detail::PromiseBase* start_main(detail::PromiseBase* frame, const ContextOptions& options);
    void drive(detail::PromiseBase* task, const ContextOptions& options);

    RunOptions options_;
    std::unique_ptr<EventLoop> loop_;
    std::optional<Context> context_;  // of what it runs; none while no variable was set there
    bool closed_ = false;
};

/// Runs a coroutine on a new loop and closes the loop: what a program does once, in `main`. Gives its result
/// or throws its exception. Tasks that are left are cancelled and waited for; threads are joined.
///
///     int main() { asyncio::run(amain()); }
///
/// Throws      RuntimeError  a loop is running in this thread; KeyboardInterrupt  Ctrl-C; what the coroutine
///             throws
/// Suspends    never: it blocks the thread
/// Cancel      Ctrl-C cancels the coroutine, see Runner::run
/// Threads     any thread that runs no loop
/// Python      asyncio.run
template <class T>
T run(Coro<T> coro, RunOptions options = RunOptions()) {
    Runner runner(options);
    if constexpr (std::is_void_v<T>) {
        runner.run(std::move(coro));
        runner.close();
    } else {
        T result = runner.run(std::move(coro));
        runner.close();
        return result;
    }
}
/// The same for a callable that gives a coroutine.
template <class F>
    requires detail::CoroutineFunction<F>
auto run(F&& function, RunOptions options = RunOptions()) {
    return run(detail::call_owned(std::forward<F>(function)), options);
}
/// The same for an awaitable of the library: `run(gather(f(), g()))`.
template <detail::LooseAwaitable A>
auto run(A&& awaitable, RunOptions options = RunOptions()) {
    return run(detail::await_owned<std::remove_cvref_t<A>>(std::forward<A>(awaitable)), options);
}

template <class T>
T EventLoop::run_until_complete(Coro<T> coro) {
    Task<T> task{detail::RecordRef(start_in(coro.release()))};
    run_until_done(task.record());
    return std::move(task).result();
}

namespace detail {

template <class T, class Handle>
Coro<T> await_handle(Handle handle) {
    if constexpr (std::is_void_v<T>) {
        co_await handle;
    } else {
        co_return co_await handle;
    }
}

}  // namespace detail

template <class T>
T EventLoop::run_until_complete(const Task<T>& task) {
    return run_until_complete(detail::await_handle<T>(task));
}
template <class T>
T EventLoop::run_until_complete(const Future<T>& future) {
    return run_until_complete(detail::await_handle<T>(future));
}

}}  // namespace asyncio::v1
