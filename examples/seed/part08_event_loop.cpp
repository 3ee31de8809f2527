// Part 8: the event loop, step by step.
//
// The loop has a queue of what can run now and a list of who is to be woken when. It runs everything in the
// queue; when that is empty it sleeps until the next moment in the list, moves what is due to the queue, and
// begins again. Here is what it does with A, which sleeps for 100 ms, and B, which sleeps for 50.
#include <asyncio/asyncio.hpp>
#include <asyncio/debug/timeline.hpp>
#include <cstdio>
#include <string>

using namespace std::chrono_literals;
using asyncio::debug::Activity;
using asyncio::debug::Timeline;

/// Prints each step with its time, and draws it into a timeline.
class Trace {
  public:
    std::size_t add(char name) {
        names_ += name;
        return timeline_.add_row(std::string(1, name));
    }
    void step(std::size_t who, const char* what, Activity then) {
        const asyncio::TimePoint now = asyncio::get_running_loop().time();
        std::printf("%3.0f ms  %c %s\n", asyncio::Duration(now - start_).seconds() * 1000, names_[who], what);
        timeline_.change(who, then, now);
    }
    void end(std::size_t who) { timeline_.finish(who, asyncio::get_running_loop().time()); }
    std::string chart() const { return timeline_.render({.width = 63}); }

  private:
    asyncio::TimePoint start_ = asyncio::get_running_loop().time();
    std::string names_;
    Timeline timeline_;
};

asyncio::Coro<> sleeper(char name, asyncio::Duration time, Trace& trace) {
    const std::size_t me = trace.add(name);
    trace.step(me, "is taken from the queue and starts", Activity::runs);
    trace.step(me, "reaches its co_await: the loop notes when to wake it", Activity::waits);
    co_await asyncio::sleep(time);
    trace.step(me, "is due: the loop resumes it behind its co_await", Activity::runs);
    trace.step(me, "is done", Activity::runs);
    trace.end(me);
}

asyncio::Coro<> amain() {
    Trace trace;
    // Both go to the queue, A first. Then amain itself waits, and the loop has its hands free.
    co_await asyncio::gather(sleeper('A', 100ms, trace), sleeper('B', 50ms, trace));
    std::printf("\n%s", trace.chart().c_str());
}

int main() { asyncio::run(amain()); }
