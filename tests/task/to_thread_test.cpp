// to_thread: blocking calls off the loop's thread.
#include "asyncio/task/to_thread.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "asyncio/asyncio.hpp"
#include "debug/debug_support.hpp"
#include "detail/loop_impl.hpp"
#include "support/gate.hpp"
#include "task/task_support.hpp"

namespace asyncio::task_test { namespace {

using test::Gate;

class ToThreadTest : public test::BackendTest {};
ASYNCIO_ON_EVERY_BACKEND(ToThreadTest);
class ToThreadWarningTest : public test::LoopTest {};

/// A call that waits at the gate, and that nobody waits for.
void leave_one_at(const std::shared_ptr<Gate>& gate) {
    get_running_loop().run_in_executor(nullptr, [](std::shared_ptr<Gate> g) { g->pass(); }, gate);
    gate->wait_until_somebody_is_there();
}

TEST_P(ToThreadTest, CallsTheFunctionOnAnotherThreadAndGivesItsResult) {
    run([]() -> Coro<> {
        auto id = co_await to_thread([] { return std::this_thread::get_id(); });
        EXPECT_NE(id, std::this_thread::get_id());
        int sum = co_await to_thread([](int a, int b) { return a + b; }, 2, 3);
        EXPECT_EQ(sum, 5);
        co_await to_thread([] {});
        MoveOnly moved = co_await to_thread([](MoveOnly m) { return MoveOnly(m.value() + 1); }, MoveOnly(4));
        EXPECT_EQ(moved.value(), 5);
    });
}

TEST_P(ToThreadTest, TheLoopGoesOnMeanwhile) {
    run([]() -> Coro<> {
        Gate gate;
        bool ran = false;
        auto other = create_task([](Gate& g, bool& flag) -> Coro<> {
            flag = true;
            g.open();
            co_return;
        }(gate, ran));
        co_await to_thread([&] { gate.pass(); });
        EXPECT_TRUE(ran);
        co_await other;
    });
}

TEST_P(ToThreadTest, ExceptionsOfTheFunctionArrive) {
    run([]() -> Coro<> {
        std::string text;
        try {
            co_await to_thread([](std::string s) { throw ValueError(s); }, "from the thread");
        } catch (const ValueError& error) {
            text = error.what();
        }
        EXPECT_EQ(text, "from the thread");
        bool cancelled = false;
        try {
            co_await to_thread([]() -> int { throw CancelledError(); });
        } catch (const CancelledError&) {
            cancelled = true;
        }
        EXPECT_TRUE(cancelled);
    });
}

TEST_P(ToThreadTest, ManyCallsAtOnceAllEnd) {
    run([]() -> Coro<> {
        std::vector<Coro<int>> jobs;
        for (int i = 0; i < 200; ++i) {
            jobs.push_back(
                [](int n) -> Coro<int> { co_return co_await to_thread([](int m) { return m; }, n); }(i));
        }
        std::vector<int> results = co_await gather(std::move(jobs));
        for (int i = 0; i < 200; ++i) EXPECT_EQ(results[static_cast<std::size_t>(i)], i);
    });
}

TEST_P(ToThreadTest, ACancelWaitsForTheFunctionAndItsStopTokenIsSet) {
    run([]() -> Coro<> {
        Gate started;
        std::atomic<bool> ended{false};
        auto task = create_task([](Gate& gate, std::atomic<bool>& flag) -> Coro<> {
            co_await to_thread([&](std::stop_token token) {
                gate.open();
                while (!token.stop_requested()) std::this_thread::yield();
                flag = true;
            });
        }(started, ended));
        co_await sleep(0s);
        started.pass();
        EXPECT_FALSE(ended);
        task.cancel();
        EXPECT_FALSE(task.done());
        co_await wait(handles(task));
        EXPECT_TRUE(ended);
        EXPECT_TRUE(task.cancelled());
    });
}

TEST_P(ToThreadTest, ACancelBeforeItBeginsCallsNothing) {
    run([]() -> Coro<> {
        bool called = false;
        auto task = create_task([](bool& flag) -> Coro<> {
            current_task().cancel();
            co_await to_thread([&] { flag = true; });
        }(called));
        co_await wait(handles(task));
        EXPECT_TRUE(task.cancelled());
        EXPECT_FALSE(called);
    });
}

TEST_P(ToThreadTest, AnAbandonedCallIsLeftBehindAtOnce) {
    auto gate = std::make_shared<Gate>();
    std::weak_ptr<int> argument;
    run([&]() -> Coro<> {
        auto owned = std::make_shared<int>(5);
        argument = owned;
        auto task = create_task([](std::shared_ptr<Gate> g, std::shared_ptr<int> a) -> Coro<> {
            co_await to_thread(
                abandon_on_cancel, [](std::shared_ptr<Gate> door, std::shared_ptr<int>) { door->pass(); }, g,
                a);
        }(gate, owned));
        owned.reset();
        co_await sleep(0s);
        gate->wait_until_somebody_is_there();
        task.cancel();
        co_await sleep(0s);
        co_await sleep(0s);
        EXPECT_TRUE(task.cancelled());
        EXPECT_FALSE(argument.expired());
        gate->open();
        // The call's end comes back to the loop, and what it owned is gone. (The argument may go before: it
        // was moved into the function's parameter.)
        while (impl_of(detail::current_loop)->thread_jobs != 0) co_await sleep(0s);
        EXPECT_TRUE(argument.expired());
    });
}

/// Notes if it dies on another thread than the one that made it.
class Homesick {
  public:
    explicit Homesick(std::shared_ptr<std::atomic<int>> elsewhere) : elsewhere_(std::move(elsewhere)) {}
    Homesick(const Homesick&) = default;
    Homesick(Homesick&&) = default;
    Homesick& operator=(const Homesick&) = delete;
    ~Homesick() {
        if (elsewhere_ != nullptr && std::this_thread::get_id() != home_) ++*elsewhere_;
    }

