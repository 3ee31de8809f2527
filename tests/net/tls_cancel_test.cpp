// Everything that waits over TLS, cancelled at every step.
#include "support/cancel_points.hpp"
#include "tls_fixture.hpp"

namespace asyncio::test { namespace {

class TlsCancel : public LoopTest {};

constexpr asyncio::testing::CancelPointOptions options{
    .simulate = false, .twice = true, .tasks_may_remain = true, .may_report = true};

TEST_F(TlsCancel, ConnectTalkAndClose) {
    const SslContext server_side = tls_server_context();
    const SslContext client_side = tls_client_context();
    expect_each_cancel_point(
        [&]() -> Coro<> {
            const auto echo = [](StreamReader reader, StreamWriter writer) -> Coro<> {
                const std::string line = co_await reader.readline();
                co_await writer.send(line);
                writer.close();
                co_await writer.wait_closed();
            };
            co_await with(start_server(echo, "127.0.0.1", 0, {.ssl = server_side}),
                          [&](Server& server) -> Coro<> {
                              auto [reader, writer] =
                                  co_await open_connection("127.0.0.1", server.port(), {.ssl = client_side});
                              co_await writer.send("line\n");
                              const std::string line = co_await reader.readline();
                              EXPECT_EQ(line, "line\n");
                              writer.close();
                              co_await writer.wait_closed();
                          });
        },
        options);
}

TEST_F(TlsCancel, StartTls) {
    const SslContext server_side = tls_server_context();
    const SslContext client_side = tls_client_context();
    expect_each_cancel_point(
        [&]() -> Coro<> {
            TlsPair pair = co_await tls_pair(client_side, server_side);
            co_await pair.client.writer.send("0123456789");
            const std::string some = co_await pair.server.reader.readexactly(4);
            EXPECT_EQ(some, "0123");
            std::string memory(6, '?');
            co_await pair.server.reader.read_into(memory);
            EXPECT_EQ(memory, "456789");
            pair.client.writer.close();
            const std::string rest = co_await pair.server.reader.read();
            EXPECT_EQ(rest, "");
            pair.server.writer.close();
            co_await pair.client.writer.wait_closed();
            co_await pair.server.writer.wait_closed();
        },
        options);
}

}}  // namespace asyncio::test
