// expect: the body of `with` takes the scope's value \(by reference\), or nothing
#include <string>
#include <asyncio/asyncio.hpp>
asyncio::Coro<> f() {
    co_await asyncio::with(asyncio::TaskGroup(), [](std::string&) -> asyncio::Coro<> { co_return; });
}
