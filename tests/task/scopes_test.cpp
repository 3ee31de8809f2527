// timeout and TaskGroup.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "asyncio/asyncio.hpp"
#include "task/task_support.hpp"

namespace asyncio::task_test { namespace {

class TimeoutTest : public SimulatedTest {};
class TaskGroupTest : public SimulatedTest {};
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

}}  // namespace asyncio::task_test
