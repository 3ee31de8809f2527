// The call sites of the contract's section 6: connections and servers; see tasks_test.cpp.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include <asyncio/asyncio.hpp>

using namespace std::chrono_literals;

namespace {

const char* const long_text = "a text that is too long for the small buffer of a string";
std::string text(int n) { return long_text + std::to_string(n); }

asyncio::Coro<> on_client(asyncio::StreamReader reader, asyncio::StreamWriter writer) {
    while (!reader.at_eof()) {
        std::string line = co_await reader.readline();
        if (line.empty()) break;
        co_await writer.send("echo ", line);
    }
    writer.close();
    co_await writer.wait_closed();
}

asyncio::Coro<> talks() {
    auto server =
        co_await asyncio::start_server(on_client, "127.0.0.1", 0, {.backlog = 1024, .reuse_port = true});
    const std::uint16_t port = server.port();
    {
        auto [reader, writer] = co_await asyncio::open_connection("127.0.0.1", port, {.timeout = 30s});
        co_await writer.send(text(1) + "\n");
        std::string line = co_await reader.readline();
        EXPECT_EQ(line, "echo " + text(1) + "\n");
        writer.write(text(2) + "\r\n");
        writer.write("rest\n");
        co_await writer.drain();
        EXPECT_EQ(co_await reader.readuntil("\r\n"), "echo " + text(2) + "\r\n");
        EXPECT_EQ(co_await reader.readexactly(5), "echo ");
        std::vector<char> memory(5);
        co_await reader.read_into(memory);
        EXPECT_EQ(std::string(memory.data(), 5), "rest\n");
        EXPECT_EQ(co_await reader.readinto_some(std::span<char>(memory.data(), 0)), 0u);
        writer.write_eof();
        EXPECT_EQ(co_await reader.read(), "");
        EXPECT_TRUE(reader.at_eof());
        writer.close();
        EXPECT_TRUE(writer.is_closing());
        co_await writer.wait_closed();
    }
    const auto addresses = server.sockets();
    auto again = co_await asyncio::open_connection(addresses.at(0));
    co_await again.writer.send(text(3), std::string("\n"));
    EXPECT_EQ(co_await again.reader.read(5), "echo ");
    server.close();
    server.close_clients();
    co_await server.wait_closed();
    EXPECT_FALSE(server.is_serving());
}

asyncio::Coro<> serves_in_a_scope() {
    std::string seen;
    auto server = co_await asyncio::start_server(
        [&](asyncio::StreamReader reader, asyncio::StreamWriter writer) -> asyncio::Coro<> {
            seen = co_await reader.readline();
            co_await writer.send(seen);
        },
        "localhost", 0);
    co_await asyncio::with(server, [&](asyncio::Server& s) -> asyncio::Coro<> {
        auto serving = asyncio::create_task(s.serve_forever());
        auto [reader, writer] = co_await asyncio::open_connection("localhost", s.port());
        co_await writer.send(text(4) + "\n");
        EXPECT_EQ(co_await reader.readline(), text(4) + "\n");
        serving.cancel();
        bool cancelled = false;
        try {
            co_await serving;
        } catch (const asyncio::CancelledError&) {
            cancelled = true;
        }
        EXPECT_TRUE(cancelled);
    });
    EXPECT_EQ(seen, text(4) + "\n");
    bool refused = false;
    try {
        co_await asyncio::open_connection("127.0.0.1", server.port());
    } catch (const asyncio::OSError&) {
        refused = true;
    }
    EXPECT_TRUE(refused);
}

}  // namespace

TEST(CallSites, StreamsAndServers) { asyncio::run(talks()); }
TEST(CallSites, ServersInAScope) { asyncio::run(serves_in_a_scope()); }
