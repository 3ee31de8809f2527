// Protocols over TLS: the transport stands on the encrypted stream as on any other.
#include "tls_fixture.hpp"

namespace asyncio::test { namespace {

class Echo : public Protocol {
  public:
    void connection_made(Transport transport) override { transport_ = std::move(transport); }
    void data_received(std::string_view data) override { transport_.write(data); }

  private:
    Transport transport_;
};
std::unique_ptr<Echo> make_echo() { return std::make_unique<Echo>(); }

class Client : public Protocol {
  public:
    void data_received(std::string_view data) override {
        received += data;
        if (received.size() >= awaited && !enough.done()) enough.set_result();
    }
    void connection_lost(std::exception_ptr error) override {
        reason = error;
        lost.set_result();
    }
    std::string received;
    std::size_t awaited = 300'000;
    std::exception_ptr reason;
    Future<> enough;
    Future<> lost;
};
std::shared_ptr<Client> make_client() { return std::make_shared<Client>(); }

class TlsTransports : public NetTest {};
ASYNCIO_ON_REAL_BACKENDS(TlsTransports);

TEST_P(TlsTransports, AServerAndAClientOfProtocolsTalkOverTls) {
    run([]() -> Coro<> {
        const SslContext server_side = tls_server_context();
        const SslContext client_side = tls_client_context();
        auto server = co_await create_server(make_echo, "127.0.0.1", 0, {.ssl = server_side});
        auto [transport, client] =
            co_await create_connection(make_client, "localhost", server.port(), {.ssl = client_side});
        EXPECT_FALSE(transport.can_write_eof());
        const std::string sent = pattern(300'000);
        transport.write(sent);
        co_await client->enough;
        EXPECT_TRUE(client->received == sent);
        transport.close();
        co_await client->lost;
        EXPECT_TRUE(client->reason == nullptr);
        server.close();
        co_await server.wait_finished();
    });
}

TEST_P(TlsTransports, ACertificateThatNobodyTrustsMakesNoTransport) {
    run([]() -> Coro<> {
        const SslContext server_side = tls_server_context();
        auto server = co_await create_server(make_echo, "127.0.0.1", 0, {.ssl = server_side});
        bool made = false;
        const auto refused = co_await try_wait_for(
            [&]() {
                return create_connection(
                    [&made] {
                        made = true;
                        return make_client();
                    },
                    "localhost", server.port(), {.ssl = true});
            },
            10s);
        EXPECT_NE(refused.error_as<SslCertVerificationError>(), nullptr) << refused.what();
        EXPECT_FALSE(made);
        server.close();
        co_await server.wait_finished();
    });
}

TEST_P(TlsTransports, AnAcceptedSocketIsTheServer) {
    run([]() -> Coro<> {
        const SslContext server_side = tls_server_context();
        const SslContext client_side = tls_client_context();
        const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const RawSocket owner(listener);
        EXPECT_EQ(::listen(listener, 1), 0);
        sockaddr_in here{};
        socklen_t bytes = sizeof here;
        EXPECT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&here), &bytes), 0);
        auto connecting = create_task(create_connection(make_client, "localhost", ntohs(here.sin_port),
                                                        {.family = AddressFamily::ipv4, .ssl = client_side}));
        int accepted =
            co_await to_thread([listener] { return ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC); });
        auto [serving, echo] = co_await connect_accepted_socket(make_echo, accepted, {.ssl = server_side});
        auto [transport, client] = co_await connecting;
        client->awaited = 5;
        transport.write("hello");
        co_await client->enough;
        EXPECT_EQ(client->received, "hello");
        transport.close();
        co_await client->lost;
        serving.abort();
        EXPECT_THROW(static_cast<void>(connect_accepted_socket(make_echo, -1, {.ssl = client_side})),
                     ValueError);
    });
}

}}  // namespace asyncio::test
