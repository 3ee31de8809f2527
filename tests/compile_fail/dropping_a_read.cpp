// expect: nothing is read before this is awaited
// flags: -Werror=unused-result
#include <asyncio/net/streams.hpp>
asyncio::Coro<> f(asyncio::StreamReader& reader, asyncio::StreamWriter& writer, std::span<char> memory) {
    reader.read(10);
    co_return;
}
