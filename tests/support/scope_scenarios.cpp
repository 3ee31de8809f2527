// Scopes, and as_completed, which is one.
#include <gtest/gtest.h>

#include <chrono>
#include <forward_list>
#include <vector>

#include "support/scenario_parts.hpp"

namespace asyncio::test {

namespace {

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

constexpr NamedScenario all[] = {
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
};

}  // namespace

std::span<const NamedScenario> scope_scenarios() { return all; }

}  // namespace asyncio::test
