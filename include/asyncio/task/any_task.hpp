// AnyTask: a task's handle without its result type.
#pragma once
#include <exception>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "asyncio/base/function.hpp"
#include "asyncio/core/context.hpp"
#include "asyncio/core/detail/record.hpp"

namespace asyncio { inline namespace v1 {

template <class T>
class Task;
class RemoteTask;
class AnyTask;

namespace detail {

bool cancel_record(PromiseBase* record, std::string_view message) noexcept;
std::exception_ptr record_exception(PromiseBase* record);  // throws as Task::exception does
std::string name_of(const PromiseBase* record);
void set_name_of(PromiseBase* record, std::string_view name);
std::vector<std::string> stack_of(const PromiseBase* record);
std::uint64_t add_done_callback(PromiseBase* record, UniqueFunction<void(AnyTask)> function,
                                const ContextOptions& options = ContextOptions());
Context context_of_record(PromiseBase* record);
bool remove_done_callback(PromiseBase* record, std::uint64_t id) noexcept;
void print_stack_of(const PromiseBase* record);

/// A counted reference to a record. Never null, except after a move.
class RecordRef {
  public:
    explicit RecordRef(PromiseBase* adopted) noexcept : record_(adopted) {}
    RecordRef(const RecordRef& other) noexcept : record_(other.record_) {
        if (record_ != nullptr) ++record_->refs;
    }
    RecordRef(RecordRef&& other) noexcept : record_(std::exchange(other.record_, nullptr)) {}
    RecordRef& operator=(RecordRef other) noexcept {
        std::swap(record_, other.record_);
        return *this;
    }
    ~RecordRef() {
        if (record_ != nullptr) detail::release(record_);
    }
    PromiseBase* record() const noexcept { return record_; }
    PromiseBase* give() noexcept { return std::exchange(record_, nullptr); }
    static RecordRef share(PromiseBase* record) noexcept {
        ++record->refs;
        return RecordRef(record);
    }

  protected:
    PromiseBase* record_;
};

}  // namespace detail

/// A handle to a task of any result type: what `current_task()`, `all_tasks()` and done-callbacks give. Cheap
/// to copy; dropping it neither cancels nor waits.
///
/// Threads     loop thread only; `remote()` gives a handle for others
/// Python      asyncio.Task
class AnyTask : public detail::RecordRef {
  public:
    /// For the library's own: a plain reference only, no handle of another type.
    template <class R>
        requires std::is_same_v<std::remove_cvref_t<R>, detail::RecordRef>
    explicit AnyTask(R&& ref) noexcept : RecordRef(std::forward<R>(ref)) {}

    /// Asks the task to stop: CancelledError is thrown at the await where it is suspended, or at its next
    /// one. A task that has not started never will. Returns false if it is done.
    /// Throws  RuntimeError  it belongs to another loop, or its loop runs on another thread: see remote()
    /// Python  Task.cancel(msg)
    bool cancel(std::string_view message = {}) const {
        detail::LoopCore* const loop = detail::current_loop;
        if (loop == nullptr || record_->magic != loop->magic) [[unlikely]]
            detail::require_own(record_, "cancelled");
        return detail::cancel_record(record_, message);
    }
    /// Requests so far minus `uncancel()` calls.
    int cancelling() const noexcept {
        return seen()->is(detail::is_future) ? 0 : static_cast<int>(seen()->cancels);
    }
    /// Takes one request back; at 0 a cancel that was not delivered yet is forgotten. Returns what is left.
    int uncancel() const noexcept { return static_cast<int>(detail::uncancel(seen())); }
    bool done() const noexcept { return seen()->is(detail::done); }
    /// It is done and ended by CancelledError.
    bool cancelled() const noexcept { return done() && record_->is(detail::was_cancelled); }
    /// The exception it ended with; null if it has a result.
    /// Throws  InvalidStateError  it is not done; CancelledError  it was cancelled
    std::exception_ptr exception() const { return detail::record_exception(seen()); }

    /// Calls `function(AnyTask)` (or `function()`) in the loop's next iteration after it is done, in order of
    /// registration, in a copy of the context that is current now, or in the context of the options; what it
    /// throws goes to the exception handler. Returns a number for `remove_done_callback`.
    /// Python  takes the function itself there
    template <class F>
    std::uint64_t add_done_callback(F&& function, const ContextOptions& options = ContextOptions()) const {
        if constexpr (std::is_invocable_v<std::decay_t<F>&, AnyTask>) {
            return detail::add_done_callback(record_, std::forward<F>(function), options);
        } else {
            return detail::add_done_callback(
                record_, [f = std::decay_t<F>(std::forward<F>(function))](AnyTask) mutable { f(); }, options);
        }
    }
    /// Returns whether it was there still.
    bool remove_done_callback(std::uint64_t id) const noexcept {
        return detail::remove_done_callback(record_, id);
    }

    /// The name given, or "Task-N".
    std::string name() const { return detail::name_of(record_); }
    std::string get_name() const { return name(); }
    void set_name(std::string_view name) const { detail::set_name_of(record_, name); }

    /// Where it is suspended, outermost coroutine first: "fetch (main.cpp:12)". Empty when it is done.
    /// Python  Task.get_stack; all frames of the await chain, not one
    std::vector<std::string> get_stack() const { return detail::stack_of(record_); }
    /// Prints `get_stack` to stderr.
    void print_stack() const { detail::print_stack_of(record_); }

    /// The context that the task runs in: not a copy.
    /// Throws  RuntimeError  this is a Future, which has none
    Context get_context() const { return detail::context_of_record(record_); }

    /// A handle for other threads.
    RemoteTask remote() const;

    /// The typed handle.
    /// Throws  nothing: asking for another type than the task's own is undefined
    template <class T>
    Task<T> as() const {
        return Task<T>(detail::RecordRef::share(record_));
    }

    friend bool operator==(const AnyTask& a, const AnyTask& b) noexcept { return a.record_ == b.record_; }

  protected:
    /// The record, to be looked at.
    detail::PromiseBase* seen() const noexcept {
        ASYNCIO_DASSERT(detail::may_look(record_),
                        "a Task or Future was used on another thread than its loop's, which is running: take "
                        "its remote() handle there");
        return record_;
    }
};

/// The task that runs now.
/// Throws  RuntimeError  no loop is running, or a callback runs, not a task
/// Python  asyncio.current_task, which gives None in a callback
AnyTask current_task();

/// The tasks of this loop that are not done, in order of creation.
/// Throws  RuntimeError  no running event loop
/// Python  asyncio.all_tasks, a set
std::vector<AnyTask> all_tasks();

}}  // namespace asyncio::v1
