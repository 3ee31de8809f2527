// timeout, TaskGroup and with.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "asyncio/asyncio.hpp"
#include "task/task_support.hpp"

namespace asyncio::task_test { namespace {

class TimeoutTest : public SimulatedTest {};
class TaskGroupTest : public SimulatedTest {};
class WithTest : public SimulatedTest {};
class ScopesOnBackends : public test::BackendTest {};
ASYNCIO_ON_EVERY_BACKEND(ScopesOnBackends);

// ---- timeout ------------------------------------------------------------------------------------

TEST_P(ScopesOnBackends, ATimeoutEndsTheBlockWithTimeoutError) {
    run([]() -> Coro<> {
        bool late = false;
        bool expired = false;
        try {
            co_await with(timeout(1ms), [&](Timeout& t) -> Coro<> {
                EXPECT_FALSE(t.expired());
                try {
                    co_await sleep(1h);
                } catch (const CancelledError&) {
                    expired = t.expired();
                    throw;
                }
            });
        } catch (const TimeoutError&) {
            late = true;
        }
        EXPECT_TRUE(late);
        EXPECT_TRUE(expired);
        EXPECT_EQ(current_task().cancelling(), 0);
        co_await sleep(0s);
        int n = co_await with(timeout(60s), [] { return after(1ms, 4); });
        EXPECT_EQ(n, 4);
    });
}

TEST_F(TimeoutTest, RescheduleMovesTheDeadlineBothWays) {
    run([]() -> Coro<> {
        const TimePoint start = now();
        co_await with(timeout(1s), [&](Timeout& t) -> Coro<> {
            EXPECT_EQ(t.when(), start + 1s);
            t.reschedule(t.when() + 5s);
            co_await sleep(5s);
        });
        bool late = false;
        try {
            co_await with(timeout(Duration::none()), [&](Timeout& t) -> Coro<> {
                EXPECT_EQ(t.when(), TimePoint::max());
                co_await sleep(1s);
                t.reschedule(now() - 1s);
                co_await sleep(1h);
            });
        } catch (const TimeoutError&) {
            late = true;
        }
        EXPECT_TRUE(late);
        EXPECT_EQ(now(), start + 6s);
        co_await with(timeout(1s), [&](Timeout& t) -> Coro<> {
            t.reschedule(TimePoint::max());
            co_await sleep(1h);
        });
    });
}

TEST_F(TimeoutTest, ItsStatesRefuseMisuse) {
    run([]() -> Coro<> {
        Timeout t = timeout(10s);
        EXPECT_NE(thrown<RuntimeError>([&] {
                      t.reschedule(now());
                  }).find("cannot reschedule a timeout that is created"),
                  std::string::npos);
        co_await with(t, [&](Timeout& entered) -> Coro<> {
            EXPECT_EQ(&entered, &t);
            bool refused = false;
            try {
                co_await with(t, [] {});
            } catch (const RuntimeError&) {
                refused = true;
            }
            EXPECT_TRUE(refused);
        });
        EXPECT_NE(thrown<RuntimeError>([&] { t.reschedule(now()); }).find("finished"), std::string::npos);
        EXPECT_FALSE(t.expired());
    });
}

TEST_F(TimeoutTest, LeavingOneThatIsNotEnteredIsRefused) {
    run([]() -> Coro<> {
        const auto refusal = [](Timeout& scope) {
            return thrown<RuntimeError>([&] { static_cast<void>(scope.aexit(nullptr)); });
        };
        Timeout t = timeout(10s);
        EXPECT_EQ(refusal(t).find("Timeout::aexit is called once, after aenter"), 0u);
        co_await t.aenter();
        const bool handled = co_await t.aexit(nullptr);
        EXPECT_FALSE(handled);
        EXPECT_EQ(refusal(t).find("Timeout::aexit is called once, after aenter"), 0u);
    });
}

TEST_F(TimeoutTest, OtherErrorsOfTheBlockPassAlsoAfterTheDeadline) {
    run([]() -> Coro<> {
        for (bool late : {false, true}) {
            std::string text;
            try {
                co_await with(timeout(1s), [&]() -> Coro<> {
                    try {
                        if (late) co_await sleep(1h);
                    } catch (const CancelledError&) {}
                    throw ValueError("of the block");
                });
            } catch (const ValueError& error) {
                text = error.what();
            }
            EXPECT_EQ(text, "of the block");
            EXPECT_EQ(current_task().cancelling(), 0);
            co_await sleep(1s);
        }
    });
}

TEST_F(TimeoutTest, ABlockThatSwallowsTheCancelLeavesNoneBehind) {
    run([]() -> Coro<> {
        co_await with(timeout(1s), []() -> Coro<> {
            try {
                co_await sleep(1h);
            } catch (const CancelledError&) {}
        });
        EXPECT_EQ(current_task().cancelling(), 0);
        co_await sleep(1s);
        // The deadline passes while the block does not await any more.
        co_await with(timeout(0s), [] {});
        co_await sleep(1s);
        EXPECT_EQ(current_task().cancelling(), 0);
    });
}

TEST_F(TimeoutTest, ACancelFromOutsideWinsOverTheDeadline) {
    run([]() -> Coro<> {
        for (Duration at : {Duration(500ms), Duration(1s)}) {
            auto task = create_task(
                []() -> Coro<> { co_await with(timeout(1s), []() -> Coro<> { co_await sleep(1h); }); }());
            get_running_loop().call_later(at, [task] { task.cancel(); });
            co_await wait(handles(task));
            EXPECT_TRUE(task.cancelled());
        }
    });
}

TEST_F(TimeoutTest, TheOuterOfTwoThatExpireTogetherThrows) {
    run([]() -> Coro<> {
        Log log;
        try {
            co_await with(timeout(1s), [&]() -> Coro<> {
                try {
                    co_await with(timeout(1s), []() -> Coro<> { co_await sleep(1h); });
                } catch (const TimeoutError&) {
                    log.push_back("inner");
                    throw;
                } catch (const CancelledError&) {
                    log.push_back("cancelled");
                    throw;
                }
            });
        } catch (const TimeoutError&) {
            log.push_back("outer");
        }
        EXPECT_EQ(log, (Log{"cancelled", "outer"}));
        EXPECT_EQ(current_task().cancelling(), 0);
    });
}

Coro<> nest(int depth, int& expired) {
    if (depth == 0) {
        co_await sleep(1h);
        co_return;
    }
    try {
        co_await with(timeout(1s), [&]() -> Coro<> { co_await nest(depth - 1, expired); });
    } catch (const TimeoutError&) {
        ++expired;
    }
}

TEST_F(TimeoutTest, AHundredNestedOnesThatExpireTogetherEndTheBlockOnce) {
    run([]() -> Coro<> {
        int expired = 0;
        const TimePoint start = now();
        co_await nest(100, expired);
        EXPECT_EQ(expired, 1);
        EXPECT_EQ(now() - start, 1s);
        EXPECT_EQ(current_task().cancelling(), 0);
        co_await sleep(1s);
    });
}

Coro<> nest_wait_for(int depth, int& expired) {
    if (depth == 0) {
        co_await sleep(1h);
        co_return;
    }
    try {
        co_await wait_for(nest_wait_for(depth - 1, expired), 1s);
    } catch (const TimeoutError&) {
        ++expired;
    }
}

TEST_F(TimeoutTest, TheSameWithWaitFor) {
    run([]() -> Coro<> {
        int expired = 0;
        co_await nest_wait_for(100, expired);
        EXPECT_EQ(expired, 1);
        EXPECT_EQ(current_task().cancelling(), 0);
        co_await sleep(1s);
    });
}

TEST_F(TimeoutTest, ATimeoutAtTakesAPointInTime) {
    run([]() -> Coro<> {
        const TimePoint start = now();
        bool late = false;
        try {
            co_await with(timeout_at(start + 3s), []() -> Coro<> { co_await sleep(1h); });
        } catch (const TimeoutError&) {
            late = true;
        }
        EXPECT_TRUE(late);
        EXPECT_EQ(now(), start + 3s);
    });
}

// ---- TaskGroup ----------------------------------------------------------------------------------

TEST_P(ScopesOnBackends, ATaskGroupWaitsForItsTasks) {
    run([]() -> Coro<> {
        Log log;
        int sum = co_await with(TaskGroup{}, [&](TaskGroup& tg) -> Coro<int> {
            auto a = tg.create_task(after(2ms, 1));
            tg.create_task(logs_its_end(log, "slow", 4ms, 0s), {.name = "named"});
            int n = co_await a;
            co_return n + 1;
        });
        EXPECT_EQ(sum, 2);
        EXPECT_EQ(log, Log{"slow done"});
    });
}

TEST_P(ScopesOnBackends, TheFirstFailureCancelsTheSiblingsAndTheBodyAndWaitsForThem) {
    run([]() -> Coro<> {
        Log log;
        std::vector<std::string> texts;
        try {
            co_await with(TaskGroup{}, [&](TaskGroup& tg) -> Coro<> {
                tg.create_task(logs_its_end(log, "sibling", 1h, 2ms));
                tg.create_task(fails_after(1ms, "bad"));
                co_await logs_its_end(log, "body", 1h, 0s);
            });
        } catch (const ExceptionGroup& group) {
            for (const auto& error : group.exceptions()) texts.push_back(describe(error));
        }
        EXPECT_EQ(texts.size(), 1u);
        if (!texts.empty()) {
            EXPECT_NE(texts[0].find("bad"), std::string::npos);
        }
        EXPECT_EQ(log, (Log{"body cancelled", "sibling cancelled"}));
        EXPECT_EQ(current_task().cancelling(), 0);
        co_await sleep(0s);
    });
}

TEST_F(TaskGroupTest, AllFailuresAreInTheGroupTheBodysToo) {
    run([]() -> Coro<> {
        const auto fails_when_cancelled = [](std::string text) -> Coro<> {
            try {
                co_await sleep(1h);
            } catch (const CancelledError&) {
                throw ValueError(text);
            }
        };
        std::size_t count = 0;
        std::string message;
        try {
            co_await with(TaskGroup{}, [&](TaskGroup& tg) -> Coro<> {
                tg.create_task(fails_when_cancelled("one"));
                tg.create_task(fails_when_cancelled("two"));
                co_await sleep(1s);
                throw RuntimeError("the body");
            });
        } catch (const ExceptionGroup& group) {
            count = group.exceptions().size();
            message = group.what();
            EXPECT_TRUE(group.contains<RuntimeError>());
            EXPECT_EQ(group.split<ValueError>().matching->exceptions().size(), 2u);
        }
        EXPECT_EQ(count, 3u);
        EXPECT_EQ(message, "unhandled errors in a TaskGroup (3 sub-exceptions)");
    });
}

TEST_F(TaskGroupTest, GroupsNestAndSoDoTheirErrors) {
    run([]() -> Coro<> {
        std::string tree;
        try {
            co_await with(TaskGroup{}, [&](TaskGroup& outer) -> Coro<> {
                outer.create_task([]() -> Coro<> {
                    co_await with(TaskGroup{},
                                  [](TaskGroup& inner) { inner.create_task(fails_after(1s, "deep")); });
                });
                co_return;
            });
        } catch (const ExceptionGroup& group) {
            EXPECT_EQ(group.leaves().size(), 1u);
            EXPECT_NE(exception_cast<ExceptionGroup>(group.exceptions().at(0)), nullptr);
            tree = group.format();
        }
        EXPECT_NE(tree.find("deep"), std::string::npos) << tree;
    });
}

TEST_F(TaskGroupTest, ACancelledTaskIsNoFailure) {
    run([]() -> Coro<> {
        Log log;
        co_await with(TaskGroup{}, [&](TaskGroup& tg) -> Coro<> {
            auto task = tg.create_task(after(1h, 1));
            tg.create_task(logs_its_end(log, "other", 2s, 0s));
            co_await sleep(1s);
            task.cancel();
        });
        EXPECT_EQ(log, Log{"other done"});
    });
}

TEST_F(TaskGroupTest, ACancelFromOutsideCancelsTheTasksAndPasses) {
    run([]() -> Coro<> {
        for (bool in_body : {true, false}) {
            Log log;
            auto task = create_task([](Log& out, bool body) -> Coro<> {
                co_await with(TaskGroup{}, [&](TaskGroup& tg) -> Coro<> {
                    tg.create_task(logs_its_end(out, "child", 1h, 1s));
                    if (body) co_await sleep(1h);
                });
            }(log, in_body));
            co_await sleep(1s);
            task.cancel();
            co_await wait(handles(task));
            EXPECT_TRUE(task.cancelled());
            EXPECT_EQ(log, Log{"child cancelled"});
        }
    });
}

TEST_F(TaskGroupTest, CancelEndsTheScopeWithoutAnException) {
    run([]() -> Coro<> {
        Log log;
        const TimePoint start = now();
        co_await with(TaskGroup{}, [&](TaskGroup& tg) -> Coro<> {
            tg.create_task(logs_its_end(log, "child", 1h, 1s));
            co_await sleep(1s);
            tg.cancel();
            co_await sleep(1h);
        });
        EXPECT_EQ(log, Log{"child cancelled"});
        EXPECT_EQ(now() - start, 2s);
        EXPECT_EQ(current_task().cancelling(), 0);
        co_await sleep(1s);
        // By a child; and before it is entered.
        co_await with(TaskGroup{}, [&](TaskGroup& tg) -> Coro<> {
            tg.create_task([&]() -> Coro<> {
                co_await sleep(1s);
                tg.cancel();
            });
            co_await sleep(1h);
        });
        TaskGroup early;
        early.cancel();
        bool reached = false;
        co_await with(early, [&](TaskGroup&) -> Coro<> {
            co_await sleep(1s);
            reached = true;
        });
        EXPECT_FALSE(reached);
        EXPECT_EQ(current_task().cancelling(), 0);
        early.cancel();
    });
}

TEST_F(TaskGroupTest, TasksMayCreateTasksAlsoWhileTheScopeWaits) {
    run([]() -> Coro<> {
        Log log;
        struct Spawner {
            static Coro<> spawn(TaskGroup& tg, Log& out, int depth) {
                co_await sleep(1s);
                out.push_back(std::to_string(depth));
                if (depth > 0) tg.create_task(spawn(tg, out, depth - 1));
            }
        };
        co_await with(TaskGroup{}, [&](TaskGroup& tg) { tg.create_task(Spawner::spawn(tg, log, 3)); });
        EXPECT_EQ(log, (Log{"3", "2", "1", "0"}));
    });
}

TEST_F(TaskGroupTest, OutsideOfItsLifeItRefusesTasksAndDestroysThem) {
    run([]() -> Coro<> {
        int alive = 0;
        const auto make = [&] { return [](Counted) -> Coro<> { co_return; }(Counted(&alive)); };
        TaskGroup tg;
        EXPECT_NE(thrown<RuntimeError>([&] { tg.create_task(make()); }).find("has not been entered"),
                  std::string::npos);
        std::string shutting_down;
        try {
            co_await with(tg, [&](TaskGroup&) -> Coro<> {
                tg.create_task(fails_after(1s, "bad"));
                try {
                    co_await sleep(1h);
                } catch (const CancelledError&) {
                    shutting_down = thrown<RuntimeError>([&] { tg.create_task(make()); });
                    throw;
                }
            });
        } catch (const ExceptionGroup&) {}
        EXPECT_NE(shutting_down.find("shutting down"), std::string::npos) << shutting_down;
        EXPECT_NE(thrown<RuntimeError>([&] { tg.create_task(make()); }).find("is finished"),
                  std::string::npos);
        EXPECT_EQ(alive, 0);
        bool refused = false;
        try {
            co_await with(tg, [] {});
        } catch (const RuntimeError&) {
            refused = true;
        }
        EXPECT_TRUE(refused);
    });
}

TEST_F(TaskGroupTest, LeavingOneThatIsNotEnteredIsRefused) {
    run([]() -> Coro<> {
        const auto refusal = [](TaskGroup& group) {
            return thrown<RuntimeError>([&] { static_cast<void>(group.aexit(nullptr)); });
        };
        TaskGroup group;
        EXPECT_EQ(refusal(group).find("TaskGroup::aexit is called once, after aenter"), 0u);
        co_await group.aenter();
        group.create_task([]() -> Coro<> { co_await sleep(1s); });
        const bool handled = co_await group.aexit(nullptr);
        EXPECT_FALSE(handled);
        EXPECT_EQ(refusal(group).find("TaskGroup::aexit is called once, after aenter"), 0u);
    });
}

TEST_F(TaskGroupTest, TasksThatEndedAreForgotten) {
    run([]() -> Coro<> {
        int alive = 0;
        co_await with(TaskGroup{}, [&](TaskGroup& tg) -> Coro<> {
            for (int i = 0; i < 1000; ++i) {
                tg.create_task([](int* n) -> Coro<Counted> { co_return Counted(n); }(&alive));
                co_await sleep(1s);
            }
            EXPECT_LT(alive, 100);
        });
        EXPECT_EQ(alive, 0);
    });
}

TEST_F(TaskGroupTest, EagerTasksOfAGroupMayFailAtOnce) {
    run([]() -> Coro<> {
        bool failed = false;
        try {
            co_await with(TaskGroup{}, [&](TaskGroup& tg) -> Coro<> {
                tg.create_task(
                    []() -> Coro<> {
                        throw ValueError("at once");
                        co_return;
                    }(),
                    {.eager_start = true});
                co_await sleep(1h);
            });
        } catch (const ExceptionGroup& group) {
            failed = group.contains<ValueError>();
        }
        EXPECT_TRUE(failed);
    });
}

// ---- with ---------------------------------------------------------------------------------------

/// Logs its steps; what they throw and answer is set.
struct Manager {
    Log* log;
    bool fail_enter = false;
    bool fail_exit = false;
    bool handles_errors = false;

