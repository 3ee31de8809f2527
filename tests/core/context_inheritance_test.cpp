// Context variables: which context tasks, callbacks and threads run in.
#include "asyncio/core/context.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "asyncio/asyncio.hpp"
#include "support/alloc_failure.hpp"
#include "task/task_support.hpp"

namespace asyncio::task_test { namespace {

const ContextVar<std::string> request("request", "none");
const ContextVar<int> number("number");

/// The thread of a test has variables of its own, so each body runs in an empty context.
template <class F>
void in_empty_context(F&& body) {
    Context().run(std::forward<F>(body));
}

class ContextTestOnBackends : public test::BackendTest {};
ASYNCIO_ON_EVERY_BACKEND(ContextTestOnBackends);

// ---- tasks --------------------------------------------------------------------------------------

Coro<int> read_number() { co_return number.get(0); }
Coro<int> read_later() {
    co_await sleep(0s);
    co_return number.get(0);
}
Coro<int> set_and_read(int value) {
    number.set(value);
    co_await sleep(0s);
    co_return number.get(0);
}

TEST_P(ContextTestOnBackends, ATaskRunsInACopyOfItsCreatorsContext) {
    run([]() -> Coro<> {
        number.set(1);
        auto before = create_task(read_later());
        number.set(2);
        auto sets = create_task(set_and_read(3));
        auto plain = create_task(read_number());
        int a = co_await before;
        EXPECT_EQ(a, 1) << "what the creator sets later is not seen";
        int b = co_await sets;
        EXPECT_EQ(b, 3);
        int c = co_await plain;
        EXPECT_EQ(c, 2);
        EXPECT_EQ(number.get(), 2) << "what the task sets is not seen outside";
    });
}

TEST_P(ContextTestOnBackends, ACoroutineThatIsAwaitedRunsInTheContextOfItsTask) {
    run([]() -> Coro<> {
        number.set(1);
        int inner = co_await set_and_read(2);
        EXPECT_EQ(inner, 2);
        EXPECT_EQ(number.get(), 2);
        int limited = co_await wait_for(set_and_read(3), 1h);
        EXPECT_EQ(limited, 3);
        EXPECT_EQ(number.get(), 3);
        co_await with(timeout(1h), [](Timeout&) -> Coro<> {
            number.set(4);
            co_return;
        });
        EXPECT_EQ(number.get(), 4);
    });
}

TEST_P(ContextTestOnBackends, TheChildrenOfCombinatorsRunInCopies) {
    run([]() -> Coro<> {
        number.set(1);
        auto [a, b, c] = co_await gather(set_and_read(2), read_later(), set_and_read(3));
        EXPECT_EQ(a, 2);
        EXPECT_EQ(b, 1);
        EXPECT_EQ(c, 3);
        std::vector<Coro<int>> coros;
        for (int i = 0; i < 10; ++i) coros.push_back(i % 2 == 0 ? read_later() : set_and_read(i));
        auto results = co_await gather(return_exceptions, std::move(coros));
        for (int i = 0; i < 10; ++i) EXPECT_EQ(results[i].value(), i % 2 == 0 ? 1 : i);
        co_await with(TaskGroup{}, [](TaskGroup& tg) -> Coro<> {
            auto scope = number.scoped(5);
            auto child = tg.create_task(read_later());
            auto setter = tg.create_task(set_and_read(6), {.eager_start = true});
            EXPECT_EQ(number.get(), 5);
            int seen = co_await child;
            EXPECT_EQ(seen, 5);
            int set = co_await setter;
            EXPECT_EQ(set, 6);
        });
        int shielded = co_await shield(set_and_read, 7);
        EXPECT_EQ(shielded, 7);
        std::vector<Coro<int>> some;
        some.push_back(read_later());
        some.push_back(set_and_read(1));
        co_await with(as_completed(std::move(some)), [](AsCompleted<int>& it) -> Coro<> {
            while (auto task = co_await it.next()) {
                int value = co_await *task;
                EXPECT_EQ(value, 1);
            }
        });
        EXPECT_EQ(number.get(), 1);
    });
}

TEST_P(ContextTestOnBackends, AGatherOfTasksAndFailuresWorksInAContext) {
    run([]() -> Coro<> {
        number.set(1);
        auto task = create_task(read_later());
        auto [a, b] = co_await gather(task, read_later());
        EXPECT_EQ(a + b, 2);
        bool failed = false;
        try {
            co_await gather(fails_after(1ms, "x"), after(1h, 1));
        } catch (const ValueError&) {
            failed = true;
        }
        EXPECT_TRUE(failed);
    });
}

TEST_P(ContextTestOnBackends, AnEagerTaskHasAContextOfItsOwnInItsFirstStep) {
    run([]() -> Coro<> {
        number.set(1);
        auto task = create_task(set_and_read(2), {.eager_start = true});
        EXPECT_EQ(number.get(), 1);
        int seen = co_await task;
        EXPECT_EQ(seen, 2);
        EXPECT_EQ(number.get(), 1);
    });
}

TEST_P(ContextTestOnBackends, ATaskCanBeGivenAContext) {
    run([]() -> Coro<> {
        number.set(1);
        Context context;
        co_await create_task(set_and_read(5), {.context = &context});
        EXPECT_EQ(context[number], 5) << "it runs in that context, not in a copy";
        auto second = create_task(read_later(), {.name = "second", .context = &context});
        EXPECT_TRUE(second.get_context() == context);
        int seen = co_await second;
        EXPECT_EQ(seen, 5);
        co_await with(TaskGroup{}, [&](TaskGroup& tg) -> Coro<> {
            tg.create_task(set_and_read(6), {.context = &context});
            co_return;
        });
        EXPECT_EQ(context[number], 6);
        {
            const auto short_lived = std::make_unique<Context>(context.copy());
            second = create_task(read_later(), {.context = short_lived.get()});
        }
        int after_it = co_await second;
        EXPECT_EQ(after_it, 6) << "the Context itself is looked at during the call only";
        EXPECT_EQ(number.get(), 1);
    });
}

TEST_P(ContextTestOnBackends, AContextThatATaskRunsInCannotBeEnteredByIt) {
    run([]() -> Coro<> {
        Context mine = current_task().get_context();
        thrown<RuntimeError>([&] { mine.run([] {}); });
        mine.copy().run([&] { thrown<RuntimeError>([&] { mine.run([] {}); }); });
        const auto eager_inside = [](Context outer) -> Coro<> {
            thrown<RuntimeError>([&] { outer.run([] {}); });
            co_return;
        };
        create_task(eager_inside(mine), {.eager_start = true}).result();
        const std::string text = thrown<RuntimeError>(
            [&] { create_task(read_number(), {.eager_start = true, .context = &mine}); });
        EXPECT_NE(text.find("cannot enter this Context"), std::string::npos) << text;
        co_await with(TaskGroup{}, [&](TaskGroup& group) -> Coro<> {
            EXPECT_EQ(thrown<RuntimeError>(
                          [&] { group.create_task(read_number(), {.eager_start = true, .context = &mine}); }),
                      text);
            co_return;
        });
        auto later = create_task(set_and_read(8), {.context = &mine});
        int seen = co_await later;
        EXPECT_EQ(seen, 8);
        EXPECT_EQ(number.get(), 8) << "it is our own";
    });
}

TEST_P(ContextTestOnBackends, TheContextOfASuspendedTaskCanBeEntered) {
    run([]() -> Coro<> {
        auto task = create_task(read_later());
        task.get_context().run([] { number.set(11); });
        int seen = co_await task;
        EXPECT_EQ(seen, 11);
        EXPECT_EQ(task.get_context()[number], 11);
        EXPECT_EQ(number.get(0), 0);
        Future<int> future;
        thrown<RuntimeError>([&] { future.get_context(); });
    });
}

TEST_P(ContextTestOnBackends, ATaskCreatedInsideOfContextRunCopiesThatContext) {
    run([]() -> Coro<> {
        number.set(1);
        Context context = copy_context();
        auto task = context.run([] {
            number.set(2);
            return create_task(read_later());
        });
        int seen = co_await task;
        EXPECT_EQ(seen, 2);
        EXPECT_EQ(number.get(), 1);
    });
}

TEST_P(ContextTestOnBackends, ValuesGoWithTheLastHandleOfTheTask) {
    run([]() -> Coro<> {
        int alive = 0;
        const ContextVar<std::shared_ptr<Counted>> held("held");
        const auto body = [](const ContextVar<std::shared_ptr<Counted>>& var, int* count) -> Coro<> {
            var.set(std::make_shared<Counted>(count));
            co_return;
        };
        auto task = create_task(body(held, &alive));
        co_await task;
        EXPECT_EQ(alive, 1);
        task = create_task(body(held, &alive));
        EXPECT_EQ(alive, 0);
        co_await task;
        create_task(body(held, &alive));
        co_await sleep(0s);
        co_await sleep(0s);
        EXPECT_EQ(alive, 1) << "the one without a handle has gone";
    });
}

// ---- callbacks ----------------------------------------------------------------------------------

TEST_P(ContextTestOnBackends, ACallbackRunsInTheContextInWhichItWasRegistered) {
    run([]() -> Coro<> {
        EventLoop& loop = get_running_loop();
        std::vector<int> seen;
        const auto look = [&seen] { seen.push_back(number.get(0)); };
        loop.call_soon(look);
        number.set(1);
        loop.call_soon(look);
        number.set(2);
        loop.call_later(0s, look);
        number.set(3);
        loop.call_at(loop.time(), look);
        number.set(4);
        loop.call_soon_threadsafe(look);
        number.set(5);
        auto task = create_task(read_number());
        task.add_done_callback(look);
        number.set(6);
        task.add_done_callback(look);
        co_await task;
        number.set(7);
        task.add_done_callback(look);
        number.set(8);
        while (seen.size() != 8) co_await sleep(0s);
        std::sort(seen.begin(), seen.end());
        EXPECT_EQ(seen, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7}));
    });
}

