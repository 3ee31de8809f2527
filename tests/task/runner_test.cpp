// run and Runner. Ctrl-C is in interrupt_test.cpp.
#include "asyncio/task/runner.hpp"

#include <gtest/gtest.h>

#include <signal.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "asyncio/asyncio.hpp"
#include "task/task_support.hpp"

namespace asyncio::task_test { namespace {

class RunnerTest : public test::BackendTest {
  protected:
    RunOptions here() const {
        test::note_backend(backend());
        return {.backend = backend()};
    }
};
ASYNCIO_ON_EVERY_BACKEND(RunnerTest);

Coro<int> seven() {
    co_await sleep(1ms);
    co_return 7;
}
Coro<> fails(std::string text) {
    co_await sleep(1ms);
    throw ValueError(text);
}

TEST_P(RunnerTest, RunGivesTheResultOrThrows) {
    EXPECT_EQ(asyncio::run(seven(), here()), 7);
    asyncio::run([]() -> Coro<> { co_return; }, here());
    EXPECT_EQ(asyncio::run([]() -> Coro<MoveOnly> { co_return MoveOnly(5); }, here()).value(), 5);
    EXPECT_EQ(thrown<ValueError>([&] { asyncio::run(fails("its own"), here()); }), "its own");
    EXPECT_THROW(asyncio::run(
                     []() -> Coro<> {
                         throw 42;
                         co_return;
                     },
                     here()),
                 int);
}

TEST_P(RunnerTest, TheMainTaskMayEndCancelled) {
    EXPECT_THROW(asyncio::run(
                     []() -> Coro<> {
                         current_task().cancel();
                         co_await sleep(1s);
                     },
                     here()),
                 CancelledError);
}

TEST_P(RunnerTest, InsideARunningLoopItIsRefusedAndTheCureIsNamed) {
    asyncio::run(
        []() -> Coro<> {
            int alive = 0;
            const std::string text = thrown<RuntimeError>(
                [&] { asyncio::run([](Counted) -> Coro<> { co_return; }(Counted(&alive))); });
            EXPECT_NE(text.find("asyncio::run cannot be called from a running event loop"), std::string::npos)
                << text;
            EXPECT_NE(text.find("co_await"), std::string::npos) << text;
            EXPECT_EQ(alive, 0);
            Runner runner;
            EXPECT_THROW(runner.run(seven()), RuntimeError);
            co_await sleep(0s);
        },
        here());
}

TEST_P(RunnerTest, RunnersOfOtherThreadsAreIndependent) {
    asyncio::run(
        [](RunOptions options) -> Coro<> {
            const RunOptions copy = options;
            int n = co_await to_thread([](RunOptions o) { return asyncio::run(seven(), o); }, copy);
            EXPECT_EQ(n, 7);
        }(here()),
        here());
}

TEST_P(RunnerTest, RemainingTasksAreCancelledAndWaitedFor) {
    Log log;
    int alive = 0;
    asyncio::run(
        [](Log& out, int* count) -> Coro<> {
            create_task(
                [](Log& inner, Counted) -> Coro<> {
                    try {
                        co_await sleep(1h);
                    } catch (const CancelledError&) {
                        inner.push_back("cancelled");
                    }
                    co_await sleep(1ms);
                    inner.push_back("cleaned up");
                },
                std::ref(out), Counted(count));
            co_await sleep(0s);
            out.push_back("main ends");
        }(log, &alive),
        here());
    EXPECT_EQ(log, (Log{"main ends", "cancelled", "cleaned up"}));
    EXPECT_EQ(alive, 0);
}

TEST_P(RunnerTest, ARunnerKeepsItsLoopAndItsTasksBetweenRuns) {
    Runner runner(here());
    EventLoop* const loop = &runner.get_loop();
    std::optional<Task<int>> task;
    runner.run([&]() -> Coro<> {
        EXPECT_EQ(&get_running_loop(), loop);
        task = create_task(seven());
        co_return;
    });
    EXPECT_FALSE(task->done());
    const int n = runner.run([&]() -> Coro<int> { co_return co_await *task; });
    EXPECT_EQ(n, 7);
    EXPECT_EQ(thrown<ValueError>([&] { runner.run(fails("once")); }), "once");
    EXPECT_EQ(runner.run(seven()), 7);
    runner.close();
    runner.close();
    EXPECT_EQ(thrown<RuntimeError>([&] { runner.run(seven()); }), "Runner is closed");
}

TEST_P(RunnerTest, ARunnerThatNeverRanClosesAndRefusesToBeClosedWhileItRuns) {
    Runner unused(here());
    unused.close();
    Runner runner(here());
    runner.run([&]() -> Coro<> {
        EXPECT_THROW(runner.close(), RuntimeError);
        co_return;
    });
}

TEST_P(RunnerTest, DebugModeComesFromTheOptionsOrTheEnvironment) {
    const auto is_debug = [](RunOptions options) {
        return asyncio::run([]() -> Coro<bool> { co_return get_running_loop().get_debug(); }, options);
    };
    RunOptions options = here();
    EXPECT_FALSE(is_debug(options));
    setenv("ASYNCIO_DEBUG", "1", 1);
    EXPECT_TRUE(is_debug(options));
    setenv("ASYNCIO_DEBUG", "0", 1);
    EXPECT_FALSE(is_debug(options));
    unsetenv("ASYNCIO_DEBUG");
    options.debug = true;
    EXPECT_TRUE(is_debug(options));
}

TEST_P(RunnerTest, TheBackendComesFromTheEnvironmentToo) {
    const auto used = [](RunOptions options) {
        return asyncio::run([]() -> Coro<Backend> { co_return get_running_loop().backend(); }, options);
    };
    EXPECT_EQ(used(here()), backend());
    const char* const before = getenv("ASYNCIO_BACKEND");
    const std::string kept = before != nullptr ? before : "";
    setenv("ASYNCIO_BACKEND", std::string(to_string(backend())).c_str(), 1);
    EXPECT_EQ(used({}), backend());
    setenv("ASYNCIO_BACKEND", "abacus", 1);
    const std::string text = thrown<RuntimeError>([&] { used({}); });
    EXPECT_NE(text.find("ASYNCIO_BACKEND=abacus"), std::string::npos) << text;
    EXPECT_EQ(used(here()), backend());
    if (before != nullptr) {
        setenv("ASYNCIO_BACKEND", kept.c_str(), 1);
    } else {
        unsetenv("ASYNCIO_BACKEND");
    }
}

TEST_P(RunnerTest, SigintIsAtItsDefaultAgainAndAHandlerOfTheUserIsLeftAlone) {
    struct sigaction before{};
    sigaction(SIGINT, nullptr, &before);
    EXPECT_EQ(before.sa_handler, SIG_DFL);
    asyncio::run(
        []() -> Coro<> {
            struct sigaction now{};
            sigaction(SIGINT, nullptr, &now);
            EXPECT_NE(now.sa_handler, SIG_DFL);
            co_return;
        },
        here());
    sigaction(SIGINT, nullptr, &before);
    EXPECT_EQ(before.sa_handler, SIG_DFL);
    signal(SIGINT, SIG_IGN);
    asyncio::run(
        []() -> Coro<> {
            struct sigaction now{};
            sigaction(SIGINT, nullptr, &now);
            EXPECT_EQ(now.sa_handler, SIG_IGN);
            co_return;
        },
        here());
    sigaction(SIGINT, nullptr, &before);
    EXPECT_EQ(before.sa_handler, SIG_IGN);
    signal(SIGINT, SIG_DFL);
}

TEST_P(RunnerTest, TheFirstSigintCancelsTheMainTaskAndBecomesKeyboardInterrupt) {
    Log log;
    EXPECT_THROW(asyncio::run(
                     [](Log& out) -> Coro<> {
                         get_running_loop().call_soon([] { raise(SIGINT); });
                         try {
                             co_await sleep(1h);
                         } catch (const CancelledError&) {
                             out.push_back("cancelled");
                             throw;
                         }
                     }(log),
                     here()),
                 KeyboardInterrupt);
    EXPECT_EQ(log, Log{"cancelled"});
}

TEST_P(RunnerTest, AMainTaskThatSwallowsTheInterruptGoesOn) {
    EXPECT_EQ(asyncio::run(
                  []() -> Coro<int> {
                      get_running_loop().call_soon([] { raise(SIGINT); });
                      try {
                          co_await sleep(1h);
                      } catch (const CancelledError&) {
                          current_task().uncancel();
                      }
                      co_await sleep(1ms);
                      co_return 3;
                  },
                  here()),
              3);
}

TEST_P(RunnerTest, ARunnerThatWasInterruptedCanRunAgain) {
    Runner runner(here());
    for (int i = 0; i < 3; ++i) {
        EXPECT_THROW(runner.run([]() -> Coro<> {
            get_running_loop().call_soon([] { raise(SIGINT); });
            co_await sleep(1h);
        }),
                     KeyboardInterrupt);
        EXPECT_EQ(runner.run(seven()), 7);
    }
}

TEST_P(RunnerTest, LoopsOnOtherThreadsDoNotTouchSignals) {
    std::thread other([options = here()] {
        asyncio::run(
            []() -> Coro<> {
                struct sigaction now{};
                sigaction(SIGINT, nullptr, &now);
                EXPECT_EQ(now.sa_handler, SIG_DFL);
                co_return;
            },
            options);
    });
    other.join();
}

}}  // namespace asyncio::task_test
