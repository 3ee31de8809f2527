// The watchdog: a blocked loop is reported while it is blocked.
//
// No test of a report measures time: the loop is blocked until the report has been heard, so that it cannot
// come too late. That nothing is reported is shown with a limit that the test outlasts many times over.
#include <gtest/gtest.h>

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "asyncio/asyncio.hpp"
#include "asyncio/testing/mock_clock.hpp"
#include "debug/debug_support.hpp"
#include "debug/symbols.hpp"
#include "support/loop_fixture.hpp"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define UNDER_TSAN 1
#endif

namespace asyncio::debug_test {

/// Not static and not inlined: its name is looked for in a native stack.
__attribute__((noinline)) bool blocks_until_reported(Warnings& warnings, std::string_view part,
                                                     std::size_t number) {
    const bool seen = warnings.block_until(part, number);
    asm volatile("");  // no tail call: this frame stays
    return seen;
}

namespace {

constexpr auto blocked = "is blocked: for";
constexpr auto goes_on = " goes on, after ";

class Watchdog : public test::BackendTest {};
ASYNCIO_ON_REAL_BACKENDS(Watchdog);
class WatchdogOfAny : public test::LoopTest {};

Coro<> inner(Warnings& warnings, std::size_t reports) {
    co_await sleep(0s);
    EXPECT_TRUE(blocks_until_reported(warnings, blocked, reports)) << warnings.text();
}
Coro<> outer(Warnings& warnings, std::size_t reports) { co_await inner(warnings, reports); }

TEST_P(Watchdog, NamesTheTaskItsAwaitsAndItsNativeStackWhileTheLoopIsBlocked) {
    Warnings warnings;
    run(
        [&]() -> Coro<> {
            Task<> task = create_task(outer(warnings, 1), {.name = "the culprit"});
            co_await task;
        },
        {.watchdog = 20ms});
    const std::string text = warnings.text();
    EXPECT_NE(text.find("the event loop of thread " + std::to_string(::gettid()) + " is blocked"),
              std::string::npos)
        << text;
    EXPECT_NE(text.find("task 'the culprit' runs"), std::string::npos) << text;
    const auto at_inner = text.find("inner (after watchdog_test.cpp:");
    const auto at_outer = text.find("outer (watchdog_test.cpp:");
    EXPECT_LT(at_inner, at_outer) << text;
    EXPECT_NE(at_outer, std::string::npos) << text;
    const auto at_native = text.find("native stack of its thread:");
    EXPECT_NE(at_native, std::string::npos) << text;
    EXPECT_NE(text.find("blocks_until_reported(", at_native), std::string::npos) << text;
    EXPECT_NE(text.find("inner (coroutine)", at_native), std::string::npos) << text;
    EXPECT_EQ(text.find("LoopImpl"), std::string::npos) << "what lies below the coroutine is noise: " << text;
}

TEST_P(Watchdog, ReportsAgainWhileTheLoopStaysBlockedAndSaysWhenItGoesOn) {
    Warnings warnings;
    run(
        [&]() -> Coro<> {
            Task<> task = create_task(outer(warnings, 3));
            co_await task;
            // The watchdog sees that later: the loop waits for it, not blocked.
            while (!warnings.has(goes_on)) co_await sleep(1ms);
        },
        {.watchdog = 10ms});
    EXPECT_EQ(warnings.count(blocked), 3u) << warnings.text();
    EXPECT_EQ(warnings.count(goes_on), 1u) << warnings.text();
}

TEST_P(Watchdog, NamesACallbackAsSuch) {
    Warnings warnings;
    run(
        [&]() -> Coro<> {
            bool seen = false;
            get_running_loop().call_soon([&] { seen = warnings.block_until(blocked); });
            co_await sleep(0s);
            co_await sleep(0s);
            EXPECT_TRUE(seen);
        },
        {.watchdog = 20ms});
    EXPECT_TRUE(warnings.has("a callback runs")) << warnings.text();
}

#if !UNDER_TSAN  // there a signal waits for the next system call, and this makes none
TEST_P(Watchdog, SeesALoopThatComputes) {
    Warnings warnings;
    std::atomic<bool> heard{false};
    std::thread ear([&] {
        warnings.block_until(blocked);
        heard = true;
    });
    run(
        [&]() -> Coro<> {
            while (!heard) {}
            co_return;
        },
        {.watchdog = 20ms});
    ear.join();
    EXPECT_TRUE(warnings.has("native stack of its thread:")) << warnings.text();
}
#endif

TEST_P(Watchdog, IsOnInDebugModeAndOffOtherwise) {
    const auto threads = [] {
        std::size_t found = 0;
        for (const auto& each : std::filesystem::directory_iterator("/proc/self/task")) {
            std::string name;
            std::getline(std::ifstream(each.path() / "comm") >> std::ws, name);
            found += name == "asyncio-watch" ? 1u : 0u;
        }
        return found;
    };
    const auto count = [&](RunOptions options) {
        std::size_t seen = 0;
        run(
            [&]() -> Coro<> {
                // It names itself when it begins.
                for (int looks = 0; seen == 0 && looks < 20; ++looks) {
                    co_await sleep(1ms);
                    seen = threads();
                }
            },
            options);
        // Joined threads may be listed for a moment longer.
        for (int looks = 0; threads() != 0 && looks < 1000; ++looks) std::this_thread::sleep_for(1ms);
        return seen;
    };
    EXPECT_EQ(count({}), 0u);
    EXPECT_EQ(count({.debug = true}), 1u);
    EXPECT_EQ(count({.debug = true, .watchdog = 0s}), 0u);
    EXPECT_EQ(count({.watchdog = 1h}), 1u);
    EXPECT_EQ(threads(), 0u) << "it is joined";
}

TEST_P(Watchdog, DoesNotTakeAWaitForABlock) {
    Warnings warnings;
    run([]() -> Coro<> { co_await sleep(60ms); }, {.watchdog = 4ms});
    EXPECT_EQ(warnings.count(blocked), 0u) << warnings.text();
}

TEST_P(Watchdog, DoesNotTakeATightLoopOfYieldsForABlock) {
    Warnings warnings;
    run(
        []() -> Coro<> {
            const TimePoint end = get_running_loop().time() + 60ms;
            while (get_running_loop().time() < end) co_await sleep(0s);
        },
        {.watchdog = 15ms});
    // (A machine under load may stop this thread for so long; then it is at least no wait that is reported.)
    EXPECT_LE(warnings.count(blocked), 1u) << warnings.text();
}

TEST_P(Watchdog, DoesNotTakeALoopThatNobodyRunsForABlock) {
    Warnings warnings;
    EventLoop loop({.backend = backend(), .watchdog = 4ms});
    loop.poll_once();
    loop.call_soon([] {});
    std::this_thread::sleep_for(40ms);  // the host's business
    loop.poll_once();
    loop.close();
    EXPECT_EQ(warnings.count(blocked), 0u) << warnings.text();
}

TEST_F(WatchdogOfAny, IsSilentInVirtualTime) {
    Warnings warnings;
    testing::MockClock clock(true);
    const auto blocks = []() -> Coro<> {
        std::this_thread::sleep_for(40ms);
        co_return;
    };
    asyncio::run(blocks(), {.debug = true, .clock = &clock, .watchdog = 4ms});
    asyncio::run(blocks(), {.debug = true, .backend = Backend::sim, .watchdog = 4ms});
    EXPECT_EQ(warnings.text(), "");
}

TEST_P(Watchdog, LeavesTheProgramsOwnHandlerOfItsSignalAlone) {
    static std::atomic<int> calls{0};
    calls = 0;
    struct sigaction own{};
    struct sigaction before{};
    own.sa_handler = [](int) { ++calls; };
    ASSERT_EQ(::sigaction(SIGURG, &own, &before), 0);
    Warnings warnings;
    run(
        [&]() -> Coro<> {
            EXPECT_TRUE(warnings.block_until(blocked));
            co_return;
        },
        {.watchdog = 20ms});
    struct sigaction after{};
    ASSERT_EQ(::sigaction(SIGURG, &before, &after), 0);
    EXPECT_EQ(after.sa_handler, own.sa_handler);
    EXPECT_EQ(calls, 0);
    EXPECT_TRUE(warnings.has("the program has a handler of its own for SIGURG")) << warnings.text();
}

TEST_P(Watchdog, GivesTheSignalBackWhenItHasLooked) {
    Warnings warnings;
    run(
        [&]() -> Coro<> {
            EXPECT_TRUE(warnings.block_until(blocked));
            co_return;
        },
        {.watchdog = 20ms});
    struct sigaction after{};
    ASSERT_EQ(::sigaction(SIGURG, nullptr, &after), 0);
    EXPECT_EQ(after.sa_handler, SIG_DFL);
}

TEST_P(Watchdog, SaysSoWhenTheThreadBlocksAllSignals) {
    Warnings warnings;
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    run(
        [&]() -> Coro<> {
            EXPECT_TRUE(warnings.block_until(blocked));
            co_return;
        },
        {.watchdog = 20ms});
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    EXPECT_TRUE(warnings.has("its thread blocks all signals")) << warnings.text();
}

TEST_P(Watchdog, SeesEachOfSeveralLoopsOnTheirThreads) {
    Warnings warnings;
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) {
        threads.emplace_back([&, i] {
            const std::string name = "number " + std::to_string(i);
            asyncio::run(
                [](Warnings& heard, std::string own) -> Coro<> {
                    current_task().set_name(own);
                    EXPECT_TRUE(heard.block_until("task '" + own + "' runs")) << heard.text();
                    co_return;
                }(warnings, name),
                {.backend = backend(), .watchdog = 20ms});
        });
    }
    for (std::thread& each : threads) each.join();
}

TEST_P(Watchdog, DoesNotTakeAStoppedProcessForABlockedLoop) {
    // A child stops itself inside of a callback; the parent lets it go on much later than the limit.
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        ::alarm(60);
        static std::atomic<int> reports{0};
        set_warning_handler([](const Warning& warning) {
            if (warning.text.find(blocked) != std::string::npos) ++reports;
        });
        asyncio::run(
            []() -> Coro<> {
                co_await sleep(0s);
                ::raise(SIGSTOP);
                std::this_thread::sleep_for(10ms);  // it could report now
                co_await sleep(1ms);
            },
            {.backend = backend(), .watchdog = 150ms});
        ::_exit(reports.load());
    }
    ::close(ends[0]);
    ::close(ends[1]);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, WUNTRACED), child);
    ASSERT_TRUE(WIFSTOPPED(status));
    std::this_thread::sleep_for(400ms);
    ::kill(child, SIGCONT);
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