TEST_P(ContextTestOnBackends, WhatACallbackSetsIsSeenByNobodyElse) {
    run([]() -> Coro<> {
        EventLoop& loop = get_running_loop();
        std::vector<int> seen;
        const auto count = [&seen] {
            number.set(number.get(0) + 1);
            seen.push_back(number.get());
        };
        loop.call_soon(count);
        loop.call_soon(count);
        auto task = create_task(read_number());
        task.add_done_callback(count);
        task.add_done_callback(count);
        co_await task;
        co_await sleep(0s);
        co_await sleep(0s);
        EXPECT_EQ(number.get(0), 0);
        number.set(10);
        loop.call_soon(count);
        loop.call_soon(count);
        co_await sleep(0s);
        EXPECT_EQ(seen, (std::vector<int>{1, 1, 1, 1, 11, 11}));
        EXPECT_EQ(number.get(), 10);
    });
}

TEST_P(ContextTestOnBackends, WhatACallbackStartsInheritsItsContext) {
    run([]() -> Coro<> {
        int seen = 0;
        get_running_loop().call_soon([&] {
            number.set(3);
            get_running_loop().call_soon([&] {
                create_task([](int& out) -> Coro<> {
                    out = number.get(0);
                    co_return;
                }(seen));
            });
        });
        while (seen == 0) co_await sleep(0s);
        EXPECT_EQ(seen, 3);
    });
}

