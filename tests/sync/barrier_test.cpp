// Barrier.
#include "asyncio/sync/barrier.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "sync/sync_support.hpp"

namespace asyncio::sync_test { namespace {

class BarrierTest : public SimulatedTest {};
class BarrierOnBackends : public test::BackendTest {};
ASYNCIO_ON_EVERY_BACKEND(BarrierOnBackends);

TEST_P(BarrierOnBackends, LetsAllGoOnWhenTheLastHasCome) {
    run([]() -> Coro<> {
        Barrier barrier(3);
        std::vector<std::size_t> numbers;
        const auto comes = [&]() -> Coro<> {
            const std::size_t number = co_await barrier.wait();
            numbers.push_back(number);
        };
        const auto a = create_task(comes);
        const auto b = create_task(comes);
        co_await settle();
        EXPECT_EQ(barrier.n_waiting(), 2u);
        EXPECT_TRUE(numbers.empty());
        co_await comes();
        co_await gather(a, b);
        std::sort(numbers.begin(), numbers.end());
        EXPECT_EQ(numbers, (std::vector<std::size_t>{0, 1, 2}));
        EXPECT_EQ(barrier.n_waiting(), 0u);
    });
}

TEST_F(BarrierTest, WithGivesTheNumberToTheBody) {
    run([]() -> Coro<> {
        Barrier barrier(2);
        std::size_t sum = 0;
        const auto comes = [&]() -> Coro<> {
            co_await with(barrier, [&](std::size_t& number) -> Coro<> {
                sum += number;
                co_return;
            });
        };
        co_await gather(comes(), comes());
        EXPECT_EQ(sum, 1u);
        EXPECT_EQ(barrier.parties(), 2u);
    });
}

TEST_F(BarrierTest, WhoComesWhileOthersLeaveWaitsForTheNextLot) {
    run([]() -> Coro<> {
        Barrier barrier(2);
        Log log;
        const auto comes = [&](std::string name) -> Coro<> {
            co_await barrier.wait();
            log.push_back(name);
        };
        std::vector<Coro<>> all;
        for (const char* name : {"a", "b", "c", "d"}) all.push_back(comes(name));
        co_await gather(std::move(all));
        EXPECT_EQ(log.size(), 4u);
    });
}

TEST_F(BarrierTest, OfOnePartyNeverWaits) {
    run([]() -> Coro<> {
        Barrier barrier(1);
        for (int i = 0; i < 300; ++i) {
            const std::size_t number = co_await barrier.wait();
            EXPECT_EQ(number, 0u);
        }
    });
    EXPECT_EQ(thrown<ValueError>([] { const Barrier barrier(0); }), "a Barrier is for one party or more");
}

TEST_F(BarrierTest, AbortBreaksItUntilItIsReset) {
    run([]() -> Coro<> {
        Barrier barrier(2);
        const auto waiter = create_task([&]() -> Coro<> { co_await barrier.wait(); });
        co_await settle();
        co_await barrier.abort();
        EXPECT_TRUE(barrier.broken());
        const std::string first = co_await outcome_of(wait_for(waiter, 1s));
        EXPECT_EQ(first, "the barrier was aborted: reset it before tasks wait at it again");
        const std::string second = co_await outcome_of(wait_for(barrier.wait(), 1s));
        EXPECT_EQ(second, first);
        co_await barrier.reset();
        EXPECT_FALSE(barrier.broken());
        const auto again = [&]() -> Coro<> { co_await barrier.wait(); };
        co_await gather(again(), again());
    });
}

TEST_F(BarrierTest, ResetSendsThoseWhoWaitAwayWithAnError) {
    run([]() -> Coro<> {
        Barrier barrier(3);
        const auto comes = [&]() -> Coro<> { co_await barrier.wait(); };
        const auto a = create_task(comes);
        const auto b = create_task(comes);
        co_await settle();
        co_await barrier.reset();
        const std::string outcome = co_await outcome_of(wait_for(a, 1s));
        EXPECT_EQ(outcome, "the barrier was reset while this task waited at it");
        co_await outcome_of(wait_for(b, 1s));
        co_await gather(comes(), comes(), comes());
    });
}

TEST_F(BarrierTest, ACancelledTaskCountsNoLonger) {
    run([]() -> Coro<> {
        Barrier barrier(2);
        const auto comes = [&]() -> Coro<> { co_await barrier.wait(); };
        const auto a = create_task(comes);
        co_await settle();
        a.cancel();
        co_await settle();
        EXPECT_TRUE(a.cancelled());
        EXPECT_EQ(barrier.n_waiting(), 0u);
        co_await gather(comes(), comes());
    });
}

TEST_F(BarrierTest, TheLastToComeMayDestroyItAtOnce) {
    run([]() -> Coro<> {
        std::vector<Task<std::size_t>> others;
        const auto comes = [](Barrier* at) -> Coro<std::size_t> { co_return co_await at->wait(); };
        {
            Barrier barrier(3);
            for (int i = 0; i < 2; ++i) others.push_back(create_task(comes(&barrier)));
            co_await settle();
            const std::size_t last = co_await barrier.wait();
            EXPECT_EQ(last, 2u);
            EXPECT_FALSE(others[0].done());
        }
        for (std::size_t i = 0; i < 2; ++i) {
            const std::size_t number = co_await others[i];
            EXPECT_EQ(number, i);
        }
    });
}

TEST_F(BarrierTest, WhoWasSentAwayOrCancelledNeedsItNoMore) {
    run([]() -> Coro<> {
        std::vector<Task<std::string>> tasks;
        const auto comes = [](Barrier* at) -> Coro<> { co_await at->wait(); };
        for (const int change : {0, 1, 2}) {
            Barrier barrier(3);
            const auto waits = create_task(outcome_of(comes(&barrier)));
            const auto cancelled = create_task(outcome_of(comes(&barrier)));
            co_await settle();
            if (change == 0) co_await barrier.abort();
            if (change == 1) co_await barrier.reset();
            if (change == 2) waits.cancel();
            cancelled.cancel();
            tasks.push_back(waits);
            tasks.push_back(cancelled);
        }
        Log outcomes;
        for (const auto& task : tasks) {
            std::string outcome = co_await task;
            outcomes.push_back(outcome);
        }
        EXPECT_EQ(outcomes, (Log{"the barrier was aborted: reset it before tasks wait at it again",
                                 "cancelled", "the barrier was reset while this task waited at it",
                                 "cancelled", "cancelled", "cancelled"}));
    });
}

TEST_F(BarrierTest, ACancelAfterItHasGoneIsDelivered) {
    run([]() -> Coro<> {
        std::optional<Barrier> barrier(std::in_place, 2);
        const auto other = create_task([&]() -> Coro<> { co_await barrier->wait(); });
        co_await settle();
        co_await barrier->wait();
        barrier.reset();
        other.cancel();
        co_await wait(task_test::handles(other));
        EXPECT_TRUE(other.cancelled());
    });
}

TEST(BarrierDeathTest, DestroyingItUnderATaskThatWaitsForOthersIsAnAssertion) {
    EXPECT_DEATH(asyncio::run([]() -> Coro<> {
                     std::optional<Task<>> waiter;
                     {
                         Barrier barrier(2);
                         waiter = create_task(TaskOptions{.name = "early"},
                                              [&]() -> Coro<> { co_await barrier.wait(); });
                         co_await sleep(0s);
                     }
                     co_await *waiter;
                 }),
                 "destroyed while task 'early' is in its Barrier.wait: let those tasks end first");
}

TEST_F(BarrierTest, InEachOrderAllGetThroughAndItMayGo) {
    const auto orders = asyncio::testing::for_each_order(
        []() -> Coro<> {
            auto barrier = std::make_unique<Barrier>(3);
            const auto comes = [&]() -> Coro<> {
                const std::size_t number = co_await barrier->wait();
                if (number == 2) barrier.reset();  // the last to come is the first to go on
                co_await sleep(0s);
            };
            co_await gather(comes(), comes(), comes());
            EXPECT_EQ(barrier, nullptr);
        },
        400);
    EXPECT_TRUE(orders.all);
}

TEST_F(BarrierTest, CancelledAtEachStepItCanBeUsedAgain) {
    const auto scenario = []() -> Coro<> {
        Barrier barrier(3);
        const auto comes = [&]() -> Coro<> {
            co_await barrier.wait();
            co_await sleep(0s);
        };
        std::exception_ptr error;
        try {
            co_await with(TaskGroup{}, [&](TaskGroup& group) -> Coro<> {
                for (int i = 0; i < 5; ++i) group.create_task(comes);
                co_await comes();
            });
        } catch (...) {
            error = std::current_exception();
        }
        EXPECT_EQ(barrier.n_waiting(), 0u);
        if (error != nullptr) std::rethrow_exception(error);
        co_await gather(comes(), comes(), comes());
    };
    test::expect_each_cancel_point(scenario, asyncio::testing::CancelPointOptions{.twice = true, .seeds = 3});
    asyncio::testing::for_each_order(scenario, 300);
}

}}  // namespace asyncio::sync_test
