// as_completed: the tasks of a range in the order in which they end.
#pragma once
#include <iterator>
#include <optional>
#include <vector>

#include "asyncio/base/duration.hpp"
#include "asyncio/base/option.hpp"
#include "asyncio/task/detail/ready.hpp"
#include "asyncio/task/gather.hpp"

namespace asyncio { inline namespace v1 {

/// Options of `as_completed`.
struct AsCompletedOptions {
    Duration timeout =
        Duration::none();  ///< for all together, from the start; then next() throws TimeoutError
};
static_assert(OptionStruct<AsCompletedOptions>);

namespace detail {

class AsCompletedCore {
  public:
    AsCompletedCore(std::vector<GatherChild> children, AsCompletedOptions options) noexcept;
    AsCompletedCore(AsCompletedCore&& other) noexcept;
    ~AsCompletedCore();

    class NextBase;
    void enter();
    Coro<bool> take_leave();

  private:
    friend class NextBase;
    friend PromiseBase* awaiting_as_completed(const Waiter* waiter) noexcept;
    class Join;
    struct Listener : Waiter {
        AsCompletedCore* core;
        explicit Listener(AsCompletedCore* c, void (*n)(Waiter*, PromiseBase*) noexcept) noexcept
            : Waiter(n), core(c) {}
    };
    struct Clock : Timer {
        AsCompletedCore* core;
        explicit Clock(AsCompletedCore* c) noexcept;
    };
    static void owned_ended(Waiter* waiter, PromiseBase* record) noexcept;
    static void other_ended(Waiter* waiter, PromiseBase* record) noexcept;
    void admit();
    void start();
    void start_child(GatherChild& child);
    void ended(PromiseBase* record) noexcept;
    void wake_next() noexcept;
    void stop() noexcept;
    Coro<bool> leave();
    static void clock_due(Leaf* leaf) noexcept;
    static const LeafOps clock_ops_;

    std::vector<GatherChild> children_;
    std::vector<PromiseBase*> ready_;  // ended, in that order; capacity for all from the start
    std::size_t given_ = 0;            // of ready_, to the user
    AsCompletedOptions options_;
    LoopCore* loop_ = nullptr;  // set when it has started
    bool started_ = false;
    bool timed_out_ = false;
    NextBase* waiting_ = nullptr;        // who has suspended in next(), until it goes on
    std::optional<Coro<bool>> leaving_;  // made on entry: what was entered can be left, also without memory
    std::size_t owned_left_ = 0;         // while the scope is left: those that have not ended
    Join* join_ = nullptr;               // … and who waits for them
    Listener owned_;
    Listener others_;
    Clock limit_;
    Clock done_before_;
};

class AsCompletedCore::NextBase : public Leaf, public ScopedTag {
  public:
    explicit NextBase(AsCompletedCore* core) noexcept : Leaf(&ops_), core_(core) {}
    /// Before it is awaited.
    NextBase(NextBase&& other) noexcept : NextBase(other.core_) {
        ASYNCIO_ASSERT(other.frame == nullptr, "an awaiter is movable until it is awaited");
    }
    bool await_ready() {
        core_->admit();
        return current_loop->current->pending == 0 && answerable() && !budget_spent(current_loop);
    }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h, Where where = where_here()) noexcept {
        if (enter_leaf(this, h, where)) return;
        core_->waiting_ = this;
        woken_ = answerable();
        if (woken_) return push_frame(current_loop, frame);
        suspend_on(this);
    }

  protected:
    /// The next record that has ended, or null at the end. Throws TimeoutError, CancelledError.
    PromiseBase* take();

  private:
    friend class AsCompletedCore;
    bool answerable() const noexcept {
        return core_->given_ != core_->ready_.size() || core_->given_ == core_->children_.size() ||
               core_->timed_out_;
    }
    static CancelAnswer cancel(Leaf* leaf) noexcept;
    static const LeafOps ops_;
    AsCompletedCore* core_;
    bool woken_ = false;
};

/// Of the handles of the same task or future the first stays.
void drop_duplicates(std::vector<GatherChild>& children);

}  // namespace detail

/// What `as_completed` gives. Of coroutines it is a scope, to be used inside `with`; of tasks it needs none.
///
/// Threads     loop thread only
template <class T>
class AsCompleted {
  public:
    AsCompleted(std::vector<detail::GatherChild> children, AsCompletedOptions options) noexcept
        : core_(std::move(children), options) {}
    AsCompleted(AsCompleted&&) noexcept = default;

    class [[nodiscard]] Next : public detail::AsCompletedCore::NextBase {
      public:
        using NextBase::NextBase;
        std::optional<Task<T>> await_resume() {
            detail::PromiseBase* const record = take();
            if (record == nullptr) return std::nullopt;
            return Task<T>(detail::RecordRef::share(record));
        }
    };

    /// The next task that is done, in order of ending; nothing when all have been given.
    ///
    /// Throws      TimeoutError  the time was up; the others run on until the scope is left
    ///             RuntimeError  another task is in next() already; of coroutines, outside of `with`
    /// Suspends    unless one is done already
    /// Cancel      no effect on the tasks
    /// Threads     loop thread
    Next next() { return Next(&core_); }

    detail::Ready aenter() {
        core_.enter();
        return detail::Ready();
    }
    Coro<bool> aexit(std::exception_ptr) { return core_.take_leave(); }

  private:
    detail::AsCompletedCore core_;
};

/// Gives the awaitables of a range as tasks, in the order in which they end:
///
///     co_await with(as_completed(std::move(coros)), [&](AsCompleted<int>& it) -> Coro<> {
///         while (auto task = co_await it.next()) use(co_await *task);
///     });
///
/// Leaving the scope cancels the coroutines that have not ended, and waits for them; tasks of others are left
/// alone.
///
/// Suspends    in next()
/// Cancel      see next()
/// Threads     loop thread
/// Python      asyncio.as_completed, which leaves coroutines running
template <detail::GatherRange R>
auto as_completed(R&& range, AsCompletedOptions options = AsCompletedOptions()) {
    using Argument = std::decay_t<decltype(*std::begin(range))>;
    std::vector<detail::GatherChild> children;
    if constexpr (requires { range.size(); }) children.reserve(range.size());
    for (auto& each : range) {
        if constexpr (detail::is_coro<Argument>) {
            children.push_back(detail::gather_child(std::move(each)));
        } else {
            children.push_back(detail::gather_child(each));
        }
    }
    if constexpr (!detail::is_coro<Argument>) detail::drop_duplicates(children);
    return AsCompleted<typename detail::GatherArgument<Argument>::Result>(std::move(children), options);
}

}}  // namespace asyncio::v1
