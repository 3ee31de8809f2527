// expect: the body goes on only when this is awaited: co_await gen.next\(\)
// flags: -Werror=unused-result
#include <asyncio/asyncio.hpp>
void f(asyncio::AsyncGenerator<int>& generator) { generator.next(); }
