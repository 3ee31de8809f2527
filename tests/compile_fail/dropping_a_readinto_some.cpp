// expect: nothing is read before this is awaited
// flags: -Werror=unused-result
#include <asyncio/net/streams.hpp>
asyncio::Coro<> f(asyncio::StreamReader& reader, asyncio::StreamWriter& writer, std::span<char> memory) {
    reader.readinto_some(memory);
    co_return;
}
