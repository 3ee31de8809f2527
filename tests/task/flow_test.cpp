// merge and map: items of tasks of their own, as a scope.
#include <gtest/gtest.h>

#include <list>
#include <memory>
#include <optional>
#include <ranges>
#include <string>
#include <utility>
#include <vector>

#include "asyncio/task/map.hpp"
#include "asyncio/task/merge.hpp"
#include "asyncio/testing/for_each_order.hpp"
#include "support/cancel_points.hpp"
#include "support/scenarios.hpp"
#include "task/task_support.hpp"

namespace asyncio { namespace {

using namespace task_test;
using test::Probe;

class FlowTest : public test::BackendTest {};
ASYNCIO_ON_EVERY_BACKEND(FlowTest);
using FlowTimes = SimulatedTest;

AsyncGenerator<std::string> ticks(std::string name, int n, Duration pause) {
    for (int i = 1; i <= n; ++i) {
        co_await sleep(pause);
        co_yield name + std::to_string(i);
    }
}
AsyncGenerator<int> count_to(int n) {
    for (int i = 1; i <= n; ++i) co_yield i;
}
/// Awaits in its cleanup, and says that it has ended.
AsyncGenerator<std::string> cleans_up(Log& log, std::string name) {
    std::exception_ptr error;
    try {
        for (;;) {
            co_await sleep(2ms);
            co_yield name;
        }
    } catch (...) {
        error = std::current_exception();
    }
    co_await sleep(1ms);
    log.push_back(name + " clean: " + describe(error));
    std::rethrow_exception(error);
}
/// g++ 12 takes no braced list in an awaiting expression.
template <class... Int>
std::vector<int> ints(Int... value) {
    return std::vector<int>{value...};
}
/// Lends its local, which holds another text each time.
AsyncGenerator<std::string&> lends(int n) {
    std::string local;
    for (int i = 1; i <= n; ++i) {
        local = "a text on the heap, of number " + std::to_string(i);
        co_yield local;
    }
}
void cancel_all_others() {
    for (const AnyTask& task : all_tasks()) {
        if (task != current_task()) task.cancel();
    }
}
template <class T>
Coro<std::vector<T>> take_all(Flow<T>& flow) {
    std::vector<T> all;
    while (auto item = co_await flow.next()) all.push_back(std::move(*item));
    co_return all;
}

// ---- merge --------------------------------------------------------------------------------------

TEST_P(FlowTest, MergeGivesTheItemsOfAllSources) {
    run([]() -> Coro<> {
        auto all = co_await with(merge(count_to(3), count_to(2), count_to(0)),
                                 [](Flow<int>& items) { return take_all(items); });
        std::ranges::sort(all);
        EXPECT_EQ(all, (std::vector{1, 1, 2, 2, 3}));
    });
}

TEST_F(FlowTimes, MergeGivesItemsAsTheyCome) {
    run([]() -> Coro<> {
        const auto all = co_await with(merge(ticks("slow", 2, 5ms), ticks("fast", 3, 2ms)),
                                       [](Flow<std::string>& items) { return take_all(items); });
        EXPECT_EQ(all, (Log{"fast1", "fast2", "slow1", "fast3", "slow2"}));
    });
}

TEST_F(FlowTimes, LeavingAMergeCancelsAndClosesItsSources) {
    run([]() -> Coro<> {
        Log log;
        const std::string first = co_await with(merge(cleans_up(log, "a"), ticks("b", 1, 1ms)),
                                                [](Flow<std::string>& items) -> Coro<std::string> {
                                                    auto item = co_await items.next();
                                                    co_return *item;
                                                });
        EXPECT_EQ(first, "b1");
        EXPECT_EQ(log, Log{"a clean: CancelledError"});  // it waited
        log.clear();
        co_await with(merge(cleans_up(log, "a"), ticks("b", 2, 5ms)), [](Flow<std::string>& items) -> Coro<> {
            co_await items.next();
            co_await sleep(10ms);
        });
        EXPECT_EQ(log, Log{"a clean: GeneratorExit"});  // it had yielded
    });
}

TEST_P(FlowTest, AFailureOfASourceIsThrownInItsTurnAndEndsTheFlow) {
    run([]() -> Coro<> {
        const auto fails = []() -> AsyncGenerator<int> {
            co_yield 7;
            throw ValueError("source");
        };
        Log log;
        co_await with(merge(fails()), [&](Flow<int>& items) -> Coro<> {
            auto item = co_await items.next();
            log.push_back(std::to_string(*item));
            try {
                co_await items.next();
            } catch (const ValueError& error) {
                log.push_back(error.what());
            }
            item = co_await items.next();
            EXPECT_FALSE(item.has_value());
        });
        EXPECT_EQ(log, (Log{"7", "source"}));
    });
}

TEST_F(FlowTimes, FurtherFailuresGoToTheExceptionHandler) {
    std::vector<std::string> reports;
    EventLoop loop(RunOptions{.backend = Backend::sim});
    loop.set_exception_handler(
        [&](EventLoop&, const ExceptionContext& context) { reports.push_back(describe(context.exception)); });
    const auto amain = []() -> Coro<> {
        const auto fails = [](std::string text) -> AsyncGenerator<int> {
            co_await sleep(1ms);
            throw ValueError(text);
            co_yield 1;
        };
        bool thrown = false;
        try {
            co_await with(merge(fails("first"), fails("second")),
                          [](Flow<int>& items) -> Coro<> { co_await items.next(); });
        } catch (const ValueError& error) {
            thrown = std::string(error.what()) == "first";
        }
        EXPECT_TRUE(thrown);
    };
    loop.run_until_complete(amain());
    EXPECT_EQ(reports, Log{"ValueError: second"});
}

TEST_P(FlowTest, ReferencesAreMergedAsReferences) {
    run([]() -> Coro<> {
        std::string text = "text";
        const auto source = [](std::string& shared) -> AsyncGenerator<std::string&> { co_yield shared; };
        co_await with(merge(source(text)), [&](Flow<std::string&>& items) -> Coro<> {
            const auto item = co_await items.next();
            EXPECT_EQ(&*item, &text);
        });
    });
}

TEST_P(FlowTest, WhatAMergedGeneratorLendsLivesUntilTheNextItemIsAskedFor) {
    run([]() -> Coro<> {
        Log log;
        co_await with(merge(lends(2)), [&](Flow<std::string&>& items) -> Coro<> {
            while (auto item = co_await items.next()) {
                for (int i = 0; i < 3; ++i) co_await sleep(0s);  // whoever brought it has had its turn
                log.push_back(*item);
            }
        });
        EXPECT_EQ(log, (Log{"a text on the heap, of number 1", "a text on the heap, of number 2"}));
        co_await with(merge(lends(2), lends(2)),
                      [](Flow<std::string&>& items) -> Coro<> { co_await items.next(); });
    });
}

TEST_P(FlowTest, ACancelOfATaskOfAMergeWaitsUntilWhatItLendsIsGivenBack) {
    run([]() -> Coro<> {
        bool cancelled = false;
        try {
            co_await with(merge(lends(2)), [](Flow<std::string&>& items) -> Coro<> {
                const auto item = co_await items.next();
                cancel_all_others();
                for (int i = 0; i < 3; ++i) co_await sleep(0s);
                EXPECT_EQ(*item, "a text on the heap, of number 1");
                co_await items.next();
            });
        } catch (const CancelledError&) {
            cancelled = true;
        }
        EXPECT_TRUE(cancelled);
    });
}

// ---- what is refused ----------------------------------------------------------------------------

TEST_P(FlowTest, OutsideOfItsScopeNextIsRefused) {
    run([]() -> Coro<> {
        auto flow = merge(count_to(1));
        std::string what;
        try {
            co_await flow.next();
        } catch (const RuntimeError& error) {
            what = error.what();
        }
        EXPECT_EQ(what.find("next() of a Flow outside of its scope"), 0u) << what;
        const auto all = co_await with(flow, [](Flow<int>& items) { return take_all(items); });
        EXPECT_EQ(all, std::vector{1});
        what.clear();
        try {
            co_await with(flow, [] {});
        } catch (const RuntimeError& error) {
            what = error.what();
        }
        EXPECT_EQ(what, "this Flow was entered already");
    });
}

TEST_P(FlowTest, TwoThatAskAtOnceAreRefused) {
    run([]() -> Coro<> {
        co_await with(merge(ticks("a", 1, 1ms)), [](Flow<std::string>& items) -> Coro<> {
            const auto ask = [](Flow<std::string>& flow) -> Coro<> { co_await flow.next(); };
            const auto outcomes = co_await gather(return_exceptions, ask(items), ask(items));
            EXPECT_TRUE(std::get<0>(outcomes).has_value());
            EXPECT_EQ(std::get<1>(outcomes).what().find("another task waits in next() of this Flow"), 0u);
        });
    });
}

TEST_P(FlowTest, ALimitOfZeroIsRefused) {
    EXPECT_EQ(thrown<ValueError>([] { map(0, ints(1), [](int i) { return after(1ms, i); }); }),
              "map: the limit must be at least 1");
}

// ---- map ----------------------------------------------------------------------------------------

/// Sleeps as many milliseconds as it is told; counts how many do so at once.
class Gauge {
  public:
    Coro<int> wait(int ms) {
        most_ = std::max(most_, ++now_);
        ++calls_;
        std::exception_ptr error;
        try {
            co_await sleep(std::chrono::milliseconds(ms));
        } catch (...) {
            error = std::current_exception();
        }
        --now_;
        if (error != nullptr) std::rethrow_exception(error);
        co_return ms;
    }
    int most() const { return most_; }
    int calls() const { return calls_; }
    int running() const { return now_; }

