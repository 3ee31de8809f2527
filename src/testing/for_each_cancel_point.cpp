// for_each_cancel_point: which runs there are. See scenario.cpp for one of them.
#include "asyncio/testing/for_each_cancel_point.hpp"

#include <cstdlib>
#include <string>

#include "asyncio/core/event_loop.hpp"
#include "testing/scenario.hpp"

namespace asyncio { inline namespace v1 { namespace testing { namespace detail {

namespace {

constexpr unsigned second_cancel_within = 6;

/// The one step to run, from ASYNCIO_CANCEL_STEP: "7"; "7:1" of another task than the main one; "7+2" or
/// "7:1+2" for a second cancel two steps later.
struct OnlyStep {
    unsigned first = 0;
    unsigned victim = 0;
    unsigned second = 0;
};
OnlyStep only_step() {
    OnlyStep only;
    const char* const value = std::getenv("ASYNCIO_CANCEL_STEP");
    if (value == nullptr) return only;
    char* end = nullptr;
    only.first = static_cast<unsigned>(std::strtoul(value, &end, 10));
    if (*end == ':') only.victim = static_cast<unsigned>(std::strtoul(end + 1, &end, 10));
    if (*end == '+') only.second = only.first + static_cast<unsigned>(std::strtoul(end + 1, nullptr, 10));
    return only;
}

class Points {
  public:
    Points(Scenario& scenario, const CancelPointOptions& options) : scenario_(scenario), options_(options) {}

    void each_step(Backend backend, std::uint64_t seed) {
        RunPlan plan;
        plan.backend = backend;
        plan.seed = seed;
        if (const OnlyStep only = only_step(); only.first != 0) {
            plan.first_cancel = only.first;
            plan.victim = only.victim;
            plan.second_cancel = only.second;
            run(plan);
            return;
        }
        do {
            ++plan.first_cancel;
        } while (each_victim(plan));
    }
    CancelPoints counts() const { return counts_; }

  private:
    /// False: the scenario ended before this step.
    bool each_victim(RunPlan plan) {
        const RunReport first = run(plan);
        if (!first.cancel_came) return false;
        if (options_.twice) each_second(plan);
        if (options_.victims != any_task) return true;
        for (plan.victim = 1; plan.victim < first.alive; ++plan.victim) {
            run(plan);
            if (options_.twice) each_second(plan);
        }
        return true;
    }
    void each_second(RunPlan plan) {
        for (unsigned later = 0; later <= second_cancel_within; ++later) {
            plan.second_cancel = plan.first_cancel + later;
            if (!run(plan).cancel_came) break;
        }
    }
    RunReport run(const RunPlan& plan) {
        const RunReport report = run_scenario(scenario_, options_, plan);
        ++counts_.runs;
        if (report.cancelled) {
            ++counts_.cancelled;
        } else if (report.cancel_came) {
            ++counts_.survived;
        }
        return report;
    }

    Scenario& scenario_;
    const CancelPointOptions& options_;
    CancelPoints counts_;
};

bool wanted(Backend backend, const CancelPointOptions& options, const std::string& available) {
    if (options.backend != Backend::automatic) return options.backend == backend;
    if (backend == Backend::sim && !options.simulate) return false;
    const std::string name(to_string(backend));
    if (const char* only = std::getenv("ASYNCIO_BACKEND"); only != nullptr && *only != '\0')
        return name == only;
    return (" " + available + " ").find(" " + name + " ") != std::string::npos;
}

}  // namespace

CancelPoints run_cancel_points(Scenario& scenario, const CancelPointOptions& options) {
    Points points(scenario, options);
    const std::string available = available_backends();
    for (Backend backend : {Backend::sim, Backend::epoll, Backend::io_uring}) {
        if (!wanted(backend, options, available)) continue;
        const std::uint64_t given = seed_of_environment();
        points.each_step(backend, given);
        if (backend != Backend::sim || given != 0) continue;
        for (unsigned i = 1; i <= options.seeds; ++i) points.each_step(backend, 0x9E3779B97F4A7C15u * i >> 8);
    }
    return points.counts();
}

}}}}  // namespace asyncio::v1::testing::detail
