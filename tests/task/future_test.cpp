// Future: a result that somebody sets.
#include "asyncio/task/future.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "asyncio/asyncio.hpp"
#include "task/task_support.hpp"

namespace asyncio::task_test { namespace {

class FutureTest : public SimulatedTest {};
class FutureOnBackends : public test::BackendTest {};
ASYNCIO_ON_EVERY_BACKEND(FutureOnBackends);

TEST_P(FutureOnBackends, GivesTheResultToWhoAwaitsIt) {
    run([]() -> Coro<> {
        Future<int> future;
        EXPECT_FALSE(future.done());
        get_running_loop().call_later(1ms, [future] { future.set_result(5); });
        int n = co_await future;
        EXPECT_EQ(n, 5);
        EXPECT_TRUE(future.done());
        EXPECT_EQ(future.result(), 5);
        int again = co_await future;
        EXPECT_EQ(again, 5);
    });
}

TEST_F(FutureTest, ADoneOneIsAwaitedWithoutATurn) {
    run([]() -> Coro<> {
        bool ran = false;
        get_running_loop().call_soon([&] { ran = true; });
        Future<> future;
        future.set_result();
        co_await future;
        EXPECT_FALSE(ran);
        co_await sleep(0s);
        EXPECT_TRUE(ran);
    });
}

TEST_F(FutureTest, WaitersResumeInTheirOrderAndNotInsideSetResult) {
    run([]() -> Coro<> {
        Log log;
        Future<> future;
        std::vector<Task<>> tasks;
        for (int i = 0; i < 3; ++i) {
            tasks.push_back(create_task([](Future<> f, Log& out, int n) -> Coro<> {
                co_await f;
                out.push_back(std::to_string(n));
            }(future, log, i)));
        }
        co_await sleep(0s);
        future.set_result();
        EXPECT_TRUE(log.empty());
        co_await gather(tasks);
        EXPECT_EQ(log, (Log{"0", "1", "2"}));
    });
}

TEST_F(FutureTest, ExceptionsArriveAsObjectsAndAsPointers) {
    run([]() -> Coro<> {
        Future<int> a;
        a.set_exception(ValueError("object"));
        Future<int> b;
        b.set_exception(std::make_exception_ptr(ValueError("pointer")));
        for (auto& [future, expected] : {std::pair{a, "object"}, std::pair{b, "pointer"}}) {
            EXPECT_EQ(thrown<ValueError>([&] { future.result(); }), expected);
            EXPECT_NE(future.exception(), nullptr);
        }
        std::string text;
        try {
            co_await a;
        } catch (const ValueError& error) {
            text = error.what();
        }
        EXPECT_EQ(text, "object");
    });
}

TEST_F(FutureTest, SettingItTwiceIsRefused) {
    run([]() -> Coro<> {
        Future<int> future;
        future.set_result(1);
        EXPECT_THROW(future.set_result(2), InvalidStateError);
        EXPECT_THROW(future.set_exception(ValueError("late")), InvalidStateError);
        EXPECT_FALSE(future.cancel());
        EXPECT_EQ(future.result(), 1);
        Future<int> cancelled;
        EXPECT_TRUE(cancelled.cancel());
        EXPECT_EQ(thrown<InvalidStateError>([&] { cancelled.set_result(2); }),
                  "this future was cancelled: it takes no result");
        EXPECT_TRUE(cancelled.cancelled());
        Future<int> unset;
        EXPECT_THROW(unset.result(), InvalidStateError);
        EXPECT_THROW(unset.exception(), InvalidStateError);
        co_return;
    });
}

TEST_F(FutureTest, CancellingWakesTheWaitersWithTheMessage) {
    run([]() -> Coro<> {
        Future<int> future;
        auto task = create_task([](Future<int> f) -> Coro<std::string> {
            std::string text;
            try {
                co_await f;
            } catch (const CancelledError& error) {
                text = error.what();
            }
            co_return text;
        }(future));
        co_await sleep(0s);
        future.cancel("no more");
        std::string text = co_await task;
        EXPECT_EQ(text, "no more");
    });
}

TEST_F(FutureTest, ACancelledWaiterCancelsIt) {
    run([]() -> Coro<> {
        Future<> future;
        auto task = create_task([](Future<> f) -> Coro<> { co_await f; }(future));
        co_await sleep(0s);
        task.cancel();
        EXPECT_TRUE(future.cancelled());
        co_await wait(handles(task));
        EXPECT_TRUE(task.cancelled());
    });
}

TEST_F(FutureTest, AResultThatRacesACancelStaysInTheFuture) {
    run([]() -> Coro<> {
        Future<MoveOnly> future;
        auto task =
            create_task([](Future<MoveOnly> f) -> Coro<> { MoveOnly got = co_await std::move(f); }(future));
        co_await sleep(0s);
        future.set_result(MoveOnly(4));
        task.cancel();
        co_await wait(handles(task));
        EXPECT_TRUE(task.cancelled());
        EXPECT_EQ(future.result().value(), 4);
    });
}

TEST_F(FutureTest, MoveOnlyResultsAreMovedOut) {
    run([]() -> Coro<> {
        Future<MoveOnly> future;
        auto copy = future;
        future.set_result(MoveOnly(8));
        EXPECT_EQ(copy.result().value(), 8);
        MoveOnly got = co_await std::move(future);
        EXPECT_EQ(got.value(), 8);
        EXPECT_THROW(copy.result(), InvalidStateError);
        Future<MoveOnly> other;
        other.set_result(MoveOnly(9));
        EXPECT_EQ(std::move(other).result().value(), 9);
    });
}

TEST_F(FutureTest, ResultsAndCallbacksDieWithTheLastHandle) {
    run([]() -> Coro<> {
        int alive = 0;
        {
            Future<Counted> with_result;
            with_result.set_result(Counted(&alive));
            Future<Counted> pending;
            pending.add_done_callback([c = Counted(&alive)] { ADD_FAILURE(); });
            Future<Counted> two;
            two.add_done_callback([c = Counted(&alive)] { ADD_FAILURE(); });
            two.add_done_callback([c = Counted(&alive)] { ADD_FAILURE(); });
            EXPECT_EQ(alive, 4);
        }
        EXPECT_EQ(alive, 0);
        co_return;
    });
}

TEST_F(FutureTest, DroppingTheLastHandleInsideItsOwnCallbackIsSafe) {
    run([]() -> Coro<> {
        int alive = 0;
        {
            auto held = std::make_unique<Future<Counted>>();
            held->add_done_callback([&held](AnyTask done) {
                held.reset();
                EXPECT_TRUE(done.done());
            });
            held->add_done_callback([c = Counted(&alive)] {});
            held->set_result(Counted(&alive));
            co_await sleep(0s);
            co_await sleep(0s);
            EXPECT_EQ(held, nullptr);
        }
        EXPECT_EQ(alive, 0);
    });
}

TEST_F(FutureTest, AnExceptionNobodySawIsReported) {
    const std::string text = printed([] {
        run([]() -> Coro<> {
            {
                Future<int> future;
                future.set_exception(ValueError("unseen"));
            }
            Future<int> seen;
            seen.set_exception(ValueError("seen"));
            EXPECT_NE(seen.exception(), nullptr);
            co_return;
        });
    });
    EXPECT_EQ(text.find("asyncio: Future exception was never retrieved"), 0u) << text;
    EXPECT_NE(text.find("unseen"), std::string::npos) << text;
    EXPECT_EQ(text.find("seen\n", text.find("unseen") + 7), std::string::npos) << text;
}

TEST_F(FutureTest, MayLiveOutsideOfLoopsWhileNobodyWaits) {
    Future<std::string> future;
    EXPECT_FALSE(future.done());
    future.set_result("set without a loop");
    EXPECT_EQ(future.result(), "set without a loop");
    Future<int> cancelled;
    EXPECT_TRUE(cancelled.cancel());
    EXPECT_TRUE(cancelled.cancelled());
    EXPECT_EQ(run([](Future<std::string> f) -> Coro<std::string> { co_return co_await f; }(future)),
              "set without a loop");
}

TEST_F(FutureTest, MayOutliveItsLoop) {
    int alive = 0;
    {
        std::optional<Future<Counted>> done;
        std::optional<Future<Counted>> pending;
        simulate([&]() -> Coro<> {
            done.emplace();
            done->set_result(Counted(&alive));
            pending.emplace();
            pending->add_done_callback([c = Counted(&alive)] { ADD_FAILURE(); });
            co_return;
        });
        EXPECT_EQ(done->result().value(), 0);
        EXPECT_EQ(alive, 2);
    }
    EXPECT_EQ(alive, 0);
}

TEST_F(FutureTest, CallbacksThatAreDueWhenTheLoopClosesAreRunOrDestroyed) {
    int alive = 0;
    int ran = 0;
    simulate([&]() -> Coro<> {
        Future<> future;
        future.add_done_callback([&ran, c = Counted(&alive)] { ++ran; });
        future.set_result();
        co_return;
    });
    EXPECT_EQ(alive, 0);
    EXPECT_LE(ran, 1);
}

struct ThrowsOnMove {
    ThrowsOnMove() = default;
    ThrowsOnMove(ThrowsOnMove&&) { throw ValueError("move"); }
};

TEST_F(FutureTest, AResultWhoseMoveThrowsLeavesItPending) {
    run([]() -> Coro<> {
        Future<ThrowsOnMove> future;
        EXPECT_THROW(future.set_result(ThrowsOnMove()), ValueError);
        EXPECT_FALSE(future.done());
        EXPECT_THROW(future.result(), InvalidStateError);
        future.cancel();
        co_return;
    });
}

}}  // namespace asyncio::task_test