TEST_P(ContextTestOnBackends, CallbacksCanBeGivenAContext) {
    run([]() -> Coro<> {
        EventLoop& loop = get_running_loop();
        Context context;
        const auto count = [](int add) { number.set(number.get(0) + add); };
        loop.call_soon({.context = &context}, count, 1);
        loop.call_later({.context = &context}, 0s, count, 10);
        loop.call_at({.context = &context}, loop.time(), count, 100);
        loop.call_soon_threadsafe({.context = &context}, count, 1000);
        loop.remote().call_soon_threadsafe({.context = &context}, count, 10000);
        auto task = create_task(read_number());
        task.add_done_callback([&] { count(100000); }, {.context = &context});
        co_await task;
        while (context.get(number, 0) != 111111) co_await sleep(0s);
        EXPECT_EQ(number.get(0), 0);
        task.add_done_callback([&](AnyTask) { count(1); }, {.context = &context});
        co_await sleep(0s);
        EXPECT_EQ(context[number], 111112);
    });
}

TEST_P(ContextTestOnBackends, CallbacksWithAContextAreCancelledAndDroppedLikeOthers) {
    EventLoop loop(RunOptions{.backend = backend()});
    int alive = 0;
    const ContextVar<std::shared_ptr<Counted>> held("held");
    in_empty_context([&] {
        held.set(std::make_shared<Counted>(&alive));
        Handle soon = loop.call_soon([] { ADD_FAILURE() << "it was cancelled"; });
        TimerHandle timer = loop.call_later(1ms, [] { ADD_FAILURE() << "it was cancelled"; });
        TimerHandle late = loop.call_later(1h, [] {});
        soon.cancel();
        timer.cancel();
        loop.poll_once();
        loop.call_soon([&] { EXPECT_NE(held.get(), nullptr); });
        loop.poll_once();
        loop.call_later(1h, [] { ADD_FAILURE() << "the loop closes before"; });
        loop.call_soon_threadsafe([] {});
        loop.close();
    });
    EXPECT_EQ(alive, 0);
}

