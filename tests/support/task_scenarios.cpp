// Sleeping, coroutines in place, tasks and futures.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "support/scenario_parts.hpp"

namespace asyncio::test {

namespace {

// ---- sleep --------------------------------------------------------------------------------------

Coro<> sleep_with_a_result() {
    const std::string text =
        co_await sleep(3ms, std::string("forty-two, in a string that is long enough for the heap"));
    EXPECT_EQ(text.substr(0, 5), "forty");
}
Coro<> yields() {
    const auto cancelled = co_await cancel_of([&]() -> Coro<> { co_await sleep(0s); });
    co_await sleep(0s);
    co_await sleep(-1s);
    end(cancelled);
}

// ---- coroutines ---------------------------------------------------------------------------------

Coro<int> depth(int levels) {
    const Probe probe;
    if (levels == 0) co_return co_await worker(1);
    const int below = co_await depth(levels - 1);
    co_return below + 1;
}
Coro<> coroutines_in_place() {
    const auto cancelled = co_await cancel_of([&]() -> Coro<> {
        const int levels = co_await depth(5);
        EXPECT_EQ(levels, 6);
    });
    const std::string text = co_await talker("a");
    EXPECT_EQ(text[0], 'a');
    end(cancelled);
}
Coro<> a_loop_of_awaits_that_never_suspend() {
    int sum = 0;
    for (int i = 0; i < 300; ++i) {
        const int one = co_await []() -> Coro<int> { co_return 1; }();
        sum += one;
    }
    EXPECT_EQ(sum, 300);
    co_await sleep(0s);
}

// ---- tasks and futures --------------------------------------------------------------------------

Coro<> task_copied() {
    co_await with(TaskGroup(), [](TaskGroup& group) -> Coro<> {
        auto task = group.create_task(talker("b"));
        const auto cancelled = co_await cancel_of([&]() -> Coro<> {
            const std::string text = co_await task;
            EXPECT_EQ(text[0], 'b');
        });
        if (task.done() && !task.cancelled()) {
            const std::string again = co_await task;
            EXPECT_EQ(again[0], 'b');
        }
        end(cancelled);
    });
}
Coro<> task_moved() {
    co_await with(TaskGroup(), [](TaskGroup& group) -> Coro<> {
        auto task = group.create_task(talker("c"));
        const std::string text = co_await std::move(task);
        EXPECT_EQ(text[0], 'c');
    });
}
Coro<> task_with_two_waiters() {
    co_await with(TaskGroup(), [](TaskGroup& group) -> Coro<> {
        auto task = group.create_task(worker(3));
        const auto wait_for_it = [](Task<int> awaited) -> Coro<> {
            const int value = co_await awaited;
            EXPECT_EQ(value, 3);
        };
        group.create_task(wait_for_it(task));
        const int value = co_await task;
        EXPECT_EQ(value, 3);
    });
}
Coro<> task_that_is_done() {
    co_await with(TaskGroup(), [](TaskGroup& group) -> Coro<> {
        auto task = group.create_task(worker(4, 0s));
        co_await sleep(2ms);
        const auto cancelled = co_await cancel_of([&]() -> Coro<> {
            const int value = co_await task;
            EXPECT_EQ(value, 4);
        });
        // The cancel of a waiter does not touch a task that is done.
        if (task.done()) {
            EXPECT_EQ(task.result(), 4);
        }
        end(cancelled);
    });
}
Coro<> task_that_swallows_a_cancel() {
    co_await with(TaskGroup(), [](TaskGroup& group) -> Coro<> {
        auto task = group.create_task(stubborn());
        const int value = co_await task;
        EXPECT_TRUE(value == 1 || value == -1);
    });
}
Coro<> task_slow_to_end() {
    co_await with(TaskGroup(), [](TaskGroup& group) -> Coro<> {
        auto task = group.create_task(slow_to_leave());
        const auto cancelled = co_await cancel_of([&]() -> Coro<> { co_await task; });
        // Whoever awaits a task and is cancelled goes on when that task has ended; unless it never began to
        // wait.
        if (cancelled != nullptr && task.cancelling() > 0) {
            EXPECT_TRUE(task.done());
        }
        end(cancelled);
    });
}
Coro<> task_made_eagerly() {
    co_await with(TaskGroup(), [](TaskGroup& group) -> Coro<> {
        auto task = group.create_task(
            worker(5), {.name = "a name that is too long for a short string", .eager_start = true});
        auto at_once = group.create_task([]() -> Coro<int> { co_return 6; }(), {.eager_start = true});
        EXPECT_TRUE(at_once.done());
        const int five = co_await task;
        const int six = co_await at_once;
        EXPECT_EQ(five + six, 11);
    });
}
Coro<> task_with_callbacks() {
    co_await with(TaskGroup(), [](TaskGroup& group) -> Coro<> {
        auto called = std::make_shared<int>(0);
        auto task = group.create_task(worker(7));
        task.add_done_callback([called] { ++*called; });
        task.add_done_callback([called](AnyTask ended) { *called += ended.done() ? 1 : 100; });
        const auto removed = task.add_done_callback([called] { *called += 1'000; });
        task.remove_done_callback(removed);
        co_await task;
        co_await sleep(0s);
        EXPECT_EQ(*called, 2);
    });
}
Coro<> task_by_hand() {
    // No scope: cancelled and joined by hand, with a shield against what comes meanwhile.
    auto task = create_task(worker, 8, Duration(5ms));
    std::exception_ptr error;
    try {
        co_await shield(task);
    } catch (...) {
        error = std::current_exception();
    }
    if (error != nullptr) task.cancel("no longer wanted, says a text that is not short");
    while (!task.done()) {
        try {
            co_await shield(task);
        } catch (...) {
            if (error == nullptr) error = std::current_exception();
            task.cancel();
        }
    }
    if (error != nullptr) std::rethrow_exception(error);
    EXPECT_EQ(task.result(), 8);
}
Coro<> future_that_is_set() {
    const Future<int> future;
    const SetLater later(future, 9);
    const auto cancelled = co_await cancel_of([&]() -> Coro<> {
        const int value = co_await future;
        EXPECT_EQ(value, 9);
    });
    const Future<int> another;
    another.set_result(10);
    const int ten = co_await another;
    EXPECT_EQ(ten, 10);
    co_await sleep(5ms);  // until the callback has come
    EXPECT_TRUE(future.done());
    end(cancelled);
}
Coro<> future_with_an_exception() {
    const Future<std::string> future;
    const Handle handle = get_running_loop().call_soon([future] {
        if (!future.done()) future.set_exception(ValueError("set"));
    });
    bool thrown = false;
    std::exception_ptr cancelled;
    try {
        co_await future;
    } catch (const ValueError&) {
        thrown = true;
    } catch (const CancelledError&) {
        cancelled = std::current_exception();
    }
    EXPECT_TRUE(thrown || cancelled != nullptr);
    co_await sleep(0s);
    if (future.done() && !future.cancelled()) {
        EXPECT_NE(future.exception(), nullptr);
    }
    end(cancelled);
}
Coro<> future_that_is_cancelled() {
    const Future<> future;
    const Handle handle =
        get_running_loop().call_soon([future] { future.cancel("a reason, in more words than fit"); });
    bool was_cancelled = false;
    try {
        co_await future;
    } catch (const CancelledError&) {
        was_cancelled = true;
    }
    EXPECT_TRUE(was_cancelled);
    co_await sleep(0s);
    if (current_task().cancelling() > 0) co_await sleep(1ms);
}
Coro<> future_with_many_waiters() {
    co_await with(TaskGroup(), [](TaskGroup& group) -> Coro<> {
        const Future<int> future;
        // Shielded, or the first waiter to be cancelled would cancel the future for all.
        const auto wait_for_it = [](Future<int> awaited) -> Coro<> { co_await shield(awaited); };
        for (int i = 0; i < 4; ++i) group.create_task(wait_for_it(future));
        const SetLater later(future, 1);
        co_await shield(future);
        co_await sleep(0s);
    });
}

constexpr NamedScenario all[] = {
    {"Sleep", sleeps},
    {"SleepWithAResult", sleep_with_a_result},
    {"SleepUntil", sleep_until_a_time},
    {"SleepZero", yields},
    {"CoroutinesInPlace", coroutines_in_place},
    {"AwaitsThatNeverSuspend", a_loop_of_awaits_that_never_suspend},
    {"TaskCopied", task_copied},
    {"TaskMoved", task_moved},
    {"TaskWithTwoWaiters", task_with_two_waiters},
    {"TaskThatIsDone", task_that_is_done},
    {.name = "TaskThatSwallowsACancel", .start = task_that_swallows_a_cancel, .may_survive = true},
    {"TaskSlowToEnd", task_slow_to_end},
    {"TaskMadeEagerly", task_made_eagerly},
    {"TaskWithCallbacks", task_with_callbacks},
    {"TaskByHand", task_by_hand},
    {"FutureThatIsSet", future_that_is_set},
    {.name = "FutureWithAnException", .start = future_with_an_exception, .may_report = true},
    {.name = "FutureThatIsCancelled", .start = future_that_is_cancelled, .may_survive = true},
    {"FutureWithManyWaiters", future_with_many_waiters},
};

}  // namespace

std::span<const NamedScenario> task_scenarios() { return all; }

}  // namespace asyncio::test
