// TLS with those who have written it themselves: Python's asyncio, openssl s_client and s_server, curl.
#include "program.hpp"
#include "tls_fixture.hpp"

namespace asyncio::test { namespace {

class SlowTlsInterop : public NetTest {};
ASYNCIO_ON_REAL_BACKENDS(SlowTlsInterop);

Coro<std::string> next_line(Program& program) {
    co_return co_await to_thread([&program] { return program.read_line(); });
}

Coro<> talk(StreamReader& reader, StreamWriter& writer) {
    const std::string message = pattern(2'000'000);
    const auto send_all = [&]() -> Coro<> { co_await writer.send(message); };
    Task<> sending = create_task(send_all);
    const std::string got = co_await reader.readexactly(2'000'000);
    EXPECT_TRUE(got == message);
    co_await sending;
    writer.close();
    co_await writer.wait_closed();
}

TEST_P(SlowTlsInterop, APythonClientTalksToOurServer) {
    run([]() -> Coro<> {
        const SslContext context = tls_server_context();
        auto server = co_await start_server(tls_echo, "127.0.0.1", 0, {.ssl = context});
        Program client({"python3", peer_script("tls_peer.py"), "client", std::to_string(server.port()),
                        certificates().root.certificate});
        const std::string line = co_await next_line(client);
        EXPECT_EQ(line, "ok\n");
        EXPECT_EQ(client.wait_for_end(), 0);
        server.close();
        co_await server.wait_finished();
    });
}

TEST_P(SlowTlsInterop, OurClientTalksToAPythonServer) {
    run([]() -> Coro<> {
        Program server({"python3", peer_script("tls_peer.py"), "server", certificates().localhost.certificate,
                        certificates().localhost.key});
        const std::string port = co_await next_line(server);
        const SslContext context = tls_client_context();
        auto [reader, writer] = co_await open_connection(
            "localhost", static_cast<std::uint16_t>(std::stoi(port)), {.ssl = context});
        co_await talk(reader, writer);
        EXPECT_EQ(server.wait_for_end(), 0);
    });
}

TEST_P(SlowTlsInterop, APythonClientGoesOverToTlsInMidStream) {
    run([]() -> Coro<> {
        const SslContext context = tls_server_context();
        const auto serve = [&](StreamReader reader, StreamWriter writer) -> Coro<> {
            const std::string line = co_await reader.readline();
            EXPECT_EQ(line, "STARTTLS\n");
            co_await writer.send("go on\n");
            co_await writer.start_tls(context);
            co_await tls_echo(std::move(reader), std::move(writer));
        };
        auto server = co_await start_server(serve, "127.0.0.1", 0);
        Program client({"python3", peer_script("tls_peer.py"), "starttls", std::to_string(server.port()),
                        certificates().root.certificate});
        const std::string line = co_await next_line(client);
        EXPECT_EQ(line, "ok\n");
        EXPECT_EQ(client.wait_for_end(), 0);
        server.close();
        co_await server.wait_finished();
    });
}

TEST_P(SlowTlsInterop, OpensslSClientTalksToOurServer) {
    run([]() -> Coro<> {
        SslContext context = tls_server_context(certificates().behind_intermediate);
        context.set_alpn_protocols({"echo"});
        const auto greet = [](StreamReader, StreamWriter writer) -> Coro<> {
            co_await writer.send("greetings\n");
            writer.close();
            co_await writer.wait_closed();
        };
        auto server = co_await start_server(greet, "127.0.0.1", 0, {.ssl = context});
        for (const char* version : {"-tls1_2", "-tls1_3"}) {
            Program client({"openssl", "s_client", "-quiet", "-verify_quiet", "-verify_return_error", version,
                            "-alpn", "echo", "-connect", "localhost:" + std::to_string(server.port()),
                            "-verify_hostname", "localhost", "-CAfile", certificates().root.certificate});
            const std::string line = co_await next_line(client);
            EXPECT_EQ(line, "greetings\n");
            const int status = co_await to_thread([&client] { return client.wait_for_end(); });
            EXPECT_EQ(status, 0);
        }
        server.close();
        co_await server.wait_finished();
    });
}

TEST_P(SlowTlsInterop, OurClientTalksToOpensslSServer) {
    run([]() -> Coro<> {
        auto [listener, port] = raw_listener();
        listener.close();  // a port that is free now
        Program server({"openssl", "s_server", "-accept", std::to_string(port), "-cert",
                        certificates().localhost.certificate, "-key", certificates().localhost.key, "-rev",
                        "-naccept", "1"});
        const std::string line =
            co_await next_line(server);  // "Using default temp DH parameters", or "ACCEPT"
        EXPECT_NE(line, "");
        const SslContext context = tls_client_context();
        std::optional<Streams> streams;
        for (int i = 0; i < 100 && !streams; ++i) {
            try {
                streams.emplace(co_await open_connection("localhost", port, {.ssl = context}));
            } catch (const ConnectionRefusedError&) {}
            if (!streams) co_await sleep(20ms);
        }
        EXPECT_TRUE(streams.has_value());
        if (!streams) co_return;
        co_await streams->writer.send("backwards\n");
        const std::string answer = co_await streams->reader.readline();
        EXPECT_EQ(answer, "sdrawkcab\n");
        co_await finish(streams->writer);
    });
}

TEST_P(SlowTlsInterop, CurlBelievesOurServer) {
    run([]() -> Coro<> {
        const SslContext context = tls_server_context();
        const auto answer = [](StreamReader reader, StreamWriter writer) -> Coro<> {
            co_await reader.readuntil("\r\n\r\n");
            co_await writer.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end\n");
            writer.close();
            co_await writer.wait_closed();
        };
        auto server = co_await start_server(answer, "127.0.0.1", 0, {.ssl = context});
        Program curl({"curl", "-s", "--cacert", certificates().root.certificate,
                      "https://localhost:" + std::to_string(server.port()) + "/"});
        const std::string line = co_await next_line(curl);
        EXPECT_EQ(line, "to the end\n");
        const int status = co_await to_thread([&curl] { return curl.wait_for_end(); });
        EXPECT_EQ(status, 0);
        server.close();
        co_await server.wait_finished();
    });
}

}}  // namespace asyncio::test
