// What these programs need and Python has built in: the `time` module and `type`.
//
// Run by a person, time is real. With ASYNCIO_BACKEND=sim it is virtual, and the programs end at once: the
// clock stands still while code runs and jumps to the next deadline when every task waits. A call that blocks
// moves it by hand. What is printed is the same; this is how the tests run them.
#pragma once
#include <asyncio/asyncio.hpp>
#include <chrono>
#include <cstdlib>
#include <string_view>
#include <thread>

namespace tutorial {

inline const std::thread::id main_thread = std::this_thread::get_id();

/// The clock for `asyncio::run(…, {.clock = tutorial::clock()})`; null is real time.
inline asyncio::VirtualClock* clock() {
    static asyncio::VirtualClock virtual_clock;
    const char* backend = std::getenv("ASYNCIO_BACKEND");
    return backend != nullptr && std::string_view(backend) == "sim" ? &virtual_clock : nullptr;
}

/// The time at this very moment. (`loop.time()` is read once for each step of a task, so it does not see that
/// a task has been busy.)
inline asyncio::TimePoint now() {
    if (clock() != nullptr) return clock()->now();
    return asyncio::TimePoint(std::chrono::steady_clock::now().time_since_epoch());
}

/// Python's time.perf_counter(): seconds since some moment.
inline double perf_counter() { return asyncio::Duration(now().time_since_epoch()).seconds(); }

/// Python's time.sleep(): it blocks the thread, and with it the event loop that may run there.
inline void block(asyncio::Duration time) {
    if (clock() == nullptr) {
        std::this_thread::sleep_for(time.to_chrono());
    } else if (std::this_thread::get_id() == main_thread) {
        clock()->advance(time);
    }  // The loop's clock stands still while another thread works for it.
}

}  // namespace tutorial
