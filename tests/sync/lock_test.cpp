// Lock: fairness, cancels, misuse. (Passes of the loop, compared with CPython: tests/conformance.)
#include "asyncio/sync/lock.hpp"

#include <gtest/gtest.h>

#include <optional>

#include "sync/sync_support.hpp"

namespace asyncio::sync_test { namespace {

class LockTest : public SimulatedTest {};
class LockOnBackends : public test::BackendTest {};
ASYNCIO_ON_EVERY_BACKEND(LockOnBackends);

Coro<> uses(Lock& lock, Log& log, std::string name) {
    const auto held = co_await lock.scoped();
    log.push_back(name + " in");
    co_await sleep(0s);
    log.push_back(name + " out");
}

TEST_P(LockOnBackends, LetsOneTaskInAtATimeInTheOrderInWhichTheyCame) {
    Lock lock;
    Log log;
    run([&]() -> Coro<> {
        co_await gather(uses(lock, log, "a"), uses(lock, log, "b"), uses(lock, log, "c"));
    });
    EXPECT_EQ(log, (Log{"a in", "a out", "b in", "b out", "c in", "c out"}));
    EXPECT_FALSE(lock.locked());
}

TEST_F(LockTest, WithHoldsItForTheBodyAndGivesItsValue) {
    run([]() -> Coro<> {
        Lock lock;
        const int value = co_await with(lock, [&]() -> Coro<int> {
            EXPECT_TRUE(lock.locked());
            co_return 7;
        });
        EXPECT_EQ(value, 7);
        EXPECT_FALSE(lock.locked());
        try {
            co_await with(lock, []() -> Coro<> {
                co_await sleep(0s);
                throw ValueError("body");
            });
        } catch (const ValueError&) {}
        EXPECT_FALSE(lock.locked());
    });
}

TEST_F(LockTest, AGuardReleasesWhenItGoesAndOnlyOnce) {
    run([]() -> Coro<> {
        Lock lock;
        {
            auto held = co_await lock.scoped();
            EXPECT_TRUE(lock.locked() && held.held());
            auto moved = std::move(held);
            EXPECT_TRUE(lock.locked());
            moved.release();
            EXPECT_FALSE(lock.locked());
            co_await lock.acquire();
        }
        EXPECT_TRUE(lock.locked());
        lock.release();
    });
}

TEST_F(LockTest, AHeldThatWasReleasedByHandSaysSo) {
    run([]() -> Coro<> {
        Lock lock;
        auto held = co_await lock.scoped();
        lock.release();
        EXPECT_THROW(held.release(), RuntimeError);
        EXPECT_FALSE(held.held());
    });
}

TEST_F(LockTest, AFreeLockIsTakenWithoutASuspension) {
    run([]() -> Coro<> {
        Lock lock;
        bool other_ran = false;
        const auto other = create_task([&]() -> Coro<> {
            other_ran = true;
            co_return;
        });
        for (int i = 0; i < 100; ++i) {
            co_await lock.acquire();
            lock.release();
        }
        EXPECT_FALSE(other_ran);
        for (int i = 0; i < 100; ++i) {
            const auto held = co_await lock.scoped();
            EXPECT_TRUE(lock.locked());
        }
        EXPECT_TRUE(other_ran) << "a task that never waits has to yield now and then";
        co_await other;
    });
}

TEST_F(LockTest, NobodyPassesByAWokenTaskThatHasNotRunYet) {
    Log log;
    run([&]() -> Coro<> {
        Lock lock;
        co_await lock.acquire();
        const auto first = create_task(uses(lock, log, "first"));
        co_await sleep(0s);
        lock.release();
        EXPECT_FALSE(lock.locked());  // as in Python, until the woken one has its turn
        co_await uses(lock, log, "late");
        co_await first;
    });
    EXPECT_EQ(log.front(), "first in");
}

TEST_F(LockTest, ACancelledTaskThatWasWokenPassesTheLockOn) {
    Log log;
    run([&]() -> Coro<> {
        Lock lock;
        co_await lock.acquire();
        const auto first = create_task(uses(lock, log, "first"));
        const auto second = create_task(uses(lock, log, "second"));
        co_await sleep(0s);
        lock.release();
        first.cancel();
        co_await wait(task_test::handles(first, second));
        EXPECT_TRUE(first.cancelled());
        EXPECT_FALSE(lock.locked());
    });
    EXPECT_EQ(log, (Log{"second in", "second out"}));
}

TEST_F(LockTest, ACancelledWaiterInFrontDoesNotKeepTheLockFromTheNext) {  // bpo-27585, bpo-32734
    Log log;
    run([&]() -> Coro<> {
        Lock lock;
        co_await lock.acquire();
        const auto first = create_task(uses(lock, log, "first"));
        const auto second = create_task(uses(lock, log, "second"));
        co_await sleep(0s);
        first.cancel();
        lock.release();
        co_await second;
        EXPECT_TRUE(first.cancelled());
    });
    EXPECT_EQ(log, (Log{"second in", "second out"}));
}

TEST_F(LockTest, IfAllWhoWaitAreCancelledANewcomerNeedNotWait) {
    run([]() -> Coro<> {
        Lock lock;
        co_await lock.acquire();
        const auto waiter = create_task([&]() -> Coro<> { co_await lock.acquire(); });
        co_await sleep(0s);
        waiter.cancel();
        lock.release();
        co_await lock.acquire();  // in the same step
        EXPECT_FALSE(waiter.done());
        co_await sleep(0s);
        EXPECT_TRUE(waiter.cancelled());
        EXPECT_TRUE(lock.locked());
        lock.release();
    });
}

TEST_F(LockTest, APendingCancelIsDeliveredBeforeAnythingIsTaken) {
    run([]() -> Coro<> {
        Lock lock;
        const auto task = create_task([&]() -> Coro<> {
            current_task().cancel("now");
            co_await lock.acquire();
        });
        const std::string outcome = co_await outcome_of(wait_for(task, 1s));
        EXPECT_EQ(outcome, "cancelled: now");
        EXPECT_FALSE(lock.locked());
    });
}

TEST_F(LockTest, ATimeoutLeavesTheLockToOthers) {
    run([]() -> Coro<> {
        Lock lock;
        co_await lock.acquire();
        const std::string outcome = co_await outcome_of(wait_for(lock.acquire(), 1s));
        EXPECT_EQ(outcome, "timed out");
        lock.release();
        co_await lock.acquire();
        lock.release();
    });
}

TEST_F(LockTest, ReleasingAnUnlockedOneIsAnErrorThatSaysWhatToDo) {
    Lock lock;
    EXPECT_EQ(thrown<RuntimeError>([&] { lock.release(); }),
              "release of a Lock that is not locked: release it once for each acquire, or let `with` or "
              "scoped() do it");
}

TEST_F(LockTest, IsBoundToTheLoopOfItsFirstWait) {
    Lock lock;
    const auto contend = [&]() -> Coro<std::string> {
        co_await lock.acquire();
        const std::string outcome = co_await outcome_of(wait_for(lock.acquire(), 1ms));
        lock.release();
        co_return outcome;
    };
    run([&]() -> Coro<> {
        co_await lock.acquire();  // not a wait: not bound yet
        lock.release();
    });
    EXPECT_EQ(run(contend), "timed out");
    EXPECT_EQ(run(contend),
              "this Lock is bound to a different event loop, that of its first wait: make one for each loop");
}

TEST_F(LockTest, MayBeReleasedBetweenTwoRunsOfItsLoop) {
    EventLoop loop(RunOptions{.backend = Backend::sim});
    Lock lock;
    Task<> waiter = loop.run_until_complete([](Lock& used) -> Coro<Task<>> {
        co_await used.acquire();
        auto task = create_task([&used]() -> Coro<> { co_await used.acquire(); });
        co_await sleep(0s);
        co_return task;
    }(lock));
    lock.release();
    loop.run_until_complete([](Task<> task) -> Coro<> { co_await task; }(waiter));
    EXPECT_TRUE(lock.locked());
}

TEST(LockDeathTest, DestroyingItUnderAWaitingTaskIsAnAssertionThatNamesIt) {
    EXPECT_DEATH(asyncio::run([]() -> Coro<> {
                     std::optional<Task<>> waiter;
                     {
                         Lock lock;
                         co_await lock.acquire();
                         waiter = create_task(TaskOptions{.name = "thirsty"},
                                              [&lock]() -> Coro<> { co_await lock.acquire(); });
                         co_await sleep(0s);
                     }
                     co_await *waiter;
                 }),
                 "destroyed while task 'thirsty' is in its Lock.acquire: let those tasks end first");
}

// Three tasks go through the lock twice; cancelled anywhere, it is never held by two, and is free at the end.
Coro<> crowd(Lock& lock, int& inside) {
    const auto visitor = [&]() -> Coro<> {
        for (int i = 0; i < 2; ++i) {
            const auto held = co_await lock.scoped();
            EXPECT_EQ(++inside, 1);
            try {
                co_await sleep(0s);
            } catch (...) {
                --inside;
                throw;
            }
            --inside;
        }
    };
    co_await with(TaskGroup{}, [&](TaskGroup& group) -> Coro<> {
        for (int i = 0; i < 3; ++i) group.create_task(visitor);
        co_await visitor();
    });
    EXPECT_FALSE(lock.locked());
}

TEST_F(LockTest, CancelledAtEachStepItIsFreeAgain) {
    Lock* lock = nullptr;
    int inside = 0;
    test::expect_each_cancel_point(
        [&]() -> Coro<> {
            Lock own;
            lock = &own;
            inside = 0;
            std::exception_ptr error;
            try {
                co_await crowd(own, inside);
            } catch (...) {
                error = std::current_exception();
            }
            EXPECT_FALSE(own.locked());
            EXPECT_EQ(inside, 0);
            if (error != nullptr) std::rethrow_exception(error);
        },
        asyncio::testing::CancelPointOptions{.twice = true, .seeds = 3});
}

TEST_F(LockTest, InEachOrderNobodyStarves) {
    const auto orders = asyncio::testing::for_each_order(
        []() -> Coro<> {
            Lock lock;
            int inside = 0;
            co_await crowd(lock, inside);
        },
        400);
    EXPECT_TRUE(orders.all);
    EXPECT_GT(orders.runs, 20u);
}

}}  // namespace asyncio::sync_test
