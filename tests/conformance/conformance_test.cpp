// The recorded programs, run on this library: each must write the trace that CPython wrote, line for line. README.md
// defines the language and says what the tags excuse.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "conformance/interpreter.hpp"
#include "conformance/program.hpp"

namespace {

using conformance::Interpreter;
using conformance::Program;

/// Programs whose Python behaviour the library gives up on purpose, with the reason.
struct Exclusion {
    std::string_view program;
    std::string_view reason;
};
constexpr Exclusion exclusions[] = {
    {"", ""},
};

bool is_excluded(const std::string& name) {
    return std::any_of(std::begin(exclusions), std::end(exclusions),
                       [&](const Exclusion& each) { return each.program == name; });
}

/// Both traces side by side, the first line that differs marked.
std::string difference(const Program& program, const Interpreter& run) {
    const std::vector<std::string>& wanted = program.trace;
    const std::vector<std::string>& got = run.trace();
    const auto first = static_cast<std::size_t>(
        std::mismatch(wanted.begin(), wanted.end(), got.begin(), got.end()).first - wanted.begin());
    std::ostringstream text;
    text << program.name << "\n";
    for (std::size_t i = 0; i != program.procs.size(); ++i) text << "  proc " << i << ": " << program.procs[i] << "\n";
    text << "  outcome: " << program.outcome << (run.outcome() == program.outcome ? "" : ", here: " + run.outcome()) << "\n";
    for (std::size_t i = 0; i < std::max(wanted.size(), got.size()); ++i) {
        std::string left = i < wanted.size() ? wanted[i] : "-";
        left.resize(std::max<std::size_t>(left.size(), 40), ' ');
        text << (i == first ? "  >> " : "     ") << left << " | " << (i < got.size() ? got[i] : "-") << "\n";
    }
    return text.str();
}

class Conformance : public testing::TestWithParam<std::string_view> {
  protected:
    // The traces are of the order that is promised, not of a random one.
    void SetUp() override { ::unsetenv("ASYNCIO_SEED"); }
};

constexpr int shown_max = 3;

TEST_P(Conformance, EachProgramWritesTheTraceThatCPythonWrote) {
    const std::vector<Program> programs = conformance::load(std::string(GetParam()));
    ASSERT_FALSE(programs.empty());
    int ran = 0;
    int failed = 0;
    std::string others;
    for (const Program& program : programs) {
        if (is_excluded(program.name)) continue;
        ++ran;
        Interpreter run(program);
        run.execute();
        if (run.trace() == program.trace && run.outcome() == program.outcome) continue;
        if (++failed <= shown_max) {
            ADD_FAILURE() << difference(program, run);
        } else {
            others += " " + program.name;
        }
    }
    if (failed > shown_max) ADD_FAILURE() << failed << " of " << ran << " differ; also:" << others;
    RecordProperty("programs", ran);
}

INSTANTIATE_TEST_SUITE_P(Recorded, Conformance,
                         testing::Values("handwritten", "tiny", "medium", "race", "nested", "gather", "group", "timeout",
                                         "cancel", "self_cancel", "future", "shield", "wait", "wait_for", "as_completed",
                                         "shutdown"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
