// Condition: the lock around a wait, notifies that are passed on, cancels that come while the lock is
// awaited.
#include "asyncio/sync/condition.hpp"

#include <gtest/gtest.h>

#include <deque>

#include "sync/sync_support.hpp"

namespace asyncio::sync_test { namespace {

class ConditionTest : public SimulatedTest {};
class ConditionOnBackends : public test::BackendTest {};
ASYNCIO_ON_EVERY_BACKEND(ConditionOnBackends);

TEST_P(ConditionOnBackends, AWaiterSeesWhatTheNotifierHasChanged) {
    run([]() -> Coro<> {
        Condition changed;
        std::deque<int> jobs;
        const auto consumer = create_task([&]() -> Coro<int> {
            const auto held = co_await changed.scoped();
            co_await changed.wait_for([&] { return !jobs.empty(); });
            EXPECT_TRUE(changed.locked());
            co_return jobs.front();
        });
        co_await settle();
        co_await with(changed, [&] {
            jobs.push_back(5);
            changed.notify();
        });
        const int job = co_await consumer;
        EXPECT_EQ(job, 5);
        EXPECT_FALSE(changed.locked());
    });
}

Coro<> waits(Condition& condition, Log& log, std::string name) {
    const auto held = co_await condition.scoped();
    try {
        co_await condition.wait();
    } catch (const CancelledError& error) {
        EXPECT_TRUE(condition.locked()) << "the lock is held again before the cancel comes";
        log.push_back(name + " cancelled" + std::string(error.message()));
        throw;
    }
    log.push_back(name);
}

TEST_F(ConditionTest, NotifyWakesTheLongestWaitingAndAllWakeAll) {
    run([]() -> Coro<> {
        Condition condition;
        Log log;
        std::vector<Task<>> tasks;
        for (const char* name : {"a", "b", "c", "d"})
            tasks.push_back(create_task(waits(condition, log, name)));
        co_await settle();
        const auto notify = [&](std::size_t n) -> Coro<> {
            const auto held = co_await condition.scoped();
            condition.notify(n);
        };
        co_await notify(2);
        co_await settle();
        EXPECT_EQ(log, (Log{"a", "b"}));
        {
            const auto held = co_await condition.scoped();
            condition.notify_all();
        }
        co_await wait(tasks);
        EXPECT_EQ(log, (Log{"a", "b", "c", "d"}));
    });
}

TEST_F(ConditionTest, TheWokenOneGoesOnOnlyWhenTheLockIsFree) {
    run([]() -> Coro<> {
        Condition condition;
        Log log;
        const auto task = create_task(waits(condition, log, "a"));
        co_await settle();
        co_await condition.acquire();
        condition.notify();
        co_await settle();
        EXPECT_TRUE(log.empty());
        condition.release();
        co_await task;
        EXPECT_EQ(log, Log{"a"});
    });
}

TEST_F(ConditionTest, CancelledAgainAndAgainItComesBackWithTheLockAndTheLastCancel) {
    run([]() -> Coro<> {
        Condition condition;
        Log log;
        const auto task = create_task(waits(condition, log, "a"));
        co_await settle();
        co_await condition.acquire();
        for (const char* message : {" first", " second", " third"}) {
            task.cancel(message);
            co_await settle();
            EXPECT_FALSE(task.done());
        }
        EXPECT_EQ(task.cancelling(), 3u);
        condition.release();
        co_await settle();
        EXPECT_TRUE(task.cancelled());
        EXPECT_EQ(log, Log{"a cancelled third"});
        EXPECT_FALSE(condition.locked());
    });
}

TEST_F(ConditionTest, ANotifyThatMeetsACancelIsPassedOn) {  // gh-111693, gh-112202
    run([]() -> Coro<> {
        Condition condition;
        Log log;
        const auto a = create_task(waits(condition, log, "a"));
        const auto b = create_task(waits(condition, log, "b"));
        co_await settle();
        {
            const auto held = co_await condition.scoped();
            condition.notify();
            a.cancel();
        }
        co_await b;
        EXPECT_EQ(log, (Log{"a cancelled", "b"}));
    });
}

TEST_F(ConditionTest, ACancelWhileTheWokenOneWaitsForTheLockPassesTheNotifyOn) {
    run([]() -> Coro<> {
        Condition condition;
        Log log;
        const auto a = create_task(waits(condition, log, "a"));
        const auto b = create_task(waits(condition, log, "b"));
        co_await settle();
        co_await condition.acquire();
        condition.notify();
        co_await settle();
        a.cancel();
        co_await settle();
        condition.release();
        co_await b;
        EXPECT_TRUE(a.cancelled());
        EXPECT_EQ(log, (Log{"a cancelled", "b"}));
    });
}

TEST_F(ConditionTest, ACancelThatIsTakenBackStillComes) {  // what it waited on had let go already
    run([]() -> Coro<> {
        Condition condition;
        Log log;
        const auto task = create_task(waits(condition, log, "a"));
        co_await settle();
        task.cancel();
        task.uncancel();
        co_await settle();
        EXPECT_EQ(log, Log{"a cancelled"});
        EXPECT_TRUE(task.done());
    });
}

TEST_F(ConditionTest, ATimeoutAroundAWaitIsATimeoutWithTheLockHeld) {
    run([]() -> Coro<> {
        Condition condition;
        const auto held = co_await condition.scoped();
        const std::string outcome = co_await outcome_of(wait_for(condition.wait(), 1s));
        EXPECT_EQ(outcome, "timed out");
        EXPECT_TRUE(condition.locked());
    });
}

TEST_F(ConditionTest, WithoutTheLockWaitAndNotifyAreErrorsThatSayWhatToDo) {
    run([]() -> Coro<> {
        Condition condition;
        const std::string outcome = co_await outcome_of(wait_for(condition.wait(), 1s));
        EXPECT_EQ(
            outcome,
            "wait of a Condition whose lock is not held: do it inside `with(condition, body)`, or after "
            "co_await condition.acquire()");
        EXPECT_THROW(condition.notify(), RuntimeError);
        EXPECT_THROW(condition.notify_all(), RuntimeError);
        EXPECT_THROW(condition.release(), RuntimeError);
    });
}

TEST_F(ConditionTest, SeveralConditionsMayShareALock) {
    run([]() -> Coro<> {
        Lock lock;
        Condition not_empty(lock);
        Condition not_full(lock);
        std::deque<int> items;
        int sum = 0;
        const auto consumer = create_task([&]() -> Coro<> {
            for (int i = 0; i < 10; ++i) {
                const auto held = co_await lock.scoped();
                co_await not_empty.wait_for([&] { return !items.empty(); });
                sum += items.front();
                items.pop_front();
                not_full.notify();
            }
        });
        for (int i = 1; i <= 10; ++i) {
            const auto held = co_await lock.scoped();
            co_await not_full.wait_for([&] { return items.size() < 2; });
            items.push_back(i);
            not_empty.notify();
        }
        co_await consumer;
        EXPECT_EQ(sum, 55);
    });
}

TEST_F(ConditionTest, WaitForGivesWhatThePredicateGaveAndLetsItsErrorsThrough) {
    run([]() -> Coro<> {
        Condition condition;
        const auto held = co_await condition.scoped();
        const int value = co_await condition.wait_for([] { return 12; });
        EXPECT_EQ(value, 12);
        const std::string outcome =
            co_await outcome_of(condition.wait_for([]() -> bool { throw ValueError("no"); }));
        EXPECT_EQ(outcome, "no");
        EXPECT_TRUE(condition.locked());
    });
}

// Each task waits for its turn in a ring; cancelled anywhere, the lock is free at the end.
TEST_F(ConditionTest, CancelledAtEachStepTheLockIsFreeAgain) {
    const auto scenario = []() -> Coro<> {
        Condition condition;
        int turn = 0;
        std::exception_ptr error;
        try {
            co_await with(TaskGroup{}, [&](TaskGroup& group) -> Coro<> {
                for (int me = 1; me <= 3; ++me) {
                    group.create_task(
                        [&](int mine) -> Coro<> {
                            const auto held = co_await condition.scoped();
                            co_await condition.wait_for([&] { return turn == mine; });
                            ++turn;
                            condition.notify_all();
                        },
                        me);
                }
                const auto held = co_await condition.scoped();
                turn = 1;
                condition.notify_all();
                co_await condition.wait_for([&] { return turn == 4; });
            });
        } catch (...) {
            error = std::current_exception();
        }
        EXPECT_FALSE(condition.locked());
        if (error != nullptr) std::rethrow_exception(error);
    };
    test::expect_each_cancel_point(scenario, asyncio::testing::CancelPointOptions{.twice = true, .seeds = 3});
    asyncio::testing::for_each_order(scenario, 300);
}

}}  // namespace asyncio::sync_test
