// expect: create_task takes its options in braces
#include <asyncio/asyncio.hpp>
asyncio::Coro<int> one() { co_return 1; }
void g() { asyncio::create_task(one(), "name"); }
