#include "support/scenarios.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <forward_list>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "asyncio/testing/testing.hpp"
#include "support/generator_scenarios.hpp"

namespace asyncio::test {

using namespace std::chrono_literals;

int Probe::alive_ = 0;

namespace {

// ---- what the scenarios are made of -------------------------------------------------------------

/// Sleeps, owns something, gives a value.
Coro<int> worker(int value, Duration delay = 10ms) {
    const Probe probe;
    co_await sleep(delay);
    co_return value;
}
Coro<std::string> talker(std::string text, Probe = Probe()) {
    co_await sleep(5ms);
    co_return text + ", said the talker at length, so that the string is none of the short ones";
}
Coro<> fails(Duration delay) {
    const Probe probe;
    co_await sleep(delay);
    throw ValueError("this one fails");
}
/// Takes its time to clean up when it is cancelled.
Coro<> slow_to_leave() {
    const Probe probe;
    std::exception_ptr error;
    try {
        co_await sleep(10ms);
    } catch (const CancelledError&) {
        error = std::current_exception();
    }
    if (error == nullptr) co_return;
    co_await sleep(3ms);
    std::rethrow_exception(error);
}
/// Takes no cancel for an answer, once.
Coro<int> stubborn() {
    const Probe probe;
    bool cancelled = false;
    try {
        co_await sleep(10ms);
    } catch (const CancelledError&) {
        cancelled = true;
    }
    if (cancelled) co_await sleep(2ms);
    co_return cancelled ? -1 : 1;
}

/// Sets a future later, if this object and the future's wait last so long.
class SetLater {
  public:
    explicit SetLater(const Future<int>& future, int value)
        : handle_(get_running_loop().call_later(4ms, [future, value] {
              if (!future.done()) future.set_result(value);
          })) {}
    SetLater(const SetLater&) = delete;
    SetLater& operator=(const SetLater&) = delete;
    ~SetLater() { handle_.cancel(); }

  private:
    TimerHandle handle_;
};

/// A scope of a user's own, which waits on both sides.
class Door {
  public:
    Coro<> aenter() {
        co_await sleep(1ms);
        ++inside_;
    }
    Coro<> aexit(std::exception_ptr) {
        --inside_;
        co_await sleep(0s);
    }
    int inside() const { return inside_; }

