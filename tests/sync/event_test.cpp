// Event.
#include "asyncio/sync/event.hpp"

#include <gtest/gtest.h>

#include <optional>

#include "sync/sync_support.hpp"

namespace asyncio::sync_test { namespace {

class EventTest : public SimulatedTest {};
class EventOnBackends : public test::BackendTest {};
ASYNCIO_ON_EVERY_BACKEND(EventOnBackends);

Coro<> waits(Event& event, Log& log, std::string name) {
    co_await event.wait();
    log.push_back(name);
}

TEST_P(EventOnBackends, SetWakesAllThatWaitInTheirOrder) {
    run([]() -> Coro<> {
        Event event;
        Log log;
        const auto a = create_task(waits(event, log, "a"));
        const auto b = create_task(waits(event, log, "b"));
        co_await settle();
        EXPECT_TRUE(log.empty());
        event.set();
        EXPECT_TRUE(event.is_set() && log.empty());
        co_await sleep(0s);
        EXPECT_EQ(log, (Log{"a", "b"}));
        co_await gather(a, b);
        co_await event.wait();
    });
}

TEST_F(EventTest, WhoWasWokenGoesOnAlthoughItWasClearedMeanwhile) {
    run([]() -> Coro<> {
        Event event;
        Log log;
        const auto task = create_task(waits(event, log, "a"));
        co_await settle();
        event.set();
        event.clear();
        EXPECT_FALSE(event.is_set());
        co_await task;
        EXPECT_EQ(log, Log{"a"});
    });
}

TEST_F(EventTest, ASetEventMakesNobodyWaitButYieldsByTheBudget) {
    run([]() -> Coro<> {
        Event event;
        event.set();
        bool other_ran = false;
        const auto other = create_task([&]() -> Coro<> {
            other_ran = true;
            co_return;
        });
        for (int i = 0; i < 100; ++i) co_await event.wait();
        EXPECT_FALSE(other_ran);
        for (int i = 0; i < 100; ++i) co_await event.wait();
        EXPECT_TRUE(other_ran);
        co_await other;
    });
}

TEST_F(EventTest, MayGoAsSoonAsItIsSet) {
    run([]() -> Coro<> {
        std::optional<Event> event(std::in_place);
        const auto task = create_task([&]() -> Coro<> { co_await event->wait(); });
        co_await settle();
        event->set();
        event.reset();
        co_await task;
    });
}

TEST_F(EventTest, ACancelledWaiterIsForgotten) {
    run([]() -> Coro<> {
        Event event;
        Log log;
        const auto a = create_task(waits(event, log, "a"));
        const auto b = create_task(waits(event, log, "b"));
        co_await settle();
        a.cancel();
        event.set();
        co_await b;
        EXPECT_TRUE(a.cancelled());
        EXPECT_EQ(log, Log{"b"});
    });
}

TEST_F(EventTest, ACancelAfterTheWakeUpWins) {
    run([]() -> Coro<> {
        Event event;
        Log log;
        const auto a = create_task(waits(event, log, "a"));
        co_await settle();
        event.set();
        a.cancel();
        co_await settle();
        EXPECT_TRUE(a.cancelled());
    });
}

TEST_F(EventTest, SettingItAllocatesNothing) {
    run([]() -> Coro<> {
        Event event;
        Log log;
        std::vector<Task<>> tasks;
        for (int i = 0; i < 1000; ++i) tasks.push_back(create_task(waits(event, log, "")));
        co_await settle();
        static_assert(noexcept(event.set()) && noexcept(event.clear()));
        event.set();
        co_await wait(tasks);
        EXPECT_EQ(log.size(), 1000u);
    });
}

TEST_F(EventTest, IsBoundToTheLoopOfItsFirstWait) {
    Event event;
    const auto use = [&]() -> Coro<std::string> {
        co_return co_await outcome_of(wait_for(event.wait(), 1ms));
    };
    EXPECT_EQ(run(use), "timed out");
    EXPECT_EQ(
        run(use),
        "this Event is bound to a different event loop, that of its first wait: make one for each loop");
}

TEST_F(EventTest, CancelledAtEachStep) {
    test::expect_each_cancel_point(
        []() -> Coro<> {
            Event event;
            Log log;
            co_await with(TaskGroup{}, [&](TaskGroup& group) -> Coro<> {
                group.create_task(waits(event, log, "a"));
                group.create_task([&]() -> Coro<> {
                    co_await sleep(0s);
                    event.set();
                    event.clear();
                });
                co_await event.wait();
            });
        },
        asyncio::testing::CancelPointOptions{.twice = true, .seeds = 3});
}

TEST_F(EventTest, InEachOrderNobodyMissesASet) {
    const auto orders = asyncio::testing::for_each_order(
        []() -> Coro<> {
            Event event;
            Event answered;
            int rounds = 0;
            const auto waits = [&]() -> Coro<> {
                co_await event.wait();
                if (++rounds == 2) answered.set();
            };
            const auto sets = [&]() -> Coro<> {
                event.set();
                co_await sleep(0s);
                event.clear();
                co_await answered.wait();
                EXPECT_EQ(rounds, 2);
            };
            const auto first = create_task(waits);
            const auto second = create_task(waits);
            co_await sleep(0s);
            co_await sets();
            co_await gather(first, second);
        },
        400);
    EXPECT_TRUE(orders.all);
    EXPECT_GT(orders.runs, 1u);
}

}}  // namespace asyncio::sync_test
