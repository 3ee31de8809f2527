// TLS in memory: two engines that are handed each other's bytes.
#pragma once
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "asyncio/asyncio.hpp"
#include "support/certificates.hpp"
#include "tls/engine.hpp"

namespace asyncio::test {

using detail::TlsEngine;
using Result = TlsEngine::Result;

inline SslContext server_context(const MadeCertificate& shown) {
    SslContext context = create_default_context({.purpose = SslPurpose::CLIENT_AUTH});
    context.load_cert_chain(shown.certificate, shown.key);
    return context;
}

inline SslContext client_context() {
    return create_default_context({.cafile = certificates().root.certificate});
}

/// Two ends and what is on the way between them.
class Ends {
  public:
    Ends(const SslContext& for_client, const SslContext& for_server, std::string_view host = "localhost",
         std::size_t piece_bytes = 0)
        : client(for_client, host, "server:443"), server(for_server, "", "client:5"), piece(piece_bytes) {}

    /// To the end of it, or to where it sticks.
    void shake_hands() {
        for (int i = 0;
             i < 20'000 && (client_result == Result::needs_input || server_result == Result::needs_input);
             ++i) {
            const std::size_t before = moved;
            step(client, client_result, to_client, to_server);
            step(server, server_result, to_server, to_client);
            if (i > 2 && moved == before && to_client.empty() && to_server.empty()) return;
        }
    }
    bool done() const { return client_result == Result::done && server_result == Result::done; }

    /// What comes out of `from` when all that is on the way to it has come.
    std::string read_all(TlsEngine& from, std::string& way, std::string& back, Result* end = nullptr) {
        std::string all;
        std::string_view in = way;
        char memory[1000];
        Result result = Result::done;
        while (result == Result::done) {
            std::size_t got = 0;
            result = from.read(in, back, memory, sizeof memory, got);
            all.append(memory, got);
        }
        way.erase(0, way.size() - in.size());
        if (end != nullptr) *end = result;
        return all;
    }
    std::string client_reads(Result* end = nullptr) { return read_all(client, to_client, to_server, end); }
    std::string server_reads(Result* end = nullptr) { return read_all(server, to_server, to_client, end); }

    /// Reads what is on the way and says goodbye on both sides: OpenSSL resumes no session of a connection
    /// that just stopped.
    void finish() {
        client_reads();
        client.send_close(to_server);
        server_reads();
        server.send_close(to_client);
        client_reads();
    }

    TlsEngine client;
    TlsEngine server;
    std::string to_server;
    std::string to_client;
    Result client_result = Result::needs_input;
    Result server_result = Result::needs_input;

  private:
    void step(TlsEngine& engine, Result& result, std::string& from, std::string& to) {
        if (result != Result::needs_input) return;
        std::string_view in = std::string_view(from).substr(0, piece == 0 ? from.size() : piece);
        const std::size_t given = in.size();
        result = engine.handshake(in, to);
        from.erase(0, given - in.size());
        moved += given - in.size();
    }
    std::size_t piece;
    std::size_t moved = 0;
};

inline std::string text_of(const std::exception_ptr& error) {
    const auto* const found = exception_cast<std::exception>(error);
    return found != nullptr ? found->what() : "(nothing)";
}

/// The text of the client's failure.
inline std::string refusal(const SslContext& for_client, const SslContext& for_server,
                           std::string_view host = "localhost", int code = 0) {
    Ends ends(for_client, for_server, host);
    ends.shake_hands();
    EXPECT_EQ(ends.client_result, Result::failed);
    const auto* const refused = exception_cast<SslCertVerificationError>(ends.client.error());
    EXPECT_NE(refused, nullptr) << text_of(ends.client.error());
    if (refused != nullptr && code != 0) {
        EXPECT_EQ(refused->verify_code(), code);
    }
    EXPECT_NE(exception_cast<OSError>(ends.client.error()), nullptr);
    // The other side is told.
    EXPECT_EQ(ends.server_result, Result::failed);
    EXPECT_NE(text_of(ends.server.error()).find("alert"), std::string::npos) << text_of(ends.server.error());
    return text_of(ends.client.error());
}

}  // namespace asyncio::test
