// gather: ownership, failures, cancelling, outcomes.
#include "asyncio/task/gather.hpp"

#include <gtest/gtest.h>

#include <forward_list>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "asyncio/asyncio.hpp"
#include "support/alloc_failure.hpp"
#include "task/task_support.hpp"

namespace asyncio::task_test { namespace {

class GatherTest : public SimulatedTest {};
class GatherOnBackends : public test::BackendTest {};
ASYNCIO_ON_EVERY_BACKEND(GatherOnBackends);

Coro<> nothing() { co_await sleep(1ms); }
Coro<> nothing_for_an_hour() { co_await sleep(1h); }
template <class E, class A>
Coro<std::string> text_thrown(A awaitable) {
    std::string text = "nothing was thrown";
    try {
        co_await std::move(awaitable);
    } catch (const E& error) {
        text = error.what();
    }
    co_return text;
}

TEST_P(GatherOnBackends, RunsAllAtOnceAndGivesTheResultsInTheOrderOfItsArguments) {
    run([]() -> Coro<> {
        const TimePoint start = get_running_loop().time();
        auto [a, b, c] = co_await gather(after(20ms, 1), after(10ms, 2), nothing());
        static_assert(std::is_same_v<decltype(c), std::monostate>);
        EXPECT_EQ(a, 1);
        EXPECT_EQ(b, 2);
        const Duration took = time_until(get_running_loop().time(), start);
        EXPECT_GE(took, Duration(20ms));
        EXPECT_LT(took, Duration(30s));
    });
}

TEST_F(GatherTest, TakesAsLongAsTheLongest) {
    run([]() -> Coro<> {
        const TimePoint start = get_running_loop().time();
        std::vector<Coro<int>> jobs;
        for (int i = 0; i < 100; ++i) jobs.push_back(after(std::chrono::seconds(i), i));
        std::vector<int> results = co_await gather(std::move(jobs));
        EXPECT_EQ(results.size(), 100u);
        EXPECT_EQ(results[42], 42);
        EXPECT_EQ(get_running_loop().time() - start, 99s);
    });
}

TEST_F(GatherTest, StartsTheChildrenInTheirOrder) {
    run([]() -> Coro<> {
        Log log;
        const auto starts = [](Log& out, std::string name) -> Coro<> {
            out.push_back(name);
            co_return;
        };
        co_await gather(starts(log, "a"), starts(log, "b"), starts(log, "c"));
        EXPECT_EQ(log, (Log{"a", "b", "c"}));
    });
}

TEST_F(GatherTest, OfNothingGivesNothing) {
    run([]() -> Coro<> {
        [[maybe_unused]] std::tuple<> none = co_await gather();
        auto empty = co_await gather(std::vector<Coro<int>>());
        EXPECT_TRUE(empty.empty());
        auto outcomes = co_await gather(return_exceptions, std::vector<Task<int>>());
        EXPECT_TRUE(outcomes.empty());
    });
}

TEST_F(GatherTest, TakesCoroutinesCallablesTasksAndFuturesMixed) {
    run([]() -> Coro<> {
        auto task = create_task(after(3s, 1));
        Future<int> future;
        get_running_loop().call_later(2s, [future] { future.set_result(2); });
        int three = 3;
        auto [a, b, c, d] =
            co_await gather(task, future, [&]() -> Coro<int> { co_return three; }, after(1s, 4));
        EXPECT_EQ(a, 1);
        EXPECT_EQ(b, 2);
        EXPECT_EQ(c, 3);
        EXPECT_EQ(d, 4);
    });
}

TEST_F(GatherTest, MoveOnlyResultsAreMovedAndCopyableOnesOfTasksStay) {
    run([]() -> Coro<> {
        auto [m] = co_await gather([]() -> Coro<MoveOnly> { co_return MoveOnly(5); });
        EXPECT_EQ(m.value(), 5);
        auto task = create_task(after(1s, 7));
        auto [a, b] = co_await gather(task, task);
        EXPECT_EQ(a + b, 14);
        EXPECT_EQ(task.result(), 7);
        auto once = create_task([]() -> Coro<MoveOnly> { co_return MoveOnly(6); }());
        auto [taken] = co_await gather(once);
        EXPECT_EQ(taken.value(), 6);
        EXPECT_THROW(once.result(), InvalidStateError);
    });
}

TEST_F(GatherTest, AResultThatWasTakenBeforeIsAnError) {
    run([]() -> Coro<> {
        auto task = create_task([]() -> Coro<MoveOnly> { co_return MoveOnly(6); }(), {.name = "x"});
        auto copy = task;
        MoveOnly taken = co_await std::move(task);
        std::string text;
        try {
            [[maybe_unused]] auto got = co_await gather(copy);
        } catch (const InvalidStateError& error) {
            text = error.what();
        }
        EXPECT_EQ(text, "result of task 'x' was already taken");
        auto [outcome] = co_await gather(return_exceptions, copy);
        EXPECT_NE(outcome.error_as<InvalidStateError>(), nullptr) << outcome.what();
        auto twice = create_task([]() -> Coro<MoveOnly> { co_return MoveOnly(6); }(), {.name = "y"});
        text.clear();
        try {
            [[maybe_unused]] auto got = co_await gather(twice, twice);
        } catch (const InvalidStateError& error) {
            text = error.what();
        }
        EXPECT_EQ(text, "result of task 'y' was already taken");
    });
}

// ---- failures -----------------------------------------------------------------------------------

TEST_P(GatherOnBackends, TheFirstFailureCancelsTheOwnChildrenAndWaitsForThem) {
    run([]() -> Coro<> {
        Log log;
        std::string text;
        try {
            co_await gather(logs_its_end(log, "slow", 1h, 2ms), fails_after(1ms, "first"),
                            logs_its_end(log, "other", 1h, 1ms));
        } catch (const ValueError& error) {
            text = error.what();
        }
        EXPECT_EQ(text, "first");
        EXPECT_EQ(log, (Log{"other cancelled", "slow cancelled"}));
        EXPECT_EQ(all_tasks().size(), 1u);
    });
}

TEST_F(GatherTest, LaterFailuresOfItsOwnAreReported) {
    run([]() -> Coro<> {
        std::vector<ExceptionContext> reports;
        get_running_loop().set_exception_handler(
            [&](EventLoop&, const ExceptionContext& context) { reports.push_back(context); });
        const auto fails_when_cancelled = []() -> Coro<> {
            try {
                co_await sleep(1h);
            } catch (const CancelledError&) {
                throw ValueError("in the cleanup");
            }
        };
        std::string text;
        try {
            co_await gather(fails_when_cancelled(), fails_after(1s, "first"), nothing());
        } catch (const ValueError& error) {
            text = error.what();
        }
        EXPECT_EQ(text, "first");
        EXPECT_EQ(reports.size(), 1u);
        if (!reports.empty()) {
            EXPECT_NE(describe(reports[0].exception).find("in the cleanup"), std::string::npos);
        }
        get_running_loop().set_exception_handler(nullptr);
    });
}

TEST_F(GatherTest, TasksOfTheCallerRunOnAfterAFailureWhichIsThrownAtOnce) {
    run([]() -> Coro<> {
        auto slow = create_task(after(10s, 1));
        auto bad = create_task(fails_after(1s, "bad"));
        const TimePoint start = get_running_loop().time();
        std::string text;
        try {
            co_await gather(slow, bad);
        } catch (const ValueError& error) {
            text = error.what();
        }
        EXPECT_EQ(text, "bad");
        EXPECT_EQ(get_running_loop().time() - start, 1s);
        EXPECT_FALSE(slow.done());
        EXPECT_EQ(slow.cancelling(), 0);
        int n = co_await slow;
        EXPECT_EQ(n, 1);
    });
}

TEST_F(GatherTest, InAMixedGatherEachArgumentKeepsItsOwnRule) {
    run([]() -> Coro<> {
        Log log;
        auto task = create_task(after(10s, 1));
        std::string text;
        try {
            co_await gather(task, logs_its_end(log, "own", 1h, 1s), fails_after(1s, "bad"));
        } catch (const ValueError& error) {
            text = error.what();
        }
        EXPECT_EQ(text, "bad");
        EXPECT_EQ(log, Log{"own cancelled"});
        EXPECT_FALSE(task.done());
        co_await task;
    });
}

TEST_F(GatherTest, AChildThatIsCancelledFromOutsideIsAFailure) {
    run([]() -> Coro<> {
        Log log;
        bool cancelled = false;
        try {
            co_await gather(logs_its_end(log, "own", 1h, 1s), []() -> Coro<> {
                current_task().cancel();
                co_await sleep(1s);
            });
        } catch (const CancelledError&) {
            cancelled = true;
        }
        EXPECT_TRUE(cancelled);
        EXPECT_EQ(current_task().cancelling(), 0);
        EXPECT_EQ(log, Log{"own cancelled"});
    });
}

// ---- cancelling ---------------------------------------------------------------------------------

TEST_P(GatherOnBackends, CancellingItCancelsAllChildrenAndWaitsForThem) {
    run([]() -> Coro<> {
        Log log;
        auto theirs = create_task(logs_its_end(log, "theirs", 1h, 0s));
        auto task = create_task([](Task<> t, Log& out) -> Coro<> {
            co_await gather(logs_its_end(out, "own", 1h, 2ms), t);
        }(theirs, log));
        co_await sleep(1ms);
        task.cancel();
        co_await wait(handles(task));
        EXPECT_TRUE(task.cancelled());
        EXPECT_TRUE(theirs.cancelled());
        EXPECT_EQ(log.size(), 2u);
        EXPECT_EQ(all_tasks().size(), 1u);
    });
}

TEST_F(GatherTest, AChildThatSwallowsTheCancelIsWaitedFor) {
    run([]() -> Coro<> {
        bool ended = false;
        const auto stubborn = [](bool& flag) -> Coro<> {
            try {
                co_await sleep(1h);
            } catch (const CancelledError&) {}
            co_await sleep(1s);
            flag = true;
        };
        auto task = create_task(
            [](Coro<> child) -> Coro<> { co_await gather(std::move(child), nothing()); }(stubborn(ended)));
        co_await sleep(1s);
        task.cancel();
        co_await wait(handles(task));
        EXPECT_TRUE(ended);
        EXPECT_TRUE(task.cancelled());
    });
}

TEST_F(GatherTest, ACancelThatIsPendingStartsNothing) {
    run([]() -> Coro<> {
        Log log;
        auto task = create_task([](Log& out) -> Coro<> {
            current_task().cancel();
            co_await gather(logs_its_end(out, "never", 0s, 0s), logs_its_end(out, "never", 0s, 0s));
        }(log));
        co_await wait(handles(task));
        EXPECT_TRUE(task.cancelled());
        EXPECT_TRUE(log.empty());
    });
}

// ---- outcomes -----------------------------------------------------------------------------------

TEST_P(GatherOnBackends, WithReturnExceptionsEachArgumentGivesAnOutcome) {
    run([]() -> Coro<> {
        auto [a, b, c] =
            co_await gather(return_exceptions, after(2ms, 1), fails_after(1ms, "bad"), nothing());
        EXPECT_EQ(a.value(), 1);
        EXPECT_EQ(b.what(), "bad");
        EXPECT_NE(b.error_as<ValueError>(), nullptr);
        EXPECT_TRUE(c);
    });
}

TEST_F(GatherTest, ACancelledChildGivesACancelledOutcome) {
    run([]() -> Coro<> {
        auto task = create_task(after(1h, 1));
        get_running_loop().call_later(1s, [task] { task.cancel("stop it"); });
        auto [a, b] = co_await gather(return_exceptions, task, after(2s, 2));
        EXPECT_TRUE(a.cancelled());
        EXPECT_EQ(b.value(), 2);
    });
}

TEST_F(GatherTest, CancellingOneWithReturnExceptionsThrowsCancelledError) {
    run([]() -> Coro<> {
        Log log;
        auto task = create_task([](Log& out) -> Coro<> {
            [[maybe_unused]] auto outcomes =
                co_await gather(return_exceptions, logs_its_end(out, "own", 1h, 1s), nothing());
        }(log));
        co_await sleep(1s);
        task.cancel();
        co_await wait(handles(task));
        EXPECT_TRUE(task.cancelled());
        EXPECT_EQ(log, Log{"own cancelled"});
    });
}

// ---- lifetimes ----------------------------------------------------------------------------------

Coro<int> holds(Counted c, Duration delay) {
    co_await sleep(delay);
    co_return c.value();
}

TEST_F(GatherTest, ChildrenAndResultsAreGoneWithTheAwait) {
    run([]() -> Coro<> {
        int alive = 0;
        {
            auto results = co_await gather(holds(Counted(&alive, 1), 1s), [](int* n) {
                return [n]() -> Coro<Counted> { co_return Counted(n, 2); };
            }(&alive));
            EXPECT_EQ(std::get<0>(results), 1);
            EXPECT_EQ(std::get<1>(results).value(), 2);
            EXPECT_EQ(alive, 1);
        }
        EXPECT_EQ(alive, 0);
    });
}

TEST_F(GatherTest, OneThatIsNeverAwaitedDestroysItsChildrenAndDebugModeNamesThem) {
    const std::string text = printed([] {
        run(
            []() -> Coro<> {
                int alive = 0;
                {
                    auto task = create_task(after(1s, 1));
                    auto never = gather(holds(Counted(&alive), 1s), task, after(1s, 2));
                    EXPECT_EQ(alive, 1);
                }
                EXPECT_EQ(alive, 0);
                co_await sleep(2s);
            },
            {.debug = true});
    });
    EXPECT_NE(text.find("RuntimeWarning: coroutine "), std::string::npos) << text;
    EXPECT_NE(text.find("holds' was never awaited"), std::string::npos) << text;
    EXPECT_NE(text.find("after' was never awaited"), std::string::npos) << text;
}

TEST_F(GatherTest, OneThatIsAwaitedWithACancelPendingDestroysItsChildrenWithoutAWord) {
    const std::string text = printed([] {
        run(
            []() -> Coro<> {
                int alive = 0;
                auto task = create_task([](int& count) -> Coro<> {
                    current_task().cancel();
                    co_await gather(holds(Counted(&count), 1s), after(1s, 2));
                }(alive));
                co_await wait(handles(task));
                EXPECT_TRUE(task.cancelled());
                EXPECT_EQ(alive, 0);
            },
            {.debug = true});
    });
    EXPECT_EQ(text, "");
}

TEST_F(GatherTest, ANamedOneIsLazy) {
    run([]() -> Coro<> {
        auto later = gather(after(1s, 1), after(2s, 2));
        co_await sleep(10s);
        const TimePoint start = get_running_loop().time();
        auto [a, b] = co_await later;
        EXPECT_EQ(a + b, 3);
        EXPECT_EQ(get_running_loop().time() - start, 2s);
    });
}

TEST_F(GatherTest, GathersNest) {
    run([]() -> Coro<> {
        struct Tree {
            static Coro<int> sum(int depth) {
                if (depth == 0) co_return 1;
                auto [a, b] = co_await gather(sum(depth - 1), sum(depth - 1));
                co_return a + b;
            }
        };
        int leaves = co_await Tree::sum(10);
        EXPECT_EQ(leaves, 1024);
    });
}

TEST_F(GatherTest, ATaskThatIsDoneCountsAtOnce) {
    run([]() -> Coro<> {
        auto done = create_task(after(1s, 1));
        auto failed = create_task(fails_after(1s, "earlier"));
        co_await wait(handles(done, failed));
        auto [a, b] = co_await gather(done, after(1s, 2));
        EXPECT_EQ(a + b, 3);
        Log log;
        std::string text;
        try {
            co_await gather(logs_its_end(log, "own", 1h, 0s), failed);
        } catch (const ValueError& error) {
            text = error.what();
        }
        EXPECT_EQ(text, "earlier");
        EXPECT_EQ(all_tasks().size(), 1u);
    });
}

TEST_F(GatherTest, ARangeWithoutASizeIsTakenWithFewAllocations) {
    run([]() -> Coro<> {
        const auto add = [](long& allocations) -> Coro<std::size_t> {
            std::forward_list<Coro<int>> coros;
            for (int i = 0; i != 10'000; ++i) coros.push_front(after(1s, i));
            const long before = test::allocations();
            auto all = gather(std::move(coros));
            allocations = test::allocations() - before;
            const std::vector<int> values = co_await all;
            co_return values.size();
        };
        long allocations = 0;
        const std::size_t count = co_await add(allocations);
        EXPECT_EQ(count, 10'000u);
        EXPECT_LT(allocations, 100);  // it grew in proportion: one for each would copy all of them each time
    });
}

TEST_F(GatherTest, AnOutcomeTellsWhatATaskWasCancelledWith) {
    run([]() -> Coro<> {
        auto unstarted = create_task(after(1s, 1));
        unstarted.cancel("early");
        auto waiting = create_task(after(1s, 1));
        co_await sleep(0s);
        waiting.cancel("late");
        auto [a, b] = co_await gather(return_exceptions, unstarted, waiting);
        EXPECT_TRUE(a.cancelled());
        EXPECT_EQ(a.what(), "early");
        EXPECT_TRUE(b.cancelled());
        EXPECT_EQ(b.what(), "late");
    });
}

constexpr int deep = 100'000;

Coro<> gather_at_depth(int depth, Log& log) {
    if (depth == 0) {
        std::exception_ptr error;
        try {
            co_await sleep(1h);
        } catch (const CancelledError& cancelled) {
            log.push_back("cancelled: " + std::string(cancelled.message()));
            error = std::current_exception();
        }
        if (error != nullptr) std::rethrow_exception(error);
        co_return;
    }
    co_await gather(gather_at_depth(depth - 1, log));
}
Coro<> gather_of_one(Task<> task) { co_await gather(task); }

TEST_F(GatherTest, GathersThatLieDeepInEachOtherAreCancelledWithoutRecursion) {
    run([]() -> Coro<> {
        Log log;
        auto outermost = create_task(gather_at_depth(deep, log));
        co_await sleep(1s);
        EXPECT_EQ(all_tasks().size(), deep + 2u);
        EXPECT_TRUE(outermost.cancel("enough"));
        EXPECT_EQ(outermost.cancelling(), 1);
        co_await wait(handles(outermost));
        EXPECT_TRUE(outermost.cancelled());
        EXPECT_EQ(log, Log{"cancelled: enough"});
        EXPECT_EQ(all_tasks().size(), 1u);
    });
}

TEST_F(GatherTest, AChainOfTasksThatGatherEachOtherIsCancelledWithoutRecursion) {
    run([]() -> Coro<> {
        std::vector<Task<>> chain = {create_task(nothing_for_an_hour())};
        for (int i = 0; i != deep; ++i) chain.push_back(create_task(gather_of_one(chain.back())));
        co_await sleep(1s);
        EXPECT_TRUE(chain.back().cancel());
        EXPECT_EQ(chain.front().cancelling(), 1);
        co_await wait(chain);
        for (const Task<>& each : chain) EXPECT_TRUE(each.cancelled());
    });
}

TEST_F(GatherTest, AFailureOfOneCancelsADeepNestOfGathersBesideIt) {
    run([]() -> Coro<> {
        Log log;
        std::string text;
        try {
            co_await gather(gather_at_depth(deep, log), fails_after(1s, "beside it"));
        } catch (const ValueError& error) {
            text = error.what();
        }
        EXPECT_EQ(text, "beside it");
        EXPECT_EQ(log.size(), 1u);
        EXPECT_EQ(all_tasks().size(), 1u);
    });
}

TEST_F(GatherTest, ACancelReachesTheChildrenInTheirOrder) {
    run([]() -> Coro<> {
        Log log;
        const auto both = [](Log& into, std::string name) -> Coro<> {
            co_await gather(logs_its_end(into, name + "1", 1h, 0s), logs_its_end(into, name + "2", 1h, 0s));
        };
        auto task = create_task([](Log& into, auto make) -> Coro<> {
            co_await gather(make(into, "a"), logs_its_end(into, "b", 1h, 0s), make(into, "c"));
        }(log, both));
        co_await sleep(1s);
        task.cancel();
        co_await wait(handles(task));
        EXPECT_EQ(log, (Log{"a1 cancelled", "a2 cancelled", "b cancelled", "c1 cancelled", "c2 cancelled"}));
    });
}

}}  // namespace asyncio::task_test
