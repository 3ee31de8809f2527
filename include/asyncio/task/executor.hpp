// ThreadPoolExecutor, and EventLoop::run_in_executor: blocking calls that nobody need await.
#pragma once
#include <cstddef>
#include <memory>
#include <string_view>

#include "asyncio/base/option.hpp"
#include "asyncio/task/future.hpp"
#include "asyncio/task/remote.hpp"
#include "asyncio/task/to_thread.hpp"

namespace asyncio { inline namespace v1 {

/// How a ThreadPoolExecutor is made. All members may be left out.
struct ExecutorOptions {
    unsigned max_workers = 0;                  ///< threads at most; 0: min(32, cores + 4)
    std::string_view thread_name_prefix = {};  ///< threads are called "prefix_0" and so on; empty: "pool-N"
    std::size_t max_queued = 0;                ///< calls that may wait for a thread; 0: any number
};
static_assert(OptionStruct<ExecutorOptions>);

/// How `ThreadPoolExecutor::shutdown` ends.
struct ExecutorShutdown {
    bool wait = true;             ///< until the threads have ended
    bool cancel_futures = false;  ///< calls that have not begun are cancelled instead of run
};
static_assert(OptionStruct<ExecutorShutdown>);

namespace detail {

class ThreadPool;

void submit_and_wait(ThreadPool& pool, PoolJob* job);
bool remove_job(ThreadPool& pool, PoolJob* job) noexcept;

/// A call for another thread to wait for: the pool's until it has ended, the ConcurrentFuture's to look at.
template <class R, class Work>
class SubmittedCall final : public CrossThreadResult<R>, public PoolJob {
  public:
    template <class... A>
    explicit SubmittedCall(std::shared_ptr<ThreadPool> pool, A&&... args)
        : PoolJob(&run_on_thread, Work::what()),
          pool_(std::move(pool)),
          work_(std::in_place, std::in_place, std::forward<A>(args)...),
          stop_(work_->stop) {
        this->drop = &drop_unbegun;
    }
    /// Throws what ThreadPool::submit_and_wait throws.
    static void start(const std::shared_ptr<SubmittedCall>& me) {
        me->self_ = me;
        try {
            submit_and_wait(*me->pool_, me.get());
        } catch (...) {
            me->self_.reset();
            throw;
        }
    }
    bool cancel() override {
        if (!remove_job(*pool_, this)) {
            if (!this->done()) stop_.request_stop();
            return false;
        }
        drop_unbegun(this);
        return true;
    }

  private:
    static void run_on_thread(PoolJob* job) noexcept {
        auto* const me = static_cast<SubmittedCall*>(job);
        me->work_->run_into(me->outcome);
        me->end();
    }
    static void drop_unbegun(PoolJob* job) noexcept {
        auto* const me = static_cast<SubmittedCall*>(job);
        me->outcome.emplace(std::make_exception_ptr(CancelledError()));
        me->end();
    }
    /// What the call owned goes before anybody sees it done.
    void end() noexcept {
        const std::shared_ptr<SubmittedCall> last_share = std::move(self_);
        work_.reset();
        this->finish();
    }

    std::shared_ptr<ThreadPool> pool_;
    std::optional<Work> work_;  // the thread's
    std::stop_source stop_;
    std::shared_ptr<SubmittedCall> self_;  // the pool's share
};

/// A call whose future is the loop's.
struct ExecutorCall : SharedThreadCall, Waiter {
    explicit ExecutorCall(const char* what) noexcept;
    /// Gives the outcome to the future. Loop thread.
    virtual void deliver(PromiseBase* future) = 0;
    /// Makes it an outcome that it was cancelled before it began.
    virtual void refuse() noexcept = 0;
    /// Throws, and then nothing has changed: RuntimeError, QueueFull, OSError, std::bad_alloc.
    static void start(LoopImpl& loop, std::shared_ptr<ThreadPool> pool,
                      const std::shared_ptr<ExecutorCall>& call, PromiseBase* future);
    /// Whoever awaits the future gets nothing any more.
    void let_go(LoopImpl& loop) noexcept;

  private:
    void come_back() noexcept;
    void future_is_done() noexcept;
    static void drop_unbegun(PoolJob* job) noexcept;