  private:
    int now_ = 0;
    int most_ = 0;
    int calls_ = 0;
};

TEST_F(FlowTimes, MapGivesResultsInOrderAndRunsSoManyAtOnce) {
    run([]() -> Coro<> {
        Gauge gauge;
        const std::vector<int> delays{5, 1, 4, 2, 3, 1};
        const TimePoint begin = now();
        const auto all = co_await with(map(3, delays, [&](int ms) { return gauge.wait(ms); }),
                                       [](Flow<int>& results) { return take_all(results); });
        EXPECT_EQ(all, delays);
        EXPECT_EQ(gauge.most(), 3);
        EXPECT_LT(now() - begin, 16ms);
    });
}

TEST_F(FlowTimes, MapUnorderedGivesThemAsTheyAreReady) {
    run([]() -> Coro<> {
        Gauge gauge;
        const auto all =
            co_await with(map_unordered(3, ints(5, 1, 4, 2), [&](int ms) { return gauge.wait(ms); }),
                          [](Flow<int>& results) { return take_all(results); });
        EXPECT_EQ(all, (std::vector{1, 2, 4, 5}));  // the fourth begins when the second has ended: 1 + 2 = 3
        EXPECT_EQ(gauge.most(), 3);
    });
}

TEST_F(FlowTimes, ASlowConsumerStopsTheSource) {
    run([]() -> Coro<> {
        Gauge gauge;
        int asked = 0;
        const auto source = [](int& count) -> AsyncGenerator<int> {
            for (;;) {
                ++count;
                co_yield 1;
            }
        };
        co_await with(map(4, source(asked), [&](int ms) { return gauge.wait(ms); }),
                      [&](Flow<int>& results) -> Coro<> {
                          co_await sleep(100ms);
                          EXPECT_EQ(asked, 4);
                          EXPECT_EQ(gauge.calls(), 4);
                          co_await results.next();
                          co_await results.next();
                          co_await sleep(100ms);
                          EXPECT_EQ(asked, 6);
                      });
        EXPECT_EQ(gauge.running(), 0);
    });
}

TEST_P(FlowTest, MapTakesGeneratorsContainersAndViews) {
    run([]() -> Coro<> {
        const auto twice = [](int i) -> Coro<int> { co_return 2 * i; };
        auto all = co_await with(map(2, count_to(3), twice), [](Flow<int>& r) { return take_all(r); });
        EXPECT_EQ(all, (std::vector{2, 4, 6}));
        const std::list<int> borrowed{4, 5};
        all = co_await with(map(2, borrowed, twice), [](Flow<int>& r) { return take_all(r); });
        EXPECT_EQ(all, (std::vector{8, 10}));
        all = co_await with(map(2, std::views::iota(1, 4), twice), [](Flow<int>& r) { return take_all(r); });
        EXPECT_EQ(all, (std::vector{2, 4, 6}));
        // Elements of a container that is handed over are moved into their calls.
        std::vector<MoveOnly> owned;
        owned.emplace_back(1);
        owned.emplace_back(2);
        const auto value_of = [](MoveOnly given) -> Coro<int> {
            co_await sleep(0s);
            co_return given.value();
        };
        all = co_await with(map(2, std::move(owned), value_of), [](Flow<int>& r) { return take_all(r); });
        EXPECT_EQ(all, (std::vector{1, 2}));
        // Those of one that is borrowed are the very elements.
        std::vector<std::string> texts{"a", "b"};
        const auto mark = [](std::string& text) -> Coro<> {
            text += "!";
            co_return;
        };
        co_await with(map(1, texts, mark), [](Flow<std::monostate>& r) { return take_all(r); });
        EXPECT_EQ(texts, (Log{"a!", "b!"}));
        // A function may give another awaitable than a coroutine.
        all = co_await with(map(2, ints(1, 2), [](int i) { return wait_for(after(0s, i), 1s); }),
                            [](Flow<int>& r) { return take_all(r); });
        EXPECT_EQ(all, (std::vector{1, 2}));
    });
}

TEST_P(FlowTest, WhatAMappedGeneratorLendsIsCopiedIntoItsCall) {
    run([]() -> Coro<> {
        const auto echo = [](const std::string& text) -> Coro<std::string> {
            for (int i = 0; i < 3; ++i) co_await sleep(0s);
            co_return text;
        };
        const auto all =
            co_await with(map(3, lends(2), echo), [](Flow<std::string>& r) { return take_all(r); });
        EXPECT_EQ(all, (Log{"a text on the heap, of number 1", "a text on the heap, of number 2"}));
    });
}

TEST_P(FlowTest, MapTakesWhatAViewMakesAndCannotBeCopied) {
    run([]() -> Coro<> {
        auto made =
            std::views::iota(1, 4) | std::views::transform([](int i) { return std::make_unique<int>(i); });
        const auto value_of = [](std::unique_ptr<int> given) -> Coro<int> {
            co_await sleep(0s);
            co_return *given;
        };
        const auto all =
            co_await with(map(2, std::move(made), value_of), [](Flow<int>& r) { return take_all(r); });
        EXPECT_EQ(all, (std::vector{1, 2, 3}));
    });
}

TEST_F(FlowTimes, AFailureOfAMappedCallIsThrownInItsItemsTurn) {
    run([]() -> Coro<> {
        Gauge gauge;
        Log log;
        const auto call = [&](int ms) -> Coro<int> {
            const int slept = co_await gauge.wait(ms);
            if (ms == 1) throw ValueError("one");
            co_return slept;
        };
        bool thrown = false;
        try {
            co_await with(map(2, ints(5, 1, 9, 9, 9), call), [&](Flow<int>& results) -> Coro<> {
                auto result = co_await results.next();
                log.push_back(std::to_string(*result));
                co_await results.next();
            });
        } catch (const ValueError& error) {
            thrown = std::string(error.what()) == "one";
        }
        EXPECT_TRUE(thrown);
        EXPECT_EQ(log, Log{"5"});
        EXPECT_EQ(gauge.calls(), 2) << "none is begun after a failure";
    });
}

TEST_F(FlowTimes, ACallThatIsCancelledBeforeItBeginsCancelsTheConsumer) {
    run([]() -> Coro<> {
        bool cancelled = false;
        try {
            co_await with(map(2, ints(1, 2), [](int i) { return after(1ms, i); }),
                          [](Flow<int>& results) -> Coro<> {
                              co_await sleep(0s);  // the feeder has made them
                              cancel_all_others();
                              co_await results.next();
                          });
        } catch (const CancelledError&) {
            cancelled = true;
        }
        EXPECT_TRUE(cancelled);
    });
}

TEST_P(FlowTest, ACallThatIsCancelledJustAfterItsResultWasTakenAnswersOnce) {
    run([&]() -> Coro<> {
        for (const bool in_order : {true, false}) {
            const auto call = [](int i) -> Coro<int> { co_return i; };
            Flow<int> flow = in_order ? map(2, ints(1, 2, 3), call) : map_unordered(2, ints(1, 2, 3), call);
            bool cancelled = false;
            try {
                co_await with(flow, [](Flow<int>& results) -> Coro<> {
                    const auto first = co_await results.next();
                    EXPECT_EQ(*first, 1);
                    cancel_all_others();
                    co_await sleep(0s);
                    co_await results.next();
                });
            } catch (const CancelledError&) {
                cancelled = true;
            }
            EXPECT_TRUE(cancelled);
        }
    });
}

// The item wakes the consumer, and before that has its turn the task that brings the item is cancelled, and
// takes it along.
TEST_P(FlowTest, AnItemThatIsWithdrawnBeforeItIsTakenIsNoEnd) {
    run([&]() -> Coro<> {
        for (const bool in_order : {true, false}) {
            std::optional<AnyTask> bringer;
            Future<> go;
            const auto call = [&](int i) -> Coro<int> {
                if (i == 1) {
                    bringer = current_task();
                    co_await go;
                    get_running_loop().call_soon([&] { bringer->cancel(); });
                } else {
                    co_await sleep(1h);
                }
                co_return i;
            };
            Flow<int> flow = in_order ? map(2, ints(1, 2), call) : map_unordered(2, ints(1, 2), call);
            std::string outcome = "none";
            try {
                co_await with(flow, [&](Flow<int>& results) -> Coro<> {
                    get_running_loop().call_later(1ms, [&] { go.set_result(); });
                    const auto first = co_await results.next();
                    outcome = first.has_value() ? "an item" : "the end";
                });
            } catch (const CancelledError&) {
                outcome = "cancelled";
            }
            EXPECT_EQ(outcome, "cancelled") << (in_order ? "in order" : "as they come");
        }
    });
}

TEST_P(FlowTest, AnItemThatIsWithdrawnLeavesTheOthersToTheConsumer) {
    run([&]() -> Coro<> {
        std::optional<AnyTask> bringer;
        const auto call = [&](int i) -> Coro<int> {
            co_await sleep(std::chrono::milliseconds(i));
            if (i == 1) {
                bringer = current_task();
                get_running_loop().call_soon([&] { bringer->cancel(); });
            }
            co_return i;
        };
        Log log;
        try {
            co_await with(map_unordered(2, ints(1, 2), call), [&](Flow<int>& results) -> Coro<> {
                while (auto item = co_await results.next()) log.push_back(std::to_string(*item));
                log.push_back("the end");
            });
        } catch (const CancelledError&) {
            log.push_back("cancelled");
        }
        EXPECT_EQ(log.back(), "cancelled");
        EXPECT_EQ(std::count(log.begin(), log.end(), "1"), 0);
    });
}

TEST_P(FlowTest, AProgramMayEndWhileAPipelineIsBusy) {
    const auto busy = [](bool in_order) -> Coro<> {
        const auto call = [](int i) -> Coro<int> { co_return i; };
        Flow<int> flow = in_order ? map(3, count_to(1'000), call) : map_unordered(3, count_to(1'000), call);
        co_await with(flow, [](Flow<int>& results) -> Coro<> {
            while (auto result = co_await results.next()) co_await sleep(0s);
        });
    };
    const auto amain = [&](bool in_order, int turns) -> Coro<> {
        const auto task = create_task(busy(in_order));
        for (int i = 0; i < turns; ++i) co_await sleep(0s);
    };
    for (int turns = 0; turns < 20; ++turns) {
        asyncio::run(amain(true, turns), RunOptions{.backend = backend()});
        asyncio::run(amain(false, turns), RunOptions{.backend = backend()});
    }
}

TEST_F(FlowTimes, ACallThatIsCancelledWithItsFailureNotYetTakenCancelsTheConsumer) {
    Log reports;
    EventLoop loop(RunOptions{.backend = Backend::sim});
    loop.set_exception_handler(
        [&](EventLoop&, const ExceptionContext& context) { reports.push_back(describe(context.exception)); });
    const auto amain = []() -> Coro<> {
        std::optional<AnyTask> failing;
        const auto call = [&](int ms) -> Coro<int> {
            co_await sleep(std::chrono::milliseconds(ms));
            if (ms != 1) co_return ms;
            failing = current_task();
            throw ValueError("one");
        };
        bool cancelled = false;
        try {
            co_await with(map(2, ints(5, 1), call), [&](Flow<int>& results) -> Coro<> {
                co_await sleep(2ms);
                failing->cancel();
                co_await sleep(10ms);
                const auto first = co_await results.next();
                EXPECT_EQ(*first, 5);
                co_await wait_for(results.next(), 1h);
            });
        } catch (const CancelledError&) {
            cancelled = true;
        }
        EXPECT_TRUE(cancelled);
    };
    loop.run_until_complete(amain());
    EXPECT_EQ(reports, Log{"ValueError: one"});
}

TEST_P(FlowTest, ManyItemsPassAndNoneIsLost) {
    run([]() -> Coro<> {
        long sum = 0;
        co_await with(map(16, count_to(5'000),
                          [](int i) -> Coro<int> {
                              if (i % 7 == 0) co_await sleep(0s);
                              co_return i;
                          }),
                      [&](Flow<int>& results) -> Coro<> {
                          int expected = 0;
                          while (auto result = co_await results.next()) {
                              EXPECT_EQ(*result, ++expected);
                              sum += *result;
                          }
                      });
        EXPECT_EQ(sum, 5'000L * 5'001 / 2);
    });
}

// ---- cancels and orders -------------------------------------------------------------------------

AsyncGenerator<int> probed(int n, Duration pause) {
    const Probe probe;
    std::exception_ptr error;
    try {
        for (int i = 0; i < n; ++i) {
            co_await sleep(pause);
            co_yield i;
        }
    } catch (...) {
        error = std::current_exception();
    }
    co_await sleep(1ms);
    if (error != nullptr) std::rethrow_exception(error);
}
Coro<> merges() {
    co_await with(merge(probed(3, 1ms), probed(2, 0s)), [](Flow<int>& items) -> Coro<> {
        int count = 0;
        while (auto item = co_await items.next()) ++count;
        EXPECT_EQ(count, 5);
    });
}
Coro<> leaves_a_merge_early() {
    co_await with(merge(probed(3, 1ms), probed(2, 0s)), [](Flow<int>& items) -> Coro<> {
        co_await items.next();
        co_await sleep(1ms);
    });
}
Coro<> reads_what_a_merge_lends() {
    co_await with(merge(lends(2), lends(2)), [](Flow<std::string&>& items) -> Coro<> {
        int count = 0;
        while (auto item = co_await items.next()) {
            co_await sleep(0s);
            EXPECT_EQ(item->find("a text on the heap"), 0u);
            ++count;
        }
        EXPECT_EQ(count, 4);
    });
}
Coro<> maps() {
    co_await with(map(2, probed(4, 0s),
                      [](int i) -> Coro<int> {
                          const Probe probe;
                          co_await sleep(i % 2 == 0 ? Duration(1ms) : Duration(0s));
                          co_return i;
                      }),
                  [](Flow<int>& results) -> Coro<> {
                      int expected = 0;
                      while (auto result = co_await results.next()) EXPECT_EQ(*result, expected++);
                      EXPECT_EQ(expected, 4);
                  });
}
Coro<> uses_next_again_after_a_cancel() {
    co_await with(merge(probed(2, 1ms)), [](Flow<int>& items) -> Coro<> {
        std::exception_ptr cancelled;
        try {
            auto item = co_await items.next();
            EXPECT_EQ(*item, 0);
        } catch (const CancelledError&) {
            cancelled = std::current_exception();
        }
        int rest = 0;
        while (auto item = co_await items.next()) ++rest;
        EXPECT_EQ(rest, cancelled == nullptr ? 1 : 2);
        if (cancelled != nullptr) std::rethrow_exception(cancelled);
    });
}

using FlowCancel = test::LoopTest;

TEST_F(FlowCancel, AtEveryStepOnceAndTwice) {
    constexpr Coro<> (*scenarios[])() = {merges, leaves_a_merge_early, reads_what_a_merge_lends, maps,
                                         uses_next_again_after_a_cancel};
    for (const auto scenario : scenarios) {
        const auto clean = [] { return Probe::alive() == 0; };
        const auto points =
            test::expect_each_cancel_point(scenario, clean, {.virtual_time = true, .seeds = 2});
        EXPECT_EQ(points.survived, 0u) << "a cancel was lost";
        test::expect_each_cancel_point(scenario, clean, {.virtual_time = true, .twice = true});
        if (HasFailure()) return;
    }
}

TEST_F(FlowCancel, InEveryOrder) {
    asyncio::testing::for_each_order(merges, 500);
    asyncio::testing::for_each_order(maps, 500);
    asyncio::testing::for_each_order(leaves_a_merge_early, 500);
    asyncio::testing::for_each_order(reads_what_a_merge_lends, 500);
}

}}  // namespace asyncio
