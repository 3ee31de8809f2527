// expect: g\+\+ 12 miscompiles a lambda with owning captures that is written in an awaiting expression
// expect: asyncio::own\(std::move\(lambda\)\)
// only: g++<=12
#include <asyncio/net/server.hpp>
#include <string>
asyncio::Coro<> f(std::string s) {
    auto server = co_await asyncio::start_server(
        [s](asyncio::StreamReader, asyncio::StreamWriter) -> asyncio::Coro<> { co_return; }, "127.0.0.1", 0);
}
