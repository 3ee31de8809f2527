// with: what is entered is left, whatever happens between, and what the body may be.
#include "asyncio/task/with.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "asyncio/asyncio.hpp"
#include "task/task_support.hpp"

namespace asyncio::task_test { namespace {

class WithTest : public SimulatedTest {};
class WithOnBackends : public test::BackendTest {};
ASYNCIO_ON_EVERY_BACKEND(WithOnBackends);

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

TEST_P(WithOnBackends, WithEntersRunsTheBodyAndLeaves) {
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
