// ThreadPoolExecutor and run_in_executor.
#include "asyncio/task/executor.hpp"

#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "asyncio/asyncio.hpp"
#include "asyncio/testing/testing.hpp"
#include "detail/loop_impl.hpp"
#include "support/gate.hpp"
#include "task/task_support.hpp"

namespace asyncio::task_test { namespace {

using test::Gate;

std::string this_threads_name() {
    char name[16] = "";
    pthread_getname_np(pthread_self(), name, sizeof name);
    return name;
}

/// Notes where it dies.
class Homesick {
  public:
    explicit Homesick(std::shared_ptr<std::atomic<int>> elsewhere) : elsewhere_(std::move(elsewhere)) {}
    Homesick(Homesick&&) noexcept = default;
    Homesick(const Homesick&) = delete;
    Homesick& operator=(const Homesick&) = delete;
    ~Homesick() {
        if (elsewhere_ != nullptr && std::this_thread::get_id() != home_) ++*elsewhere_;
    }

  private:
    std::shared_ptr<std::atomic<int>> elsewhere_;
    std::thread::id home_ = std::this_thread::get_id();
};

// ---- submit, from plain threads -----------------------------------------------------------------

class ExecutorTest : public test::LoopTest {};

TEST_F(ExecutorTest, CallsOnAThreadOfItsOwnAndGivesTheResult) {
    ThreadPoolExecutor pool;
    auto id = pool.submit([] { return std::this_thread::get_id(); });
    EXPECT_NE(id.get(), std::this_thread::get_id());
    EXPECT_EQ(pool.submit([](int a, int b) { return a + b; }, 2, 3).get(), 5);
    auto nothing = pool.submit([] {});
    nothing.get();
    EXPECT_TRUE(nothing.done());
    EXPECT_EQ(pool.submit([](MoveOnly m) { return m; }, MoveOnly(4)).get().value(), 4);
    auto failing = pool.submit([]() -> int { throw ValueError("from the thread"); });
    EXPECT_EQ(thrown<ValueError>([&] { failing.get(); }), "from the thread");
}

TEST_F(ExecutorTest, ThreadsAreNamedAndTakeNoSignals) {
    ThreadPoolExecutor named({.max_workers = 1, .thread_name_prefix = "crunch"});
    EXPECT_EQ(named.submit(&this_threads_name).get(), "crunch_0");
    ThreadPoolExecutor too_long({.max_workers = 1, .thread_name_prefix = "a-name-of-some-length"});
    EXPECT_EQ(too_long.submit(&this_threads_name).get(), "a-name-of-som_0");
    ThreadPoolExecutor plain;
    EXPECT_EQ(plain.submit(&this_threads_name).get().substr(0, 5), "pool-");
    EXPECT_TRUE(plain
                    .submit([] {
                        sigset_t mask;
                        pthread_sigmask(SIG_SETMASK, nullptr, &mask);
                        return sigismember(&mask, SIGINT) == 1;
                    })
                    .get());
}

TEST_F(ExecutorTest, NoMoreThreadsThanWereAskedFor) {
    std::atomic<int> inside{0};
    std::atomic<int> most{0};
    {
        ThreadPoolExecutor pool({.max_workers = 2});
        for (int i = 0; i < 200; ++i) {
            pool.submit([&] {
                const int now = ++inside;
                int before = most;
                while (before < now && !most.compare_exchange_weak(before, now)) {}
                std::this_thread::yield();
                --inside;
            });
        }
    }
    EXPECT_LE(most, 2);
    EXPECT_EQ(inside, 0);
}

TEST_F(ExecutorTest, AfterShutdownItRefuses) {
    ThreadPoolExecutor pool;
    auto last = pool.submit([] { return 1; });
    pool.shutdown();
    pool.shutdown();
    EXPECT_TRUE(last.done());
    EXPECT_EQ(thrown<RuntimeError>([&] { pool.submit([] {}); }),
              "cannot schedule new futures after shutdown");
}

TEST_F(ExecutorTest, ShutdownRunsWhatWasSubmittedOrCancelsIt) {
    for (const bool cancel : {false, true}) {
        int alive = 0;
        Gate gate;
        ThreadPoolExecutor pool({.max_workers = 1});
        auto running = pool.submit([&] { gate.pass(); });
        gate.wait_until_somebody_is_there();
        auto waiting = pool.submit([](Counted c) { return c.value(); }, Counted(&alive, 7));
        EXPECT_EQ(alive, 1);
        pool.shutdown({.wait = false, .cancel_futures = cancel});
        if (cancel) {
            EXPECT_TRUE(waiting.done());
            EXPECT_THROW(waiting.get(), CancelledError);
        } else {
            EXPECT_FALSE(waiting.done());
        }
        gate.open();
        pool.shutdown();
        running.get();
        if (!cancel) {
            EXPECT_EQ(waiting.get(), 7);
        }
        EXPECT_EQ(alive, 0);
    }
}

TEST_F(ExecutorTest, ACallIsTakenBackBeforeItBeginsAndToldToStopAfterwards) {
    Gate gate;
    std::atomic<bool> called{false};
    ThreadPoolExecutor pool({.max_workers = 1});
    auto running = pool.submit([&](std::stop_token token) {
        gate.open();
        while (!token.stop_requested()) std::this_thread::yield();
        return 3;
    });
    gate.pass();
    auto waiting = pool.submit([&] { called = true; });
    EXPECT_TRUE(waiting.cancel());
    EXPECT_TRUE(waiting.done());
    EXPECT_THROW(waiting.get(), CancelledError);
    EXPECT_FALSE(running.cancel());
    EXPECT_EQ(running.get(), 3);
    EXPECT_FALSE(running.cancel());
    pool.shutdown();
    EXPECT_FALSE(called);
}

TEST_F(ExecutorTest, ABoundedQueueMakesTheSubmitterWait) {
    Gate gate;
    std::atomic<int> submitted{0};
    ThreadPoolExecutor pool({.max_workers = 1, .max_queued = 1});
    std::thread submitter([&] {
        for (int i = 0; i < 3; ++i) {
            pool.submit([&] { gate.pass(); });
            ++submitted;
        }
    });
    gate.wait_until_somebody_is_there();
    while (submitted != 2) std::this_thread::yield();
    gate.open();
    submitter.join();
    EXPECT_EQ(submitted, 3);
}

TEST_F(ExecutorTest, WhoWaitsForRoomIsRefusedByTheShutdown) {
    Gate gate;
    std::string refused;
    ThreadPoolExecutor pool({.max_workers = 1, .max_queued = 1});
    pool.submit([&] { gate.pass(); });
    gate.wait_until_somebody_is_there();
    pool.submit([] {});
    std::thread submitter([&] { refused = thrown<RuntimeError>([&] { pool.submit([] {}); }); });
    pool.shutdown({.wait = false});
    submitter.join();
    EXPECT_EQ(refused, "cannot schedule new futures after shutdown");
    gate.open();
}

/// May be moved so many times.
class Reluctant {
  public:
    explicit Reluctant(int moves) : moves_(moves) {}
    Reluctant(Reluctant&& other) : moves_(other.moves_ - 1) {
        if (moves_ < 0) throw ValueError("moved too often");
    }

