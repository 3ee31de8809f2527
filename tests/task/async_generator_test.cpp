// AsyncGenerator: items in order, with awaits between; whose task the body is part of; closing, dropping,
// cancelling; what is refused.
#include "asyncio/task/async_generator.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "asyncio/testing/testing.hpp"
#include "support/cancel_points.hpp"
#include "task/task_support.hpp"

namespace asyncio { namespace {

using namespace task_test;

class AsyncGeneratorTest : public test::BackendTest {};
ASYNCIO_ON_EVERY_BACKEND(AsyncGeneratorTest);

AsyncGenerator<int> count_to(int n) {
    for (int i = 1; i <= n; ++i) co_yield i;
}
AsyncGenerator<int> slowly(int n, Duration pause = 1ms) {
    for (int i = 1; i <= n; ++i) {
        co_await sleep(pause);
        co_yield i;
    }
}
/// Cleans up with an await, and says so.
AsyncGenerator<int> cleans_up(Log& log) {
    std::exception_ptr error;
    try {
        for (int i = 1;; ++i) co_yield i;
    } catch (...) {
        error = std::current_exception();
    }
    log.push_back(describe(error));
    co_await sleep(1ms);
    log.push_back("clean");
    std::rethrow_exception(error);
}
template <class T>
Coro<std::vector<T>> collect(AsyncGenerator<T> gen) {
    std::vector<T> all;
    while (auto item = co_await gen.next()) all.push_back(std::move(*item));
    co_return all;
}

TEST_P(AsyncGeneratorTest, GivesItsItemsInOrderThenNothing) {
    run([]() -> Coro<> {
        auto gen = slowly(3);
        std::vector<int> items;
        while (auto item = co_await gen.next()) items.push_back(*item);
        EXPECT_EQ(items, (std::vector{1, 2, 3}));
        EXPECT_FALSE(gen.valid());
        const auto again = co_await gen.next();
        EXPECT_FALSE(again.has_value());
    });
}

TEST_P(AsyncGeneratorTest, ReadyItemsTakeNoTurnOfTheLoop) {
    run([]() -> Coro<> {
        bool other_ran = false;
        const auto other = [](bool& ran) -> Coro<> {
            ran = true;
            co_return;
        };
        const auto task = create_task(other, std::ref(other_ran));
        auto gen = count_to(100);
        while (auto item = co_await gen.next()) EXPECT_FALSE(other_ran);
        co_await task;
    });
}

TEST_P(AsyncGeneratorTest, OneThatIsAlwaysReadyDoesNotStarveTheLoop) {
    run([]() -> Coro<> {
        bool stop = false;
        get_running_loop().call_soon([&stop] { stop = true; });
        auto gen = count_to(1'000'000);
        int items = 0;
        while (auto item = co_await gen.next()) {
            ++items;
            if (stop) break;
        }
        EXPECT_LE(items, 300);
        // Its end, asked for again and again, is no different.
        stop = false;
        auto ended = count_to(0);
        get_running_loop().call_soon([&stop] { stop = true; });
        int asked = 0;
        while (!stop) {
            const auto nothing = co_await ended.next();
            EXPECT_FALSE(nothing.has_value());
            ++asked;
        }
        EXPECT_LE(asked, 300);
    });
}

TEST_P(AsyncGeneratorTest, StartsOnlyWhenItIsAsked) {
    run([]() -> Coro<> {
        int alive = 0;
        bool begun = false;
        const auto body = [](Counted, bool& started) -> AsyncGenerator<int> {
            started = true;
            co_yield 1;
        };
        {
            const auto never_asked = body(Counted(&alive), begun);
            EXPECT_EQ(alive, 1);
        }
        EXPECT_EQ(alive, 0);
        EXPECT_FALSE(begun);
        co_return;
    });
}

// ---- what an item may be ------------------------------------------------------------------------

AsyncGenerator<std::string> texts(std::string named) {
    co_yield "converted";
    co_yield named;             // a copy
    co_yield named + ", too";   // moved
    co_yield std::move(named);  // moved
}
AsyncGenerator<MoveOnly> move_only() {
    co_yield MoveOnly(1);
    MoveOnly named(2);
    co_yield std::move(named);
}
AsyncGenerator<std::string&> lines(std::string& shared) {
    co_yield shared;
    shared += "!";
    co_yield shared;
}
AsyncGenerator<const std::string&> views() { co_yield "a string that lives as long as the body stands here"; }
AsyncGenerator<bool> flags() {
    co_yield false;
    co_yield true;
}

TEST_P(AsyncGeneratorTest, ItemsAreCopiedMovedOrConvertedAsTheyAreYielded) {
    run([]() -> Coro<> {
        const auto all = co_await collect(texts("a name that is long enough for the heap"));
        EXPECT_EQ(all.size(), 4u);
        EXPECT_EQ(all[0], "converted");
        EXPECT_EQ(all[1], "a name that is long enough for the heap");
        EXPECT_EQ(all[2], "a name that is long enough for the heap, too");
        EXPECT_EQ(all[3], all[1]);
        auto owned = move_only();
        int sum = 0;
        while (auto item = co_await owned.next()) sum += item->value();
        EXPECT_EQ(sum, 3);
        const auto both = co_await collect(flags());  // a false item is an item
        EXPECT_EQ(both, (std::vector{false, true}));
    });
}

TEST_P(AsyncGeneratorTest, AReferenceIsTheYieldedObjectItself) {
    run([]() -> Coro<> {
        std::string text = "text";
        auto gen = lines(text);
        auto first = co_await gen.next();
        EXPECT_EQ(&*first, &text);
        *first += "?";
        const auto second = co_await gen.next();
        EXPECT_EQ(second.value(), "text?!");
        const auto end = co_await gen.next();
        EXPECT_FALSE(end);
        EXPECT_THROW(end.value(), std::bad_optional_access);
        auto constants = views();
        const auto view = co_await constants.next();
        EXPECT_EQ(view->substr(0, 8), "a string");
    });
}

// ---- whose the body is --------------------------------------------------------------------------

TEST_P(AsyncGeneratorTest, TheBodyRunsAsPartOfTheTaskThatAsks) {
    run([]() -> Coro<> {
        const auto names = []() -> AsyncGenerator<std::string> {
            for (;;) {
                co_await sleep(0s);
                co_yield current_task().name();
            }
        };
        auto gen = names();
        auto first = co_await gen.next();
        EXPECT_EQ(*first, current_task().name());
        const auto elsewhere = [](AsyncGenerator<std::string>& shared) -> Coro<std::string> {
            auto item = co_await shared.next();
            co_return *item;
        };
        const std::string other = co_await create_task({.name = "other"}, elsewhere, std::ref(gen));
        EXPECT_EQ(other, "other");
    });
}

TEST_P(AsyncGeneratorTest, ATaskThatWaitsInsideABodyShowsBothInItsStack) {
    run([]() -> Coro<> {
        const auto consume = []() -> Coro<> {
            auto gen = slowly(1, 1h);
            const auto item = co_await gen.next();
            ADD_FAILURE() << item.has_value();
        };
        auto task = create_task(consume);
        co_await sleep(0s);
        co_await sleep(0s);
        std::string all;
        for (const std::string& frame : task.get_stack()) all += frame + ' ';
        const std::size_t consumer = all.find("TestBody");
        const std::size_t body = all.find("asyncio::slowly (async_generator_test.cpp:");
        EXPECT_NE(consumer, std::string::npos) << all;
        EXPECT_NE(body, std::string::npos) << all;
        EXPECT_LT(consumer, body) << all;
        task.cancel();
        co_await wait(handles(task));
    });
}

TEST_P(AsyncGeneratorTest, ATimeoutReachesTheBodyWhereItWaits) {
    run([]() -> Coro<> {
        Log log;
        const auto body = [](Log& written) -> AsyncGenerator<int> {
            try {
                co_await sleep(1h);
            } catch (const CancelledError&) {
                written.push_back("cancelled");
                throw;
            }
            co_yield 1;
        };
        auto gen = body(log);
        bool late = false;
        try {
            co_await wait_for(gen.next(), 1ms);
        } catch (const TimeoutError&) {
            late = true;
        }
        EXPECT_TRUE(late);
        EXPECT_EQ(log, Log{"cancelled"});
        EXPECT_FALSE(gen.valid());
    });
}

TEST_P(AsyncGeneratorTest, ABodyMaySwallowACancelAndYield) {
    run([]() -> Coro<> {
        const auto stubborn = []() -> AsyncGenerator<std::string> {
            try {
                co_await sleep(1h);
            } catch (const CancelledError&) {}
            co_yield "cancelled";
            co_yield "and more";
        };
        auto gen = stubborn();
        get_running_loop().call_soon([self = current_task()] { self.cancel(); });
        const auto first = co_await gen.next();
        EXPECT_EQ(*first, "cancelled");
        current_task().uncancel();
        const auto second = co_await gen.next();
        EXPECT_EQ(*second, "and more");
    });
}

TEST_P(AsyncGeneratorTest, APendingCancelIsThrownBeforeTheBodyGoesOn) {
    run([]() -> Coro<> {
        auto gen = count_to(3);
        const auto first = co_await gen.next();
        EXPECT_EQ(*first, 1);
        current_task().cancel("now");
        std::string what;
        try {
            co_await gen.next();
        } catch (const CancelledError& error) {
            what = error.message();
        }
        current_task().uncancel();
        EXPECT_EQ(what, "now");
        const auto second = co_await gen.next();
        EXPECT_EQ(*second, 2) << "no item was lost";
    });
}

TEST_P(AsyncGeneratorTest, WhatLeavesTheBodyLeavesNextOnceAndThenItIsAtItsEnd) {
    run([]() -> Coro<> {
        int alive = 0;
        const auto fails = [](Counted) -> AsyncGenerator<int> {
            co_yield 1;
            co_await sleep(0s);
            throw ValueError("the body fails");
        };
        auto gen = fails(Counted(&alive));
        co_await gen.next();
        std::string what;
        try {
            co_await gen.next();
        } catch (const ValueError& error) {
            what = error.what();
            EXPECT_EQ(alive, 0) << "the frame, with its parameters, has gone before the handler runs";
        }
        EXPECT_EQ(what, "the body fails");
        const auto end = co_await gen.next();
        EXPECT_FALSE(end.has_value());
    });
}

TEST_P(AsyncGeneratorTest, AtItsEndItsFrameIsGoneBeforeTheConsumerGoesOn) {
    run([]() -> Coro<> {
        int alive = 0;
        const auto body = [](Counted) -> AsyncGenerator<int> { co_yield 1; };
        auto gen = body(Counted(&alive));
        co_await gen.next();
        EXPECT_EQ(alive, 1);
        const auto end = co_await gen.next();
        EXPECT_FALSE(end.has_value());
        EXPECT_EQ(alive, 0);
    });
}

// ---- closing ------------------------------------------------------------------------------------

TEST_P(AsyncGeneratorTest, AcloseLetsTheBodyCleanUpWithAwaits) {
    run([]() -> Coro<> {
        Log log;
        auto gen = cleans_up(log);
        co_await gen.next();
        co_await gen.aclose();
        EXPECT_EQ(log, (Log{"GeneratorExit", "clean"}));
        EXPECT_FALSE(gen.valid());
        co_await gen.aclose();  // again: nothing
        const auto end = co_await gen.next();
        EXPECT_FALSE(end.has_value());
    });
}

TEST_P(AsyncGeneratorTest, AcloseUnderAPendingCancelRunsTheCleanupWhoseFirstAwaitMeetsIt) {
    run([]() -> Coro<> {
        Log log;
        const auto source = [](Log& into) -> AsyncGenerator<int> {
            try {
                co_yield 1;
            } catch (const GeneratorExit&) {
                into.push_back("exit");
            }
            try {
                co_await sleep(1h);
            } catch (const CancelledError&) {
                into.push_back("cancelled");
            }
        };
        auto gen = source(log);
        co_await gen.next();
        current_task().cancel();
        co_await gen.aclose();
        current_task().uncancel();
        EXPECT_EQ(log, (Log{"exit", "cancelled"}));
        EXPECT_FALSE(gen.valid());
    });
}

TEST_P(AsyncGeneratorTest, AcloseOfOneThatWasNeverAskedRunsNothing) {
    run([]() -> Coro<> {
        Log log;
        auto gen = cleans_up(log);
        co_await gen.aclose();
        EXPECT_TRUE(log.empty());
        EXPECT_FALSE(gen.valid());
    });
}

TEST_P(AsyncGeneratorTest, ABodyThatCatchesGeneratorExitAndReturnsIsClosed) {
    run([]() -> Coro<> {
        const auto quiet = []() -> AsyncGenerator<int> {
            try {
                co_yield 1;
            } catch (const GeneratorExit&) {}
        };
        auto gen = quiet();
        co_await gen.next();
        co_await gen.aclose();
        EXPECT_FALSE(gen.valid());
    });
}

TEST_P(AsyncGeneratorTest, ABodyThatYieldsWhenItIsClosedIsDestroyedThereAndRefused) {
    run([]() -> Coro<> {
        int alive = 0;
        const auto ignores = [](Counted) -> AsyncGenerator<int> {
            for (int i = 0;; ++i) {
                try {
                    co_yield i;
                } catch (const GeneratorExit&) {}
            }
        };
        auto gen = ignores(Counted(&alive));
        co_await gen.next();
        std::string what;
        try {
            co_await gen.aclose();
        } catch (const RuntimeError& error) {
            what = error.what();
        }
        EXPECT_EQ(what.find("async generator ignored GeneratorExit: '"), 0u) << what;
        EXPECT_EQ(alive, 0);
        EXPECT_FALSE(gen.valid());
    });
}

TEST_P(AsyncGeneratorTest, AnErrorInTheCleanupLeavesAclose) {
    run([]() -> Coro<> {
        const auto fails = []() -> AsyncGenerator<int> {
            try {
                co_yield 1;
            } catch (const GeneratorExit&) {}
            co_await sleep(0s);
            throw ValueError("in the cleanup");
        };
        auto gen = fails();
        co_await gen.next();
        std::string what;
        try {
            co_await gen.aclose();
        } catch (const ValueError& error) {
            what = error.what();
        }
        EXPECT_EQ(what, "in the cleanup");
        EXPECT_FALSE(gen.valid());
    });
}

TEST_P(AsyncGeneratorTest, WithClosesItAtTheEndOfTheBodyHoweverThatEnds) {
    run([]() -> Coro<> {
        Log log;
        const int first = co_await with(cleans_up(log), [](AsyncGenerator<int>& gen) -> Coro<int> {
            auto item = co_await gen.next();
            co_return *item;
        });
        EXPECT_EQ(first, 1);
        EXPECT_EQ(log, (Log{"GeneratorExit", "clean"}));
        log.clear();
        auto named = cleans_up(log);
        bool failed = false;
        try {
            co_await with(named, [&]() -> Coro<> {
                co_await named.next();
                throw ValueError("body");
            });
        } catch (const ValueError&) {
            failed = true;
        }
        EXPECT_TRUE(failed);
        EXPECT_EQ(log, (Log{"GeneratorExit", "clean"}));
        EXPECT_FALSE(named.valid());
    });
}

TEST_P(AsyncGeneratorTest, DroppingOneDestroysItsBodyThereAndThen) {
    run([]() -> Coro<> {
        int alive = 0;
        Log log;
        const auto body = [](Counted, int* counter, Log& written) -> AsyncGenerator<int> {
            const Counted local(counter);
            try {
                co_yield 1;
            } catch (...) {
                written.push_back("nothing is thrown");
            }
        };
        {
            auto gen = body(Counted(&alive), &alive, log);
            co_await gen.next();
            EXPECT_EQ(alive, 2);
        }
        EXPECT_EQ(alive, 0);
        EXPECT_TRUE(log.empty());
        auto gen = body(Counted(&alive), &alive, log);
        co_await gen.next();
        gen = body(Counted(&alive), &alive, log);  // the old one goes
        EXPECT_EQ(alive, 1);
        auto moved = std::move(gen);
        const auto nothing = co_await gen.next();  // NOLINT(bugprone-use-after-move)
        EXPECT_FALSE(nothing.has_value());
        const auto item = co_await moved.next();
        EXPECT_EQ(*item, 1);
    });
}

// ---- what is refused ----------------------------------------------------------------------------

TEST_P(AsyncGeneratorTest, UsedTwiceAtOnceIsRefusedByName) {
    run([]() -> Coro<> {
        auto gen = slowly(2, 10ms);
        const auto first = [](AsyncGenerator<int>& shared) -> Coro<int> {
            auto item = co_await shared.next();
            co_return *item;
        };
        const auto task = create_task(first, std::ref(gen));
        co_await sleep(1ms);
        std::string next;
        std::string close;
        try {
            co_await gen.next();
        } catch (const RuntimeError& error) {
            next = error.what();
        }
        try {
            co_await gen.aclose();
        } catch (const RuntimeError& error) {
            close = error.what();
        }
        EXPECT_EQ(next.find("anext(): asynchronous generator is already running: 'asyncio::slowly'"), 0u)
            << next;
        EXPECT_EQ(close.find("aclose(): asynchronous generator is already running: 'asyncio::slowly'"), 0u)
            << close;
        const int item = co_await task;
        EXPECT_EQ(item, 1) << "the one that waits is none the worse";
        const auto second = co_await gen.next();
        EXPECT_EQ(*second, 2);
    });
}

TEST_P(AsyncGeneratorTest, OneThatAsksItselfIsRefused) {
    run([]() -> Coro<> {
        std::optional<AsyncGenerator<int>> self;
        const auto body = [](std::optional<AsyncGenerator<int>>& me) -> AsyncGenerator<int> {
            const auto item = co_await me->next();
            co_yield *item;
        };
        self.emplace(body(self));
        std::string what;
        try {
            co_await self->next();
        } catch (const RuntimeError& error) {
            what = error.what();
        }
        EXPECT_EQ(what.find("anext(): asynchronous generator is already running"), 0u) << what;
    });
}

TEST_P(AsyncGeneratorTest, OneThatHasBegunOnAnotherLoopIsRefusedByName) {
    auto gen = count_to(3);
    run([&]() -> Coro<> { co_await gen.next(); });
    run([&]() -> Coro<> {
        std::string what;
        try {
            co_await gen.next();
        } catch (const RuntimeError& error) {
            what = error.what();
        }
        EXPECT_EQ(what.find("async generator 'asyncio::count_to' belongs to a different loop"), 0u) << what;
        co_return;
    });
}

using AsyncGeneratorDeathTest = SimulatedTest;

TEST_F(AsyncGeneratorDeathTest, DestroyedOrMovedWhileItsNextIsPending) {
    const auto pending = [](bool move) {
        run([move]() -> Coro<> {
            auto gen = std::make_unique<AsyncGenerator<int>>(slowly(1, 1h));
            const auto ask = [](AsyncGenerator<int>& shared) -> Coro<> { co_await shared.next(); };
            const auto task = create_task(ask, std::ref(*gen));
            co_await sleep(1ms);
            if (move) const AsyncGenerator<int> thief = std::move(*gen);
            gen.reset();
        });
    };
    EXPECT_DEATH(pending(false), "destroyed while its next\\(\\) is pending");
    EXPECT_DEATH(pending(true), "moved while its next\\(\\) is pending");
}

// ---- asend, athrow ------------------------------------------------------------------------------

AsyncGenerator<std::string, std::string> echo() {
    std::string answer = "begin";
    for (;;) {
        auto got = co_yield answer;
        answer = got.has_value() ? "got " + *got : "got nothing";
    }
}

TEST_P(AsyncGeneratorTest, AsendIsWhatTheYieldGives) {
    run([]() -> Coro<> {
        auto gen = echo();
        std::string what;
        try {
            co_await gen.asend("too early");
        } catch (const RuntimeError& error) {
            what = error.what();
        }
        EXPECT_EQ(what.find("asend(): can't send a value to a just-started async generator"), 0u) << what;
        auto item = co_await gen.next();
        EXPECT_EQ(*item, "begin");
        item = co_await gen.asend("a text that is long enough for the heap");
        EXPECT_EQ(*item, "got a text that is long enough for the heap");
        item = co_await gen.next();
        EXPECT_EQ(*item, "got nothing");
    });
}

TEST_P(AsyncGeneratorTest, AthrowThrowsAtTheYield) {
    run([]() -> Coro<> {
        const auto catches = []() -> AsyncGenerator<std::string> {
            std::string text = "begin";
            for (int i = 0; i < 2; ++i) {
                try {
                    co_yield text;
                } catch (const ValueError& error) {
                    text = std::string("caught ") + error.what();
                }
            }
            co_yield text;
        };
        auto gen = catches();
        co_await gen.next();
        auto item = co_await gen.athrow(std::make_exception_ptr(ValueError("v")));
        EXPECT_EQ(*item, "caught v");
        bool thrown = false;
        try {
            co_await gen.athrow(std::make_exception_ptr(RuntimeError("r")));
        } catch (const RuntimeError&) {
            thrown = true;
        }
        EXPECT_TRUE(thrown);
        EXPECT_FALSE(gen.valid());
        auto fresh = catches();
        thrown = false;
        try {
            co_await fresh.athrow(std::make_exception_ptr(RuntimeError("r")));
        } catch (const RuntimeError&) {
            thrown = true;
        }
        EXPECT_TRUE(thrown);
        EXPECT_FALSE(fresh.valid());
    });
}

// ---- cancels and orders -------------------------------------------------------------------------

Coro<> iterates_and_closes() {
    Log log;
    const auto body = [](Log& written) -> AsyncGenerator<std::string> {
        std::exception_ptr error;
        try {
            for (int i = 0; i < 3; ++i) {
                co_await sleep(i == 1 ? Duration(0s) : Duration(1ms));
                co_yield std::to_string(i) + " in a string that is long enough for the heap";
            }
        } catch (...) {
            error = std::current_exception();
        }
        try {
            co_await sleep(1ms);
        } catch (const CancelledError&) {
            written.push_back("cleanup cancelled");
            throw;
        }
        written.push_back("clean");
        if (error != nullptr) std::rethrow_exception(error);
    };
    std::exception_ptr cancelled;
    try {
        co_await with(body(log), [](AsyncGenerator<std::string>& gen) -> Coro<> {
            co_await gen.next();
            co_await gen.next();
            co_await sleep(1ms);
        });
    } catch (const CancelledError&) {
        cancelled = std::current_exception();
    }
    if (log.size() > 1) throw RuntimeError("cleaned up twice");
    if (cancelled != nullptr) std::rethrow_exception(cancelled);
}

using AsyncGeneratorCancel = test::LoopTest;

TEST_F(AsyncGeneratorCancel, AtEveryStepOnceAndTwice) {
    const auto points =
        test::expect_each_cancel_point(iterates_and_closes, {.virtual_time = true, .seeds = 2});
    EXPECT_EQ(points.survived, 0u);
    EXPECT_GT(points.cancelled, 10u);
    test::expect_each_cancel_point(iterates_and_closes, {.virtual_time = true, .twice = true});
}

AsyncGenerator<int> counts_with_pauses(int n) {
    for (int i = 0; i < n; ++i) {
        if (i % 2 == 0) co_await sleep(0s);
        co_yield i;
    }
    co_await sleep(0s);
}
/// Two tasks ask in turn, with a lock; one is cancelled at some time.
Coro<> shares_a_generator() {
    auto gen = counts_with_pauses(3);
    Lock lock;
    std::vector<int> items;
    const auto asks = [&]() -> Coro<> {
        for (;;) {
            const auto held = co_await lock.scoped();
            const auto item = co_await gen.next();
            if (!item.has_value()) co_return;
            items.push_back(*item);
        }
    };
    const auto a = create_task(asks);
    const auto b = create_task(asks);
    co_await sleep(0s);
    a.cancel();
    std::vector<Task<>> both{a, b};
    co_await wait(both);
    // A cancel that meets the body ends it: what was yielded until then has come to somebody, in order.
    for (std::size_t i = 0; i < items.size(); ++i) EXPECT_EQ(items[i], static_cast<int>(i));
    EXPECT_FALSE(b.cancelled());
    co_await gen.aclose();
}

TEST_F(AsyncGeneratorCancel, InEachOrderOfThoseWhoShareIt) {
    const auto orders = asyncio::testing::for_each_order(shares_a_generator, 500);
    EXPECT_TRUE(orders.all);
    EXPECT_GT(orders.runs, 5u);
}

// ---- many, and deep -----------------------------------------------------------------------------

TEST_P(AsyncGeneratorTest, AMillionItemsTakeNoStack) {
    run([]() -> Coro<> {
        auto gen = count_to(1'000'000);
        long sum = 0;
        while (auto item = co_await gen.next()) sum += *item;
        EXPECT_EQ(sum, 500'000'500'000);
    });
}

AsyncGenerator<int> nested(int depth) {
    if (depth == 0) {
        co_yield 1;
        co_await sleep(0s);
        co_yield 2;
        co_return;
    }
    auto inner = nested(depth - 1);
    while (auto item = co_await inner.next()) co_yield *item;
}

TEST_F(AsyncGeneratorCancel, ADeepNestOfGeneratorsTakesNoStack) {
    test::run_and_check(
        []() -> Coro<> {
            auto gen = nested(50'000);
            int sum = 0;
            while (auto item = co_await gen.next()) sum += *item;
            EXPECT_EQ(sum, 3);
        },
        {.backend = Backend::sim});
}

}}  // namespace asyncio
