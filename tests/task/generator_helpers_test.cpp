// enumerate, zip, interval, gather with a limit, retry.
#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "asyncio/testing/for_each_order.hpp"
#include "support/cancel_points.hpp"
#include "support/scenarios.hpp"
#include "task/task_support.hpp"

namespace asyncio { namespace {

using namespace task_test;
using test::Probe;

class GeneratorHelpers : public test::BackendTest {};
ASYNCIO_ON_EVERY_BACKEND(GeneratorHelpers);
using HelperTimes = SimulatedTest;

AsyncGenerator<std::string> words(Log* log = nullptr) {
    std::exception_ptr error;
    try {
        co_yield "one";
        co_await sleep(0s);
        co_yield "two";
        co_yield "three";
    } catch (...) {
        error = std::current_exception();
    }
    co_await sleep(0s);
    if (log != nullptr) log->push_back(error != nullptr ? describe(error) : "end");
    if (error != nullptr) std::rethrow_exception(error);
}
AsyncGenerator<int> count_to(int n, Duration pause = 0s) {
    for (int i = 1; i <= n; ++i) {
        if (pause > Duration::zero()) co_await sleep(pause);
        co_yield i;
    }
}

// ---- enumerate and zip --------------------------------------------------------------------------

TEST_P(GeneratorHelpers, EnumerateNumbersTheItems) {
    run([]() -> Coro<> {
        auto lines = enumerate(words(), 1);
        std::string all;
        while (auto line = co_await lines.next()) all += std::to_string(line->first) + line->second + ' ';
        EXPECT_EQ(all, "1one 2two 3three ");
    });
}

TEST_P(GeneratorHelpers, EnumerateOfReferencesRefers) {
    run([]() -> Coro<> {
        std::string text;
        const auto source = [](std::string& shared) -> AsyncGenerator<std::string&> { co_yield shared; };
        auto numbered = enumerate(source(text));
        const auto item = co_await numbered.next();
        EXPECT_EQ(&item->second, &text);
    });
}

TEST_P(GeneratorHelpers, ClosingAnEnumerateOrZipClosesItsSources) {
    run([]() -> Coro<> {
        Log log;
        auto numbered = enumerate(words(&log));
        co_await numbered.next();
        co_await numbered.aclose();
        EXPECT_EQ(log, Log{"GeneratorExit"});
        log.clear();
        auto zipped = zip(words(&log), words(&log));
        co_await zipped.next();
        co_await zipped.aclose();
        EXPECT_EQ(log, (Log{"GeneratorExit", "GeneratorExit"}));
    });
}

TEST_P(GeneratorHelpers, ZipGivesTuplesUntilTheShortestEnds) {
    run([]() -> Coro<> {
        Log log;
        auto pairs = zip(words(&log), count_to(2));
        std::string all;
        while (auto pair = co_await pairs.next()) {
            const auto& [word, number] = *pair;
            all += word + std::to_string(number) + ' ';
        }
        EXPECT_EQ(all, "one1 two2 ");
        EXPECT_EQ(log, Log{"GeneratorExit"});
    });
}

TEST_F(HelperTimes, ZipAsksItsSourcesAllAtOnce) {
    run([]() -> Coro<> {
        const TimePoint begin = now();
        auto pairs = zip(count_to(1, 30ms), count_to(1, 20ms), count_to(1, 10ms));
        const auto all = co_await pairs.next();
        EXPECT_TRUE(all.has_value());
        EXPECT_EQ(now() - begin, 30ms);
    });
}

TEST_P(GeneratorHelpers, AFailureOfOneSourceLeavesAZipAndCancelsTheOthers) {
    run([]() -> Coro<> {
        const auto fails = []() -> AsyncGenerator<int> {
            co_await sleep(0s);
            throw ValueError("source");
            co_yield 1;
        };
        auto pairs = zip(count_to(1, 1h), fails());
        bool thrown = false;
        try {
            co_await pairs.next();
        } catch (const ValueError&) {
            thrown = true;
        }
        EXPECT_TRUE(thrown);
    });
}

// ---- interval -----------------------------------------------------------------------------------

template <class... Work>
Coro<std::vector<long>> tick_times(IntervalOptions options, Work... works) {
    const std::vector<Duration> work{works...};
    std::vector<long> seen;
    const TimePoint begin = now();
    auto ticks = interval(10ms, options);
    for (const Duration& each : work) {
        const auto due = co_await ticks.next();
        seen.push_back((*due - begin).count() / 1'000'000);
        seen.push_back((now() - begin).count() / 1'000'000);
        co_await sleep(each);
    }
    co_return seen;
}

TEST_F(HelperTimes, IntervalTicksWithoutDrift) {
    const auto seen =
        run([]() -> Coro<std::vector<long>> { co_return co_await tick_times({}, 3ms, 9ms, 0s, 1ms); });
    EXPECT_EQ(seen, (std::vector<long>{0, 0, 10, 10, 20, 20, 30, 30}));
}

TEST_F(HelperTimes, IntervalSkipsBurstsOrDelaysWhatWasMissed) {
    // Each tick's due time and the time at which it was given; the consumer is away from 0 to 35.
    const auto times = [&](MissedTicks missed) {
        return run([&]() -> Coro<std::vector<long>> {
            co_return co_await tick_times({.missed = missed}, 35ms, 0s, 0s, 0s, 0s);
        });
    };
    EXPECT_EQ(times(MissedTicks::skip), (std::vector<long>{0, 0, 30, 35, 40, 40, 50, 50, 60, 60}));
    EXPECT_EQ(times(MissedTicks::burst), (std::vector<long>{0, 0, 10, 35, 20, 35, 30, 35, 40, 40}));
    EXPECT_EQ(times(MissedTicks::delay), (std::vector<long>{0, 0, 35, 35, 45, 45, 55, 55, 65, 65}));
}

TEST_F(HelperTimes, IntervalMayBeginLater) {
    const auto seen =
        run([]() -> Coro<std::vector<long>> { co_return co_await tick_times({.first = 4ms}, 0s, 0s); });
    EXPECT_EQ(seen, (std::vector<long>{4, 4, 14, 14}));
}

TEST_F(HelperTimes, IntervalRefusesAPeriodThatIsNotPositive) {
    EXPECT_EQ(thrown<ValueError>([] { static_cast<void>(interval(0s)); }),
              "interval: the period must be more than zero");
}

// ---- gather with a limit ------------------------------------------------------------------------

/// Runs for a while; counts how many do at once.
struct Crowd {
    int now = 0;
    int most = 0;
    int begun = 0;
};
Coro<int> in_crowd(Crowd& crowd, int value, Duration delay, Probe = Probe()) {
    crowd.most = std::max(crowd.most, ++crowd.now);
    ++crowd.begun;
    std::exception_ptr error;
    try {
        co_await sleep(delay);
    } catch (...) {
        error = std::current_exception();
    }
    --crowd.now;
    if (error != nullptr) std::rethrow_exception(error);
    if (value < 0) throw ValueError("negative");
    co_return value;
}
/// Variadic: g++ 12 takes no braced list in an awaiting expression.
template <class... Value>
std::vector<Coro<int>> crowd_of(Crowd& crowd, Value... values) {
    std::vector<Coro<int>> coros;
    (coros.push_back(in_crowd(crowd, values, 1ms)), ...);
    return coros;
}

TEST_P(GeneratorHelpers, GatherWithALimitGivesTheSameResults) {
    run([]() -> Coro<> {
        Crowd crowd;
        const auto results = co_await gather({.limit = 2}, crowd_of(crowd, 1, 2, 3, 4, 5));
        EXPECT_EQ(results, (std::vector{1, 2, 3, 4, 5}));
        EXPECT_EQ(crowd.most, 2);
        const auto none = co_await gather({.limit = 2}, std::vector<Coro<int>>());
        EXPECT_TRUE(none.empty());
        const auto unlimited = co_await gather(GatherOptions(), crowd_of(crowd, 1, 2, 3));
        EXPECT_EQ(unlimited.size(), 3u);
        EXPECT_EQ(crowd.most, 3);
        std::vector<Coro<>> voids;
        voids.push_back([]() -> Coro<> { co_await sleep(0s); }());
        const GatherOptions options{.limit = 1};
        const auto monostates = co_await gather(options, std::move(voids));
        EXPECT_EQ(monostates.size(), 1u);
    });
}

TEST_P(GeneratorHelpers, AFailureEndsAGatherWithALimitAndTheRestNeverRuns) {
    run([]() -> Coro<> {
        Crowd crowd;
        bool thrown = false;
        try {
            co_await gather({.limit = 2}, crowd_of(crowd, 1, -2, 3, 4, 5, 6));
        } catch (const ValueError&) {
            thrown = true;
        }
        EXPECT_TRUE(thrown);
        EXPECT_EQ(crowd.now, 0);
        EXPECT_LE(crowd.begun, 3);
        EXPECT_EQ(Probe::alive(), 0);
    });
}

TEST_P(GeneratorHelpers, OutcomesOfAGatherWithALimit) {
    run([]() -> Coro<> {
        Crowd crowd;
        auto coros = crowd_of(crowd, 1, -2, 3);
        coros.push_back([]() -> Coro<int> {
            current_task().cancel("itself");
            co_await sleep(0s);
            co_return 0;
        }());
        coros.push_back(in_crowd(crowd, 5, 1ms));
        const auto outcomes = co_await gather(return_exceptions, {.limit = 2}, std::move(coros));
        EXPECT_EQ(outcomes.size(), 5u);
        EXPECT_EQ(outcomes[0].value(), 1);
        EXPECT_EQ(outcomes[1].what(), "negative");
        EXPECT_EQ(outcomes[2].value(), 3);
        EXPECT_TRUE(outcomes[3].cancelled());
        EXPECT_EQ(outcomes[3].what(), "itself");
        EXPECT_EQ(outcomes[4].value(), 5);
    });
}

TEST_F(HelperTimes, ACoroutineThatSwallowsTheCancelOfALimitedGatherIsTheLastThatRan) {
    run([]() -> Coro<> {
        Crowd crowd;
        bool ended = false;
        std::vector<Coro<>> coros;
        coros.push_back(swallows(1h, 1ms, ended));
        const auto counted = [](Crowd& into) -> Coro<> { co_await in_crowd(into, 1, 1ms); };
        for (int i = 0; i < 3; ++i) coros.push_back(counted(crowd));
        get_running_loop().call_later(1ms, [self = current_task()] { self.cancel(); });
        bool cancelled = false;
        try {
            co_await gather({.limit = 1}, std::move(coros));
        } catch (const CancelledError&) {
            cancelled = true;
        }
        current_task().uncancel();
        EXPECT_TRUE(ended);
        EXPECT_EQ(crowd.begun, 0);
        EXPECT_TRUE(cancelled);
    });
}

TEST_F(HelperTimes, ACancelOfTheTasksOfALimitedGatherCancelsItThoughTheCoroutineAtHandSwallowsIt) {
    run([]() -> Coro<> {
        for (const bool keep : {false, true}) {
            Crowd crowd;
            bool ended = false;
            std::vector<Coro<>> coros;
            coros.push_back(swallows(1h, 1ms, ended));
            const auto counted = [](Crowd& into) -> Coro<> { co_await in_crowd(into, 1, 1ms); };
            for (int i = 0; i < 3; ++i) coros.push_back(counted(crowd));
            get_running_loop().call_later(1ms, [self = current_task()] {
                for (const AnyTask& task : all_tasks()) {
                    if (task != self) task.cancel();
                }
            });
            bool cancelled = false;
            try {
                if (keep) {
                    co_await gather(return_exceptions, {.limit = 1}, std::move(coros));
                } else {
                    co_await gather({.limit = 1}, std::move(coros));
                }
            } catch (const CancelledError&) {
                cancelled = true;
            }
            EXPECT_TRUE(ended);
            EXPECT_EQ(crowd.begun, 0);
            EXPECT_TRUE(cancelled);
        }
    });
}

// ---- retry --------------------------------------------------------------------------------------

/// Fails so many times, then gives its number.
Coro<int> fails_first(int& calls, int failures) {
    co_await sleep(0s);
    if (++calls <= failures) throw OSError(ECONNREFUSED, "no luck");
    co_return calls;
}

TEST_P(GeneratorHelpers, RetryCallsAgainUntilItSucceeds) {
    run([]() -> Coro<> {
        int calls = 0;
        const int result = co_await retry({.attempts = 5, .delay = 1ms}, fails_first, std::ref(calls), 2);
        EXPECT_EQ(result, 3);
        const auto failing = [&]() -> Coro<> { co_await fails_first(calls, 1'000); };
        bool thrown = false;
        calls = 0;
        try {
            co_await retry({.attempts = 3, .delay = 0s}, failing);
        } catch (const OSError&) {
            thrown = true;
        }
        EXPECT_TRUE(thrown);
        EXPECT_EQ(calls, 3);
    });
}

TEST_F(HelperTimes, RetryWaitsLongerEachTimeUpToTheMost) {
    run([]() -> Coro<> {
        std::vector<long> times;
        const TimePoint begin = now();
        const auto failing = [&]() -> Coro<> {
            times.push_back((now() - begin).count() / 1'000'000);
            throw ValueError("always");
            co_return;
        };
        try {
            co_await retry({.attempts = 6, .delay = 10ms, .factor = 3, .delay_max = 100ms, .jitter = 0},
                           failing);
        } catch (const ValueError&) {}
        EXPECT_EQ(times, (std::vector<long>{0, 10, 40, 130, 230, 330}));
    });
}

TEST_F(HelperTimes, ManyAttemptsWithoutADelayThrowWhatTheLastHasThrown) {
    run([]() -> Coro<> {
        int calls = 0;
        bool thrown = false;
        try {
            co_await retry({.attempts = 1'100, .delay = 0s}, fails_first, std::ref(calls), 10'000);
        } catch (const OSError&) {
            thrown = true;
        }
        EXPECT_TRUE(thrown);
        EXPECT_EQ(calls, 1'100);
    });
}

TEST_F(HelperTimes, ADelayOfARetryThatIsBeyondAllBoundsIsTheLongest) {
    run([]() -> Coro<> {
        int calls = 0;
        const TimePoint begin = now();
        try {
            co_await retry({.attempts = 4, .delay = 1ms, .factor = 1e300, .delay_max = 2ms, .jitter = 0},
                           fails_first, std::ref(calls), 10);
        } catch (const OSError&) {}
        EXPECT_EQ(now() - begin, 5ms);
    });
}

TEST_F(HelperTimes, TheLotOfARetryFollowsFromTheSeedOfTheSimulatedBackend) {
    const auto times = [](std::uint64_t seed) {
        return run(
            []() -> Coro<std::vector<std::int64_t>> {
                std::vector<std::int64_t> seen;
                TimePoint last = now();
                const auto failing = [&]() -> Coro<> {
                    seen.push_back((now() - last).count());
                    last = now();
                    throw ValueError("always");
                    co_return;
                };
                try {
                    co_await retry({.attempts = 20, .delay = 1s, .factor = 1, .jitter = 0.5}, failing);
                } catch (const ValueError&) {}
                co_return seen;
            },
            RunOptions{.seed = seed});
    };
    const auto first = times(7);
    EXPECT_EQ(first, times(7));
    EXPECT_NE(first, times(8));
    std::int64_t least = 2'000'000'000;
    std::int64_t most = 0;
    for (std::size_t i = 1; i < first.size(); ++i) {
        least = std::min(least, first[i]);
        most = std::max(most, first[i]);
    }
    EXPECT_GE(least, 500'000'000);
    EXPECT_LE(most, 1'000'000'000);
    EXPECT_GT(most - least, 200'000'000);
}

TEST_P(GeneratorHelpers, RetryGoesOnAfterTheFailuresThatItIsToldOnly) {
    run([]() -> Coro<> {
        int calls = 0;
        const auto failing = [&]() -> Coro<int> {
            if (++calls == 1) throw TimeoutError();
            throw ValueError("final");
            co_return 0;
        };
        bool thrown = false;
        try {
            co_await retry({.delay = 0s, .retry_if = retry_on<OSError, EOFError>}, failing);
        } catch (const ValueError&) {
            thrown = true;
        }
        EXPECT_TRUE(thrown);
        EXPECT_EQ(calls, 2);
        calls = 0;
        const auto cancelled = [&]() -> Coro<> {
            ++calls;
            throw CancelledError();
            co_return;
        };
        thrown = false;
        try {
            co_await retry({.delay = 0s, .retry_if = [](const std::exception_ptr&) { return true; }},
                           cancelled);
        } catch (const CancelledError&) {
            thrown = true;
        }
        EXPECT_TRUE(thrown);
        EXPECT_EQ(calls, 1) << "a cancel is never retried";
    });
}

TEST_P(GeneratorHelpers, RetryTakesFunctionsThatGiveOtherAwaitables) {
    run([]() -> Coro<> {
        int calls = 0;
        const auto limited = [&] {
            return wait_for(after(++calls < 2 ? Duration(1h) : Duration(0s), 7), 1ms);
        };
        const int result = co_await retry({.delay = 0s}, limited);
        EXPECT_EQ(result, 7);
        EXPECT_EQ(calls, 2);
    });
}

TEST_P(GeneratorHelpers, RetryRefusesOptionsThatMakeNoSense) {
    const auto refusal = [](RetryOptions options) {
        return thrown<ValueError>([&] { static_cast<void>(retry(options, [] { return after(0s, 1); })); });
    };
    EXPECT_EQ(refusal({.attempts = 0}), "retry: attempts must be at least 1");
    EXPECT_EQ(refusal({.delay = -1s}), "retry: a delay cannot be negative");
    EXPECT_EQ(refusal({.factor = 0.5}), "retry: factor must be at least 1");
    EXPECT_EQ(refusal({.factor = std::numeric_limits<double>::infinity()}), "retry: factor must be finite");
    EXPECT_EQ(refusal({.jitter = 1.5}), "retry: jitter is between 0 and 1");
}

// ---- cancels and orders -------------------------------------------------------------------------

AsyncGenerator<int> probed(int n) {
    const Probe probe;
    std::exception_ptr error;
    try {
        for (int i = 0; i < n; ++i) {
            co_await sleep(i == 1 ? Duration(1ms) : Duration(0s));
            co_yield i;
        }
    } catch (...) {
        error = std::current_exception();
    }
    co_await sleep(0s);
    if (error != nullptr) std::rethrow_exception(error);
}
Coro<> zips() {
    co_await with(zip(probed(2), probed(3)), [](AsyncGenerator<std::tuple<int, int>>& pairs) -> Coro<> {
        int count = 0;
        while (auto pair = co_await pairs.next()) ++count;
        EXPECT_EQ(count, 2);
    });
}
Coro<> enumerates() {
    co_await with(enumerate(probed(3)), [](AsyncGenerator<std::pair<std::size_t, int>>& items) -> Coro<> {
        co_await items.next();
        co_await items.next();
    });
}
Coro<> gathers_with_a_limit() {
    Crowd crowd;
    const auto results = co_await gather({.limit = 2}, crowd_of(crowd, 1, 2, 3, 4));
    EXPECT_EQ(results, (std::vector{1, 2, 3, 4}));
}
Coro<> gathers_outcomes_with_a_limit() {
    Crowd crowd;
    const auto outcomes = co_await gather(return_exceptions, {.limit = 2}, crowd_of(crowd, 1, -2, 3, 4));
    EXPECT_EQ(outcomes.size(), 4u);
}
Coro<> retries() {
    int calls = 0;
    const int result = co_await retry({.delay = 1ms}, fails_first, std::ref(calls), 2);
    EXPECT_EQ(result, 3);
}
Coro<> ticks() {
    auto times = interval(1ms);
    for (int i = 0; i < 3; ++i) co_await times.next();
}

using HelperCancel = test::LoopTest;

TEST_F(HelperCancel, AtEveryStepOnceAndTwice) {
    constexpr Coro<> (*all[])() = {zips,    enumerates, gathers_with_a_limit, gathers_outcomes_with_a_limit,
                                   retries, ticks};
    for (const auto scenario : all) {
        const auto clean = [] { return Probe::alive() == 0; };
        const auto points =
            test::expect_each_cancel_point(scenario, clean, {.virtual_time = true, .seeds = 2});
        EXPECT_EQ(points.survived, 0u) << "a cancel was lost";
        test::expect_each_cancel_point(scenario, clean, {.virtual_time = true, .twice = true});
        if (HasFailure()) return;
    }
}

TEST_F(HelperCancel, InEveryOrder) {
    asyncio::testing::for_each_order(zips, 500);
    asyncio::testing::for_each_order(gathers_with_a_limit, 500);
    asyncio::testing::for_each_order(gathers_outcomes_with_a_limit, 500);
}

}}  // namespace asyncio
