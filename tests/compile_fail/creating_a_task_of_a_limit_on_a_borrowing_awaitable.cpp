// expect: create_task takes a coroutine
#include <asyncio/asyncio.hpp>
using namespace std::chrono_literals;
void g(asyncio::StreamReader& reader) { asyncio::create_task(asyncio::wait_for(reader.readline(), 1s)); }