#if !UNDER_TSAN  // "starting new threads after multi-threaded fork is not supported"
TEST_P(Watchdog, AChildMadeByForkHasAWatchdogOfItsOwnLoops) {
    int status = -1;
    run(
        [&]() -> Coro<> {
            const pid_t child = ::fork();
            if (child == 0) {
                ::alarm(60);
                int result = 1;
                {
                    Warnings warnings;
                    asyncio::run(
                        [&]() -> Coro<> {
                            if (warnings.block_until(blocked)) result = 0;
                            co_return;
                        },
                        {.backend = Backend::epoll, .watchdog = 20ms});
                }
                ::_exit(result);
            }
            ::waitpid(child, &status, 0);
            co_return;
        },
        {.watchdog = 1h});
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}
#endif

TEST_P(Watchdog, ManyThatComeAndGoLeaveNothing) {
    for (int i = 0; i < 200; ++i) run([]() -> Coro<> { co_return; }, {.watchdog = 1ms});
}

// ---- names of addresses -------------------------------------------------------------------------

TEST_F(WatchdogOfAny, AddressesAreNamedByTheirFunctions) {
    const std::uintptr_t addresses[] = {reinterpret_cast<std::uintptr_t>(&blocks_until_reported) + 1,
                                        reinterpret_cast<std::uintptr_t>(&::nanosleep) + 1, 7};
    const std::vector<std::string> texts = debug::describe_addresses(addresses);
    ASSERT_EQ(texts.size(), 3u);
    EXPECT_NE(texts[0].find("blocks_until_reported("), std::string::npos) << texts[0];
    EXPECT_NE(texts[0].find("+0x"), std::string::npos) << texts[0];
    EXPECT_NE(texts[1].find("nanosleep"), std::string::npos) << texts[1];
    EXPECT_EQ(texts[2], "?? (0x7)");
}

}  // namespace
}  // namespace asyncio::debug_test
