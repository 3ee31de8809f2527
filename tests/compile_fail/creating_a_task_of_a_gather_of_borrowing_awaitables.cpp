// expect: create_task takes a coroutine
#include <asyncio/asyncio.hpp>
using namespace std::chrono_literals;
void g(asyncio::StreamReader& reader) {
    asyncio::create_task(asyncio::gather(asyncio::sleep(1s), reader.readline()));
}
