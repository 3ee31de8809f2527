// gather, wait, wait_for, shield.
#include <gtest/gtest.h>

#include <chrono>
#include <forward_list>
#include <string>
#include <vector>

#include "support/scenario_parts.hpp"

namespace asyncio::test {

namespace {

// ---- gather -------------------------------------------------------------------------------------

Coro<> gather_of_coroutines() {
    const auto cancelled = co_await cancel_of([&]() -> Coro<> {
        auto [text, number] = co_await gather(talker("d"), worker(11));
        EXPECT_EQ(text[0], 'd');
        EXPECT_EQ(number, 11);
    });
    auto [one, nothing] = co_await gather(worker(1, 0s), sleep_until_a_time());
    EXPECT_EQ(one, 1);
    static_cast<void>(nothing);
    end(cancelled);
}
Coro<> gather_of_a_range() {
    std::vector<Coro<std::string>> coros;
    for (char each : {'x', 'y', 'z'}) coros.push_back(talker(std::string(1, each)));
    const std::vector<std::string> texts = co_await gather(std::move(coros));
    EXPECT_EQ(texts.size(), 3u);
    EXPECT_EQ(texts[2][0], 'z');
}
Coro<> gather_of_many() {
    // More than the ready queue and the timer queue hold at first; all wake at once.
    std::vector<Coro<>> coros;
    coros.reserve(300);
    for (int i = 0; i != 300; ++i) coros.push_back([]() -> Coro<> { co_await sleep(1ms); }());
    co_await gather(std::move(coros));
}
Coro<> gather_of_callables() {
    const std::string text = "owned by a lambda, and long enough to be on the heap";
    auto first = [text]() -> Coro<std::size_t> {
        co_await sleep(2ms);
        co_return text.size();
    };
    auto [size, number] = co_await gather(first, worker(12));
    EXPECT_EQ(size, text.size());
    EXPECT_EQ(number, 12);
}
Coro<> gather_of_coroutines_before_callables() {
    const std::string text = "owned by two lambdas, and long enough to be on the heap";
    const auto size_of_text = [text]() -> Coro<std::size_t> {
        const Probe probe;
        co_await sleep(2ms);
        co_return text.size();
    };
    auto [a, b, c, d] = co_await gather(worker(1), size_of_text, talker("between"), size_of_text);
    EXPECT_EQ(a, 1);
    EXPECT_EQ(b + d, 2 * text.size());
    EXPECT_EQ(c[0], 'b');
}
Coro<> gather_of_a_range_without_a_size() {
    std::forward_list<Coro<int>> coros;
    for (int i = 0; i != 20; ++i) coros.push_front(worker(i));
    const std::vector<int> values = co_await gather(std::move(coros));
    EXPECT_EQ(values.size(), 20u);
    EXPECT_EQ(values.front(), 19);
}
Coro<> gather_of_tasks() {
    co_await with(TaskGroup(), [](TaskGroup& group) -> Coro<> {
        auto text = group.create_task(talker("e"));
        auto number = group.create_task(worker(13));
        auto [a, b, c] = co_await gather(text, number, worker(14));
        EXPECT_EQ(a[0], 'e');
        EXPECT_EQ(b + c, 27);
        const std::vector<Task<int>> tasks(2, number);
        const std::vector<int> same = co_await gather(tasks);
        EXPECT_EQ(same, (std::vector<int>(2, 13)));
    });
}
Coro<> gather_with_a_failure() {
    bool failed = false;
    try {
        co_await gather(slow_to_leave(), fails(2ms), worker(1));
    } catch (const ValueError&) {
        failed = true;
    }
    EXPECT_TRUE(failed);
    co_await sleep(0s);
}
Coro<> gather_with_two_failures() {
    bool failed = false;
    const auto fails_when_cancelled = []() -> Coro<> {
        try {
            co_await sleep(10ms);
        } catch (const CancelledError&) {
            throw ValueError("this one fails to be cancelled");
        }
    };
    try {
        co_await gather(fails(2ms), fails_when_cancelled());
    } catch (const ValueError&) {
        failed = true;
    }
    EXPECT_TRUE(failed);
    co_await sleep(0s);
}
Coro<> gather_keeping_exceptions() {
    auto [text, failure, number] = co_await gather(return_exceptions, talker("f"), fails(1ms), worker(15));
    EXPECT_EQ(text.value()[0], 'f');
    EXPECT_EQ(number.value(), 15);
    if (failure.error_as<ValueError>() == nullptr) failure.value();
    EXPECT_FALSE(failure.has_value());
}
Coro<> gather_keeping_exceptions_of_a_range() {
    std::vector<Coro<>> coros;
    coros.push_back(fails(1ms));
    coros.push_back(slow_to_leave());
    const std::vector<Outcome<void>> outcomes = co_await gather(return_exceptions, std::move(coros));
    EXPECT_EQ(outcomes.size(), 2u);
    outcomes[1].value();
    if (outcomes[0].error_as<ValueError>() == nullptr) outcomes[0].value();
    EXPECT_FALSE(outcomes[0].has_value());
}
Coro<> gather_of_nothing() {
    co_await gather(std::vector<Coro<int>>());
    co_await sleep(0s);
}
Coro<> gather_never_awaited() {
    static_cast<void>(gather(worker(1), worker(2)));
    co_await sleep(0s);
}

// ---- wait, wait_for, shield ---------------------------------------------------------------------

Coro<> wait_for_all() {
    co_await with(TaskGroup(), [](TaskGroup& group) -> Coro<> {
        std::vector<Task<int>> tasks;
        for (int i = 0; i < 3; ++i)
            tasks.push_back(group.create_task(worker(i, std::chrono::milliseconds(i))));
        const auto cancelled = co_await cancel_of([&]() -> Coro<> {
            const auto result = co_await wait(tasks);
            EXPECT_EQ(result.done.size(), 3u);
        });
        if (cancelled != nullptr) {
            // The cancel did not reach the tasks; unless it was the group's, because one of them had failed.
            bool failed = false;
            for (const auto& task : tasks)
                failed |= task.done() && !task.cancelled() && task.exception() != nullptr;
            for (const auto& task : tasks) EXPECT_EQ(!failed && task.cancelled(), false);
            const auto rest = co_await wait(tasks);
            EXPECT_TRUE(rest.pending.empty());
        }
        end(cancelled);
    });
}
Coro<> wait_for_the_first() {
    co_await with(TaskGroup(), [](TaskGroup& group) -> Coro<> {
        std::vector<Task<int>> tasks;
        for (int i = 1; i < 4; ++i)
            tasks.push_back(group.create_task(worker(i, std::chrono::milliseconds(2 * i))));
        auto first = co_await wait(tasks, {.return_when = FIRST_COMPLETED});
        EXPECT_EQ(first.done.size(), 1u);
        auto timed = co_await wait(first.pending, {.timeout = 1ms});
        EXPECT_EQ(timed.done.size(), 0u);
        auto again = co_await wait(tasks, {.return_when = FIRST_COMPLETED});  // one is done already
        EXPECT_FALSE(again.done.empty());
        auto rest = co_await wait(tasks, {.timeout = 1h, .return_when = FIRST_EXCEPTION});
        EXPECT_TRUE(rest.pending.empty());
    });
}
Coro<> wait_for_a_coroutine() {
    const auto cancelled = co_await cancel_of([&]() -> Coro<> {
        const std::string text = co_await wait_for(talker("g"), 1h);
        EXPECT_EQ(text[0], 'g');
    });
    const int number = co_await wait_for(worker(16), Duration::none());
    EXPECT_EQ(number, 16);
    end(cancelled);
}
Coro<> wait_for_that_times_out() {
    int timeouts = 0;
    try {
        co_await wait_for(slow_to_leave(), 4ms);
    } catch (const TimeoutError&) {
        ++timeouts;
    }
    try {
        co_await wait_for(worker(1), 0s);
    } catch (const TimeoutError&) {
        ++timeouts;
    }
    EXPECT_EQ(timeouts, 2);
    co_await sleep(0s);
}
Coro<> try_wait_for_in_time_and_late() {
    const Outcome<std::string> in_time = co_await try_wait_for(talker("t"), 1h);
    EXPECT_EQ(in_time.value()[0], 't');
    const Outcome<void> late = co_await try_wait_for(slow_to_leave(), 4ms);
    if (late.error_as<TimeoutError>() == nullptr) late.value();
    EXPECT_FALSE(late.has_value());
    const Outcome<int> never = co_await try_wait_for(worker(1), 0s);
    if (never.error_as<TimeoutError>() == nullptr) static_cast<void>(never.value());
    EXPECT_FALSE(never.has_value());
    co_await sleep(0s);
}
Coro<> wait_for_at_the_very_deadline() {
    // Both at 10 ms: whichever wins, the result is not lost and no cancel is left over.
    int value = 0;
    try {
        value = co_await wait_for(worker(17, 10ms), 10ms);
    } catch (const TimeoutError&) {
        value = 17;
    }
    EXPECT_EQ(value, 17);
    co_await sleep(1ms);
}
Coro<> wait_for_a_task() {
    co_await with(TaskGroup(), [](TaskGroup& group) -> Coro<> {
        auto task = group.create_task(worker(18));
        const int value = co_await wait_for(task, 1h);
        EXPECT_EQ(value, 18);
        auto slow = group.create_task(slow_to_leave());
        bool timed_out = false;
        try {
            co_await wait_for(slow, 2ms);
        } catch (const TimeoutError&) {
            timed_out = true;
        }
        EXPECT_TRUE(timed_out);
        EXPECT_TRUE(slow.cancelled());
        auto unstarted = group.create_task(worker(19));
        timed_out = false;
        try {
            co_await wait_for(unstarted, 0s);
        } catch (const TimeoutError&) {
            timed_out = true;
        }
        EXPECT_TRUE(timed_out);
    });
}
Coro<> wait_for_a_future() {
    const Future<int> future;
    const SetLater later(future, 20);
    const auto cancelled = co_await cancel_of([&]() -> Coro<> {
        const int value = co_await wait_for(future, 1h);
        EXPECT_EQ(value, 20);
    });
    co_await sleep(5ms);
    EXPECT_TRUE(future.done());
    end(cancelled);
}
Coro<> shield_of_a_task() {
    co_await with(TaskGroup(), [](TaskGroup& group) -> Coro<> {
        auto task = group.create_task(talker("h"));
        const auto cancelled = co_await cancel_of([&]() -> Coro<> {
            const std::string text = co_await shield(task);
            EXPECT_EQ(text[0], 'h');
        });
        EXPECT_FALSE(task.cancelled());
        const std::string text = co_await shield(task);
        EXPECT_EQ(text[0], 'h');
        const std::string taken = co_await shield(std::move(task));
        EXPECT_EQ(taken, text);
        end(cancelled);
    });
}
Coro<> shield_of_a_future() {
    const Future<int> future;
    const SetLater later(future, 21);
    const auto cancelled = co_await cancel_of([&]() -> Coro<> {
        const int value = co_await shield(future);
        EXPECT_EQ(value, 21);
    });
    EXPECT_FALSE(future.cancelled());
    const int value = co_await shield(future);
    EXPECT_EQ(value, 21);
    end(cancelled);
}

constexpr NamedScenario all[] = {
    {"GatherOfCoroutines", gather_of_coroutines},
    {"GatherOfARange", gather_of_a_range},
    {.name = "GatherOfMany", .start = gather_of_many, .many = true},
    {"GatherOfCallables", gather_of_callables},
    {"GatherOfCoroutinesBeforeCallables", gather_of_coroutines_before_callables},
    {"GatherOfARangeWithoutASize", gather_of_a_range_without_a_size},
    {"GatherOfTasks", gather_of_tasks},
    // If a child has failed and the gather was not told yet, a cancel goes to its siblings and the failure
    // wins, as in Python.
    {.name = "GatherWithAFailure", .start = gather_with_a_failure, .may_report = true, .may_survive = true},
    {.name = "GatherWithTwoFailures",
     .start = gather_with_two_failures,
     .may_report = true,
     .may_fail = true,
     .may_survive = true},
    {"GatherKeepingExceptions", gather_keeping_exceptions},
    {"GatherKeepingExceptionsOfARange", gather_keeping_exceptions_of_a_range},
    {"GatherOfNothing", gather_of_nothing},
    {"GatherNeverAwaited", gather_never_awaited},
    {"WaitForAll", wait_for_all},
    {"WaitForTheFirst", wait_for_the_first},
    {"WaitForACoroutine", wait_for_a_coroutine},
    {"WaitForThatTimesOut", wait_for_that_times_out},
    {"TryWaitForInTimeAndLate", try_wait_for_in_time_and_late},
    {"WaitForAtTheVeryDeadline", wait_for_at_the_very_deadline},
    {"WaitForATask", wait_for_a_task},
    {"WaitForAFuture", wait_for_a_future},
    {"ShieldOfATask", shield_of_a_task},
    {"ShieldOfAFuture", shield_of_a_future},
};

}  // namespace

std::span<const NamedScenario> wait_scenarios() { return all; }

}  // namespace asyncio::test
