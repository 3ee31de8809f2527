// Part 7: fire and forget.
//
// A task whose handle is dropped goes on: the loop owns it until it is done. (Python keeps only a weak
// reference, and may lose such a task.) What still runs when amain returns is cancelled, however, so wait for
// what must be finished.
#include <asyncio/asyncio.hpp>
#include <cstdio>
#include <string>

using namespace std::chrono_literals;

asyncio::Coro<> write_log(std::string line, asyncio::Duration time) {
    try {
        co_await asyncio::sleep(time);
        std::printf("log: %s\n", line.c_str());
    } catch (const asyncio::CancelledError&) {
        std::printf("log: '%s' was cancelled, the program ends\n", line.c_str());
        throw;  // a task that was cancelled ends so
    }
}

asyncio::Coro<> amain() {
    asyncio::create_task(write_log("user logged in", 500ms));
    asyncio::create_task(write_log("nightly report", 1h));
    std::puts("amain: does not wait for the log");
    co_await asyncio::sleep(1s);
    std::puts("amain: is done");
}

int main() { asyncio::run(amain()); }
