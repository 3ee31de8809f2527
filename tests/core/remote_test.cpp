// What other threads may do with a loop: posts, remote handles, run_coroutine_threadsafe.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "asyncio/asyncio.hpp"
#include "detail/loop_impl.hpp"
#include "support/alloc_failure.hpp"
#include "support/processor_time.hpp"
#include "task/task_support.hpp"

namespace asyncio::task_test { namespace {

class RemoteTest : public test::BackendTest {
  protected:
    RunOptions here() const {
        test::note_backend(backend());
        return {.backend = backend()};
    }
};
ASYNCIO_ON_EVERY_BACKEND(RemoteTest);
/// Also in virtual time, where any sleep ends.
Coro<> forever() {
    Future<> never;
    co_await never;
}

class RemoteSlowTest : public RemoteTest {};
ASYNCIO_ON_EVERY_BACKEND(RemoteSlowTest);

TEST_P(RemoteTest, PostsRunOnTheLoopsThreadInTheirOrder) {
    run([]() -> Coro<> {
        const auto loop_thread = std::this_thread::get_id();
        std::vector<int> order;
        Future<> all;
        std::thread poster([&, handle = get_running_loop().remote()] {
            for (int i = 0; i < 100; ++i) {
                handle.call_soon_threadsafe([&, i] {
                    EXPECT_EQ(std::this_thread::get_id(), loop_thread);
                    order.push_back(i);
                });
            }
            handle.call_soon_threadsafe([&] { all.set_result(); });
        });
        co_await all;
        poster.join();
        EXPECT_EQ(order.size(), 100u);
        EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
    });
}

TEST_P(RemoteTest, APostWakesALoopThatWaits) {
    EventLoop loop(here());
    std::thread poster([&, handle = loop.remote()] {
        std::this_thread::sleep_for(5ms);
        handle.call_soon_threadsafe([&] { loop.stop(); });
    });
    loop.run_forever();
    poster.join();
}

TEST_P(RemoteTest, AHandleOfAClosedLoopRefuses) {
    std::optional<LoopHandle> handle;
    std::optional<RemoteFuture<int>> future;
    std::optional<RemoteTask> task;
    asyncio::run(
        [&]() -> Coro<> {
            handle = get_running_loop().remote();
            EXPECT_FALSE(handle->is_closed());
            Future<int> pending;
            future = pending.remote();
            task = create_task([](Future<int> f) -> Coro<> { co_await f; }(pending)).remote();
            EXPECT_FALSE(future->done());
            co_await sleep(0s);
        },
        here());
    EXPECT_TRUE(handle->is_closed());
    EXPECT_EQ(thrown<RuntimeError>([&] { handle->call_soon_threadsafe([] {}); }), "event loop is closed");
    EXPECT_EQ(thrown<RuntimeError>([&] { future->set_result(1); }), "event loop is closed");
    EXPECT_EQ(thrown<RuntimeError>([&] { future->set_exception(ValueError("late")); }),
              "event loop is closed");
    EXPECT_EQ(thrown<RuntimeError>([&] { task->cancel(); }), "event loop is closed");
    EXPECT_TRUE(task->done());
    EXPECT_TRUE(future->done());
}

TEST_P(RemoteTest, RemoteFuturesAndTasksWork) {
    run([]() -> Coro<> {
        Future<std::string> future;
        Future<> failing;
        Future<int> done;
        auto victim = create_task(forever());
        std::thread other(
            [f = future.remote(), g = failing.remote(), d = done.remote(), t = victim.remote()] {
                f.set_result("from afar");
                f.set_result("too late: without effect");
                g.set_exception(ValueError("from afar"));
                t.cancel();
                t.cancel();
                d.set_result(1);
            });
        std::string got = co_await future;
        EXPECT_EQ(got, "from afar");
        std::string text;
        try {
            co_await failing;
        } catch (const ValueError& error) {
            text = error.what();
        }
        EXPECT_EQ(text, "from afar");
        co_await wait(handles(victim));
        EXPECT_TRUE(victim.cancelled());
        co_await done;
        other.join();
        co_await sleep(0s);
    });
}

TEST_P(RemoteTest, LettingManyHandlesGoCostsNoLookAtAllOthers) {
    run([]() -> Coro<> {
        // The costs of so many and of four times as many, in this thread's own processor time.
        const auto seconds = [](std::size_t count) -> Coro<double> {
            const std::vector<Future<int>> futures(count);
            std::vector<RemoteFuture<int>> handles;
            handles.reserve(count);
            for (const Future<int>& each : futures) handles.push_back(each.remote());
            // From the middle outwards: a search would take long, from whichever end.
            for (std::size_t i = 1; i != count; ++i) std::swap(handles[i], handles[i / 2]);
            EventLoop& loop = get_running_loop();
            const double start = test::processor_seconds();
            handles.clear();
            while (!loop.impl().anchors.empty()) co_await sleep(0s);
            co_return test::processor_seconds() - start;
        };
        co_await seconds(1000);
        double ratio = 100;
        for (int attempt = 0; attempt != 5 && ratio > 10; ++attempt) {
            const double few = co_await seconds(10'000);
            const double many = co_await seconds(40'000);
            ratio = std::min(ratio, many / few);
        }
        EXPECT_LT(ratio, 10) << "16: each was looked for among all others";
    });
}

TEST_P(RemoteTest, HandlesThatHaveGoneLeaveNothingWithTheTask) {
    run([]() -> Coro<> {
        Future<int> future;
        for (int i = 0; i < 100; ++i) {
            static_cast<void>(future.remote());
            co_await sleep(0s);
            co_await sleep(0s);
        }
        const auto before = detail::blocks_in_use();
        future.set_result(1);
        EXPECT_EQ(get_running_loop().impl().ready.size(), 0u) << "callbacks are to be called";
        EXPECT_EQ(detail::blocks_in_use(), before);
        co_await sleep(0s);
    });
}

TEST_P(RemoteTest, WithoutMemoryThereIsNoHandleAndNothingIsHeld) {
    if (!test::AllocationFailure::works()) GTEST_SKIP() << "this sanitizer's operator new cannot be replaced";
    run([]() -> Coro<> {
        auto task = create_task(forever());
        Future<> future;
        bool refused = true;
        for (long at = 1; refused; ++at) {
            refused = false;
            std::optional<RemoteTask>
                of_task;  // let go with memory: without, the loop would hold on to its end
            std::optional<RemoteFuture<>> of_future;
            try {
                const test::AllocationFailure failure(at);
                of_task.emplace(task.remote());
                of_future.emplace(future.remote());
            } catch (const std::bad_alloc&) {
                refused = true;
            }
            of_task.reset();
            of_future.reset();
            co_await sleep(0s);  // the handles that are gone say so to the loop
            co_await sleep(0s);
            EXPECT_EQ(impl_of(detail::current_loop)->anchors.size(), 0u);
        }
        task.cancel();
        co_await wait(handles(task));
        EXPECT_TRUE(task.cancelled());
    });
}

TEST_P(RemoteTest, RunCoroutineThreadsafeGivesResultsAndExceptionsToTheOtherThread) {
    run([]() -> Coro<> {
        Future<> finished;
        std::thread other([handle = get_running_loop().remote(), end = finished.remote()] {
            auto good = run_coroutine_threadsafe(
                [](int n) -> Coro<int> {
                    co_await sleep(1ms);
                    co_return n + 1;
                }(4),
                handle);
            EXPECT_EQ(good.get(), 5);
            EXPECT_TRUE(good.done());
            auto bad = run_coroutine_threadsafe(
                []() -> Coro<> {
                    co_await sleep(0s);
                    throw ValueError("from the loop");
                }(),
                handle);
            EXPECT_EQ(thrown<ValueError>([&] { bad.get(); }), "from the loop");
            auto moved =
                run_coroutine_threadsafe([]() -> Coro<MoveOnly> { co_return MoveOnly(3); }(), handle);
            EXPECT_EQ(moved.get().value(), 3);
            auto slow = run_coroutine_threadsafe(forever(), handle);
            EXPECT_FALSE(slow.wait_for(0s));
            EXPECT_TRUE(slow.cancel());
            EXPECT_THROW(slow.get(), CancelledError);
            EXPECT_FALSE(slow.cancel());
            end.set_result();
        });
        co_await finished;
        other.join();
        co_await sleep(0s);
    });
}

TEST_P(RemoteTest, ACoroutineThatTheLoopNeverCameToEndsCancelled) {
    std::optional<ConcurrentFuture<int>> future;
    int alive = 0;
    {
        EventLoop loop(here());
        std::thread other([&, handle = loop.remote()] {
            future = run_coroutine_threadsafe(
                [](Counted c) -> Coro<int> {
                    co_await forever();
                    co_return c.value();
                }(Counted(&alive)),
                handle);
        });
        other.join();
        loop.close();
    }
    EXPECT_THROW(future->get(), CancelledError);
    future.reset();
    EXPECT_EQ(alive, 0);
}

TEST_P(RemoteTest, ACapturingLambdasCoroutineIsRefusedFromAfarToo) {
    run([]() -> Coro<> {
        int n = 5;
        auto lambda = [&n]() -> Coro<int> { co_return n; };
        std::string text;
        Future<> finished;
        std::thread other([&, handle = get_running_loop().remote(), end = finished.remote()] {
            text = thrown<RuntimeError>([&] { run_coroutine_threadsafe(lambda(), handle); });
            end.set_result();
        });
        co_await finished;
        other.join();
        EXPECT_NE(text.find("was made by calling a lambda that captures"), std::string::npos) << text;
        co_await sleep(0s);
    });
}

TEST_P(RemoteTest, AResultForAnotherThreadIsTakenOnce) {
    run([]() -> Coro<> {
        std::string second;
        const auto elsewhere = [&, loop = get_running_loop().remote()] {
            auto result = run_coroutine_threadsafe(
                []() -> Coro<std::string> { co_return "a result of some length, to be moved"; }(), loop);
            EXPECT_EQ(result.get(), "a result of some length, to be moved");
            try {
                result.get();
            } catch (const InvalidStateError& error) {
                second = error.what();
            }
        };
        co_await to_thread(std::ref(elsewhere));
        EXPECT_NE(second.find("already taken"), std::string::npos) << second;
    });
}

TEST_P(RemoteTest, WaitingOnTheLoopsOwnThreadIsRefused) {
    run([]() -> Coro<> {
        auto future = run_coroutine_threadsafe([]() -> Coro<> { co_return; }(), get_running_loop().remote());
        EXPECT_NE(thrown<RuntimeError>([&] { future.get(); }).find("would block this thread's event loop"),
                  std::string::npos);
        co_await sleep(1ms);
        EXPECT_TRUE(future.done());
        future.get();
    });
}

// ---- the stress ---------------------------------------------------------------------------------

struct Counts {
    std::atomic<long> run{0};
    std::atomic<long> destroyed_by_loop{0};
    std::atomic<long> destroyed_by_poster{0};
};

/// A post that tells how it ended, once.
class Post {
  public:
    explicit Post(Counts* c) : counts_(c), poster_(std::this_thread::get_id()) {}
    Post(Post&& other) noexcept : counts_(std::exchange(other.counts_, nullptr)), poster_(other.poster_) {}
    ~Post() {
        if (counts_ == nullptr) return;
        (std::this_thread::get_id() == poster_ ? counts_->destroyed_by_poster : counts_->destroyed_by_loop) +=
            1;
    }
    void operator()() {
        EXPECT_NE(std::this_thread::get_id(), poster_);
        std::exchange(counts_, nullptr)->run += 1;
    }

  private:
    Counts* counts_;
    std::thread::id poster_;
};

TEST_P(RemoteSlowTest, EightPostersAgainstAThousandLoopsLoseNothing) {
    constexpr int cycles = 1000;
    constexpr int posters = 8;
    Counts counts;
    std::atomic<long> posted{0};
    std::atomic<long> refused{0};
    std::atomic<bool> ended{false};
    std::mutex mutex;
    std::optional<LoopHandle> current;  // guarded by mutex

    std::vector<std::thread> threads;
    for (int i = 0; i < posters; ++i) {
        threads.emplace_back([&] {
            while (!ended) {
                std::optional<LoopHandle> handle;
                {
                    std::lock_guard lock(mutex);
                    handle = current;
                }
                for (int n = 0; handle && n < 20; ++n) {
                    ++posted;
                    try {
                        handle->call_soon_threadsafe(Post(&counts));
                    } catch (const RuntimeError&) {
                        ++refused;
                        break;
                    }
                }
                std::this_thread::yield();
            }
        });
    }
    for (int cycle = 0; cycle < cycles; ++cycle) {
        EventLoop loop(here());
        {
            std::lock_guard lock(mutex);
            current = loop.remote();
        }
        for (int n = 0; n < cycle % 5; ++n) loop.poll_once();
        const long before = counts.run;
        while (cycle % 4 == 0 && counts.run == before) {
            loop.poll_once();
            std::this_thread::yield();
        }
        loop.close();
    }
    ended = true;
    for (auto& thread : threads) thread.join();
    current.reset();
    EXPECT_EQ(counts.run + counts.destroyed_by_loop + counts.destroyed_by_poster, posted);
    EXPECT_EQ(counts.destroyed_by_poster, refused);
    EXPECT_GT(counts.run, 0);
}

}}  // namespace asyncio::task_test
