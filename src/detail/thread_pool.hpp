// Threads for blocking calls: a loop's own, and those of a ThreadPoolExecutor. A pool grows on demand, one
// thread for each job that finds none idle.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "asyncio/base/duration.hpp"
#include "asyncio/task/detail/thread_call.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

struct LoopImpl;

/// min(32, cores + 4), as in Python; the cores that this process may use.
unsigned default_workers() noexcept;

struct PoolOptions {
    unsigned threads_max = default_workers();
    std::size_t queued_max = 0;       // jobs that wait for a thread; 0: any number
    std::string_view name;            // threads are called "name_0" …
    const char* calls = "to_thread";  // for messages: what has put the jobs there
    const char* refusal = "cannot schedule new futures after shutdown";
};

class ThreadPool {
  public:
    explicit ThreadPool(const PoolOptions& options);
    ~ThreadPool();
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    /// The job belongs to the caller until its `run` (or `drop`) has returned; by then it may be gone.
    /// Throws  RuntimeError  it was shut down; QueueFull; std::bad_alloc; OSError  no thread could be started
    ///         and there is none
    void submit(PoolJob* job);
    /// The same, but waits for room in the queue. (Not on a thread that a loop runs on, nor on one of this
    /// pool: these get QueueFull.)
    void submit_and_wait(PoolJob* job);
    /// True: it had not begun, and never will. `drop` is not called.
    bool remove(PoolJob* job) noexcept;

    /// Takes no more jobs; what is queued still runs.
    void end() noexcept;
    /// Takes out what has not begun and may be dropped, and drops it.
    void drop_queued() noexcept;
    /// Waits until all threads have run their last job, at most `limit`, and joins those that have: their
    /// thread_local objects are gone, too.
    bool join(Duration limit) noexcept;
    /// Warns which calls are left behind, after a `join` that was in vain.
    void name_left_behind() const noexcept;
    /// Posts when the last thread has ended; at once if there is none. Gives a number to take it back by.
    /// Throws std::bad_alloc.
    std::uint64_t post_when_ended(const std::shared_ptr<RemoteState>& remote, PostPtr post);
    /// True: it was not posted, and never will be.
    bool take_post_back(std::uint64_t number) noexcept;
    /// Whether the calling thread is one of this pool's.
    bool is_own_thread() const noexcept;

  private:
    struct Shared;
    void put(PoolJob* job, bool wait);
    std::shared_ptr<Shared> shared_;  // the threads hold it, too: they may be left behind
};

/// The pool of to_thread, which the first call makes.
/// Throws  RuntimeError  shutdown_default_executor was called
ThreadPool& default_pool(LoopImpl* loop);

/// The loop closes: its default executors take no more calls, and it runs on until their threads have ended,
/// at most for its shutdown timeout.
void run_until_pools_end(LoopImpl* loop) noexcept;
/// Then: joins those threads. What still runs when the time is up is named and left behind.
void end_pools(LoopImpl* loop) noexcept;

}}}  // namespace asyncio::v1::detail
