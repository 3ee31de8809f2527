// Part 5, second listing: calling an async function, the right way.
//
// co_await runs the coroutine, waits for it without blocking the loop, and gives its result.
#include <asyncio/asyncio.hpp>
#include <cstdio>
#include <string>

using namespace std::chrono_literals;

asyncio::Coro<std::string> get_data() {
    std::puts("get_data: running");
    co_await asyncio::sleep(1s);
    co_return "data";
}

asyncio::Coro<> amain() {
    const std::string data = co_await get_data();  // a string
    std::printf("Got '%s'.\n", data.c_str());
}

int main() { asyncio::run(amain(), {.debug = true}); }
