// What the tests of streams over TLS share: contexts, and both ends of a connection.
#pragma once
#include "net_fixture.hpp"
#include "support/certificates.hpp"

namespace asyncio::test {

inline SslContext tls_server_context(const MadeCertificate& shown = certificates().localhost) {
    SslContext context = create_default_context({.purpose = SslPurpose::CLIENT_AUTH});
    context.load_cert_chain(shown.certificate, shown.key);
    return context;
}

inline SslContext tls_client_context() {
    return create_default_context({.cafile = certificates().root.certificate});
}

inline Coro<> tls_echo(StreamReader reader, StreamWriter writer) {
    for (;;) {
        const std::string data = co_await reader.read(65536);
        if (data.empty()) break;
        co_await writer.send(data);
    }
    writer.close();
    co_await writer.wait_closed();
}

/// Two streams that lead to each other, with TLS between: over a pair of Unix sockets.
struct TlsPair {
    TlsPair(Streams c, Streams s) : client(std::move(c)), server(std::move(s)) {}
    Streams client;
    Streams server;
};

inline Coro<> upgrade(StreamWriter& writer, SslContext context, StartTlsOptions options) {
    co_await writer.start_tls(context, options);
}

inline Coro<TlsPair> tls_pair(SslContext for_client, SslContext for_server, StartTlsOptions options = {}) {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    detail::NetPart& part = detail::running_net_part();
    Streams client = detail::make_streams(part, ends[0], Address(), default_stream_limit);
    Streams server = detail::make_streams(part, ends[1], Address(), default_stream_limit);
    options.server_hostname = "localhost";
    co_await gather(upgrade(client.writer, for_client, options),
                    upgrade(server.writer, for_server,
                            StartTlsOptions{.ssl_handshake_timeout = options.ssl_handshake_timeout,
                                            .ssl_shutdown_timeout = options.ssl_shutdown_timeout}));
    co_return TlsPair(std::move(client), std::move(server));
}

inline Coro<TlsPair> tls_pair(StartTlsOptions options = {}) {
    return tls_pair(tls_client_context(), tls_server_context(), options);
}

inline Coro<> finish_both(TlsPair& pair) {
    pair.client.writer.close();
    pair.server.writer.close();
    for (StreamWriter* each : {&pair.client.writer, &pair.server.writer}) {
        try {
            co_await each->wait_closed();
        } catch (const OSError&) {}
    }
}

}  // namespace asyncio::test
