// Loops one after another on one thread, and what handles of the first do while the second runs or none does.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <asyncio/asyncio.hpp>

#include "detail/loop_impl.hpp"

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

template <class F>
std::string refusal_of(F&& call) {
    try {
        call();
    } catch (const asyncio::RuntimeError& error) {
        return error.what();
    }
    return "not refused";
}

TEST_P(TwoLoops, ATaskOfAnotherLoopIsNeitherAwaitedNorCancelledHere) {
    asyncio::EventLoop other({.backend = GetParam()});
    auto theirs = other.create_task(three());
    asyncio::Future<int> future;
    auto waiter = other.create_task(value_of(future));
    other.poll_once();
    other.poll_once();
    asyncio::run(
        [&]() -> Coro<> {
            std::string text;
            try {
                co_await theirs;
            } catch (const asyncio::RuntimeError& error) {
                text = error.what();
            }
            EXPECT_NE(text.find("belongs to a different loop and cannot be awaited here"), std::string::npos)
                << text;
            text.clear();
            try {
                co_await asyncio::gather(theirs, future);
            } catch (const asyncio::RuntimeError& error) {
                text = error.what();
            }
            EXPECT_NE(text.find("belongs to a different loop"), std::string::npos) << text;
            EXPECT_NE(refusal_of([&] { theirs.cancel(); }).find("different loop"), std::string::npos);
            EXPECT_NE(refusal_of([&] { future.set_result(1); }).find("different loop"), std::string::npos);
        },
        {.backend = GetParam()});
    future.set_result(4);
    EXPECT_EQ(other.run_until_complete(wait_for_task(theirs)), 3);
    EXPECT_EQ(other.run_until_complete(wait_for_task(waiter)), 4);
}

TEST_P(TwoLoops, AnotherThreadMayNotTouchWhatARunningLoopHas) {
    asyncio::run(
        []() -> Coro<> {
            asyncio::Future<int> future;
            auto waiter = asyncio::create_task(value_of(future));
            co_await asyncio::sleep(0s);
            std::string set;
            std::string cancelled;
            std::thread([&] {
                set = refusal_of([&] { future.set_result(1); });
                cancelled = refusal_of([&] { waiter.cancel(); });
            }).join();
            EXPECT_NE(set.find("belongs to its loop's thread"), std::string::npos) << set;
            EXPECT_NE(cancelled.find("use its remote() handle"), std::string::npos) << cancelled;
            future.set_result(5);
            int got = co_await waiter;
            EXPECT_EQ(got, 5);
        },
        {.backend = GetParam()});
}

TEST_P(TwoLoops, ALoopMayBeDestroyedInsideAnotherOneAndOnAnotherThread) {
    auto inner = std::make_unique<asyncio::EventLoop>(asyncio::RunOptions{.backend = GetParam()});
    EXPECT_EQ(inner->run_until_complete(three()), 3);
    auto task = inner->create_task(three());
    bool called = false;
    inner->call_soon([&] { called = true; });
    asyncio::run(
        [&]() -> Coro<> {
            inner.reset();
            co_await asyncio::sleep(1ms);  // this loop goes on
        },
        {.backend = GetParam()});
    EXPECT_TRUE(task.cancelled());
    EXPECT_TRUE(called);

    auto moved = std::make_unique<asyncio::EventLoop>(asyncio::RunOptions{.backend = GetParam()});
    EXPECT_EQ(moved->run_until_complete(three()), 3);
    std::thread([&] { moved.reset(); }).join();
}

TEST_P(TwoLoops, ALoopThatHasMadeABillionTasksEndsItsTasks) {
    asyncio::EventLoop loop({.backend = GetParam()});
    loop.impl().next_task_id = 0x3ffffffe;
    std::vector<asyncio::Task<int>> tasks;
    for (int i = 0; i < 5; ++i) tasks.push_back(loop.create_task(three()));
    loop.poll_once();
    loop.close();
    for (const auto& task : tasks) EXPECT_TRUE(task.cancelled());
}

TEST_P(TwoLoops, AnExceptionHandlerMayReplaceItself) {
    asyncio::EventLoop loop({.backend = GetParam()});
    std::vector<std::string> told;
    loop.set_exception_handler([&told, name = std::string("a name too long for any buffer of a string")](
                                   asyncio::EventLoop& where, const asyncio::ExceptionContext& context) {
        where.set_exception_handler([&told](asyncio::EventLoop&, const asyncio::ExceptionContext& next) {
            told.push_back("second: " + next.message);
        });
        told.push_back(name + ": " + context.message);
    });
    asyncio::ExceptionContext context;
    context.message = "one";
    loop.call_exception_handler(context);
    context.message = "two";
    loop.call_exception_handler(context);
    EXPECT_EQ(told,
              (std::vector<std::string>{"a name too long for any buffer of a string: one", "second: two"}));
}

TEST_P(TwoLoops, PollingALoopThatHasNothingToDoIsNoDeadlock) {
    asyncio::EventLoop loop({.backend = GetParam()});
    loop.poll_once(1ms);
    EXPECT_EQ(loop.run_until_complete(three()), 3);
}

INSTANTIATE_TEST_SUITE_P(Each, TwoLoops, testing::Values(Backend::epoll, Backend::sim),
                         [](const auto& info) { return std::string(asyncio::to_string(info.param)); });

}  // namespace
