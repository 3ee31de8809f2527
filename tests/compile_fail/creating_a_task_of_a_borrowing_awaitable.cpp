// expect: create_task takes a coroutine
#include <asyncio/asyncio.hpp>
void g(asyncio::StreamReader& reader) { asyncio::create_task(reader.readline()); }
