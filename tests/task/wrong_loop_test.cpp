// Scopes and handles that get into the hands of another loop: refused by name, before anything is mixed up.
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "asyncio/asyncio.hpp"
#include "support/gate.hpp"
#include "task/task_support.hpp"

namespace asyncio::task_test { namespace {

class WrongLoopTest : public test::BackendTest {
  protected:
    /// What `use` throws in a coroutine of another thread's loop, while this one stands still.
    template <class F>
    std::string thrown_elsewhere(F use) {
        std::string text;
        std::thread other([&] {
            asyncio::run(
                [](F& f, std::string& told) -> Coro<> {
                    try {
                        co_await f();
                    } catch (const RuntimeError& error) {
                        told = error.what();
                    }
                }(use, text),
                {.backend = backend()});
        });
        other.join();
        return text;
    }
};
ASYNCIO_ON_EVERY_BACKEND(WrongLoopTest);

TEST_P(WrongLoopTest, ATaskGroupTakesNoTasksOfAnotherLoop) {
    run([this]() -> Coro<> {
        int ran = 0;
        co_await with(TaskGroup{}, [&](TaskGroup& group) -> Coro<> {
            const auto child = [&]() -> Coro<> {
                ++ran;
                co_return;
            };
            const std::string text = thrown_elsewhere([&]() -> Coro<> {
                group.create_task(child);
                co_return;
            });
            EXPECT_EQ(text.find("this TaskGroup belongs to another event loop"), 0u) << text;
            group.create_task(child);
            co_return;
        });
        EXPECT_EQ(ran, 1);
    });
}

TEST_P(WrongLoopTest, ATimeoutIsRescheduledByItsOwnLoop) {
    run([this]() -> Coro<> {
        co_await with(timeout(1h), [&](Timeout& limit) -> Coro<> {
            const TimePoint when = limit.when();
            const std::string text = thrown_elsewhere([&]() -> Coro<> {
                limit.reschedule(when + 1h);
                co_return;
            });
            EXPECT_EQ(text.find("cannot reschedule a timeout that belongs to another event loop"), 0u)
                << text;
            EXPECT_EQ(limit.when(), when);
            co_return;
        });
    });
}

TEST_P(WrongLoopTest, AFlowGivesItsItemsToItsOwnLoop) {
    run([this]() -> Coro<> {
        const auto call = [](int i) -> Coro<int> { co_return i; };
        const std::vector<int> numbers(3, 1);
        co_await with(map(2, numbers, call), [&](Flow<int>& items) -> Coro<> {
            const std::string text = thrown_elsewhere([&]() -> Coro<> { co_await items.next(); });
            EXPECT_EQ(text.find("next() of a Flow that belongs to another event loop"), 0u) << text;
            int sum = 0;
            while (auto item = co_await items.next()) sum += *item;
            EXPECT_EQ(sum, 3);
        });
    });
}

TEST_P(WrongLoopTest, AnAsCompletedGivesItsTasksToItsOwnLoop) {
    run([this]() -> Coro<> {
        std::vector<Coro<int>> coros;
        coros.push_back(after(1ms, 2));
        co_await with(as_completed(std::move(coros)), [&](AsCompleted<int>& them) -> Coro<> {
            const std::string text = thrown_elsewhere([&]() -> Coro<> { co_await them.next(); });
            EXPECT_EQ(text.find("next() of an as_completed that belongs to another event loop"), 0u) << text;
            const auto first = co_await them.next();
            EXPECT_EQ(first->result(), 2);
        });
    });
}

TEST_P(WrongLoopTest, HandlesMayBeLookedAtWhileTheirLoopRests) {
    EventLoop loop({.backend = backend()});
    const auto task = loop.create_task(after(1h, 1));
    std::thread([&] { EXPECT_FALSE(task.done()); }).join();
    asyncio::run(
        [](Task<int> foreign) -> Coro<> {
            EXPECT_FALSE(foreign.done());
            EXPECT_EQ(foreign.cancelling(), 0);
            co_return;
        }(task),
        {.backend = backend()});
}

#ifndef NDEBUG
using WrongLoopDeathTest = WrongLoopTest;
ASYNCIO_ON_EVERY_BACKEND(WrongLoopDeathTest);

TEST_P(WrongLoopDeathTest, ALookAtATaskOfALoopThatRunsElsewhereIsAnAssertionInDebugBuilds) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    const auto looks = [this](void (*look)(const Task<int>&)) {
        asyncio::run(
            [](void (*use)(const Task<int>&)) -> Coro<> {
                const auto task = create_task(after(1h, 1));
                std::thread([&] { use(task); }).join();
                co_return;
            }(look),
            {.backend = backend()});
    };
    const char* const told = "was used on another thread than its loop's.*remote\\(\\)";
    EXPECT_DEATH(looks([](const Task<int>& task) { task.done(); }), told);
    EXPECT_DEATH(looks([](const Task<int>& task) { task.uncancel(); }), told);
    EXPECT_DEATH(looks([](const Task<int>& task) { task.exception(); }), told);
    EXPECT_DEATH(looks([](const Task<int>& task) { task.result(); }), told);
}
#endif

}}  // namespace asyncio::task_test
