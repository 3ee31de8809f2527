// Somebody cancels a task that he was never given: one out of all_tasks(). Each live task of each scenario,
// at each of its steps: the scenario goes to its end, or ends by CancelledError, but never as if nothing had
// happened while a part of its work is missing; and it waits for nobody who does not come.
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "asyncio/asyncio.hpp"
#include "asyncio/testing/testing.hpp"
#include "support/cancel_points.hpp"
#include "support/scenarios.hpp"

namespace asyncio::task_test { namespace {

using namespace std::chrono_literals;
using asyncio::testing::any_task;
using asyncio::testing::CancelPoint;
using asyncio::testing::CancelPointOptions;
using asyncio::testing::CancelPoints;
using test::Probe;

class AnyVictim : public test::LoopTest {};

/// What a scenario has done; a fresh one for each run.
struct Work {
    int wanted = 0;
    int done = 0;
    bool is_whole() const { return done == wanted; }
};

/// A run that was not told of a cancel has done all its work.
template <class Scenario>
CancelPoints expect_nothing_missed(Scenario scenario, CancelPointOptions options = {}) {
    Work work;
    options.virtual_time = true;
    options.victims = any_task;
    return test::expect_each_cancel_point(
        [&] {
            work = Work();
            return scenario(work);
        },
        [&](const CancelPoint& point) { return Probe::alive() == 0 && (point.cancelled || work.is_whole()); },
        options);
}
/// In order, in two random orders, with a second cancel.
template <class Scenario>
void expect_nothing_missed_in_any_order(Scenario scenario) {
    CancelPointOptions seeds;
    seeds.seeds = 2;
    const CancelPoints points = expect_nothing_missed(scenario, seeds);
    EXPECT_GT(points.cancelled, 0u);
    CancelPointOptions twice;
    twice.backend = Backend::sim;
    twice.twice = true;
    expect_nothing_missed(scenario, twice);
}

/// Waits before each item, and in its cleanup.
AsyncGenerator<std::string> texts(int count) {
    const Probe probe;
    std::exception_ptr error;
    try {
        for (int i = 0; i < count; ++i) {
            co_await sleep(1ms);
            co_yield std::to_string(i) + ", yielded in a string that is none of the short ones";
        }
    } catch (...) {
        error = std::current_exception();
    }
    co_await sleep(1ms);
    if (error != nullptr) std::rethrow_exception(error);
}
Coro<int> length_of(std::string text) {
    const Probe probe;
    co_await sleep(2ms);
    co_return static_cast<int>(text.size());
}

// ---- flows --------------------------------------------------------------------------------------

template <class T>
Coro<> count_all(Flow<T>& items, Work& work) {
    while (auto item = co_await items.next()) ++work.done;
}

Coro<> merges(Work& work) {
    work.wanted = 3;
    co_await with(merge(texts(2), texts(1)),
                  [&](Flow<std::string>& items) { return count_all(items, work); });
}
TEST_F(AnyVictim, OfAMergeIsMissedByWhoeverAsksForItsItems) { expect_nothing_missed_in_any_order(merges); }

Coro<> maps(Work& work) {
    work.wanted = 3;
    co_await with(map(2, texts(3), length_of), [&](Flow<int>& lengths) { return count_all(lengths, work); });
}
TEST_F(AnyVictim, OfAMapIsMissedInItsTurn) { expect_nothing_missed_in_any_order(maps); }

Coro<> maps_unordered(Work& work) {
    work.wanted = 3;
    co_await with(map_unordered(2, texts(3), length_of),
                  [&](Flow<int>& lengths) { return count_all(lengths, work); });
}
TEST_F(AnyVictim, OfAMapWithoutAnOrderIsMissed) { expect_nothing_missed_in_any_order(maps_unordered); }

Coro<> maps_a_list(Work& work) {
    work.wanted = 3;
    std::vector<std::string> list(3, "a text that is long enough for the heap, as texts are");
    co_await with(map(2, list, length_of), [&](Flow<int>& lengths) { return count_all(lengths, work); });
}
TEST_F(AnyVictim, OfAMapOverAListIsMissedInItsTurn) { expect_nothing_missed_in_any_order(maps_a_list); }

Coro<> reads_a_zip(Work& work) {
    auto pairs = enumerate(zip(texts(2), texts(3)));
    while (auto pair = co_await pairs.next()) ++work.done;
}
Coro<> zips(Work& work) {
    work.wanted = 4;
    co_await gather(reads_a_zip(work), reads_a_zip(work));
}
TEST_F(AnyVictim, OfAGatherOfZipsIsMissed) { expect_nothing_missed_in_any_order(zips); }

// ---- gather with a limit ------------------------------------------------------------------------

std::vector<Coro<int>> lengths(int count) {
    std::vector<Coro<int>> coros;
    for (int i = 0; i < count; ++i)
        coros.push_back(length_of("a text that is long enough for the heap, as texts are"));
    return coros;
}

Coro<> gathers_with_a_limit(Work& work) {
    work.wanted = 3;
    const auto all = co_await gather({.limit = 2}, lengths(3));
    for (const int length : all) work.done += length > 0 ? 1 : 0;
}
TEST_F(AnyVictim, OfAGatherWithALimitEndsIt) { expect_nothing_missed_in_any_order(gathers_with_a_limit); }

Coro<> gathers_outcomes_with_a_limit(Work& work) {
    work.wanted = 3;
    const auto all = co_await gather(return_exceptions, {.limit = 2}, lengths(3));
    for (const Outcome<int>& each : all) work.done += each.has_value() || each.cancelled() ? 1 : 0;
}
TEST_F(AnyVictim, OfAGatherOfOutcomesWithALimitIsOneOfThemOrEndsIt) {
    expect_nothing_missed_in_any_order(gathers_outcomes_with_a_limit);
}

// ---- threads ------------------------------------------------------------------------------------

int plus_one(int n) { return n + 1; }

Coro<> calls_an_executor(ThreadPoolExecutor& pool, Work& work) {
    const int two = co_await get_running_loop().run_in_executor(pool, plus_one, 1);
    const int three = co_await get_running_loop().run_in_executor(nullptr, plus_one, two);
    work.done += three;
}
Coro<> shares_an_executor(Work& work) {
    work.wanted = 6;
    ThreadPoolExecutor pool({.max_workers = 1});
    co_await gather(calls_an_executor(pool, work), calls_an_executor(pool, work));
}
TEST_F(AnyVictim, OfThoseThatShareAnExecutorLeavesItToTheOthers) {
    expect_nothing_missed(shares_an_executor);
}

// ---- synchronisation ----------------------------------------------------------------------------

Coro<> produces(Queue<int>& queue, Work& work) {
    const Probe probe;
    for (int i = 0; i < 2; ++i) {
        co_await sleep(0s);
        co_await queue.put(i);
        ++work.wanted;
    }
}
Coro<> consumes(Queue<int>& queue, Work& work) {
    const Probe probe;
    while (auto item = co_await queue.next()) {
        ++work.done;
        co_await sleep(0s);
    }
}
/// A cancelled child is no failure of a TaskGroup: the others go on.
Coro<> passes_items_on(Work& work) {
    Queue<int> queue(1);
    co_await with(TaskGroup(), [&](TaskGroup& consumers) -> Coro<> {
        for (int i = 0; i < 2; ++i) consumers.create_task(consumes(queue, work));
        co_await with(TaskGroup(), [&](TaskGroup& producers) -> Coro<> {
            for (int i = 0; i < 2; ++i) producers.create_task(produces(queue, work));
            co_return;
        });
        queue.shutdown();
    });
    work.done += static_cast<int>(queue.qsize());
}
TEST_F(AnyVictim, OfAQueueLosesNoItem) { expect_nothing_missed_in_any_order(passes_items_on); }

Coro<> takes_a_ticket(Condition& changed, int& tickets, Work& work) {
    const Probe probe;
    co_await with(changed, [&]() -> Coro<> {
        co_await changed.wait_for([&] { return tickets != 0; });
        --tickets;
        ++work.done;
    });
}
Coro<> hands_out_tickets(Work& work) {
    Condition changed;
    int tickets = 0;
    co_await with(TaskGroup(), [&](TaskGroup& group) -> Coro<> {
        for (int i = 0; i < 3; ++i) group.create_task(takes_a_ticket(changed, tickets, work));
        for (int i = 0; i < 3; ++i) {
            co_await sleep(0s);
            co_await with(changed, [&] {
                ++tickets;
                changed.notify();
            });
        }
    });
    work.wanted = 3 - tickets;  // the others have gone without one
}
TEST_F(AnyVictim, OfAConditionPassesItsNotifyOn) { expect_nothing_missed_in_any_order(hands_out_tickets); }

template <class Primitive>
Coro<> holds(Primitive& primitive, Work& work) {
    const Probe probe;
    co_await with(primitive, [&]() -> Coro<> {
        co_await sleep(1ms);
        ++work.done;
    });
}
template <class Primitive>
Coro<> takes_turns(Work& work) {
    Primitive primitive;
    co_await with(TaskGroup(), [&](TaskGroup& group) -> Coro<> {
        for (int i = 0; i < 3; ++i) group.create_task(holds(primitive, work));
        co_return;
    });
    EXPECT_FALSE(primitive.locked());
    work.wanted = work.done;  // at least two, and nobody waits for ever
    EXPECT_GE(work.done, 2);
}
TEST_F(AnyVictim, OfALockGivesItsTurnToTheNext) { expect_nothing_missed_in_any_order(takes_turns<Lock>); }
TEST_F(AnyVictim, OfASemaphoreGivesItsTurnToTheNext) {
    expect_nothing_missed_in_any_order(takes_turns<Semaphore>);
}

Coro<> sends(MemorySendChannel<int> channel, Work& work) {
    const Probe probe;
    for (int i = 0; i < 2; ++i) {
        co_await channel.send(i);
        ++work.wanted;
    }
}
Coro<> receives(MemoryReceiveChannel<int> channel, Work& work) {
    const Probe probe;
    while (auto item = co_await channel.next()) ++work.done;
}
Coro<> sends_and_receives(Work& work) {
    auto [send, receive] = open_memory_channel<int>(0);
    co_await with(TaskGroup(), [&](TaskGroup& group) -> Coro<> {
        for (int i = 0; i < 2; ++i) {
            group.create_task(sends(send.clone(), work));
            group.create_task(receives(receive.clone(), work));
        }
        send.close();
        co_return;
    });
    // The other one may have met the end by then.
    while (auto left = co_await receive.next()) ++work.done;
}
TEST_F(AnyVictim, OfAMemoryChannelLeavesItsItemToTheNext) {
    expect_nothing_missed_in_any_order(sends_and_receives);
}

}}  // namespace asyncio::task_test
