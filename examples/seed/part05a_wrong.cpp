// Part 5, first listing: calling an async function, the wrong way.
//
// What the call gives is not the result, it is a coroutine that has not begun. Three safety nets:
//   - `std::string data = get_data();` does not compile, a Coro<std::string> is no string;
//   - `get_data();` alone draws a compiler warning: "this coroutine has not run: co_await it, or hand it to
//   …";
//   - what slips through both is reported when the program runs in debug mode. That is what happens below.
#include <asyncio/asyncio.hpp>
#include <cstdio>
#include <string>

using namespace std::chrono_literals;

asyncio::Coro<std::string> get_data() {
    std::puts("get_data: running");  // never printed
    co_await asyncio::sleep(1s);
    co_return "data";
}

asyncio::Coro<> amain() {
    {
        auto data = get_data();  // a co_await is missing
        std::printf("It can still be awaited: %s\n", data.valid() ? "yes" : "no");
        std::puts("Now it is dropped:");
        std::fflush(stdout);  // the warning goes to stderr
    }
    std::puts("Nothing was fetched.");
    co_return;
}

int main() { asyncio::run(amain(), {.debug = true}); }
