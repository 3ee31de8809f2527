// Threads for blocking calls. Their state is shared with them: a thread that is still busy when its pool has
// gone finishes its job and ends, touching nothing that is not its own.
//
// A job is a link of the queue itself, so that taking it in or out costs no memory and no search. Whoever
// holds the mutex sees it in one of three states: queued; begun (its `run` is called exactly once); neither
// any more, removed or dropped. So a job that `remove` has given back is never run, and the other way round.
//
// A child process made by fork has none of the threads: there nothing is waited for, and no lock is taken.
#include "detail/thread_pool.hpp"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "asyncio/base/error.hpp"
#include "detail/context_slot.hpp"
#include "detail/loop_impl.hpp"
#include "detail/warnings.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

namespace {

constexpr unsigned default_workers_max = 32;
constexpr std::size_t thread_name_max = 15;  // pthread_setname_np(3): 16 with the null

/// The pool that this thread works for.
constinit thread_local const void* own_pool = nullptr;

/// How often this process has come out of a fork: the threads of before stayed with the parent.
constinit std::atomic<unsigned> forks{0};

unsigned forks_so_far() noexcept {
    static const bool counts =
        ::pthread_atfork(nullptr, nullptr, [] {
            forks.fetch_add(1, std::memory_order_relaxed);  // in a process of one thread
        }) == 0;
    static_cast<void>(counts);  // without memory for it a fork goes unnoticed
    return forks.load(std::memory_order_relaxed);
}

/// First in, first out.
class JobQueue {
  public:
    bool empty() const noexcept { return count_ == 0; }
    std::size_t size() const noexcept { return count_; }
    PoolJob* front() const noexcept { return first_; }
    void push(PoolJob* job) noexcept {
        job->queued = true;
        job->previous = last_;
        job->next = nullptr;
        (last_ != nullptr ? last_->next : first_) = job;
        last_ = job;
        ++count_;
    }
    void erase(PoolJob* job) noexcept {
        job->queued = false;
        (job->previous != nullptr ? job->previous->next : first_) = job->next;
        (job->next != nullptr ? job->next->previous : last_) = job->previous;
        --count_;
    }

  private:
    PoolJob* first_ = nullptr;
    PoolJob* last_ = nullptr;
    std::size_t count_ = 0;
};

/// For a thread that is started here: signals are the business of others.
class NoSignals {
  public:
    NoSignals() noexcept {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    NoSignals(const NoSignals&) = delete;
    NoSignals& operator=(const NoSignals&) = delete;
    ~NoSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

  private:
    sigset_t before_;
};

/// "name_7", cut where the kernel would refuse it.
std::string thread_name(const std::string& pool, unsigned number) {
    const std::string tail = "_" + std::to_string(number);
    return pool.substr(0, thread_name_max - std::min(tail.size(), thread_name_max)) + tail;
}

}  // namespace

unsigned default_workers() noexcept {
    static const unsigned wanted = std::thread::hardware_concurrency() + 4;  // a system call
    return std::min(wanted, default_workers_max);
}

struct ThreadPool::Shared {
    struct Worker {
        std::string name;
        const char* calls = nullptr;  // the job's `what`; null: idle, or not there any more
        std::thread thread;           // not joinable any more: whoever has joined it took it
        bool gone = false;            // has said goodbye: its thread_local objects still die
    };

    std::mutex mutex;
    std::condition_variable work;      // a job, or the end
    std::condition_variable room;      // a queue that has been full is so no more, or the end
    std::condition_variable all_gone;  // threads == 0, or being_joined == 0
    JobQueue jobs;                     // all below guarded by mutex
    std::vector<Worker> workers;       // one for each thread that was started; never moved: reserved
    unsigned threads = 0;
    unsigned idle = 0;
    unsigned being_joined = 0;  // by a thread that has let go of the mutex meanwhile
    bool ending = false;
    struct Told {
        std::uint64_t number;
        std::weak_ptr<RemoteState> loop;
        PostPtr post;
    };
    std::vector<Told> told;  // who is told, by a post, that the last has ended
    std::uint64_t told_yet = 0;
    // Constant.
    unsigned threads_max = 0;
    std::size_t queued_max = 0;
    std::string name;
    const char* calls = nullptr;
    const char* refusal = nullptr;
    unsigned forks_before = forks_so_far();
    // In a child process: kept for ever, by itself.
    std::shared_ptr<Shared> itself;
    Shared* next_left = nullptr;

