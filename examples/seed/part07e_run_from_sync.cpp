// Part 7: synchronous code that calls async code.
//
// An ordinary function cannot co_await. It can run a loop of its own until one coroutine is done:
// asyncio::run blocks its caller, and gives the result or throws what the coroutine threw.
#include <asyncio/asyncio.hpp>
#include <cstdio>
#include <stdexcept>
#include <string>

using namespace std::chrono_literals;

asyncio::Coro<std::string> fetch_user(int id) {
    co_await asyncio::sleep(300ms);
    if (id < 0) throw std::invalid_argument("no user " + std::to_string(id));
    co_return "user " + std::to_string(id);
}

std::string get_user(int id) {  // ordinary code, called by ordinary code
    return asyncio::run(fetch_user(id));
}

int main() {
    std::printf("Got %s.\n", get_user(42).c_str());
    try {
        get_user(-1);
    } catch (const std::invalid_argument& error) {
        std::printf("Failed: %s.\n", error.what());
    }
}
