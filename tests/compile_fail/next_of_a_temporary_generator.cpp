// expect: deleted
// expect: the generator would be gone before its second item: name it
#include <asyncio/asyncio.hpp>
asyncio::AsyncGenerator<int> f();
asyncio::Coro<> g() { co_await f().next(); }
