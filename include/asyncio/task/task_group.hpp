// TaskGroup: tasks that end before their scope does.
#pragma once
#include <exception>
#include <optional>
#include <string_view>
#include <vector>

#include "asyncio/task/detail/ready.hpp"
#include "asyncio/task/task.hpp"

namespace asyncio { inline namespace v1 {

namespace detail {
PromiseBase* awaiting_task_group(const Waiter* waiter) noexcept;
}

/// A scope for tasks, used with `with`: it is left when all its tasks are done. The first that fails cancels
/// the others and the body; then an ExceptionGroup with all failures is thrown. A cancelled task is no
/// failure.
///
///     co_await with(TaskGroup{}, [&](TaskGroup& tg) -> Coro<> { tg.create_task(worker(1)); co_return; });
///
/// Threads     loop thread only
/// Lifetime    tasks may borrow whatever outlives the scope
/// Python      asyncio.TaskGroup; re-raises no exception type bare
class TaskGroup {
  public:
    TaskGroup() noexcept : unkept_(nullptr), listener_(this) {}
    TaskGroup(TaskGroup&& other) noexcept
        : unkept_(nullptr), cancel_on_entry_(other.cancel_on_entry_), listener_(this) {
        ASYNCIO_ASSERT(other.parent_ == nullptr, "a TaskGroup is movable until it is entered");
    }
    TaskGroup& operator=(TaskGroup&&) = delete;
    ~TaskGroup();

    /// Starts a task in this group; also from its tasks, and while the scope waits for them.
    /// Throws  RuntimeError  the group is not entered, is shutting down or finished (the coroutine is
    ///         dropped)
    template <class T>
    Task<T> create_task(Coro<T> coro, const TaskOptions& options = TaskOptions(),
                        detail::Where where = detail::where_here()) {
        detail::PromiseBase* const frame = coro.release();
        add(frame, options, where);
        return Task<T>(detail::RecordRef(frame));
    }
    /// The same for an awaitable of the library: `tg.create_task(sleep(1s))`.
    template <detail::LooseAwaitable A>
    auto create_task(A&& awaitable, const TaskOptions& options = TaskOptions(),
                     detail::Where where = detail::where_here()) {
        return create_task(detail::await_owned<std::remove_cvref_t<A>>(std::forward<A>(awaitable), where),
                           options, where);
    }
    /// The same for a callable and its arguments, of which the task owns copies.
    template <class F, class... Args>
        requires detail::CoroutineFunction<F, Args...>
    auto create_task(F&& function, Args&&... args) {
        detail::refuse_fragile_closure<F>();
        return create_task(detail::call_owned(std::forward<F>(function), std::forward<Args>(args)...),
                           TaskOptions(), nullptr);
    }

    /// The same, with options.
    template <class F, class... Args>
        requires detail::CoroutineFunction<F, Args...>
    auto create_task(const TaskOptions& options, F&& function, Args&&... args) {
        detail::refuse_fragile_closure<F>();
        return create_task(detail::call_owned(std::forward<F>(function), std::forward<Args>(args)...),
                           options, nullptr);
    }

    /// Cancels all tasks of the group and its body; the scope is then left without an exception. Before it is
    /// entered: takes effect on entry; afterwards: nothing.
    /// Python  TaskGroup.cancel, new in 3.15
    void cancel() noexcept;

    /// Throws  RuntimeError  entered twice, or outside of a task
    detail::Ready aenter();
    /// Throws  ExceptionGroup  tasks (or the body) have failed
    /// Suspends  unless no task is left
    /// Cancel    all tasks are cancelled, and waited for
    /// Threads   loop thread
    Coro<bool> aexit(std::exception_ptr error);

  private:
    friend detail::PromiseBase* detail::awaiting_task_group(const detail::Waiter* waiter) noexcept;
    struct Listener : detail::Counter {  // `left`: children that have not ended
        TaskGroup* group;
        explicit Listener(TaskGroup* g) noexcept;
    };
    class Join;

    Coro<bool> leave();
    void add(detail::PromiseBase* frame, const TaskOptions& options, detail::Where where);
    void abort() noexcept;
    static void told(detail::Waiter* waiter, detail::PromiseBase* child) noexcept;
    void child_ended(detail::PromiseBase* child) noexcept;
    void forget_ended();

    std::vector<detail::RecordRef> children_;  // in order of creation; with some that have ended
    detail::PromiseBase* parent_ = nullptr;
    std::vector<std::exception_ptr> errors_;
    detail::RecordRef unkept_;           // a child whose failure found no room in `errors_`; may be null
    std::optional<Coro<bool>> leaving_;  // made on entry: what was entered can be left, also without memory
    std::exception_ptr body_error_;      // for `leaving_`
    Join* join_ = nullptr;               // the scope's end waits there
    detail::CancelRequest parent_request_{};  // ours to the parent, if `parent_asked_`
    std::uint16_t cancels_at_entry_ = 0;
    bool parent_asked_ = false;
    bool aborting_ = false;
    bool exiting_ = false;
    bool finished_ = false;
    bool cancelled_ = false;  // by cancel()
    bool cancel_on_entry_ = false;
    Listener listener_;
};

}}  // namespace asyncio::v1
