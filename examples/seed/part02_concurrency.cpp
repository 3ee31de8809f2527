// Part 2: concurrency on one core.
//
// Concurrency is not parallelism: nothing below ever happens at the same moment. There is one core, and two
// tasks that take turns on it: while one waits, the other runs. The chart at the end is drawn from what the
// tasks really did.
#include <asyncio/debug/timeline.hpp>
#include <cstdio>

#include "tutorial.hpp"

using namespace std::chrono_literals;
using asyncio::debug::Activity;
using asyncio::debug::Timeline;

/// Works twice, with a wait between. The work needs the core, the wait does not.
asyncio::Coro<> worker(char name, std::size_t row, Timeline& timeline) {
    for (int part = 1; part <= 2; ++part) {
        std::printf("Task %c: works, part %d\n", name, part);
        timeline.change(row, Activity::runs, tutorial::now());
        tutorial::block(200ms);  // a computation: the core is taken
        timeline.change(row, Activity::waits, tutorial::now());
        // Here the task lets go of the core, for 200 ms at least. Whoever is ready gets it.
        if (part == 1) co_await asyncio::sleep(200ms);
    }
    std::printf("Task %c: is done\n", name);
    timeline.finish(row, tutorial::now());
}

asyncio::Coro<> amain() {
    Timeline
        timeline;  // the tasks write into it; it lives longer than they do, because gather waits for both
    const std::size_t a = timeline.add_row("Task A");
    const std::size_t b = timeline.add_row("Task B");
    timeline.change(a, Activity::waits, tutorial::now());
    timeline.change(b, Activity::waits, tutorial::now());
    co_await asyncio::gather(worker('A', a, timeline), worker('B', b, timeline));
    std::printf("\nOne core, two tasks:\n%s", timeline.render({.width = 60}).c_str());
}

int main() { asyncio::run(amain(), {.clock = tutorial::clock()}); }
