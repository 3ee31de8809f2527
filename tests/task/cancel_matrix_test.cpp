// The cancellation matrix: every awaitable cancelled before its start, at every step while it is pending, at its completion,
// and twice; used again afterwards; on each backend, and on the simulated one in several orders.
#include <gtest/gtest.h>

#include "support/cancel_points.hpp"
#include "support/scenarios.hpp"

namespace asyncio {
namespace {

using asyncio::testing::CancelPointOptions;
using test::NamedScenario;
using test::Probe;

class CancelMatrix : public test::LoopTest, public ::testing::WithParamInterface<NamedScenario> {};

INSTANTIATE_TEST_SUITE_P(Of, CancelMatrix, ::testing::ValuesIn(test::scenarios().begin(), test::scenarios().end()),
                         [](const auto& info) { return std::string(info.param.name); });

CancelPointOptions options_of(const NamedScenario& scenario) {
    CancelPointOptions options;
    options.virtual_time = true;
    options.may_report = scenario.may_report;
    options.may_fail = scenario.may_fail;
    return options;
}

bool all_destroyed() { return Probe::alive() == 0; }

TEST_P(CancelMatrix, CancelledAtEveryStep) {
    CancelPointOptions options = options_of(GetParam());
    options.seeds = GetParam().threads ? 0 : 4;
    test::expect_each_cancel_point(GetParam().start, all_destroyed, options);
}

TEST_P(CancelMatrix, CancelledTwice) {
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

}  // namespace
}  // namespace asyncio
