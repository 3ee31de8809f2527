// Callbacks of tasks that are done: their order among themselves and with those who await.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "asyncio/asyncio.hpp"
#include "task/task_support.hpp"

namespace asyncio::task_test { namespace {

class DoneCallbackTest : public SimulatedTest {};
class DoneCallbackTestOnBackends : public test::BackendTest {};
ASYNCIO_ON_EVERY_BACKEND(DoneCallbackTestOnBackends);

Coro<> note(Log& log, std::string what) {
    log.push_back(what);
    co_return;
}
Coro<int> seven() { co_return 7; }

TEST_P(DoneCallbackTestOnBackends, DoneCallbacksRunInTheirOrderInTheIterationAfterTheEnd) {
    run([]() -> Coro<> {
        Log log;
        auto task = create_task(note(log, "task"));
        task.add_done_callback([&](AnyTask done) {
            EXPECT_TRUE(done.done());
            log.push_back("one");
        });
        task.add_done_callback([&] { log.push_back("two"); });
        get_running_loop().call_soon([&] { log.push_back("after the task"); });
        co_await sleep(0s);
        EXPECT_EQ(log, (Log{"task", "after the task"}));
        co_await sleep(0s);
        EXPECT_EQ(log, (Log{"task", "after the task", "one", "two"}));
        task.add_done_callback([&](AnyTask) { log.push_back("three"); });
        EXPECT_EQ(log.size(), 4u);
        co_await sleep(0s);
        EXPECT_EQ(log.back(), "three");
    });
}

TEST_F(DoneCallbackTest, ADoneCallbackMayTakeWhatIsDoneWithItsType) {
    run([]() -> Coro<> {
        int sum = 0;
        auto task = create_task(seven());
        task.add_done_callback([&](Task<int> done) { sum += done.result(); });
        task.add_done_callback([&](const auto& done) { sum += done.done() ? 1 : 0; });
        Future<int> future;
        future.add_done_callback([&](const Future<int>& done) { sum += done.result(); });
        future.set_result(20);
        co_await task;
        co_await sleep(0s);
        EXPECT_EQ(sum, 28);
    });
}

TEST_F(DoneCallbackTest, ADoneCallbackThatThrowsIsReportedAndTheOthersRun) {
    run([]() -> Coro<> {
        Log log;
        get_running_loop().set_exception_handler([&](EventLoop&, const ExceptionContext& context) {
            log.push_back(context.message + " of " + context.task_name + ": " + describe(context.exception));
        });
        auto task = create_task(seven(), {.name = "t"});
        task.add_done_callback([] { throw ValueError("thrown by a callback"); });
        task.add_done_callback([&] { log.push_back("second"); });
        co_await task;
        co_await sleep(0s);
        EXPECT_EQ(log.size(), 2u);
        EXPECT_EQ(log[0].find("Exception in done callback of t: "), 0u) << log[0];
        EXPECT_EQ(log[1], "second");
        task.add_done_callback([] { throw ValueError("thrown by a late callback"); });
        co_await sleep(0s);
        EXPECT_EQ(log.size(), 3u);
        get_running_loop().set_exception_handler(nullptr);
    });
}

TEST_F(DoneCallbackTest, DoneCallbacksCanBeRemovedAlsoByEachOther) {
    run([]() -> Coro<> {
        Log log;
        int alive = 0;
        auto task = create_task(seven());
        const auto gone = task.add_done_callback([&, c = Counted(&alive)] { log.push_back("gone"); });
        std::uint64_t third = 0;
        task.add_done_callback([&] {
            log.push_back("second");
            EXPECT_TRUE(task.remove_done_callback(third));
        });
        third = task.add_done_callback([&, c = Counted(&alive)] { log.push_back("third"); });
        EXPECT_EQ(alive, 2);
        EXPECT_TRUE(task.remove_done_callback(gone));
        EXPECT_EQ(alive, 1);
        EXPECT_FALSE(task.remove_done_callback(gone));
        co_await task;
        co_await sleep(0s);
        EXPECT_EQ(log, Log{"second"});
        EXPECT_EQ(alive, 0);
        EXPECT_FALSE(task.remove_done_callback(third));
    });
}

TEST_F(DoneCallbackTest, ALoneDoneCallbackCanBeRemovedAndAnotherAdded) {
    run([]() -> Coro<> {
        Log log;
        auto task = create_task(seven());
        const auto id = task.add_done_callback([&] { log.push_back("removed"); });
        EXPECT_TRUE(task.remove_done_callback(id));
        co_await task;
        task.add_done_callback([&] { log.push_back("late"); });
        co_await sleep(0s);
        EXPECT_EQ(log, Log{"late"});
    });
}

TEST_F(DoneCallbackTest, CallbacksAndAwaitersOfOneTaskKeepTheirOrder) {
    run([]() -> Coro<> {
        Log log;
        auto task = create_task([]() -> Coro<> { co_await sleep(1s); }());
        const auto waits = [](Task<> t, Log& out, std::string name) -> Coro<> {
            co_await t;
            out.push_back(name);
        };
        auto a = create_task(waits(task, log, "first awaiter"));
        co_await sleep(0s);
        task.add_done_callback([&] { log.push_back("callback"); });
        auto b = create_task(waits(task, log, "second awaiter"));
        co_await gather(a, b);
        EXPECT_EQ(log, (Log{"first awaiter", "callback", "second awaiter"}));
    });
}

}}  // namespace asyncio::task_test
