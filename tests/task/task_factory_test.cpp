// Task factories and eager tasks.
#include "asyncio/task/task_factory.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "asyncio/asyncio.hpp"
#include "asyncio/testing/for_each_cancel_point.hpp"
#include "detail/loop_impl.hpp"
#include "support/alloc_failure.hpp"
#include "task/task_support.hpp"

namespace asyncio::task_test { namespace {

class TaskFactoryTest : public test::BackendTest {};
ASYNCIO_ON_EVERY_BACKEND(TaskFactoryTest);
class EagerTaskTest : public test::BackendTest {};
ASYNCIO_ON_EVERY_BACKEND(EagerTaskTest);

Coro<int> seven() { co_return 7; }
Coro<int> seven_later() {
    co_await sleep(0s);
    co_return 7;
}
Coro<int> fails_at_once() {
    throw ValueError("at once");
    co_return 0;
}
Coro<> note(Log& log, std::string what) {
    log.push_back(what);
    co_return;
}
Coro<> note_twice(Log& log, std::string what) {
    log.push_back(what + " 1");
    co_await sleep(0s);
    log.push_back(what + " 2");
}

/// "app::fetch" → "fetch".
std::string short_name(const AnyCoro& coro) {
    const std::string name = coro.name();
    const std::size_t at = name.rfind("::");
    return at == std::string::npos ? name : name.substr(at + 2);
}

/// Writes down what it is given, and makes the task as always.
TaskFactory logging_factory(Log& log) {
    return [&log](EventLoop& loop, AnyCoro coro, const TaskOptions& options) {
        log.push_back(short_name(coro) + (options.name.empty() ? "" : " as " + std::string(options.name)));
        return default_task_factory(loop, std::move(coro), options);
    };
}
/// Refuses one coroutine function.
TaskFactory refusing_factory(std::string name) {
    return [name](EventLoop& loop, AnyCoro coro, const TaskOptions& options) {
        if (short_name(coro) == name) throw ValueError("refused");
        return eager_task_factory(loop, std::move(coro), options);
    };
}

// ---- factories ----------------------------------------------------------------------------------

TEST_P(TaskFactoryTest, AFactoryMakesTheTasks) {
    Log log;
    run([&]() -> Coro<> {
        get_running_loop().set_task_factory(logging_factory(log));
        auto task = create_task(seven(), {.name = "lucky"});
        EXPECT_EQ(task.name(), "lucky");
        int a = co_await task;
        int b = co_await ensure_future(seven_later());
        int c = co_await create_task(seven);
        int d = co_await get_running_loop().create_task(seven());
        EXPECT_EQ(a + b + c + d, 28);
        get_running_loop().set_task_factory(nullptr);
        co_await create_task(seven());
        EXPECT_EQ(log, (Log{"seven as lucky", "seven_later", "run_owned", "seven"}));
    });
}

TEST_P(TaskFactoryTest, AFactoryMakesTheChildrenOfGroupsAndCombinators) {
    Log log;
    run([&]() -> Coro<> {
        get_running_loop().set_task_factory(logging_factory(log));
        auto [a, b] = co_await gather(seven(), seven_later());
        EXPECT_EQ(a + b, 14);
        co_await with(TaskGroup{}, [](TaskGroup& tg) -> Coro<> {
            tg.create_task(seven_later(), {.name = "child"});
            co_return;
        });
        std::vector<Coro<int>> some;
        some.push_back(seven());
        co_await with(as_completed(std::move(some)), [](AsCompleted<int>& it) -> Coro<> {
            while (auto task = co_await it.next()) {
                int value = co_await *task;
                EXPECT_EQ(value, 7);
            }
        });
        int limited = co_await wait_for(seven(), 1h);  // runs in place: no task
        EXPECT_EQ(limited, 7);
        EXPECT_EQ(log, (Log{"seven", "seven_later", "seven_later as child", "seven"}));
        log.clear();
        std::vector<Coro<int>> few;
        few.push_back(seven());
        few.push_back(seven_later());
        auto values = co_await gather({.limit = 1}, std::move(few));
        EXPECT_EQ(values, (std::vector<int>{7, 7}));
        EXPECT_EQ(std::count(log.begin(), log.end(), "seven"), 1);
        EXPECT_EQ(std::count(log.begin(), log.end(), "seven_later"), 1);
        get_running_loop().set_task_factory(nullptr);
    });
}

TEST_P(TaskFactoryTest, WhatAFactoryRefusesOfALimitedGatherHasFailed) {
    run([&]() -> Coro<> {
        get_running_loop().set_task_factory([](EventLoop& loop, AnyCoro coro, const TaskOptions& options) {
            if (coro.name().ends_with("seven")) throw ValueError("no sevens");
            return default_task_factory(loop, std::move(coro), options);
        });
        std::vector<Coro<int>> all;
        all.push_back(seven());
        all.push_back(seven_later());
        const GatherOptions one{.limit = 1};
        auto outcomes = co_await gather(return_exceptions, one, std::move(all));
        EXPECT_EQ(outcomes[0].what(), "no sevens");
        EXPECT_EQ(outcomes[1].value(), 7);
        std::vector<Coro<int>> first;
        first.push_back(seven());
        std::string text;
        try {
            co_await gather(one, std::move(first));
        } catch (const ValueError& error) {
            text = error.what();
        }
        EXPECT_EQ(text, "no sevens");
        get_running_loop().set_task_factory(nullptr);
    });
}

TEST_P(TaskFactoryTest, AFactoryMakesTheMainTask) {
    Log log;
    Runner runner(RunOptions{.backend = backend()});
    runner.get_loop().set_task_factory(logging_factory(log));
    EXPECT_EQ(runner.run(seven()), 7);
    EXPECT_EQ(runner.get_loop().run_until_complete(seven_later()), 7);
    auto task = runner.get_loop().create_task(seven());
    EXPECT_EQ(runner.get_loop().run_until_complete(task), 7);
    ASSERT_GE(log.size(), 3u);
    log.resize(3);
    EXPECT_EQ(log, (Log{"seven", "seven_later", "seven"}));
}

TEST_P(TaskFactoryTest, TheFactoryCanBeAskedForAndWrapped) {
    Log log;
    run([&]() -> Coro<> {
        EventLoop& loop = get_running_loop();
        EXPECT_FALSE(loop.get_task_factory());
        loop.set_task_factory(logging_factory(log));
        loop.set_task_factory(
            [inner = loop.get_task_factory()](EventLoop& l, AnyCoro coro, const TaskOptions& options) {
                const std::string name = "named by a factory";
                TaskOptions named = options;
                named.name = name;
                return inner(l, std::move(coro), named);
            });
        auto task = create_task(seven());
        EXPECT_EQ(task.name(), "named by a factory");
        co_await task;
        EXPECT_EQ(log, (Log{"seven as named by a factory"}));
        loop.set_task_factory(nullptr);
    });
}

TEST_P(TaskFactoryTest, AFactoryMayReplaceItself) {
    Log log;
    run([&]() -> Coro<> {
        get_running_loop().set_task_factory(
            [&log](EventLoop& loop, AnyCoro coro, const TaskOptions& options) {
                log.push_back("once: " + short_name(coro));
                loop.set_task_factory(nullptr);
                return default_task_factory(loop, std::move(coro), options);
            });
        co_await create_task(seven());
        co_await create_task(seven());
        EXPECT_EQ(log, (Log{"once: seven"}));
    });
}

TEST_P(TaskFactoryTest, AFactoryMayCreateOtherTasks) {
    Log log;
    run([&]() -> Coro<> {
        get_running_loop().set_task_factory(
            [&log](EventLoop& loop, AnyCoro coro, const TaskOptions& options) {
                if (short_name(coro) == "seven") create_task(note(log, "accompanied"));
                return eager_task_factory(loop, std::move(coro), options);
            });
        auto task = create_task(seven());
        EXPECT_TRUE(task.done());
        EXPECT_EQ(log, (Log{"accompanied"}));
        get_running_loop().set_task_factory(nullptr);
        co_return;
    });
}

TEST_P(TaskFactoryTest, WhatAFactoryThrowsReachesTheCallerAndTheCoroutineIsGoneWithoutAWarning) {
    int alive = 0;
    const std::string text = printed([&] {
        run(
            [&]() -> Coro<> {
                get_running_loop().set_task_factory(
                    [](EventLoop&, AnyCoro, const TaskOptions&) -> AnyTask { throw ValueError("refused"); });
                const auto owns = [](Counted) -> Coro<> { co_return; };
                EXPECT_EQ(thrown<ValueError>([&] { create_task(owns(Counted(&alive))); }), "refused");
                EXPECT_EQ(alive, 0);
                EXPECT_EQ(all_tasks().size(), 1u);
                get_running_loop().set_task_factory(nullptr);
                co_return;
            },
            {.debug = true});
    });
    EXPECT_EQ(text, "");
}

TEST_P(TaskFactoryTest, AFactoryThatGivesAnotherTaskIsAnError) {
    run([]() -> Coro<> {
        const AnyTask mine = current_task();
        get_running_loop().set_task_factory([mine](EventLoop&, AnyCoro, const TaskOptions&) { return mine; });
        const std::string dropped = thrown<RuntimeError>([] { create_task(seven()); });
        EXPECT_NE(dropped.find("make it with default_task_factory"), std::string::npos) << dropped;
        Log log;
        get_running_loop().set_task_factory(
            [mine](EventLoop& loop, AnyCoro coro, const TaskOptions& options) {
                default_task_factory(loop, std::move(coro), options);
                return mine;
            });
        thrown<RuntimeError>([&] { create_task(note(log, "it has no owner")); });
        get_running_loop().set_task_factory(nullptr);
        co_await sleep(0s);
        EXPECT_EQ(log, Log{}) << "it was cancelled before its first step";
    });
}

TEST_P(TaskFactoryTest, ACoroutineThatAFactoryKeepsCanBecomeATaskLater) {
    run([]() -> Coro<> {
        std::vector<AnyCoro> kept;
        const AnyTask mine = current_task();
        get_running_loop().set_task_factory([&](EventLoop&, AnyCoro coro, const TaskOptions&) {
            kept.push_back(std::move(coro));
            return mine;
        });
        thrown<RuntimeError>([] { create_task(seven()); });
        get_running_loop().set_task_factory(nullptr);
        EXPECT_EQ(short_name(kept[0]), "seven");
        EXPECT_NE(kept[0].place().find("task_factory_test.cpp:"), std::string::npos) << kept[0].place();
        AnyTask task = default_task_factory(get_running_loop(), std::move(kept[0]), {});
        int value = co_await task.as<int>();
        EXPECT_EQ(value, 7);
        thrown<RuntimeError>([&] { default_task_factory(get_running_loop(), std::move(kept[0]), {}); });
    });
}

TEST_P(TaskFactoryTest, AGatherWhoseChildIsRefusedCancelsTheOthersAndWaitsForThem) {
    run([]() -> Coro<> {
        bool ended = false;
        get_running_loop().set_task_factory(refusing_factory("fails_at_once"));
        std::string text;
        try {
            co_await gather(swallows(1h, 1ms, ended), fails_at_once(), seven_later());
        } catch (const ValueError& error) {
            text = error.what();
        }
        EXPECT_EQ(text, "refused");
        EXPECT_TRUE(ended);
        get_running_loop().set_task_factory(nullptr);
    });
}

TEST_P(TaskFactoryTest, AsCompletedGivesAChildThatIsRefusedAsOneThatHasFailed) {
    run([]() -> Coro<> {
        get_running_loop().set_task_factory(refusing_factory("fails_at_once"));
        std::vector<Coro<int>> some;
        some.push_back(fails_at_once());
        some.push_back(seven_later());
        int sum = 0;
        co_await with(as_completed(std::move(some)), [&](AsCompleted<int>& it) -> Coro<> {
            while (auto task = co_await it.next()) {
                if (task->exception() != nullptr) {
                    sum += 100;
                } else {
                    sum += task->result();
                }
            }
        });
        EXPECT_EQ(sum, 107);
        get_running_loop().set_task_factory(nullptr);
    });
}

TEST_P(TaskFactoryTest, AFactoryThatMakesEagerTasksUsesAnotherToMakeThem) {
    Log log;
    run([&]() -> Coro<> {
        get_running_loop().set_task_factory(create_eager_task_factory(logging_factory(log)));
        auto task = create_task(seven());
        EXPECT_TRUE(task.done());
        auto lazy = create_task(seven(), {.eager_start = false});
        EXPECT_FALSE(lazy.done());
        co_await lazy;
        EXPECT_EQ(log, (Log{"seven", "seven"}));
        get_running_loop().set_task_factory(nullptr);
    });
}

TEST_P(TaskFactoryTest, TasksOfAFactoryRunInTheContextTheyAreToRunIn) {
    const ContextVar<int> number("number", 0);
    run([&]() -> Coro<> {
        const auto read = [](const ContextVar<int>& var) -> Coro<int> { co_return var.get(); };
        Context context;
        context.run([&] { number.set(2); });
        number.set(1);
        get_running_loop().set_task_factory(eager_task_factory);
        EXPECT_EQ(create_task(read(number)).result(), 1);
        EXPECT_EQ(create_task(read(number), {.context = &context}).result(), 2);
        auto [a, b] = co_await gather(read(number), read(number));
        EXPECT_EQ(a + b, 2);
        get_running_loop().set_task_factory(nullptr);
    });
}

// ---- eager tasks --------------------------------------------------------------------------------

TEST_P(EagerTaskTest, AnEagerTaskRunsToItsFirstSuspensionInsideCreateTask) {
    Log log;
    run([&]() -> Coro<> {
        get_running_loop().set_task_factory(eager_task_factory);
        auto task = create_task(note_twice(log, "task"));
        log.push_back("created");
        co_await task;
        EXPECT_EQ(log, (Log{"task 1", "created", "task 2"}));
        get_running_loop().set_task_factory(nullptr);
    });
}

TEST_P(EagerTaskTest, AnEagerTaskThatDoesNotSuspendTakesNoTurnOfTheLoop) {
    run([]() -> Coro<> {
        const auto before = get_running_loop().impl().ready.tail;
        auto task = create_task(seven(), {.eager_start = true});
        EXPECT_EQ(get_running_loop().impl().ready.tail, before);
        EXPECT_TRUE(task.done());
        EXPECT_FALSE(task.cancel());
        EXPECT_FALSE(task.cancelled());
        EXPECT_EQ(task.result(), 7);
        EXPECT_EQ(all_tasks().size(), 1u);
        co_return;
    });
}

TEST_P(EagerTaskTest, InItsFirstStepItIsTheCurrentTaskAndAmongAllTasks) {
    run([]() -> Coro<> {
        const AnyTask outer = current_task();
        const auto body = [](AnyTask creator) -> Coro<> {
            EXPECT_FALSE(current_task() == creator);
            EXPECT_EQ(all_tasks().size(), 2u);
            EXPECT_TRUE(all_tasks().back() == current_task());
            EXPECT_EQ(current_task().name(), "eager");
            co_return;
        };
        create_task(body(outer), {.name = "eager", .eager_start = true}).result();
        EXPECT_TRUE(current_task() == outer);
        co_return;
    });
}

TEST_P(EagerTaskTest, WhatItThrowsAtOnceStaysInTheTask) {
    run([]() -> Coro<> {
        Log log;
        get_running_loop().set_exception_handler([&](EventLoop&, const ExceptionContext& context) {
            log.push_back(context.message + ": " + describe(context.exception));
        });
        {
            auto task = create_task(fails_at_once(), {.eager_start = true});
            EXPECT_TRUE(task.done());
            EXPECT_EQ(log, Log{});
        }
        EXPECT_EQ(log, (Log{"Task exception was never retrieved: ValueError: at once"}));
        auto awaited = create_task(fails_at_once(), {.eager_start = true});
        bool caught = false;
        try {
            co_await awaited;
        } catch (const ValueError&) {
            caught = true;
        }
        EXPECT_TRUE(caught);
        EXPECT_EQ(log.size(), 1u);
        get_running_loop().set_exception_handler(nullptr);
    });
}

TEST_P(EagerTaskTest, OneThatCancelsItselfAndReturnsEndsCancelled) {
    run([]() -> Coro<> {
        const auto body = []() -> Coro<int> {
            current_task().cancel();
            co_return 1;
        };
        auto task = create_task(body(), {.eager_start = true});
        EXPECT_TRUE(task.cancelled());
        co_return;
    });
}

TEST_P(EagerTaskTest, OneThatIsCancelledAfterItsFirstStepIsCancelledWhereItWaits) {
    run([]() -> Coro<> {
        Log log;
        auto task = create_task(logs_its_end(log, "eager", 1h, 0s), {.eager_start = true});
        EXPECT_TRUE(task.cancel());
        EXPECT_FALSE(task.done());
        bool cancelled = false;
        try {
            co_await task;
        } catch (const CancelledError&) {
            cancelled = true;
        }
        EXPECT_TRUE(cancelled);
        EXPECT_EQ(log, (Log{"eager cancelled"}));
    });
}

TEST_P(EagerTaskTest, BeforeTheLoopRunsAnEagerTaskIsScheduled) {
    EventLoop loop(RunOptions{.backend = backend()});
    Log log;
    auto task = loop.create_task(note(log, "eager"), {.eager_start = true});
    EXPECT_EQ(log, Log{});
    loop.set_task_factory(eager_task_factory);
    auto second = loop.create_task(note(log, "by the factory"));
    EXPECT_EQ(log, Log{});
    loop.run_until_complete(note(log, "main"));
    EXPECT_EQ(log, (Log{"eager", "by the factory", "main"}));
}

TEST_P(EagerTaskTest, ACallbackMayCreateEagerTasks) {
    run([]() -> Coro<> {
        Log log;
        Future<> done;
        get_running_loop().call_soon([&] {
            create_task(note_twice(log, "task"), {.eager_start = true});
            log.push_back("callback");
            EXPECT_THROW(current_task(), RuntimeError);
            create_task(
                [](Future<> end) -> Coro<> {
                    co_await sleep(0s);
                    co_await sleep(0s);
                    end.set_result();
                }(done),
                {.eager_start = true});
        });
        co_await done;
        EXPECT_EQ(log, (Log{"task 1", "callback", "task 2"}));
    });
}

TEST_P(EagerTaskTest, AChildOfAGroupThatFailsAtOnceDoesNotCancelTheParentInsideCreateTask) {
    for (bool by_factory : {false, true}) {
        run([&]() -> Coro<> {
            Log log;
            if (by_factory) get_running_loop().set_task_factory(eager_task_factory);
            bool failed = false;
            try {
                co_await with(TaskGroup{}, [&](TaskGroup& tg) -> Coro<> {
                    auto child = tg.create_task(fails_at_once(), {.eager_start = true});
                    EXPECT_TRUE(child.done());
                    EXPECT_EQ(current_task().cancelling(), 0);
                    auto second = tg.create_task(note(log, "another may be created"), {.eager_start = true});
                    try {
                        co_await sleep(1h);
                    } catch (const CancelledError&) {
                        log.push_back("cancelled at the next await");
                        throw;
                    }
                });
            } catch (const ExceptionGroup& group) {
                failed = group.contains<ValueError>();
                EXPECT_EQ(group.exceptions().size(), 1u);
            }
            EXPECT_TRUE(failed);
            EXPECT_EQ(log, (Log{"another may be created", "cancelled at the next await"}));
            EXPECT_EQ(current_task().cancelling(), 0);
            get_running_loop().set_task_factory(nullptr);
        });
    }
}

TEST_P(EagerTaskTest, AGroupOfEagerChildrenEndsWhenTheLastHas) {
    for (bool by_factory : {false, true}) {
        run([&]() -> Coro<> {
            Log log;
            if (by_factory) get_running_loop().set_task_factory(eager_task_factory);
            co_await with(TaskGroup{}, [&](TaskGroup& tg) -> Coro<> {
                for (int i = 0; i < 5; ++i) {
                    tg.create_task(note(log, "at once"), {.eager_start = true});
                    tg.create_task(note_twice(log, "later"), {.eager_start = true});
                }
                EXPECT_EQ(log.size(), 10u);
                co_return;
            });
            EXPECT_EQ(log.size(), 15u);
            get_running_loop().set_task_factory(nullptr);
        });
    }
}

TEST_P(EagerTaskTest, AGatherOfEagerChildrenThatAreAllDoneDoesNotSuspend) {
    run([]() -> Coro<> {
        get_running_loop().set_task_factory(eager_task_factory);
        bool turn_taken = false;
        get_running_loop().call_soon([&] { turn_taken = true; });
        auto [a, b] = co_await gather(seven(), seven());
        EXPECT_EQ(a + b, 14);
        EXPECT_FALSE(turn_taken);
        auto [c, d] = co_await gather(seven(), seven_later());
        EXPECT_EQ(c + d, 14);
        EXPECT_TRUE(turn_taken);
        auto outcomes = co_await gather(return_exceptions, fails_at_once(), seven());
        EXPECT_FALSE(std::get<0>(outcomes).has_value());
        EXPECT_EQ(std::get<1>(outcomes).value(), 7);
        get_running_loop().set_task_factory(nullptr);
    });
}

TEST_P(EagerTaskTest, AGatherWhoseEagerChildFailsAtOnceCancelsTheOthers) {
    run([]() -> Coro<> {
        get_running_loop().set_task_factory(eager_task_factory);
        bool ended = false;
        bool failed = false;
        try {
            co_await gather(fails_at_once(), swallows(1h, 1ms, ended));
        } catch (const ValueError&) {
            failed = true;
        }
        EXPECT_TRUE(failed);
        EXPECT_TRUE(ended);
        get_running_loop().set_task_factory(nullptr);
    });
}

TEST_P(EagerTaskTest, AnEagerChildMayCancelWhoGathersIt) {
    run([]() -> Coro<> {
        const auto outer = []() -> Coro<> {
            const auto cancels = [](AnyTask whom) -> Coro<> {
                whom.cancel("from a child");
                co_await sleep(1h);
            };
            co_await gather(cancels(current_task()), after(1h, 1));
        };
        get_running_loop().set_task_factory(eager_task_factory);
        auto task = create_task(outer());
        std::string message;
        try {
            co_await task;
        } catch (const CancelledError& error) {
            message = error.message();
        }
        EXPECT_EQ(message, "from a child");
        EXPECT_TRUE(task.cancelled());
        get_running_loop().set_task_factory(nullptr);
    });
}

TEST_P(EagerTaskTest, AnEagerChildMayCompleteAFutureThatTheSameGatherWaitsFor) {
    run([]() -> Coro<> {
        get_running_loop().set_task_factory(eager_task_factory);
        Future<int> future;
        const auto completes = [](Future<int> whose) -> Coro<int> {
            whose.set_result(1);
            co_await sleep(0s);
            co_return 2;
        };
        auto [a, b] = co_await gather(future, completes(future));
        EXPECT_EQ(a + b, 3);
        Future<int> other;
        other.set_result(5);
        auto [c, d] = co_await gather(other, seven());
        EXPECT_EQ(c + d, 12);
        get_running_loop().set_task_factory(nullptr);
    });
}

Coro<> works_with_eager_tasks() {
    get_running_loop().set_task_factory(eager_task_factory);
    auto [a, b] = co_await gather(seven_later(), after(1ms, 2));
    EXPECT_EQ(a + b, 9);
    co_await with(TaskGroup{}, [](TaskGroup& tg) -> Coro<> {
        tg.create_task(seven_later());
        tg.create_task(after(1ms, 1));
        co_await sleep(0s);
    });
    std::vector<Coro<int>> some;
    some.push_back(after(1ms, 1));
    some.push_back(seven());
    co_await with(as_completed(std::move(some)), [](AsCompleted<int>& it) -> Coro<> {
        while (auto task = co_await it.next()) co_await *task;
    });
}

TEST(EagerTasksCancelled, AProgramOfEagerTasksEndsWhereverItIsCancelled) {
    const auto points = testing::for_each_cancel_point(&works_with_eager_tasks, {.virtual_time = true});
    EXPECT_GT(points.cancelled, 5u);
}

Coro<> works_in_a_context() {
    static const ContextVar<int> number("number", 0);
    auto scope = number.scoped(1);
    co_await gather(seven_later(), after(1ms, 2));
    co_await with(TaskGroup{}, [](TaskGroup& tg) -> Coro<> {
        auto inner = number.scoped(2);
        tg.create_task(seven_later());
        co_await create_task(after(1ms, 1));
    });
    EXPECT_EQ(number.get(), 1);
}

TEST(EagerTasksCancelled, AProgramInAContextEndsWhereverItIsCancelled) {
    const auto points = testing::for_each_cancel_point(&works_in_a_context, {.virtual_time = true});
    EXPECT_GT(points.cancelled, 5u);
}

TEST_P(EagerTaskTest, WithoutMemoryNothingIsLeftBehind) {
    if (!test::AllocationFailure::works()) GTEST_SKIP() << "this sanitizer's operator new cannot be replaced";
    for (long at = 1;; ++at) {
        bool refused = false;
        std::thread([&] {  // no frame comes from the blocks that an earlier attempt has left
            EventLoop loop(RunOptions{.backend = backend()});
            loop.set_exception_handler([](EventLoop&, const ExceptionContext&) {});
            {
                test::AllocationFailure failure(at);
                try {
                    loop.run_until_complete(works_with_eager_tasks());
                } catch (const std::bad_alloc&) {
                } catch (const ExceptionGroup& group) {
                    EXPECT_TRUE(group.contains<std::bad_alloc>());
                }
                failure.stop();
                refused = failure.happened();
            }
            loop.set_task_factory(nullptr);
            EXPECT_EQ(loop.run_until_complete(seven_later()), 7);
            test::expect_nothing_left(loop);
            loop.close();
        })
            .join();
        if (!refused) break;
        ASSERT_LT(at, 1000);
    }
}

}}  // namespace asyncio::task_test