TEST_P(ContextTestOnBackends, TheExceptionHandlerRunsInTheContextOfWhatHasFailed) {
    run([]() -> Coro<> {
        EventLoop& loop = get_running_loop();
        std::vector<int> seen;
        loop.set_exception_handler(
            [&](EventLoop&, const ExceptionContext&) { seen.push_back(number.get(0)); });
        number.set(1);
        const auto fails = [](int value) -> Coro<> {
            number.set(value);
            throw ValueError("nobody awaits this");
            co_return;
        };
        create_task(fails(2));
        co_await sleep(0s);
        co_await sleep(0s);
        EXPECT_EQ(seen, (std::vector<int>{2}));
        auto task = create_task(fails(3));
        co_await sleep(0s);
        co_await sleep(0s);
        task = create_task(fails(4));  // the handle of the other goes here, in our own step
        EXPECT_EQ(seen.back(), 3);
        EXPECT_EQ(number.get(), 1);
        loop.call_soon([] {
            number.set(5);
            throw ValueError("thrown by a callback");
        });
        co_await sleep(0s);
        EXPECT_EQ(seen.back(), 5);
        try {
            co_await task;
        } catch (const ValueError&) {}
        number.set(6);
        task.add_done_callback([] { throw ValueError("thrown by a done callback"); });
        co_await sleep(0s);
        EXPECT_EQ(seen.back(), 6);
        loop.set_exception_handler(nullptr);
    });
}

// ---- loops and threads --------------------------------------------------------------------------

TEST_P(ContextTestOnBackends, WhatIsStartedOutsideOfTheLoopInheritsTheContextOfTheThread) {
    in_empty_context([this] {
        number.set(1);
        EventLoop loop(RunOptions{.backend = backend()});
        std::vector<int> seen;
        loop.call_soon([&] { seen.push_back(number.get(0)); });
        auto task = loop.create_task(read_later());
        number.set(2);
        const int main = loop.run_until_complete(set_and_read(3));
        EXPECT_EQ(main, 3);
        EXPECT_EQ(task.result(), 1);
        EXPECT_EQ(seen, (std::vector<int>{1}));
        EXPECT_EQ(number.get(), 2) << "the task ran in a copy";
    });
}

TEST_P(ContextTestOnBackends, ARunnerKeepsOneContext) {
    in_empty_context([this] {
        number.set(1);
        Runner runner(RunOptions{.backend = backend()});
        const auto add = [](int n) -> Coro<int> {
            number.set(number.get(0) + n);
            co_return number.get();
        };
        EXPECT_EQ(runner.run(add(10)), 11);
        number.set(2);
        EXPECT_EQ(runner.run(add(100)), 111) << "what the first has set is seen by the second";
        Context other;
        EXPECT_EQ(runner.run(add(1000), {.context = &other}), 1000);
        EXPECT_EQ(runner.run(read_number()), 111);
        EXPECT_EQ(number.get(), 2);
    });
    in_empty_context([this] {
        Runner runner(RunOptions{.backend = backend()});
        EXPECT_EQ(runner.run(read_number()), 0);
        EXPECT_EQ(runner.run(set_and_read(4)), 4);
        EXPECT_EQ(runner.run(read_number()), 4);
        EXPECT_EQ(number.get(0), 0);
    });
}

TEST_P(ContextTestOnBackends, ACallInAThreadRunsInACopy) {
    run([]() -> Coro<> {
        number.set(1);
        const auto add = [] {
            number.set(number.get(0) + 1);
            return number.get();
        };
        int first = co_await to_thread(add);
        EXPECT_EQ(first, 2);
        int second = co_await to_thread(abandon_on_cancel, +add);
        EXPECT_EQ(second, 2) << "nothing is left in the thread";
        EXPECT_EQ(number.get(), 1);
    });
    run([]() -> Coro<> {
        int none = co_await to_thread([] { return number.get(0); });
        EXPECT_EQ(none, 0);
    });
}

