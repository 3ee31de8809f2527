// Part 3, second listing: a coroutine.
//
// `async def greet()` in Python is a function that returns Coro<T> and uses co_await or co_return here.
// Calling it runs nothing at all: it makes a coroutine object, which is lazy. It runs when something awaits
// or schedules it.
#include <asyncio/asyncio.hpp>
#include <cstdio>
#include <string>
#include <string_view>

template <class T>
std::string type_of(const T&) {  // Python's type(); the compiler spells it out in the name of this function
    const std::string_view name = __PRETTY_FUNCTION__;
    const std::size_t begin = name.find("T = ") + 4;
    return std::string(name.substr(begin, name.find_first_of(";]", begin) - begin));
}

asyncio::Coro<std::string> greet(std::string name) {  // parameters by value: the coroutine outlives this call
    std::puts("greet: running");
    co_return "Hello, " + name + "!";
}

int main() {
    std::puts("before the call");
    asyncio::Coro<std::string> coroutine = greet("World");  // "greet: running" is not printed
    std::puts("after the call");

    // Not a string, but something that can become one.
    std::printf("type: %s\n", type_of(coroutine).c_str());

    const std::string result = asyncio::run(std::move(coroutine));  // now it runs; once, so it is moved from
    std::printf("result: %s\n", result.c_str());
}
