// Task and create_task: what runs when, what dies when, who is told of what.
#include "asyncio/task/task.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "asyncio/asyncio.hpp"
#include "task/task_support.hpp"

namespace asyncio::task_test { namespace {

class TaskTest : public SimulatedTest {};
class TaskOnBackends : public test::BackendTest {};
ASYNCIO_ON_EVERY_BACKEND(TaskOnBackends);

Coro<> note(Log& log, std::string what) {
    log.push_back(what);
    co_return;
}
Coro<int> seven() { co_return 7; }
Coro<int> fails(std::string text) {
    co_await sleep(0s);
    throw ValueError(text);
}
Coro<> forever() { co_await sleep(1000h); }

// ---- running ------------------------------------------------------------------------------------

TEST_P(TaskOnBackends, ATaskRunsInTheNextIterationAndItsResultCanBeAwaited) {
    run([]() -> Coro<> {
        Log log;
        auto a = create_task(note(log, "a"));
        auto b = create_task(note(log, "b"));
        EXPECT_TRUE(log.empty());
        co_await sleep(0s);
        EXPECT_EQ(log, (Log{"a", "b"}));
        EXPECT_TRUE(a.done());
        int n = co_await create_task(seven());
        EXPECT_EQ(n, 7);
        co_await b;
    });
}

TEST_P(TaskOnBackends, FireAndForgetRunsToItsEnd) {
    int alive = 0;
    bool ended = false;
    run([&]() -> Coro<> {
        create_task(
            [](Counted, bool& flag) -> Coro<> {
                co_await sleep(2ms);
                flag = true;
            },
            Counted(&alive), std::ref(ended));
        co_await sleep(10ms);
    });
    EXPECT_TRUE(ended);
    EXPECT_EQ(alive, 0);
}

TEST_F(TaskTest, AnEagerTaskTakesItsFirstStepAtOnce) {
    run([]() -> Coro<> {
        Log log;
        auto task = create_task(
            [](Log& out) -> Coro<int> {
                out.push_back("first step");
                co_await sleep(0s);
                out.push_back("second step");
                co_return 3;
            }(log),
            {.name = "eager", .eager_start = true});
        log.push_back("create_task has returned");
        int n = co_await task;
        EXPECT_EQ(n, 3);
        EXPECT_EQ(log, (Log{"first step", "create_task has returned", "second step"}));
    });
}

TEST_F(TaskTest, AnEagerTaskThatDoesNotSuspendIsDoneAtOnce) {
    run([]() -> Coro<> {
        auto task = create_task(seven(), {.eager_start = true});
        EXPECT_TRUE(task.done());
        EXPECT_EQ(task.result(), 7);
        auto failed = create_task(
            []() -> Coro<> {
                throw ValueError("at once");
                co_return;
            }(),
            {.eager_start = true});
        EXPECT_TRUE(failed.done());
        EXPECT_NE(failed.exception(), nullptr);
        co_return;
    });
}

TEST_F(TaskTest, EagerTasksNestAndTheCurrentTaskIsRestored) {
    run([]() -> Coro<> {
        const AnyTask outer = current_task();
        Log log;
        struct Recursion {
            static Coro<> go(Log& out, int depth) {
                const AnyTask me = current_task();
                out.push_back("in " + std::to_string(depth));
                if (depth < 3) {
                    auto inner = create_task(go(out, depth + 1), {.eager_start = true});
                    EXPECT_TRUE(current_task() == me);
                    co_await inner;
                }
                out.push_back("out " + std::to_string(depth));
            }
        };
        auto task = create_task(Recursion::go(log, 1), {.eager_start = true});
        EXPECT_TRUE(current_task() == outer);
        co_await task;
        EXPECT_EQ(log, (Log{"in 1", "in 2", "in 3", "out 3", "out 2", "out 1"}));
    });
}

TEST_F(TaskTest, EagerTasksMayBeCreatedInDestructorsOfEndingTasks) {
    struct StartsATask {
        std::shared_ptr<int> ran;
        explicit StartsATask(std::shared_ptr<int> r) : ran(std::move(r)) {}
        StartsATask(StartsATask&&) = default;
        ~StartsATask() {
            if (ran == nullptr) return;
            create_task(
                [](std::shared_ptr<int> n) -> Coro<> {
                    ++*n;
                    co_return;
                }(ran),
                {.eager_start = true});
        }
    };
    run([]() -> Coro<> {
        auto ran = std::make_shared<int>(0);
        co_await create_task([](StartsATask) -> Coro<> { co_return; }(StartsATask(ran)));
        EXPECT_EQ(*ran, 1);
    });
}

class TaskSlowTest : public test::BackendTest {};
ASYNCIO_ON_EVERY_BACKEND(TaskSlowTest);

TEST_P(TaskSlowTest, AMillionTasksSleepAtOnceAndAllOfThemEnd) {
#if ASYNCIO_ASAN || ASYNCIO_TSAN
    constexpr int tasks = 100'000;  // a sanitizer needs many times the memory
#else
    constexpr int tasks = 1'000'000;
#endif
    run([]() -> Coro<> {
        int ended = 0;
        const auto sleeper = [](Duration delay, int& count) -> Coro<> {
            co_await sleep(delay);
            ++count;
        };
        for (int i = 0; i < tasks; ++i) create_task(sleeper(std::chrono::microseconds(i % 1000), ended));
        while (ended != tasks) co_await sleep(1ms);
    });
}

// ---- refusals -----------------------------------------------------------------------------------

TEST_F(TaskTest, WithoutALoopCreateTaskRefusesAndDestroysTheCoroutine) {
    int alive = 0;
    const std::string text =
        thrown<RuntimeError>([&] { create_task([](Counted) -> Coro<> { co_return; }(Counted(&alive))); });
    EXPECT_EQ(text.find("no running event loop: create_task works inside what asyncio::run drives"), 0u)
        << text;
    EXPECT_NE(text.find("task_test.cpp:"), std::string::npos) << text;
    EXPECT_EQ(alive, 0);
}

TEST_F(TaskTest, ACoroutineOfALambdaThatCapturesIsRefusedAndTheCureIsNamed) {
    run([]() -> Coro<> {
        int n = 5;
        auto lambda = [&n](int m) -> Coro<int> { co_return n + m; };
        for (int way = 0; way < 3; ++way) {
            std::string text = thrown<RuntimeError>([&] {
                if (way == 0) create_task(lambda(1));
                if (way == 1) ensure_future(lambda(1));
                if (way == 2) create_task(lambda(1), {.eager_start = true});
            });
            EXPECT_NE(text.find("was made by calling a lambda that captures"), std::string::npos) << text;
            EXPECT_NE(text.find("create_task(lambda, args…)"), std::string::npos) << text;
            EXPECT_NE(text.find("task_test.cpp:"), std::string::npos) << text;
        }
        // The cure, and what is safe: awaiting, gather, wait_for.
        int a = co_await create_task(lambda, 1);
        EXPECT_EQ(a, 6);
        int b = co_await lambda(2);
        EXPECT_EQ(b, 7);
        auto [c, d] = co_await gather(lambda(3), lambda(4));
        EXPECT_EQ(c + d, 17);
        int e = co_await wait_for(lambda(5), 1s);
        EXPECT_EQ(e, 10);
    });
}

template <class F>
Coro<int> retry(const F& function) {
    int n = co_await function();
    co_return n;
}
struct Functor {
    int n = 3;
    Coro<int> operator()() const { co_return n; }
};

TEST_F(TaskTest, WhatOnlyTakesAClosureIsNoLambda) {
    run([]() -> Coro<> {
        int n = 5;
        auto lambda = [&n]() -> Coro<int> { co_return n; };
        int a = co_await create_task(retry(lambda));
        EXPECT_EQ(a, 5);
        auto captures_nothing = [](int m) -> Coro<int> { co_return m; };
        int b = co_await create_task(captures_nothing(4));
        EXPECT_EQ(b, 4);
        Functor functor;
        int c = co_await create_task(functor());
        EXPECT_EQ(c, 3);
    });
}

TEST_F(TaskTest, ATaskGroupRefusesLambdaCoroutinesToo) {
    run([]() -> Coro<> {
        int n = 5;
        auto lambda = [&n]() -> Coro<int> { co_return n; };
        co_await with(TaskGroup{}, [&](TaskGroup& tg) {
            EXPECT_THROW(tg.create_task(lambda()), RuntimeError);
            tg.create_task(lambda);
        });
    });
}

// ---- lifetimes ----------------------------------------------------------------------------------

TEST_P(TaskOnBackends, ParametersAndLocalsAreGoneBeforeWaitersResumeAndBeforeDone) {
    run([]() -> Coro<> {
        int alive = 0;
        bool done_in_destructor = true;
        std::optional<Task<int>> self;
        struct Looks {
            std::optional<Task<int>>* task;
            bool* seen;
            ~Looks() { *seen = (*task)->done(); }
        };
        self = create_task([](Counted, std::optional<Task<int>>* me, bool* seen) -> Coro<int> {
            Looks looks{me, seen};
            co_await sleep(1ms);
            co_return 7;
        }(Counted(&alive), &self, &done_in_destructor));
        EXPECT_EQ(alive, 1);
        int alive_in_callback = -1;
        self->add_done_callback([&] { alive_in_callback = alive; });
        int n = co_await *self;
        EXPECT_EQ(n, 7);
        EXPECT_EQ(alive, 0);
        EXPECT_EQ(alive_in_callback, 0);
        EXPECT_FALSE(done_in_destructor);
        EXPECT_TRUE(self->done());
    });
}

TEST_P(TaskOnBackends, ATaskCancelledBeforeItsFirstStepNeverRunsAndItsParametersDie) {
    run([]() -> Coro<> {
        int alive = 0;
        bool ran = false;
        auto task = create_task([](Counted, bool& flag) -> Coro<> {
            flag = true;
            co_return;
        }(Counted(&alive), ran));
        EXPECT_TRUE(task.cancel());
        EXPECT_FALSE(task.done());
        EXPECT_EQ(alive, 1);
        co_await wait(handles(task));
        EXPECT_TRUE(task.cancelled());
        EXPECT_FALSE(ran);
        EXPECT_EQ(alive, 0);
        EXPECT_THROW(task.exception(), CancelledError);
    });
}

TEST_F(TaskTest, AClosureGivenToCreateTaskLivesAsLongAsTheTaskAndNoLonger) {
    run([]() -> Coro<> {
        int alive = 0;
        Task<int> task = [&] {
            auto lambda = [c = Counted(&alive, 4)](int n) -> Coro<int> {
                co_await sleep(1s);
                co_return c.value() + n;
            };
            return create_task(lambda, 5);
        }();
        EXPECT_EQ(alive, 1);
        int n = co_await task;
        EXPECT_EQ(n, 9);
        EXPECT_EQ(alive, 0);
    });
}

TEST_F(TaskTest, ResultsLiveAsLongAsAHandle) {
    run([]() -> Coro<> {
        int alive = 0;
        {
            std::optional<Task<Counted>> task =
                create_task([](int* n) -> Coro<Counted> { co_return Counted(n, 6); }(&alive));
            co_await wait(handles(*task));
            Task<Counted> other = *task;
            task.reset();
            EXPECT_EQ(alive, 1);
            EXPECT_EQ(other.result().value(), 6);
        }
        EXPECT_EQ(alive, 0);
        create_task([](int* n) -> Coro<Counted> { co_return Counted(n); }(&alive));
        co_await sleep(1s);
        EXPECT_EQ(alive, 0);
    });
}

TEST_F(TaskTest, HandlesMayOutliveTheLoop) {
    int alive = 0;
    {
        std::optional<Task<Counted>> task;
        std::optional<Task<>> cancelled;
        std::optional<Task<int>> failed;
        simulate([&]() -> Coro<> {
            task = create_task([](int* n) -> Coro<Counted> { co_return Counted(n, 6); }(&alive));
            cancelled = create_task(forever());
            failed = create_task(fails("kept"));
            co_await sleep(1s);
        });
        EXPECT_EQ(alive, 1);
        EXPECT_EQ(task->result().value(), 6);
        EXPECT_TRUE(cancelled->cancelled());
        EXPECT_EQ(thrown<ValueError>([&] { failed->result(); }), "kept");
        EXPECT_EQ(task->name().find("Task-"), 0u);
    }
    EXPECT_EQ(alive, 0);
}

// ---- awaiting -----------------------------------------------------------------------------------

TEST_F(TaskTest, ManyMayAwaitATaskAndResumeInTheirOrder) {
    run([]() -> Coro<> {
        Log log;
        auto task = create_task([]() -> Coro<std::string> {
            co_await sleep(1s);
            co_return "result";
        }());
        std::vector<Task<>> waiters;
        for (int i = 0; i < 5; ++i) {
            waiters.push_back(create_task([](Task<std::string> t, Log& out, int n) -> Coro<> {
                std::string got = co_await t;
                out.push_back(got + std::to_string(n));
            }(task, log, i)));
        }
        co_await gather(waiters);
        EXPECT_EQ(log, (Log{"result0", "result1", "result2", "result3", "result4"}));
    });
}

TEST_F(TaskTest, AMovingAwaitTakesTheResultAndLaterUseSaysSo) {
    run([]() -> Coro<> {
        auto task = create_task([]() -> Coro<MoveOnly> { co_return MoveOnly(9); }(), {.name = "x"});
        auto copy = task;
        MoveOnly got = co_await std::move(task);
        EXPECT_EQ(got.value(), 9);
        std::string text;
        try {
            MoveOnly again = co_await std::move(copy);
        } catch (const InvalidStateError& error) {
            text = error.what();
        }
        EXPECT_EQ(text, "result of task 'x' was already taken");
    });
}

TEST_F(TaskTest, AResultThatIsNotThereSaysSo) {
    run([]() -> Coro<> {
        auto task = create_task(seven(), {.name = "x"});
        EXPECT_EQ(thrown<InvalidStateError>([&] { task.result(); }), "result of task 'x' is not set");
        EXPECT_THROW(task.exception(), InvalidStateError);
        co_await task;
        EXPECT_EQ(task.result(), 7);
        EXPECT_EQ(task.exception(), nullptr);
    });
}

TEST_F(TaskTest, ATaskThatAwaitsItselfIsRefused) {
    run([]() -> Coro<> {
        std::optional<Task<>> self;
        self = create_task(
            [](std::optional<Task<>>& me) -> Coro<> {
                std::string text;
                try {
                    co_await *me;
                } catch (const RuntimeError& error) {
                    text = error.what();
                }
                EXPECT_EQ(text.find("Task cannot await on itself: me"), 0u) << text;
            }(self),
            {.name = "me"});
        co_await *self;
        self.reset();
    });
}

TEST_F(TaskTest, ACancelledWaiterCancelsWhatItAwaits) {
    run([]() -> Coro<> {
        auto inner = create_task(forever());
        auto outer = create_task([](Task<> task) -> Coro<> { co_await task; }(inner));
        co_await sleep(0s);
        co_await sleep(0s);
        outer.cancel();
        EXPECT_FALSE(inner.done());
        co_await wait(handles(outer));
        EXPECT_TRUE(outer.cancelled());
        EXPECT_TRUE(inner.cancelled());
    });
}

TEST_F(TaskTest, AwaitingDoneTasksLetsOthersRun) {
    run([]() -> Coro<> {
        auto done_task = create_task(seven());
        co_await done_task;
        bool ran = false;
        create_task([](bool& flag) -> Coro<> {
            flag = true;
            co_return;
        }(ran));
        int awaits = 0;
        while (!ran && awaits < 100'000) {
            co_await done_task;
            ++awaits;
        }
        EXPECT_LT(awaits, 1000);
        Future<> future;
        future.set_result();
        std::vector<Task<int>> tasks(3, done_task);
        for (int way = 0; way < 5; ++way) {
            ran = false;
            create_task([](bool& flag) -> Coro<> {
                flag = true;
                co_return;
            }(ran));
            for (awaits = 0; !ran && awaits < 100'000; ++awaits) {
                if (way == 0) co_await future;
                if (way == 1) co_await shield(done_task);
                if (way == 2) co_await gather(done_task, done_task);
                if (way == 3) co_await wait(tasks);
                if (way == 4) co_await wait_for(done_task, 1s);
            }
            EXPECT_LT(awaits, 1000) << "way " << way;
        }
    });
}

// ---- cancelling ---------------------------------------------------------------------------------

TEST_F(TaskTest, CancellingCountsAndUncancelTakesBack) {
    run([]() -> Coro<> {
        auto task = create_task([]() -> Coro<int> {
            int left = -1;
            try {
                co_await sleep(1h);
            } catch (const CancelledError&) {
                left = current_task().uncancel();
            }
            EXPECT_EQ(left, 1);
            EXPECT_EQ(current_task().cancelling(), 1);
            left = current_task().uncancel();
            EXPECT_EQ(left, 0);
            co_await sleep(1s);  // not cancelled any more
            co_return 5;
        }());
        co_await sleep(0s);
        EXPECT_TRUE(task.cancel());
        EXPECT_TRUE(task.cancel());
        EXPECT_EQ(task.cancelling(), 2);
        int n = co_await task;
        EXPECT_EQ(n, 5);
        EXPECT_FALSE(task.cancel());
    });
}

TEST_F(TaskTest, ACancelOfOneselfIsThrownAtTheNextAwaitBeforeAnythingStarts) {
    run([]() -> Coro<> {
        auto task = create_task([]() -> Coro<> {
            current_task().cancel("by myself");
            co_await sleep(1h);
        }());
        co_await wait(handles(task));
        EXPECT_TRUE(task.cancelled());
    });
}

TEST_F(TaskTest, ATaskThatReturnsWithACancelPendingEndsCancelledAndItsValueDies) {
    run([]() -> Coro<> {
        int alive = 0;
        auto task = create_task([](int* n) -> Coro<Counted> {
            current_task().cancel();
            co_return Counted(n);
        }(&alive));
        co_await wait(handles(task));
        EXPECT_TRUE(task.cancelled());
        EXPECT_EQ(alive, 0);
    });
}

TEST_F(TaskTest, TheMessageOfACancelArrives) {
    run([]() -> Coro<> {
        std::string text;
        auto task = create_task([](std::string& out) -> Coro<> {
            try {
                co_await sleep(1h);
            } catch (const CancelledError& error) {
                out = error.what();
                throw;
            }
        }(text));
        co_await sleep(0s);
        task.cancel("enough");
        co_await wait(handles(task));
        EXPECT_EQ(text, "enough");
        EXPECT_EQ(thrown<CancelledError>([&] { task.result(); }), "enough");
    });
}

// ---- current_task, all_tasks --------------------------------------------------------------------

TEST_F(TaskTest, CurrentTaskIsTheOneThatRuns) {
    EXPECT_THROW(current_task(), RuntimeError);
    EXPECT_THROW(all_tasks(), RuntimeError);
    run([]() -> Coro<> {
        const AnyTask main = current_task();
        auto task = create_task([](AnyTask creator) -> Coro<> {
            EXPECT_FALSE(current_task() == creator);
            co_await sleep(0s);
            EXPECT_FALSE(current_task() == creator);
        }(main));
        co_await task;
        EXPECT_TRUE(current_task() == main);
        std::string in_callback;
        get_running_loop().call_soon([&] { in_callback = thrown<RuntimeError>([] { current_task(); }); });
        co_await sleep(0s);
        EXPECT_NE(in_callback.find("a callback runs, not a task"), std::string::npos);
    });
}

TEST_F(TaskTest, AllTasksAreThoseNotDoneInTheOrderOfTheirCreation) {
    run([]() -> Coro<> {
        std::vector<Task<>> tasks;
        for (int i = 0; i < 3; ++i) tasks.push_back(create_task(forever()));
        auto quick = create_task(seven());
        std::vector<AnyTask> all = all_tasks();
        EXPECT_EQ(all.size(), 5u);
        EXPECT_TRUE(all[0] == current_task());
        EXPECT_TRUE(all[1] == tasks[0]);
        EXPECT_TRUE(all[3] == tasks[2]);
        co_await quick;
        EXPECT_EQ(all_tasks().size(), 4u);
        for (auto& task : tasks) task.cancel();
        co_await wait(tasks);
        EXPECT_EQ(all_tasks().size(), 1u);
    });
}

}}  // namespace asyncio::task_test
