// Tasks that end by an exception: who is told, once.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "asyncio/asyncio.hpp"
#include "task/task_support.hpp"

namespace asyncio::task_test { namespace {

class TaskFailureTest : public SimulatedTest {};
class TaskFailureTestOnBackends : public test::BackendTest {};
ASYNCIO_ON_EVERY_BACKEND(TaskFailureTestOnBackends);

Coro<int> fails(std::string text) {
    co_await sleep(0s);
    throw ValueError(text);
}
Coro<> forever() { co_await sleep(1000h); }

TEST_P(TaskFailureTestOnBackends, AnExceptionNobodyRetrievedGoesToTheHandlerWithTheTaskAndItsPlace) {
    std::vector<ExceptionContext> reports;
    int line = 0;
    run(
        [&]() -> Coro<> {
            get_running_loop().set_exception_handler(
                [&](EventLoop&, const ExceptionContext& context) { reports.push_back(context); });
            create_task(fails("unseen"), {.name = "lost"});
            line = __LINE__ - 1;
            co_await sleep(1ms);
            auto seen = create_task(fails("seen"));
            co_await wait(handles(seen));
            EXPECT_NE(seen.exception(), nullptr);
        },
        {.debug = true});
    ASSERT_EQ(reports.size(), 1u);
    EXPECT_EQ(reports[0].message, "Task exception was never retrieved");
    EXPECT_EQ(reports[0].task_name, "lost");
    EXPECT_EQ(reports[0].place, "task_failure_test.cpp:" + std::to_string(line));
    EXPECT_NE(describe(reports[0].exception).find("unseen"), std::string::npos);
}

TEST_F(TaskFailureTest, WithoutAHandlerTheReportIsPrintedOutsideOfDebugModeToo) {
    const std::string text = printed([] {
        run([]() -> Coro<> {
            create_task(fails("unseen"), {.name = "lost"});
            co_await sleep(1s);
        });
    });
    EXPECT_EQ(text.find("asyncio: Task exception was never retrieved: lost (task_failure_test.cpp:"), 0u)
        << text;
    EXPECT_NE(text.find("unseen"), std::string::npos) << text;
}

TEST_F(TaskFailureTest, ATaskThatEndsCancelledOrWasAwaitedIsNotReported) {
    EXPECT_EQ(printed([] {
                  run(
                      []() -> Coro<> {
                          auto cancelled = create_task(forever());
                          auto awaited = create_task(fails("awaited"));
                          bool thrown = false;
                          try {
                              co_await awaited;
                          } catch (const ValueError&) {
                              thrown = true;
                          }
                          EXPECT_TRUE(thrown);
                          cancelled.cancel();
                          co_await wait(handles(cancelled));
                          auto gathered = create_task(fails("gathered"));
                          auto [outcome] = co_await gather(return_exceptions, gathered);
                          EXPECT_FALSE(outcome);
                      },
                      {.debug = true});
              }),
              "");
}

TEST_F(TaskFailureTest, ManyAwaitersSeeTheSameException) {
    run([]() -> Coro<> {
        auto task = create_task(fails("shared"));
        const auto sees = [](Task<int> t) -> Coro<std::string> {
            std::string text;
            try {
                co_await t;
            } catch (const ValueError& error) {
                text = error.what();
            }
            co_return text;
        };
        auto [a, b] = co_await gather(sees(task), sees(task));
        EXPECT_EQ(a, "shared");
        EXPECT_EQ(b, "shared");
    });
}

TEST_F(TaskFailureTest, ExceptionsOfAnyTypeEndTheirTaskOnly) {
    run([]() -> Coro<> {
        auto an_int = create_task([]() -> Coro<> {
            co_await sleep(0s);
            throw 42;
        }());
        auto interrupt = create_task([]() -> Coro<> {
            co_await sleep(0s);
            throw KeyboardInterrupt();
        }());
        co_await wait(handles(an_int, interrupt));
        int caught = 0;
        try {
            co_await an_int;
        } catch (int n) {
            caught = n;
        }
        EXPECT_EQ(caught, 42);
        EXPECT_NE(interrupt.exception(), nullptr);
    });
}

#if !defined(__clang__)  // which makes a trap of it, and warns
namespace without_return {
Coro<std::string> forgets() { co_await sleep(0s); }
Coro<int> forgets_at_once(bool answer) {
    if (answer) co_return 1;
}
}  // namespace without_return

TEST_F(TaskFailureTest, ACoroutineThatRunsOffItsEndFailsAndIsNamed) {
    simulate([]() -> Coro<> {
        std::vector<std::string> errors;
        try {
            co_await without_return::forgets();
        } catch (const InvalidStateError& error) {
            errors.emplace_back(error.what());
        }
        auto task = create_task(without_return::forgets_at_once(false));
        try {
            co_await task;
        } catch (const InvalidStateError& error) {
            errors.emplace_back(error.what());
        }
        EXPECT_EQ(errors.size(), 2u);
        for (const std::string& text : errors) {
            EXPECT_NE(text.find("coroutine 'asyncio::task_test::without_return::forgets"), std::string::npos)
                << text;
            EXPECT_NE(text.find("(task_failure_test.cpp:"), std::string::npos) << text;
            EXPECT_NE(text.find(") ended without co_return"), std::string::npos) << text;
            EXPECT_EQ(text.find("[abi:"), std::string::npos) << text;
        }
    });
}
#endif

}}  // namespace asyncio::task_test
