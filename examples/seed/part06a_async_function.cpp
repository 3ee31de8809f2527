// Part 6, first listing: one async function.
//
// `async def` becomes Coro<T>, `await` becomes co_await, `return` becomes co_return, asyncio.run stays what
// it is: the door from ordinary code into async code. A program usually has one.
#include <asyncio/asyncio.hpp>
#include <cstdio>

using namespace std::chrono_literals;

asyncio::Coro<> say_hello() {
    std::puts("Hello...");
    co_await asyncio::sleep(1s);
    std::puts("...World!");
}

int main() { asyncio::run(say_hello()); }
