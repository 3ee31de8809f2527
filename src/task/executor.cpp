// ThreadPoolExecutor and run_in_executor.
//
// A call of run_in_executor has two halves that never meet: the thread's (function, arguments, outcome), and
// the loop's (the future). The loop keeps each call whose future is not done, so that it can let the futures
// go when it closes; the thread's share goes with the post that brings the outcome back, and only that post
// looks at both halves, on the loop's thread. Who cancels the future first asks the pool for the job: if it
// is given back, the thread's half is the loop's, and dies there and then.
#include "asyncio/task/executor.hpp"

#include <atomic>
#include <string>
#include <vector>

#include "asyncio/base/error.hpp"
#include "asyncio/task/wait_for.hpp"
#include "detail/loop_impl.hpp"
#include "detail/thread_pool.hpp"

namespace asyncio { inline namespace v1 {

namespace detail {

void submit_and_wait(ThreadPool& pool, PoolJob* job) { pool.submit_and_wait(job); }
bool remove_job(ThreadPool& pool, PoolJob* job) noexcept { return pool.remove(job); }

std::shared_ptr<ThreadPool> pool_for(EventLoop& loop, const std::shared_ptr<ThreadPool>* chosen) {
    LoopImpl& impl = loop.impl();
    impl.require_open();
    impl.check_thread("run_in_executor");
    if (chosen != nullptr) return *chosen;
    default_pool(&impl);
    return impl.pool;
}

ExecutorCall::ExecutorCall(const char* what) noexcept
    : SharedThreadCall(what),
      Waiter([](Waiter* me, PromiseBase*) noexcept { static_cast<ExecutorCall*>(me)->future_is_done(); }) {
    PoolJob::drop = &drop_unbegun;
}

void ExecutorCall::start(LoopImpl& loop, std::shared_ptr<ThreadPool> pool,
                         const std::shared_ptr<ExecutorCall>& call, PromiseBase* future) {
    const OnLoop on(&loop);  // it need not run yet
    call->pool_ = pool;
    call->remote = loop.remote;
    call->back = PostPtr(make_post([keep = call] { keep->come_back(); }));
    try {
        add_waiter(future, call.get());
        try {
            call->index_ = loop.executor_calls.size();
            loop.executor_calls.push_back(call);
        } catch (...) {
            remove_waiter(future, call.get());
            throw;
        }
        call->future_ = future;
        ++future->refs;
        call->self = call;  // a circle from here on, which the call's end breaks
        try {
            pool->submit(call.get());
        } catch (...) {
            call->self.reset();
            call->let_go(loop);
            throw;
        }
    } catch (...) {
        call->back.reset();
        throw;
    }
    ++loop.thread_jobs;
}

void ExecutorCall::let_go(LoopImpl& loop) noexcept {
    PromiseBase* const future = std::exchange(future_, nullptr);
    if (future == nullptr) return;
    remove_waiter(future, this);
    std::vector<std::shared_ptr<ExecutorCall>>& calls = loop.executor_calls;
    ASYNCIO_ASSERT(calls[index_].get() == this);
    const std::shared_ptr<ExecutorCall> held = std::exchange(calls[index_], std::move(calls.back()));
    calls.pop_back();
    if (index_ != calls.size()) calls[index_]->index_ = index_;
    release(future);
}

/// The post: the outcome is there.
void ExecutorCall::come_back() noexcept {
    LoopImpl& loop = *impl_of(current_loop);
    --loop.thread_jobs;
    if (future_ == nullptr) return;  // abandoned
    const RecordRef future = RecordRef::share(future_);
    let_go(loop);
    if (future.record()->is(done)) return;  // just now
    try {
        deliver(future.record());
    } catch (...) {
        // The result could not be moved.
        store_exception(future.record(), std::current_exception());
        complete_future(future.record());
    }
}

/// Cancelled, or completed by hand.
void ExecutorCall::future_is_done() noexcept {
    LoopImpl& loop = *impl_of(current_loop);
    const auto keep = std::static_pointer_cast<ExecutorCall>(shared_from_this());
    let_go(loop);
    const std::shared_ptr<ThreadPool> pool = pool_.lock();
    if (pool == nullptr || !pool->remove(this)) return ask_to_stop();
    --loop.thread_jobs;
    self.reset();
    back.reset();
}

void ExecutorCall::drop_unbegun(PoolJob* job) noexcept {
    auto* const me = static_cast<ExecutorCall*>(job);
    me->refuse();
    me->report_back();
}

void drop_executor_calls(LoopImpl* loop) noexcept {
    while (!loop->executor_calls.empty()) loop->executor_calls.back()->let_go(*loop);
}

}  // namespace detail

// ---- the executor -------------------------------------------------------------------------------

ThreadPoolExecutor::ThreadPoolExecutor(ExecutorOptions options) {
    static std::atomic<unsigned> pools{0};
    detail::PoolOptions pool;
    if (options.max_workers != 0) pool.threads_max = options.max_workers;
    pool.queued_max = options.max_queued;
    pool.calls = "a ThreadPoolExecutor";
    std::string name(options.thread_name_prefix);
    if (name.empty()) name = "pool-" + std::to_string(pools.fetch_add(1, std::memory_order_relaxed));
    pool.name = name;
    pool_ = std::make_shared<detail::ThreadPool>(pool);
}

ThreadPoolExecutor& ThreadPoolExecutor::operator=(ThreadPoolExecutor&& other) noexcept {
    ThreadPoolExecutor old(std::move(*this));  // shut down last
    pool_ = std::move(other.pool_);
    return *this;
}

ThreadPoolExecutor::~ThreadPoolExecutor() {
    if (pool_ == nullptr) return;
    ASYNCIO_ASSERT(!pool_->is_own_thread(),
                   "a ThreadPoolExecutor was destroyed on one of its own threads, which it waits for");
    pool_->end();
    pool_->join(Duration::none());
}

void ThreadPoolExecutor::shutdown(ExecutorShutdown options) {
    const std::shared_ptr<detail::ThreadPool> held = pool();
    if (options.wait && held->is_own_thread()) {
        throw RuntimeError(
            "shutdown: this is one of the executor's own threads, which it would wait for: call it from "
            "another thread, or pass {.wait = false}");
    }
    held->end();
    if (options.cancel_futures) held->drop_queued();
    if (options.wait) held->join(Duration::none());
}

// ---- the loop's default -------------------------------------------------------------------------

namespace {

/// Completes a future when a pool's last thread has ended. Virtual time waits for that.
class EndOfThreads {
  public:
    explicit EndOfThreads(detail::ThreadPool& pool, const Future<>& ended) : pool_(pool) {
        detail::LoopImpl* const loop = detail::impl_of(detail::current_loop);
        detail::PostPtr post(detail::make_post([ended] {
            --detail::impl_of(detail::current_loop)->thread_jobs;
            if (!ended.done()) ended.set_result();
        }));
        number_ = pool.post_when_ended(loop->remote, std::move(post));
        ++loop->thread_jobs;  // the post runs in another turn
    }
    EndOfThreads(const EndOfThreads&) = delete;
    EndOfThreads& operator=(const EndOfThreads&) = delete;
    ~EndOfThreads() {
        if (pool_.take_post_back(number_)) --detail::impl_of(detail::current_loop)->thread_jobs;
    }

