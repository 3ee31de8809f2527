// The loop's threads for blocking calls. Made by the first to_thread; grows on demand, one thread for each
// job that finds none idle, up to min(32, cores + 4) as in Python.
#pragma once
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>

#include "asyncio/base/duration.hpp"
#include "asyncio/task/detail/thread_call.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

class ThreadPool {
  public:
    ThreadPool();
    ~ThreadPool();
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    /// Throws  std::bad_alloc; OSError  no thread could be started and there is none
    /// The job belongs to the caller until its `run` has returned; by then it may be gone.
    void submit(PoolJob* job);
    /// Takes no more jobs; waits for the threads, at most `limit`; those that still run are named and left
    /// behind.
    void shut_down(Duration limit) noexcept;

  private:
    struct Shared;
    std::shared_ptr<Shared> shared_;  // the threads hold it, too: they may be left behind
};

}}}  // namespace asyncio::v1::detail
