// One run of a scenario on a loop of its own, watched; and what may not be left afterwards.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "asyncio/testing/for_each_cancel_point.hpp"

namespace asyncio { inline namespace v1 { namespace testing { namespace detail {

using namespace asyncio::detail;

/// How one run is done.
struct RunPlan {
    Backend backend = Backend::sim;
    std::uint64_t seed = 0;
    unsigned first_cancel = 0;   // the step; 0: none
    unsigned victim = 0;         // of the tasks that are alive then, by age; 0 is the main task
    unsigned second_cancel = 0;  // the same or a later one; 0: none
    std::vector<std::uint64_t>* choices = nullptr;  // the numbers of frames to choose from, in turn
};

/// What came of it.
struct RunReport {
    bool cancel_came = false;  // the scenario lived as long as the step of its (second) cancel
    bool cancelled = false;    // it ended by CancelledError
    unsigned alive = 0;        // tasks, when the first cancel came
};

/// Throws Failure, with the plan in the text.
RunReport run_scenario(Scenario& scenario, const CancelPointOptions& options, const RunPlan& plan);

/// ASYNCIO_SEED; 0 if it is not set.
std::uint64_t seed_of_environment();

}}}}  // namespace asyncio::v1::testing::detail
