// Threads, the testing kit, and all of it nested.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>

#include "asyncio/testing/testing.hpp"
#include "support/scenario_parts.hpp"

namespace asyncio::test {

namespace {

// ---- threads ------------------------------------------------------------------------------------

Coro<> to_thread_waits_for_its_call() {
    std::atomic<bool> returned = false;
    const auto cancelled = co_await cancel_of([&]() -> Coro<> {
        const int value = co_await to_thread([&returned] {
            returned = true;
            return 23;
        });
        EXPECT_EQ(value, 23);
    });
    // A cancel before the await: the call was never made. Later: it has returned.
    returned = false;
    const std::string text = co_await to_thread([](std::string given) { return given + "!"; },
                                                std::string("a string that is not a short one"));
    EXPECT_EQ(text.back(), '!');
    end(cancelled);
}
Coro<> to_thread_is_told_to_stop() {
    const auto wait_until_told = [](std::stop_token token) {
        for (int i = 0; i < 50 && !token.stop_requested(); ++i) std::this_thread::sleep_for(1us);
        return token.stop_requested();
    };
    co_await to_thread(wait_until_told);
}
Coro<> to_thread_that_throws() {
    bool thrown = false;
    try {
        co_await to_thread([] { throw ValueError("from a thread"); });
    } catch (const ValueError&) {
        thrown = true;
    }
    EXPECT_TRUE(thrown);
    co_await sleep(0s);
}
Coro<> to_thread_that_may_be_left_behind() {
    const int value = co_await to_thread(
        abandon_on_cancel,
        [](std::string text) {
            std::this_thread::sleep_for(20us);
            return static_cast<int>(text.size());
        },
        std::string("four and twenty characters"));
    EXPECT_EQ(value, 26);
}
Coro<> several_threads_at_once() {
    const auto call = [](int value) -> Coro<int> {
        const int doubled = co_await to_thread([](int given) { return 2 * given; }, value);
        co_return doubled;
    };
    auto [a, b, c] = co_await gather(call(1), call(2), call(3));
    EXPECT_EQ(a + b + c, 12);
}

// ---- the testing kit's own ----------------------------------------------------------------------

Coro<> waits_until_all_are_blocked() {
    co_await with(TaskGroup(), [](TaskGroup& group) -> Coro<> {
        group.create_task(worker(1));
        const auto cancelled =
            co_await cancel_of([&]() -> Coro<> { co_await asyncio::testing::wait_all_tasks_blocked(); });
        co_await asyncio::testing::wait_all_tasks_blocked();
        end(cancelled);
    });
}
Coro<> blocks_in_sequence() {
    asyncio::testing::Sequencer sequence;
    const auto run_in_turn = [](asyncio::testing::Sequencer* turns, unsigned position) -> Coro<> {
        co_await with((*turns)(position), []() -> Coro<> { co_await sleep(1ms); });
    };
    try {
        co_await gather(run_in_turn(&sequence, 2), run_in_turn(&sequence, 0), run_in_turn(&sequence, 1));
    } catch (const RuntimeError&) {
        // A cancelled waiter broke the sequence for the others, and one of those was first to tell.
        if (current_task().cancelling() == 0) throw;
    }
}

// ---- nested -------------------------------------------------------------------------------------

/// Waits without passing a cancel on.
Coro<int> shield_result(Task<int> task) {
    const int value = co_await shield(task);
    co_return value;
}

Coro<> a_little_program() {
    // gather of groups under timeouts, with tasks that wait for each other.
    const auto fetch = [](int id) -> Coro<int> {
        co_await sleep(std::chrono::milliseconds(id));
        const int value = co_await wait_for(worker(id, 3ms), 1h);
        co_return value;
    };
    const auto batch = [](auto job, int first) -> Coro<int> {
        int sum = 0;
        co_await with(timeout(1h), [&]() -> Coro<> {
            co_await with(TaskGroup(), [&](TaskGroup& group) -> Coro<> {
                auto one = group.create_task(job(first));
                auto two = group.create_task(job(first + 1));
                auto [a, b] = co_await gather(one, shield_result(two));
                sum = a + b;
            });
        });
        co_return sum;
    };
    auto [left, right] = co_await gather(batch(fetch, 1), batch(fetch, 3));
    EXPECT_EQ(left + right, 10);
}

constexpr NamedScenario all[] = {
    {.name = "ToThread", .start = to_thread_waits_for_its_call, .threads = true},
    {.name = "ToThreadToldToStop", .start = to_thread_is_told_to_stop, .threads = true},
    {.name = "ToThreadThatThrows", .start = to_thread_that_throws, .threads = true},
    {.name = "ToThreadLeftBehind", .start = to_thread_that_may_be_left_behind, .threads = true},
    {.name = "SeveralThreads", .start = several_threads_at_once, .threads = true},
    {"AllTasksBlocked", waits_until_all_are_blocked},
    {"Sequencer", blocks_in_sequence},
    {"ALittleProgram", a_little_program},
};

}  // namespace

std::span<const NamedScenario> other_scenarios() { return all; }

}  // namespace asyncio::test
