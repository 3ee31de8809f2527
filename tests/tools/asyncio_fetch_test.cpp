// asyncio-fetch as a user runs it, against servers that behave and servers that do not.
#include <gtest/gtest.h>

#include <algorithm>
#include <asyncio/base/config.hpp>
#include <chrono>
#include <filesystem>
#include <sstream>

#include "support/paths.hpp"
#include "tools/program.hpp"

namespace {

using tools_test::Ended;
using tools_test::Peer;
using tools_test::run;

std::string program(const std::string& name) {
    return std::string(asyncio::test::programs_folder) + "/" + name;
}

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    return lines;
}

/// The line that speaks of a URL.
std::string line_about(const Ended& ended, const std::string& url) {
    for (const std::string& line : lines_of(ended.out)) {
        if (line.find(url) != std::string::npos) return line;
    }
    return "(no line about " + url + ")\n" + ended.out + ended.err;
}

testing::AssertionResult contains(const std::string& text, const std::string& part) {
    if (text.find(part) != std::string::npos) return testing::AssertionSuccess();
    return testing::AssertionFailure() << "'" << part << "' is not in: " << text;
}

class AsyncioFetch : public testing::Test {
  protected:
    AsyncioFetch()
        : server_({"python3", std::string(asyncio::test::tests_folder) + "/tools/bad_server.py"}) {}
    void SetUp() override { ASSERT_FALSE(server_.first_line().empty()) << "python3 does not run"; }
    std::string url(const std::string& path) const {
        return "http://127.0.0.1:" + server_.first_line() + path;
    }

    Peer server_;
};

TEST_F(AsyncioFetch, OneUrlGivesOneLineAndASummaryAndStatus0) {
    const Ended ended = run(program("asyncio-fetch") + " " + url("/ok"));
    EXPECT_EQ(ended.status, 0) << ended.err;
    const auto lines = lines_of(ended.out);
    ASSERT_EQ(lines.size(), 2u) << ended.out;
    EXPECT_TRUE(contains(lines[0], "200 5 "));
    EXPECT_TRUE(contains(lines[0], url("/ok")));
    EXPECT_TRUE(contains(lines[1], "1 ok, 0 failed, 5 bytes in "));
    EXPECT_EQ(ended.err, "") << "a progress bar is for terminals";
}

TEST_F(AsyncioFetch, EachFailureNamesItsCauseAndHarmsNoOther) {
    const std::string good = " " + url("/ok") + " " + url("/chunked") + " " + url("/until-close");
    const Ended ended =
        run(program("asyncio-fetch") + " -t 2" + good + " " + url("/closes-half-way") + " " +
            url("/closes-in-chunk") + " " + url("/closes-in-head") + " " + url("/closes-at-once") + " " +
            url("/garbage") + " " + url("/binary") + " " + url("/length-and-chunks") + " " +
            url("/bad-length") + " " + url("/two-lengths") + " " + url("/bad-chunk") + " " +
            url("/huge-head") + " " + url("/404") + " " + url("/never") +
            " http://127.0.0.1:1/refused http://no-such-host.invalid/ 'http://bad host/' ftp://127.0.0.1/x "
            "nonsense");
    EXPECT_EQ(ended.status, 1);
    for (const char* path : {"/ok", "/chunked", "/until-close"}) {
        EXPECT_EQ(line_about(ended, url(path)).rfind("200 ", 0), 0u) << line_about(ended, url(path));
        EXPECT_FALSE(contains(line_about(ended, url(path)), "["));
    }
    EXPECT_TRUE(contains(line_about(ended, url("/closes-half-way")), "10 of 100 bytes"));
    EXPECT_TRUE(contains(line_about(ended, url("/closes-in-chunk")), "closed"));
    EXPECT_TRUE(contains(line_about(ended, url("/closes-in-head")), "closed"));
    EXPECT_TRUE(contains(line_about(ended, url("/closes-at-once")), "closed"));
    EXPECT_TRUE(contains(line_about(ended, url("/garbage")), "SSH-2.0"));
    EXPECT_TRUE(contains(line_about(ended, url("/binary")), "[")) << "some cause";
    EXPECT_TRUE(contains(line_about(ended, url("/length-and-chunks")), "both a Content-Length and chunks"));
    EXPECT_TRUE(contains(line_about(ended, url("/bad-length")), "Content-Length"));
    EXPECT_TRUE(contains(line_about(ended, url("/two-lengths")), "Content-Length"));
    EXPECT_TRUE(contains(line_about(ended, url("/bad-chunk")), "chunk"));
    EXPECT_TRUE(contains(line_about(ended, url("/huge-head")), "8190"));
    EXPECT_TRUE(contains(line_about(ended, url("/404")), "404 0 "));
    EXPECT_TRUE(contains(line_about(ended, url("/never")), "timed out after 2 s"));
    EXPECT_TRUE(contains(line_about(ended, ":1/refused"), "Connection refused"));
    EXPECT_TRUE(contains(line_about(ended, "no-such-host.invalid"), "name does not resolve"));
    EXPECT_TRUE(contains(line_about(ended, "bad host"), "[")) << "some cause";
    EXPECT_TRUE(contains(line_about(ended, "ftp://"), "["));
    EXPECT_TRUE(contains(line_about(ended, "nonsense"), "["));
    EXPECT_TRUE(contains(lines_of(ended.out).back(), "3 ok, 18 failed"));
}

