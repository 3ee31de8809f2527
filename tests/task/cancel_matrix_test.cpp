// The cancellation matrix: every awaitable cancelled before its start, at every step while it is pending, at
// its completion, and twice; used again afterwards; on each backend, and on the simulated one in several
// orders.
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "asyncio/asyncio.hpp"
#include "support/cancel_points.hpp"
#include "support/scenarios.hpp"

namespace asyncio { namespace {

using namespace std::chrono_literals;
using asyncio::testing::CancelPointOptions;
using test::NamedScenario;
using test::Probe;

class CancelMatrix : public test::LoopTest, public ::testing::WithParamInterface<NamedScenario> {};

INSTANTIATE_TEST_SUITE_P(Of, CancelMatrix,
                         ::testing::ValuesIn(test::scenarios().begin(), test::scenarios().end()),
                         [](const auto& info) { return std::string(info.param.name); });

CancelPointOptions options_of(const NamedScenario& scenario) {
    CancelPointOptions options;
    options.virtual_time = true;
    options.may_report = scenario.may_report;
    options.may_fail = scenario.may_fail;
    if (scenario.many) options.backend = Backend::sim;
    return options;
}

bool all_destroyed() { return Probe::alive() == 0; }

TEST_P(CancelMatrix, CancelledAtEveryStep) {
    CancelPointOptions options = options_of(GetParam());
    options.seeds = GetParam().threads || GetParam().many ? 0 : 4;
    const auto points = test::expect_each_cancel_point(GetParam().start, all_destroyed, options);
    if (!GetParam().may_survive) {
        EXPECT_EQ(points.survived, 0u) << "a cancel was lost";
    }
}

TEST_P(CancelMatrix, CancelledTwice) {
    if (GetParam().many) return;  // its steps are too many for pairs
    CancelPointOptions options = options_of(GetParam());
    options.twice = true;
    if (GetParam().threads) options.backend = Backend::epoll;
    test::expect_each_cancel_point(GetParam().start, all_destroyed, options);
}

TEST_P(CancelMatrix, CancelledAtEveryStepInDebugMode) {
    CancelPointOptions options = options_of(GetParam());
    options.backend = Backend::sim;
    options.debug = true;
    test::expect_each_cancel_point(GetParam().start, all_destroyed, options);
}

class CancelNested : public test::LoopTest {};

TEST_F(CancelNested, ACancelThatMeetsAGatherWaitingForItsSiblingsAfterAFailureIsNotLost) {
    // The failure decides at 1 ms; the sibling takes 5 ms to leave; the cancel comes at 3 ms.
    const auto scenario = []() -> Coro<std::string> {
        std::string log;
        const auto slow = []() -> Coro<> {
            std::exception_ptr error;
            try {
                co_await sleep(1h);
            } catch (const CancelledError&) {
                error = std::current_exception();
            }
            try {
                co_await sleep(5ms);
            } catch (const CancelledError&) {
                // The second one is for the task that gathers.
            }
            std::rethrow_exception(error);
        };
        const auto fails = []() -> Coro<> {
            co_await sleep(1ms);
            throw ValueError("decides");
        };
        get_running_loop().call_later(3ms, [self = current_task()] { self.cancel(); });
        try {
            co_await gather(slow(), fails());
        } catch (const ValueError&) {
            log += "failed";
        } catch (const CancelledError&) {
            log += "cancelled";
        }
        try {
            co_await sleep(0s);
        } catch (const CancelledError&) {
            log += ", cancelled later";
        }
        co_return log;
    };
    int reports = 0;
    EventLoop loop(RunOptions{.backend = Backend::sim});
    loop.set_exception_handler([&](EventLoop&, const ExceptionContext&) { ++reports; });
    EXPECT_EQ(loop.run_until_complete(scenario()), "cancelled");
    EXPECT_EQ(reports, 1) << "the failure went to the exception handler";
}

// ---- every wrapper around every other -----------------------------------------------------------

// A job is a plain function that gives a coroutine; a wrapper runs the next one inside something that can be
// cancelled. What is nested is a list of wrappers, so that all pairs and triples can be counted out.
using Layers = std::vector<int>;
Coro<> run_layers(const Layers* layers, std::size_t depth);

Coro<> innermost() {
    const Probe probe;
    co_await sleep(1ms);
    co_await sleep(0s);
}
Coro<> in_place(const Layers* layers, std::size_t depth) {
    const Probe probe;
    co_await run_layers(layers, depth);
}
Coro<> in_gather(const Layers* layers, std::size_t depth) {
    co_await gather(run_layers(layers, depth), innermost());
}
Coro<> in_gather_keeping_exceptions(const Layers* layers, std::size_t depth) {
    std::vector<Coro<>> coros;
    coros.push_back(innermost());
    coros.push_back(run_layers(layers, depth));
    const auto outcomes = co_await gather(return_exceptions, std::move(coros));
    for (const auto& outcome : outcomes) outcome.value();
}
Coro<> in_wait_for(const Layers* layers, std::size_t depth) {
    co_await wait_for(run_layers(layers, depth), 1h);
}
Coro<> in_timeout(const Layers* layers, std::size_t depth) {
    co_await with(timeout(1h), [&]() -> Coro<> { co_await run_layers(layers, depth); });
}
Coro<> in_group(const Layers* layers, std::size_t depth) {
    co_await with(TaskGroup(), [&](TaskGroup& group) -> Coro<> {
        group.create_task(run_layers(layers, depth));
        co_await innermost();
    });
}
Coro<> in_group_body(const Layers* layers, std::size_t depth) {
    co_await with(TaskGroup(), [&](TaskGroup& group) -> Coro<> {
        group.create_task(innermost());
        co_await run_layers(layers, depth);
    });
}
Coro<> in_awaited_task(const Layers* layers, std::size_t depth) {
    co_await with(TaskGroup(),
                  [&](TaskGroup& group) -> Coro<> { co_await group.create_task(run_layers(layers, depth)); });
}
Coro<> in_shielded_task(const Layers* layers, std::size_t depth) {
    co_await with(TaskGroup(), [&](TaskGroup& group) -> Coro<> {
        const auto task = group.create_task(run_layers(layers, depth));
        co_await shield(task);
    });
}
Coro<> in_wait(const Layers* layers, std::size_t depth) {
    co_await with(TaskGroup(), [&](TaskGroup& group) -> Coro<> {
        const std::vector<Task<>> tasks{group.create_task(run_layers(layers, depth)),
                                        group.create_task(innermost())};
        const auto result = co_await wait(tasks);
        EXPECT_TRUE(result.pending.empty());
    });
}
Coro<> in_as_completed(const Layers* layers, std::size_t depth) {
    std::vector<Coro<>> coros;
    coros.push_back(run_layers(layers, depth));
    coros.push_back(innermost());
    co_await with(as_completed(std::move(coros)), [](AsCompleted<void>& ended) -> Coro<> {
        while (auto task = co_await ended.next()) co_await *task;
    });
}

constexpr Coro<> (*wrappers[])(const Layers*, std::size_t) = {
    in_place,      in_gather,       in_gather_keeping_exceptions,
    in_wait_for,   in_timeout,      in_group,
    in_group_body, in_awaited_task, in_shielded_task,
    in_wait,       in_as_completed,
};
constexpr int wrapper_count = static_cast<int>(std::size(wrappers));

Coro<> run_layers(const Layers* layers, std::size_t depth) {
    if (depth == layers->size()) return innermost();
    return wrappers[(*layers)[depth]](layers, depth + 1);
}

std::string text_of(const Layers& layers) {
    constexpr const char* names[] = {"in place",     "gather",       "gather(return_exceptions)",
                                     "wait_for",     "timeout",      "group",
                                     "group's body", "awaited task", "shielded task",
                                     "wait",         "as_completed"};
    static_assert(std::size(names) == wrapper_count);
    std::string text;
    for (int each : layers) text += std::string(text.empty() ? "" : " > ") + names[each];
    return text;
}

TEST_F(CancelNested, EveryWrapperAroundEveryOther) {
    for (int outer = 0; outer != wrapper_count; ++outer) {
        for (int inner = 0; inner != wrapper_count; ++inner) {
            const Layers layers{outer, inner};
            SCOPED_TRACE(text_of(layers));
            CancelPointOptions options;
            options.virtual_time = true;
            options.seeds = 1;
            test::expect_each_cancel_point([&] { return run_layers(&layers, 0); }, all_destroyed, options);
            if (HasFailure()) return;
        }
    }
}

class CancelNestedSlow : public test::LoopTest {};

TEST_F(CancelNestedSlow, EveryWrapperAroundEveryOtherCancelledTwice) {
    for (int outer = 0; outer != wrapper_count; ++outer) {
        for (int inner = 0; inner != wrapper_count; ++inner) {
            const Layers layers{outer, inner};
            SCOPED_TRACE(text_of(layers));
            CancelPointOptions options;
            options.backend = Backend::sim;
            options.twice = true;
            test::expect_each_cancel_point([&] { return run_layers(&layers, 0); }, all_destroyed, options);
            if (HasFailure()) return;
        }
    }
}

TEST_F(CancelNestedSlow, ThreeWrappersDeep) {
    for (int outer = 0; outer != wrapper_count; ++outer) {
        for (int middle = 0; middle != wrapper_count; ++middle) {
            for (int inner = 1; inner != wrapper_count; ++inner) {
                const Layers layers{outer, middle, inner};
                SCOPED_TRACE(text_of(layers));
                test::expect_each_cancel_point([&] { return run_layers(&layers, 0); }, all_destroyed,
                                               {.backend = Backend::sim});
                if (HasFailure()) return;
            }
        }
    }
}

}}  // namespace asyncio
