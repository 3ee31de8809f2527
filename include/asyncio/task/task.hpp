// Task<T> and create_task: a coroutine that runs on its own.
#pragma once
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include "asyncio/base/option.hpp"
#include "asyncio/base/outcome.hpp"
#include "asyncio/core/coro.hpp"
#include "asyncio/core/event_loop.hpp"
#include "asyncio/task/any_task.hpp"
#include "asyncio/task/detail/await_record.hpp"
#include "asyncio/task/detail/callable.hpp"

namespace asyncio { inline namespace v1 {

/// A task of result type `T`: a coroutine that the loop runs on its own. The loop keeps it alive until it is
/// done, so the handle may be dropped (fire and forget). Cheap to copy.
///
/// `co_await task` waits for it and gives a copy of the result; many may await it. `co_await std::move(task)`
/// moves the result out, after which there is none. If the waiting task is cancelled, so is this one
/// (`shield` prevents it).
///
/// Suspends    unless the task is done
/// Cancel      passed on to the task; the await ends when the task has ended
/// Threads     loop thread only; `remote()` gives a handle for others
/// Lifetime    the coroutine's frame, with its parameters, is destroyed when the task ends; the result lives
///             with the handles
/// Python      asyncio.Task
template <class T = void>
class Task : public AnyTask {
  public:
    using value_type = T;
    using AnyTask::AnyTask;
    /// A task seen without its result: a `std::vector<Task<>>` holds tasks of any kind.
    template <class U>
        requires(std::is_void_v<T> && !std::is_void_v<U>)
    Task(const Task<U>& task) noexcept : AnyTask(task) {}

    /// The result.
    /// Throws  what the task threw; CancelledError; InvalidStateError  it is not done, or its result was
    ///         taken
    decltype(auto) result() const& { return detail::peek_result<T>(seen()); }
    /// Moves the result out.
    T result() && { return detail::take_result<T>(seen()); }

    using AnyTask::add_done_callback;
    /// The same for a function that takes the task with its type: `[](Task<int> task) { … }`.
    template <class F>
        requires(std::is_invocable_v<std::decay_t<F>&, Task<T>> &&
                 !std::is_invocable_v<std::decay_t<F>&, AnyTask>)
    std::uint64_t add_done_callback(F&& function, const ContextOptions& options = ContextOptions()) const {
        return AnyTask::add_done_callback([f = std::decay_t<F>(std::forward<F>(function))](
                                              const AnyTask& task) mutable { f(task.as<T>()); },
                                          options);
    }

    detail::CopyAwaiter<T> operator co_await() const& { return detail::CopyAwaiter<T>(handle()); }
    /// The handle stays one, to a task whose result was taken.
    detail::TakeAwaiter<T> operator co_await() && noexcept { return detail::TakeAwaiter<T>(handle()); }

