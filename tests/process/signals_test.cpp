// Signal handlers of a loop, and SignalReceiver.
#include "asyncio/process/signals.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>
#include <vector>

#include "asyncio/asyncio.hpp"
#include "support/loop_fixture.hpp"

namespace asyncio::test { namespace {

using namespace std::chrono_literals;

/// What the process would do with the signal now.
void (*action_of(int number))(int) {
    struct sigaction current{};
    EXPECT_EQ(::sigaction(number, nullptr, &current), 0);
    return current.sa_handler;
}

class Signals : public BackendTest {};
ASYNCIO_ON_EVERY_BACKEND(Signals);

TEST_P(Signals, AHandlerIsCalledInTheLoopWithItsArgumentsEachTime) {
    run([]() -> Coro<> {
        EventLoop& loop = get_running_loop();
        std::vector<std::string> seen;
        Future<> third;
        loop.add_signal_handler(
            SIGUSR1,
            [&](const std::string& text) {
                seen.push_back(text);
                if (seen.size() == 3) third.set_result();
            },
            std::string("usr1"));
        ::raise(SIGUSR1);
        EXPECT_TRUE(seen.empty()) << "not from inside the signal handler";
        ::raise(SIGUSR1);
        ::raise(SIGUSR1);
        co_await third;
        EXPECT_EQ(seen, (std::vector<std::string>{"usr1", "usr1", "usr1"}));
        EXPECT_TRUE(loop.remove_signal_handler(SIGUSR1));
        EXPECT_FALSE(loop.remove_signal_handler(SIGUSR1));
        EXPECT_EQ(action_of(SIGUSR1), SIG_DFL);
    });
}

TEST_P(Signals, ASignalThatAnotherThreadTakesWakesTheLoop) {
    run([]() -> Coro<> {
        Future<> arrived;
        get_running_loop().add_signal_handler(SIGUSR1, [&] { arrived.set_result(); });
        std::thread other([] { ::raise(SIGUSR1); });
        co_await arrived;
        other.join();
        get_running_loop().remove_signal_handler(SIGUSR1);
    });
}

TEST_P(Signals, ANewHandlerReplacesTheOldOneAndClosingRestoresWhatWasBefore) {
    static int before_us = 0;
    before_us = 0;
    ::signal(SIGUSR2, [](int) { ++before_us; });
    int first = 0;
    int second = 0;
    run([&]() -> Coro<> {
        EventLoop& loop = get_running_loop();
        Future<> arrived;
        loop.add_signal_handler(SIGUSR2, [&] { ++first; });
        loop.add_signal_handler(SIGUSR2, [&] {
            ++second;
            arrived.set_result();
        });
        ::raise(SIGUSR2);
        co_await arrived;
    });
    EXPECT_EQ(first, 0);
    EXPECT_EQ(second, 1);
    EXPECT_EQ(before_us, 0);
    ::raise(SIGUSR2);
    EXPECT_EQ(before_us, 1);
    ::signal(SIGUSR2, SIG_DFL);
}

TEST_P(Signals, AHandlerThatIsRemovedMeanwhileIsNotCalled) {
    run([]() -> Coro<> {
        EventLoop& loop = get_running_loop();
        Future<> later;
        int calls = 0;
        loop.add_signal_handler(SIGUSR1, [&] { ++calls; });
        loop.add_signal_handler(SIGUSR2, [&] {
            loop.remove_signal_handler(SIGUSR1);
            loop.call_soon([&] { later.set_result(); });
        });
        ::raise(SIGUSR2);
        co_await later;
        EXPECT_EQ(calls, 0);
        EXPECT_EQ(action_of(SIGUSR1), SIG_DFL);
        loop.remove_signal_handler(SIGUSR2);
    });
}

TEST_P(Signals, AHandlerMayRemoveItselfAndThrow) {
    run([]() -> Coro<> {
        EventLoop& loop = get_running_loop();
        Future<std::string> reported;
        loop.set_exception_handler([&](EventLoop&, const ExceptionContext& context) {
            reported.set_result(error_text(context.exception));
        });
        loop.add_signal_handler(SIGUSR1, [&, owned = std::string("what it captured")] {
            loop.remove_signal_handler(SIGUSR1);
            throw ValueError(owned);
        });
        ::raise(SIGUSR1);
        const std::string text = co_await reported;
        EXPECT_EQ(text, "what it captured");
        loop.set_exception_handler(nullptr);
    });
}

TEST_P(Signals, WhatCannotBeCaughtIsNamed) {
    run([]() -> Coro<> {
        EventLoop& loop = get_running_loop();
        const auto nothing = [] {};
        EXPECT_THROW(loop.add_signal_handler(SIGKILL, nothing), ValueError);
        EXPECT_THROW(loop.add_signal_handler(SIGSTOP, nothing), ValueError);
        EXPECT_THROW(loop.add_signal_handler(0, nothing), ValueError);
        EXPECT_THROW(loop.add_signal_handler(1000, nothing), ValueError);
        EXPECT_THROW(loop.remove_signal_handler(-1), ValueError);
        EXPECT_THROW(SignalReceiver(SIGUSR1, SIGKILL), ValueError);
        EXPECT_EQ(action_of(SIGUSR1), SIG_DFL) << "half a receiver was left";
        co_return;
    });
}

TEST_P(Signals, ASignalOfAnotherLoopIsRefused) {
    run([]() -> Coro<> {
        get_running_loop().add_signal_handler(SIGUSR1, [] {});
        std::thread([] {
            asyncio::run([]() -> Coro<> {
                EXPECT_THROW(get_running_loop().add_signal_handler(SIGUSR1, [] {}), RuntimeError);
                co_return;
            }());
        }).join();
        get_running_loop().remove_signal_handler(SIGUSR1);
        co_return;
    });
}

TEST_P(Signals, AReceiverGivesThemInOrderOfArrivalAndLosesNone) {
    run([]() -> Coro<> {
        SignalReceiver signals(SIGUSR1, SIGUSR2);
        auto waiting = create_task([&]() -> Coro<int> { return signals.next(); });
        co_await sleep(0s);
        EXPECT_FALSE(waiting.done());
        ::raise(SIGUSR2);
        int first = co_await waiting;
        EXPECT_EQ(first, SIGUSR2);
        ::raise(SIGUSR1);
        ::raise(SIGUSR1);  // the same, still to be delivered
        int second = co_await signals.next();
        EXPECT_EQ(second, SIGUSR1);
    });
    EXPECT_EQ(action_of(SIGUSR1), SIG_DFL);
    EXPECT_EQ(action_of(SIGUSR2), SIG_DFL);
}

TEST_P(Signals, ACancelledWaitLosesNoSignal) {
    run([]() -> Coro<> {
        SignalReceiver signals(SIGUSR1);
        auto waiting = create_task([&]() -> Coro<int> { return signals.next(); });
        co_await sleep(0s);
        ::raise(SIGUSR1);
        waiting.cancel();
        std::vector<Task<int>> tasks(1, waiting);
        co_await wait(tasks);
        EXPECT_TRUE(waiting.cancelled());
        int number = co_await signals.next();
        EXPECT_EQ(number, SIGUSR1);
    });
}

TEST_P(Signals, TwoTasksCannotWaitAtOneReceiverAndTwoReceiversAreBothTold) {
    run([]() -> Coro<> {
        SignalReceiver signals(SIGUSR1);
        SignalReceiver others(SIGUSR1);
        auto waiting = create_task([&]() -> Coro<int> { return signals.next(); });
        auto elsewhere = create_task([&]() -> Coro<int> { return others.next(); });
        co_await sleep(0s);
        const Outcome<int> refused = co_await try_wait_for(signals.next(), Duration::none());
        EXPECT_NE(refused.error_as<RuntimeError>(), nullptr);
        ::raise(SIGUSR1);
        auto [first, second] = co_await gather(waiting, elsewhere);
        EXPECT_EQ(first, SIGUSR1);
        EXPECT_EQ(second, SIGUSR1);
    });
}

// Ctrl-C, if the program wants to do something else than end the main task; and again as ever in the next
// run.
TEST_P(Signals, SigintCanBeTakenFromTheRunnerAndGoesBack) {
    const auto interrupted_run = [](bool with_receiver) {
        return asyncio::run(
            [](bool takes) -> Coro<int> {
                if (!takes) {
                    ::raise(SIGINT);
                    co_await sleep(1h);
                }
                SignalReceiver signals(SIGINT);
                ::raise(SIGINT);
                co_return co_await signals.next();
            }(with_receiver),
            {.backend = GetParam()});
    };
    EXPECT_EQ(interrupted_run(true), SIGINT);
    EXPECT_THROW(interrupted_run(false), KeyboardInterrupt);
}

TEST_P(Signals, AChildMadeByForkDiesOfThem) {
    if (GetParam() == Backend::sim) return;
    run([]() -> Coro<> {
        int calls = 0;
        get_running_loop().add_signal_handler(SIGUSR1, [&] { ++calls; });
        const pid_t child = ::fork();
        if (child == 0) {
            ::raise(SIGUSR1);
            ::_exit(0);
        }
        int status = 0;
        EXPECT_EQ(::waitpid(child, &status, 0), child);
        EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
        co_await sleep(0s);
        co_await sleep(1ms);
        EXPECT_EQ(calls, 0);
        get_running_loop().remove_signal_handler(SIGUSR1);
    });
}

}}  // namespace asyncio::test
