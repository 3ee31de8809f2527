// for_each_order: a scenario in every order in which its tasks may run.
#pragma once
#include "asyncio/testing/for_each_cancel_point.hpp"

namespace asyncio { inline namespace v1 { namespace testing {

/// What `for_each_order` has done.
struct Orders {
    unsigned runs = 0;
    bool all = false;  ///< every order there is was run
};

namespace detail {
Orders run_orders(Scenario& scenario, unsigned bound);
}

/// Runs `scenario` (as for `for_each_cancel_point`, but nothing is cancelled) on the simulated backend, once
/// in each order in which the tasks that are ready together can run. If there are more than `bound` orders,
/// in the first `bound` and in as many random ones. Callbacks keep their order, which is promised. The checks
/// after each run are the same.
///
/// Throws      Failure  names the ASYNCIO_SEED that runs just this order again, with what the scenario threw
/// Threads     a thread that runs no loop
template <class F>
Orders for_each_order(F&& scenario, unsigned bound = 1'000) {
    detail::Scenario made{[&scenario] { return detail::start_scenario(scenario); }, nullptr};
    return detail::run_orders(made, bound);
}
template <class F, class Check>
    requires(!std::is_arithmetic_v<std::decay_t<Check>>)
Orders for_each_order(F&& scenario, Check&& check, unsigned bound = 1'000) {
    detail::Scenario made{[&scenario] { return detail::start_scenario(scenario); },
                          [&check](const CancelPoint& point) { return detail::call_check(check, point); }};
    return detail::run_orders(made, bound);
}

}}}  // namespace asyncio::v1::testing
