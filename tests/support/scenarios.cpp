#include "support/scenarios.hpp"

#include <vector>

#include "support/generator_scenarios.hpp"
#include "support/scenario_parts.hpp"

namespace asyncio::test {

int Probe::alive_ = 0;

namespace {

constexpr NamedScenario generators[] = {
    {"AsyncGenerator", async_generator_iterated},
    {"AsyncGeneratorClosed", async_generator_closed},
    {"EnumerateOfAZip", enumerate_of_a_zip},
    {.name = "Merge", .start = merged, .may_report = true},
    {.name = "Map", .start = mapped, .may_report = true},
    {"GatherWithALimit", gathered_with_a_limit},
    {"Retry", retried},
};

std::vector<NamedScenario> all_of_them() {
    std::vector<NamedScenario> all;
    for (const auto part : {task_scenarios(), wait_scenarios(), scope_scenarios(),
                            std::span<const NamedScenario>(generators), other_scenarios()}) {
        all.insert(all.end(), part.begin(), part.end());
    }
    return all;
}

}  // namespace

std::span<const NamedScenario> scenarios() {
    static const std::vector<NamedScenario> all = all_of_them();
    return all;
}

}  // namespace asyncio::test
