// Call graphs: a task's own coroutines, and who waits for it, through every kind of wait.
#include <gtest/gtest.h>

#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "asyncio/asyncio.hpp"
#include "support/loop_fixture.hpp"

namespace asyncio { namespace {

using namespace std::chrono_literals;

class CallGraph : public test::BackendTest {};
ASYNCIO_ON_EVERY_BACKEND(CallGraph);
class CallGraphOfAny : public test::LoopTest {};

/// Suspends until it is set; what the graphs of these tests begin with.
Coro<> leaf(Future<> until) { co_await until; }
Coro<> middle(Future<> until) { co_await leaf(until); }

std::string name_of(const FutureCallGraph& graph) { return graph.future.name(); }

/// The names of those who await, from the task up, as long as there is one: "a < b < c".
std::string chain(const FutureCallGraph& graph) {
    std::string text = name_of(graph);
    for (const FutureCallGraph* each = &graph; each->awaited_by.size() == 1; each = &each->awaited_by.front())
        text += " < " + name_of(each->awaited_by.front());
    return text;
}

/// The functions of a stack, without namespaces: "leaf middle".
std::string functions(const FutureCallGraph& graph) {
    std::string text;
    for (const FrameCallGraphEntry& each : graph.call_stack)
        text += (text.empty() ? "" : " ") + each.function.substr(each.function.rfind(':') + 1);
    return text;
}

/// A turn of the loop for everybody, a few times.
Coro<> let_all_block() {
    for (int i = 0; i < 5; ++i) co_await sleep(0s);
}

/// Runs `waits(task)` as the task "outer", and gives the graph of the task that it waits for.
template <class F>
Coro<FutureCallGraph> graph_under(F waits, std::string name = "inner") {
    Future<> until;
    Task<> inner = create_task(middle(until), {.name = name});
    auto outer = create_task(waits(inner), {.name = "outer"});
    co_await let_all_block();
    FutureCallGraph graph = capture_call_graph(inner);
    until.set_result();
    co_await outer;
    co_return graph;
}

TEST_P(CallGraph, ShowsTheCoroutinesOfATaskTheInnermostFirst) {
    run([]() -> Coro<> {
        Future<> until;
        Task<> task = create_task(middle(until), {.name = "two deep"});
        co_await let_all_block();
        const FutureCallGraph graph = capture_call_graph(task);
        EXPECT_EQ(graph.future, task);
        EXPECT_EQ(functions(graph), "leaf middle");
        EXPECT_NE(graph.call_stack[0].file.find("call_graph_test.cpp"), std::string::npos);
        EXPECT_EQ(graph.call_stack[0].line + 1, graph.call_stack[1].line);
        EXPECT_TRUE(graph.awaited_by.empty());
        until.set_result();
        co_await task;
    });
}

constexpr int line_of_here = __LINE__ + 1;
Coro<std::optional<FutureCallGraph>> here() { co_return capture_call_graph(); }
constexpr int line_of_asks = __LINE__ + 1;
std::optional<FutureCallGraph> asks() { return capture_call_graph(); }
Coro<std::optional<FutureCallGraph>> calls_what_asks() { co_return asks(); }

TEST_P(CallGraph, OfTheCurrentTaskBeginsWhereItIsTaken) {
    run([]() -> Coro<> {
        const auto graph = co_await here();
        EXPECT_EQ(graph->future, current_task());
        EXPECT_EQ(graph->call_stack[0].line, static_cast<unsigned>(line_of_here));
        EXPECT_TRUE(graph->call_stack[0].is_coroutine);
        const auto called = co_await calls_what_asks();
        EXPECT_EQ(functions(*called).rfind("asks calls_what_asks ", 0), 0u) << functions(*called);
        EXPECT_EQ(called->call_stack[0].line, static_cast<unsigned>(line_of_asks));
        EXPECT_FALSE(called->call_stack[0].is_coroutine);
    });
}

TEST_P(CallGraph, InACallbackIsNone) {
    run([]() -> Coro<> {
        bool asked = false;
        get_running_loop().call_soon([&asked] {
            asked = true;
            EXPECT_FALSE(capture_call_graph().has_value());
            EXPECT_EQ(format_call_graph(), "");
        });
        co_await let_all_block();
        EXPECT_TRUE(asked);
    });
}

TEST_F(CallGraphOfAny, OutsideOfALoopNeedsATask) {
    EXPECT_THROW(static_cast<void>(capture_call_graph()), RuntimeError);
    EventLoop loop({.backend = Backend::sim});
    Task<> task = loop.create_task(let_all_block());
    EXPECT_EQ(functions(capture_call_graph(task)), "let_all_block");
    loop.run_until_complete(task);
    EXPECT_TRUE(capture_call_graph(task).call_stack.empty());
}

// ---- who waits ----------------------------------------------------------------------------------

Coro<> awaits(Task<> task) { co_await task; }
Coro<> gathers(Task<> task) { co_await gather(task, sleep(0s)); }
Coro<> waits(Task<> task) {
    std::vector<Task<>> tasks{task};
    co_await asyncio::wait(tasks);
}
Coro<> waits_for(Task<> task) { co_await wait_for(task, 1h); }
Coro<> waits_for_a_coroutine(Task<> task) { co_await wait_for(awaits(task), 1h); }
Coro<> shields(Task<> task) { co_await shield(task); }
Coro<> completes(Task<> task) {
    auto it = as_completed(std::vector<Task<>>{task});
    auto next = co_await it.next();
    EXPECT_TRUE(next.has_value());
}
Coro<> has_a_timeout(Task<> task) {
    co_await with(timeout(1h), [&]() -> Coro<> { co_await task; });
}

TEST_P(CallGraph, GoesOnToWhoeverAwaitsTheTask) {
    run([]() -> Coro<> {
        for (auto* const outer : {&awaits, &gathers, &waits, &waits_for, &waits_for_a_coroutine, &shields,
                                  &completes, &has_a_timeout}) {
            const FutureCallGraph graph = co_await graph_under(outer);
            EXPECT_EQ(chain(graph), "inner < outer");
        }
    });
}

TEST_P(CallGraph, ShowsTheCoroutinesOfTheOneWhoWaits) {
    run([]() -> Coro<> {
        const FutureCallGraph graph = co_await graph_under(&waits_for_a_coroutine);
        EXPECT_EQ(functions(graph.awaited_by.front()), "awaits waits_for_a_coroutine");
    });
}

TEST_P(CallGraph, GoesOnFromAChildOfAGatherToTheGather) {
    run([]() -> Coro<> {
        Future<> until;
        auto gathering = [](Future<> future) -> Coro<> { co_await gather(middle(future), leaf(future)); };
        auto outer = create_task(gathering(until), {.name = "outer"});
        co_await let_all_block();
        std::size_t children = 0;
        for (const AnyTask& each : all_tasks()) {
            if (each == outer || each == current_task()) continue;
            ++children;
            EXPECT_EQ(chain(capture_call_graph(each)), each.name() + " < outer");
        }
        EXPECT_EQ(children, 2u);
        until.set_result();
        co_await outer;
    });
}

TEST_P(CallGraph, GoesOnFromATaskOfAGroupToTheGroupsTask) {
    run([]() -> Coro<> {
        Future<> until;
        Future<> body;
        std::optional<Task<>> member;
        auto in_group = [&](TaskGroup& group) -> Coro<> {
            member = group.create_task(leaf(until), {.name = "member"});
            co_await body;
        };
        auto scope = [&]() -> Coro<> { co_await with(TaskGroup{}, in_group); };
        auto outer = create_task(scope);
        outer.set_name("outer");
        co_await let_all_block();
        EXPECT_EQ(chain(capture_call_graph(*member)), "member < outer");  // while the body runs
        body.set_result();
        co_await let_all_block();
        EXPECT_EQ(chain(capture_call_graph(*member)), "member < outer");  // while the scope waits
        until.set_result();
        co_await outer;
    });
}

TEST_P(CallGraph, OfAFutureShowsItsWaitersInOrder) {
    run([]() -> Coro<> {
        Future<> future;
        auto first = create_task(leaf(future), {.name = "first"});
        auto second = create_task(middle(future), {.name = "second"});
        future.add_done_callback([](AnyTask) {});
        co_await let_all_block();
        const FutureCallGraph graph = capture_call_graph(future);
        EXPECT_TRUE(graph.call_stack.empty());
        EXPECT_EQ(graph.awaited_by.size(), 2u);
        EXPECT_EQ(name_of(graph.awaited_by[0]), "first");
        EXPECT_EQ(name_of(graph.awaited_by[1]), "second");
        future.set_result();
        co_await gather(first, second);
    });
}

TEST_P(CallGraph, OfATaskThatIsReadyToRunShowsWithWhichCoroutineItGoesOn) {
    run([]() -> Coro<> {
        Future<> until;
        Task<> task = create_task(middle(until));
        co_await let_all_block();
        until.set_result();
        EXPECT_EQ(functions(capture_call_graph(task)), "leaf middle");
        co_await task;
        EXPECT_TRUE(capture_call_graph(task).call_stack.empty());
    });
}

// ---- limits -------------------------------------------------------------------------------------

TEST_P(CallGraph, LimitTakesTheInnermostFramesOrTheOutermost) {
    run([]() -> Coro<> {
        Future<> until;
        Task<> task = create_task(middle(until));
        co_await let_all_block();
        EXPECT_EQ(functions(capture_call_graph(task, {.limit = 1})), "leaf");
        EXPECT_EQ(functions(capture_call_graph(task, {.limit = -1})), "middle");
        EXPECT_EQ(functions(capture_call_graph(task, {.limit = 0})), "");
        EXPECT_EQ(functions(capture_call_graph(task, {.limit = 7})), "leaf middle");
        EXPECT_EQ(functions(capture_call_graph(task, {.depth = 9})), "leaf middle");  // not the current task
        until.set_result();
        co_await task;
    });
}

Coro<std::optional<FutureCallGraph>> below(int depth) { co_return capture_call_graph({.depth = depth}); }

TEST_P(CallGraph, DepthLeavesOutTheNextFrames) {
    run([]() -> Coro<> {
        const auto all = co_await below(1);
        const auto fewer = co_await below(2);
        EXPECT_EQ(fewer->call_stack.size() + 1, all->call_stack.size());
        EXPECT_EQ(fewer->call_stack.front().function, all->call_stack[1].function);
        const auto none = co_await below(99);
        EXPECT_TRUE(none->call_stack.empty());
        const auto as_one = co_await below(0);
        EXPECT_EQ(as_one->call_stack.size(), all->call_stack.size());
    });
}

TEST_P(CallGraph, ShowsATaskThatManyWaysLeadToOnce) {
    // Of thirty layers of two tasks, each of which waits for both of the next layer: a thousand million
    // paths.
    run([]() -> Coro<> {
        auto both = [](Task<> a, Task<> b) -> Coro<> { co_await gather(a, b); };
        Future<> until;
        Task<> bottom = create_task(leaf(until));
        Task<> left = bottom;
        Task<> right = bottom;
        for (int layer = 0; layer < 30; ++layer) {
            const Task<> next = create_task(both(left, right));
            right = create_task(both(left, right));
            left = next;
        }
        co_await let_all_block();
        const std::string text = format_call_graph(bottom);
        EXPECT_LT(text.size(), 200'000u);
        EXPECT_NE(text.find("+ Awaited by: see above"), std::string::npos) << text;
        until.set_result();
        co_await gather(left, right);
    });
}

TEST_P(CallGraph, SaysWhereTasksWaitForEachOtherInACircle) {
    run([]() -> Coro<> {
        std::optional<Task<>> other;
        auto awaits_later = [](std::optional<Task<>>& task) -> Coro<> { co_await *task; };
        Task<> one = create_task(awaits_later(other), {.name = "one"});
        Task<> two = create_task(awaits(one), {.name = "two"});
        other = two;
        co_await let_all_block();
        const FutureCallGraph graph = capture_call_graph(one);
        EXPECT_EQ(chain(graph), "one < two < one");
        EXPECT_EQ(graph.awaited_by[0].awaited_by[0].end, CallGraphEnd::waits_for_itself);
        EXPECT_NE(format_call_graph(graph).find("itself, in a circle"), std::string::npos);
        one.cancel();
        std::vector<Task<>> both{one, two};
        co_await asyncio::wait(both);
        other.reset();
    });
}

TEST_P(CallGraph, EndsWhereTheChainIsTooLong) {
    run([]() -> Coro<> {
        Future<> until;
        Task<> bottom = create_task(leaf(until));
        Task<> top = bottom;
        for (int i = 0; i < 3000; ++i) top = create_task(awaits(top));
        co_await sleep(0s);
        co_await sleep(0s);
        const FutureCallGraph graph = capture_call_graph(bottom);
        std::size_t depth = 1;
        const FutureCallGraph* each = &graph;
        for (; !each->awaited_by.empty(); each = &each->awaited_by.front()) ++depth;
        EXPECT_EQ(depth, 1001u);
        EXPECT_EQ(each->end, CallGraphEnd::too_deep);
        until.set_result();
        co_await top;
    });
}

// ---- text ---------------------------------------------------------------------------------------

TEST_P(CallGraph, IsFormattedAsPythonDoes) {
    run([]() -> Coro<> {
        Future<> until;
        Task<> inner = create_task(leaf(until), {.name = "inner"});
        Task<> outer = create_task(awaits(inner), {.name = "outer"});
        co_await let_all_block();
        std::string text = format_call_graph(inner);
        // What differs from machine to machine, and from compiler to compiler, is made the same.
        const auto blank = [&text](std::string_view before, std::string_view after, std::string_view by) {
            for (std::size_t at = 0; (at = text.find(before, at)) != std::string::npos; at += by.size()) {
                at += before.size();
                text.replace(at, text.find(after, at) - at, by);
            }
        };
        blank("id=0x", ")", "1");
        blank("File '", "'", "f.cpp");
        blank("line ", ",", "7");
        for (std::size_t at = 0; (at = text.find("asyncio::")) != std::string::npos;) text.erase(at, 9);
        EXPECT_EQ(text,
                  "* Task(name='inner', id=0x1)\n"
                  "  + Call stack:\n"
                  "  |   File 'f.cpp', line 7, in async leaf()\n"
                  "  + Awaited by:\n"
                  "     * Task(name='outer', id=0x1)\n"
                  "       + Call stack:\n"
                  "       |   File 'f.cpp', line 7, in async awaits()");
        until.set_result();
        co_await outer;
    });
}

TEST_P(CallGraph, IsPrintedToAFile) {
    run([]() -> Coro<> {
        ::testing::internal::CaptureStderr();
        print_call_graph();
        const std::string printed = ::testing::internal::GetCapturedStderr();
        EXPECT_EQ(printed.rfind("* Task(name='Task-1', id=0x", 0), 0u) << printed;
        std::FILE* const file = std::tmpfile();
        print_call_graph(current_task(), {}, file);
        EXPECT_GT(std::ftell(file), 40);
        std::fclose(file);
        co_return;
    });
}

}}  // namespace asyncio
