// wait, wait_for, try_wait_for, shield.
#include "asyncio/task/wait.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "asyncio/asyncio.hpp"
#include "task/task_support.hpp"

namespace asyncio::task_test { namespace {

class WaitTest : public SimulatedTest {};
class WaitForTest : public SimulatedTest {};
class ShieldTest : public SimulatedTest {};
class WaitOnBackends : public test::BackendTest {};
ASYNCIO_ON_EVERY_BACKEND(WaitOnBackends);

// ---- wait ---------------------------------------------------------------------------------------

TEST_P(WaitOnBackends, WaitReturnsWhenAllAreDone) {
    run([]() -> Coro<> {
        std::vector<Task<int>> tasks;
        tasks.push_back(create_task(after(2ms, 1)));
        tasks.push_back(create_task(fails_after(1ms, "bad")));
        auto result = co_await wait(tasks);
        EXPECT_EQ(result.done.size(), 2u);
        EXPECT_TRUE(result.pending.empty());
        EXPECT_EQ(result.done[0].result(), 1);
        EXPECT_THROW(result.done[1].result(), ValueError);
    });
}

TEST_F(WaitTest, ReturnsWithTheFirstThatIsDone) {
    run([]() -> Coro<> {
        std::vector<Task<int>> tasks;
        for (int i = 3; i > 0; --i) tasks.push_back(create_task(after(std::chrono::seconds(i), i)));
        const TimePoint start = now();
        auto result = co_await wait(tasks, {.return_when = FIRST_COMPLETED});
        EXPECT_EQ(now() - start, 1s);
        EXPECT_EQ(result.done.size(), 1u);
        EXPECT_EQ(result.done[0].result(), 1);
        EXPECT_EQ(result.pending.size(), 2u);
        EXPECT_TRUE(result.pending[0] == tasks[0]);
        co_await wait(tasks);
    });
}

TEST_F(WaitTest, FirstExceptionIgnoresResultsAndCancels) {
    run([]() -> Coro<> {
        std::vector<Task<int>> tasks;
        tasks.push_back(create_task(after(1s, 1)));
        tasks.push_back(create_task(after(1h, 1)));
        tasks.push_back(create_task(fails_after(3s, "bad")));
        tasks.push_back(create_task(after(5s, 1)));
        get_running_loop().call_later(2s, [task = tasks[1]] { task.cancel(); });
        const TimePoint start = now();
        auto result = co_await wait(tasks, {.return_when = FIRST_EXCEPTION});
        EXPECT_EQ(now() - start, 3s);
        EXPECT_EQ(result.done.size(), 3u);
        EXPECT_EQ(result.pending.size(), 1u);
        co_await wait(tasks);
    });
}

TEST_F(WaitTest, ATimeoutIsNoErrorAndCancelsNothing) {
    run([]() -> Coro<> {
        std::vector<Task<int>> tasks;
        tasks.push_back(create_task(after(1s, 1)));
        tasks.push_back(create_task(after(3s, 1)));
        auto result = co_await wait(tasks, {.timeout = 2s});
        EXPECT_EQ(result.done.size(), 1u);
        EXPECT_EQ(result.pending.size(), 1u);
        EXPECT_EQ(tasks[1].cancelling(), 0);
        auto none = co_await wait(tasks, {.timeout = 0s, .return_when = ALL_COMPLETED});
        EXPECT_EQ(none.done.size(), 1u);
        co_await tasks[1];
    });
}

TEST_F(WaitTest, DoneTasksDuplicatesAndManyTasksAreCountedOnce) {
    run([]() -> Coro<> {
        for (std::size_t copies : {2u, 20u, 100u}) {
            auto done = create_task(after(1s, 1));
            co_await done;
            auto later = create_task(after(1s, 2));
            std::vector<Task<int>> tasks(copies, done);
            tasks.insert(tasks.end(), copies, later);
            const TimePoint start = now();
            auto result = co_await wait(tasks);
            EXPECT_EQ(now() - start, 1s);
            EXPECT_EQ(result.done.size(), 2u) << copies;
            EXPECT_TRUE(result.pending.empty());
        }
        std::vector<Task<int>> many;
        for (int i = 0; i < 1000; ++i)
            many.push_back(create_task(after(std::chrono::milliseconds(i % 7), i)));
        auto result = co_await wait(many);
        EXPECT_EQ(result.done.size(), 1000u);
        EXPECT_TRUE(result.done[999] == many[999]);
    });
}

TEST_F(WaitTest, AnEmptyRangeIsRefused) {
    run([]() -> Coro<> {
        EXPECT_THROW(static_cast<void>(wait(std::vector<Task<int>>())), ValueError);
        co_return;
    });
}

TEST_F(WaitTest, ACancelEndsTheWaitAndLeavesTheTasks) {
    run([]() -> Coro<> {
        auto inner = create_task(after(10s, 1));
        auto outer = create_task([](Task<int> t) -> Coro<> { co_await wait(handles(t)); }(inner));
        co_await sleep(1s);
        outer.cancel();
        co_await wait(handles(outer));
        EXPECT_TRUE(outer.cancelled());
        EXPECT_FALSE(inner.done());
        EXPECT_EQ(inner.cancelling(), 0);
        co_await inner;
    });
}

TEST_F(WaitTest, TakesFuturesAndMixedHandles) {
    run([]() -> Coro<> {
        Future<int> future;
        std::vector<Future<int>> futures(1, future);
        get_running_loop().call_later(1s, [future] { future.set_result(3); });
        auto result = co_await wait(futures);
        EXPECT_EQ(result.done[0].result(), 3);
        auto task = create_task(after(1s, 1));
        auto mixed = co_await wait(handles(future, task));
        EXPECT_EQ(mixed.done.size(), 2u);
    });
}

// ---- wait_for -----------------------------------------------------------------------------------

TEST_P(WaitOnBackends, WaitForGivesTheResultOrTimesOut) {
    run([]() -> Coro<> {
        int n = co_await wait_for(after(1ms, 7), 60s);
        EXPECT_EQ(n, 7);
        bool late = false;
        try {
            co_await wait_for(after(1h, 7), 1ms);
        } catch (const TimeoutError&) {
            late = true;
        }
        EXPECT_TRUE(late);
        EXPECT_EQ(current_task().cancelling(), 0);
    });
}

TEST_F(WaitForTest, TheCleanupOfWhatTimesOutIsWaitedFor) {
    run([]() -> Coro<> {
        bool ended = false;
        bool late = false;
        const TimePoint start = now();
        try {
            co_await wait_for(
                [&]() -> Coro<> {
                    std::exception_ptr error;
                    try {
                        co_await sleep(1h);
                    } catch (const CancelledError&) {
                        error = std::current_exception();
                    }
                    co_await sleep(2s);
                    ended = true;
                    std::rethrow_exception(error);
                },
                1s);
        } catch (const TimeoutError&) {
            late = true;
        }
        EXPECT_TRUE(late);
        EXPECT_TRUE(ended);
        EXPECT_EQ(now() - start, 3s);
    });
}

TEST_F(WaitForTest, AResultThatRacesTheDeadlineIsNotLost) {
    run([]() -> Coro<> {
        for (int way = 0; way < 2; ++way) {
            // The coroutine catches its cancel and gives a result all the same.
            const auto stubborn = []() -> Coro<MoveOnly> {
                try {
                    co_await sleep(1h);
                } catch (const CancelledError&) {}
                co_return MoveOnly(5);
            };
            MoveOnly got(0);
            if (way == 0) got = co_await wait_for(stubborn(), 1s);
            if (way == 1) got = co_await wait_for(create_task(stubborn()), 1s);
            EXPECT_EQ(got.value(), 5);
            EXPECT_EQ(current_task().cancelling(), 0);
            co_await sleep(1s);  // no cancel is left over
        }
        // Both are due in the same iteration.
        for (int i = 0; i < 3; ++i) {
            int n = 0;
            try {
                n = co_await wait_for(after(1s, 3), 1s);
            } catch (const TimeoutError&) {
                n = -1;
            }
            EXPECT_TRUE(n == 3 || n == -1);
            EXPECT_EQ(current_task().cancelling(), 0);
            co_await sleep(0s);
        }
    });
}

TEST_F(WaitForTest, WithNoTimeLeftACoroutineIsNeverStarted) {
    run([]() -> Coro<> {
        int alive = 0;
        bool ran = false;
        for (Duration limit : {Duration(0s), Duration(-1s)}) {
            bool late = false;
            try {
                co_await wait_for(
                    [](Counted, bool& flag) -> Coro<> {
                        flag = true;
                        co_return;
                    }(Counted(&alive), ran),
                    limit);
            } catch (const TimeoutError&) {
                late = true;
            }
            EXPECT_TRUE(late);
            EXPECT_FALSE(ran);
            EXPECT_EQ(alive, 0);
        }
        auto task = create_task(after(1h, 1));
        bool late = false;
        try {
            co_await wait_for(task, 0s);
        } catch (const TimeoutError&) {
            late = true;
        }
        EXPECT_TRUE(late);
        EXPECT_TRUE(task.cancelled());
        auto done = create_task(after(1s, 4));
        co_await done;
        int n = co_await wait_for(done, 0s);
        EXPECT_EQ(n, 4);
    });
}

TEST_F(WaitForTest, NoLimitIsNoLimit) {
    run([]() -> Coro<> {
        int n = co_await wait_for(after(100h, 3), Duration::none());
        EXPECT_EQ(n, 3);
        auto task = create_task(after(100h, 4));
        n = co_await wait_for(task, Duration::none());
        EXPECT_EQ(n, 4);
    });
}

TEST_F(WaitForTest, ItsOwnExceptionsPass) {
    run([]() -> Coro<> {
        std::string text;
        try {
            co_await wait_for(fails_after(1s, "its own"), 2s);
        } catch (const ValueError& error) {
            text = error.what();
        }
        EXPECT_EQ(text, "its own");
        text.clear();
        try {
            // What is thrown in place of the cancel wins over the TimeoutError.
            co_await wait_for(
                []() -> Coro<> {
                    try {
                        co_await sleep(1h);
                    } catch (const CancelledError&) {
                        throw ValueError("in the cleanup");
                    }
                },
                1s);
        } catch (const ValueError& error) {
            text = error.what();
        }
        EXPECT_EQ(text, "in the cleanup");
    });
}

TEST_F(WaitForTest, ACancelFromOutsideIsNoTimeout) {
    run([]() -> Coro<> {
        for (bool as_task : {false, true}) {
            auto task = create_task([](bool t) -> Coro<> {
                if (t) {
                    co_await wait_for(create_task(after(1h, 1)), 1h);
                } else {
                    co_await wait_for(after(1h, 1), 1h);
                }
            }(as_task));
            co_await sleep(1s);
            task.cancel();
            co_await wait(handles(task));
            EXPECT_TRUE(task.cancelled());
            EXPECT_EQ(all_tasks().size(), 1u);
        }
    });
}

TEST_F(WaitForTest, ATimeoutInsideOfWhatIsAwaitedIsItsOwn) {
    run([]() -> Coro<> {
        bool inner = false;
        int n = co_await wait_for(
            [&]() -> Coro<int> {
                try {
                    co_await wait_for(after(1h, 1), 1s);
                } catch (const TimeoutError&) {
                    inner = true;
                }
                co_return 6;
            },
            10s);
        EXPECT_TRUE(inner);
        EXPECT_EQ(n, 6);
    });
}

TEST_F(WaitForTest, FuturesAreCancelledByTheLimit) {
    run([]() -> Coro<> {
        Future<int> future;
        bool late = false;
        try {
            co_await wait_for(future, 1s);
        } catch (const TimeoutError&) {
            late = true;
        }
        EXPECT_TRUE(late);
        EXPECT_TRUE(future.cancelled());
    });
}

// ---- shield -------------------------------------------------------------------------------------

TEST_P(WaitOnBackends, ShieldKeepsACancelFromTheTask) {
    run([]() -> Coro<> {
        auto inner = create_task(after(5ms, 9));
        auto outer = create_task([](Task<int> t) -> Coro<int> { co_return co_await shield(t); }(inner));
        co_await sleep(1ms);
        outer.cancel();
        co_await wait(handles(outer));
        EXPECT_TRUE(outer.cancelled());
        EXPECT_EQ(inner.cancelling(), 0);
        int n = co_await inner;
        EXPECT_EQ(n, 9);
    });
}

TEST_F(ShieldTest, GivesWhatTheTaskGives) {
    run([]() -> Coro<> {
        auto task = create_task(after(1s, 4));
        int n = co_await shield(task);
        EXPECT_EQ(n, 4);
        n = co_await shield(task);
        EXPECT_EQ(n, 4);
        MoveOnly moved = co_await shield([]() -> Coro<MoveOnly> { co_return MoveOnly(3); });
        EXPECT_EQ(moved.value(), 3);
        std::string text;
        try {
            co_await shield(create_task(fails_after(1s, "its own")));
        } catch (const ValueError& error) {
            text = error.what();
        }
        EXPECT_EQ(text, "its own");
        Future<int> future;
        get_running_loop().call_soon([future] { future.set_result(8); });
        n = co_await shield(future);
        EXPECT_EQ(n, 8);
    });
}

TEST_F(ShieldTest, ACancelOfTheShieldedTaskItselfPasses) {
    run([]() -> Coro<> {
        auto task = create_task(after(1h, 1));
        get_running_loop().call_later(1s, [task] { task.cancel("really"); });
        bool cancelled = false;
        try {
            co_await shield(task);
        } catch (const CancelledError&) {
            cancelled = true;
        }
        EXPECT_TRUE(cancelled);
        EXPECT_EQ(current_task().cancelling(), 0);
    });
}

TEST_F(ShieldTest, ArgumentsAreOwnedByTheTaskThatRunsOn) {
    run([]() -> Coro<> {
        int alive = 0;
        int seen = 0;
        const auto work = [](Counted c, int* out) -> Coro<> {
            co_await sleep(5s);
            *out = c.value();
        };
        auto outer = create_task([](auto function, int* count, int* out) -> Coro<> {
            co_await shield(function, Counted(count, 7), out);
        }(work, &alive, &seen));
        co_await sleep(1s);
        outer.cancel();
        co_await wait(handles(outer));
        EXPECT_GE(alive, 1);
        co_await sleep(10s);
        EXPECT_EQ(seen, 7);
        EXPECT_EQ(alive, 0);
    });
}

TEST_F(ShieldTest, AFailureAfterTheWaiterWasCancelledIsReported) {
    run([]() -> Coro<> {
        int reports = 0;
        get_running_loop().set_exception_handler([&](EventLoop&, const ExceptionContext&) { ++reports; });
        auto outer = create_task(
            []() -> Coro<> { co_await shield(fails_after, Duration(5s), std::string("late")); }());
        co_await sleep(1s);
        outer.cancel();
        co_await sleep(10s);
        EXPECT_EQ(reports, 1);
        get_running_loop().set_exception_handler(nullptr);
    });
}

// ---- try_wait_for -------------------------------------------------------------------------------

TEST_F(WaitForTest, TryWaitForGivesAnOutcomeOfEachKindOfAwaitable) {
    run([]() -> Coro<> {
        auto task = create_task(after(1s, 2));
        auto failing = create_task(fails_after(1s, "the task's"));
        Future<std::string> future;
        future.set_result("text");
        Outcome<int> in_time = co_await try_wait_for(after(1s, 1), 2s);
        EXPECT_EQ(in_time.value(), 1);
        Outcome<int> of_task = co_await try_wait_for(task, 2s);
        EXPECT_EQ(of_task.value(), 2);
        Outcome<std::string> of_future = co_await try_wait_for(future, 2s);
        EXPECT_EQ(of_future.value(), "text");
        Outcome<void> of_sleep = co_await try_wait_for(sleep(1s), 2s);
        EXPECT_TRUE(of_sleep.has_value());
        Outcome<int> of_function = co_await try_wait_for([]() { return after(1s, 3); }, 2s);
        EXPECT_EQ(of_function.value(), 3);
        Outcome<int> failed = co_await try_wait_for(fails_after(1s, "its own"), 2s);
        EXPECT_EQ(failed.what(), "its own");
        EXPECT_NE(failed.error_as<ValueError>(), nullptr);
        Outcome<int> task_failed = co_await try_wait_for(failing, 2s);
        EXPECT_EQ(task_failed.what(), "the task's");
        Outcome<int> moved = co_await try_wait_for(std::move(task), 2s);
        EXPECT_EQ(moved.value(), 2);
    });
}

TEST_F(WaitForTest, OutcomesNest) {
    run([]() -> Coro<> {
        auto [late, early, failed] =
            co_await gather(return_exceptions, try_wait_for(after(5s, 1), 2s), try_wait_for(after(1s, 2), 2s),
                            fails_after(1s, "its own"));
        EXPECT_NE(late.value().error_as<TimeoutError>(), nullptr);
        EXPECT_EQ(early.value().value(), 2);
        EXPECT_EQ(failed.what(), "its own");
        Outcome<Outcome<int>> inner = co_await try_wait_for(try_wait_for(after(5s, 1), 2s), 3s);
        EXPECT_TRUE(inner.has_value());
        EXPECT_NE(inner->error_as<TimeoutError>(), nullptr);
        Outcome<Outcome<int>> outer = co_await try_wait_for(try_wait_for(after(5s, 1), 3s), 2s);
        EXPECT_NE(outer.error_as<TimeoutError>(), nullptr);
    });
}

TEST_F(WaitForTest, TryWaitForGivesATimeoutAsAnOutcome) {
    run([]() -> Coro<> {
        int alive = 0;
        auto task = create_task(after(1h, 2));
        Outcome<void> late =
            co_await try_wait_for([](Counted) -> Coro<> { co_await sleep(1h); }(Counted(&alive)), 2s);
        EXPECT_NE(late.error_as<TimeoutError>(), nullptr);
        EXPECT_EQ(alive, 0);
        Outcome<int> at_once = co_await try_wait_for(after(1s, 1), 0s);
        EXPECT_NE(at_once.error_as<TimeoutError>(), nullptr);
        Outcome<int> of_task = co_await try_wait_for(task, 2s);
        EXPECT_NE(of_task.error_as<TimeoutError>(), nullptr);
        EXPECT_TRUE(task.cancelled());
        auto second = create_task(after(1h, 2));
        Outcome<int> no_time = co_await try_wait_for(second, 0s);
        EXPECT_NE(no_time.error_as<TimeoutError>(), nullptr);
        EXPECT_TRUE(second.cancelled());
        EXPECT_EQ(current_task().cancelling(), 0);
    });
}

TEST_F(WaitForTest, ACancelIsNoOutcomeOfTryWaitFor) {
    run([]() -> Coro<> {
        for (const bool of_a_task : {false, true}) {
            auto inner = create_task(after(1h, 1));
            auto task = create_task([](Task<int> awaited, bool through_it) -> Coro<> {
                Outcome<int> outcome(0);
                if (through_it) {
                    outcome = co_await try_wait_for(awaited, 2h);
                } else {
                    outcome = co_await try_wait_for(after(1h, 1), 2h);
                }
                ADD_FAILURE() << "a cancel became an outcome: " << outcome.what();
            }(inner, of_a_task));
            co_await sleep(1s);
            task.cancel();
            co_await wait(handles(task));
            EXPECT_TRUE(task.cancelled());
            EXPECT_EQ(inner.cancelled(), of_a_task);
            inner.cancel();
            co_await wait(handles(inner));
        }
    });
}

}}  // namespace asyncio::task_test
