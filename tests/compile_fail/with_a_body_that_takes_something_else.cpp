// expect: the body of `with` takes the scope's value \(by reference\), or nothing
#include <asyncio/asyncio.hpp>
#include <string>
asyncio::Coro<> f() {
    co_await asyncio::with(asyncio::TaskGroup(), [](std::string&) -> asyncio::Coro<> { co_return; });
}
