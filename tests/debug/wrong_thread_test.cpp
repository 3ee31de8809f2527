// Debug mode: a lock, an event, a queue … that belongs to a loop which runs is not used on another thread,
// also if nobody waits. The other thread is joined at once, so nothing here is a data race.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "asyncio/asyncio.hpp"
#include "debug/debug_support.hpp"
#include "support/loop_fixture.hpp"

namespace asyncio::debug_test { namespace {

class WrongThread : public test::BackendTest {};
ASYNCIO_ON_EVERY_BACKEND(WrongThread);
using WrongThreadDeathTest = test::LoopTest;

/// Awaits what `wait` gives in a task of its own, which has to wait until `wake` was called: the primitive is
/// bound to the running loop then, and nobody waits.
template <class Wait, class Wake>
Coro<> bind(Wait wait, Wake wake) {
    auto task = create_task([&]() -> Coro<> { co_await wait(); });
    co_await sleep(0s);
    EXPECT_FALSE(task.done());
    wake();
    co_await task;
}
Coro<> bind(Lock& lock) {
    co_await lock.acquire();
    co_await bind([&] { return lock.acquire(); }, [&] { lock.release(); });
}
Coro<> bind(Event& event) {
    co_await bind([&] { return event.wait(); }, [&] { event.set(); });
}
Coro<> bind(Semaphore& semaphore) {
    while (!semaphore.locked()) co_await semaphore.acquire();
    co_await bind([&] { return semaphore.acquire(); }, [&] { semaphore.release(); });
}
Coro<> bind(Condition& condition) {
    co_await condition.acquire();
    auto task = create_task([&]() -> Coro<> {
        co_await condition.acquire();
        co_await condition.wait();
    });
    co_await sleep(0s);
    condition.release();
    co_await sleep(0s);
    co_await sleep(0s);
    co_await condition.acquire();
    condition.notify();
    condition.release();
    co_await task;  // which has the lock
}
Coro<> bind(Queue<int>& queue) {
    co_await bind([&] { return queue.get(); }, [&] { queue.put_nowait(0); });
}
Coro<> bind(MemoryChannel<int>& channel) {
    co_await bind([&] { return channel.receive.receive(); }, [&] { channel.send.send_nowait(0); });
}

void expect_refused(const std::string& text, std::string_view name) {
    EXPECT_NE(text.find(std::string(name) + " was called on another thread"), std::string::npos) << text;
    EXPECT_NE(text.find("loop.remote().call_soon_threadsafe"), std::string::npos) << text;
}

TEST_P(WrongThread, ALockThatNobodyWaitsForIsNotReleasedThere) {
    run(
        []() -> Coro<> {
            Lock lock;
            co_await bind(lock);
            expect_refused(thrown_elsewhere([&] { lock.release(); }), "Lock.release");
            EXPECT_TRUE(lock.locked());
            lock.release();
        },
        {.debug = true});
}

TEST_P(WrongThread, ASemaphoreIsNotReleasedThere) {
    run(
        []() -> Coro<> {
            BoundedSemaphore semaphore(2);
            co_await bind(semaphore);
            expect_refused(thrown_elsewhere([&] { semaphore.release(); }), "Semaphore.release");
            EXPECT_TRUE(semaphore.locked());
        },
        {.debug = true});
}

TEST_P(WrongThread, AConditionIsNeitherNotifiedNorReleasedThere) {
    run(
        []() -> Coro<> {
            Condition condition;
            co_await bind(condition);
            expect_refused(thrown_elsewhere([&] { condition.notify(); }), "Condition.notify");
            expect_refused(thrown_elsewhere([&] { condition.notify_all(); }), "Condition.notify");
            expect_refused(thrown_elsewhere([&] { condition.release(); }), "Condition.release");
            EXPECT_TRUE(condition.locked());
            condition.release();
        },
        {.debug = true});
}

TEST_P(WrongThread, AQueueThatNobodyWaitsAtIsNotUsedThere) {
    run(
        []() -> Coro<> {
            Queue<int> queue;
            co_await bind(queue);
            queue.put_nowait(1);
            expect_refused(thrown_elsewhere([&] { queue.put_nowait(2); }), "Queue.put_nowait");
            expect_refused(thrown_elsewhere([&] { queue.get_nowait(); }), "Queue.get_nowait");
            expect_refused(thrown_elsewhere([&] { queue.try_get(); }), "Queue.try_get");
            expect_refused(thrown_elsewhere([&] { queue.task_done(); }), "Queue.task_done");
            EXPECT_EQ(queue.qsize(), 1u);
        },
        {.debug = true});
}

TEST_P(WrongThread, AMemoryChannelIsNotUsedThere) {
    run(
        []() -> Coro<> {
            auto channel = open_memory_channel<int>(2);
            co_await bind(channel);
            channel.send.send_nowait(1);
            expect_refused(thrown_elsewhere([&] { channel.send.send_nowait(2); }),
                           "MemorySendChannel.send_nowait");
            expect_refused(thrown_elsewhere([&] { static_cast<void>(channel.send.clone()); }),
                           "MemorySendChannel.clone");
            expect_refused(thrown_elsewhere([&] { channel.receive.receive_nowait(); }),
                           "MemoryReceiveChannel.receive_nowait");
            expect_refused(thrown_elsewhere([&] { static_cast<void>(channel.receive.clone()); }),
                           "MemoryReceiveChannel.clone");
            EXPECT_EQ(channel.receive.statistics().current_buffer_used, 1u);
        },
        {.debug = true});
}

/// What `use`, a coroutine function, throws in a loop of another thread.
template <class F>
std::string thrown_in_another_loop(F use) {
    return thrown_elsewhere([&] { asyncio::run(use); });
}

/// Each would go through without a wait.
TEST_P(WrongThread, AnAwaitInTheLoopOfAnotherThreadIsRefusedAlsoIfItNeedNotWait) {
    run(
        []() -> Coro<> {
            const auto expect_elsewhere = [](const std::string& text) {
                EXPECT_NE(text.find("is bound to a different event loop"), std::string::npos) << text;
            };
            Lock lock;
            co_await bind(lock);
            lock.release();
            expect_elsewhere(thrown_in_another_loop([&]() -> Coro<> { co_await lock.acquire(); }));
            EXPECT_FALSE(lock.locked());
            Event event;
            co_await bind(event);
            expect_elsewhere(thrown_in_another_loop([&]() -> Coro<> { co_await event.wait(); }));
            Semaphore semaphore(2);
            co_await bind(semaphore);
            semaphore.release();
            expect_elsewhere(thrown_in_another_loop([&]() -> Coro<> { co_await semaphore.acquire(); }));
            Queue<int> queue;
            co_await bind(queue);
            expect_elsewhere(thrown_in_another_loop([&]() -> Coro<> { co_await queue.put(1); }));
            queue.put_nowait(1);
            expect_elsewhere(thrown_in_another_loop([&]() -> Coro<> { co_await queue.get(); }));
            expect_elsewhere(thrown_in_another_loop([&]() -> Coro<> { co_await queue.next(); }));
            for (int i = 0; i < 2; ++i) queue.task_done();
            expect_elsewhere(thrown_in_another_loop([&]() -> Coro<> { co_await queue.join(); }));
            queue.shutdown();
            expect_elsewhere(thrown_in_another_loop([&]() -> Coro<> { co_await queue.next(); }));
            auto channel = open_memory_channel<int>(2);
            co_await bind(channel);
            expect_elsewhere(thrown_in_another_loop([&]() -> Coro<> { co_await channel.send.send(1); }));
            channel.send.send_nowait(1);
            expect_elsewhere(thrown_in_another_loop([&]() -> Coro<> { co_await channel.receive.next(); }));
            Barrier barrier(2);
            auto other = create_task([&]() -> Coro<> { co_await barrier.wait(); });
            co_await sleep(0s);
            expect_elsewhere(thrown_in_another_loop([&]() -> Coro<> { co_await barrier.wait(); }));
            expect_refused(thrown_in_another_loop([&]() -> Coro<> { co_await barrier.reset(); }),
                           "Barrier.reset or abort");
            co_await barrier.wait();
            co_await other;
        },
        {.debug = true});
}

TEST_P(WrongThread, WhatNobodyHasWaitedForBelongsToNobody) {
    run(
        []() -> Coro<> {
            Queue<int> queue;
            EXPECT_EQ(thrown_elsewhere([&] { queue.put_nowait(1); }), "nothing");
            int item = co_await queue.get();
            EXPECT_EQ(item, 1);
        },
        {.debug = true});
}

TEST_P(WrongThread, BetweenTwoRunsOfItsLoopAllIsAllowed) {
    Queue<int> queue;
    EventLoop loop({.debug = true, .backend = backend()});
    loop.run_until_complete(bind(queue));
    EXPECT_EQ(thrown_elsewhere([&] { queue.put_nowait(1); }), "nothing");
    loop.run_until_complete([](Queue<int>& items) -> Coro<> {
        int item = co_await items.get();
        EXPECT_EQ(item, 1);
    }(queue));
}

TEST_P(WrongThread, IsNotLookedForOutsideOfDebugMode) {
    run([]() -> Coro<> {
        Queue<int> queue;
        co_await bind(queue);
        EXPECT_EQ(thrown_elsewhere([&] { queue.put_nowait(1); }), "nothing");
        int item = co_await queue.get();
        EXPECT_EQ(item, 1);
    });
}

TEST_P(WrongThread, IsSeenFromTheNextWaitOnWhenDebugModeIsSwitchedOnAndNoLongerWhenItIsOff) {
    run([]() -> Coro<> {
        Queue<int> queue;
        co_await bind(queue);
        get_running_loop().set_debug(true);
        co_await sleep(0s);
        co_await bind(queue);
        expect_refused(thrown_elsewhere([&] { queue.put_nowait(1); }), "Queue.put_nowait");
        get_running_loop().set_debug(false);
        EXPECT_EQ(thrown_elsewhere([&] { queue.put_nowait(1); }), "nothing");
        co_await bind([&] { return queue.join(); },
                      [&] {
                          for (int i = 0; i < 3; ++i) queue.task_done();
                      });
        EXPECT_EQ(thrown_elsewhere([&] { queue.put_nowait(1); }), "nothing");
    });
}

/// What does not throw can only end the program.
TEST_F(WrongThreadDeathTest, WhatDoesNotThrowIsAnAssertionThere) {
    const auto on_another_thread = [](auto make, auto use) {
        asyncio::run(
            [=]() -> Coro<> {
                auto primitive = make();
                co_await bind(*primitive);
                std::thread([&] { use(*primitive); }).join();
            },
            {.debug = true});
    };
    const auto event = [] { return std::make_unique<Event>(); };
    const auto queue = [] { return std::make_unique<Queue<int>>(); };
    const auto channel = [] { return std::make_unique<MemoryChannel<int>>(open_memory_channel<int>(1)); };
    const auto lock = [] { return std::make_unique<Lock>(); };
    EXPECT_DEATH(on_another_thread(event, [](Event& it) { it.set(); }),
                 "Event.set was called on another thread");
    EXPECT_DEATH(on_another_thread(event, [](Event& it) { it.clear(); }),
                 "Event.clear was called on another");
    EXPECT_DEATH(on_another_thread(queue, [](Queue<int>& it) { it.shutdown(); }),
                 "Queue.shutdown was called on");
    EXPECT_DEATH(on_another_thread(channel, [](MemoryChannel<int>& it) { it.send.close(); }),
                 "memory channel's end was called on another thread");
    EXPECT_DEATH(
        on_another_thread(channel, [](MemoryChannel<int>& it) { auto gone = std::move(it.receive); }),
        "memory channel's end was called on another thread");
    EXPECT_DEATH(on_another_thread(lock, [](Lock& it) { const Held<Lock> held(it); }),
                 "Lock.release was called on another thread");
}

}}  // namespace asyncio::debug_test
