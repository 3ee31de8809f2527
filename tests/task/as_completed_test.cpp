// as_completed: the order of ends, the scope, the timeout.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "asyncio/asyncio.hpp"
#include "support/processor_time.hpp"
#include "task/task_support.hpp"

namespace asyncio::task_test { namespace {

class AsCompletedTest : public SimulatedTest {};

TEST_F(AsCompletedTest, GivesTheTasksInTheOrderOfTheirEnds) {
    run([]() -> Coro<> {
        std::vector<Coro<int>> jobs;
        for (int n : {5, 3, 8, 1}) jobs.push_back(after(std::chrono::seconds(n), n));
        std::vector<int> order;
        co_await with(as_completed(std::move(jobs)), [&](AsCompleted<int>& it) -> Coro<> {
            while (auto task = co_await it.next()) order.push_back(co_await *task);
            auto none = co_await it.next();
            EXPECT_FALSE(none);
        });
        EXPECT_EQ(order, (std::vector<int>{1, 3, 5, 8}));
    });
}

TEST_F(AsCompletedTest, LeavingTheScopeCancelsAndJoinsTheRest) {
    run([]() -> Coro<> {
        bool ended = false;
        int alive = 0;
        std::vector<Coro<>> jobs;
        jobs.push_back([](Counted) -> Coro<> { co_await sleep(1s); }(Counted(&alive)));
        jobs.push_back(swallows(1h, 2s, ended));
        jobs.push_back([](Counted) -> Coro<> { co_await sleep(1h); }(Counted(&alive)));
        const TimePoint start = now();
        co_await with(as_completed(std::move(jobs)), [&](AsCompleted<void>& it) -> Coro<> {
            auto first = co_await it.next();
            EXPECT_TRUE(first.has_value());
        });
        EXPECT_EQ(now() - start, 3s);
        EXPECT_TRUE(ended);
        EXPECT_EQ(alive, 0);
        EXPECT_EQ(all_tasks().size(), 1u);
    });
}

TEST_F(AsCompletedTest, ThrowingOutOfTheScopeJoinsToo) {
    run([]() -> Coro<> {
        int alive = 0;
        std::vector<Coro<>> jobs;
        jobs.push_back([](Counted) -> Coro<> { co_await sleep(1h); }(Counted(&alive)));
        std::string text;
        try {
            co_await with(as_completed(std::move(jobs)), [&](AsCompleted<void>&) -> Coro<> {
                co_await sleep(1s);
                throw ValueError("thrown out");
            });
        } catch (const ValueError& error) {
            text = error.what();
        }
        EXPECT_EQ(text, "thrown out");
        EXPECT_EQ(alive, 0);
        EXPECT_EQ(all_tasks().size(), 1u);
    });
}

TEST_F(AsCompletedTest, OfTasksNeedsNoScopeAndLeavesThemAlone) {
    run([]() -> Coro<> {
        std::vector<Task<int>> tasks;
        tasks.push_back(create_task(after(2s, 2)));
        tasks.push_back(create_task(after(1s, 1)));
        tasks.push_back(tasks[0]);  // counts once
        {
            auto it = as_completed(tasks);
            auto first = co_await it.next();
            EXPECT_EQ(first->result(), 1);
        }
        EXPECT_FALSE(tasks[0].done());
        EXPECT_EQ(tasks[0].cancelling(), 0);
        auto again = as_completed(tasks);
        int sum = 0;
        while (auto task = co_await again.next()) sum += task->result();
        EXPECT_EQ(sum, 3);
    });
}

TEST_F(AsCompletedTest, FailuresAreGivenAsTasks) {
    run([]() -> Coro<> {
        std::vector<Coro<int>> jobs;
        jobs.push_back(fails_after(1s, "bad"));
        jobs.push_back(after(2s, 2));
        Log log;
        co_await with(as_completed(std::move(jobs)), [&](AsCompleted<int>& it) -> Coro<> {
            while (auto task = co_await it.next()) {
                log.push_back(task->exception() != nullptr ? "failed" : std::to_string(task->result()));
            }
        });
        EXPECT_EQ(log, (Log{"failed", "2"}));
    });
}

TEST_F(AsCompletedTest, TheTimeoutIsForAllTogether) {
    run([]() -> Coro<> {
        std::vector<Coro<int>> jobs;
        jobs.push_back(after(1s, 1));
        jobs.push_back(after(5s, 5));
        bool late = false;
        int got = 0;
        try {
            co_await with(as_completed(std::move(jobs), {.timeout = 2s}),
                          [&](AsCompleted<int>& it) -> Coro<> {
                              while (auto task = co_await it.next()) got += task->result();
                          });
        } catch (const TimeoutError&) {
            late = true;
        }
        EXPECT_TRUE(late);
        EXPECT_EQ(got, 1);
        EXPECT_EQ(all_tasks().size(), 1u);
    });
}

TEST_F(AsCompletedTest, WhatEndsAfterTheTimeoutIsLateAlsoIfNobodyWaitedMeanwhile) {
    run([]() -> Coro<> {
        std::vector<Task<int>> tasks;
        tasks.push_back(create_task(after(1s, 1)));
        tasks.push_back(create_task(after(3s, 3)));
        tasks.push_back(create_task(after(5s, 5)));
        auto it = as_completed(tasks, {.timeout = 2s});
        auto first = co_await it.next();
        EXPECT_EQ(first->result(), 1);
        co_await sleep(3s);
        bool late = false;
        try {
            co_await it.next();
        } catch (const TimeoutError&) {
            late = true;
        }
        EXPECT_TRUE(late);
        co_await wait(tasks);
    });
}

TEST_F(AsCompletedTest, WithATimeoutItMayOutliveItsTaskAndItsLoop) {
    std::optional<AsCompleted<int>> kept;
    // Not the fixture's, which accepts no timer that is left.
    asyncio::run(
        [&]() -> Coro<> {
            Future<int> never;
            std::vector<Future<int>> futures(1, never);
            kept.emplace(as_completed(futures, {.timeout = 1h}));
            bool late = false;
            try {
                co_await wait_for([&]() -> Coro<> { co_await kept->next(); }, 1ms);
            } catch (const TimeoutError&) {
                late = true;
            }
            EXPECT_TRUE(late);
        },
        {.backend = Backend::sim});
    kept.reset();
}

TEST_F(AsCompletedTest, OneThatIsNeverEnteredDestroysItsCoroutines) {
    run([]() -> Coro<> {
        int alive = 0;
        {
            std::vector<Coro<>> jobs;
            jobs.push_back([](Counted) -> Coro<> { co_return; }(Counted(&alive)));
            auto never = as_completed(std::move(jobs));
            EXPECT_EQ(alive, 1);
        }
        EXPECT_EQ(alive, 0);
        co_return;
    });
}

TEST_F(AsCompletedTest, ACancelInNextLosesNothing) {
    run([]() -> Coro<> {
        std::vector<Task<int>> tasks;
        tasks.push_back(create_task(after(2s, 2)));
        auto it = as_completed(tasks);
        bool late = false;
        try {
            co_await with(timeout(1s), [&]() -> Coro<> {
                auto task = co_await it.next();
                ADD_FAILURE() << task->result();
            });
        } catch (const TimeoutError&) {
            late = true;
        }
        EXPECT_TRUE(late);
        auto task = co_await it.next();
        EXPECT_TRUE(task.has_value());
        if (task) {
            EXPECT_EQ(task->result(), 2);
        }
    });
}

TEST_F(AsCompletedTest, ASecondTaskInNextIsRefused) {
    run([]() -> Coro<> {
        std::vector<Task<int>> tasks;
        tasks.push_back(create_task(after(2s, 2)));
        auto it = as_completed(tasks);
        const auto take = [](AsCompleted<int>& from) -> Coro<int> {
            auto task = co_await from.next();
            co_return task ? task->result() : 0;
        };
        auto first = create_task(take(it));
        auto second = create_task(take(it));
        co_await wait(handles(first, second));
        EXPECT_EQ(first.result(), 2);
        EXPECT_EQ(thrown<RuntimeError>([&] { second.result(); }),
                  "another task waits in next() of this as_completed already");
        auto none = co_await it.next();
        EXPECT_FALSE(none.has_value());
    });
}

TEST_F(AsCompletedTest, WhatATaskInNextWasWokenForNobodyElseTakes) {
    run([]() -> Coro<> {
        Future<int> future;
        std::vector<Future<int>> futures = {future};
        auto it = as_completed(futures);
        Log log;
        const auto take = [](AsCompleted<int>& from, Log& into, std::string name) -> Coro<> {
            try {
                auto task = co_await from.next();
                into.push_back(name + (task ? " took it" : " found nothing"));
            } catch (const RuntimeError&) {
                into.push_back(name + " was refused");
            }
        };
        auto first = create_task(take(it, log, "first"));
        co_await sleep(0s);
        // It ends, then the next turn wakes the first one, and between the two the second asks.
        future.set_result(1);
        get_running_loop().call_soon([&] { create_task(take(it, log, "second"), {.eager_start = true}); });
        co_await first;
        EXPECT_EQ(log, (Log{"second was refused", "first took it"}));
    });
}

TEST_F(AsCompletedTest, OfCoroutinesOutsideOfWithIsRefusedAndDestroysThem) {
    run([]() -> Coro<> {
        int alive = 0;
        std::string text;
        {
            std::vector<Coro<>> jobs;
            jobs.push_back([](Counted) -> Coro<> { co_await sleep(1h); }(Counted(&alive)));
            auto it = as_completed(std::move(jobs));
            try {
                co_await it.next();
            } catch (const RuntimeError& error) {
                text = error.what();
            }
        }
        EXPECT_EQ(text.find("as_completed of coroutines is a scope: co_await with("), 0u) << text;
        EXPECT_EQ(alive, 0);
        EXPECT_EQ(all_tasks().size(), 1u);
    });
}

TEST_F(AsCompletedTest, EnteringTwiceAndLeavingBeforeEnteringAreRefused) {
    run([]() -> Coro<> {
        std::vector<Task<int>> tasks;
        tasks.push_back(create_task(after(1s, 1)));
        auto it = as_completed(tasks);
        EXPECT_EQ(thrown<RuntimeError>([&] {
                      static_cast<void>(it.aexit(nullptr));
                  }).find("AsCompleted::aexit is called once, after aenter"),
                  0u);
        co_await it.aenter();
        EXPECT_EQ(thrown<RuntimeError>([&] { it.aenter(); }), "this as_completed was entered already");
        const bool handled = co_await it.aexit(nullptr);
        EXPECT_FALSE(handled);
        EXPECT_EQ(thrown<RuntimeError>([&] {
                      static_cast<void>(it.aexit(nullptr));
                  }).find("AsCompleted::aexit is called once, after aenter"),
                  0u);
        EXPECT_EQ(tasks[0].cancelling(), 0);
        co_await tasks[0];
    });
}

TEST_F(AsCompletedTest, HandlesOfTheSameCountOnceHoweverManyThereAre) {
    run([]() -> Coro<> {
        // The costs of so many and of four times as many, in this thread's own processor time.
        const auto seconds = [](int count) -> Coro<double> {
            std::vector<Future<int>> futures(static_cast<std::size_t>(count));
            for (int i = 0; i != count; ++i) futures[static_cast<std::size_t>(i)].set_result(i);
            for (int i = 0; i != count; ++i) futures.push_back(futures[static_cast<std::size_t>(i)]);
            const double start = test::processor_seconds();
            auto it = as_completed(futures);
            const double taken = test::processor_seconds() - start;
            int expected = 0;
            bool in_order = true;
            while (auto future = co_await it.next()) in_order &= future->result() == expected++;
            EXPECT_TRUE(in_order);
            EXPECT_EQ(expected, count);
            co_return taken;
        };
        co_await seconds(1000);
        double ratio = 100;
        for (int attempt = 0; attempt != 5 && ratio > 10; ++attempt) {
            const double few = co_await seconds(10'000);
            const double many = co_await seconds(40'000);
            ratio = std::min(ratio, many / few);
        }
        EXPECT_LT(ratio, 10) << "16: each was compared with all others";
    });
}

}}  // namespace asyncio::task_test