TEST_F(AsyncioFetch, JsonPrintsOneObjectPerLineAndNothingElse) {
    const Ended ended = run(program("asyncio-fetch") + " --json " + url("/ok") + " " + url("/garbage") +
                            " 'http://x y/\"\\'");
    EXPECT_EQ(ended.status, 1);
    const auto lines = lines_of(ended.out);
    ASSERT_EQ(lines.size(), 3u) << ended.out;
    for (const std::string& line : lines) {
        EXPECT_EQ(line.front(), '{');
        EXPECT_EQ(line.back(), '}');
        EXPECT_TRUE(contains(line, "\"url\":"));
        EXPECT_TRUE(contains(line, "\"seconds\":"));
    }
    EXPECT_TRUE(contains(line_about(ended, "/ok"), "\"status\":200,\"bytes\":5"));
    EXPECT_FALSE(contains(line_about(ended, "/ok"), "error"));
    EXPECT_TRUE(contains(line_about(ended, "/garbage"), "\"error\":\""));
    EXPECT_TRUE(contains(ended.err, "1 ok, 2 failed"));
    const Ended checked =
        run(program("asyncio-fetch") + " --json " + url("/binary") + " 'http://x y/\"\\' 2>/dev/null" +
            " | python3 -c 'import json,sys; [json.loads(l) for l in sys.stdin]; print(\"valid\")'");
    EXPECT_EQ(checked.out, "valid\n") << checked.err;
}

TEST_F(AsyncioFetch, SyncTakesTheSumAndAsyncTheMaximum) {
    const Peer httpbin({program("asyncio-httpbin"), "--port", "0"});
    const std::string line = httpbin.first_line();
    const auto at = line.find("http://");
    ASSERT_NE(at, std::string::npos) << line;
    std::string base = line.substr(at, line.find_first_of(" \t", at) - at);
    while (!base.empty() && base.back() == '/') base.pop_back();
    const std::string urls = " " + base + "/delay/0.2 " + base + "/delay/0.2 " + base + "/delay/0.2";
    const auto timed = [](const std::string& command) {
        const auto began = std::chrono::steady_clock::now();
        EXPECT_EQ(run(command).status, 0);
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    };
    const double at_once = timed(program("asyncio-fetch") + urls);
    const double in_turn = timed(program("asyncio-fetch") + " --sync" + urls);
    EXPECT_GE(in_turn, 0.6);
    EXPECT_GE(in_turn, at_once + 0.3) << "at once: " << at_once;
}

