// for_each_cancel_point inside gtest: expectations that fail in a scenario or its check name their step, too.
#pragma once
#include <gtest/gtest.h>

#include <utility>

#include "asyncio/testing/for_each_cancel_point.hpp"
#include "support/loop_fixture.hpp"

namespace asyncio::test {

/// As testing::for_each_cancel_point; a failure is one of the test. `check` as there.
template <class F, class Check>
    requires(!std::is_same_v<std::decay_t<Check>, asyncio::testing::CancelPointOptions>)
asyncio::testing::CancelPoints expect_each_cancel_point(F&& scenario, Check&& check,
                                                        asyncio::testing::CancelPointOptions options = {}) {
    using namespace asyncio::testing;
    const auto check_all = [&](const CancelPoint& point) {
        note_backend(point.backend);
        if (!asyncio::testing::detail::call_check(check, point)) return false;
        if (::testing::Test::HasFailure()) throw Failure("an expectation failed: see above");
        return true;
    };
    try {
        const CancelPoints points = for_each_cancel_point(scenario, check_all, options);
        EXPECT_GT(points.cancelled + points.survived, 0u) << "nothing was cancelled, so nothing was tested";
        return points;
    } catch (const Failure& failure) {
        ADD_FAILURE() << failure.what();
        return CancelPoints();
    }
}
template <class F>
asyncio::testing::CancelPoints expect_each_cancel_point(F&& scenario,
                                                        asyncio::testing::CancelPointOptions options = {}) {
    return expect_each_cancel_point(scenario, [] { return true; }, options);
}

}  // namespace asyncio::test
