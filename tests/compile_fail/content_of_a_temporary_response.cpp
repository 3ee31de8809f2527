// expect: deleted
// expect: content\(\) ?&&
#include <asyncio/asyncio.hpp>
#include <asyncio/http.hpp>
asyncio::Coro<> f(asyncio::http::ClientSession& session) {
    auto piece = co_await (co_await session.get("http://h/")).content().read(10);
}