  private:
    int moves_;
};

TEST_F(ExecutorTest, AResultThatCannotBeMovedIsAnErrorOfTheCall) {
    ThreadPoolExecutor pool({.max_workers = 1});
    for (int moves = 0; moves < 2; ++moves) {
        auto result = pool.submit([moves] { return Reluctant(moves); });
        EXPECT_EQ(thrown<ValueError>([&] { result.get(); }), "moved too often") << moves;
    }
    auto result = pool.submit([] { return Reluctant(2); });
    EXPECT_NO_THROW(result.get()) << "to its place, and out of it";
}

/// Dies with its thread, slowly.
class LastWords {
  public:
    explicit LastWords(std::atomic<int>& said) : said_(said) {}
    ~LastWords() {
        std::this_thread::sleep_for(20ms);
        ++said_;
    }

  private:
    std::atomic<int>& said_;
};
void leave_last_words(std::atomic<int>& said) { thread_local const LastWords words(said); }

TEST_F(ExecutorTest, WhoWaitsForTheThreadsWaitsForTheirThreadLocalObjects) {
    std::atomic<int> said{0};
    {
        ThreadPoolExecutor pool({.max_workers = 1});
        pool.submit([&] { leave_last_words(said); });
    }
    EXPECT_EQ(said, 1) << "the destructor";
    ThreadPoolExecutor pool({.max_workers = 1});
    pool.submit([&] { leave_last_words(said); });
    std::thread other([&] {
        pool.shutdown();
        EXPECT_EQ(said, 2) << "a second thread that waits";
    });
    pool.shutdown();
    EXPECT_EQ(said, 2) << "shutdown";
    other.join();
    asyncio::run([](std::atomic<int>& words) -> Coro<> {
        co_await to_thread([&] { leave_last_words(words); });
    }(said));
    EXPECT_EQ(said, 3) << "the loop";
    asyncio::run([](std::atomic<int>& words) -> Coro<> {
        co_await to_thread([&] { leave_last_words(words); });
        co_await get_running_loop().shutdown_default_executor();
        EXPECT_EQ(words, 4) << "shutdown_default_executor";
    }(said));
}

TEST_F(ExecutorTest, OnItsOwnThreadsItRefusesToWaitForItself) {
    ThreadPoolExecutor pool({.max_workers = 1, .max_queued = 1});
    auto shut = pool.submit([&] { return thrown<RuntimeError>([&] { pool.shutdown(); }); });
    EXPECT_NE(shut.get().find("one of the executor's own threads"), std::string::npos);
    auto full = pool.submit([&] {
        pool.submit([] {});
        try {
            pool.submit([] {});
        } catch (const QueueFull&) {
            return true;
        }
        return false;
    });
    EXPECT_TRUE(full.get());
}

// ---- run_in_executor ----------------------------------------------------------------------------

class RunInExecutorTest : public test::BackendTest {};
ASYNCIO_ON_EVERY_BACKEND(RunInExecutorTest);

TEST_P(RunInExecutorTest, GivesAFutureOfTheResult) {
    run([]() -> Coro<> {
        EventLoop& loop = get_running_loop();
        ThreadPoolExecutor pool({.thread_name_prefix = "mine"});
        std::string name = co_await loop.run_in_executor(pool, &this_threads_name);
        EXPECT_EQ(name, "mine_0");
        name = co_await loop.run_in_executor(nullptr, &this_threads_name);
        EXPECT_EQ(name, "asyncio_0");
        int sum = co_await loop.run_in_executor(pool, [](int a, int b) { return a + b; }, 2, 3);
        EXPECT_EQ(sum, 5);
        co_await loop.run_in_executor(nullptr, [] {});
        MoveOnly moved = co_await loop.run_in_executor(pool, [](MoveOnly m) { return m; }, MoveOnly(4));
        EXPECT_EQ(moved.value(), 4);
        std::string text;
        try {
            co_await loop.run_in_executor(pool, []() -> int { throw ValueError("from the thread"); });
        } catch (const ValueError& error) {
            text = error.what();
        }
        EXPECT_EQ(text, "from the thread");
    });
}

TEST_P(RunInExecutorTest, StartsAtOnceWhetherOrNotAnybodyAwaitsIt) {
    run([]() -> Coro<> {
        auto gate = std::make_shared<Gate>();
        Future<> future =
            get_running_loop().run_in_executor(nullptr, [](std::shared_ptr<Gate> g) { g->pass(); }, gate);
        gate->wait_until_somebody_is_there();
        EXPECT_FALSE(future.done());
        gate->open();
        co_await future;
    });
}

TEST_P(RunInExecutorTest, WorksBeforeTheLoopRuns) {
    test::note_backend(backend());
    EventLoop loop({.backend = backend()});
    EXPECT_EQ(loop.run_until_complete(loop.run_in_executor(nullptr, [](int n) { return n; }, 5)), 5);
    loop.close();
    EXPECT_EQ(thrown<RuntimeError>([&] { loop.run_in_executor(nullptr, [] {}); }), "event loop is closed");
}

TEST_P(RunInExecutorTest, CancelledBeforeItBeginsItIsTakenBack) {
    run([]() -> Coro<> {
        EventLoop& loop = get_running_loop();
        auto gate = std::make_shared<Gate>();
        auto called = std::make_shared<std::atomic<bool>>(false);
        ThreadPoolExecutor pool({.max_workers = 1});
        auto blocker = loop.run_in_executor(pool, [](std::shared_ptr<Gate> g) { g->pass(); }, gate);
        gate->wait_until_somebody_is_there();
        int alive = 0;
        auto victim = loop.run_in_executor(
            pool, [](std::shared_ptr<std::atomic<bool>> c, Counted) { c->store(true); }, called,
            Counted(&alive));
        EXPECT_EQ(alive, 1);
        EXPECT_TRUE(victim.cancel());
        co_await sleep(0s);
        EXPECT_EQ(alive, 0) << "what it owned dies on the loop's thread, in the turn after the cancel";
        EXPECT_TRUE(victim.cancelled());
        gate->open();
        co_await blocker;
        pool.shutdown();
        EXPECT_FALSE(called->load());
    });
}

TEST_P(RunInExecutorTest, CancelledAfterItHasBegunItIsAbandonedAndItsResultDiesOnTheLoopsThread) {
    auto elsewhere = std::make_shared<std::atomic<int>>(0);
    run([&]() -> Coro<> {
        auto started = std::make_shared<Gate>();
        auto task =
            create_task([](std::shared_ptr<Gate> gate, std::shared_ptr<std::atomic<int>> e) -> Coro<> {
                co_await get_running_loop().run_in_executor(
                    nullptr,
                    [](std::stop_token token, std::shared_ptr<Gate> g, Homesick h) {
                        g->open();
                        while (!token.stop_requested()) std::this_thread::yield();
                        return h;
                    },
                    gate, Homesick(e));
            }(started, elsewhere));
        co_await sleep(0s);
        started->pass();
        task.cancel();
        co_await wait(handles(task));
        EXPECT_TRUE(task.cancelled());
        while (impl_of(detail::current_loop)->thread_jobs != 0) co_await sleep(0s);
    });
    EXPECT_EQ(*elsewhere, 0);
}

TEST_P(RunInExecutorTest, AFutureThatWasCompletedByHandKeepsThatResult) {
    run([]() -> Coro<> {
        auto gate = std::make_shared<Gate>();
        auto future = get_running_loop().run_in_executor(
            nullptr,
            [](std::shared_ptr<Gate> g) {
                g->pass();
                return 1;
            },
            gate);
        gate->wait_until_somebody_is_there();
        future.set_result(2);
        gate->open();
        while (impl_of(detail::current_loop)->thread_jobs != 0) co_await sleep(0s);
        int got = co_await future;
        EXPECT_EQ(got, 2);
    });
}

TEST_P(RunInExecutorTest, WhatTheExecutorCancelsAtItsShutdownIsCancelledHere) {
    run([]() -> Coro<> {
        EventLoop& loop = get_running_loop();
        auto gate = std::make_shared<Gate>();
        ThreadPoolExecutor pool({.max_workers = 1});
        auto running = loop.run_in_executor(pool, [](std::shared_ptr<Gate> g) { g->pass(); }, gate);
        gate->wait_until_somebody_is_there();
        auto waiting = loop.run_in_executor(pool, [] { return 1; });
        std::thread other([&] { pool.shutdown({.wait = false, .cancel_futures = true}); });
        other.join();
        co_await wait(handles(waiting));
        EXPECT_TRUE(waiting.cancelled());
        EXPECT_EQ(thrown<RuntimeError>([&] { loop.run_in_executor(pool, [] {}); }),
                  "cannot schedule new futures after shutdown");
        gate->open();
        co_await running;
    });
}

TEST_P(RunInExecutorTest, ABoundedQueueThatIsFullRefuses) {
    run([]() -> Coro<> {
        EventLoop& loop = get_running_loop();
        auto gate = std::make_shared<Gate>();
        ThreadPoolExecutor pool({.max_workers = 1, .max_queued = 1});
        auto running = loop.run_in_executor(pool, [](std::shared_ptr<Gate> g) { g->pass(); }, gate);
        gate->wait_until_somebody_is_there();
        auto waiting = loop.run_in_executor(pool, [] {});
        bool full = false;
        try {
            loop.run_in_executor(pool, [] {});
        } catch (const QueueFull&) {
            full = true;
        }
        EXPECT_TRUE(full);
        gate->open();
        co_await gather(running, waiting);
    });
}

TEST_P(RunInExecutorTest, TheDefaultExecutorCanBeReplaced) {
    run([]() -> Coro<> {
        EventLoop& loop = get_running_loop();
        auto gate = std::make_shared<Gate>();
        auto before = loop.run_in_executor(nullptr, [](std::shared_ptr<Gate> g) { g->pass(); }, gate);
        gate->wait_until_somebody_is_there();
        loop.set_default_executor(ThreadPoolExecutor({.max_workers = 1, .thread_name_prefix = "new"}));
        std::string name = co_await to_thread(&this_threads_name);
        EXPECT_EQ(name, "new_0");
        name = co_await loop.run_in_executor(nullptr, &this_threads_name);
        EXPECT_EQ(name, "new_0");
        gate->open();
        co_await before;
    });
}

TEST_P(RunInExecutorTest, TheDefaultExecutorIsShutDownWithoutBlockingTheLoop) {
    run([]() -> Coro<> {
        EventLoop& loop = get_running_loop();
        auto gate = std::make_shared<Gate>();
        auto call = loop.run_in_executor(nullptr, [](std::shared_ptr<Gate> g) { g->pass(); }, gate);
        gate->wait_until_somebody_is_there();
        auto shutdown = create_task(loop.shutdown_default_executor());
        co_await sleep(0s);
        co_await sleep(0s);
        EXPECT_FALSE(shutdown.done());
        gate->open();
        co_await shutdown;
        EXPECT_TRUE(call.done());
        std::string text;
        try {
            co_await to_thread([] {});
        } catch (const RuntimeError& error) {
            text = error.what();
        }
        EXPECT_EQ(text, "Executor shutdown has been called");
        EXPECT_EQ(thrown<RuntimeError>([&] { loop.run_in_executor(nullptr, [] {}); }),
                  "Executor shutdown has been called");
        co_await loop.shutdown_default_executor();
    });
}

TEST_P(RunInExecutorTest, AShutdownOfTheDefaultExecutorThatIsCancelledLosesNoThread) {
    run([]() -> Coro<> {
        EventLoop& loop = get_running_loop();
        auto gate = std::make_shared<Gate>();
        auto call = loop.run_in_executor(nullptr, [](std::shared_ptr<Gate> g) { g->pass(); }, gate);
        gate->wait_until_somebody_is_there();
        auto cancelled = create_task(loop.shutdown_default_executor());
        co_await sleep(0s);
        cancelled.cancel();
        co_await wait(handles(cancelled));
        EXPECT_TRUE(cancelled.cancelled());
        // Two at a time: each waits, and either may be cancelled.
        auto first = create_task(loop.shutdown_default_executor());
        auto second = create_task(loop.shutdown_default_executor());
        auto third = create_task(loop.shutdown_default_executor());
        co_await sleep(0s);
        second.cancel();
        co_await wait(handles(second));
        co_await sleep(0s);
        EXPECT_FALSE(first.done());
        EXPECT_FALSE(third.done());
        gate->open();
        co_await first;
        co_await third;
        EXPECT_EQ(impl_of(detail::current_loop)->pool, nullptr);
        EXPECT_TRUE(call.done());
    });
}

TEST_P(RunInExecutorTest, ALoopThatClosesJoinsWhatACancelledShutdownHasLeft) {
    auto gate = std::make_shared<Gate>();
    std::atomic<int> said{0};
    run([](std::shared_ptr<Gate> g, std::atomic<int>& words) -> Coro<> {
        EventLoop& loop = get_running_loop();
        auto job = [](std::shared_ptr<Gate> door, std::reference_wrapper<std::atomic<int>> w) {
            door->pass();
            leave_last_words(w);
        };
        auto call = create_task(to_thread(job, g, std::ref(words)));
        co_await sleep(0s);
        g->wait_until_somebody_is_there();
        auto cancelled = create_task(loop.shutdown_default_executor());
        co_await sleep(0s);
        cancelled.cancel();
        co_await wait(handles(cancelled));
        g->open();
        co_await call;
    }(gate, said));
    EXPECT_EQ(said, 1);
}

/// After so many turns of the loop: when the main task has ended, and the loop closes.
void open_after(int turns, EventLoop& loop, std::shared_ptr<Gate> gate) {
    loop.call_soon([turns, &loop, gate] { turns == 0 ? gate->open() : open_after(turns - 1, loop, gate); });
}

TEST_P(RunInExecutorTest, ALoopThatClosesRunsWhatItsThreadsWaitFor) {
    auto gate = std::make_shared<Gate>();
    auto got = std::make_shared<std::atomic<int>>(0);
    asyncio::run(
        [](std::shared_ptr<Gate> g, std::shared_ptr<std::atomic<int>> sum) -> Coro<> {
            EventLoop& loop = get_running_loop();
            const auto call = [](std::shared_ptr<Gate> door, LoopHandle handle,
                                 std::shared_ptr<std::atomic<int>> to) {
                door->pass();
                for (int i = 0; i < 3; ++i) *to += run_coroutine_threadsafe(after(0ms, 5), handle).get();
            };
            loop.run_in_executor(nullptr, call, g, loop.remote(), sum);
            g->wait_until_somebody_is_there();
            open_after(10, loop, g);
            co_return;
        }(gate, got),
        {.backend = backend()});
    EXPECT_EQ(*got, 15);
}

TEST_P(RunInExecutorTest, WhatAThreadStartsWhileTheLoopClosesMayStartNoMoreThreads) {
    auto gate = std::make_shared<Gate>();
    auto text = std::make_shared<std::string>();
    asyncio::run(
        [](std::shared_ptr<Gate> g, std::shared_ptr<std::string> told) -> Coro<> {
            EventLoop& loop = get_running_loop();
            const auto call = [](std::shared_ptr<Gate> door, LoopHandle handle,
                                 std::shared_ptr<std::string> to) {
                door->pass();
                const auto asks = []() -> Coro<> { co_await to_thread([] {}); };
                *to = thrown<RuntimeError>([&] { run_coroutine_threadsafe(asks(), handle).get(); });
            };
            loop.run_in_executor(nullptr, call, g, loop.remote(), told);
            g->wait_until_somebody_is_there();
            open_after(10, loop, g);
            co_return;
        }(gate, text),
        {.backend = backend()});
    EXPECT_EQ(*text, "Executor shutdown has been called");
}

class RunInExecutorRealTest : public test::BackendTest {};
ASYNCIO_ON_REAL_BACKENDS(RunInExecutorRealTest);

TEST_P(RunInExecutorRealTest, AThreadThatDoesNotEndInTimeIsNamedAndLeftBehind) {
    auto gate = std::make_shared<Gate>();
    const std::string text = printed([&] {
        asyncio::run(
            [](std::shared_ptr<Gate> g) -> Coro<> {
                EventLoop& loop = get_running_loop();
                loop.run_in_executor(nullptr, [](std::shared_ptr<Gate> door) { door->pass(); }, g);
                g->wait_until_somebody_is_there();
                co_await loop.shutdown_default_executor(5ms);
            }(gate),
            {.backend = backend()});
    });
    EXPECT_NE(text.find("1 thread(s) of to_thread still run"), std::string::npos) << text;
    EXPECT_NE(text.find("asyncio_0: "), std::string::npos) << text;
    gate->open();
    while (gate.use_count() > 1) std::this_thread::sleep_for(1ms);  // the thread ends by itself
}

TEST_P(RunInExecutorRealTest, WhatAThreadWaitsForIsCancelledWhenTheTimeToCloseIsUp) {
    auto gate = std::make_shared<Gate>();
    auto cancelled = std::make_shared<std::atomic<bool>>(false);
    printed([&] {
        asyncio::run(
            [](std::shared_ptr<Gate> g, std::shared_ptr<std::atomic<bool>> told) -> Coro<> {
                EventLoop& loop = get_running_loop();
                const auto call = [](std::shared_ptr<Gate> door, LoopHandle handle,
                                     std::shared_ptr<std::atomic<bool>> to) {
                    door->pass();
                    try {
                        run_coroutine_threadsafe(after(1h, 1), handle).get();
                    } catch (const CancelledError&) {
                        *to = true;
                    }
                };
                loop.run_in_executor(nullptr, call, g, loop.remote(), told);
                g->wait_until_somebody_is_there();
                open_after(10, loop, g);
                co_return;
            }(gate, cancelled),
            {.backend = backend(), .shutdown_timeout = 20ms});
    });
    while (cancelled.use_count() > 1) std::this_thread::sleep_for(1ms);  // the thread ends by itself
    EXPECT_TRUE(*cancelled);
}

TEST_P(RunInExecutorTest, ALoopThatClosesLetsTheFuturesOfForeignExecutorsGo) {
    auto gate = std::make_shared<Gate>();
    ThreadPoolExecutor pool({.max_workers = 1});
    std::optional<Future<int>> future;
    asyncio::run(
        [&]() -> Coro<> {
            future = get_running_loop().run_in_executor(
                pool,
                [](std::shared_ptr<Gate> g) {
                    g->pass();
                    return 1;
                },
                gate);
            gate->wait_until_somebody_is_there();
            co_return;
        },
        {.backend = backend()});
    EXPECT_FALSE(future->done());
    future.reset();
    gate->open();
    pool.shutdown();
}

TEST_P(RunInExecutorTest, ManyLoopsInManyThreadsShareAnExecutor) {
    ThreadPoolExecutor pool({.max_workers = 3});
    std::vector<std::thread> loops;
    std::atomic<int> sum{0};
    for (int i = 0; i < 4; ++i) {
        loops.emplace_back([&, backend = backend()] {
            asyncio::run(
                [&]() -> Coro<> {
                    for (int n = 0; n < 50; ++n) {
                        int got =
                            co_await get_running_loop().run_in_executor(pool, [](int m) { return m; }, n);
                        sum += got;
                        auto dropped = get_running_loop().run_in_executor(pool, [](int m) { return m; }, n);
                        if (n % 2 == 0) dropped.cancel();
                    }
                },
                {.backend = backend});
        });
    }
    for (std::thread& each : loops) each.join();
    EXPECT_EQ(sum, 4 * 49 * 50 / 2);
}

TEST_P(RunInExecutorTest, ACancelAtAnyPointLeavesNothing) {
    const auto points = testing::for_each_cancel_point(
        []() -> Coro<> {
            EventLoop& loop = get_running_loop();
            co_await loop.run_in_executor(nullptr, [](int n) { return n; }, 1);
            co_await loop.run_in_executor(nullptr, [](int n) { return n; }, 2);
        },
        {.backend = backend()});
    EXPECT_GT(points.cancelled, 0u);
}

}}  // namespace asyncio::task_test
