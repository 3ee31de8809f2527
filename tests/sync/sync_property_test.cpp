// Random programs on one primitive, with random cancels, timeouts and orders of ready tasks. After each the
// books must balance, and while nothing moves nobody may be waiting for what is there.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

#include "sync/sync_support.hpp"

namespace asyncio::sync_test { namespace {

constexpr int programs = 150;
constexpr int crew = 6;
constexpr int rounds = 30;

class SyncProperty : public SimulatedTest {
  protected:
    /// Runs `check(random)` for many seeds: the same numbers choose what is done and in which order tasks
    /// run.
    template <class F>
    static void for_each_seed(F&& check) {
        for (unsigned seed = 1; seed <= programs; ++seed) {
            SCOPED_TRACE("seed " + std::to_string(seed));
            std::mt19937 random(seed);
            RunOptions options;
            if (seed % 3 != 0) options.seed = seed;
            run([&]() -> Coro<> { co_await check(random); }, options);
            if (HasFailure()) return;
        }
    }
};

int pick(std::mt19937& random, int below) {
    return static_cast<int>(random() % static_cast<unsigned>(below));
}

/// Tasks that do `act` again and again, of whom some are cancelled now and then, and then all; between times
/// `at_rest` looks at what stands still.
template <class Act, class Check>
Coro<> disturb(std::mt19937& random, Act act, Check at_rest) {
    std::vector<Task<>> tasks;
    const auto member = [&]() -> Coro<> {
        for (;;) {
            try {
                co_await act();
            } catch (const CancelledError&) {
                if (current_task().name() == "stop") throw;
            } catch (const TimeoutError&) {}
            co_await sleep(std::chrono::milliseconds(pick(random, 3)));
        }
    };
    for (int i = 0; i < crew; ++i) tasks.push_back(create_task(member));
    for (int round = 0; round < rounds; ++round) {
        for (int i = pick(random, 4); i != 0; --i) {
            const auto& victim = tasks[static_cast<std::size_t>(pick(random, crew))];
            victim.cancel();
            if (pick(random, 3) == 0) co_await sleep(0s);
            victim.uncancel();
        }
        co_await sleep(std::chrono::milliseconds(pick(random, 3)));
        co_await asyncio::testing::wait_all_tasks_blocked();
        at_rest();
    }
    for (const auto& task : tasks) task.set_name("stop");
    for (const auto& task : tasks) task.cancel();
    co_await wait(tasks);
    for (const auto& task : tasks) EXPECT_TRUE(task.cancelled());
}

TEST_F(SyncProperty, OfALock) {
    for_each_seed([](std::mt19937& random) -> Coro<> {
        Lock lock;
        int inside = 0;
        int waiting = 0;
        const auto act = [&]() -> Coro<> {
            ++waiting;
            std::exception_ptr error;
            try {
                if (pick(random, 4) == 0) {
                    co_await wait_for(lock.acquire(), std::chrono::milliseconds(pick(random, 3)));
                } else {
                    co_await lock.acquire();
                }
            } catch (...) {
                error = std::current_exception();
            }
            --waiting;
            if (error != nullptr) std::rethrow_exception(error);
            EXPECT_EQ(++inside, 1);
            try {
                co_await sleep(std::chrono::milliseconds(pick(random, 3)));
            } catch (...) {
                error = std::current_exception();
            }
            --inside;
            lock.release();
            if (error != nullptr) std::rethrow_exception(error);
        };
        co_await disturb(random, act, [&] { EXPECT_TRUE(waiting == 0 || inside == 1); });
        EXPECT_FALSE(lock.locked());
    });
}

TEST_F(SyncProperty, OfASemaphore) {
    for_each_seed([](std::mt19937& random) -> Coro<> {
        const int units = 1 + pick(random, 3);
        BoundedSemaphore semaphore(units);
        int inside = 0;
        int waiting = 0;
        const auto act = [&]() -> Coro<> {
            ++waiting;
            std::exception_ptr error;
            try {
                if (pick(random, 4) == 0) {
                    co_await wait_for(semaphore.acquire(), std::chrono::milliseconds(pick(random, 3)));
                } else {
                    co_await semaphore.acquire();
                }
            } catch (...) {
                error = std::current_exception();
            }
            --waiting;
            if (error != nullptr) std::rethrow_exception(error);
            EXPECT_LE(++inside, units);
            try {
                co_await sleep(std::chrono::milliseconds(pick(random, 3)));
            } catch (...) {
                error = std::current_exception();
            }
            --inside;
            semaphore.release();
            if (error != nullptr) std::rethrow_exception(error);
        };
        co_await disturb(random, act, [&] { EXPECT_TRUE(waiting == 0 || inside == units); });
        for (int i = 0; i < units; ++i) {
            EXPECT_FALSE(semaphore.locked());
            co_await semaphore.acquire();
        }
        EXPECT_TRUE(semaphore.locked());
        EXPECT_THROW(
            {
                for (int i = 0; i <= units; ++i) semaphore.release();
            },
            ValueError);
    });
}

TEST_F(SyncProperty, OfACondition) {
    for_each_seed([](std::mt19937& random) -> Coro<> {
        Condition condition;
        int tokens = 0;
        int waiting = 0;
        const auto act = [&]() -> Coro<> {
            const auto held = co_await condition.scoped();
            if (pick(random, 2) == 0) {
                ++tokens;
                condition.notify();
                co_return;
            }
            ++waiting;
            std::exception_ptr error;
            try {
                if (pick(random, 4) == 0) {
                    const auto seen = [&] { return tokens > 0; };
                    co_await wait_for(condition.wait_for(seen), std::chrono::milliseconds(pick(random, 3)));
                } else {
                    co_await condition.wait_for([&] { return tokens > 0; });
                }
            } catch (...) {
                error = std::current_exception();
            }
            --waiting;
            EXPECT_TRUE(condition.locked());
            if (error != nullptr) std::rethrow_exception(error);
            --tokens;
        };
        co_await disturb(random, act, [&] {
            EXPECT_FALSE(condition.locked());
            EXPECT_TRUE(tokens == 0 || waiting == 0) << tokens << " tokens, " << waiting << " waiting";
        });
    });
}

/// Which of the items that were put comes next, by the kind of queue.
template <class T>
auto next_of(const Queue<T>&, std::vector<T>& items) {
    return items.begin();
}
template <class T>
auto next_of(const LifoQueue<T>&, std::vector<T>& items) {
    return items.end() - 1;
}
template <class T>
auto next_of(const PriorityQueue<T>&, std::vector<T>& items) {
    return std::min_element(items.begin(), items.end());
}

template <class Q>
Coro<> disturb_queue(std::mt19937& random) {
    Q queue(pick(random, 3));
    std::vector<int> model;
    int next = 0;
    int getting = 0;
    int putting = 0;
    const auto number = [&] { return 1000 * pick(random, 10) + next++; };  // each another
    const auto take = [&](int item) {
        EXPECT_FALSE(model.empty());
        if (model.empty()) return;
        const auto expected = next_of(queue, model);
        EXPECT_EQ(item, *expected);
        model.erase(expected);
    };
    const auto act = [&]() -> Coro<> {
        const int what = pick(random, 6);
        if (what == 0) {
            if (const auto item = queue.try_get()) take(*item);
            co_return;
        }
        if (what == 1) {
            if (!queue.full()) {
                const int item = number();
                queue.put_nowait(item);
                model.push_back(item);
            }
            co_return;
        }
        const bool gets = what < 4;
        ++(gets ? getting : putting);
        std::exception_ptr error;
        try {
            const Duration limit = pick(random, 4) == 0 ? Duration(std::chrono::milliseconds(pick(random, 3)))
                                                        : Duration::none();
            if (gets) {
                const int item = co_await wait_for(queue.get(), limit);
                take(item);
            } else {
                const int item = number();
                co_await wait_for(queue.put(item), limit);
                model.push_back(item);
            }
        } catch (...) {
            error = std::current_exception();
        }
        --(gets ? getting : putting);
        if (error != nullptr) std::rethrow_exception(error);
    };
    co_await disturb(random, act, [&] {
        EXPECT_EQ(model.size(), queue.qsize());
        EXPECT_TRUE(getting == 0 || queue.empty());
        EXPECT_TRUE(putting == 0 || queue.full());
    });
    EXPECT_EQ(model.size(), queue.qsize());
}

TEST_F(SyncProperty, OfAQueue) { for_each_seed(disturb_queue<Queue<int>>); }
TEST_F(SyncProperty, OfALifoQueue) { for_each_seed(disturb_queue<LifoQueue<int>>); }
TEST_F(SyncProperty, OfAPriorityQueue) { for_each_seed(disturb_queue<PriorityQueue<int>>); }

// Producers and consumers, some of whom are cancelled, and a shutdown in the midst of it: all come to an end,
// and what was put was got, or thrown away.
TEST_F(SyncProperty, OfAQueueThatIsShutDown) {
    for_each_seed([](std::mt19937& random) -> Coro<> {
        Queue<int> queue(pick(random, 3));
        int put = 0;
        int got = 0;
        std::vector<Task<>> tasks;
        const auto produces = [&]() -> Coro<> {
            try {
                for (;;) {
                    co_await queue.put(1);
                    ++put;
                    co_await sleep(std::chrono::milliseconds(pick(random, 3)));
                }
            } catch (const QueueShutDown&) {}
        };
        const auto consumes = [&]() -> Coro<> {
            while (auto item = co_await queue.next()) {
                ++got;
                queue.task_done();
                co_await sleep(std::chrono::milliseconds(pick(random, 3)));
            }
        };
        for (int i = 0; i < crew; ++i)
            tasks.push_back(i % 2 == 0 ? create_task(produces) : create_task(consumes));
        for (int i = 1 + pick(random, 10); i != 0; --i) {
            co_await sleep(std::chrono::milliseconds(pick(random, 3)));
            if (pick(random, 4) == 0) tasks[static_cast<std::size_t>(pick(random, crew))].cancel();
            if (pick(random, 3) == 0) co_await sleep(0s);
        }
        const bool immediate = pick(random, 2) == 0;
        const int thrown_away = immediate ? static_cast<int>(queue.qsize()) : 0;
        queue.shutdown(immediate);
        if (!immediate) tasks.push_back(create_task(consumes));  // the others may have been cancelled
        const auto ended = co_await wait(tasks, {.timeout = 1h});
        EXPECT_TRUE(ended.pending.empty());
        EXPECT_TRUE(queue.empty());
        EXPECT_EQ(put, got + thrown_away);
        co_await wait_for(queue.join(), 1h);
    });
}

TEST_F(SyncProperty, OfAnEvent) {
    for_each_seed([](std::mt19937& random) -> Coro<> {
        Event event;
        int waiting = 0;
        const auto act = [&]() -> Coro<> {
            const int what = pick(random, 5);
            if (what == 0) event.set();
            if (what == 1) event.clear();
            if (what < 2) co_return;
            ++waiting;
            std::exception_ptr error;
            try {
                const Duration limit = pick(random, 4) == 0
                                           ? Duration(std::chrono::milliseconds(pick(random, 3)))
                                           : Duration::none();
                co_await wait_for(event.wait(), limit);
            } catch (...) {
                error = std::current_exception();
            }
            --waiting;
            if (error != nullptr) std::rethrow_exception(error);
        };
        co_await disturb(random, act, [&] { EXPECT_TRUE(waiting == 0 || !event.is_set()); });
    });
}

TEST_F(SyncProperty, OfABarrier) {
    for_each_seed([](std::mt19937& random) -> Coro<> {
        const int parties = 1 + pick(random, 4);
        Barrier barrier(parties);
        int waiting = 0;
        const auto act = [&]() -> Coro<> {
            const int what = pick(random, 12);
            if (what == 0) co_await barrier.abort();
            if (what == 1 || barrier.broken()) co_await barrier.reset();
            ++waiting;
            std::exception_ptr error;
            try {
                const Duration limit = pick(random, 4) == 0
                                           ? Duration(std::chrono::milliseconds(pick(random, 3)))
                                           : Duration::none();
                const std::size_t number = co_await wait_for(barrier.wait(), limit);
                EXPECT_LT(static_cast<int>(number), parties);
            } catch (const BrokenBarrierError&) {
                // Sent away.
            } catch (...) {
                error = std::current_exception();
            }
            --waiting;
            if (error != nullptr) std::rethrow_exception(error);
        };
        co_await disturb(random, act, [&] {
            EXPECT_EQ(static_cast<int>(barrier.n_waiting()), waiting);
            EXPECT_LT(waiting, parties);
        });
        EXPECT_EQ(barrier.n_waiting(), 0u);
    });
}

TEST_F(SyncProperty, OfAMemoryChannel) {
    for_each_seed([](std::mt19937& random) -> Coro<> {
        const auto size = static_cast<std::size_t>(pick(random, 3));
        auto ends = open_memory_channel<int>(size);
        int sent = 0;
        int received = 0;
        int sending = 0;
        int receiving = 0;
        const auto act = [&]() -> Coro<> {
            const bool sends = pick(random, 2) == 0;
            ++(sends ? sending : receiving);
            std::exception_ptr error;
            try {
                if (sends) {
                    co_await ends.send.send(1);
                    ++sent;
                } else {
                    const int item = co_await ends.receive.receive();
                    received += item;
                }
            } catch (...) {
                error = std::current_exception();
            }
            --(sends ? sending : receiving);
            if (error != nullptr) std::rethrow_exception(error);
        };
        co_await disturb(random, act, [&] {
            const auto told = ends.send.statistics();
            EXPECT_EQ(static_cast<std::size_t>(sent - received), told.current_buffer_used);
            EXPECT_EQ(static_cast<int>(told.tasks_waiting_send), sending);
            EXPECT_EQ(static_cast<int>(told.tasks_waiting_receive), receiving);
            EXPECT_TRUE(receiving == 0 || told.current_buffer_used == 0);
            EXPECT_TRUE(sending == 0 || (told.current_buffer_used >= size && receiving == 0));
        });
    });
}

// In the order of the loop, without shuffling: who begins to receive first is given the earlier item, and who
// begins to send first has it received first.
TEST_F(SyncProperty, NobodyOvertakesInAMemoryChannel) {
    for (unsigned seed = 1; seed <= programs; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937 random(seed);
        run([&]() -> Coro<> {
            auto ends = open_memory_channel<int>(static_cast<std::size_t>(pick(random, 3)));
            int next_item = 0;
            int next_ticket = 0;
            std::map<int, int> items;  // by tickets
            const auto act = [&]() -> Coro<> {
                switch (pick(random, 5)) {
                    case 0:
                        try {
                            const int item = ends.receive.receive_nowait();
                            items[next_ticket++] = item;
                        } catch (const WouldBlock&) {}
                        break;
                    case 1:
                    case 2: co_await ends.send.send(next_item++); break;
                    default:
                        const int ticket = next_ticket++;
                        const int item = co_await ends.receive.receive();
                        items[ticket] = item;
                }
            };
            co_await disturb(random, act, [] {});
            int last = -1;
            for (const auto& [ticket, item] : items) {
                EXPECT_GT(item, last) << "ticket " << ticket;
                last = item;
            }
        });
        if (HasFailure()) return;
    }
}

}}  // namespace asyncio::sync_test
