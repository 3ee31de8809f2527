// Names and stacks of tasks, as errors and tools show them.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "asyncio/asyncio.hpp"
#include "task/task_support.hpp"

namespace asyncio::task_test { namespace {

class TaskNameTest : public SimulatedTest {};

Coro<int> seven() { co_return 7; }
Coro<int> fails(std::string text) {
    co_await sleep(0s);
    throw ValueError(text);
}

TEST_F(TaskNameTest, TasksAreNumberedUnlessNamed) {
    run([]() -> Coro<> {
        auto a = create_task(seven());
        auto b = create_task(seven());
        auto c = create_task(seven(), {.name = "given"});
        EXPECT_EQ(a.name().find("Task-"), 0u);
        EXPECT_EQ(std::stoi(b.name().substr(5)), std::stoi(a.name().substr(5)) + 1);
        EXPECT_EQ(c.get_name(), "given");
        c.set_name("another");
        EXPECT_EQ(c.name(), "another");
        co_await gather(a, b, c);
        EXPECT_EQ(c.name(), "another");
    });
}

namespace chain {
Coro<> innermost() { co_await sleep(1h); }
constexpr int innermost_line = __LINE__ - 1;
struct Client {
    Coro<> middle(std::string) { co_await innermost(); }
};
constexpr int middle_line = __LINE__ - 2;
Coro<int> outermost(Client client) {
    co_await client.middle("x");
    co_return 1;
}
constexpr int outermost_line = __LINE__ - 3;
}  // namespace chain

TEST_F(TaskNameTest, TheStackNamesTheWholeChainOfAwaits) {
    run([]() -> Coro<> {
        auto task = create_task(chain::outermost(chain::Client()));
        std::vector<std::string> stack = task.get_stack();
        EXPECT_EQ(stack.size(), 1u);  // not begun: where it is defined
        co_await sleep(0s);
        stack = task.get_stack();
        EXPECT_EQ(stack.size(), 3u);
        if (stack.size() != 3) co_return;
        const auto expect_line = [](const std::string& text, const std::string& name, int line) {
            EXPECT_NE(text.find(name + " (task_name_test.cpp:" + std::to_string(line) + ")"),
                      std::string::npos)
                << text;
        };
        expect_line(stack[0], "chain::outermost", chain::outermost_line);
        expect_line(stack[1], "chain::Client::middle", chain::middle_line);
        expect_line(stack[2], "chain::innermost", chain::innermost_line);
        const std::string text = printed([&] { task.print_stack(); });
        EXPECT_EQ(text.find("Stack of Task-"), 0u) << text;
        EXPECT_NE(text.find(stack[2]), std::string::npos) << text;
        task.cancel();
        co_await wait(handles(task));
        EXPECT_TRUE(task.get_stack().empty());
    });
}

TEST_F(TaskNameTest, ATaskOfACallableIsKnownByWhatItCalls) {
    run([]() -> Coro<> {
        std::vector<ExceptionContext> reports;
        get_running_loop().set_exception_handler(
            [&](EventLoop&, const ExceptionContext& context) { reports.push_back(context); });
        create_task(fails, "of a callable");
        auto task = create_task(chain::innermost);
        co_await sleep(0s);
        const std::vector<std::string> stack = task.get_stack();
        EXPECT_EQ(stack.size(), 2u);
        for (const std::string& line : stack)
            EXPECT_NE(line.find("chain::innermost (task_name_test.cpp:"), std::string::npos) << line;
        task.cancel();
        co_await wait(handles(task));
        EXPECT_EQ(reports.size(), 1u);
        if (!reports.empty()) {
            EXPECT_EQ(reports[0].place.find("task_name_test.cpp:"), 0u) << reports[0].place;
        }
        get_running_loop().set_exception_handler(nullptr);
    });
}

TEST_F(TaskNameTest, TheStackShowsLambdasTemplatesAndCombinators) {
    run([]() -> Coro<> {
        auto lambda = []() -> Coro<> {
            co_await with(timeout(1h), [](Timeout&) -> Coro<> { co_await sleep(30min); });
        };
        auto task = create_task(lambda);
        co_await sleep(0s);
        std::string all;
        for (const std::string& line : task.get_stack()) all += line + "\n";
        EXPECT_NE(all.find("task_name_test.cpp:"), std::string::npos) << all;
        EXPECT_EQ(all.find("Frame"), std::string::npos) << all;
        EXPECT_EQ(all.find("_ZN"), std::string::npos) << all;
        EXPECT_EQ(all.find("[with"), std::string::npos) << all;
        task.cancel();
        co_await wait(handles(task));
    });
}

}}  // namespace asyncio::task_test
