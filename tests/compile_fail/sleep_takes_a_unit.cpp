// expect: deleted
// expect: A bare number has no unit: write 2s, 100ms, 0s
#include <asyncio/asyncio.hpp>
asyncio::Coro<> f() { co_await asyncio::sleep(1); }