TEST_F(AsyncioFetch, BodiesGoToFilesAndHalfABodyDoesNot) {
    const std::string directory = tools_test::temporary_directory();
    const Ended ended = run(program("asyncio-fetch") + " -o " + directory + "/new " + url("/ok") + " " +
                            url("/closes-half-way"));
    EXPECT_EQ(ended.status, 1);
    EXPECT_EQ(tools_test::read_all(directory + "/new/1_ok"), "hello") << ended.out << ended.err;
    EXPECT_FALSE(std::filesystem::exists(directory + "/new/2_closes-half-way"));
    std::filesystem::remove_all(directory);
}

TEST_F(AsyncioFetch, AFullDiskIsThatUrlsFailure) {
    const std::string directory = tools_test::temporary_directory();
    ASSERT_EQ(::symlink("/dev/full", (directory + "/1_ok").c_str()), 0);
    const Ended ended =
        run(program("asyncio-fetch") + " -o " + directory + " " + url("/ok") + " " + url("/chunked"));
    EXPECT_EQ(ended.status, 1);
    EXPECT_TRUE(contains(line_about(ended, url("/ok")), "No space left on device"));
    EXPECT_EQ(line_about(ended, url("/chunked")).rfind("200 5 ", 0), 0u);
    std::filesystem::remove_all(directory);
}

TEST_F(AsyncioFetch, UrlsComeFromAFileOrStandardInput) {
    const Ended ended = run("printf '# a list\\n\\n  %s  \\n%s\\r\\n' " + url("/ok") + " " + url("/chunked") +
                            " | " + program("asyncio-fetch") + " -i -");
    EXPECT_EQ(ended.status, 0) << ended.err;
    EXPECT_TRUE(contains(lines_of(ended.out).back(), "2 ok, 0 failed, 10 bytes"));
}

TEST_F(AsyncioFetch, AByteOrderMarkBeforeTheListIsNoPartOfTheFirstUrl) {
    const Ended ended = run("printf '\\357\\273\\277%s\\n%s\\n' " + url("/ok") + " " + url("/chunked") +
                            " | " + program("asyncio-fetch") + " -i -");
    EXPECT_EQ(ended.status, 0) << ended.out << ended.err;
    EXPECT_TRUE(contains(lines_of(ended.out).back(), "2 ok, 0 failed"));
}

TEST_F(AsyncioFetch, AnUnaskedChangeOfTheProtocolIsAFailure) {
    const Ended ended = run(program("asyncio-fetch") + " -t 10 " + url("/switches"));
    EXPECT_EQ(ended.status, 1);
    EXPECT_TRUE(contains(line_about(ended, url("/switches")), "101"));
    EXPECT_TRUE(contains(line_about(ended, url("/switches")), "which nobody asked for"));
}

TEST_F(AsyncioFetch, ClosedStandardStreamsAreNamedAndNothingElseTakesTheirPlace) {
    const Ended out = run(program("asyncio-fetch") + " " + url("/ok") + " >&-");
    EXPECT_EQ(out.status, 1);
    EXPECT_TRUE(contains(out.err, "writing to standard output: it is closed"));
    const Ended in = run(program("asyncio-fetch") + " -i - <&-");
    EXPECT_EQ(in.status, 2);
    EXPECT_TRUE(contains(in.err, "standard input: it is closed"));
    const std::string directory = tools_test::temporary_directory();
    const Ended all = run(program("asyncio-fetch") + " -o " + directory + " " + url("/ok") + " <&- >&- 2>&-");
    EXPECT_EQ(all.status, 1);
    EXPECT_EQ(tools_test::read_all(directory + "/1_ok"), "hello") << "nothing was printed into it";
    std::filesystem::remove_all(directory);
}

TEST_F(AsyncioFetch, TheSimulatedBackendIsNamedAsTheCause) {
    const Ended ended = run("ASYNCIO_BACKEND=sim " + program("asyncio-fetch") + " " + url("/ok"));
    EXPECT_EQ(ended.status, 1);
    EXPECT_TRUE(contains(line_about(ended, url("/ok")), "the backend 'sim' has no sockets"));
}

