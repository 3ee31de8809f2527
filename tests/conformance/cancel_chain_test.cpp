// Cancels along chains and circles of tasks that wait for each other. The recorder drops such programs:
// CPython passes the request on by recursion, so that a long chain or a circle ends in RecursionError. Here
// both end.
#include <gtest/gtest.h>

#include <asyncio/asyncio.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
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
