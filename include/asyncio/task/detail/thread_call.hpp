// The untyped halves of to_thread: how a call gets to a thread and its end back to the loop.
#pragma once
#include <memory>

#include "asyncio/core/handle.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

struct RemoteState;

/// A blocking call; see src/detail/thread_pool.hpp.
struct PoolJob {
    void (*run)(PoolJob*) noexcept;
    explicit PoolJob(void (*r)(PoolJob*) noexcept) noexcept : run(r) {}
};

/// A call that the await always waits for: everything lies in the awaiter. Its end is posted without an
/// allocation.
class ThreadCall : public Leaf, public PoolJob {
  public:
    ThreadCall(void (*run)(PoolJob*) noexcept, void (*ask_to_stop)(ThreadCall*) noexcept) noexcept;
    /// Before it is awaited.
    ThreadCall(ThreadCall&& other) noexcept : ThreadCall(other.run, other.ask_to_stop_) {
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
    struct Warning : Timer {
        ThreadCall* call;
        explicit Warning(ThreadCall* c) noexcept;
    };
    void start();
    static CancelAnswer cancel(Leaf* leaf) noexcept;
    static const LeafOps ops_;
    static const LeafOps warning_ops_;

    void (*ask_to_stop_)(ThreadCall*) noexcept;
    std::shared_ptr<RemoteState> remote_;
    Callback back_;  // the post that brings the end to the loop
    Warning warning_;
};

/// A call that may be left behind: shared by the awaiter and the thread.
struct SharedThreadCall : PoolJob, std::enable_shared_from_this<SharedThreadCall> {
    SharedThreadCall() noexcept : PoolJob(&run_on_thread) {}
    virtual ~SharedThreadCall() = default;
    virtual void call() noexcept = 0;
    virtual void ask_to_stop() noexcept = 0;

    std::shared_ptr<RemoteState> remote;
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
    void finish() { throw_if_cancelled(frame->task); }

  private:
    void start();
    static CancelAnswer cancel(Leaf* leaf) noexcept;
    static const LeafOps ops_;
    std::shared_ptr<SharedThreadCall> shared_;
};

}}}  // namespace asyncio::v1::detail