TEST_P(ContextTestOnBackends, ACallFromAnotherThreadBringsTheContextOfThatThread) {
    run([]() -> Coro<> {
        number.set(1);
        Future<int> called;
        const LoopHandle loop = get_running_loop().remote();
        std::optional<ConcurrentFuture<int>> asked;
        std::thread other([&] {
            number.set(20);
            loop.call_soon_threadsafe([&] { called.set_result(number.get(0)); });
            asked = run_coroutine_threadsafe(read_later(), loop);
            EXPECT_EQ(asked->get(), 20);
        });
        int seen = co_await called;
        EXPECT_EQ(seen, 20);
        co_await to_thread([&] { other.join(); });
    });
}

class ContextServerTest : public test::BackendTest {};
ASYNCIO_ON_REAL_BACKENDS(ContextServerTest);

TEST_P(ContextServerTest, TheClientsOfAServerRunInCopiesOfTheContextInWhichItWasStarted) {
    run([]() -> Coro<> {
        number.set(1);
        std::vector<int> seen;
        const auto on_client = [&seen](StreamReader, StreamWriter writer) -> Coro<> {
            seen.push_back(number.get(0));
            number.set(99);
            writer.close();
            co_await writer.wait_closed();
        };
        auto server = co_await start_server(on_client, "127.0.0.1", 0);
        number.set(2);
        for (int i = 0; i < 2; ++i) {
            auto [reader, writer] = co_await open_connection(server.sockets().front());
            std::string rest = co_await reader.read();
            EXPECT_EQ(rest, "");
            writer.close();
            co_await writer.wait_closed();
        }
        server.close();
        co_await server.wait_finished();
        EXPECT_EQ(seen, (std::vector<int>{1, 1}));
    });
}

TEST_P(ContextServerTest, CallbacksOfDescriptorsAndSignalsRunInTheContextInWhichTheyWereAdded) {
    run([]() -> Coro<> {
        EventLoop& loop = get_running_loop();
        int ends[2];
        EXPECT_EQ(::pipe(ends), 0);
        std::vector<int> seen;
        number.set(1);
        loop.add_reader(ends[0], [&seen, &loop, fd = ends[0]] {
            seen.push_back(number.get(0));
            loop.remove_reader(fd);
        });
        number.set(2);
        loop.add_signal_handler(SIGUSR1, [&seen] { seen.push_back(10 * number.get(0)); });
        number.set(3);
        loop.call_soon([&seen] { seen.push_back(100 * number.get(0)); });
        EXPECT_EQ(::write(ends[1], "x", 1), 1);
        ::raise(SIGUSR1);
        while (seen.size() != 3) co_await sleep(0s);
        std::sort(seen.begin(), seen.end());
        EXPECT_EQ(seen, (std::vector<int>{1, 20, 300}));
        loop.remove_signal_handler(SIGUSR1);
        ::close(ends[0]);
        ::close(ends[1]);
    });
}

TEST_P(ContextTestOnBackends, WithoutMemoryNothingIsHalfStarted) {
    if (!test::AllocationFailure::works()) GTEST_SKIP() << "this sanitizer's operator new cannot be replaced";
    int calls = 0;  // what has failed half-way leaves its callbacks behind
    const auto program = [&calls]() -> Coro<> {
        EventLoop& loop = get_running_loop();
        number.set(1);
        loop.call_soon([&] { ++calls; });
        loop.call_later(0s, [&] { ++calls; });
        auto task = create_task(set_and_read(2), {.name = "named"});
        task.add_done_callback([&] { ++calls; });
        auto [a, b] = co_await gather(read_later(), set_and_read(3));
        EXPECT_EQ(a + b, 4);
        int two = co_await task;
        EXPECT_EQ(two, 2);
        co_await sleep(0s);
        co_await create_task(read_later(), {.eager_start = true});
    };
    for (long at = 1;; ++at) {
        bool refused = false;
        bool failed = false;
        std::thread([&] {  // no frame comes from the blocks that an earlier attempt has left
            EventLoop loop(RunOptions{.backend = backend()});
            loop.set_exception_handler([](EventLoop&, const ExceptionContext&) {});
            {
                test::AllocationFailure failure(at);
                try {
                    loop.run_until_complete(program());
                } catch (const std::bad_alloc&) {
                    failed = true;
                }
                failure.stop();
                refused = failure.happened();
            }
            EXPECT_EQ(loop.run_until_complete(set_and_read(7)), 7);
            loop.close();
        })
            .join();
        EXPECT_TRUE(refused || !failed);
        if (!refused) break;
        ASSERT_LT(at, 1000);
    }
}

}}  // namespace asyncio::task_test
