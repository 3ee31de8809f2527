// Debug mode: what it says, of what, and that it is silent where nothing is wrong.
#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>
#include <string>
#include <thread>

#include "asyncio/asyncio.hpp"
#include "asyncio/testing/mock_clock.hpp"
#include "debug/debug_support.hpp"
#include "support/loop_fixture.hpp"

namespace asyncio::debug_test { namespace {

class DebugMode : public test::BackendTest {};
ASYNCIO_ON_EVERY_BACKEND(DebugMode);
class DebugModeInRealTime : public test::BackendTest {};
ASYNCIO_ON_REAL_BACKENDS(DebugModeInRealTime);
class DebugModeOfAny : public test::LoopTest {};

Coro<> fetch_data() { co_return; }
Coro<int> one() { co_return 1; }

/// Blocks the thread, for this long at least.
void block(std::chrono::milliseconds time) { std::this_thread::sleep_for(time); }

// ---- warnings -----------------------------------------------------------------------------------

TEST_P(DebugMode, SaysNothingOfAProgramThatIsInOrder) {
    Warnings warnings;
    run(
        []() -> Coro<> {
            auto task = create_task(one());
            co_await gather(sleep(0s), fetch_data());
            co_await wait_for(fetch_data(), 1s);
            co_await with(timeout(1s), [] { return fetch_data(); });
            co_await task;
        },
        {.debug = true});
    EXPECT_EQ(warnings.text(), "");
}

TEST_F(DebugModeOfAny, PrintsAWarningOnStandardErrorWithItsCategory) {
    ::testing::internal::CaptureStderr();
    run(
        []() -> Coro<> {
            { const Coro<> dropped = fetch_data(); }
            co_return;
        },
        {.debug = true});
    const std::string text = ::testing::internal::GetCapturedStderr();
    EXPECT_EQ(text.rfind("RuntimeWarning: coroutine '", 0), 0u) << text;
    EXPECT_NE(text.find("fetch_data' was never awaited (debug_mode_test.cpp:"), std::string::npos) << text;
}

TEST_F(DebugModeOfAny, GivesAWarningToTheHandlerInPlaceOfStandardError) {
    ::testing::internal::CaptureStderr();
    {
        Warnings warnings;
        run(
            []() -> Coro<> {
                { const Coro<> dropped = fetch_data(); }
                co_return;
            },
            {.debug = true});
        EXPECT_EQ(warnings.count("RuntimeWarning: coroutine '"), 1u) << warnings.text();
    }
    EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST_F(DebugModeOfAny, PrintsWhatAHandlerItselfGivesRiseTo) {
    ::testing::internal::CaptureStderr();
    int calls = 0;
    set_warning_handler([&calls](const Warning&) {
        ++calls;
        { const Coro<> dropped = fetch_data(); }
        throw ValueError("nobody hears of this");
    });
    run(
        []() -> Coro<> {
            { const Coro<> dropped = fetch_data(); }
            co_return;
        },
        {.debug = true});
    set_warning_handler({});
    EXPECT_EQ(calls, 1);
    EXPECT_NE(::testing::internal::GetCapturedStderr().find("never awaited"), std::string::npos);
}

// ---- never awaited ------------------------------------------------------------------------------

TEST_P(DebugMode, NamesACoroutineWhoseWaitForWasNeverAwaited) {
    Warnings warnings;
    run(
        []() -> Coro<> {
            { [[maybe_unused]] auto dropped = wait_for(fetch_data(), 1s); }
            co_return;
        },
        {.debug = true});
    EXPECT_EQ(warnings.count("a wait_for of coroutine '"), 1u) << warnings.text();
    EXPECT_TRUE(warnings.has("fetch_data' (debug_mode_test.cpp:")) << warnings.text();
    EXPECT_EQ(warnings.all().size(), 1u) << warnings.text();
}

TEST_P(DebugMode, SaysThatAWithWasNeverAwaited) {
    Warnings warnings;
    run(
        []() -> Coro<> {
            {
                [[maybe_unused]] auto dropped = with(timeout(1s), [] { return fetch_data(); });
            }
            co_return;
        },
        {.debug = true});
    EXPECT_EQ(warnings.count("RuntimeWarning: a `with` was never awaited, and its body "), 1u)
        << warnings.text();
}

TEST_P(DebugMode, SaysNothingOfALimitThatWasUpBeforeItBegan) {
    Warnings warnings;
    run(
        []() -> Coro<> {
            auto late = co_await try_wait_for(one(), 0s);
            EXPECT_FALSE(late);
        },
        {.debug = true});
    EXPECT_EQ(warnings.text(), "");
}

TEST_P(DebugMode, SaysNothingOfWhatATaskThatWasCancelledBeforeItsFirstStepWasToAwait) {
    Warnings warnings;
    run(
        []() -> Coro<> {
            auto limited = create_task(wait_for(fetch_data(), 1s));
            auto scoped = create_task(with(timeout(1s), [] { return fetch_data(); }));
            limited.cancel();
            scoped.cancel();
            co_await sleep(0s);
            EXPECT_TRUE(limited.cancelled());
            EXPECT_TRUE(scoped.cancelled());
        },
        {.debug = true});
    EXPECT_EQ(warnings.text(), "");
}

TEST_P(DebugMode, IsSilentWhenItIsOff) {
    Warnings warnings;
    run([]() -> Coro<> {
        { const Coro<> dropped = fetch_data(); }
        { [[maybe_unused]] auto dropped = wait_for(fetch_data(), 1s); }
        {
            [[maybe_unused]] auto dropped = with(timeout(1s), [] { return fetch_data(); });
        }
        co_return;
    });
    EXPECT_EQ(warnings.text(), "");
}

// ---- slow callbacks -----------------------------------------------------------------------------

Coro<> blocks_between_awaits() {
    co_await sleep(0s);
    block(30ms);
    co_await sleep(0s);
}
Coro<> blocks_at_its_end() {
    co_await sleep(0s);
    block(30ms);
}
Coro<> awaits_what_blocks() { co_await blocks_between_awaits(); }

TEST_P(DebugModeInRealTime, NamesASlowStepWithItsTaskItsTimeAndTheAwaitsAroundIt) {
    Warnings warnings;
    run(
        []() -> Coro<> {
            get_running_loop().set_slow_callback_duration(20ms);
            auto task = create_task(awaits_what_blocks(), {.name = "slow one"});
            co_await task;
        },
        {.debug = true});
    EXPECT_TRUE(warnings.has("Executing <Task pending name='slow one'> took 0.")) << warnings.text();
    EXPECT_TRUE(warnings.has(" seconds: it ran on from ")) << warnings.text();
    EXPECT_TRUE(warnings.has("blocks_between_awaits (debug_mode_test.cpp:")) << warnings.text();
    EXPECT_TRUE(warnings.has("\n  awaited by ")) << warnings.text();
    EXPECT_TRUE(warnings.has("awaits_what_blocks (debug_mode_test.cpp:")) << warnings.text();
}

TEST_P(DebugModeInRealTime, SaysOfASlowStepThatItWasTheLast) {
    Warnings warnings;
    run(
        []() -> Coro<> {
            get_running_loop().set_slow_callback_duration(20ms);
            auto task = create_task(blocks_at_its_end());
            co_await task;
        },
        {.debug = true});
    EXPECT_TRUE(warnings.has("Executing <Task finished name='Task-2'> took 0.")) << warnings.text();
    EXPECT_TRUE(warnings.has(") to its end")) << warnings.text();
}

TEST_P(DebugModeInRealTime, NamesASlowCallback) {
    Warnings warnings;
    run(
        []() -> Coro<> {
            EventLoop& loop = get_running_loop();
            loop.set_slow_callback_duration(20ms);
            loop.call_soon([] { block(30ms); });
            co_await sleep(0s);
            co_await sleep(0s);
        },
        {.debug = true});
    EXPECT_TRUE(warnings.has("Executing <callback> took 0.")) << warnings.text();
}

TEST_P(DebugModeInRealTime, CanBeSwitchedOnWhileTheLoopRuns) {
    Warnings warnings;
    run([]() -> Coro<> {
        EventLoop& loop = get_running_loop();
        loop.set_slow_callback_duration(20ms);
        auto before = create_task(blocks_at_its_end());
        co_await before;
        loop.set_debug(true);
        auto during = create_task(blocks_at_its_end(), {.name = "during"});
        co_await during;
        loop.set_debug(false);
        auto after = create_task(blocks_at_its_end(), {.name = "after"});
        co_await after;
    });
    EXPECT_EQ(warnings.count("Executing <Task"), 1u) << warnings.text();
    EXPECT_TRUE(warnings.has("'during'")) << warnings.text();
}

TEST_P(DebugModeInRealTime, AStopAfterASwitchStopsTheLoop) {
    EventLoop loop({.backend = backend()});
    for (const bool on : {true, false}) {
        loop.call_soon([&loop, on] {
            loop.set_debug(on);
            loop.stop();
        });
        loop.run_forever();
        EXPECT_EQ(loop.get_debug(), on);
    }
}

TEST_F(DebugModeOfAny, NothingIsSlowOnAClockThatStandsStill) {
    Warnings warnings;
    testing::MockClock clock(true);
    run(blocks_at_its_end(), {.debug = true, .clock = &clock});
    EXPECT_EQ(warnings.text(), "");
}

TEST_F(DebugModeOfAny, TheSlowCallbackDurationIsATenthOfASecondAndCanBeNone) {
    EventLoop loop({.backend = Backend::sim});
    EXPECT_EQ(loop.slow_callback_duration(), Duration(100ms));
    loop.set_slow_callback_duration(Duration::none());
    EXPECT_FALSE(loop.slow_callback_duration().has_value());
}

// ---- the wrong thread ---------------------------------------------------------------------------

TEST_P(DebugMode, UseOnAnotherThreadIsRefusedWithTheCure) {
    run(
        []() -> Coro<> {
            EventLoop& loop = get_running_loop();
            auto task = create_task(sleep(1h));
            Future<int> future;
            future.add_done_callback([](AnyTask) {});
            const auto expect = [](const std::string& text, std::string_view cure) {
                EXPECT_NE(text.find(cure), std::string::npos) << text;
            };
            expect(thrown_elsewhere([&] { loop.call_soon([] {}); }), "call_soon_threadsafe");
            expect(thrown_elsewhere([&] { loop.call_later(1s, [] {}); }), "call_soon_threadsafe");
            expect(thrown_elsewhere([&] { loop.create_task(fetch_data()); }), "run_coroutine_threadsafe");
            expect(thrown_elsewhere([&] { task.cancel(); }), "remote()");
            expect(thrown_elsewhere([&] { task.set_name("x"); }), "remote()");
            expect(thrown_elsewhere([&] { task.add_done_callback([] {}); }), "remote()");
            expect(thrown_elsewhere([&] { static_cast<void>(task.get_stack()); }), "remote()");
            expect(thrown_elsewhere([&] { static_cast<void>(capture_call_graph(task)); }), "remote()");
            expect(thrown_elsewhere([&] { future.set_result(1); }), "remote()");
            task.cancel();
            future.set_result(1);
            co_await sleep(0s);
        },
        {.debug = true});
}

// ---- where a task was created -------------------------------------------------------------------

/// "debug_mode_test.cpp:17"
std::string line_text(int line) { return "debug_mode_test.cpp:" + std::to_string(line); }

TEST_P(DebugMode, ATaskMadeOfAnAwaitableStandsWhereItWasHandedOver) {
    run([]() -> Coro<> {
        const int line = __LINE__ + 1;
        auto task = create_task(sleep(1h));
        const std::vector<std::string> before = task.get_stack();
        EXPECT_EQ(before.size(), 1u);
        EXPECT_NE(before.front().find(line_text(line)), std::string::npos) << before.front();
        co_await sleep(0s);
        const std::vector<std::string> during = task.get_stack();
        EXPECT_NE(during.front().find(line_text(line)), std::string::npos) << during.front();
        task.cancel();
        co_await sleep(0s);
    });
}

TEST_P(DebugMode, AChildOfAGatherThatIsAnAwaitableStandsWhereTheGatherIsAwaited) {
    run([]() -> Coro<> {
        static int line = 0;
        auto waits = []() -> Coro<> {
            line = __LINE__ + 1;
            co_await gather(sleep(1h), sleep(2h));
        };
        auto task = create_task(waits);
        co_await sleep(0s);
        co_await sleep(0s);
        std::size_t children = 0;
        for (const AnyTask& each : all_tasks()) {
            if (each == task || each == current_task()) continue;
            ++children;
            const std::string place = each.get_stack().front();
            EXPECT_NE(place.find(line_text(line)), std::string::npos) << place;
        }
        EXPECT_EQ(children, 2u);
        task.cancel();
        std::vector<Task<>> tasks{task};
        co_await asyncio::wait(tasks);
    });
}

TEST_P(DebugMode, AnExceptionThatNobodyRetrievedIsReportedWithWhereItsTaskWasCreated) {
    std::string place;
    static int line = 0;
    run(
        [&place]() -> Coro<> {
            get_running_loop().set_exception_handler(
                [&place](EventLoop&, const ExceptionContext& context) { place = context.place; });
            auto fails = []() -> Coro<> {
                co_await sleep(0s);
                throw ValueError("lost");
            };
            line = __LINE__ + 1;
            create_task(fails(), {.name = "lost one"});
            co_await sleep(1ms);
        },
        {.debug = true});
    EXPECT_EQ(place, line_text(line));
}

}}  // namespace asyncio::debug_test