TEST_F(AsyncioFetch, TheTimelineHasARowForEachUrl) {
    const Ended ended = run(program("asyncio-fetch") + " --timeline " + url("/ok") + " " + url("/chunked"));
    EXPECT_EQ(ended.status, 0);
    const auto lines = lines_of(ended.out);
    EXPECT_GE(std::count_if(lines.begin(), lines.end(),
                            [&](const auto& line) { return line.find("/ok") != std::string::npos; }),
              2)
        << ended.out;
}

TEST_F(AsyncioFetch, AFullStandardOutputIsAnError) {
    const Ended ended = run(program("asyncio-fetch") + " " + url("/ok") + " >/dev/full");
    EXPECT_EQ(ended.status, 1);
    EXPECT_TRUE(contains(ended.err, "No space left on device"));
}

TEST_F(AsyncioFetch, AnInterruptionPrintsTheSummaryLeavesNoHalfBodyAndEndsByTheSignal) {
    for (const int signal : {SIGINT, SIGTERM}) {
        const std::string directory = tools_test::temporary_directory();
        const pid_t child = tools_test::start({program("asyncio-fetch"), "--timeline", "-o",
                                               directory + "/bodies", url("/ok"), url("/stalls-half-way")},
                                              directory);
        ASSERT_GT(child, 0);
        const auto half_a_body = directory + "/bodies/2_stalls-half-way";
        while (tools_test::read_all(directory + "/out").empty() || !std::filesystem::exists(half_a_body)) {
            int status = 0;
            ASSERT_EQ(::waitpid(child, &status, WNOHANG), 0) << "it ended before the first line";
            ::usleep(1000);
        }
        ::kill(child, signal);
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == signal) << signal;
        const std::string out = tools_test::read_all(directory + "/out");
        EXPECT_TRUE(contains(out, "1 ok, 0 failed"));
        EXPECT_TRUE(contains(out.substr(out.find("1 ok, 0 failed")), "/ok")) << "no row of the chart";
        EXPECT_TRUE(contains(tools_test::read_all(directory + "/err"), "1 of 2 URLs were not fetched"));
        EXPECT_TRUE(std::filesystem::exists(directory + "/bodies/1_ok"));
        EXPECT_FALSE(std::filesystem::exists(half_a_body));
        std::filesystem::remove_all(directory);
    }
}

TEST(AsyncioFetchUsage, WrongUsageIsStatus2AndSaysWhatIsWrong) {
    const auto expect_usage = [](const std::string& arguments, const std::string& text) {
        const Ended ended = run(program("asyncio-fetch") + " " + arguments);
        EXPECT_EQ(ended.status, 2) << arguments;
        EXPECT_EQ(ended.out, "") << arguments;
        EXPECT_TRUE(contains(ended.err, text)) << arguments;
    };
    expect_usage("", "no URL");
    expect_usage("--no-such-flag http://x/", "--no-such-flag");
    expect_usage("-c 0 http://x/", "-c");
    expect_usage("-c many http://x/", "-c");
    for (const std::string text : {"0", "-1", "2s", "inf", "nan", "1e-300", "''"}) {
        const std::string shown = text == "''" ? text : "'" + text + "'";
        expect_usage("-t " + text + " http://x/", shown + " is not a number of seconds above 0");
    }
    expect_usage("-i /no/such/file", "/no/such/file");
    expect_usage("-i /", "directory");
    expect_usage("-o /dev/null http://x/", "/dev/null");
    // A list without an end that is no list.
    expect_usage("-i /dev/zero", "line 1 is longer than 65536 bytes");
    EXPECT_EQ(run(program("asyncio-fetch") + " --help").status, 0);
    EXPECT_EQ(run(program("asyncio-fetch") + " --help >/dev/full").status, 1);
}

TEST(Tools, EachTellsItsVersion) {
    for (const std::string name : {"asyncio-fetch", "asyncio-httpbin", "asyncio-demo", "asyncio-backends"}) {
        const Ended ended = run(program(name) + " --version");
        EXPECT_EQ(ended.status, 0) << name;
        EXPECT_EQ(ended.out, name + " " ASYNCIO_VERSION_STRING "\n");
    }
}

}  // namespace
