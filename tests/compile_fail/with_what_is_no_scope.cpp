// expect: with takes something with aenter\(\) and aexit\(std::exception_ptr\), or an awaitable that gives it
#include <asyncio/asyncio.hpp>
asyncio::Coro<> f() {
    co_await asyncio::with(5, [] {});
}
