// expect: an async generator yields values or lvalue references
#include <asyncio/asyncio.hpp>
asyncio::AsyncGenerator<int&&> f() { co_yield 1; }
