// expect: nothing is waited for before this is awaited
// flags: -Werror=unused-result
#include <asyncio/net/server.hpp>
asyncio::Coro<> f(asyncio::Server& server) {
    server.wait_closed();
    co_return;
}
