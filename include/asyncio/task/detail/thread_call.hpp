// The untyped halves of to_thread: how a call gets to a thread and its end back to the loop.
#pragma once
#include <memory>

#include "asyncio/core/handle.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

struct RemoteState;

/// A blocking call; see src/detail/thread_pool.hpp.
struct PoolJob {
    void (*run)(PoolJob*) noexcept;
    const char* what;    // spells the callable's type: __PRETTY_FUNCTION__ of type_spelling
    ContextRef context;  // in which it runs: null is an empty one
    PoolJob(void (*r)(PoolJob*) noexcept, const char* w) noexcept : run(r), what(w) {}
};

/// A call that the await always waits for: everything lies in the awaiter. Its end is posted without an
/// allocation.
class ThreadCall : public Leaf, public PoolJob {
  public:
    ThreadCall(void (*run)(PoolJob*) noexcept, void (*ask_to_stop)(ThreadCall*) noexcept,
               const char* what) noexcept;
    /// Before it is awaited.
    ThreadCall(ThreadCall&& other) noexcept : ThreadCall(other.run, other.ask_to_stop_, other.what) {
        ASYNCIO_ASSERT(other.frame == nullptr, "an awaiter is movable until it is awaited");
    }
    ~ThreadCall();
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h, Where where = where_here()) {
        if (enter_leaf(this, h, where)) return;
        start();
    }

  protected:
    /// On the pool's thread: the last thing that it does with this object.
    void report_back() noexcept;
    /// Throws CancelledError if the task was cancelled meanwhile.
    void finish() { throw_if_cancelled(frame->task); }

  private:
    struct Helper : Timer {
        ThreadCall* call;
        explicit Helper(ThreadCall* c, const LeafOps* ops) noexcept;
    };
    void start();
    static CancelAnswer cancel(Leaf* leaf) noexcept;
    static const LeafOps ops_;
    static void stop_now(Leaf* leaf) noexcept;
    static const LeafOps warning_ops_;
    static const LeafOps stop_ops_;

    void (*ask_to_stop_)(ThreadCall*) noexcept;
    std::shared_ptr<RemoteState> remote_;
    Callback back_;  // the post that brings the end to the loop
    Helper warning_;
    Helper stop_;  // sets the stop_token, in its turn after a cancel
    bool stop_asked_ = false;
};

/// A call that may be left behind: shared by the awaiter and the thread.
struct SharedThreadCall : PoolJob, std::enable_shared_from_this<SharedThreadCall> {
    explicit SharedThreadCall(const char* what) noexcept : PoolJob(&run_on_thread, what) {}
    virtual ~SharedThreadCall() = default;
    virtual void call() noexcept = 0;
    virtual void ask_to_stop() noexcept = 0;

    std::weak_ptr<RemoteState> remote;       // a call that is left behind keeps nothing of the loop
    std::shared_ptr<SharedThreadCall> self;  // the thread's share
    std::unique_ptr<Callback> back;          // made beforehand: the end must not fail
    Leaf* waiting = nullptr;                 // loop thread only; null once abandoned

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