  private:
    int inside_ = 0;
};

/// A scenario that goes on after a cancel: the CancelledError waits here while the object is used again.
template <class F>
Coro<std::exception_ptr> cancel_of(F use) {
    std::exception_ptr cancelled;
    try {
        co_await use();
    } catch (const CancelledError&) {
        cancelled = std::current_exception();
    }
    co_return cancelled;
}
void end(const std::exception_ptr& cancelled) {
    if (cancelled != nullptr) std::rethrow_exception(cancelled);
}

// ---- sleep --------------------------------------------------------------------------------------

Coro<> sleeps() {
    const auto cancelled = co_await cancel_of([&]() -> Coro<> { co_await sleep(10ms); });
    co_await sleep(5ms);
    end(cancelled);
}
Coro<> sleep_with_a_result() {
    const std::string text =
        co_await sleep(3ms, std::string("forty-two, in a string that is long enough for the heap"));
    EXPECT_EQ(text.substr(0, 5), "forty");
}
Coro<> sleep_until_a_time() {
    const TimePoint when = get_running_loop().time() + Duration(10ms);
    const auto cancelled = co_await cancel_of([&]() -> Coro<> { co_await sleep_until(when); });
    co_await sleep_until(when);
    EXPECT_GE(get_running_loop().time(), when);
    co_await sleep_until(when);  // past
    end(cancelled);
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

// ---- scopes -------------------------------------------------------------------------------------

Coro<> timeout_in_time() {
    Timeout scope = timeout(1h);
    const auto cancelled = co_await cancel_of([&]() -> Coro<> {
        const int value = co_await with(scope, [](Timeout& limit) -> Coro<int> {
            limit.reschedule(limit.when() + Duration(1h));
            const int result = co_await worker(22);
            co_return result;
        });
        EXPECT_EQ(value, 22);
    });
    EXPECT_FALSE(scope.expired());
    co_await with(timeout(1h), []() -> Coro<> { co_await sleep(1ms); });
    end(cancelled);
}
Coro<> timeout_that_expires() {
    bool timed_out = false;
    try {
        co_await with(timeout(3ms), []() -> Coro<> { co_await slow_to_leave(); });
    } catch (const TimeoutError&) {
        timed_out = true;
    }
    EXPECT_TRUE(timed_out);
    timed_out = false;
    try {
        co_await with(timeout_at(get_running_loop().time()), []() -> Coro<> { co_await sleep(1ms); });
    } catch (const TimeoutError&) {
        timed_out = true;
    }
    EXPECT_TRUE(timed_out);
    const int left = current_task().cancelling();
    co_await sleep(1ms);
    EXPECT_EQ(left, 0);
}
Coro<> timeouts_nested_that_expire_together() {
    const TimePoint when = get_running_loop().time() + Duration(3ms);
    int timeouts = 0;
    try {
        co_await with(timeout_at(when), [&]() -> Coro<> {
            try {
                co_await with(timeout_at(when), [&]() -> Coro<> {
                    try {
                        co_await with(timeout_at(when), []() -> Coro<> { co_await sleep(10ms); });
                    } catch (const TimeoutError&) {
                        ++timeouts;
                    }
                });
            } catch (const TimeoutError&) {
                ++timeouts;
            }
        });
    } catch (const TimeoutError&) {
        ++timeouts;
    }
    EXPECT_EQ(timeouts, 1) << "one CancelledError is delivered for all three";
    co_await sleep(1ms);
}
Coro<> group_of_tasks() {
    TaskGroup group;
    std::vector<int> values;
    co_await with(group, [&]() -> Coro<> {
        for (int i = 0; i < 6; ++i) {
            group.create_task(
                [](std::vector<int>* into, int value) -> Coro<> {
                    const int got = co_await worker(value, std::chrono::milliseconds(value));
                    into->push_back(got);
                },
                &values, i);
        }
        co_await sleep(2ms);
        group.create_task(slow_to_leave());
    });
    EXPECT_EQ(values.size(), 6u);
}
Coro<> group_with_a_failure() {
    bool failed = false;
    try {
        co_await with(TaskGroup(), [](TaskGroup& group) -> Coro<> {
            group.create_task(fails(2ms));
            group.create_task(slow_to_leave());
            co_await sleep(1h);
        });
    } catch (const ExceptionGroup& errors) {
        if (!errors.contains<ValueError>()) throw;
        failed = true;
    }
    EXPECT_TRUE(failed);
    co_await sleep(0s);
}
Coro<> group_whose_body_fails() {
    bool failed = false;
    try {
        co_await with(TaskGroup(), [](TaskGroup& group) -> Coro<> {
            group.create_task(slow_to_leave());
            co_await fails(1ms);
        });
    } catch (const ExceptionGroup& errors) {
        if (!errors.contains<ValueError>()) throw;
        failed = true;
    }
    EXPECT_TRUE(failed);
    co_await sleep(0s);
}
Coro<> group_that_is_cancelled() {
    co_await with(TaskGroup(), [](TaskGroup& group) -> Coro<> {
        group.create_task(slow_to_leave());
        co_await sleep(1ms);
        group.cancel();
        co_await sleep(1h);
    });
    co_await sleep(0s);
}
Coro<> groups_nested() {
    co_await with(TaskGroup(), [](TaskGroup& outer) -> Coro<> {
        outer.create_task([]() -> Coro<> {
            co_await with(TaskGroup(), [](TaskGroup& inner) -> Coro<> {
                inner.create_task(worker(1));
                inner.create_task(slow_to_leave());
                co_return;
            });
        });
        co_await with(TaskGroup(), [](TaskGroup& inner) -> Coro<> {
            inner.create_task(worker(2));
            co_await sleep(1ms);
        });
    });
}
Coro<> group_inside_a_timeout_inside_a_group() {
    bool timed_out = false;
    co_await with(TaskGroup(), [&](TaskGroup& outer) -> Coro<> {
        outer.create_task(worker(1, 20ms));
        try {
            co_await with(timeout(4ms), []() -> Coro<> {
                co_await with(TaskGroup(), [](TaskGroup& inner) -> Coro<> {
                    inner.create_task(slow_to_leave());
                    co_await sleep(1h);
                });
            });
        } catch (const TimeoutError&) {
            timed_out = true;
        }
    });
    EXPECT_TRUE(timed_out);
}
Coro<> a_scope_of_the_users_own() {
    Door door;
    const auto cancelled =
        co_await cancel_of([&]() -> Coro<> { co_await with(door, []() -> Coro<> { co_await sleep(2ms); }); });
    EXPECT_EQ(door.inside(), 0);
    const int value = co_await with(door, [](Door& self) -> Coro<int> {
        EXPECT_EQ(self.inside(), 1);
        co_await sleep(0s);
        co_return self.inside();
    });
    EXPECT_EQ(value, 1);
    end(cancelled);
}
Coro<> two_scopes_at_once() {
    Door door;
    co_await with(door, timeout(1h), [](Door& self, Timeout& limit) -> Coro<> {
        EXPECT_EQ(self.inside(), 1);
        EXPECT_FALSE(limit.expired());
        co_await sleep(1ms);
    });
    EXPECT_EQ(door.inside(), 0);
}

// ---- as_completed -------------------------------------------------------------------------------

Coro<> as_completed_of_coroutines() {
    std::vector<Coro<int>> coros;
    for (int i = 3; i > 0; --i) coros.push_back(worker(i, std::chrono::milliseconds(i)));
    std::vector<int> order;
    co_await with(as_completed(std::move(coros)), [&](AsCompleted<int>& ended) -> Coro<> {
        while (auto task = co_await ended.next()) {
            const int value = co_await *task;
            order.push_back(value);
        }
    });
    EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}
Coro<> as_completed_of_a_range_without_a_size() {
    std::forward_list<Coro<int>> coros;
    for (int i = 1; i != 6; ++i) coros.push_front(worker(i, std::chrono::milliseconds(i)));
    int next_value = 1;
    co_await with(as_completed(std::move(coros)), [&](AsCompleted<int>& ended) -> Coro<> {
        while (auto task = co_await ended.next()) {
            const int value = co_await *task;
            EXPECT_EQ(value, next_value++);
        }
    });
    EXPECT_EQ(next_value, 6);
}
Coro<> as_completed_left_early() {
    std::vector<Coro<>> coros;
    coros.push_back(slow_to_leave());
    coros.push_back(slow_to_leave());
    coros.push_back(sleeps());
    int seen = 0;
    try {
        co_await with(as_completed(std::move(coros), {.timeout = 5ms}),
                      [&](AsCompleted<void>& ended) -> Coro<> {
                          for (;;) {
                              auto task = co_await ended.next();
                              if (!task) break;
                              task->result();
                              ++seen;
                          }
                      });
    } catch (const TimeoutError&) {
        seen += 10;
    }
    EXPECT_EQ(seen, 10);
    co_await sleep(0s);
}
Coro<> as_completed_of_tasks() {
    co_await with(TaskGroup(), [](TaskGroup& group) -> Coro<> {
        std::vector<Task<int>> tasks;
        for (int i = 2; i > 0; --i)
            tasks.push_back(group.create_task(worker(i, std::chrono::milliseconds(i))));
        auto ended = as_completed(tasks);
        int sum = 0;
        while (auto task = co_await ended.next()) {
            const int value = co_await *task;
            sum += value;
        }
        EXPECT_EQ(sum, 3);
    });
}

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
    {"TimeoutInTime", timeout_in_time},
    {"TimeoutThatExpires", timeout_that_expires},
    {"TimeoutsNestedThatExpireTogether", timeouts_nested_that_expire_together},
    {"Group", group_of_tasks},
    {"GroupWithAFailure", group_with_a_failure},
    {"GroupWhoseBodyFails", group_whose_body_fails},
    {"GroupThatIsCancelled", group_that_is_cancelled},
    {"GroupsNested", groups_nested},
    {"GroupInATimeoutInAGroup", group_inside_a_timeout_inside_a_group},
    {"WithAScopeOfTheUsersOwn", a_scope_of_the_users_own},
    {"WithTwoScopes", two_scopes_at_once},
    {"AsCompletedOfCoroutines", as_completed_of_coroutines},
    {"AsCompletedOfARangeWithoutASize", as_completed_of_a_range_without_a_size},
    {"AsCompletedLeftEarly", as_completed_left_early},
    {"AsCompletedOfTasks", as_completed_of_tasks},
    {"AsyncGenerator", async_generator_iterated},
    {"AsyncGeneratorClosed", async_generator_closed},
    {"EnumerateOfAZip", enumerate_of_a_zip},
    {.name = "Merge", .start = merged, .may_report = true},
    {.name = "Map", .start = mapped, .may_report = true},
    {"GatherWithALimit", gathered_with_a_limit},
    {"Retry", retried},
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

std::span<const NamedScenario> scenarios() { return all; }

}  // namespace asyncio::test