    /// This is a child process, made by fork: the threads are the parent's, and the mutex may have been held
    /// by one of them.
    bool of_the_parent() const noexcept { return forks_before != forks.load(std::memory_order_relaxed); }

    static void thread_main(std::shared_ptr<Shared> shared, unsigned number) noexcept {
        own_pool = shared.get();
        Worker& me = shared->workers[number];
        pthread_setname_np(pthread_self(), me.name.c_str());  // for people who look; may fail
        std::unique_lock lock(shared->mutex);
        for (;;) {
            shared->work.wait(lock, [&] { return shared->ending || !shared->jobs.empty(); });
            --shared->idle;
            if (shared->jobs.empty()) break;
            PoolJob* const job = shared->jobs.front();
            shared->jobs.erase(job);
            shared->room.notify_one();
            me.calls = job->what;
            lock.unlock();
            {
                const InThreadContext in(std::move(job->context));
                job->run(job);
            }
            lock.lock();
            me.calls = nullptr;
            ++shared->idle;
        }
        me.gone = true;
        if (--shared->threads == 0) shared->last_has_ended();
    }

    /// Joins those that have said goodbye: what they do yet is the end of their thread_local objects, which
    /// may use what the caller is about to destroy.
    void join_the_gone(std::unique_lock<std::mutex>& lock) noexcept {
        for (Worker& each : workers) {
            // One's own thread_local objects may be what waits here.
            if (!each.gone || !each.thread.joinable() || each.thread.get_id() == std::this_thread::get_id())
                continue;
            std::thread thread = std::move(each.thread);
            ++being_joined;
            lock.unlock();
            thread.join();
            lock.lock();
            if (--being_joined == 0) all_gone.notify_all();
        }
    }
    /// Throws std::bad_alloc.
    std::string left_behind() const {
        std::string text = std::to_string(threads) + " thread(s) of " + calls +
                           " still run a blocking call after the shutdown timeout, and are left behind:";
        for (const Worker& each : workers)
            if (each.calls != nullptr) text += "\n  " + each.name + ": " + callable_name(each.calls);
        return text;
    }
    /// They may outlive the pool, and share this.
    void detach_the_rest() noexcept {
        for (Worker& each : workers)
            if (each.thread.joinable()) each.thread.detach();
    }
    void last_has_ended() noexcept {
        all_gone.notify_all();
        for (Told& each : told) {
            const std::shared_ptr<RemoteState> loop = each.loop.lock();
            if (loop != nullptr && loop->post_made(each.post.get())) static_cast<void>(each.post.release());
        }
        told.clear();
    }
    bool full() const noexcept {
        // A thread that is idle will take one in a moment, so that one waits for none.
        return queued_max != 0 && jobs.size() >= queued_max + idle + (threads_max - threads);
    }
    /// Throws OSError or std::bad_alloc; then there is no thread more than before.
    void start_thread(const std::shared_ptr<Shared>& self) {
        const auto number = static_cast<unsigned>(workers.size());
        workers.push_back({thread_name(name, number), nullptr, std::thread(), false});
        try {
            const NoSignals none;
            workers.back().thread = std::thread(&Shared::thread_main, self, number);
        } catch (const std::system_error&) {
            workers.pop_back();
            throw_os_error(EAGAIN, "starting a thread", "the limit of threads or of memory is reached");
        } catch (...) {
            workers.pop_back();
            throw;
        }
        ++threads;
        ++idle;  // from here on: it comes for a job
    }
};

ThreadPool::ThreadPool(const PoolOptions& options) : shared_(std::make_shared<Shared>()) {
    shared_->threads_max = options.threads_max;
    shared_->queued_max = options.queued_max;
    shared_->name = options.name;
    shared_->calls = options.calls;
    shared_->refusal = options.refusal;
    shared_->workers.reserve(options.threads_max);
}

ThreadPool::~ThreadPool() {
    if (shared_->of_the_parent()) {
        // Its std::threads can be neither joined nor detached here.
        static constinit Shared* all = nullptr;
        shared_->next_left = std::exchange(all, shared_.get());
        shared_->itself = shared_;
        return;
    }
    end();
    const std::lock_guard lock(shared_->mutex);
    shared_->detach_the_rest();
}

void ThreadPool::submit(PoolJob* job) { put(job, false); }
void ThreadPool::submit_and_wait(PoolJob* job) { put(job, current_loop == nullptr && !is_own_thread()); }

void ThreadPool::put(PoolJob* job, bool wait) {
    Shared& s = *shared_;
    if (s.of_the_parent()) {
        throw RuntimeError(
            "the threads of this executor are in the parent process, and this one was made by fork: make a "
            "new executor here");
    }
    std::unique_lock lock(s.mutex);
    if (wait) s.room.wait(lock, [&] { return s.ending || !s.full(); });
    if (s.ending) throw RuntimeError(s.refusal);
    if (s.full()) throw QueueFull();
    s.jobs.push(job);
    if (s.idle < s.jobs.size() && s.threads < s.threads_max) {
        try {
            s.start_thread(shared_);
        } catch (...) {
            // The threads that exist will come to it.
            if (s.threads != 0) return;
            s.jobs.erase(job);
            throw;
        }
    }
    s.work.notify_one();
}

bool ThreadPool::remove(PoolJob* job) noexcept {
    if (shared_->of_the_parent()) return false;
    std::lock_guard lock(shared_->mutex);
    if (!job->queued) return false;
    shared_->jobs.erase(job);
    shared_->room.notify_one();
    return true;
}

void ThreadPool::end() noexcept {
    if (shared_->of_the_parent()) return;
    std::lock_guard lock(shared_->mutex);
    shared_->ending = true;
    shared_->work.notify_all();
    shared_->room.notify_all();
}

void ThreadPool::drop_queued() noexcept {
    if (shared_->of_the_parent()) return;
    JobQueue dropped;
    {
        std::lock_guard lock(shared_->mutex);
        for (PoolJob* job = shared_->jobs.front(); job != nullptr;) {
            PoolJob* const each = std::exchange(job, job->next);
            if (each->drop == nullptr) continue;
            shared_->jobs.erase(each);
            dropped.push(each);
            each->queued = false;  // in the pool's queue, that is
        }
        shared_->room.notify_all();
    }
    for (PoolJob* job = dropped.front(); job != nullptr;) {
        PoolJob* const each = std::exchange(job, job->next);
        each->drop(each);
    }
}

bool ThreadPool::join(Duration limit) noexcept {
    if (shared_->of_the_parent()) return true;
    std::unique_lock lock(shared_->mutex);
    const auto none_left = [&] { return shared_->threads == 0; };
    bool in_time = true;
    if (limit.has_value() && !limit.is_infinite()) {
        in_time = shared_->all_gone.wait_for(lock, limit.to_chrono(), none_left);
    } else {
        shared_->all_gone.wait(lock, none_left);
    }
    shared_->join_the_gone(lock);
    // Who came second has found nothing to join, but has to wait all the same.
    if (in_time) shared_->all_gone.wait(lock, [&] { return shared_->being_joined == 0; });
    return in_time;
}

void ThreadPool::name_left_behind() const noexcept {
    {
        const std::lock_guard lock(shared_->mutex);
        if (shared_->threads == 0) return;
    }
    // The text is made under the mutex, and given without it: a handler is user code.
    warn_with(remark, "threads still run blocking calls after the shutdown timeout, and are left behind",
              [&] {
                  const std::lock_guard lock(shared_->mutex);
                  return shared_->left_behind();
              });
}

std::uint64_t ThreadPool::post_when_ended(const std::shared_ptr<RemoteState>& remote, PostPtr post) {
    std::lock_guard lock(shared_->mutex);
    const std::uint64_t number = ++shared_->told_yet;
    shared_->told.push_back({number, remote, std::move(post)});
    if (shared_->threads == 0) shared_->last_has_ended();
    return number;
}

bool ThreadPool::take_post_back(std::uint64_t number) noexcept {
    std::lock_guard lock(shared_->mutex);
    return std::erase_if(shared_->told, [&](const Shared::Told& each) { return each.number == number; }) != 0;
}

bool ThreadPool::is_own_thread() const noexcept {
    return own_pool == shared_.get() && !shared_->of_the_parent();
}

ThreadPool& default_pool(LoopImpl* loop) {
    if (loop->pool_has_ended) throw RuntimeError("Executor shutdown has been called");
    if (loop->pool == nullptr) {
        PoolOptions options;
        options.name = "asyncio";
        options.refusal = "cannot start a thread job: the loop is closing";
        loop->pool = std::make_shared<ThreadPool>(options);
    }
    return *loop->pool;
}

namespace {

/// Counts the pools of a loop whose threads have not all ended; virtual time waits for these.
class PoolsThatEnd {
  public:
    explicit PoolsThatEnd(LoopImpl* loop) : loop_(loop), left_(std::make_shared<std::size_t>(0)) {}
    PoolsThatEnd(const PoolsThatEnd&) = delete;
    PoolsThatEnd& operator=(const PoolsThatEnd&) = delete;
    ~PoolsThatEnd() {
        for (const Told& each : told_)
            if (each.pool->take_post_back(each.number)) --loop_->thread_jobs;
    }
    void add(const std::shared_ptr<ThreadPool>& pool) {
        told_.reserve(told_.size() + 1);
        PostPtr post(make_post([left = left_, loop = loop_] {
            --*left;
            --loop->thread_jobs;
        }));
        told_.push_back({pool, pool->post_when_ended(loop_->remote, std::move(post))});
        ++*left_;  // the post runs in another turn
        ++loop_->thread_jobs;
    }
    std::size_t left() const noexcept { return *left_; }