    explicit Manager(Log& l) : log(&l) {}
    Coro<> aenter() {
        co_await sleep(1s);
        log->push_back("enter");
        if (fail_enter) throw ValueError("from aenter");
    }
    Coro<bool> aexit(std::exception_ptr error) {
        co_await sleep(1s);
        log->push_back(error == nullptr ? "exit" : "exit: " + error_text(error));
        if (fail_exit) throw ValueError("from aexit");
        co_return handles_errors;
    }
};

TEST_P(ScopesOnBackends, WithEntersRunsTheBodyAndLeaves) {
    run([]() -> Coro<> {
        struct Quick {
            Log* log;
            explicit Quick(Log& l) : log(&l) {}
            Coro<int> aenter() {
                co_await sleep(0s);
                log->push_back("enter");
                co_return 5;
            }
            Coro<> aexit(std::exception_ptr) {
                co_await sleep(1ms);
                log->push_back("exit");
            }
        };
        Log log;
        int n = co_await with(Quick(log), [&](int& value) -> Coro<int> {
            log.push_back("body");
            co_return value * 2;
        });
        EXPECT_EQ(n, 10);
        EXPECT_EQ(log, (Log{"enter", "body", "exit"}));
    });
}

TEST_F(WithTest, TheBodyMayGiveAnyAwaitableOfTheLibrary) {
    run([]() -> Coro<> {
        int ran = 0;
        co_await with(TaskGroup{}, [&](TaskGroup&) {
            return with(timeout(1s), [&](Timeout&) -> Coro<> {
                ++ran;
                co_return;
            });
        });
        EXPECT_EQ(ran, 1);
        const TimePoint start = now();
        co_await with(timeout(10s), [](Timeout&) { return sleep(2s); });
        EXPECT_EQ(now() - start, Duration(2s));
        auto both = co_await with(timeout(10s), [](Timeout&) { return gather(after(1s, 1), after(1s, 2)); });
        EXPECT_EQ(std::get<0>(both) + std::get<1>(both), 3);
        bool late = false;
        try {
            co_await with(timeout(1s), [](Timeout&) { return sleep(1h); });
        } catch (const TimeoutError&) {
            late = true;
        }
        EXPECT_TRUE(late);
        int value = co_await with(timeout(10s), [](Timeout&) { return wait_for(after(1s, 5), 2s); });
        EXPECT_EQ(value, 5);
    });
}

Coro<int> limited(int value) {
    return with(timeout(10s), [value](Timeout&) -> Coro<int> {
        co_await sleep(1s);
        co_return value;
    });
}

TEST_F(WithTest, WhatATimeoutGivesIsACoroutineWhereOneIsNeeded) {
    run([]() -> Coro<> {
        std::vector<Coro<int>> jobs;
        jobs.push_back(limited(1));
        jobs.push_back(with(timeout(10s), [](Timeout&) -> Coro<int> { co_return 2; }));
        auto results = co_await gather(std::move(jobs));
        EXPECT_EQ(results, (std::vector<int>{1, 2}));
        auto task =
            create_task([] { return with(timeout(10s), [](Timeout&) -> Coro<int> { co_return 3; }); });
        int three = co_await task;
        EXPECT_EQ(three, 3);
        auto future = ensure_future(with(timeout(10s), [](Timeout&) -> Coro<int> { co_return 4; }));
        int four = co_await future;
        EXPECT_EQ(four, 4);
        auto shielded =
            co_await shield([] { return with(timeout(10s), [](Timeout&) -> Coro<int> { co_return 5; }); });
        EXPECT_EQ(shielded, 5);
    });
    EXPECT_EQ(simulate([] { return with(timeout(10s), [](Timeout&) -> Coro<int> { co_return 6; }); }), 6);
    RunOptions options;
    options.backend = Backend::sim;
    EXPECT_EQ(asyncio::run(with(timeout(10s), [](Timeout&) -> Coro<int> { co_return 7; }), options), 7);
    EXPECT_EQ(std::get<1>(asyncio::run(gather(after(1s, 1), after(2s, 8)), options)), 8);
}

TEST_F(WithTest, TheBodyMayTakeTheManagerOrNothingAndBeAPlainFunction) {
    run([]() -> Coro<> {
        Log log;
        Manager manager(log);
        co_await with(manager, [&](Manager& m) { EXPECT_EQ(&m, &manager); });
        co_await with(manager, [&] { log.push_back("body"); });
        int n = co_await with(manager, [] { return 4; });
        EXPECT_EQ(n, 4);
        MoveOnly moved = co_await with(manager, [](Manager&) -> Coro<MoveOnly> { co_return MoveOnly(6); });
        EXPECT_EQ(moved.value(), 6);
        MoveOnly plain = co_await with(manager, [] { return MoveOnly(7); });
        EXPECT_EQ(plain.value(), 7);
        EXPECT_EQ(log.size(), 11u);
    });
}

TEST_F(WithTest, AnErrorOfTheBodyIsShownToAexitAndPasses) {
    run([]() -> Coro<> {
        Log log;
        std::string text;
        try {
            co_await with(Manager(log), []() -> Coro<> {
                co_await sleep(1s);
                throw RuntimeError("of the body");
            });
        } catch (const RuntimeError& error) {
            text = error.what();
        }
        EXPECT_EQ(text, "of the body");
        EXPECT_EQ(log, (Log{"enter", "exit: of the body"}));
        log.clear();
        text.clear();
        try {
            co_await with(Manager(log), [] { throw RuntimeError("of a plain body"); });
        } catch (const RuntimeError& error) {
            text = error.what();
        }
        EXPECT_EQ(text, "of a plain body");
    });
}

TEST_F(WithTest, AHandledErrorEndsThere) {
    run([]() -> Coro<> {
        Log log;
        Manager manager(log);
        manager.handles_errors = true;
        co_await with(manager, []() -> Coro<> {
            co_await sleep(1s);
            throw RuntimeError("handled");
        });
        std::string text;
        try {
            int n = co_await with(manager, []() -> Coro<int> {
                co_await sleep(1s);
                throw RuntimeError("handled");
            });
            ADD_FAILURE() << n;
        } catch (const InvalidStateError& error) {
            text = error.what();
        }
        EXPECT_EQ(text, "the scope was left without a value");
        int n = co_await with(manager, [] { return 3; });
        EXPECT_EQ(n, 3);
    });
}

TEST_F(WithTest, AnErrorOfAexitWins) {
    run([]() -> Coro<> {
        for (bool body_fails : {false, true}) {
            Log log;
            Manager manager(log);
            manager.fail_exit = true;
            std::string text;
            try {
                co_await with(manager, [&] {
                    if (body_fails) throw RuntimeError("of the body");
                });
            } catch (const ValueError& error) {
                text = error.what();
            }
            EXPECT_EQ(text, "from aexit");
        }
    });
}

TEST_F(WithTest, IfAenterThrowsOrIsCancelledNothingIsLeft) {
    run([]() -> Coro<> {
        Log log;
        Manager manager(log);
        manager.fail_enter = true;
        std::string text;
        try {
            co_await with(manager, [&] { log.push_back("body"); });
        } catch (const ValueError& error) {
            text = error.what();
        }
        EXPECT_EQ(text, "from aenter");
        EXPECT_EQ(log, Log{"enter"});
        log.clear();
        auto task = create_task(
            [](Log& out) -> Coro<> { co_await with(Manager(out), [&] { out.push_back("body"); }); }(log));
        co_await sleep(0s);
        co_await sleep(0s);
        task.cancel();
        co_await wait(handles(task));
        EXPECT_TRUE(task.cancelled());
        EXPECT_TRUE(log.empty());
    });
}

TEST_F(WithTest, ACancelOfTheBodyReachesAexit) {
    run([]() -> Coro<> {
        Log log;
        auto task = create_task([](Log& out) -> Coro<> {
            co_await with(Manager(out), []() -> Coro<> { co_await sleep(1h); });
        }(log));
        co_await sleep(10s);
        task.cancel("stop");
        co_await wait(handles(task));
        EXPECT_TRUE(task.cancelled());
        EXPECT_EQ(log, (Log{"enter", "exit: stop"}));
    });
}

TEST_F(WithTest, TwoManagersAreLeftInTheOppositeOrder) {
    run([]() -> Coro<> {
        struct Named {
            Log* log;
            std::string name;
            Named(Log& l, std::string n) : log(&l), name(std::move(n)) {}
            Coro<std::string> aenter() {
                co_await sleep(0s);
                log->push_back("enter " + name);
                co_return name;
            }
            Coro<> aexit(std::exception_ptr error) {
                co_await sleep(0s);
                log->push_back("exit " + name + (error != nullptr ? " with an error" : ""));
            }
        };
        Log log;
        std::string got = co_await with(Named(log, "a"), Named(log, "b"),
                                        [&](std::string& a, std::string& b) -> Coro<std::string> {
                                            log.push_back("body");
                                            co_return a + b;
                                        });
        EXPECT_EQ(got, "ab");
        EXPECT_EQ(log, (Log{"enter a", "enter b", "body", "exit b", "exit a"}));
        log.clear();
        bool failed = false;
        try {
            co_await with(Named(log, "a"), timeout(1s),
                          [&](std::string&, Timeout&) -> Coro<> { co_await sleep(1h); });
        } catch (const TimeoutError&) {
            failed = true;
        }
        EXPECT_TRUE(failed);
        EXPECT_EQ(log, (Log{"enter a", "exit a with an error"}));
        log.clear();
        co_await with(Named(log, "a"), Named(log, "b"),
                      [&](std::string& a, std::string&) { log.push_back(a); });
        EXPECT_EQ(log.size(), 5u);
    });
}

TEST_F(WithTest, AnAwaitableThatGivesAManagerIsAwaitedFirst) {
    run([]() -> Coro<> {
        Log log;
        const auto connect = [](Log& out) -> Coro<Manager> {
            co_await sleep(1s);
            out.push_back("connected");
            co_return Manager(out);
        };
        co_await with(connect(log), [&](Manager&) { log.push_back("body"); });
        EXPECT_EQ(log, (Log{"connected", "enter", "body", "exit"}));
        log.clear();
        auto task = create_task(connect(log));
        int n = co_await with(std::move(task), [] { return 8; });
        EXPECT_EQ(n, 8);
    });
}

TEST_F(WithTest, ManagersAndClosuresLiveUntilTheScopeIsLeft) {
    run([]() -> Coro<> {
        int alive = 0;
        struct Owning {
            Counted counted;
            explicit Owning(int* n) : counted(n) {}
            detail::Ready aenter() { return detail::Ready(); }
            Coro<> aexit(std::exception_ptr) { co_await sleep(1s); }
        };
        auto body = [c = Counted(&alive, 4)](Owning& owning) -> Coro<int> {
            co_await sleep(1s);
            co_return c.value() + owning.counted.value();
        };
        int n = co_await with(Owning(&alive), body);
        EXPECT_EQ(n, 4);
        EXPECT_EQ(alive, 1);
        n = co_await with(Owning(&alive), own(std::move(body)));
        EXPECT_EQ(n, 4);
        EXPECT_EQ(alive, 1);
    });
}

}}  // namespace asyncio::task_test
