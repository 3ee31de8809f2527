#include "asyncio/testing/mock_clock.hpp"

#include <chrono>
#include <string>

#include "asyncio/asyncio.hpp"
#include "asyncio/testing/wait_all_tasks_blocked.hpp"
#include "support/loop_fixture.hpp"

namespace asyncio { namespace {

using namespace std::chrono_literals;
using asyncio::testing::MockClock;
using asyncio::testing::wait_all_tasks_blocked;

class MockClockOn : public test::BackendTest {};
ASYNCIO_ON_EVERY_BACKEND(MockClockOn);

Coro<> sleep_and_note(Duration delay, std::string* log, char mark) {
    co_await sleep(delay);
    *log += mark;
}

TEST_P(MockClockOn, ATimeoutEndsOnceTheClockWasAdvancedToItsDeadline) {
    MockClock clock;
    const auto test = [](MockClock* time) -> Coro<> {
        auto slow = create_task(
            []() -> Coro<> { co_await wait_for([]() -> Coro<> { co_await sleep(24h); }(), 30s); });
        co_await wait_all_tasks_blocked();
        time->advance(29s);
        co_await wait_all_tasks_blocked();
        EXPECT_FALSE(slow.done());
        time->advance(1s);
        co_await wait_all_tasks_blocked();
        EXPECT_TRUE(slow.done());
        EXPECT_TRUE(exception_cast<TimeoutError>(slow.exception()) != nullptr);
    };
    run(test(&clock), {.clock = &clock});
}

TEST_P(MockClockOn, AnAdvanceMakesAllThatIsDueRunInOrderOfItsDeadlines) {
    MockClock clock;
    const auto test = [](MockClock* time) -> Coro<> {
        std::string log;
        auto late = create_task(sleep_and_note(2s, &log, 'b'));
        auto early = create_task(sleep_and_note(1s, &log, 'a'));
        co_await wait_all_tasks_blocked();
        time->advance(5s);
        co_await wait_all_tasks_blocked();
        EXPECT_EQ(log, "ab");
        co_await gather(late, early);
    };
    run(test(&clock), {.clock = &clock});
}

TEST_P(MockClockOn, ElapseLetsWhatIsWokenSleepAgainFromItsOwnTime) {
    MockClock clock;
    const auto test = [](MockClock* time) -> Coro<> {
        int ticks = 0;
        const auto tick = [](int* count) -> Coro<> {
            for (;;) {
                co_await sleep(1s);
                ++*count;
            }
        };
        auto ticker = create_task(tick, &ticks);
        const TimePoint begin = time->now();
        co_await time->elapse(5s);
        EXPECT_EQ(ticks, 5);
        EXPECT_EQ((time->now() - begin.time_since_epoch()).time_since_epoch(), 5s);
        EXPECT_FALSE(time->autojump());
        time->advance(5s);  // at once: the ticker finds all five seconds gone when it wakes
        co_await wait_all_tasks_blocked();
        EXPECT_EQ(ticks, 6);
        ticker.cancel();
        co_await wait_all_tasks_blocked();
        EXPECT_TRUE(ticker.cancelled());
    };
    run(test(&clock), {.clock = &clock});
}

TEST_P(MockClockOn, WithAutojumpSleepsTakeNoRealTime) {
    MockClock clock(true);
    const TimePoint begin = clock.now();
    run([]() -> Coro<> { co_await sleep(1000h); }, {.clock = &clock});
    EXPECT_EQ(clock.now(), begin + Duration(1000h));
}

TEST_P(MockClockOn, WaitAllTasksBlockedComesBeforeTheAutojump) {
    MockClock clock(true);
    const auto test = [](MockClock* time) -> Coro<> {
        auto sleeper = create_task([]() -> Coro<> { co_await sleep(1s); });
        const TimePoint begin = time->now();
        co_await wait_all_tasks_blocked();
        EXPECT_EQ(time->now(), begin);
        EXPECT_FALSE(sleeper.done());
        co_await sleeper;
    };
    run(test(&clock), {.clock = &clock});
}

TEST_P(MockClockOn, AStandingClockOnWhichAllSleepIsADeadlockThatNamesThem) {
    MockClock clock;
    std::string message;
    try {
        asyncio::run([]() -> Coro<> { co_await sleep(1s); }(), {.backend = backend(), .clock = &clock});
    } catch (const RuntimeError& error) {
        message = error.what();
    }
    EXPECT_NE(message.find("deadlock"), std::string::npos) << message;
    EXPECT_NE(message.find("sleep"), std::string::npos) << message;
}

TEST_P(MockClockOn, ElapseOnAClockThatIsNotTheLoopsIsRefused) {
    MockClock other;
    const auto test = [](MockClock* time) -> Coro<bool> {
        bool refused = false;
        try {
            co_await time->elapse(1s);
        } catch (const ValueError&) {
            refused = true;
        }
        co_return refused;
    };
    EXPECT_TRUE(run(test(&other)));
}

}}  // namespace asyncio
