// expect: nothing is sent before this is awaited
// flags: -Werror=unused-result
#include <asyncio/net/streams.hpp>
asyncio::Coro<> f(asyncio::StreamReader& reader, asyncio::StreamWriter& writer, std::span<char> memory) {
    writer.send("hello");
    co_return;
}