  private:
    struct Told {
        std::shared_ptr<ThreadPool> pool;
        std::uint64_t number;
    };
    LoopImpl* loop_;
    std::shared_ptr<std::size_t> left_;
    std::vector<Told> told_;
};

}  // namespace

void run_until_pools_end(LoopImpl* loop) noexcept {
    loop->pool_has_ended = true;
    if (loop->pool != nullptr) loop->pool->end();
    const Duration limit = loop->options.shutdown_timeout;
    loop->pools_deadline = no_deadline;
    if (limit.has_value() && !limit.is_infinite()) {
        const auto ns = static_cast<std::uint64_t>(std::max(limit, Duration::zero()).count_ns());
        loop->pools_deadline = saturating_add(loop->backend->now(), ns);
    }
    try {
        PoolsThatEnd pools(loop);
        for (const std::shared_ptr<ThreadPool>& each : loop->former_pools) pools.add(each);
        if (loop->pool != nullptr) pools.add(loop->pool);
        while (pools.left() != 0 && loop->backend->now() < loop->pools_deadline)
            loop->iterate(loop->pools_deadline);
    } catch (const std::bad_alloc&) {
        // Nobody says when they end, so they are only joined.
    }
}

void end_pools(LoopImpl* loop) noexcept {
    const auto join = [&](const std::shared_ptr<ThreadPool>& pool) {
        const std::uint64_t now = loop->backend->now();
        const std::uint64_t left = loop->pools_deadline > now ? loop->pools_deadline - now : 0;
        const bool for_ever = loop->pools_deadline == no_deadline;
        if (!pool->join(for_ever ? Duration::none() : Duration(std::chrono::nanoseconds(left))))
            pool->name_left_behind();
    };
    for (const std::shared_ptr<ThreadPool>& each : loop->former_pools) join(each);
    if (loop->pool != nullptr) join(loop->pool);
    loop->former_pools.clear();
    loop->pool.reset();
}

}}}  // namespace asyncio::v1::detail
