// expect: g\+\+ 12 miscompiles a lambda with owning captures that is written in an awaiting expression
// expect: asyncio::own\(std::move\(lambda\)\)
// only: g++<=12
#include <asyncio/asyncio.hpp>
#include <string>
using namespace std::chrono_literals;
asyncio::Coro<> f(std::string s) {
    co_await asyncio::create_task([s]() -> asyncio::Coro<> { co_return; });
}