  private:
    detail::ThreadPool& pool_;
    std::uint64_t number_ = 0;
};

/// The loop need not wait for it when it closes. False: it was told so already.
bool forget_pool(detail::LoopImpl& loop, const std::shared_ptr<detail::ThreadPool>& pool) noexcept {
    if (loop.pool != pool)
        return std::erase(loop.former_pools, pool) != 0;  // replaced meanwhile, or forgotten
    loop.pool.reset();
    return true;
}

}  // namespace

void EventLoop::set_default_executor(ThreadPoolExecutor executor) {
    impl_->require_open();
    impl_->check_thread("set_default_executor");
    if (impl_->pool != nullptr) {
        impl_->former_pools.push_back(impl_->pool);
        impl_->pool->end();  // its threads end with their calls
    }
    impl_->pool = executor.give_pool();
}

Coro<> EventLoop::shutdown_default_executor(Duration timeout) {
    impl_->require_open();
    impl_->pool_has_ended = true;
    // The loop keeps it: who is cancelled here leaves the threads to the next caller, or to `close`.
    const std::shared_ptr<detail::ThreadPool> pool = impl_->pool;
    if (pool == nullptr) co_return;
    pool->end();
    Future<> ended;
    const EndOfThreads end(*pool, ended);
    const Outcome<void> in_time = co_await try_wait_for(ended, timeout);
    const bool first = forget_pool(*impl_, pool);
    if (in_time.has_value()) {
        pool->join(Duration::zero());  // they have said goodbye, and only end
    } else if (first) {
        pool->name_left_behind();
    }
}

}}  // namespace asyncio::v1
