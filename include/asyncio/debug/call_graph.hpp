// Call graphs: who waits for whom, through tasks.
#pragma once
#include <cstddef>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "asyncio/base/option.hpp"
#include "asyncio/task/any_task.hpp"

namespace asyncio { inline namespace v1 {

/// A coroutine of a task, and the await at which it is suspended; of one that runs, its latest.
/// Python  asyncio.FrameCallGraphEntry, which holds the frame itself
struct FrameCallGraphEntry {
    std::string function;
    std::string file;  ///< as the compiler was given it
    unsigned line = 0;
    bool is_coroutine = true;  ///< false: a plain function, in which the graph was taken
};

/// Why a graph goes no further although somebody awaits the task.
enum class CallGraphEnd : unsigned char {
    complete,          ///< it does go on, or nobody awaits it
    shown_above,       ///< this task is in the graph already, with those who await it
    waits_for_itself,  ///< the same, and they wait in a circle
    too_deep,          ///< a thousand tasks stand below it
};

/// A task or future with its own coroutines, and those who await it.
/// Python  asyncio.FutureCallGraph
struct FutureCallGraph {
    AnyTask future;
    std::vector<FrameCallGraphEntry> call_stack;  ///< the innermost coroutine first
    std::vector<FutureCallGraph> awaited_by;      ///< in the order in which they began to wait
    CallGraphEnd end = CallGraphEnd::complete;
};

/// Options of the functions that take call graphs. All members may be left out.
struct CallGraphOptions {
    int depth = 1;  ///< of the current task: with which frame to begin; 2 leaves out the caller's own
    /// How many frames of each task: so many innermost ones; negative: so many outermost; not given: all.
    int limit = no_limit;
    static constexpr int no_limit = 0x7fffffff;
};
static_assert(OptionStruct<CallGraphOptions>);

/// The coroutines of the current task, and who awaits it, as far as tasks wait for each other: by `co_await`,
/// gather, wait, wait_for, shield, as_completed, a TaskGroup. Nothing if a callback runs, no task.
///
/// Throws      RuntimeError  no event loop runs here
/// Suspends    never
/// Cancel      no effect
/// Threads     loop thread
/// Cost        proportional to the graph
/// Python      asyncio.capture_call_graph
std::optional<FutureCallGraph> capture_call_graph(CallGraphOptions options = CallGraphOptions(),
                                                  detail::Where where = detail::where_here());
/// The same of a task or future of this loop.
///
/// Throws      RuntimeError  it belongs to another loop, or its loop runs on another thread
/// Suspends    never
/// Cancel      no effect
/// Threads     loop thread
FutureCallGraph capture_call_graph(const AnyTask& future, CallGraphOptions options = CallGraphOptions(),
                                   detail::Where where = detail::where_here());

/// The graph as text, in Python's form; empty if a callback runs, no task.
///
///     * Task(name='worker', id=0x5581c0)
///       + Call stack:
///       |   File 'main.cpp', line 12, in async fetch()
///       + Awaited by:
///          * Task(name='Task-1', id=0x5581a0)
///            + Call stack:
///            |   File 'main.cpp', line 30, in async amain()
///
/// Throws      RuntimeError  as capture_call_graph
/// Suspends    never
/// Cancel      no effect
/// Threads     loop thread
/// Python      asyncio.format_call_graph
std::string format_call_graph(CallGraphOptions options = CallGraphOptions(),
                              detail::Where where = detail::where_here());
std::string format_call_graph(const AnyTask& future, CallGraphOptions options = CallGraphOptions(),
                              detail::Where where = detail::where_here());
/// Of a graph that was taken before.
///
/// Suspends    never
/// Cancel      no effect
/// Threads     one at a time
std::string format_call_graph(const FutureCallGraph& graph);

/// Prints `format_call_graph` to `file`; not given: to standard error.
///
/// Throws      RuntimeError  as capture_call_graph
/// Suspends    never
/// Cancel      no effect
/// Threads     loop thread
/// Python      asyncio.print_call_graph, which prints to standard output
void print_call_graph(CallGraphOptions options = CallGraphOptions(), std::FILE* file = stderr,
                      detail::Where where = detail::where_here());
void print_call_graph(const AnyTask& future, CallGraphOptions options = CallGraphOptions(),
                      std::FILE* file = stderr, detail::Where where = detail::where_here());

}}  // namespace asyncio::v1
