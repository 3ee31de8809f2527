// TCP echo with the streams API on 127.0.0.1, one loop; runs until it is killed. The load comes from
// floor/echo_client.
//
//   port=…  read=string|into   `read` gives a string as in Python; `into` reads into a buffer of the
//   handler's own
#include <array>
#include <string>

#include "common/ours.hpp"

namespace {

using namespace bench;

// An OSError is the peer's end: that is how the load goes.

asyncio::Coro<> echo_strings(asyncio::StreamReader reader, asyncio::StreamWriter writer) {
    try {
        while (true) {
            const std::string data = co_await reader.read(65536);
            if (data.empty()) break;
            co_await writer.send(data);
        }
    } catch (const asyncio::OSError&) {}
}

template <std::size_t Size>
asyncio::Coro<> echo_into(asyncio::StreamReader reader, asyncio::StreamWriter writer) {
    std::array<char, Size> buffer;
    try {
        while (true) {
            const std::size_t got = co_await reader.readinto_some(buffer);
            if (got == 0) break;
            co_await writer.send(std::string_view(buffer.data(), got));
        }
    } catch (const asyncio::OSError&) {}
}

using Handler = asyncio::Coro<> (*)(asyncio::StreamReader, asyncio::StreamWriter);

asyncio::Coro<> serve(std::uint16_t port, Handler handler) {
    auto server = co_await asyncio::start_server(handler, "127.0.0.1", port, {.backlog = 4096});
    co_await server.serve_forever();
}

}  // namespace

int main(int argc, char** argv) {
    const bool into = bench_is(bench_text(argc, argv, "read", "string"), "into");
    const bool large = bench_count(argc, argv, "buffer", 4096) > 4096;
    const Handler handler = !into ? echo_strings : large ? echo_into<16384> : echo_into<4096>;
    asyncio::run(serve(static_cast<std::uint16_t>(bench_count(argc, argv, "port", 9300)), handler),
                 run_options(argc, argv));
}