    std::weak_ptr<ThreadPool> pool_;
    // Loop thread only.
    PromiseBase* future_ = nullptr;  // null once it is done or let go
    std::size_t index_ = 0;          // its place among the loop's calls, until then
};

template <class R, class Work>
struct ExecutorCallOf final : ExecutorCall {
    Work work;
    template <class... A>
    explicit ExecutorCallOf(std::in_place_t, A&&... args)
        : ExecutorCall(Work::what()), work(std::in_place, std::forward<A>(args)...) {}
    void call() noexcept override { work.run(); }
    void ask_to_stop() noexcept override { work.stop.request_stop(); }
    void refuse() noexcept override { work.outcome.emplace(std::make_exception_ptr(CancelledError())); }
    void deliver(PromiseBase* record) override {
        const Future<R> future(RecordRef::share(record));
        if (!work.outcome->has_value()) {
            future.set_exception(work.outcome->error());
        } else if constexpr (std::is_void_v<R>) {
            future.set_result();
        } else {
            future.set_result(std::move(*work.outcome).value());
        }
    }
};

std::shared_ptr<ThreadPool> pool_for(EventLoop& loop, const std::shared_ptr<ThreadPool>* chosen);

template <class F, class... Args>
constexpr void refuse_borrowers() {
    refuse_coroutine_in_thread<F, Args...>();
    static_assert(
        owns_all<F, Args...>,
        "run_in_executor: the call may outlive the caller, so pass no references, pointers, views or "
        "capturing lambdas: pass a function and owning arguments (or co_await to_thread(…), which "
        "waits for the call)");
}

template <class F, class... Args>
auto call_in_executor(EventLoop& loop, std::shared_ptr<ThreadPool> pool, F&& function, Args&&... args) {
    using R = ThreadResult<F, Args...>;
    using Work = ThreadWork<R, std::decay_t<F>, std::decay_t<Args>...>;
    auto call = std::make_shared<ExecutorCallOf<R, Work>>(std::in_place, std::forward<F>(function),
                                                          std::forward<Args>(args)...);
    Future<R> future;
    ExecutorCall::start(loop.impl(), std::move(pool), call, future.record());
    return future;
}

}  // namespace detail

/// A pool of threads for blocking calls. Its threads are started as they are needed, and have names.
///
/// The destructor is `shutdown()`: it waits for the calls that were submitted.
///
/// Threads     any thread
/// Python      concurrent.futures.ThreadPoolExecutor; with a bound on what waits
class ThreadPoolExecutor {
  public:
    /// Starts no thread: each is started by the first call that finds none idle.
    /// Throws  std::bad_alloc
    explicit ThreadPoolExecutor(ExecutorOptions options = ExecutorOptions());
    ThreadPoolExecutor(ThreadPoolExecutor&&) noexcept = default;
    ThreadPoolExecutor& operator=(ThreadPoolExecutor&& other) noexcept;
    ~ThreadPoolExecutor();

    /// Calls `function(args…)` on a thread of the pool. If the function can take a std::stop_token first, it
    /// is given one. Waits for room if `max_queued` calls wait already.
    /// Throws  RuntimeError  "cannot schedule new futures after shutdown"; QueueFull  there is no room, and
    ///         this thread runs a loop or is one of the pool's; OSError  no thread can be started
    /// Threads any thread
    /// Lifetime    the function must own what it uses, or that must live until the future is done
    template <class F, class... Args>
    auto submit(F&& function, Args&&... args) {
        detail::refuse_coroutine_in_thread<F, Args...>();
        using R = detail::ThreadResult<F, Args...>;
        using Work = detail::ThreadWork<R, std::decay_t<F>, std::decay_t<Args>...>;
        using Call = detail::SubmittedCall<R, Work>;
        auto call = std::make_shared<Call>(pool(), std::forward<F>(function), std::forward<Args>(args)...);
        Call::start(call);
        return ConcurrentFuture<R>(std::move(call));
    }
    /// Takes no more calls. Those that were submitted run, or are cancelled.
    /// Throws  RuntimeError  from one of its own threads, which it would wait for
    void shutdown(ExecutorShutdown options = ExecutorShutdown());

    /// For the library's own.
    const std::shared_ptr<detail::ThreadPool>& pool() const {
        ASYNCIO_ASSERT(pool_ != nullptr, "this ThreadPoolExecutor was moved from");
        return pool_;
    }
    std::shared_ptr<detail::ThreadPool> give_pool() noexcept { return std::move(pool_); }

  private:
    std::shared_ptr<detail::ThreadPool> pool_;
};

template <class F, class... Args>
auto EventLoop::run_in_executor(ThreadPoolExecutor& executor, F&& function, Args&&... args) {
    detail::refuse_borrowers<F, Args...>();
    return detail::call_in_executor(*this, detail::pool_for(*this, &executor.pool()),
                                    std::forward<F>(function), std::forward<Args>(args)...);
}
template <class F, class... Args>
auto EventLoop::run_in_executor(std::nullptr_t, F&& function, Args&&... args) {
    detail::refuse_borrowers<F, Args...>();
    return detail::call_in_executor(*this, detail::pool_for(*this, nullptr), std::forward<F>(function),
                                    std::forward<Args>(args)...);
}

}}  // namespace asyncio::v1
