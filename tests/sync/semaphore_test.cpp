// Semaphore and BoundedSemaphore, with the bugs that CPython's once had.
#include "asyncio/sync/semaphore.hpp"

#include <gtest/gtest.h>

#include "sync/sync_support.hpp"

namespace asyncio::sync_test { namespace {

class SemaphoreTest : public SimulatedTest {};
class SemaphoreOnBackends : public test::BackendTest {};
ASYNCIO_ON_EVERY_BACKEND(SemaphoreOnBackends);

TEST_P(SemaphoreOnBackends, LetsSoManyInAtATime) {
    run([]() -> Coro<> {
        Semaphore limit(3);
        int inside = 0;
        int most = 0;
        const auto visitor = [&]() -> Coro<> {
            const auto held = co_await limit.scoped();
            most = std::max(most, ++inside);
            co_await sleep(1ms);
            --inside;
        };
        std::vector<Coro<>> visitors;
        for (int i = 0; i < 10; ++i) visitors.push_back(visitor());
        co_await gather(std::move(visitors));
        EXPECT_EQ(most, 3);
        EXPECT_FALSE(limit.locked());
    });
}

TEST_F(SemaphoreTest, WithReleasesItHoweverTheBodyEnds) {
    run([]() -> Coro<> {
        Semaphore limit(1);
        co_await with(limit, [&]() -> Coro<> {
            EXPECT_TRUE(limit.locked());
            co_return;
        });
        const std::string outcome = co_await outcome_of(with(limit, []() -> Coro<> {
            throw ValueError("body");
            co_return;
        }));
        EXPECT_EQ(outcome, "body");
        EXPECT_FALSE(limit.locked());
    });
}

Coro<> enters(Semaphore& semaphore, Log& log, std::string name) {
    co_await semaphore.acquire();
    log.push_back(name);
}

TEST_F(SemaphoreTest, WhoWaitsIsServedInOrderAndNobodyPassesBy) {  // bpo-45997: starvation
    Log log;
    run([&]() -> Coro<> {
        Semaphore semaphore(0);
        const auto a = create_task(enters(semaphore, log, "a"));
        const auto b = create_task(enters(semaphore, log, "b"));
        co_await settle();
        semaphore.release();
        EXPECT_TRUE(semaphore.locked()) << "what was released belongs to the one in front";
        const auto late = create_task(enters(semaphore, log, "late"));
        semaphore.release();
        semaphore.release();
        co_await gather(a, b, late);
        EXPECT_EQ(log, (Log{"a", "b", "late"}));
    });
}

TEST_F(SemaphoreTest, TheOneWhoReleasesCannotTakeItAgainBeforeTheOthers) {  // gh-90155
    Log log;
    run([&]() -> Coro<> {
        Semaphore semaphore(1);
        const auto greedy = [&]() -> Coro<> {
            for (int i = 0; i < 3; ++i) {
                co_await semaphore.acquire();
                log.push_back("greedy");
                co_await sleep(0s);
                co_await sleep(0s);  // the other one waits by now
                semaphore.release();
            }
        };
        const auto task = create_task(greedy);
        co_await sleep(0s);
        const auto other = create_task(enters(semaphore, log, "other"));
        co_await other;
        semaphore.release();
        co_await task;
    });
    EXPECT_EQ(log, (Log{"greedy", "other", "greedy", "greedy"}));
}

TEST_F(SemaphoreTest, ACancelledTaskThatWasWokenPassesItOn) {
    Log log;
    run([&]() -> Coro<> {
        Semaphore semaphore(0);
        const auto a = create_task(enters(semaphore, log, "a"));
        const auto b = create_task(enters(semaphore, log, "b"));
        co_await settle();
        semaphore.release();
        a.cancel();
        co_await b;
        EXPECT_TRUE(a.cancelled());
        EXPECT_EQ(log, Log{"b"});
        EXPECT_TRUE(semaphore.locked());
    });
}

TEST_F(SemaphoreTest, WhenWokenTasksAreCancelledNothingIsLostAndNewcomersGetThrough) {  // gh-90155
    run([]() -> Coro<> {
        Semaphore semaphore(0);
        Log log;
        const auto a = create_task(enters(semaphore, log, "a"));
        co_await settle();
        semaphore.release();
        a.cancel();
        const auto b = create_task(enters(semaphore, log, "b"));
        const auto c = create_task(enters(semaphore, log, "c"));
        co_await settle();
        EXPECT_TRUE(b.done());
        EXPECT_FALSE(c.done());
        semaphore.release();
        co_await c;
    });
}

TEST_F(SemaphoreTest, AllWhoWaitCancelledTheCounterIsWhole) {
    run([]() -> Coro<> {
        Semaphore semaphore(0);
        Log log;
        const auto a = create_task(enters(semaphore, log, "a"));
        const auto b = create_task(enters(semaphore, log, "b"));
        co_await settle();
        a.cancel();
        b.cancel();
        semaphore.release();
        EXPECT_FALSE(semaphore.locked());
        co_await semaphore.acquire();
        EXPECT_TRUE(semaphore.locked());
        co_await settle();
        EXPECT_TRUE(log.empty());
    });
}

TEST_F(SemaphoreTest, ABoundedOneRefusesToBeReleasedTooOften) {
    run([]() -> Coro<> {
        BoundedSemaphore bounded(2);
        co_await bounded.acquire();
        bounded.release();
        EXPECT_EQ(thrown<ValueError>([&] { bounded.release(); }),
                  "a BoundedSemaphore is released more often than it was acquired: release it once for each "
                  "acquire, or let `with` or scoped() do it");
        Semaphore unbounded(0);
        unbounded.release();
        unbounded.release();
        EXPECT_FALSE(unbounded.locked());
    });
}

TEST_F(SemaphoreTest, ANegativeValueIsAnError) {
    EXPECT_EQ(thrown<ValueError>([] { const Semaphore semaphore(-1); }),
              "the initial value of a Semaphore must be 0 or more");
    EXPECT_THROW(BoundedSemaphore(-1), ValueError);
}

TEST_F(SemaphoreTest, CancelledAtEachStepItIsWholeAgain) {
    const auto scenario = []() -> Coro<> {
        Semaphore semaphore(2);
        std::exception_ptr error;
        try {
            co_await with(TaskGroup{}, [&](TaskGroup& group) -> Coro<> {
                for (int i = 0; i < 4; ++i) {
                    group.create_task([&]() -> Coro<> {
                        const auto held = co_await semaphore.scoped();
                        co_await sleep(0s);
                    });
                }
                const auto held = co_await semaphore.scoped();
                co_await sleep(0s);
            });
        } catch (...) {
            error = std::current_exception();
        }
        // Both units are there again: as soon as nobody asks for them.
        EXPECT_FALSE(semaphore.locked());
        if (error != nullptr) std::rethrow_exception(error);
        co_await semaphore.acquire();
        co_await semaphore.acquire();
        EXPECT_TRUE(semaphore.locked());
    };
    test::expect_each_cancel_point(scenario, asyncio::testing::CancelPointOptions{.twice = true, .seeds = 3});
    asyncio::testing::for_each_order(scenario, 300);
}

}}  // namespace asyncio::sync_test
