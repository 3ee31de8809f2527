// expect: deleted
// expect: write shield\(create_task\(coro\)\), or shield\(function, args\.\.\.\)
#include <asyncio/asyncio.hpp>
asyncio::Coro<> f();
asyncio::Coro<> g() { co_await asyncio::shield(f()); }
