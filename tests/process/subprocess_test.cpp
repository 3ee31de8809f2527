// Subprocesses: real programs, and that nothing is left of them.
#include "asyncio/process/subprocess.hpp"

#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "asyncio/asyncio.hpp"
#include "asyncio/testing/wait_all_tasks_blocked.hpp"
#include "process/child.hpp"
#include "support/cancel_points.hpp"
#include "support/loop_fixture.hpp"

namespace asyncio::test { namespace {

using namespace std::chrono_literals;

/// No child of this process is left, not even a zombie.
bool no_children() { return ::waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD; }

class Subprocess : public BackendTest {
  protected:
    ~Subprocess() override { EXPECT_TRUE(no_children()); }
};
ASYNCIO_ON_REAL_BACKENDS(Subprocess);

std::string pattern(std::size_t bytes) {
    std::string made(bytes, '\0');
    for (std::size_t i = 0; i < bytes; ++i) made[i] = static_cast<char>('a' + i * 7 % 26);
    return made;
}

// ---- input, output, status --------------------------------------------------------------------------

TEST_P(Subprocess, CommunicateSendsTheInputAndGivesWhatCameBack) {
    run([]() -> Coro<> {
        auto proc = co_await create_subprocess_exec({.stdin_ = PIPE, .stdout_ = PIPE}, "tr", "a-z", "A-Z");
        EXPECT_GT(proc.pid(), 0);
        EXPECT_FALSE(proc.returncode().has_value());
        auto [out, err] = co_await proc.communicate("hello");
        EXPECT_EQ(out, "HELLO");
        EXPECT_EQ(err, "");
        EXPECT_EQ(proc.returncode(), 0);
    });
}

TEST_P(Subprocess, MuchGoesThroughBothWaysAtOnce) {
    run([]() -> Coro<> {
        const std::string data = pattern(3 << 20);
        auto packer = co_await create_subprocess_exec({.stdin_ = PIPE, .stdout_ = PIPE}, "gzip", "-1", "-c");
        auto [packed, none] = co_await packer.communicate(data);
        EXPECT_EQ(packer.returncode(), 0);
        auto unpacker = co_await create_subprocess_exec({.stdin_ = PIPE, .stdout_ = PIPE}, "gzip", "-dc");
        auto [back, nothing] = co_await unpacker.communicate(packed);
        EXPECT_TRUE(back == data);
    });
}

TEST_P(Subprocess, StandardErrorIsAStreamOfItsOwnOrJoinsStandardOutput) {
    run([]() -> Coro<> {
        constexpr std::string_view talk = "echo out; echo err >&2";
        auto apart = co_await create_subprocess_shell(talk, {.stdout_ = PIPE, .stderr_ = PIPE});
        auto [out, err] = co_await apart.communicate();
        EXPECT_EQ(out, "out\n");
        EXPECT_EQ(err, "err\n");
        auto joined = co_await create_subprocess_shell({.stdout_ = PIPE, .stderr_ = STDOUT}, talk);
        auto [both, nothing] = co_await joined.communicate();
        EXPECT_EQ(both, "out\nerr\n");
        auto quiet = co_await create_subprocess_shell(talk, {.stdout_ = PIPE, .stderr_ = DEVNULL});
        auto [only, silence] = co_await quiet.communicate();
        EXPECT_EQ(only, "out\n");
    });
}

TEST_P(Subprocess, LinesCanBeExchangedOneByOne) {
    run([]() -> Coro<> {
        auto proc = co_await create_subprocess_exec({.stdin_ = PIPE, .stdout_ = PIPE}, "cat");
        for (const char* each : {"one\n", "two\n"}) {
            co_await proc.stdin_().send(each);
            std::string line = co_await proc.stdout_().readline();
            EXPECT_EQ(line, each);
        }
        proc.stdin_().close();
        int status = co_await proc.wait();
        EXPECT_EQ(status, 0);
    });
}

TEST_P(Subprocess, TheStatusIsTheExitCodeOrTheNegativeSignal) {
    run([]() -> Coro<> {
        auto failing = co_await create_subprocess_shell("exit 7");
        int status = co_await failing.wait();
        EXPECT_EQ(status, 7);
        status = co_await failing.wait();
        EXPECT_EQ(status, 7) << "it may be asked again";
        auto killed = co_await create_subprocess_exec("sleep", "100");
        killed.kill();
        status = co_await killed.wait();
        EXPECT_EQ(status, -SIGKILL);
        auto missing = co_await create_subprocess_shell("no-such-command-here 2>/dev/null");
        status = co_await missing.wait();
        EXPECT_EQ(status, 127);
    });
}

TEST_P(Subprocess, SeveralTasksMayWaitForIt) {
    run([]() -> Coro<> {
        auto proc = co_await create_subprocess_exec({.stdin_ = PIPE}, "cat");
        auto first = create_task(proc.wait());
        auto second = create_task(proc.wait());
        co_await asyncio::testing::wait_all_tasks_blocked();
        EXPECT_FALSE(first.done() || second.done());
        first.cancel();
        co_await sleep(0s);
        proc.stdin_().close();
        int status = co_await second;
        EXPECT_EQ(status, 0);
        EXPECT_TRUE(first.cancelled());
    });
}

TEST_P(Subprocess, AProcessThatDoesNotReadItsInputIsNoError) {
    run([]() -> Coro<> {
        const std::string data = pattern(1 << 20);
        auto proc = co_await create_subprocess_exec({.stdin_ = PIPE, .stdout_ = PIPE}, "true");
        auto [out, err] = co_await proc.communicate(data);
        EXPECT_EQ(out, "");
        EXPECT_EQ(proc.returncode(), 0);
    });
}

TEST_P(Subprocess, ProgramAndArgumentsMayBeARange) {
    run([]() -> Coro<> {
        std::vector<std::string> command;
        for (const char* each : {"printf", "%s-", "a b", "", "c"}) command.emplace_back(each);
        auto proc = co_await create_subprocess_exec({.stdout_ = PIPE}, command);
        auto [out, err] = co_await proc.communicate();
        EXPECT_EQ(out, "a b--c-");
    });
}

// ---- what it starts with ----------------------------------------------------------------------------

TEST_P(Subprocess, ItStartsInItsFolderWithItsEnvironment) {
    run([]() -> Coro<> {
        auto where = co_await create_subprocess_exec({.stdout_ = PIPE, .cwd = "/usr"}, "pwd");
        auto [folder, none] = co_await where.communicate();
        EXPECT_EQ(folder, "/usr\n");
        std::map<std::string, std::string> variables;
        variables["ONLY"] = "this one";
        auto printed = co_await create_subprocess_exec({.stdout_ = PIPE, .env = variables}, "/usr/bin/env");
        auto [list, nothing] = co_await printed.communicate();
        EXPECT_EQ(list, "ONLY=this one\n");
        std::map<std::string, std::string> more = current_environment();
        more["ASYNCIO_TEST_VARIABLE"] = "x";
        auto echoed =
            co_await create_subprocess_shell("echo $ASYNCIO_TEST_VARIABLE", {.stdout_ = PIPE, .env = more});
        auto [value, silence] = co_await echoed.communicate();
        EXPECT_EQ(value, "x\n");
    });
}

TEST_P(Subprocess, ItIsLookedForInThePathOfItsEnvironment) {
    run([]() -> Coro<> {
        const std::vector<std::string> elsewhere(1, "PATH=/nowhere:/usr/share");
        const auto missing =
            co_await try_wait_for([&]() { return create_subprocess_exec({.env = elsewhere}, "cat"); }, 10s);
        EXPECT_NE(missing.error_as<FileNotFoundError>(), nullptr) << missing.what();
        auto named = co_await create_subprocess_exec({.stdout_ = PIPE, .executable = "/bin/sh"}, "my-name",
                                                     "-c", "echo $0");
        auto [name, none] = co_await named.communicate();
        EXPECT_EQ(name, "my-name\n");
    });
}

TEST_P(Subprocess, NoDescriptorButTheChosenOnesIsInherited) {
    run([]() -> Coro<> {
        const int open_one = ::open("/dev/null", O_RDONLY);  // not close-on-exec
        const int passed = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
        const auto list = [](const SubprocessOptions& options) -> Coro<std::string> {
            return [](Coro<Process> starting) -> Coro<std::string> {
                auto proc = co_await std::move(starting);
                auto [out, err] = co_await proc.communicate();
                co_return out;
            }(create_subprocess_shell("ls /proc/$$/fd", options));
        };
        std::string none = co_await list({.stdout_ = PIPE});
        EXPECT_EQ(none, "0\n1\n2\n");
        std::string one = co_await list({.stdout_ = PIPE, .pass_fds = std::span(&passed, 1)});
        EXPECT_EQ(one, "0\n1\n2\n" + std::to_string(passed) + "\n");
        std::string all = co_await list({.stdout_ = PIPE, .close_fds = false});
        EXPECT_NE(all.find(std::to_string(open_one) + "\n"), std::string::npos) << all;
        ::close(open_one);
        ::close(passed);
    });
}

TEST_P(Subprocess, DescriptorsMayTakeEachOthersPlaces) {
    run([]() -> Coro<> {
        int ends[2];
        EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
        // Its stdout is our stderr's file, and its stderr the pipe: what "1" and "2" mean is crossed.
        auto proc = co_await create_subprocess_shell("echo crossed >&2", {.stdout_ = 2, .stderr_ = ends[1]});
        int status = co_await proc.wait();
        EXPECT_EQ(status, 0);
        ::close(ends[1]);
        StreamReader reader = co_await connect_read_pipe(ends[0]);
        std::string text = co_await reader.read();
        EXPECT_EQ(text, "crossed\n");
    });
}

TEST_P(Subprocess, ItStartsWithNoSignalIgnoredOrBlocked) {
    run([]() -> Coro<> {
        sigset_t blocked;
        sigset_t before;
        ::sigemptyset(&blocked);
        ::sigaddset(&blocked, SIGUSR1);
        ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
        auto proc = co_await create_subprocess_exec({.stdout_ = PIPE}, "grep", "-E", "Sig(Blk|Ign)",
                                                    "/proc/self/status");
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
        auto [out, err] = co_await proc.communicate();
        EXPECT_NE(out.find("SigBlk:\t0000000000000000"), std::string::npos) << out;
        const std::size_t ignored = out.find("SigIgn:\t");
        EXPECT_NE(ignored, std::string::npos);
        const auto mask = std::stoull(out.substr(ignored + 8, 16), nullptr, 16);
        EXPECT_EQ(mask & (1ull << (SIGPIPE - 1)), 0u);
    });
}

TEST_P(Subprocess, ItMayLeadASessionOrAGroup) {
    run([]() -> Coro<> {
        auto leader = co_await create_subprocess_exec({.start_new_session = true}, "sleep", "100");
        EXPECT_EQ(::getsid(leader.pid()), leader.pid());
        auto group = co_await create_subprocess_exec({.process_group = 0}, "sleep", "100");
        EXPECT_EQ(::getpgid(group.pid()), group.pid());
        leader.kill();
        group.terminate();
        int status = co_await leader.wait();
        EXPECT_EQ(status, -SIGKILL);
        status = co_await group.wait();
        EXPECT_EQ(status, -SIGTERM);
    });
}

// ---- what goes wrong --------------------------------------------------------------------------------

template <class Make>
Coro<std::string> refusal(Make make) {
    try {
        auto proc = co_await make();
        proc.kill();
        co_await proc.wait();
    } catch (const std::exception& error) {
        co_return error.what();
    }
    co_return "it was started";
}

TEST_P(Subprocess, WhatCannotBeRunIsNamedWithTheReason) {
    run([]() -> Coro<> {
        std::string text =
            co_await refusal([] { return create_subprocess_exec("no-such-program-here", "x"); });
        EXPECT_EQ(
            text,
            "create_subprocess_exec 'no-such-program-here' (looked for in PATH): No such file or directory "
            "[Errno 2]");
        text = co_await refusal([] { return create_subprocess_exec("/etc/passwd"); });
        EXPECT_NE(text.find("'/etc/passwd': Permission denied"), std::string::npos) << text;
        text = co_await refusal([] { return create_subprocess_exec("/etc"); });
        EXPECT_NE(text.find("'/etc': Permission denied"), std::string::npos) << text;
        text = co_await refusal([] { return create_subprocess_exec({.cwd = "/no/such/folder"}, "true"); });
        EXPECT_NE(text.find("the working directory '/no/such/folder': No such file"), std::string::npos)
            << text;
        text = co_await refusal([] { return create_subprocess_exec({.cwd = "/etc/passwd"}, "true"); });
        EXPECT_NE(text.find("the working directory '/etc/passwd': Not a directory"), std::string::npos)
            << text;
        text = co_await refusal([] { return create_subprocess_exec({.stdin_ = 987654}, "true"); });
        EXPECT_NE(text.find("Bad file descriptor"), std::string::npos) << text;
        EXPECT_TRUE(no_children());
        EXPECT_THROW(static_cast<void>(create_subprocess_exec(std::string("a\0b", 3))), ValueError);
        EXPECT_THROW(static_cast<void>(create_subprocess_exec({}, std::vector<std::string>())), ValueError);
        text = co_await refusal([] { return create_subprocess_exec({.stdin_ = STDOUT}, "true"); });
        EXPECT_NE(text.find("STDOUT is for stderr_ alone"), std::string::npos) << text;
    });
}

TEST_P(Subprocess, StreamsThatAreNotThereAreNamed) {
    run([]() -> Coro<> {
        auto proc = co_await create_subprocess_exec("true");
        try {
            proc.stdout_();
            ADD_FAILURE();
        } catch (const RuntimeError& error) {
            EXPECT_NE(std::string(error.what()).find("{.stdout_ = asyncio::PIPE}"), std::string::npos);
        }
        const auto refused = co_await try_wait_for([&]() { return proc.communicate("input"); }, 10s);
        EXPECT_NE(refused.error_as<ValueError>(), nullptr) << refused.what();
        co_await proc.wait();
        EXPECT_THROW(proc.kill(), ProcessLookupError);
    });
}

TEST_P(Subprocess, SignalsReachItAndBadNumbersAreRefused) {
    run([]() -> Coro<> {
        auto proc = co_await create_subprocess_shell(
            "trap 'echo caught; exit 3' USR1; echo ready; while :; do sleep 0.01; done", {.stdout_ = PIPE});
        std::string line = co_await proc.stdout_().readline();
        EXPECT_EQ(line, "ready\n");
        EXPECT_THROW(proc.send_signal(4711), ValueError);
        proc.send_signal(SIGUSR1);
        line = co_await proc.stdout_().readline();
        EXPECT_EQ(line, "caught\n");
        int status = co_await proc.wait();
        EXPECT_EQ(status, 3);
    });
}

TEST_P(Subprocess, WithoutDescriptorsNothingIsStarted) {
    run([]() -> Coro<> {
        rlimit before{};
        ::getrlimit(RLIMIT_NOFILE, &before);
        const int next = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
        ::close(next);
        for (const int room : {0, 1, 3}) {
            const rlimit low{static_cast<rlim_t>(next + room), before.rlim_max};
            ::setrlimit(RLIMIT_NOFILE, &low);
            std::string text = co_await refusal(
                [] { return create_subprocess_exec({.stdin_ = PIPE, .stdout_ = PIPE}, "true"); });
            ::setrlimit(RLIMIT_NOFILE, &before);
            EXPECT_NE(text.find("create_subprocess_exec 'true': pipe: Too many open files"),
                      std::string::npos)
                << text;
        }
    });
}

TEST_P(Subprocess, AStatusThatSomebodyElseCollectedIsLostAndSaidSo) {
    std::string warned;
    set_warning_handler([&](const Warning& warning) { warned = warning.text; });
    run([]() -> Coro<> {
        auto proc = co_await create_subprocess_exec("true");
        while (::waitpid(-1, nullptr, 0) < 0) {}
        int status = co_await proc.wait();
        EXPECT_EQ(status, 255);
    });
    set_warning_handler({});
    EXPECT_NE(warned.find("was lost: did somebody else call waitpid"), std::string::npos) << warned;
}

// ---- scopes, and what is dropped --------------------------------------------------------------------

TEST_P(Subprocess, LeavingItsScopeEndsIt) {
    run([]() -> Coro<> {
        int pid = 0;
        co_await with(create_subprocess_exec("sleep", "100"), [&](Process& proc) -> Coro<> {
            pid = proc.pid();
            co_return;
        });
        EXPECT_EQ(::kill(pid, 0), -1);
        EXPECT_TRUE(no_children());
    });
}

TEST_P(Subprocess, AProcessThatIgnoresTheGentleSignalIsKilled) {
    run([]() -> Coro<> {
        auto stubborn = co_await create_subprocess_shell(
            "trap '' TERM; echo ready; while :; do sleep 0.01; done", {.stdout_ = PIPE, .kill_after = 50ms});
        co_await with(stubborn, [&](Process& proc) -> Coro<> { co_await proc.stdout_().readline(); });
        EXPECT_EQ(stubborn.returncode(), -SIGKILL);
    });
}

TEST_P(Subprocess, AScopeThatIsCancelledTwiceWaitsForTheEndAllTheSame) {
    run([]() -> Coro<> {
        auto scope = create_task([]() -> Coro<> {
            co_await with(create_subprocess_shell("trap '' TERM; echo ready; while :; do sleep 0.01; done",
                                                  {.stdout_ = PIPE, .kill_after = 100s}),
                          [&](Process& proc) -> Coro<> {
                              co_await proc.stdout_().readline();
                              co_await sleep(100s);
                          });
        });
        // Until the body sleeps: the shell says so.
        for (int turn = 0; turn < 5000 && asyncio::all_tasks().size() < 2; ++turn) co_await sleep(1ms);
        co_await sleep(50ms);
        scope.cancel();
        co_await sleep(10ms);
        EXPECT_FALSE(scope.done()) << "it is given time";
        scope.cancel();
        std::vector<Task<>> all(1, scope);
        co_await wait(all);
        EXPECT_TRUE(scope.cancelled());
        EXPECT_TRUE(no_children());
    });
}

TEST_P(Subprocess, OneThatIsDroppedIsCollectedByTheLoop) {
    run([]() -> Coro<> {
        { auto dropped = co_await create_subprocess_shell("exit 3", {.stdout_ = PIPE}); }
        const auto& running = detail::running_process_part().running;
        for (int turn = 0; turn < 5000 && !running.empty(); ++turn) co_await sleep(1ms);
        EXPECT_TRUE(running.empty());
    });
}

TEST_P(Subprocess, OneThatOutlivesItsLoopIsCollectedLater) {
    int pid = 0;
    std::optional<Process> kept;
    asyncio::run(
        [&]() -> Coro<> {
            kept.emplace(co_await create_subprocess_exec("sleep", "100"));
            pid = kept->pid();
        },
        {.backend = backend()});
    EXPECT_FALSE(kept->returncode().has_value());
    EXPECT_EQ(::kill(pid, SIGKILL), 0);
    siginfo_t info{};
    EXPECT_EQ(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT), 0) << "it is a zombie now";
    run([&]() -> Coro<> {
        auto next = co_await create_subprocess_exec("true");
        EXPECT_EQ(::kill(pid, 0), -1);
        co_await next.wait();
        const auto unknown = co_await try_wait_for([&]() { return kept->wait(); }, 10s);
        EXPECT_NE(unknown.error_as<RuntimeError>(), nullptr) << unknown.what();
        // Its number may be another's by now.
        EXPECT_THROW(kept->kill(), ProcessLookupError);
    });
}

TEST_P(Subprocess, ItsStreamsMayBeMovedElsewhere) {
    run([]() -> Coro<> {
        std::optional<StreamWriter> in;
        co_await with(
            create_subprocess_exec({.stdin_ = PIPE, .stdout_ = PIPE}, "cat"), [&](Process& proc) -> Coro<> {
                in.emplace(std::move(proc.stdin_()));
                EXPECT_THROW(proc.stdin_(), RuntimeError);
                const auto refused = co_await try_wait_for([&]() { return proc.communicate("x"); }, 10s);
                EXPECT_NE(refused.error_as<ValueError>(), nullptr) << refused.what();
                in->write("through");
                in->close();
                auto [out, err] = co_await proc.communicate();
                EXPECT_EQ(out, "through");
            });
    });
}

TEST_P(Subprocess, CancelledAtAnyPointNoProcessIsLeft) {
    expect_each_cancel_point(
        []() -> Coro<> {
            co_await with(create_subprocess_exec({.stdin_ = PIPE, .stdout_ = PIPE}, "cat"),
                          [](Process& proc) -> Coro<> {
                              auto [out, err] = co_await proc.communicate("hello");
                              EXPECT_EQ(out, "hello");
                          });
        },
        [] { return no_children(); }, {.backend = backend(), .simulate = false, .may_report = true});
}

TEST_P(Subprocess, WithoutPidfdsTheSignalOfItsEndIsWaitedFor) {
    detail::pidfds_are_refused = true;
    run([]() -> Coro<> {
        auto one = co_await create_subprocess_exec({.stdin_ = PIPE, .stdout_ = PIPE}, "cat");
        auto other = co_await create_subprocess_shell("exit 5");
        int status = co_await other.wait();
        EXPECT_EQ(status, 5);
        auto [out, err] = co_await one.communicate("still here");
        EXPECT_EQ(out, "still here");
        auto killed = co_await create_subprocess_exec("sleep", "100");
        killed.kill();
        status = co_await killed.wait();
        EXPECT_EQ(status, -SIGKILL);
    });
    detail::pidfds_are_refused = false;
}

TEST_P(Subprocess, ManyAtOnceAllEnd) {
    run([]() -> Coro<> {
        std::vector<Coro<int>> jobs;
        for (int i = 0; i < 50; ++i) {
            jobs.push_back([](int code) -> Coro<int> {
                const std::string command = "exit " + std::to_string(code);
                auto proc = co_await create_subprocess_shell(command);
                co_return co_await proc.wait();
            }(i));
        }
        std::vector<int> codes = co_await gather(std::move(jobs));
        for (int i = 0; i < 50; ++i) EXPECT_EQ(codes[static_cast<std::size_t>(i)], i);
    });
}

TEST(SubprocessTest, TheSimulatedBackendSaysThatItHasNone) {
    try {
        asyncio::run([]() -> Coro<> { co_await create_subprocess_exec("true"); }, {.backend = Backend::sim});
        ADD_FAILURE();
    } catch (const RuntimeError& error) {
        EXPECT_NE(std::string(error.what()).find("the backend 'sim' has no subprocesses"), std::string::npos);
    }
}

TEST(EnvironmentTest, TheSizeOfATerminalIsTold) {
    int main_end = -1;
    int terminal = -1;
    winsize size{};
    size.ws_col = 132;
    size.ws_row = 43;
    ASSERT_EQ(::openpty(&main_end, &terminal, nullptr, nullptr, &size), 0);
    const TerminalSize told = get_terminal_size(terminal);
    EXPECT_EQ(told.columns, 132);
    EXPECT_EQ(told.lines, 43);
    ::close(terminal);
    ::close(main_end);
    const int file = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    EXPECT_THROW(get_terminal_size(file), OSError);
    ::close(file);
}

}}  // namespace asyncio::test
