// https: the client, the server, and what they do about certificates.
#include "asyncio/http/web.hpp"
#include "client_support.hpp"
#include "support/certificates.hpp"

namespace asyncio::test { namespace {

namespace web = http::web;

class Https : public BackendTest {};
ASYNCIO_ON_REAL_BACKENDS(Https);

SslContext server_context(const MadeCertificate& shown = certificates().localhost) {
    SslContext context = create_default_context({.purpose = SslPurpose::CLIENT_AUTH});
    context.load_cert_chain(shown.certificate, shown.key);
    return context;
}

SslContext trusting() { return create_default_context({.cafile = certificates().root.certificate}); }

web::Application hello() {
    web::Application app;
    app.add_get("/", [](web::Request&) -> Coro<web::Response> { co_return web::Response("hello"); });
    return app;
}

template <class E>
Coro<std::string> failure(const http::ClientSession& session, std::string url) {
    std::string text;
    try {
        co_await session.get(url);
        ADD_FAILURE() << "it went well";
    } catch (const E& error) {
        text = error.what();
    }
    co_return text;
}

TEST_P(Https, APageIsFetched) {
    run([]() -> Coro<> {
        const SslContext shown = server_context();
        const SslContext trusted = trusting();
        auto site = co_await web::start(hello(), {.host = "127.0.0.1", .port = 0, .ssl = shown});
        EXPECT_EQ(site.url(), "https://127.0.0.1:" + std::to_string(site.port()));
        http::ClientSession session{{.ssl = trusted}};
        for (int i = 0; i < 3; ++i) {
            auto response = co_await session.get(site.url() + "/");
            const std::string text = co_await response.text();
            EXPECT_EQ(text, "hello");
            EXPECT_EQ(session.connections().idle, 1u) << "the connection is kept";
        }
        co_await session.close();
        site.close();
        co_await site.wait_closed();
    });
}

TEST_P(Https, ACertificateThatIsNotTrustedIsRefused) {
    run([]() -> Coro<> {
        const SslContext shown = server_context(certificates().self_signed);
        auto site = co_await web::start(hello(), {.host = "127.0.0.1", .port = 0, .ssl = shown});
        const std::string url = site.url() + "/";
        http::ClientSession session;
        const std::string text = co_await failure<http::ClientConnectorCertificateError>(session, url);
        EXPECT_EQ(text.find("GET " + url + ": TLS handshake with 127.0.0.1:" + std::to_string(site.port()) +
                            ": certificate verify failed: self-signed certificate"),
                  0u)
            << text;
        EXPECT_EQ(session.connections().in_use, 0u);
        // Whoever asks for no checks gets none, on a connection that nobody else is given.
        auto response = co_await session.get(url, {.ssl = false});
        const std::string page = co_await response.text();
        EXPECT_EQ(page, "hello");
        EXPECT_EQ(session.connections().idle, 1u);
        const std::string again = co_await failure<http::ClientSSLError>(session, url);
        EXPECT_NE(again, "");
        const SslContext trusted =
            create_default_context({.cadata = certificates().self_signed.certificate_pem});
        auto trusted_response = co_await session.get(url, {.ssl = trusted});
        EXPECT_EQ(trusted_response.status, 200);
        co_await session.close();
        site.close();
        co_await site.wait_closed();
    });
}

TEST_P(Https, AServerWithoutTlsIsNamed) {
    run([]() -> Coro<> {
        auto site = co_await web::start(hello(), {.host = "127.0.0.1", .port = 0});
        const SslContext trusted = trusting();
        http::ClientSession session{{.ssl = trusted}};
        const std::string text = co_await failure<http::ClientConnectorSSLError>(
            session, "https://127.0.0.1:" + std::to_string(site.port()) + "/");
        EXPECT_NE(text.find("the other side does not speak TLS"), std::string::npos) << text;
        co_await session.close();
        site.close();
        co_await site.wait_closed();
    });
}

// What a server's answer is worth that ends without TLS's goodbye, and with it.
TEST_P(Https, ABodyWithoutALengthMustEndWithAGoodbye) {
    run([]() -> Coro<> {
        const SslContext shown = server_context();
        const SslContext trusted = trusting();
        bool polite = true;
        std::string head = "HTTP/1.1 200 OK\r\n\r\n";
        const auto answer = [&](StreamReader reader, StreamWriter writer) -> Coro<> {
            co_await reader.readuntil("\r\n\r\n");
            co_await writer.send(head, "some of it");
            if (polite) {
                writer.close();
            } else {
                writer.abort();
            }
            try {
                co_await writer.wait_closed();
            } catch (const OSError&) {}
        };
        auto server = co_await start_server(answer, "127.0.0.1", 0, {.ssl = shown});
        const std::string url = "https://127.0.0.1:" + std::to_string(server.port()) + "/";
        http::ClientSession session{{.ssl = trusted}};
        {
            auto response = co_await session.get(url);
            const std::string text = co_await response.text();
            EXPECT_EQ(text, "some of it");
        }
        polite = false;
        {
            auto response = co_await session.get(url);
            EXPECT_THROW(co_await response.text(), http::ClientPayloadError);
        }
        // With a length there is nothing to doubt.
        head = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n";
        {
            auto response = co_await session.get(url);
            const std::string text = co_await response.text();
            EXPECT_EQ(text, "some of it");
        }
        co_await session.close();
        server.close();
        co_await server.wait_finished();
    });
}

TEST_P(Https, AKeptConnectionThatHasDiedIsReplaced) {
    run([]() -> Coro<> {
        const SslContext shown = server_context();
        const SslContext trusted = trusting();
        int connections = 0;
        const auto answer_once = [&](StreamReader reader, StreamWriter writer) -> Coro<> {
            ++connections;
            co_await reader.readuntil("\r\n\r\n");
            co_await writer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            // It lets the next request come, and goes without an answer.
            try {
                co_await reader.readuntil("\r\n\r\n");
            } catch (const EOFError&) {
            } catch (const OSError&) {}
            writer.abort();
        };
        auto server = co_await start_server(answer_once, "127.0.0.1", 0, {.ssl = shown});
        const std::string url = "https://127.0.0.1:" + std::to_string(server.port()) + "/";
        http::ClientSession session{{.ssl = trusted}};
        for (int i = 0; i < 2; ++i) {
            auto response = co_await session.get(url);
            const std::string text = co_await response.text();
            EXPECT_EQ(text, "ok");
        }
        EXPECT_EQ(connections, 2);
        co_await session.close();
        server.close();
        co_await server.wait_finished();
    });
}

}}  // namespace asyncio::test
