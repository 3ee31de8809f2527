// Loops one after another on one thread, and what handles of the first do while the second runs or none does.
#include <gtest/gtest.h>

#include <chrono>
#include <vector>

#include <asyncio/asyncio.hpp>

using namespace std::chrono_literals;

namespace {

using asyncio::Backend;
using asyncio::Coro;

class TwoLoops : public testing::TestWithParam<Backend> {};

Coro<int> three() {
    co_await asyncio::sleep(1ms);
    co_return 3;
}
Coro<int> value_of(asyncio::Future<int> future) { co_return co_await future; }
Coro<int> wait_for_task(asyncio::Task<int> task) { co_return co_await task; }

TEST_P(TwoLoops, FuturesWithCallbacksMayBeDroppedInAnotherLoop) {
    std::vector<asyncio::Future<int>> kept;
    asyncio::run(
        [&]() -> Coro<> {
            for (int i = 0; i < 5; ++i) {
                asyncio::Future<int> future;
                future.add_done_callback([](asyncio::AnyTask) {});
                kept.push_back(future);
            }
            co_return;
        },
        {.backend = GetParam()});
    asyncio::run(
        [&]() -> Coro<> {
            kept.clear();
            auto task = asyncio::create_task(three());
            int value = co_await task;
            EXPECT_EQ(value, 3);
        },
        {.backend = GetParam()});
}

TEST_P(TwoLoops, ATimerIsCancelledInItsOwnLoopWhileAnotherRuns) {
    asyncio::EventLoop loop({.backend = GetParam()});
    bool called = false;
    auto handle = loop.call_later(1ms, [&] { called = true; });
    asyncio::run(
        [&]() -> Coro<> {
            handle.cancel();
            co_await asyncio::sleep(5ms);
        },
        {.backend = GetParam()});
    loop.run_until_complete(three());
    EXPECT_TRUE(handle.cancelled());
    EXPECT_FALSE(called);
}

TEST_P(TwoLoops, TasksAreCreatedBeforeTheLoopRunsAndCancelledBetweenItsRuns) {
    asyncio::EventLoop loop({.backend = GetParam()});
    auto task = loop.create_task(three());
    EXPECT_FALSE(task.done());
    EXPECT_EQ(loop.run_until_complete(wait_for_task(task)), 3);
    auto cancelled = loop.create_task(three());
    loop.poll_once();
    EXPECT_TRUE(cancelled.cancel());
    EXPECT_THROW(loop.run_until_complete(wait_for_task(cancelled)), asyncio::CancelledError);
}

TEST_P(TwoLoops, AFutureIsCompletedBetweenTwoRuns) {
    asyncio::EventLoop loop({.backend = GetParam()});
    asyncio::Future<int> future;
    auto waiter = loop.create_task(value_of(future));
    loop.poll_once();
    loop.poll_once();
    future.set_result(8);
    EXPECT_EQ(loop.run_until_complete(wait_for_task(waiter)), 8);
}

TEST_P(TwoLoops, ATaskIsRefusedByALoopThatIsNotTheOneThatRuns) {
    asyncio::EventLoop other({.backend = GetParam()});
    asyncio::run(
        [&]() -> Coro<> {
            EXPECT_THROW(other.create_task(three()), asyncio::RuntimeError);
            co_return;
        },
        {.backend = GetParam()});
}

TEST_P(TwoLoops, PollingALoopThatHasNothingToDoIsNoDeadlock) {
    asyncio::EventLoop loop({.backend = GetParam()});
    loop.poll_once(1ms);
    EXPECT_EQ(loop.run_until_complete(three()), 3);
}

INSTANTIATE_TEST_SUITE_P(Each, TwoLoops, testing::Values(Backend::epoll, Backend::sim),
                         [](const auto& info) { return std::string(asyncio::to_string(info.param)); });

}  // namespace
