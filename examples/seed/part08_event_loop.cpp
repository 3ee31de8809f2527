// Part 8: the event loop, step by step.
//
// The loop has a queue of what can run now and a list of who is to be woken when. In each turn it runs what
// stands in the queue; if there is nothing it sleeps first, until the next moment in the list. What is due
// then has that turn, and puts its task into the queue for the next one. Here nothing runs by itself: main
// asks for one turn after another, and looks at the tasks in between. They know nothing of it. A sleeps for
// 100 ms, B for 50.
#include <asyncio/asyncio.hpp>
#include <asyncio/debug/timeline.hpp>
#include <cstdio>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using asyncio::debug::Activity;
using asyncio::debug::Timeline;

asyncio::Coro<> sleeper(asyncio::Duration time) {
    co_await asyncio::sleep(time);  // where it stands while it waits
}

double in_ms(asyncio::Duration time) { return time.seconds() * 1000; }

/// Asks the loop how its tasks are, and tells what has changed since the last time.
class Observer {
  public:
    explicit Observer(asyncio::EventLoop& loop) : loop_(loop), start_(loop.time()) {}

    void watch(asyncio::Task<> task) {
        const std::size_t row = timeline_.add_row(task.name());
        rows_.push_back({std::move(task), row, "", start_, 0});
    }
    void look() {
        const asyncio::TimePoint now = loop_.time();
        for (Row& row : rows_) {
            const std::string state =
                row.task.done() ? "has ended" : "stands at " + row.task.get_stack().back();
            if (state == row.state) continue;
            std::printf("%s %s after %.0f ms\n", row.task.name().c_str(), state.c_str(), in_ms(now - start_));
            // We look after each turn, so what has moved has run just now, and waited before.
            if (row.changes > 1) timeline_.add(row.number, row.since, now, Activity::waits);
            if (row.changes > 0) timeline_.add(row.number, now, now, Activity::runs);
            ++row.changes;
            row.state = state;
            row.since = now;
        }
    }
    bool all_ended() const {
        bool all = true;
        for (const Row& row : rows_) all = all && row.task.done();
        return all;
    }
    std::string chart() const { return timeline_.render({.width = 63}); }

  private:
    struct Row {
        asyncio::Task<> task;
        std::size_t number;
        std::string state;
        asyncio::TimePoint since;
        int changes;
    };
    asyncio::EventLoop& loop_;
    asyncio::TimePoint start_;
    std::vector<Row> rows_;
    Timeline timeline_;
};

int main() {
    asyncio::EventLoop loop;
    Observer observer(loop);
    // The queue, in order: A, a look, B, a look.
    observer.watch(loop.create_task(sleeper(100ms), {.name = "A"}));
    loop.call_soon([&] { observer.look(); });
    observer.watch(loop.create_task(sleeper(50ms), {.name = "B"}));
    loop.call_soon([&] { observer.look(); });
    observer.look();

    for (int turn = 1; !observer.all_ended(); ++turn) {
        std::printf("turn %d\n", turn);
        const bool more = loop.poll_once(1h);
        observer.look();
        if (more) {
            std::puts("  the queue holds what is due");
        } else if (!observer.all_ended()) {
            std::printf("  the queue is empty for %.0f ms\n", in_ms(loop.poll_timeout()));
        }
    }
    std::printf("\n%s", observer.chart().c_str());
}
