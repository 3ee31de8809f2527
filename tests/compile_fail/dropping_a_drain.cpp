// expect: nothing is waited for before this is awaited
// flags: -Werror=unused-result
#include <asyncio/net/streams.hpp>
asyncio::Coro<> f(asyncio::StreamReader& reader, asyncio::StreamWriter& writer, std::span<char> memory) {
    writer.drain();
    co_return;
}