  private:
    const RecordRef& handle() const noexcept {
        ASYNCIO_ASSERT(record_ != nullptr, "this Task was moved from");
        return *this;
    }
};

/// How a task is made. All members may be left out.
struct TaskOptions {
    std::string_view name = {};  ///< what tools and errors call it; "Task-N" if empty. Copied.
    /// Its first step runs now, inside create_task, if the loop runs. If this is empty the task factory
    /// decides; the default one starts no task eagerly.
    std::optional<bool> eager_start = {};
    const Context* context = nullptr;  ///< it runs in this one, and not in a copy of the current one
};
static_assert(OptionStruct<TaskOptions>);

namespace detail {

/// Makes the coroutine a task; throws RuntimeError if no loop runs here or the coroutine may not be detached.
void start_task(PromiseBase* frame, const TaskOptions& options, Where where);
/// The same without options.
void start_plain_task(PromiseBase* frame, Where where);
/// Of the task that was started last, and whose entry in the ready queue is the newest: now, and not in its
/// turn.
void run_first_step(PromiseBase* task) noexcept;

/// Destroys the coroutine and throws RuntimeError if it was made by calling a lambda that captures.
void refuse_lambda_coroutine(PromiseBase* frame);

template <class T>
Task<T> start(Coro<T> coro, const TaskOptions& options, Where where) {
    PromiseBase* const frame = coro.release();
    if (options.name.empty() && !options.eager_start.has_value() &&
        options.context == nullptr) {  // known where it is compiled, nearly always
        start_plain_task(frame, where);
    } else {
        start_task(frame, options, where);
    }
    return Task<T>(RecordRef(frame));
}

}  // namespace detail

/// Runs the coroutine as a task, from the loop's next iteration on. Fire and forget is safe: the loop owns
/// the task.
///
/// Throws      RuntimeError  no loop is running, or the coroutine was made by calling a lambda that captures:
///             pass the lambda and its arguments to `create_task` instead
/// Suspends    never
/// Cancel      no effect
/// Threads     loop thread
/// Lifetime    what the coroutine borrows (references, views, pointers) must live until the task is done; a
///             TaskGroup sees to that. Debug mode names tasks that outlive the coroutine which created them
///             and borrow
/// Python      asyncio.create_task
template <class T>
Task<T> create_task(Coro<T> coro, const TaskOptions& options = TaskOptions(),
                    detail::Where where = detail::where_here()) {
    return detail::start(std::move(coro), options, where);
}

/// The same for an awaitable of the library: `create_task(sleep(1s))`.
///
/// Throws      RuntimeError  no loop is running
/// Suspends    never
/// Cancel      no effect
/// Threads     loop thread
template <detail::LooseAwaitable A>
auto create_task(A&& awaitable, const TaskOptions& options = TaskOptions(),
                 detail::Where where = detail::where_here()) {
    return detail::start(detail::await_owned<std::remove_cvref_t<A>>(std::forward<A>(awaitable), where),
                         options, where);
}

/// Calls `function(args…)`, which gives a coroutine, inside a new task that owns copies of all of them:
/// lambdas with captures are safe here.
///
/// Throws      RuntimeError  no loop is running
/// Suspends    never
/// Cancel      no effect
/// Threads     loop thread
/// Lifetime    the function and its arguments live as long as the task runs
template <class F, class... Args>
    requires detail::CoroutineFunction<F, Args...>
auto create_task(F&& function, Args&&... args) {
    detail::refuse_fragile_closure<F>();
    return detail::start(detail::call_owned(std::forward<F>(function), std::forward<Args>(args)...),
                         TaskOptions(), nullptr);
}
/// The same, with options.
template <class F, class... Args>
    requires detail::CoroutineFunction<F, Args...>
auto create_task(const TaskOptions& options, F&& function, Args&&... args) {
    detail::refuse_fragile_closure<F>();
    return detail::start(detail::call_owned(std::forward<F>(function), std::forward<Args>(args)...), options,
                         nullptr);
}

template <class T>
Task<T> EventLoop::create_task(Coro<T> coro, const TaskOptions& options, detail::Where where) {
    detail::PromiseBase* const frame = coro.release();
    start_here(frame, options, where);
    return Task<T>(detail::RecordRef(frame));
}
template <class T>
Task<T> EventLoop::create_task(Coro<T> coro, detail::Where where) {
    return create_task(std::move(coro), TaskOptions(), where);
}

namespace detail {

template <class First, class... Rest>
concept StartsTask =
    CoroutineFunction<First, Rest...> || std::is_same_v<std::decay_t<First>, TaskOptions> ||
    ((LooseAwaitable<First> || (is_coro<std::decay_t<First>> && !std::is_lvalue_reference_v<First>)) &&
     sizeof...(Rest) <= 2 && (std::is_convertible_v<Rest, TaskOptions> && ...));

}  // namespace detail

/// What is no task gets an error that says what is.
template <class First, class... Rest>
    requires(!detail::StartsTask<First, Rest...>)
void create_task(First&&, Rest&&...) {
    using F = std::decay_t<First>;
    static_assert(!(detail::is_coro<F> && std::is_lvalue_reference_v<First>),
                  "a coroutine runs once: write create_task(std::move(coro))");
    static_assert(!(detail::is_coro<F> && !std::is_lvalue_reference_v<First>),
                  "create_task takes its options in braces: create_task(f(), {.name = \"downloader\"})");
    static_assert(detail::is_coro<F>,
                  "create_task takes a coroutine (create_task(f(1))), or a function that gives one, with the "
                  "arguments that it takes (create_task(f, 1)): this is neither");
}

/// Gives a task for whatever can be awaited as one: a task is passed through, a coroutine started.
/// Python  asyncio.ensure_future
template <class T>
Task<T> ensure_future(Coro<T> coro, detail::Where where = detail::where_here()) {
    return detail::start(std::move(coro), TaskOptions(), where);
}
template <class T>
Task<T> ensure_future(Task<T> task) {
    return task;
}
template <detail::LooseAwaitable A>
auto ensure_future(A&& awaitable, detail::Where where = detail::where_here()) {
    return detail::start(detail::await_owned<std::remove_cvref_t<A>>(std::forward<A>(awaitable), where),
                         TaskOptions(), where);
}

}}  // namespace asyncio::v1
