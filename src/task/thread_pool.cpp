// The loop's threads. Their state is shared with them: a thread that is still busy when the loop has gone
// finishes its job and ends, touching nothing that is not its own.
#include "detail/thread_pool.hpp"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <thread>

#include "asyncio/base/error.hpp"
#include "detail/context_slot.hpp"
#include "detail/loop_impl.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

namespace {

constexpr unsigned threads_limit = 32;

}  // namespace

struct ThreadPool::Shared {
    std::mutex mutex;
    std::condition_variable work;                      // a job, or the end
    std::condition_variable all_gone;                  // threads == 0
    std::deque<PoolJob*> jobs;                         // all below guarded by mutex
    std::array<const char*, threads_limit> running{};  // what each thread calls; null: nothing
    unsigned threads = 0;
    unsigned idle = 0;
    bool ending = false;

    static void thread_main(std::shared_ptr<Shared> shared) noexcept {
        std::unique_lock lock(shared->mutex);
        for (;;) {
            ++shared->idle;
            shared->work.wait(lock, [&] { return shared->ending || !shared->jobs.empty(); });
            --shared->idle;
            if (shared->jobs.empty()) break;
            PoolJob* const job = shared->jobs.front();
            shared->jobs.pop_front();
            const auto place = std::find(shared->running.begin(), shared->running.end(), nullptr);
            *place = job->what;  // there are no more threads than places
            lock.unlock();
            {
                const InThreadContext in(std::move(job->context));
                job->run(job);
            }
            lock.lock();
            *place = nullptr;
        }
        if (--shared->threads == 0) shared->all_gone.notify_all();
    }
};

namespace {

unsigned threads_max() noexcept {
    static const unsigned wanted = std::thread::hardware_concurrency() + 4;  // a system call
    return wanted < threads_limit ? wanted : threads_limit;
}

}  // namespace

ThreadPool::ThreadPool() : shared_(std::make_shared<Shared>()) {}

ThreadPool::~ThreadPool() { shut_down(Duration::zero()); }

void ThreadPool::submit(PoolJob* job) {
    std::lock_guard lock(shared_->mutex);
    if (shared_->ending) throw RuntimeError("cannot start a thread job: the loop is closing");
    shared_->jobs.push_back(job);
    if (shared_->idle < shared_->jobs.size() && shared_->threads < threads_max()) {
        // Signals are the loop's thread's business.
        sigset_t all;
        sigset_t before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        try {
            std::thread(&Shared::thread_main, shared_).detach();
            ++shared_->threads;
        } catch (const std::exception& error) {
            pthread_sigmask(SIG_SETMASK, &before, nullptr);
            if (shared_->threads == 0) {
                shared_->jobs.pop_back();
                if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) throw;
                throw_os_error(EAGAIN, "starting a thread", "the limit of threads or of memory is reached");
            }
            return;  // the threads that exist will come to it
        }
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }
    shared_->work.notify_one();
}

void ThreadPool::shut_down(Duration limit) noexcept {
    std::unique_lock lock(shared_->mutex);
    shared_->ending = true;
    shared_->work.notify_all();
    const auto none_left = [&] { return shared_->threads == 0; };
    bool ended = none_left();
    if (!ended && limit.has_value()) {
        ended = shared_->all_gone.wait_for(lock, limit.to_chrono(), none_left);
    } else if (!ended) {
        shared_->all_gone.wait(lock, none_left);
        ended = true;
    }
    if (!ended && limit.count_ns() > 0) {
        std::fprintf(stderr,
                     "asyncio: %u thread(s) of to_thread still run a blocking call after the shutdown "
                     "timeout, and are left behind:\n",
                     shared_->threads);
        for (const char* what : shared_->running) {
            if (what == nullptr) continue;
            try {
                std::fprintf(stderr, "  %s\n", callable_name(what).c_str());
            } catch (const std::bad_alloc&) {
                std::fputs("  (no memory to name it)\n", stderr);
            }
        }
    }
}

}}}  // namespace asyncio::v1::detail
