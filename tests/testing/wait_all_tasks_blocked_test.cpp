#include "asyncio/testing/wait_all_tasks_blocked.hpp"

#include <chrono>
#include <string>

#include "asyncio/asyncio.hpp"
#include "support/loop_fixture.hpp"

namespace asyncio { namespace {

using namespace std::chrono_literals;
using asyncio::testing::wait_all_tasks_blocked;

class WaitAllTasksBlocked : public test::BackendTest {};
ASYNCIO_ON_EVERY_BACKEND(WaitAllTasksBlocked);

TEST_P(WaitAllTasksBlocked, ReturnsWhenTheOthersCanGoNoFurther) {
    run([]() -> Coro<> {
        std::string log;
        const Future<> door;
        auto other = create_task(
            [](std::string* text, Future<> until) -> Coro<> {
                for (int i = 0; i < 5; ++i) {
                    co_await sleep(0s);
                    *text += 'x';
                }
                co_await until;
                *text += 'y';
            },
            &log, door);
        co_await wait_all_tasks_blocked();
        EXPECT_EQ(log, "xxxxx");
        EXPECT_FALSE(other.done());
        door.set_result();
        co_await wait_all_tasks_blocked();
        EXPECT_EQ(log, "xxxxxy");
        EXPECT_TRUE(other.done());
    });
}

TEST_P(WaitAllTasksBlocked, LeavesASleepAlone) {
    run([]() -> Coro<> {
        auto sleeper = create_task([]() -> Coro<> { co_await sleep(24h); });
        co_await wait_all_tasks_blocked();
        EXPECT_FALSE(sleeper.done());
        sleeper.cancel();
        co_await wait_all_tasks_blocked();
        EXPECT_TRUE(sleeper.cancelled());
    });
}

TEST_P(WaitAllTasksBlocked, WaitsForCallsInThreads) {
    run([]() -> Coro<> {
        auto call = create_task([]() -> Coro<int> { co_return co_await to_thread([] { return 7; }); });
        co_await wait_all_tasks_blocked();
        EXPECT_TRUE(call.done());
        co_await call;
    });
}

TEST_P(WaitAllTasksBlocked, WakesAllWhoWaitHereTogether) {
    run([]() -> Coro<> {
        int woken = 0;
        const auto wait_and_count = [](int* count) -> Coro<> {
            co_await wait_all_tasks_blocked();
            ++*count;
        };
        auto first = create_task(wait_and_count, &woken);
        auto second = create_task(wait_and_count, &woken);
        co_await wait_all_tasks_blocked();
        co_await gather(first, second);
        EXPECT_EQ(woken, 2);
    });
}

TEST_P(WaitAllTasksBlocked, ACancelEndsTheWaitAndTakesItOffTheList) {
    run([]() -> Coro<> {
        // The second task waits for its call, so that the first one's wait cannot end by itself.
        auto waiter = create_task([]() -> Coro<> { co_await wait_all_tasks_blocked(); });
        co_await sleep(0s);
        EXPECT_FALSE(waiter.done());
        waiter.cancel();
        co_await sleep(0s);
        EXPECT_TRUE(waiter.cancelled());
        co_await wait_all_tasks_blocked();  // the dead waiter is not woken
    });
}

}}  // namespace asyncio
