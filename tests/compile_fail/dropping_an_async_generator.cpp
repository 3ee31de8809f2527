// expect: an async generator runs only while it is asked: co_await gen.next\(\)
// flags: -Werror=unused-result
#include <asyncio/asyncio.hpp>
asyncio::AsyncGenerator<int> f();
void g() { f(); }
