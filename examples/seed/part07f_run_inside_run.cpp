// Part 7: run inside a running loop is refused.
//
// It would have to block the very loop that must go on. Inside of async code, co_await is what you want; the
// message says so.
#include <asyncio/asyncio.hpp>
#include <cstdio>
#include <string>

using namespace std::chrono_literals;

asyncio::Coro<std::string> fetch_user() {
    co_await asyncio::sleep(300ms);
    co_return "user 42";
}

std::string get_user() { return asyncio::run(fetch_user()); }  // fine, as long as no loop runs in this thread

asyncio::Coro<> amain() {
    try {
        get_user();
    } catch (const asyncio::RuntimeError& error) {
        std::printf("RuntimeError: %s\n", error.what());
    }
    const std::string user = co_await fetch_user();
    std::printf("With co_await: %s\n", user.c_str());
}

int main() { asyncio::run(amain()); }
