// Cancels along chains and circles of tasks that wait for each other. The recorder drops such programs:
// CPython passes the request on by recursion, so that a long chain or a circle ends in RecursionError. Here
// both end.
#include <gtest/gtest.h>

#include <asyncio/asyncio.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace asyncio;
using namespace std::chrono_literals;

constexpr RunOptions on_sim{.backend = Backend::sim};

Coro<> await_copy(Task<> awaited) { co_await awaited; }

/// Tasks that know each other before all of them exist.
using Tasks = std::shared_ptr<std::vector<Task<>>>;

Coro<> await_slot(Tasks tasks, std::size_t slot) {
    const Task<> awaited = tasks->at(slot);
    co_await awaited;
}

/// Starts a task for each number: it awaits the task in that slot.
Tasks start(std::vector<std::size_t> slots) {
    auto tasks = std::make_shared<std::vector<Task<>>>();
    for (const std::size_t slot : slots) tasks->push_back(create_task(await_slot(tasks, slot)));
    return tasks;
}

Coro<> sleep_long() { co_await sleep(1h); }

TEST(CancelChain, ACancelReachesTheEndOfALongChainWithoutRecursion) {
    const auto body = []() -> Coro<> {
        std::vector<Task<>> chain = {create_task(sleep_long())};
        for (int i = 0; i != 100'000; ++i) chain.push_back(create_task(await_copy(chain.back())));
        co_await sleep(0s);
        EXPECT_TRUE(chain.back().cancel());
        EXPECT_EQ(chain.front().cancelling(), 1);
        co_await wait(chain);
        for (const Task<>& each : chain) EXPECT_TRUE(each.cancelled());
    };
    run(body(), on_sim);
}

TEST(CancelChain, TwoTasksThatWaitForEachOtherEndCancelled) {
    const auto body = []() -> Coro<> {
        const Tasks tasks = start({1, 0});
        co_await sleep(0s);
        tasks->front().cancel("enough");
        co_await wait(*tasks);
        for (const Task<>& each : *tasks) EXPECT_TRUE(each.cancelled());
    };
    run(body(), on_sim);
}

TEST(CancelChain, AChainThatLeadsIntoACircleEndsCancelled) {
    const auto body = []() -> Coro<> {
        const Tasks tasks = start({1, 2, 3, 4, 2});
        co_await sleep(0s);
        tasks->front().cancel();
        co_await wait(*tasks);
        for (const Task<>& each : *tasks) EXPECT_TRUE(each.cancelled());
    };
    run(body(), on_sim);
}

TEST(CancelChain, ACircleThatIsLeftAtTheEndOfRunEnds) {
    Tasks tasks;
    const auto body = [&]() -> Coro<> {
        tasks = start({1, 2, 0});
        co_await sleep(0s);
    };
    run(body(), on_sim);
    for (const Task<>& each : *tasks) EXPECT_TRUE(each.cancelled());
}

Coro<> gather_slot(Tasks tasks, std::size_t slot) {
    const std::vector<Task<>> awaited = {tasks->at(slot)};
    co_await gather(awaited);
}

TEST(CancelChain, ACircleThroughAGatherEndsCancelled) {
    const auto body = []() -> Coro<> {
        const auto tasks = std::make_shared<std::vector<Task<>>>();
        tasks->push_back(create_task(gather_slot(tasks, 1)));
        tasks->push_back(create_task(await_slot(tasks, 0)));
        co_await sleep(0s);
        tasks->front().cancel();
        co_await wait(*tasks);
        for (const Task<>& each : *tasks) EXPECT_TRUE(each.cancelled());
    };
    run(body(), on_sim);
}

/// Tasks that wait for each other through gathers alone.
Tasks start_gathers(std::vector<std::size_t> slots) {
    auto tasks = std::make_shared<std::vector<Task<>>>();
    for (const std::size_t slot : slots) tasks->push_back(create_task(gather_slot(tasks, slot)));
    return tasks;
}

TEST(CancelChain, TwoTasksThatWaitForEachOtherThroughGathersEndCancelled) {
    const auto body = []() -> Coro<> {
        const Tasks tasks = start_gathers({1, 0});
        co_await sleep(0s);
        EXPECT_TRUE(tasks->front().cancel("enough"));
        for (const Task<>& each : *tasks) EXPECT_EQ(each.cancelling(), 1);
        co_await wait(*tasks);
        for (const Task<>& each : *tasks) EXPECT_TRUE(each.cancelled());
        std::string message;
        try {
            co_await tasks->front();
        } catch (const CancelledError& error) {
            message = error.message();
        }
        EXPECT_EQ(message, "enough");
    };
    run(body(), on_sim);
}

TEST(CancelChain, ACircleOfGathersThatIsLeftAtTheEndOfRunEnds) {
    for (const std::vector<std::size_t>& slots :
         {std::vector<std::size_t>{1, 0}, std::vector<std::size_t>{1, 2, 0},
          std::vector<std::size_t>{1, 2, 1}}) {
        Tasks tasks;
        const auto body = [&]() -> Coro<> {
            tasks = start_gathers(slots);
            co_await sleep(0s);
        };
        run(body(), on_sim);
        for (const Task<>& each : *tasks) EXPECT_TRUE(each.cancelled());
    }
}

/// Shows its own task to the others, and waits for the first of them.
Coro<> gather_owner(Tasks tasks) {
    tasks->push_back(current_task().as<void>());
    const std::vector<Task<>> owner = {tasks->front()};
    co_await gather(owner);
}

TEST(CancelChain, ATaskThatWaitsForTheOneWhoseGatherOwnsItLetsGo) {
    for (const std::size_t cancelled_first : {0u, 1u}) {
        const auto body = [&]() -> Coro<> {
            const auto tasks = std::make_shared<std::vector<Task<>>>();
            tasks->push_back(create_task(
                [](Tasks all) -> Coro<> { co_await gather(gather_owner(all), sleep_long()); }(tasks)));
            co_await sleep(0s);
            co_await sleep(0s);
            EXPECT_EQ(tasks->size(), 2u);
            tasks->at(cancelled_first).cancel();
            co_await wait(*tasks);
            for (const Task<>& each : *tasks) EXPECT_TRUE(each.cancelled());
            tasks->clear();
        };
        run(body(), on_sim);
    }
}

/// A gather of all in a list, and at the end of a chain of gathers that belong to each other.
Coro<> gather_slots(Tasks tasks, std::vector<std::size_t> slots, int depth, bool keep_errors) {
    if (depth > 0) {
        co_await gather(gather_slots(tasks, std::move(slots), depth - 1, keep_errors));
        co_return;
    }
    std::vector<Task<>> awaited;
    for (const std::size_t slot : slots) awaited.push_back(tasks->at(slot));
    if (keep_errors) {
        co_await gather(return_exceptions, awaited);
    } else {
        co_await gather(awaited);
    }
}

// Any graph: each task waits for some others, plainly or through gathers, its own among them. A cancel of
// each ends them all, and so does the end of a run.
TEST(CancelChain, AnyGraphOfTasksThatWaitForEachOtherEnds) {
    for (unsigned seed = 1; seed != 400; ++seed) {
        std::mt19937 random(seed);
        const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
        const std::size_t count = 2 + below(5);
        Tasks tasks;
        const auto body = [&]() -> Coro<> {
            tasks = std::make_shared<std::vector<Task<>>>();
            for (std::size_t me = 0; me != count; ++me) {
                std::vector<std::size_t> slots;
                for (std::size_t other = 0; other != count; ++other) {
                    if (other != me && below(2) == 0) slots.push_back(other);
                }
                if (slots.empty()) slots.push_back((me + 1) % count);
                const bool plain = slots.size() == 1 && below(2) == 0;
                const int depth = static_cast<int>(below(3));
                const bool keep_errors = below(4) == 0;
                tasks->push_back(plain ? create_task(await_slot(tasks, slots.front()))
                                       : create_task(gather_slots(tasks, slots, depth, keep_errors)));
            }
            for (int i = 0; i != 4; ++i) co_await sleep(0s);
            if (seed % 2 == 0) co_return;
            for (const Task<>& each : *tasks) each.cancel();
            co_await wait(*tasks);
        };
        run(body(), on_sim);
        for (const Task<>& each : *tasks) EXPECT_TRUE(each.cancelled()) << "seed " << seed;
        tasks->clear();
    }
}

TEST(CancelChain, ATaskThatGathersItselfIsRefused) {
    const auto body = []() -> Coro<> {
        const std::vector<Task<>> self = {current_task().as<void>()};
        bool refused = false;
        try {
            co_await gather(self);
        } catch (const RuntimeError&) {
            refused = true;
        }
        EXPECT_TRUE(refused);
    };
    run(body(), on_sim);
}

}  // namespace
