// The frame recycler: blocks that travel between threads, threads that end.
#include "asyncio/core/detail/recycler.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <iterator>
#include <mutex>
#include <thread>
#include <vector>

#include "asyncio/asyncio.hpp"
#include "task/task_support.hpp"

namespace asyncio::task_test { namespace {

Coro<int> with_a_frame(int n) {
    co_await sleep(0s);
    co_return n;
}

/// Resident memory of this process.
long resident_bytes() {
    long pages = 0;
    std::FILE* const file = std::fopen("/proc/self/statm", "r");
    if (file == nullptr || std::fscanf(file, "%*d %ld", &pages) != 1) ADD_FAILURE() << "/proc/self/statm";
    if (file != nullptr) std::fclose(file);
    return pages * 4096;
}

/// Hands batches of coroutines from the thread that makes them to the one that drops them.
class Belt {
  public:
    using Batch = std::vector<Coro<int>>;
    void put(Batch batch) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return !full_; });
        batch_ = std::move(batch);
        full_ = true;
        changed_.notify_all();
    }
    Batch take() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return full_; });
        full_ = false;
        changed_.notify_all();
        return std::move(batch_);
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    Batch batch_;
    bool full_ = false;
};

void make_here_drop_there(int coroutines) {
    constexpr int batch_size = 1000;
    Belt belt;
    std::thread dropper([&] {
        for (int i = 0; i < coroutines / batch_size; ++i) belt.take();
    });
    for (int i = 0; i < coroutines / batch_size; ++i) {
        Belt::Batch batch;
        for (int n = 0; n < batch_size; ++n) batch.push_back(with_a_frame(n));
        belt.put(std::move(batch));
    }
    dropper.join();
}

void expect_flat_memory(int coroutines) {
    make_here_drop_there(100'000);
    [[maybe_unused]] const long before = resident_bytes();
    make_here_drop_there(coroutines);
#if !ASYNCIO_ASAN && !ASYNCIO_TSAN  // they keep freed memory for a while
    // Each list is capped, and its memory given back by the thread that ends.
    EXPECT_LT(resident_bytes() - before, 48L << 20);
#endif
}

TEST(Recycler, FramesMadeOnOneThreadAndDroppedOnAnotherTakeNoMoreMemory) { expect_flat_memory(1'000'000); }

TEST(RecyclerSlow, NeitherDoTenMillionOfThem) { expect_flat_memory(10'000'000); }

// On a thread of its own, whose cache is empty at first.
TEST(Recycler, ABurstWithoutALoopIsRecycledAndGivenBack) {
    std::thread thread([] {
        constexpr std::ptrdiff_t many = 200'000;
        std::vector<Coro<int>> burst;
        for (int round = 0; round < 3; ++round) {
            for (int i = 0; i < many; ++i) burst.push_back(with_a_frame(i));
            EXPECT_EQ(detail::blocks_in_use(), many);
            burst.clear();
            EXPECT_EQ(detail::blocks_in_use(), 0);
            const std::ptrdiff_t kept = detail::recycler.taken;
#if ASYNCIO_ASAN || ASYNCIO_TSAN
            EXPECT_EQ(kept, 0);
#else
            // The frames are of one size; its list keeps 4 MiB at most, and no less if it could have more.
            const auto* list =
                std::find_if(std::begin(detail::recycler.classes), std::end(detail::recycler.classes),
                             [](const auto& each) { return each.head != nullptr; });
            ASSERT_NE(list, std::end(detail::recycler.classes));
            const auto index = static_cast<std::size_t>(list - std::begin(detail::recycler.classes));
            const auto most =
                static_cast<std::ptrdiff_t>((std::size_t{4} << 20) / detail::class_bytes(index));
            EXPECT_EQ(kept, std::min(most, many));
            EXPECT_LT(kept, many) << "a burst of so many small frames is too small to be given back";
            burst.push_back(with_a_frame(1));
            EXPECT_EQ(detail::recycler.taken, kept);  // of a block that was kept
            burst.clear();
#endif
        }
    });
    thread.join();
}

#if !ASYNCIO_ASAN && !ASYNCIO_TSAN
/// In the lists of this thread.
std::ptrdiff_t kept_blocks() { return detail::recycler.taken - detail::blocks_in_use(); }

class RecyclerInLoop : public test::BackendTest {};
ASYNCIO_ON_REAL_BACKENDS(RecyclerInLoop);

TEST_P(RecyclerInLoop, ABurstIsKeptWhileItMayGoOnAndGivenBackWhenTheLoopIsIdle) {
    static constexpr std::ptrdiff_t many = 200'000;
    run([]() -> Coro<> {
        for (int burst = 0; burst < 3; ++burst) {
            std::vector<Coro<int>> coros;
            for (int i = 0; i < many; ++i) coros.push_back(with_a_frame(i));
            co_await gather(std::move(coros));
            EXPECT_GT(kept_blocks(), many - 100) << "another burst may come";
        }
        // Frames that are let go little by little: the burst is not over.
        for (int i = 0; i < 3; ++i) {
            co_await sleep(100ms);
            EXPECT_GT(kept_blocks(), many - 100);
            std::vector<Coro<int>> coros;
            for (int n = 0; n < many + 10'000 * (i + 1); ++n) coros.push_back(with_a_frame(n));
        }
        for (int i = 0; i < 200 && detail::recycler.surplus; ++i) co_await sleep(10ms);
        EXPECT_FALSE(detail::recycler.surplus);
        EXPECT_EQ(detail::surplus_bytes(), 0u);
        EXPECT_LT(kept_blocks(), many) << "the caps are in bytes, and clang's frames are small";
    });
}

TEST_P(RecyclerInLoop, WhatABurstLeftIsGivenBackWhenTheLoopCloses) {
    static constexpr std::ptrdiff_t many = 200'000;
    run([]() -> Coro<> {
        std::vector<Coro<int>> coros;
        for (int i = 0; i < many; ++i) coros.push_back(with_a_frame(i));
        co_await gather(std::move(coros));
    });
    EXPECT_FALSE(detail::recycler.surplus);
    EXPECT_LT(kept_blocks(), many / 2);
}
#endif

/// Outlives the thread's cache if it was made before the first frame.
struct LateHolder {
    std::vector<Coro<int>> coros;
    ~LateHolder() {
        // The cache is gone. Dropping frames, and making new ones, works all the same.
        coros.clear();
        for (int i = 0; i < 100; ++i) coros.push_back(with_a_frame(i));
        coros.clear();
    }
};

TEST(Recycler, WorksAfterItsThreadsCacheIsGone) {
    std::thread thread([] {
        static thread_local LateHolder holder;
        holder.coros.reserve(1000);
        for (int i = 0; i < 1000; ++i) holder.coros.push_back(with_a_frame(i));
    });
    thread.join();
}

TEST(Recycler, AThreadMayEndWithALoopsWorthOfFramesInItsCache) {
    for (int i = 0; i < 3; ++i) {
        std::thread thread([] {
            simulate([]() -> Coro<> {
                std::vector<Coro<int>> jobs;
                for (int n = 0; n < 1000; ++n) jobs.push_back(with_a_frame(n));
                auto results = co_await gather(std::move(jobs));
                EXPECT_EQ(results[999], 999);
            });
        });
        thread.join();
    }
}

}}  // namespace asyncio::task_test
