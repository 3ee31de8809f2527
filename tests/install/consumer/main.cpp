#include <asyncio/asyncio.hpp>
#include <cstdio>
using namespace std::chrono_literals;

asyncio::Coro<int> answer() {
    co_await asyncio::sleep(1ms);
    co_return 42;
}

int main() { return std::printf("%d\n", asyncio::run(answer())) == 3 ? 0 : 1; }
