#include "asyncio/testing/for_each_cancel_point.hpp"

#include <chrono>
#include <cstdlib>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "asyncio/asyncio.hpp"
#include "support/loop_fixture.hpp"

namespace asyncio { namespace {

using namespace std::chrono_literals;
using asyncio::testing::CancelPoint;
using asyncio::testing::CancelPointOptions;
using asyncio::testing::CancelPoints;
using asyncio::testing::Failure;
using asyncio::testing::for_each_cancel_point;

class ForEachCancelPoint : public test::LoopTest {};

/// What the function complains of; empty: nothing.
template <class... A>
std::string complaint(A&&... arguments) {
    try {
        for_each_cancel_point(std::forward<A>(arguments)...);
    } catch (const Failure& failure) {
        return failure.what();
    }
    return {};
}

TEST_F(ForEachCancelPoint, CancelsASleepBeforeItsStartWhilePendingAndWhenDue) {
    const CancelPoints points =
        for_each_cancel_point([]() -> Coro<> { co_await sleep(1ms); }, {.backend = Backend::sim});
    // Steps: its first, the wait, the timer's turn, its last. Then the run that is not cancelled.
    EXPECT_EQ(points.runs, 5u);
    EXPECT_EQ(points.cancelled, 4u);
    EXPECT_EQ(points.survived, 0u);
}

TEST_F(ForEachCancelPoint, RunsOnEveryBackendAndTellsTheCheckWhatItDid) {
    std::string backends;
    std::set<unsigned> steps;
    for_each_cancel_point([]() -> Coro<int> { co_return co_await sleep(0s, 7); },
                          [&](const CancelPoint& point) {
                              const std::string name(to_string(point.backend));
                              if (backends.find(name) == std::string::npos) backends += " " + name;
                              steps.insert(point.step);
                              test::note_backend(point.backend);
                              EXPECT_EQ(point.cancelled, point.step != 0);
                          });
    EXPECT_EQ(backends.size(), available_backends().size() + 1) << backends;
    EXPECT_EQ(steps, (std::set<unsigned>{0, 1, 2}));
}

TEST_F(ForEachCancelPoint, ATaskThatLivesOnIsNamedWithTheStepThatLeavesIt) {
    const std::string text = complaint([]() -> Coro<> {
        auto child = create_task([]() -> Coro<> { co_await sleep(1ms); });
        co_await sleep(0s);
        co_await child;
    });
    EXPECT_NE(text.find("live on"), std::string::npos) << text;
    EXPECT_NE(text.find("ASYNCIO_BACKEND=sim ASYNCIO_CANCEL_STEP=2 ASYNCIO_SEED=0"), std::string::npos)
        << text;
    EXPECT_NE(text.find("for_each_cancel_point_test.cpp"), std::string::npos) << text;
}

/// Main, a child that waits for a grandchild, and that one: at most three tasks are alive.
TEST_F(ForEachCancelPoint, CancelsAnyTaskThatIsAliveAtEachStepIfAsked) {
    std::set<unsigned> victims;
    unsigned survived_by_main = 0;
    const auto scenario = []() -> Coro<> {
        auto child = create_task([]() -> Coro<> {
            auto grandchild = create_task([]() -> Coro<> { co_await sleep(1ms); });
            try {
                co_await grandchild;
            } catch (const CancelledError&) {}
        });
        std::vector<Task<>> tasks{child};
        co_await asyncio::wait(tasks);
    };
    const CancelPoints points = for_each_cancel_point(
        scenario,
        [&](const CancelPoint& point) {
            victims.insert(point.victim);
            survived_by_main += point.victim != 0 && !point.cancelled ? 1 : 0;
        },
        {.backend = Backend::sim, .tasks_may_remain = true, .victims = asyncio::testing::any_task});
    EXPECT_EQ(victims, (std::set<unsigned>{0, 1, 2}));
    EXPECT_EQ(points.survived, survived_by_main);
    EXPECT_GT(points.cancelled, 0u);
}

TEST_F(ForEachCancelPoint, AFailureNamesTheVictimAndHowToCancelItAgain) {
    bool child_was_cancelled = false;
    const auto scenario = [&]() -> Coro<> {
        child_was_cancelled = false;
        auto child = create_task({.name = "the child"}, [&]() -> Coro<> {
            try {
                co_await sleep(1ms);
            } catch (const CancelledError&) {
                child_was_cancelled = true;
            }
        });
        co_await child;
    };
    const auto check = [&](const CancelPoint& point) { return !child_was_cancelled || point.victim == 0; };
    const CancelPointOptions options{
        .backend = Backend::sim, .tasks_may_remain = true, .victims = asyncio::testing::any_task};
    const std::string text = complaint(scenario, check, options);
    EXPECT_NE(text.find("cancelled at step 3:1, the child, "), std::string::npos) << text;
    EXPECT_NE(text.find("ASYNCIO_CANCEL_STEP=3:1 "), std::string::npos) << text;
    ::setenv("ASYNCIO_CANCEL_STEP", "3:1", 1);
    const std::string again = complaint(scenario, check, options);
    ::setenv("ASYNCIO_CANCEL_STEP", "3", 1);
    const std::string of_main = complaint(scenario, check, options);
    ::unsetenv("ASYNCIO_CANCEL_STEP");
    EXPECT_EQ(again, text);
    EXPECT_EQ(of_main, "");
}

TEST_F(ForEachCancelPoint, ALeftTimerIsFound) {
    EXPECT_NE(complaint([]() -> Coro<> {
                  get_running_loop().call_later(1h, [] {});
                  co_await sleep(0s);
              }).find("timer"),
              std::string::npos);
}

TEST_F(ForEachCancelPoint, AFutureThatLeaksIsFound) {
    std::optional<Future<>> kept;
    const std::string text = complaint([&]() -> Coro<> {
        kept.emplace();
        co_await sleep(0s);
    });
    EXPECT_NE(text.find("leaked"), std::string::npos) << text;
    kept.reset();
}

TEST_F(ForEachCancelPoint, ADescriptorThatLeaksIsFound) {
    std::FILE* kept = nullptr;
    const std::string text = complaint([&]() -> Coro<> {
        if (kept == nullptr) kept = std::fopen("/dev/null", "r");
        co_await sleep(0s);
        co_await sleep(0s);
    });
    EXPECT_NE(text.find("a descriptor leaked"), std::string::npos) << text;
    if (kept != nullptr) std::fclose(kept);
}

TEST_F(ForEachCancelPoint, AScenarioThatFailsIsReportedWithItsException) {
    const std::string text = complaint([]() -> Coro<> {
        try {
            co_await sleep(1ms);
        } catch (const CancelledError&) {
            throw ValueError("cleanup went wrong");
        }
    });
    EXPECT_NE(text.find("cleanup went wrong"), std::string::npos) << text;
    EXPECT_NE(text.find("ASYNCIO_CANCEL_STEP=2"), std::string::npos) << text;
}

TEST_F(ForEachCancelPoint, ACheckThatIsFalseIsAFailure) {
    int open = 0;
    const std::string text = complaint(
        [&]() -> Coro<> {
            ++open;
            co_await sleep(1ms);
            --open;  // not when it is cancelled
        },
        [&] { return std::exchange(open, 0) == 0; });
    EXPECT_NE(text.find("the check after the run is false"), std::string::npos) << text;
    EXPECT_NE(text.find("ASYNCIO_CANCEL_STEP=2"), std::string::npos) << text;
}

TEST_F(ForEachCancelPoint, AScenarioThatNeverEndsIsGivenUp) {
    const std::string text = complaint(
        []() -> Coro<> {
            for (bool stop = false; !stop;) {
                try {
                    co_await sleep(0s);
                } catch (const CancelledError&) {
                    stop = false;
                }
                // The closing loop cancels it, too.
                if (current_task().cancelling() > 1) stop = true;
            }
        },
        asyncio::testing::CancelPointOptions{.steps_max = 100});
    EXPECT_NE(text.find("too many steps"), std::string::npos) << text;
}

TEST_F(ForEachCancelPoint, AScenarioThatWaitsForEverIsADeadlockInVirtualTime) {
    const std::string text = complaint([]() -> Coro<> {
        const Future<> never;
        try {
            co_await never;
        } catch (const CancelledError&) {}
        const Future<> never_again;
        co_await never_again;
    });
    EXPECT_NE(text.find("deadlock"), std::string::npos) << text;
}

TEST_F(ForEachCancelPoint, AScenarioThatSwallowsItsCancelIsCountedAsSurvivor) {
    const CancelPoints points = for_each_cancel_point(
        []() -> Coro<> {
            try {
                co_await sleep(1ms);
            } catch (const CancelledError&) {}
        },
        {.backend = Backend::sim});
    EXPECT_EQ(points.cancelled, 1u);  // before its start
    EXPECT_EQ(points.survived, 3u);
}

TEST_F(ForEachCancelPoint, TwiceCancelsTheCleanupToo) {
    bool cleanup_was_cancelled = false;
    const CancelPoints points = for_each_cancel_point(
        [&]() -> Coro<> {
            std::exception_ptr error;
            try {
                co_await sleep(1ms);
            } catch (const CancelledError&) {
                error = std::current_exception();
            }
            try {
                co_await sleep(1ms);
            } catch (const CancelledError&) {
                if (error != nullptr) cleanup_was_cancelled = true;
                throw;
            }
            if (error != nullptr) std::rethrow_exception(error);
        },
        {.backend = Backend::sim, .twice = true});
    EXPECT_TRUE(cleanup_was_cancelled);
    EXPECT_GT(points.runs, 20u);
}

TEST_F(ForEachCancelPoint, AnExceptionThatNobodyRetrievesIsAFailure) {
    const std::string text = complaint([]() -> Coro<> {
        create_task([]() -> Coro<> {
            throw ValueError("unseen");
            co_return;
        });
        co_await sleep(0s);
    });
    EXPECT_NE(text.find("unseen"), std::string::npos) << text;
}

TEST_F(ForEachCancelPoint, VirtualTimeMakesLongSleepsShortOnRealBackendsToo) {
    const CancelPoints points =
        for_each_cancel_point([]() -> Coro<> { co_await sleep(1h); }, {.virtual_time = true});
    EXPECT_GE(points.runs, 5u);
}

}}  // namespace asyncio
