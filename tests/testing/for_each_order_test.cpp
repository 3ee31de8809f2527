#include "asyncio/testing/for_each_order.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "asyncio/asyncio.hpp"
#include "support/loop_fixture.hpp"

namespace asyncio { namespace {

using namespace std::chrono_literals;
using asyncio::testing::Failure;
using asyncio::testing::for_each_order;
using asyncio::testing::Orders;

class ForEachOrder : public test::LoopTest {};

Coro<> note(std::string* log, char mark) {
    *log += mark;
    co_return;
}
Coro<> note_twice(std::string* log, char first, char second) {
    *log += first;
    co_await sleep(0s);
    *log += second;
}

TEST_F(ForEachOrder, ThreeTasksThatAreReadyTogetherRunInAllSixOrders) {
    std::map<std::string, int> seen;
    const Orders orders = for_each_order([&]() -> Coro<> {
        std::string log;
        co_await gather(note(&log, 'a'), note(&log, 'b'), note(&log, 'c'));
        ++seen[log];
    });
    EXPECT_TRUE(orders.all);
    EXPECT_EQ(seen.size(), 6u);
    EXPECT_EQ(orders.runs, 6u) << "each order once";
    EXPECT_EQ(seen["abc"], 1);
}

TEST_F(ForEachOrder, LaterStepsAreOrderedAnew) {
    std::set<std::string> seen;
    const Orders orders = for_each_order([&]() -> Coro<> {
        std::string log;
        co_await gather(note_twice(&log, 'a', 'A'), note_twice(&log, 'b', 'B'));
        seen.insert(log);
    });
    EXPECT_TRUE(orders.all);
    EXPECT_EQ(seen, (std::set<std::string>{"abAB", "abBA", "baAB", "baBA"}));
}

TEST_F(ForEachOrder, TooManyOrdersAreTriedUpToTheBoundAndThenAtRandom) {
    std::set<std::string> seen;
    const Orders orders = for_each_order(
        [&]() -> Coro<> {
            std::string log;
            std::vector<Coro<>> tasks;
            for (char mark = 'a'; mark != 'i'; ++mark) tasks.push_back(note_twice(&log, mark, mark));
            co_await gather(std::move(tasks));
            seen.insert(log);
        },
        20);
    EXPECT_FALSE(orders.all);
    EXPECT_EQ(orders.runs, 40u);
    EXPECT_EQ(seen.size(), 40u);
}

TEST_F(ForEachOrder, AFailureNamesTheSeedThatRunsTheSameOrderAgain) {
    const auto scenario = [](std::string* log) -> Coro<> {
        co_await gather(note(log, 'a'), note(log, 'b'), note(log, 'c'));
        if (*log == "bca") throw ValueError("the bad order");
    };
    std::string text;
    try {
        for_each_order([&]() -> Coro<> {
            auto coro = [](auto run) -> Coro<> {
                std::string log;
                co_await run(&log);
            }(scenario);
            return coro;
        });
    } catch (const Failure& failure) {
        text = failure.what();
    }
    ASSERT_NE(text.find("the bad order"), std::string::npos) << text;
    const auto at = text.find("ASYNCIO_SEED=");
    ASSERT_NE(at, std::string::npos) << text;
    RunOptions again;
    again.backend = Backend::sim;
    again.seed = std::stoull(text.substr(at + 13));
    std::string log;
    EXPECT_THROW(asyncio::run(scenario(&log), again), ValueError);
    EXPECT_EQ(log, "bca");
}

TEST_F(ForEachOrder, ARaceThatFifoNeverShowsIsFound) {
    // Reads, is suspended, writes: an update is lost in those orders in which the other one runs between.
    const auto scenario = []() -> Coro<> {
        int balance = 0;
        const auto deposit = [](int* account) -> Coro<> {
            const int before = *account;
            if (before == 0) co_await sleep(0s);  // only a slow first visitor lets go
            *account = before + 1;
        };
        const auto late = [](int* account, auto add) -> Coro<> {
            co_await sleep(0s);
            co_await add(account);
        };
        co_await gather(deposit(&balance), late(&balance, deposit));
        if (balance != 2) throw ValueError("an update was lost");
    };
    EXPECT_NO_THROW(asyncio::run(scenario(), {.backend = Backend::sim}));
    EXPECT_THROW(for_each_order(scenario), Failure);
}

TEST_F(ForEachOrder, TheCheckAfterEachRunIsCalled) {
    int runs = 0;
    for_each_order([]() -> Coro<> { co_await sleep(1h); }, [&] { return ++runs != 0; });
    EXPECT_EQ(runs, 1);
}

}}  // namespace asyncio
