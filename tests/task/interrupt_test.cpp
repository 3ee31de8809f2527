// How a program ends: Ctrl-C, twice, SIGPIPE, uncaught exceptions. Each case runs in a process of its own, on
// a terminal of its own (a pty), where Ctrl-C is a byte that is typed.
//
// The process is this program again, with one of the tests named DISABLED_… below: it prints "ready", and
// goes on.
#include <gtest/gtest.h>

#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <initializer_list>
#include <string>
#include <thread>
#include <vector>

#include "asyncio/asyncio.hpp"
#include "task/task_support.hpp"

namespace asyncio::task_test { namespace {

void say(const char* text) {
    std::printf("%s\n", text);
    std::fflush(stdout);
}

// ---- the programs -------------------------------------------------------------------------------

TEST(InterruptChild, DISABLED_sleeps) {
    run([]() -> Coro<> {
        create_task([]() -> Coro<> { co_await sleep(1h); }());
        say("ready");
        try {
            co_await sleep(1h);
        } catch (const CancelledError&) {
            say("cleaned up");
            throw;
        }
    });
}

TEST(InterruptChild, DISABLED_catches) {
    try {
        run([]() -> Coro<> {
            say("ready");
            co_await sleep(1h);
        });
    } catch (const KeyboardInterrupt&) {
        say("caught");
        ::_exit(7);
    }
}

TEST(InterruptChild, DISABLED_spins) {
    run([]() -> Coro<> {
        say("ready");
        for (;;) co_await sleep(0s);
    });
}

TEST(InterruptChild, DISABLED_swallows) {
    run([]() -> Coro<> {
        current_task().set_name("the stubborn one");
        say("ready");
        for (;;) {
            try {
                for (;;) co_await sleep(0s);
            } catch (const CancelledError&) {
                say("swallowed");
            }
        }
    });
}

TEST(InterruptChild, DISABLED_blocks) {
    run([]() -> Coro<> {
        create_task([]() -> Coro<> { co_await sleep(1h); }(), {.name = "the waiting one"});
        co_await sleep(1ms);
        say("ready");
        for (;;) ::usleep(1000);  // never comes back to the loop
    });
}

TEST(InterruptChild, DISABLED_waits_for_a_thread) {
    run([]() -> Coro<> {
        current_task().set_name("the caller");
        co_await to_thread([] {
            say("ready");
            for (;;) ::usleep(1000);
        });
    });
}

/// Swallows cancels, and lets tasks come and go all the time.
Coro<> be_busy() {
    create_task([]() -> Coro<> { co_await sleep(1h); }(), {.name = "the waiting one"});
    co_await sleep(1ms);
    say("ready");
    for (;;) {
        try {
            for (;;) {
                for (int i = 0; i != 100; ++i) create_task([]() -> Coro<> { co_await sleep(0s); }());
                co_await sleep(0s);
            }
        } catch (const CancelledError&) {
            say("swallowed");
        }
    }
}

void block_signals(std::initializer_list<int> signals) {
    sigset_t set;
    sigemptyset(&set);
    for (const int each : signals) sigaddset(&set, each);
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

// The terminal's signals come to a thread of the user's, since the loop's blocks them.
TEST(InterruptChild, DISABLED_blocks_the_signal_in_its_main_thread) {
    std::thread([] {
        for (;;) ::pause();
    }).detach();
    block_signals({SIGINT});
    run(be_busy());
}

TEST(InterruptChild, DISABLED_blocks_all_signals_in_its_main_thread) {
    std::thread([] {
        for (;;) ::pause();
    }).detach();
    block_signals({SIGINT, SIGURG});
    run(be_busy());
}

// Signals are sent to a thread of the user's while the loop's is busy.
TEST(InterruptChild, DISABLED_interrupts_another_thread) {
    run([]() -> Coro<> {
        std::thread([] {
            ::usleep(20'000);
            ::pthread_kill(::pthread_self(), SIGINT);
            ::usleep(20'000);
            ::pthread_kill(::pthread_self(), SIGINT);
        }).detach();
        co_await be_busy();
    });
}

TEST(InterruptChild, DISABLED_prints_without_a_flush) {
    static char buffer[4096];
    std::setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    std::printf("work done: 42\n");
    run([]() -> Coro<> {
        ::raise(SIGINT);
        co_await sleep(1h);
    });
}

// Its child has no main task that Ctrl-C could cancel.
TEST(InterruptChild, DISABLED_forks) {
    run([]() -> Coro<> {
        const pid_t child = ::fork();
        if (child == 0) {
            say("ready");
            for (;;) ::pause();
        }
        int status = 0;
        while (::waitpid(child, &status, 0) != child) {}
        say(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT ? "the child died of it" : "what?");
        try {
            co_await sleep(1h);
        } catch (const CancelledError&) {
            say("cleaned up");
            throw;
        }
    });
}

TEST(InterruptChild, DISABLED_writes_to_a_closed_pipe) {
    run([]() -> Coro<> {
        int ends[2];
        if (::pipe(ends) != 0) co_return;
        ::close(ends[0]);
        if (::write(ends[1], "x", 1) < 0 && errno == EPIPE) say("EPIPE");
        ::close(ends[1]);
        ::_exit(7);
    });
}

TEST(InterruptChild, DISABLED_throws_a_group) {
    run([]() -> Coro<> {
        co_await with(TaskGroup{}, [](TaskGroup& tg) {
            tg.create_task([]() -> Coro<> {
                co_await sleep(0s);
                throw ValueError("the first leaf");
            });
            tg.create_task([]() -> Coro<> {
                co_await sleep(0s);
                throw RuntimeError("the second leaf");
            });
        });
    });
}

TEST(InterruptChild, DISABLED_throws) {
    run([]() -> Coro<> {
        co_await sleep(0s);
        throw ValueError("the reason");
    });
}

TEST(InterruptChild, DISABLED_throws_while_it_leaves) {
    struct Failing {
        Coro<> aenter() { co_return; }
        Coro<> aexit(std::exception_ptr) { throw OSError("close failed"); }
    };
    run([]() -> Coro<> {
        Failing scope;
        co_await with(scope, [] { throw ValueError("the first reason"); });
    });
}

TEST(InterruptChild, DISABLED_has_a_terminate_handler) {
    std::set_terminate([] {
        say("the program's own handler");
        ::_exit(7);
    });
    run([]() -> Coro<> {
        co_await sleep(0s);
        throw ValueError("the reason");
    });
}

// ---- running them -------------------------------------------------------------------------------

/// A program on a terminal of its own.
class Terminal {
  public:
    Terminal(const char* program, Backend backend) {
        pid_ = ::forkpty(&master_, nullptr, nullptr, nullptr);
        if (pid_ != 0) return;
        for (const char* name : {"GTEST_TOTAL_SHARDS", "GTEST_SHARD_INDEX", "GTEST_FILTER"}) ::unsetenv(name);
        ::setenv("ASYNCIO_BACKEND", std::string(to_string(backend)).c_str(), 1);
        ::signal(SIGINT, SIG_DFL);  // a shell that runs the tests in the background has them ignore it
        const std::string filter = std::string("--gtest_filter=InterruptChild.DISABLED_") + program;
        ::execl("/proc/self/exe", "program", "--gtest_also_run_disabled_tests", "--gtest_catch_exceptions=0",
                filter.c_str(), nullptr);
        ::_exit(99);
    }
    ~Terminal() {
        if (pid_ > 0 && !ended_) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
        ::close(master_);
    }
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;

    void type(char key) { EXPECT_EQ(::write(master_, &key, 1), 1); }
    /// Returns when the program has taken the signal: two that wait at once would be one.
    void press_ctrl_c() {
        const std::string echo = "^C";  // the terminal shows it after it has sent the signal
        const auto count = [&] {
            std::size_t found = 0;
            for (auto at = shown_.find(echo); at != std::string::npos; at = shown_.find(echo, at + 1))
                ++found;
            return found;
        };
        const std::size_t seen = count();
        type('\x03');
        while (count() == seen && read_some()) {}
        while (has_pending_sigint()) ::usleep(1000);
    }
    /// Reads until the text has come.
    void expect(const std::string& text) {
        while (shown_.find(text) == std::string::npos) {
            if (!read_some()) {
                ADD_FAILURE() << "the program did not show '" << text << "' but:\n" << shown_;
                return;
            }
        }
    }
    /// Reads until the program has ended; its wait status.
    int wait_for_the_end() {
        while (read_some()) {}
        int status = -1;
        EXPECT_EQ(::waitpid(pid_, &status, 0), pid_);
        ended_ = true;
        return status;
    }
    const std::string& shown() const { return shown_; }

  private:
    bool has_pending_sigint() const {
        std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
        for (std::string line; std::getline(status, line);) {
            if (!line.starts_with("ShdPnd:")) continue;
            return (std::stoull(line.substr(7), nullptr, 16) & (1ull << (SIGINT - 1))) != 0;
        }
        return false;
    }
    bool read_some() {
        pollfd entry{master_, POLLIN, 0};
        if (::poll(&entry, 1, 60'000) <= 0) {
            ::kill(pid_, SIGKILL);  // it hangs: that is a failure, not a hang of the tests
            return false;
        }
        char bytes[4096];
        const ssize_t got = ::read(master_, bytes, sizeof bytes);
        if (got <= 0) return false;
        shown_.append(bytes, static_cast<std::size_t>(got));
        return true;
    }
    pid_t pid_ = -1;
    int master_ = -1;
    bool ended_ = false;
    std::string shown_;
};

std::size_t times(const std::string& text, const std::string& part) {
    std::size_t found = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
    return found;
}

class InterruptTest : public test::BackendTest {
  protected:
    void expect_death_by_sigint(Terminal& terminal) {
        const int status = terminal.wait_for_the_end();
        EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT) << "status " << status << ", shown:\n"
                                                                       << terminal.shown();
    }
    void expect_exit(Terminal& terminal, int code) {
        const int status = terminal.wait_for_the_end();
        EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == code) << "status " << status << ", shown:\n"
                                                                      << terminal.shown();
    }
};
ASYNCIO_ON_REAL_BACKENDS(InterruptTest);

TEST_P(InterruptTest, CtrlCCancelsTheMainTaskAndTheProgramEndsWithOneLine) {
    Terminal terminal("sleeps", backend());
    terminal.expect("ready");
    terminal.press_ctrl_c();
    expect_death_by_sigint(terminal);
    EXPECT_EQ(times(terminal.shown(), "cleaned up"), 1u) << terminal.shown();
    EXPECT_EQ(times(terminal.shown(), "KeyboardInterrupt\r\n"), 1u) << terminal.shown();
    EXPECT_EQ(times(terminal.shown(), "terminate called"), 0u) << terminal.shown();
}

TEST_P(InterruptTest, WhatTheProgramHasPrintedIsNotLost) {
    Terminal terminal("prints_without_a_flush", backend());
    expect_death_by_sigint(terminal);
    EXPECT_EQ(times(terminal.shown(), "work done: 42"), 1u) << terminal.shown();
    EXPECT_EQ(times(terminal.shown(), "KeyboardInterrupt\r\n"), 1u) << terminal.shown();
}

TEST_P(InterruptTest, KeyboardInterruptCanBeCaught) {
    Terminal terminal("catches", backend());
    terminal.expect("ready");
    terminal.press_ctrl_c();
    expect_exit(terminal, 7);
    EXPECT_EQ(times(terminal.shown(), "caught"), 1u) << terminal.shown();
}

TEST_P(InterruptTest, ABusyLoopNoticesCtrlC) {
    Terminal terminal("spins", backend());
    terminal.expect("ready");
    terminal.press_ctrl_c();
    expect_death_by_sigint(terminal);
    EXPECT_EQ(times(terminal.shown(), "KeyboardInterrupt\r\n"), 1u) << terminal.shown();
}

TEST_P(InterruptTest, TheSecondCtrlCEndsALoopThatSwallowsTheFirst) {
    Terminal terminal("swallows", backend());
    terminal.expect("ready");
    terminal.press_ctrl_c();
    terminal.expect("swallowed");
    terminal.press_ctrl_c();
    expect_death_by_sigint(terminal);
    EXPECT_EQ(times(terminal.shown(), "second Ctrl-C"), 1u) << terminal.shown();
    EXPECT_EQ(times(terminal.shown(), "the stubborn one"), 1u) << terminal.shown();
}

TEST_P(InterruptTest, TheSecondCtrlCEndsABlockedLoopAndShowsWhatItWasDoing) {
    Terminal terminal("blocks", backend());
    terminal.expect("ready");
    terminal.press_ctrl_c();
    terminal.press_ctrl_c();
    expect_death_by_sigint(terminal);
    EXPECT_EQ(times(terminal.shown(), "second Ctrl-C"), 1u) << terminal.shown();
    EXPECT_NE(terminal.shown().find("the waiting one: waits in sleep at interrupt_test.cpp:"),
              std::string::npos)
        << terminal.shown();
}

TEST_P(InterruptTest, TheSecondCtrlCEndsAProgramThatWaitsForAThread) {
#if ASYNCIO_TSAN
    // This sanitizer keeps a signal until the thread's next call that it knows, or runs the handler at once
    // if the thread waits in one. io_uring's wait it does not know: what comes just before it is kept until
    // the next signal, and both are one.
    if (backend() == Backend::io_uring) GTEST_SKIP() << "the sanitizer may lose the second of two signals";
#endif
    Terminal terminal("waits_for_a_thread", backend());
    terminal.expect("ready");
    terminal.press_ctrl_c();
    terminal.press_ctrl_c();
    expect_death_by_sigint(terminal);
    EXPECT_NE(terminal.shown().find("the caller: waits in to_thread at interrupt_test.cpp:"),
              std::string::npos)
        << terminal.shown();
}

TEST_P(InterruptTest, TheSecondCtrlCListsTheTasksAlsoIfAnotherThreadTakesIt) {
    for (const char* program : {"blocks_the_signal_in_its_main_thread", "interrupts_another_thread"}) {
        Terminal terminal(program, backend());
        terminal.expect("ready");
        if (program == std::string("blocks_the_signal_in_its_main_thread")) {
            terminal.press_ctrl_c();
            terminal.expect("swallowed");
            terminal.press_ctrl_c();
        }
        expect_death_by_sigint(terminal);
        EXPECT_EQ(times(terminal.shown(), "second Ctrl-C"), 1u) << terminal.shown();
        EXPECT_NE(terminal.shown().find("the waiting one: waits in sleep at interrupt_test.cpp:"),
                  std::string::npos)
            << terminal.shown();
    }
}

TEST_P(InterruptTest, TheSecondCtrlCEndsAProgramWhoseMainThreadCannotBeStopped) {
    Terminal terminal("blocks_all_signals_in_its_main_thread", backend());
    terminal.expect("ready");
    terminal.press_ctrl_c();
    terminal.expect("swallowed");
    terminal.press_ctrl_c();
    expect_death_by_sigint(terminal);
    EXPECT_EQ(times(terminal.shown(), "its tasks cannot be listed"), 1u) << terminal.shown();
}

TEST_P(InterruptTest, CtrlCEndsAChildMadeByForkAndCancelsTheParentsTask) {
    Terminal terminal("forks", backend());
    terminal.expect("ready");
    terminal.press_ctrl_c();
    expect_death_by_sigint(terminal);
    EXPECT_EQ(times(terminal.shown(), "the child died of it"), 1u) << terminal.shown();
    EXPECT_EQ(times(terminal.shown(), "cleaned up"), 1u) << terminal.shown();
}

TEST_P(InterruptTest, SigpipeIsAnErrorOfTheWrite) {
    Terminal terminal("writes_to_a_closed_pipe", backend());
    expect_exit(terminal, 7);
    EXPECT_EQ(times(terminal.shown(), "EPIPE"), 1u) << terminal.shown();
}

TEST_P(InterruptTest, AnUncaughtGroupIsShownAsATree) {
    Terminal terminal("throws_a_group", backend());
    const int status = terminal.wait_for_the_end();
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) << status;
    for (const char* part :
         {"unhandled errors in a TaskGroup (2 sub-exceptions)", "the first leaf", "the second leaf"}) {
        EXPECT_EQ(times(terminal.shown(), part), 1u) << part << " in:\n" << terminal.shown();
    }
}

TEST_P(InterruptTest, AnUncaughtExceptionIsNamed) {
    Terminal terminal("throws", backend());
    const int status = terminal.wait_for_the_end();
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) << status;
    EXPECT_EQ(times(terminal.shown(), "the reason"), 1u) << terminal.shown();
    EXPECT_NE(terminal.shown().find("ValueError"), std::string::npos) << terminal.shown();
}

TEST_P(InterruptTest, AnUncaughtExceptionIsShownWithItsContext) {
    Terminal terminal("throws_while_it_leaves", backend());
    const int status = terminal.wait_for_the_end();
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) << status;
    EXPECT_NE(terminal.shown().find("ValueError: the first reason\r\n"
                                    "During handling of the above exception, another exception occurred:\r\n"
                                    "OSError: close failed\r\n"),
              std::string::npos)
        << terminal.shown();
}

TEST_P(InterruptTest, ATerminateHandlerOfTheProgramIsKept) {
    Terminal terminal("has_a_terminate_handler", backend());
    expect_exit(terminal, 7);
    EXPECT_EQ(times(terminal.shown(), "the program's own handler"), 1u) << terminal.shown();
}

}}  // namespace asyncio::task_test
