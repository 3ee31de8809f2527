// Queue, LifoQueue, PriorityQueue: order, room, promises that are taken back, shutdown, with the bugs that
// CPython's once had.
#include "asyncio/sync/queue.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "support/alloc_failure.hpp"
#include "sync/sync_support.hpp"

namespace asyncio::sync_test { namespace {

class QueueTest : public SimulatedTest {};
class QueueOnBackends : public test::BackendTest {};
ASYNCIO_ON_EVERY_BACKEND(QueueOnBackends);

TEST_P(QueueOnBackends, HandsItemsFromTaskToTaskInTheirOrder) {
    run([]() -> Coro<> {
        Queue<int> queue(2);
        const auto producer = create_task([&]() -> Coro<> {
            for (int i = 0; i < 100; ++i) co_await queue.put(i);
        });
        for (int i = 0; i < 100; ++i) {
            const int item = co_await queue.get();
            EXPECT_EQ(item, i);
            EXPECT_LE(queue.qsize(), 2u);
        }
        co_await producer;
        EXPECT_TRUE(queue.empty());
    });
}

TEST_F(QueueTest, OfThingsThatCanOnlyBeMoved) {
    run([]() -> Coro<> {
        Queue<MoveOnly> queue(1);
        LifoQueue<std::unique_ptr<int>> lifo;
        co_await queue.put(MoveOnly(1));
        const auto second = create_task([&]() -> Coro<> { co_await queue.put(MoveOnly(2)); });
        co_await settle();
        EXPECT_FALSE(second.done());
        for (int i = 1; i <= 2; ++i) {
            const MoveOnly item = co_await queue.get();
            EXPECT_EQ(item.value(), i);
        }
        co_await second;
        lifo.put_nowait(std::make_unique<int>(3));
        lifo.put_nowait(std::make_unique<int>(4));
        const std::unique_ptr<int> last = co_await lifo.get();
        EXPECT_EQ(*last, 4);
    });
}

TEST_F(QueueTest, WithoutWaitingItThrowsOrGivesNothing) {
    Queue<int> queue(1);
    EXPECT_THROW(queue.get_nowait(), QueueEmpty);
    EXPECT_FALSE(queue.try_get().has_value());
    queue.put_nowait(1);
    EXPECT_TRUE(queue.full());
    EXPECT_THROW(queue.put_nowait(2), QueueFull);
    EXPECT_EQ(queue.get_nowait(), 1);
    EXPECT_EQ(queue.maxsize(), 1);
    Queue<int> unbounded(-1);
    for (int i = 0; i < 1000; ++i) unbounded.put_nowait(i);
    EXPECT_FALSE(unbounded.full());
    EXPECT_EQ(unbounded.qsize(), 1000u);
}

TEST_F(QueueTest, ReadyDataMakesNobodyWaitButYieldsByTheBudget) {
    run([]() -> Coro<> {
        Queue<int> queue;
        for (int i = 0; i < 300; ++i) queue.put_nowait(i);
        bool other_ran = false;
        const auto other = create_task([&]() -> Coro<> {
            other_ran = true;
            co_return;
        });
        for (int i = 0; i < 100; ++i) static_cast<void>(co_await queue.get());
        EXPECT_FALSE(other_ran);
        for (int i = 0; i < 100; ++i) static_cast<void>(co_await queue.get());
        EXPECT_TRUE(other_ran);
        co_await other;
        for (int i = 0; i < 300; ++i) co_await queue.put(i);
        const int next = co_await queue.get();
        EXPECT_EQ(next, 200);
    });
}

Coro<> gets(Queue<int>& queue, Log& log, std::string name) {
    const int item = co_await queue.get();
    log.push_back(name + std::to_string(item));
}
Coro<> puts(Queue<int>& queue, Log& log, int item) {
    co_await queue.put(item);
    log.push_back("put" + std::to_string(item));
}

TEST_F(QueueTest, WhoWaitsIsServedInOrder) {
    Log log;
    run([&]() -> Coro<> {
        Queue<int> queue;
        const auto a = create_task(gets(queue, log, "a"));
        const auto b = create_task(gets(queue, log, "b"));
        co_await settle();
        queue.put_nowait(1);
        queue.put_nowait(2);
        co_await gather(a, b);
    });
    EXPECT_EQ(log, (Log{"a1", "b2"}));
}

TEST_F(QueueTest, ACancelledGetterThatWasWokenLeavesTheItemToTheNext) {  // bpo-26841
    Log log;
    run([&]() -> Coro<> {
        Queue<int> queue;
        const auto a = create_task(gets(queue, log, "a"));
        const auto b = create_task(gets(queue, log, "b"));
        co_await settle();
        queue.put_nowait(1);
        a.cancel();
        co_await b;
        EXPECT_TRUE(a.cancelled());
    });
    EXPECT_EQ(log, Log{"b1"});
}

TEST_F(QueueTest, ACancelledGetterLeavesTheItemInTheQueue) {
    Log log;
    run([&]() -> Coro<> {
        Queue<int> queue;
        const auto a = create_task(gets(queue, log, "a"));
        co_await settle();
        queue.put_nowait(1);
        a.cancel();
        co_await settle();
        EXPECT_TRUE(a.cancelled());
        EXPECT_EQ(queue.qsize(), 1u);
        EXPECT_EQ(queue.get_nowait(), 1);
    });
}

TEST_F(QueueTest, ACancelledPutterThatWasWokenLeavesTheRoomToTheNext) {
    Log log;
    run([&]() -> Coro<> {
        Queue<int> queue(1);
        queue.put_nowait(0);
        const auto a = create_task(puts(queue, log, 1));
        const auto b = create_task(puts(queue, log, 2));
        co_await settle();
        EXPECT_EQ(queue.get_nowait(), 0);
        a.cancel();
        co_await b;
        EXPECT_TRUE(a.cancelled());
        EXPECT_EQ(queue.get_nowait(), 2);
    });
    EXPECT_EQ(log, Log{"put2"});
}

TEST_F(QueueTest, WhoseItemWasTakenByAnotherWaitsAgain) {  // as in Python
    Log log;
    run([&]() -> Coro<> {
        Queue<int> queue;
        const auto a = create_task(gets(queue, log, "a"));
        const auto b = create_task(gets(queue, log, "b"));
        co_await settle();
        queue.put_nowait(1);
        queue.put_nowait(2);
        EXPECT_EQ(queue.get_nowait(), 1);
        EXPECT_EQ(*queue.try_get(), 2);
        co_await settle();
        EXPECT_TRUE(log.empty());
        queue.put_nowait(3);
        const int stolen = co_await queue.get();
        EXPECT_EQ(stolen, 3);
        co_await settle();
        EXPECT_TRUE(log.empty() && !a.done() && !b.done());
        queue.put_nowait(4);
        queue.put_nowait(5);
        co_await gather(a, b);
        EXPECT_EQ(log.size(), 2u);
    });
}

TEST_F(QueueTest, WhoseRoomWasTakenByAnotherWaitsAgain) {
    Log log;
    run([&]() -> Coro<> {
        Queue<int> queue(1);
        queue.put_nowait(0);
        const auto a = create_task(puts(queue, log, 1));
        co_await settle();
        EXPECT_EQ(queue.get_nowait(), 0);
        queue.put_nowait(9);
        co_await settle();
        EXPECT_FALSE(a.done());
        EXPECT_EQ(queue.get_nowait(), 9);
        co_await a;
        EXPECT_EQ(queue.get_nowait(), 1);
    });
}

TEST_F(QueueTest, ManyPromisesCanBeTakenBackInOneStep) {
    run([]() -> Coro<> {
        Queue<int> queue;
        Log log;
        std::vector<Task<>> tasks;
        for (int i = 0; i < 1000; ++i) tasks.push_back(create_task(gets(queue, log, "")));
        co_await settle();
        for (int i = 0; i < 1000; ++i) queue.put_nowait(i);
        while (queue.try_get().has_value()) {}
        co_await settle();
        EXPECT_TRUE(log.empty());
        for (int i = 0; i < 1000; ++i) queue.put_nowait(i);
        co_await wait(tasks);
        EXPECT_EQ(log.size(), 1000u);
    });
}

TEST_F(QueueTest, JoinWaitsForTheLastTaskDone) {
    run([]() -> Coro<> {
        Queue<int> queue;
        co_await queue.join();
        co_await queue.put(1);
        co_await queue.put(2);
        const auto joiner = create_task([&]() -> Coro<> { co_await queue.join(); });
        for (int i = 0; i < 2; ++i) {
            static_cast<void>(co_await queue.get());
            co_await settle();
            EXPECT_FALSE(joiner.done());
            queue.task_done();
        }
        co_await joiner;
        EXPECT_EQ(
            thrown<ValueError>([&] { queue.task_done(); }),
            "task_done was called more often than there were items: call it once for each item that was "
            "got");
    });
}

TEST_F(QueueTest, ShutdownLetsWhatIsThereBeTakenAndSendsTheOthersAway) {
    run([]() -> Coro<> {
        Queue<int> queue(1);
        Log log;
        co_await queue.put(1);
        const auto putter = create_task(outcome_of(puts(queue, log, 2)));
        co_await settle();
        queue.shutdown();
        const std::string outcome = co_await putter;
        EXPECT_EQ(outcome, "the queue was shut down");
        EXPECT_THROW(queue.put_nowait(3), QueueShutDown);
        const int item = co_await queue.get();
        EXPECT_EQ(item, 1);
        EXPECT_THROW(queue.get_nowait(), QueueShutDown);
        const std::string late = co_await outcome_of(wait_for(queue.get(), 1s));
        EXPECT_EQ(late, "the queue was shut down");
        const std::string late_put = co_await outcome_of(wait_for(queue.put(1), 1s));
        EXPECT_EQ(late_put, "the queue was shut down");
    });
}

TEST_F(QueueTest, ShutdownWakesGettersAndAtOnceEmptiesTheQueue) {
    run([]() -> Coro<> {
        int alive = 0;
        {
            Queue<Counted> queue;
            const auto getter = create_task([&]() -> Coro<bool> {
                bool shut_down = false;
                try {
                    static_cast<void>(co_await queue.get());
                } catch (const QueueShutDown&) {
                    shut_down = true;
                }
                co_return shut_down;
            });
            co_await settle();
            queue.shutdown();
            const bool shut_down = co_await getter;
            EXPECT_TRUE(shut_down);
        }
        Queue<Counted> queue;
        queue.put_nowait(Counted(&alive));
        queue.put_nowait(Counted(&alive));
        EXPECT_EQ(alive, 2);
        const auto joiner = create_task([&]() -> Coro<> { co_await queue.join(); });
        co_await settle();
        queue.shutdown(true);
        EXPECT_EQ(alive, 0);
        co_await joiner;
        EXPECT_THROW(queue.get_nowait(), QueueShutDown);
    });
}

TEST_F(QueueTest, ShutdownMeetsAWokenGetter) {
    run([]() -> Coro<> {
        Queue<int> queue;
        const auto a = create_task(outcome_of(wait_for(queue.get(), 1h)));
        const auto b = create_task(outcome_of(wait_for(queue.get(), 1h)));
        co_await settle();
        queue.put_nowait(1);
        queue.shutdown(true);
        const std::string first = co_await a;
        const std::string second = co_await b;
        EXPECT_EQ(first, "the queue was shut down");
        EXPECT_EQ(second, "the queue was shut down");
    });
}

TEST_F(QueueTest, NextEndsWithTheQueue) {
    run([]() -> Coro<> {
        Queue<int> queue(2);
        int sum = 0;
        const auto consumer = create_task([&]() -> Coro<> {
            while (auto item = co_await queue.next()) sum += *item;
        });
        for (int i = 1; i <= 10; ++i) co_await queue.put(i);
        queue.shutdown();
        co_await consumer;
        EXPECT_EQ(sum, 55);
        for (int i = 0; i < 300; ++i) {
            const auto nothing = co_await queue.next();
            EXPECT_FALSE(nothing.has_value());
        }
    });
}

TEST_F(QueueTest, APriorityQueueGivesTheLeastFirst) {
    run([]() -> Coro<> {
        PriorityQueue<int> queue;
        std::vector<int> items;
        std::uint32_t state = 1;
        for (int i = 0; i < 500; ++i) {
            state = state * 1664525u + 1013904223u;
            items.push_back(static_cast<int>(state >> 20));
            co_await queue.put(items.back());
        }
        std::sort(items.begin(), items.end());
        for (const int expected : items) {
            const int item = co_await queue.get();
            EXPECT_EQ(item, expected);
        }
        PriorityQueue<std::string, std::greater<std::string>> greatest(3);
        greatest.put_nowait("b");
        greatest.put_nowait("c");
        greatest.put_nowait("a");
        EXPECT_TRUE(greatest.full());
        EXPECT_EQ(greatest.get_nowait(), "c");
    });
}

TEST_F(QueueTest, AComparisonThatThrowsLeavesThePriorityQueueAsItWas) {
    bool throws = false;
    const auto less = [&throws](int a, int b) {
        if (throws) throw ValueError("incomparable");
        return a < b;
    };
    PriorityQueue<int, decltype(less)> queue(0, less);
    for (const int item : {5, 3, 4}) queue.put_nowait(item);
    throws = true;
    EXPECT_THROW(queue.put_nowait(1), ValueError);
    EXPECT_THROW(queue.get_nowait(), ValueError);
    EXPECT_EQ(queue.qsize(), 3u);
    throws = false;
    for (const int item : {3, 4, 5}) EXPECT_EQ(queue.get_nowait(), item);
}

TEST_F(QueueTest, AComparisonThatThrowsInAGetLeavesTheItemToTheNextInLine) {
    run([]() -> Coro<> {
        for (const bool by_next : {false, true}) {
            bool throws = false;
            const auto less = [&throws](int a, int b) {
                if (std::exchange(throws, false)) throw ValueError("incomparable");
                return a < b;
            };
            PriorityQueue<int, decltype(less)> queue(0, less);
            Log log;
            const auto gets = [&](std::string name) -> Coro<> {
                std::optional<int> item;
                try {
                    if (by_next) {
                        item = co_await queue.next();
                    } else {
                        item = co_await queue.get();
                    }
                } catch (const ValueError& error) {
                    name += error.what();
                }
                log.push_back(name + (item.has_value() ? std::to_string(*item) : ""));
            };
            const auto a = create_task(gets, std::string("a "));
            const auto b = create_task(gets, std::string("b "));
            const auto c = create_task(gets, std::string("c "));
            const auto d = create_task(gets, std::string("d "));
            co_await settle();
            for (const int item : {2, 1, 3}) queue.put_nowait(item);  // wakes three of the four
            throws = true;
            co_await settle();
            EXPECT_EQ(log, (Log{"a incomparable", "b 1", "c 2", "d 3"}));
            co_await gather(a, b, c, d);
        }
    });
}

/// Its move constructor throws when it is told to.
struct Touchy {
    int value;
    static inline bool throws = false;
    explicit Touchy(int v) : value(v) {}
    Touchy(Touchy&& other) : value(other.value) {
        if (throws) throw ValueError("do not move me");
    }
    Touchy& operator=(Touchy&&) = default;
};

TEST_F(QueueTest, AnItemThatCannotBeMovedOutStaysForTheNext) {
    run([]() -> Coro<> {
        Queue<Touchy> queue;
        const auto gets_touchy = [](Queue<Touchy>* from) -> Coro<> {
            static_cast<void>(co_await from->get());
        };
        const auto a = create_task(outcome_of(gets_touchy(&queue)));
        const auto b = create_task(gets_touchy(&queue));
        co_await settle();
        queue.put_nowait(Touchy(1));
        Touchy::throws = true;
        get_running_loop().call_soon([] { Touchy::throws = false; });
        const std::string outcome = co_await a;
        EXPECT_EQ(outcome, "do not move me");
        co_await b;
        EXPECT_TRUE(queue.empty());
    });
}

TEST_F(QueueTest, WithoutMemoryForAnItemNothingHasChanged) {
    if (!test::AllocationFailure::works()) GTEST_SKIP();
    run([]() -> Coro<> {
        Queue<int> queue;
        Log log;
        const auto getter = create_task(gets(queue, log, "a"));
        co_await settle();
        {
            const test::AllocationFailure failure(1);
            EXPECT_THROW(queue.put_nowait(1), std::bad_alloc);
        }
        EXPECT_TRUE(queue.empty());
        co_await settle();
        EXPECT_FALSE(getter.done());
        queue.put_nowait(2);
        co_await getter;
        EXPECT_EQ(log, Log{"a2"});
    });
}

TEST_F(QueueTest, WaitingAndWakingAllocatesNothing) {
    run([]() -> Coro<> {
        Queue<int> queue(1);
        long before = 0;
        long after = 0;
        const auto producer = create_task([&]() -> Coro<> {
            for (int i = 0; i < 1000; ++i) co_await queue.put(i);
        });
        for (int i = 0; i < 1000; ++i) {
            if (i == 10) before = test::allocations();
            static_cast<void>(co_await queue.get());
            if (i == 990) after = test::allocations();
        }
        co_await producer;
        EXPECT_EQ(after - before, 0);
    });
}

TEST_F(QueueTest, ItemsOfTheCallerAreDestroyedOnceWhateverHappens) {
    int alive = 0;
    run([&]() -> Coro<> {
        Queue<Counted> queue(1);
        const auto fills = [&]() -> Coro<> {
            for (int i = 0; i < 3; ++i) co_await queue.put(Counted(&alive, i));
        };
        const auto producer = create_task(fills);
        co_await settle();
        producer.cancel();
        co_await settle();
        EXPECT_EQ(alive, 1);
        const Counted first = co_await queue.get();
        EXPECT_EQ(first.value(), 0);
    });
    EXPECT_EQ(alive, 0);
}

TEST_F(QueueTest, IsBoundToTheLoopOfItsFirstWait) {
    Queue<int> queue;
    const auto use = [&]() -> Coro<std::string> {
        co_return co_await outcome_of(wait_for(queue.get(), 1ms));
    };
    EXPECT_EQ(run(use), "timed out");
    EXPECT_EQ(
        run(use),
        "this Queue is bound to a different event loop, that of its first wait: make one for each loop");
}

// Producers and consumers, cancelled anywhere: every item that was put was got, or is in the queue.
TEST_F(QueueTest, CancelledAtEachStepNoItemIsLost) {
    const auto scenario = []() -> Coro<> {
        Queue<int> queue(1);
        int put = 0;
        int got = 0;
        std::exception_ptr error;
        try {
            co_await with(TaskGroup{}, [&](TaskGroup& group) -> Coro<> {
                for (int i = 0; i < 2; ++i) {
                    group.create_task([&]() -> Coro<> {
                        for (int n = 0; n < 2; ++n) {
                            co_await queue.put(n);
                            ++put;
                        }
                    });
                    group.create_task([&]() -> Coro<> {
                        for (int n = 0; n < 2; ++n) {
                            static_cast<void>(co_await queue.get());
                            ++got;
                        }
                    });
                }
                co_await sleep(0s);
                if (queue.try_get().has_value()) {
                    ++got;
                    co_await queue.put(7);
                    ++put;
                }
            });
        } catch (...) {
            error = std::current_exception();
        }
        EXPECT_EQ(put, got + static_cast<int>(queue.qsize()));
        if (error != nullptr) std::rethrow_exception(error);
    };
    test::expect_each_cancel_point(scenario, asyncio::testing::CancelPointOptions{.twice = true, .seeds = 3});
    const auto orders = asyncio::testing::for_each_order(scenario, 500);
    EXPECT_GT(orders.runs, 100u);
}

TEST(QueueDeathTest, DestroyingItUnderAWaitingTaskIsAnAssertion) {
    EXPECT_DEATH(asyncio::run([]() -> Coro<> {
                     auto queue = std::make_unique<Queue<int>>();
                     const auto task =
                         create_task([&]() -> Coro<> { static_cast<void>(co_await queue->get()); });
                     co_await sleep(0s);
                     queue.reset();
                     co_await task;
                 }),
                 "is in its Queue.get: let those tasks end first");
}

}}  // namespace asyncio::sync_test
