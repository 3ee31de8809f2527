// The untyped halves of to_thread: how a call gets to a thread and its end back to the loop.
#pragma once
#include <memory>

#include "asyncio/task/detail/foreign_call.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

/// A blocking call; see src/detail/thread_pool.hpp.
struct PoolJob {
    void (*run)(PoolJob*) noexcept;
    void (*drop)(PoolJob*) noexcept = nullptr;  // instead of `run`; null: it must run
    const char* what;    // spells the callable's type: __PRETTY_FUNCTION__ of type_spelling
    ContextRef context;  // in which it runs: null is an empty one
    // The pool's, guarded by its mutex.
    bool queued = false;
    PoolJob* previous = nullptr;
    PoolJob* next = nullptr;
    PoolJob(void (*r)(PoolJob*) noexcept, const char* w) noexcept : run(r), what(w) {}
    PoolJob(const PoolJob&) = delete;
    PoolJob& operator=(const PoolJob&) = delete;
};

/// A call that the await always waits for: everything lies in the awaiter.
class ThreadCall : public ForeignCall, public PoolJob {
  public:
    ThreadCall(void (*run)(PoolJob*) noexcept, Ask ask, const char* what, Kind kind = to_thread) noexcept
        : ForeignCall(kind, ask), PoolJob(run, what) {}
    /// Before it is awaited.
    ThreadCall(ThreadCall&& other) noexcept
        : ForeignCall(static_cast<ForeignCall&&>(other)), PoolJob(other.run, other.what) {}
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h, Where where = where_here()) {
        if (enter_leaf(this, h, where)) return;
        start();
    }

  protected:
    /// Throws CancelledError if the task was cancelled meanwhile.
    void finish() { throw_if_cancelled(frame->task); }
    void start();
};

/// A call that may be left behind: shared by the awaiter and the thread.
struct SharedThreadCall : PoolJob, std::enable_shared_from_this<SharedThreadCall> {
    explicit SharedThreadCall(const char* what) noexcept : PoolJob(&run_on_thread, what) {}
    virtual ~SharedThreadCall() = default;
    virtual void call() noexcept = 0;
    virtual void ask_to_stop() noexcept = 0;

    std::weak_ptr<RemoteState> remote;       // a call that is left behind keeps nothing of the loop
    std::shared_ptr<SharedThreadCall> self;  // the thread's share
    PostPtr back;                            // made beforehand: the end must not fail
    Leaf* waiting = nullptr;                 // loop thread only; null once abandoned

  protected:
    /// The last thing that the thread does with this object.
    void report_back() noexcept;

  private:
    static void run_on_thread(PoolJob* job) noexcept;
};

class AbandoningBase : public Leaf {
  public:
    explicit AbandoningBase(std::shared_ptr<SharedThreadCall> call) noexcept
        : Leaf(&ops_), shared_(std::move(call)) {}
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h, Where where = where_here()) {
        if (enter_leaf(this, h, where)) return;
        start();
    }

  protected:
    /// Throws CancelledError if the task was cancelled meanwhile, after the call was asked to stop.
    void finish();

  private:
    void start();
    static CancelAnswer cancel(Leaf* leaf) noexcept;
    static const LeafOps ops_;
    std::shared_ptr<SharedThreadCall> shared_;
};

}}}  // namespace asyncio::v1::detail
