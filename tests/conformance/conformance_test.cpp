// The recorded programs, run on this library: each must write the trace that CPython wrote, line for line,
// and end as it did there. README.md defines the language. No program is excluded, and no tag is needed as an
// excuse.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <sstream>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "conformance/interpreter.hpp"
#include "conformance/program.hpp"

namespace {

using conformance::Interpreter;
using conformance::Program;

/// Both traces side by side, the first line that differs marked.
std::string difference(const Program& program, const Interpreter& run) {
    const std::vector<std::string>& wanted = program.trace;
    const std::vector<std::string>& got = run.trace();
    const auto first = static_cast<std::size_t>(
        std::mismatch(wanted.begin(), wanted.end(), got.begin(), got.end()).first - wanted.begin());
    std::ostringstream text;
    text << program.name << "\n";
    for (std::size_t i = 0; i != program.procs.size(); ++i)
        text << "  proc " << i << ": " << program.procs[i] << "\n";
    text << "  outcome: " << program.outcome
         << (run.outcome() == program.outcome ? "" : ", here: " + run.outcome()) << "\n";
    for (std::size_t i = 0; i < std::max(wanted.size(), got.size()); ++i) {
        std::string left = i < wanted.size() ? wanted[i] : "-";
        left.resize(std::max<std::size_t>(left.size(), 40), ' ');
        text << (i == first ? "  >> " : "     ") << left << " | " << (i < got.size() ? got[i] : "-") << "\n";
    }
    return text.str();
}

constexpr std::string_view styles[] = {
    "handwritten",  "generators", "executors", "tiny",      "medium",  "race",  "nested",   "gather",
    "group",        "timeout",    "cancel",    "future",    "shield",  "wait",  "wait_for", "self_cancel",
    "as_completed", "shutdown",   "lock",      "condition", "barrier", "queue", "iterate"};

/// The order of things is the loop's: it is the same on every backend.
class Conformance : public testing::TestWithParam<std::tuple<asyncio::Backend, std::string_view>> {
  protected:
    void SetUp() override {
        ::unsetenv("ASYNCIO_SEED");  // the traces are of the order that is promised, not of a random one
        const std::string available = asyncio::available_backends();
        if (available.find(asyncio::to_string(std::get<0>(GetParam()))) == std::string::npos) {
            GTEST_SKIP() << "not to be had here; available: " << available;
        }
    }
};

constexpr int shown_max = 3;

TEST_P(Conformance, EachProgramWritesTheTraceThatCPythonWrote) {
    const auto [backend, style] = GetParam();
    const std::vector<Program> programs = conformance::load(std::string(style));
    EXPECT_FALSE(programs.empty());
    int failed = 0;
    std::string others;
    for (const Program& program : programs) {
        Interpreter run(program);
        run.execute(backend);
        if (run.trace() == program.trace && run.outcome() == program.outcome) continue;
        if (++failed <= shown_max) {
            ADD_FAILURE() << difference(program, run);
        } else {
            others += " " + program.name;
        }
    }
    if (failed > shown_max)
        ADD_FAILURE() << failed << " of " << programs.size() << " differ; also:" << others;
}

INSTANTIATE_TEST_SUITE_P(Recorded, Conformance,
                         testing::Combine(testing::Values(asyncio::Backend::sim, asyncio::Backend::epoll,
                                                          asyncio::Backend::io_uring),
                                          testing::ValuesIn(styles)),
                         [](const auto& info) {
                             return std::string(asyncio::to_string(std::get<0>(info.param))) + "_" +
                                    std::string(std::get<1>(info.param));
                         });

TEST(ConformanceData, EveryFileIsReplayedAndTheyAreMany) {
    std::size_t programs = 0;
    for (const auto& file : std::filesystem::directory_iterator(conformance::data_folder())) {
        if (file.path().extension() != ".json") continue;
        const std::string style = file.path().stem().string();
        EXPECT_NE(std::find(std::begin(styles), std::end(styles), style), std::end(styles)) << style;
        programs += conformance::load(style).size();
    }
    EXPECT_GE(programs, 3500u);
}

}  // namespace
