// expect: start_server: the client function returns Coro<>, or void
#include <asyncio/net/server.hpp>
int on_client(asyncio::StreamReader, asyncio::StreamWriter);
asyncio::Coro<> f() { auto server = co_await asyncio::start_server(on_client, "127.0.0.1", 0); }
