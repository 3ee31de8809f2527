// EventLoop: callbacks, their order, running, stopping, closing.
#include "asyncio/core/event_loop.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "asyncio/asyncio.hpp"
#include "detail/loop_impl.hpp"
#include "task/task_support.hpp"

namespace asyncio::task_test { namespace {

class EventLoopTest : public test::BackendTest {
  protected:
    RunOptions here() const {
        test::note_backend(backend());
        return {.backend = backend()};
    }
};
ASYNCIO_ON_EVERY_BACKEND(EventLoopTest);

class RealTimeLoopTest : public EventLoopTest {};
ASYNCIO_ON_REAL_BACKENDS(RealTimeLoopTest);

// ---- call_soon and timers -----------------------------------------------------------------------

TEST_P(EventLoopTest, RunsCallbacksInTheOrderOfTheirCalls) {
    EventLoop loop(here());
    Log log;
    for (const char* name : {"a", "b", "c"}) loop.call_soon([&log, name] { log.push_back(name); });
    loop.call_soon([&] { loop.stop(); });
    loop.run_forever();
    EXPECT_EQ(log, (Log{"a", "b", "c"}));
}

TEST_P(EventLoopTest, WhatACallbackSchedulesRunsInTheNextIteration) {
    EventLoop loop(here());
    Log log;
    loop.call_soon([&] {
        loop.call_soon([&] { log.push_back("later"); });
        log.push_back("first");
        loop.stop();
    });
    loop.call_soon([&] { log.push_back("second"); });
    loop.run_forever();
    EXPECT_EQ(log, (Log{"first", "second"}));
    loop.call_soon([&] { loop.stop(); });
    loop.run_forever();
    EXPECT_EQ(log, (Log{"first", "second", "later"}));
}

TEST_P(EventLoopTest, PassesArgumentsByValue) {
    EventLoop loop(here());
    std::string got;
    {
        std::string given = "a text that is too long for the small buffer";
        loop.call_soon([&](const std::string& s, std::unique_ptr<int> n) { got = s + std::to_string(*n); },
                       given, std::make_unique<int>(7));
        given = "changed";
    }
    loop.call_soon([&] { loop.stop(); });
    loop.run_forever();
    EXPECT_EQ(got, "a text that is too long for the small buffer7");
}

TEST_P(EventLoopTest, RunsTimersInTheOrderOfTheirDeadlinesAndEqualOnesInTheOrderOfCreation) {
    EventLoop loop(here());
    Log log;
    const TimePoint start = loop.time();
    loop.call_at(start + 3ms, [&] { log.push_back("3"); });
    loop.call_at(start + 1ms, [&] { log.push_back("1a"); });
    loop.call_at(start + 2ms, [&] { log.push_back("2a"); });
    loop.call_at(start + 1ms, [&] { log.push_back("1b"); });
    loop.call_at(start + 2ms, [&] { log.push_back("2b"); });
    loop.call_at(start + 4ms, [&] { loop.stop(); });
    loop.call_at(start + 1ms, [&] { log.push_back("1c"); });
    loop.call_at(start - 1s, [&] { log.push_back("past"); });
    loop.run_forever();
    EXPECT_EQ(log, (Log{"past", "1a", "1b", "1c", "2a", "2b", "3"}));
}

TEST_P(EventLoopTest, ManyTimersComeInOrderWhateverTheOrderOfTheirCreationAndRemoval) {
    EventLoop loop(here());
    const TimePoint start = loop.time();
    std::vector<int> order;
    std::vector<TimerHandle> dropped;
    unsigned random = 12345;
    for (int i = 0; i < 2000; ++i) {
        random = random * 1103515245 + 12345;
        const int at = static_cast<int>(random >> 16) % 500;
        auto handle =
            loop.call_at(start + std::chrono::microseconds(at * 10), [&order, at] { order.push_back(at); });
        if (i % 3 == 0) dropped.push_back(handle);
    }
    for (auto& handle : dropped) handle.cancel();
    loop.call_at(start + 6ms, [&] { loop.stop(); });
    loop.run_forever();
    EXPECT_EQ(order.size(), 2000u - dropped.size());
    EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST_P(EventLoopTest, TimersAreNeverEarly) {
    EventLoop loop(here());
    const TimePoint start = loop.time();
    TimePoint at{};
    auto handle = loop.call_later(3ms, [&] {
        at = loop.time();
        loop.stop();
    });
    EXPECT_GE(handle.when(), start + 3ms);
    loop.run_forever();
    EXPECT_GE(at, start + 3ms);
    if (simulated()) {
        EXPECT_EQ(at, start + 3ms);
    }
}

TEST_P(EventLoopTest, CancelledHandlesDoNotRunAndLetGoOfTheirCapturesAtOnce) {
    EventLoop loop(here());
    int alive = 0;
    bool ran = false;
    Handle soon = loop.call_soon([&ran, c = Counted(&alive)] { ran = true; });
    Handle later = loop.call_later(1ms, [&ran, c = Counted(&alive)] { ran = true; });
    Handle dropped = loop.call_later(1h, [&ran, c = Counted(&alive)] { ran = true; });
    EXPECT_EQ(alive, 3);
    soon.cancel();
    later.cancel();
    EXPECT_EQ(alive, 1);
    EXPECT_TRUE(soon.cancelled());
    EXPECT_TRUE(later.cancelled());
    EXPECT_FALSE(dropped.cancelled());
    soon.cancel();
    loop.call_later(2ms, [&] {
        dropped.cancel();
        loop.stop();
    });
    loop.run_forever();
    EXPECT_FALSE(ran);
    EXPECT_EQ(alive, 0);
}

TEST_P(EventLoopTest, ACallbackMayCancelItselfAndOthersOfItsBatch) {
    EventLoop loop(here());
    Log log;
    std::optional<Handle> first;
    std::optional<Handle> second;
    first = loop.call_soon([&] {
        log.push_back("first");
        first->cancel();
        second->cancel();
    });
    second = loop.call_soon([&] { log.push_back("second"); });
    loop.call_soon([&] { loop.stop(); });
    loop.run_forever();
    EXPECT_EQ(log, Log{"first"});
    first->cancel();  // it has run: without effect
    EXPECT_FALSE(first->cancelled());
}

TEST_P(EventLoopTest, HandlesMayOutliveTheLoop) {
    int alive = 0;
    std::optional<Handle> soon;
    std::optional<Handle> later;
    {
        EventLoop loop(here());
        soon = loop.call_soon([c = Counted(&alive)] {});
        later = loop.call_later(1h, [c = Counted(&alive)] {});
        EXPECT_EQ(alive, 2);
    }
    EXPECT_EQ(alive, 0);
    soon->cancel();
    later->cancel();
}

TEST_P(EventLoopTest, AnExceptionInACallbackGoesToTheHandlerAndTheLoopGoesOn) {
    EventLoop loop(here());
    Log log;
    loop.set_exception_handler([&](EventLoop& where, const ExceptionContext& context) {
        EXPECT_EQ(&where, &loop);
        log.push_back(context.message + ": " + describe(context.exception));
    });
    loop.call_soon([] { throw std::runtime_error("one"); });
    loop.call_later(1ms, [] { throw std::runtime_error("two"); });
    loop.call_soon_threadsafe([] { throw std::runtime_error("three"); });
    loop.call_later(2ms, [&] { loop.stop(); });
    loop.run_forever();
    ASSERT_EQ(log.size(), 3u);
    EXPECT_EQ(log[0].find("Exception in callback"), 0u) << log[0];
    EXPECT_NE(log[0].find("one"), std::string::npos);
    EXPECT_NE(log[1].find("three"), std::string::npos);
    EXPECT_NE(log[2].find("two"), std::string::npos);
}

TEST_P(EventLoopTest, WithoutAHandlerExceptionsArePrinted) {
    const std::string text = printed([&] {
        EventLoop loop(here());
        loop.call_soon([] { throw std::runtime_error("printed"); });
        loop.call_soon([&] { loop.stop(); });
        loop.run_forever();
    });
    EXPECT_EQ(text.find("asyncio: Exception in callback"), 0u) << text;
    EXPECT_NE(text.find("printed"), std::string::npos) << text;
}

TEST_P(EventLoopTest, AHandlerMayPassOnToTheDefaultOne) {
    const std::string text = printed([&] {
        EventLoop loop(here());
        loop.set_exception_handler([](EventLoop& where, const ExceptionContext& context) {
            ExceptionContext longer = context;
            longer.message = "seen first: " + context.message;
            where.default_exception_handler(longer);
        });
        loop.call_soon([] { throw std::runtime_error("printed"); });
        loop.call_soon([&] { loop.stop(); });
        loop.run_forever();
    });
    EXPECT_EQ(text.find("asyncio: seen first: Exception in callback"), 0u) << text;
    EXPECT_NE(text.find("printed"), std::string::npos) << text;
}

TEST_P(EventLoopTest, AnExceptionOfTheHandlerItselfIsPrinted) {
    const std::string text = printed([&] {
        EventLoop loop(here());
        loop.set_exception_handler(
            [](EventLoop&, const ExceptionContext&) { throw std::runtime_error("of the handler"); });
        loop.call_soon([] { throw std::runtime_error("of the callback"); });
        loop.call_soon([&] { loop.stop(); });
        loop.run_forever();
    });
    EXPECT_NE(text.find("of the callback"), std::string::npos) << text;
    EXPECT_NE(text.find("of the handler"), std::string::npos) << text;
}

TEST_P(EventLoopTest, OptionsThatMeanNothingAreRefused) {
    for (const Duration slack : {Duration(-1ns), Duration::none()}) {
        const auto make = [&] { EventLoop loop({.backend = backend(), .timer_slack = slack}); };
        EXPECT_EQ(thrown<ValueError>(make).find("timer_slack"), 0u);
    }
    const char* const before = std::getenv("ASYNCIO_SEED");
    const std::string kept = before != nullptr ? before : "";
    for (const char* seed : {"garbage", "7up", "-1", "18446744073709551616"}) {
        ::setenv("ASYNCIO_SEED", seed, 1);
        EXPECT_EQ(
            thrown<ValueError>([&] { EventLoop loop(here()); }).find("ASYNCIO_SEED=" + std::string(seed)),
            0u);
    }
    ::setenv("ASYNCIO_SEED", "18446744073709551615", 1);
    { EventLoop loop(here()); }
    ::unsetenv("ASYNCIO_SEED");
    if (before != nullptr) ::setenv("ASYNCIO_SEED", kept.c_str(), 1);
}

// ---- running and stopping -----------------------------------------------------------------------

TEST_P(EventLoopTest, StopBeforeRunForeverRunsWhatIsReadyAndReturns) {
    EventLoop loop(here());
    Log log;
    loop.call_soon([&] {
        log.push_back("ready");
        loop.call_soon([&] { log.push_back("next"); });
    });
    loop.stop();
    loop.run_forever();
    EXPECT_EQ(log, Log{"ready"});
    loop.stop();
    loop.run_forever();
    EXPECT_EQ(log, (Log{"ready", "next"}));
    loop.stop();
    loop.run_forever();  // with nothing to do
}

TEST_P(EventLoopTest, RunUntilCompleteGivesTheResultOrThrows) {
    EventLoop loop(here());
    EXPECT_EQ(loop.run_until_complete([]() -> Coro<int> {
        co_await sleep(1ms);
        co_return 5;
    }()),
              5);
    EXPECT_EQ(thrown<ValueError>([&] {
                  loop.run_until_complete([]() -> Coro<int> {
                      co_await sleep(1ms);
                      throw ValueError("its own");
                  }());
              }),
              "its own");
}

TEST_P(EventLoopTest, RunUntilCompleteThatIsStoppedSaysSo) {
    EventLoop loop(here());
    loop.call_soon([&] { loop.stop(); });
    EXPECT_EQ(
        thrown<RuntimeError>([&] { loop.run_until_complete([]() -> Coro<> { co_await sleep(1h); }()); }),
        "event loop stopped before the coroutine completed");
}

TEST_P(EventLoopTest, ARunningLoopRefusesToBeRun) {
    EventLoop loop(here());
    EventLoop other(here());
    Log log;
    loop.call_soon([&] {
        for (EventLoop* each : {&loop, &other}) {
            log.push_back(thrown<RuntimeError>([&] { each->run_forever(); }));
            log.push_back(thrown<RuntimeError>([&] { each->poll_once(); }));
            log.push_back(
                thrown<RuntimeError>([&] { each->run_until_complete([]() -> Coro<> { co_return; }()); }));
        }
        log.push_back(thrown<RuntimeError>([&] { loop.close(); }));
        loop.stop();
    });
    loop.run_forever();
    ASSERT_EQ(log.size(), 7u);
    for (int i = 0; i < 6; ++i)
        EXPECT_EQ(log[static_cast<std::size_t>(i)].find("a loop is running in this thread already"), 0u);
    EXPECT_EQ(log[6], "cannot close a running event loop");
}

TEST_P(EventLoopTest, PollOnceRunsOneIteration) {
    EventLoop loop(here());
    Log log;
    loop.call_soon([&] {
        log.push_back("a");
        loop.call_soon([&] { log.push_back("b"); });
    });
    EXPECT_TRUE(loop.poll_once());
    EXPECT_EQ(log, Log{"a"});
    EXPECT_FALSE(loop.poll_once());
    EXPECT_EQ(log, (Log{"a", "b"}));
    EXPECT_FALSE(loop.poll_once());
    loop.call_later(1ms, [&] { log.push_back("timer"); });
    if (!simulated()) {
        EXPECT_FALSE(loop.poll_once());  // does not wait
        EXPECT_EQ(log.size(), 2u);
    }
    while (log.size() == 2) loop.poll_once(1s);
    EXPECT_EQ(log.back(), "timer");
}

TEST_P(EventLoopTest, PollTimeoutIsTheTimeUntilTheNextTimer) {
    EventLoop loop(here());
    EXPECT_FALSE(loop.poll_timeout().has_value());
    loop.call_soon([] {});
    EXPECT_EQ(loop.poll_timeout(), Duration::zero());
    loop.poll_once();
    EXPECT_FALSE(loop.poll_timeout().has_value());
    const TimerHandle later = loop.call_later(1h, [] {});
    EXPECT_LE(loop.poll_timeout(), Duration(1h));
    EXPECT_GT(loop.poll_timeout(), Duration(1h - 1min));
    TimerHandle past = loop.call_at(loop.time() - 1s, [] {});
    EXPECT_EQ(loop.poll_timeout(), Duration::zero());
    past.cancel();
    EXPECT_GT(loop.poll_timeout(), Duration::zero());
    EXPECT_EQ(loop.poll_timeout_ms(), 3'600'000);
    loop.close();
    EXPECT_EQ(loop.poll_timeout_ms(), -1);
    EXPECT_FALSE(loop.poll_timeout().has_value());
    EXPECT_EQ(loop.poll_descriptor(), -1);
}

// A host that waits itself, as it would in a loop of its own: whatever happens makes the descriptor readable.
TEST_P(RealTimeLoopTest, AHostMayWaitForThePollDescriptor) {
    int pair[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    EventLoop loop(here());
    const auto wait = [&](int milliseconds) {
        pollfd entry{loop.poll_descriptor(), POLLIN, 0};
        return ::poll(&entry, 1, milliseconds) == 1;
    };
    loop.poll_once();
    ASSERT_GE(loop.poll_descriptor(), 0);
    EXPECT_FALSE(wait(0));

    // A post from another thread.
    bool posted = false;
    std::thread poster([&, handle = loop.remote()] { handle.call_soon_threadsafe([&] { posted = true; }); });
    EXPECT_TRUE(wait(10'000));
    poster.join();
    while (!posted) loop.poll_once();
    while (loop.poll_once()) {}
    EXPECT_FALSE(wait(0));

    // One that comes while the loop works, after it has looked for posts.
    posted = false;
    loop.call_soon([&] { loop.call_soon_threadsafe([&] { posted = true; }); });
    while (loop.poll_once()) {}
    if (!posted) {
        EXPECT_TRUE(wait(10'000));
    }
    while (!posted) loop.poll_once();
    while (loop.poll_once()) {}
    EXPECT_FALSE(wait(0));

    // An operation of the kernel's, begun by a callback.
    struct Readable : detail::Operation {
        bool ended = false;
        explicit Readable(int fd) noexcept
            : Operation(detail::OperationKind::wait_readable, fd,
                        [](Operation* me) noexcept { static_cast<Readable*>(me)->ended = true; }) {}
    } readable(pair[0]);
    loop.call_soon([&] { EXPECT_FALSE(loop.impl().backend->submit(readable)); });
    EXPECT_FALSE(loop.poll_once());
    EXPECT_FALSE(wait(0));
    ASSERT_EQ(::write(pair[1], "x", 1), 1);
    EXPECT_TRUE(wait(10'000));
    loop.poll_once();
    EXPECT_TRUE(readable.ended);

    loop.close();
    ::close(pair[0]);
    ::close(pair[1]);
}

TEST_P(RealTimeLoopTest, PollOnceWaitsNoLongerThanItsTimeout) {
    EventLoop loop(here());
    loop.call_later(1h, [] {});
    const auto before = std::chrono::steady_clock::now();
    EXPECT_FALSE(loop.poll_once(5ms));
    const auto took = std::chrono::steady_clock::now() - before;
    EXPECT_GE(took, 4ms);
    EXPECT_LT(took, 10s);
}

TEST_P(EventLoopTest, TheRunningLoopIsKnownToWhatItRuns) {
    EXPECT_EQ(thrown<RuntimeError>([] { get_running_loop(); }).find("no running event loop"), 0u);
    EventLoop loop(here());
    EXPECT_EQ(loop.backend(), backend());
    EXPECT_FALSE(loop.is_running());
    loop.call_soon([&] {
        EXPECT_TRUE(loop.is_running());
        EXPECT_EQ(&get_running_loop(), &loop);
        loop.stop();
    });
    loop.run_forever();
    EXPECT_FALSE(loop.is_running());
    EXPECT_THROW(get_running_loop(), RuntimeError);
}

TEST_P(EventLoopTest, TimeDoesNotGoBack) {
    EventLoop loop(here());
    const TimePoint before = loop.time();
    loop.run_until_complete([]() -> Coro<> { co_await sleep(2ms); }());
    EXPECT_GE(loop.time(), before + 2ms);
}

// ---- debug mode ---------------------------------------------------------------------------------

TEST_P(EventLoopTest, DebugModeRefusesCallsFromOtherThreads) {
    EventLoop loop({.debug = true, .backend = backend()});
    std::string refused;
    loop.call_soon([&] {
        std::thread other([&] { refused = thrown<RuntimeError>([&] { loop.call_soon([] {}); }); });
        other.join();
        loop.stop();
    });
    loop.run_forever();
    EXPECT_NE(refused.find("this loop runs on another thread"), std::string::npos) << refused;
    EXPECT_NE(refused.find("call_soon_threadsafe"), std::string::npos) << refused;
}

// ---- closing ------------------------------------------------------------------------------------

TEST_P(EventLoopTest, AClosedLoopRefusesWork) {
    EventLoop loop(here());
    loop.close();
    loop.close();
    EXPECT_TRUE(loop.is_closed());
    for (const std::string& text :
         {thrown<RuntimeError>([&] { loop.call_soon([] {}); }),
          thrown<RuntimeError>([&] { loop.call_later(1s, [] {}); }),
          thrown<RuntimeError>([&] { loop.call_at(TimePoint(), [] {}); }),
          thrown<RuntimeError>([&] { loop.run_forever(); }),
          thrown<RuntimeError>([&] { loop.call_soon_threadsafe([] {}); }),
          thrown<RuntimeError>([&] { loop.poll_once(); }),
          thrown<RuntimeError>([&] { loop.run_until_complete([]() -> Coro<> { co_return; }()); }),
          thrown<RuntimeError>([&] { loop.remote().call_soon_threadsafe([] {}); })}) {
        EXPECT_EQ(text, "event loop is closed");
    }
    EXPECT_TRUE(loop.remote().is_closed());
    EXPECT_EQ(loop.backend(), backend());
    loop.time();
    loop.stop();
}

Coro<> ends_after(Log& log, std::string name, int turns) {
    try {
        co_await sleep(1h);
    } catch (const CancelledError&) {
        log.push_back(name + " cancelled");
    }
    for (int i = 0; i < turns; ++i) co_await sleep(1ms);
    log.push_back(name + " ended");
    throw CancelledError();
}

TEST_P(EventLoopTest, ClosingCancelsLiveTasksInTheOrderOfTheirCreationAndWaitsForThem) {
    Log log;
    EventLoop loop(here());
    loop.run_until_complete([](Log& out) -> Coro<> {
        create_task(ends_after(out, "a", 2));
        create_task(ends_after(out, "b", 0));
        create_task(ends_after(out, "c", 1));
        co_await sleep(0s);
    }(log));
    EXPECT_TRUE(log.empty());
    loop.close();
    EXPECT_EQ(log, (Log{"a cancelled", "b cancelled", "b ended", "c cancelled", "c ended", "a ended"}));
}

TEST_P(EventLoopTest, TasksCreatedByTheCleanupOfOthersAreDrainedToo) {
    Log log;
    {
        EventLoop loop(here());
        loop.run_until_complete([](Log& out) -> Coro<> {
            create_task(
                [](Log& inner) -> Coro<> {
                    std::exception_ptr error;
                    try {
                        co_await sleep(1h);
                    } catch (const CancelledError&) {
                        error = std::current_exception();
                    }
                    create_task(ends_after(inner, "of the cleanup", 1));
                    co_await sleep(1ms);
                    std::rethrow_exception(error);
                },
                std::ref(out));
            co_await sleep(0s);
        }(log));
        loop.close();
    }
    EXPECT_EQ(log, (Log{"of the cleanup cancelled", "of the cleanup ended"}));
}

TEST_P(EventLoopTest, ATaskThatSwallowsItsCancelIsWaitedFor) {
    bool ended = false;
    EventLoop loop(here());
    loop.run_until_complete([](bool& flag) -> Coro<> {
        create_task(
            [](bool& inner) -> Coro<> {
                try {
                    co_await sleep(1h);
                } catch (const CancelledError&) {}
                co_await sleep(5ms);
                inner = true;
            },
            std::ref(flag));
        co_await sleep(0s);
    }(ended));
    EXPECT_FALSE(ended);
    loop.close();
    EXPECT_TRUE(ended);
}

TEST_P(EventLoopTest, WhatTasksThrowAtTheEndGoesToTheHandler) {
    Log log;
    EventLoop loop(here());
    loop.set_exception_handler([&](EventLoop&, const ExceptionContext& context) {
        log.push_back(context.message + ": " + context.task_name + ": " + describe(context.exception));
    });
    loop.run_until_complete([]() -> Coro<> {
        create_task([]() -> Coro<> {
            try {
                co_await sleep(1h);
            } catch (const CancelledError&) {
                throw ValueError("in place of the cancel");
            }
        }())
            .set_name("bad");
        co_await sleep(0s);
    }());
    loop.close();
    ASSERT_EQ(log.size(), 1u);
    EXPECT_EQ(log[0].find("unhandled exception during asyncio.run() shutdown: bad: "), 0u) << log[0];
    EXPECT_NE(log[0].find("in place of the cancel"), std::string::npos) << log[0];
}

struct Rescheduling {
    EventLoop* loop;
    int* runs;
    std::shared_ptr<Counted> counted;
    Rescheduling(EventLoop* l, int* r, std::shared_ptr<Counted> c)
        : loop(l), runs(r), counted(std::move(c)) {}
    void operator()() {
        ++*runs;
        loop->call_soon(*this);
    }
};

TEST_P(EventLoopTest, CallbacksThatScheduleThemselvesForEverAreDroppedAtTheEnd) {
    int alive = 0;
    int runs = 0;
    {
        EventLoop loop(here());
        loop.call_soon(Rescheduling(&loop, &runs, std::make_shared<Counted>(&alive)));
        loop.run_until_complete([]() -> Coro<> { co_await sleep(0s); }());
        loop.close();
    }
    EXPECT_GT(runs, 0);
    EXPECT_LT(runs, 100);
    EXPECT_EQ(alive, 0);
}

TEST_P(EventLoopTest, WhatNeverRanIsDestroyedWhenTheLoopCloses) {
    int alive = 0;
    {
        EventLoop loop(here());
        loop.call_later(1h, [c = Counted(&alive)] { ADD_FAILURE(); });
        loop.call_at(loop.time() + 2h, [c = Counted(&alive)] { ADD_FAILURE(); });
        EXPECT_EQ(alive, 2);
    }
    EXPECT_EQ(alive, 0);
}

TEST_P(EventLoopTest, DestructorsThatScheduleWorkWhileTheLoopClosesAreSafe) {
    struct Schedules {
        EventLoop* loop;
        explicit Schedules(EventLoop* l) : loop(l) {}
        Schedules(Schedules&& other) noexcept : loop(std::exchange(other.loop, nullptr)) {}
        ~Schedules() {
            if (loop == nullptr) return;
            try {
                loop->call_soon([] {});
                loop->call_later(1s, [] {});
                loop->call_soon_threadsafe([] {});
            } catch (const RuntimeError&) {}
        }
    };
    EventLoop loop(here());
    loop.call_later(1h, [s = Schedules(&loop)] {});
    loop.call_soon([s = Schedules(&loop)] {});
    loop.call_soon_threadsafe([s = Schedules(&loop)] {});
    loop.close();
}

TEST_P(EventLoopTest, ALoopThatNeverRanClosesCleanly) {
    EventLoop loop(here());
    loop.call_soon([] {});
    EventLoop other(here());
}

// ---- what only virtual time shows ---------------------------------------------------------------

class VirtualTimeTest : public SimulatedTest {};

TEST_F(VirtualTimeTest, JumpsToTheNextDeadlineWhenEverythingWaits) {
    const auto before = std::chrono::steady_clock::now();
    run([]() -> Coro<> {
        const TimePoint start = get_running_loop().time();
        co_await sleep(1000h);
        EXPECT_EQ(get_running_loop().time(), start + 1000h);
    });
    EXPECT_LT(std::chrono::steady_clock::now() - before, 5s);
}

TEST_F(VirtualTimeTest, WhenNothingCanWakeATaskTheRunEndsAndNamesEach) {
    std::string text;
    Future<> never;
    text = thrown<RuntimeError>([&] {
        simulate([](Future<> future) -> Coro<> {
            auto other = create_task([](Future<> f) -> Coro<> { co_await f; }(future), {.name = "the other"});
            co_await other;
        }(never));
    });
    EXPECT_EQ(text.find("deadlock: every task waits and nothing can wake one:\n"), 0u) << text;
    EXPECT_NE(text.find("the other: waits in "), std::string::npos) << text;
    EXPECT_NE(text.find("event_loop_test.cpp:"), std::string::npos) << text;
}

TEST_F(VirtualTimeTest, AnEndlessSleepIsNoDeadlineToJumpTo) {
    const std::string text = thrown<RuntimeError>([&] {
        simulate([]() -> Coro<> {
            auto other = create_task(sleep(Duration::none()));
            co_await sleep(1s);
            co_await other;
        }());
    });
    EXPECT_EQ(text.find("deadlock: every task waits"), 0u) << text;
    VirtualClock clock;
    clock.advance(Duration::max());
    clock.advance(1s);
    EXPECT_GT(clock.now(), TimePoint(1s));
}

TEST_F(VirtualTimeTest, AClockOfTheUserMovesWhenTheUserSaysSo) {
    VirtualClock clock(false);
    EventLoop loop({.clock = &clock});
    bool rang = false;
    loop.call_later(10s, [&] { rang = true; });
    loop.poll_once();
    EXPECT_FALSE(rang);
    clock.advance(9s);
    loop.poll_once();
    EXPECT_FALSE(rang);
    clock.advance(1s);
    loop.poll_once();
    EXPECT_TRUE(rang);
}

TEST_F(VirtualTimeTest, ASeedShufflesReadyTasksTheSameWayEachTime) {
    const auto order = [](std::uint64_t seed) {
        Log log;
        simulate(
            [](Log& out) -> Coro<> {
                for (int i = 0; i < 8; ++i) {
                    create_task([](Log& inner, int n) -> Coro<> {
                        inner.push_back(std::to_string(n));
                        co_return;
                    }(out, i));
                }
                co_await sleep(1s);
            }(log),
            {.seed = seed});
        return log;
    };
    const Log plain = order(0);
    EXPECT_TRUE(std::is_sorted(plain.begin(), plain.end()));
    EXPECT_EQ(order(7), order(7));
    EXPECT_TRUE(order(7) != plain || order(8) != plain);
    EXPECT_TRUE(order(7) != order(8) || order(8) != order(9));
}

}}  // namespace asyncio::task_test