  private:
    std::shared_ptr<std::atomic<int>> elsewhere_;
    std::thread::id home_ = std::this_thread::get_id();
};

TEST_P(ToThreadTest, WhatAnAbandonableCallOwnsDiesOnTheLoopsThread) {
    auto elsewhere = std::make_shared<std::atomic<int>>(0);
    run([&]() -> Coro<> {
        for (int i = 0; i < 2000; ++i) {
            co_await to_thread(abandon_on_cancel, [](const Homesick&) {}, Homesick(elsewhere));
        }
    });
    EXPECT_EQ(*elsewhere, 0);
}

TEST_P(ToThreadTest, AnAbandonableCallThatIsNotCancelledGivesItsResult) {
    run([]() -> Coro<> {
        std::string text =
            co_await to_thread(abandon_on_cancel, [](std::string s) { return s + "!"; }, std::string("text"));
        EXPECT_EQ(text, "text!");
        bool thrown = false;
        try {
            co_await to_thread(abandon_on_cancel, []() -> int { throw ValueError("from the thread"); });
        } catch (const ValueError&) {
            thrown = true;
        }
        EXPECT_TRUE(thrown);
    });
}

TEST_P(ToThreadTest, TheAbandonedCallsStopTokenIsSetToo) {
    run([]() -> Coro<> {
        auto started = std::make_shared<Gate>();
        auto stopped = std::make_shared<std::atomic<bool>>(false);
        auto task = create_task([](auto gate, auto flag) -> Coro<> {
            co_await to_thread(
                abandon_on_cancel,
                [](std::stop_token token, auto g, auto f) {
                    g->open();
                    while (!token.stop_requested()) std::this_thread::yield();
                    f->store(true);
                },
                gate, flag);
        }(started, stopped));
        co_await sleep(0s);
        started->pass();
        task.cancel();
        co_await wait(handles(task));
        EXPECT_TRUE(task.cancelled());
        while (!stopped->load()) std::this_thread::yield();
        // The loop closes only when the thread has told that it is done.
        co_await to_thread([] {});
        co_await sleep(5ms);
    });
}

TEST_P(ToThreadTest, TheLoopWaitsForItsThreadsWhenItCloses) {
    auto ended = std::make_shared<std::atomic<bool>>(false);
    test::note_backend(backend());
    asyncio::run(
        [](std::shared_ptr<std::atomic<bool>> flag) -> Coro<> {
            create_task(
                [](std::shared_ptr<std::atomic<bool>> f) -> Coro<> {
                    co_await to_thread([&f] {
                        std::this_thread::sleep_for(5ms);
                        f->store(true);
                    });
                },
                flag);
            co_await sleep(0s);
            co_await sleep(0s);
        }(ended),
        {.backend = backend()});
    EXPECT_TRUE(ended->load());
}

TEST_P(ToThreadTest, AThreadThatDoesNotEndIsNamedAndLeftBehind) {
    auto gate = std::make_shared<Gate>();
    const std::string text = printed([&] {
        asyncio::run(
            [](std::shared_ptr<Gate> g) -> Coro<> {
                auto task = create_task(
                    [](std::shared_ptr<Gate> door) -> Coro<> {
                        co_await to_thread(
                            abandon_on_cancel, [](std::shared_ptr<Gate> d) { d->pass(); }, door);
                    },
                    g);
                co_await sleep(0s);
                co_await sleep(0s);
                g->wait_until_somebody_is_there();
            }(gate),
            {.backend = backend(), .shutdown_timeout = 10ms});
    });
    EXPECT_NE(text.find("1 thread(s) of to_thread still run"), std::string::npos) << text;
    EXPECT_NE(text.find("lambda"), std::string::npos) << text;
    gate->open();
    // The thread ends by itself; it holds the last reference to the door.
    while (gate.use_count() > 1) std::this_thread::sleep_for(1ms);
}

TEST_F(ToThreadWarningTest, WhatIsSaidOfThreadsGoesToTheWarningHandler) {
    debug_test::Warnings warnings;
    auto gate = std::make_shared<Gate>();
    const std::string text = printed([&] {
        asyncio::run(
            [](std::shared_ptr<Gate> g, debug_test::Warnings& warned) -> Coro<> {
                auto door = std::make_shared<Gate>();
                auto task = create_task(to_thread([&] { door->pass(); }));
                leave_one_at(g);
                co_await sleep(0s);
                door->wait_until_somebody_is_there();
                task.cancel();
                while (!warned.has("was cancelled a second ago")) co_await sleep(10ms);
                door->open();
                co_await wait(handles(task));
            }(gate, warnings),
            {.debug = true, .shutdown_timeout = 10ms});
    });
    EXPECT_EQ(text, "");
    EXPECT_TRUE(warnings.has("1 thread(s) of to_thread still run")) << warnings.text();
    gate->open();
    while (gate.use_count() > 1) std::this_thread::sleep_for(1ms);  // the thread ends by itself
}

TEST_P(ToThreadTest, WhoListensToTheStopTokenIsCalledInATurnOfTheLoopNotInsideTheCancel) {
    run([]() -> Coro<> {
        auto gate = std::make_shared<Gate>();
        bool inside = false;
        bool called_inside = false;
        const auto blocking = [&](std::stop_token token) {
            const std::stop_callback listen(token, [&] {
                called_inside = inside;
                gate->open();
            });
            gate->pass();
        };
        auto task = create_task([&]() -> Coro<> { co_await to_thread(blocking); });
        co_await sleep(0s);
        gate->wait_until_somebody_is_there();
        inside = true;
        task.cancel();
        inside = false;
        co_await wait(std::vector<Task<>>(1, task));
        EXPECT_TRUE(task.cancelled());
        EXPECT_FALSE(called_inside);
    });
}

TEST_P(ToThreadTest, ThreadsOfThePoolTakeNoSignals) {
    run([]() -> Coro<> {
        bool blocked = co_await to_thread([] {
            sigset_t mask;
            pthread_sigmask(SIG_SETMASK, nullptr, &mask);
            return sigismember(&mask, SIGINT) == 1 && sigismember(&mask, SIGTERM) == 1;
        });
        EXPECT_TRUE(blocked);
    });
}

}}  // namespace asyncio::task_test
