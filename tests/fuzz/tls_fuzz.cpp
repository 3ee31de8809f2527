// Fuzz target: TLS records. Run with scripts/fuzz.sh SECONDS tls_fuzz.
//
// The first byte says whom the rest is fed to: a client that begins its handshake, a server that begins its
// own, or either end of a connection that has shaken hands, where the rest is put between two good records,
// or inside of good records, as messages; the second how the input is cut. The properties: the engine ends,
// its errors are its own, failed it stays failed, nothing but what the other end has written comes out as
// plaintext, and whatever has come, a write goes through, fails or waits for a message's rest.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>

#include "asyncio/net/tls.hpp"
#include "support/forged_records.hpp"
#include "tls/engine.hpp"

namespace {

using asyncio::detail::TlsEngine;
using Result = TlsEngine::Result;

void require(bool condition, const char* what) {
    if (condition) return;
    std::cerr << "property violated: " << what << "\n";
    std::abort();
}

struct Contexts {
    Contexts()
        : made(asyncio::make_self_signed_certificate({"localhost"})),
          client(asyncio::create_default_context({.cadata = made.certificate})),
          server(asyncio::create_default_context({.purpose = asyncio::SslPurpose::CLIENT_AUTH})) {
        server.load_cert_chain_pem(made.certificate, made.key);
        server.set_alpn_protocols({"h2", "http/1.1"});
        server.add_server_name("other.example", server);
        // For forged records, which are to be the first.
        SSL_CTX_set_num_tickets(asyncio::detail::TlsContext::of(server).ctx(), 0);
        SSL_CTX_set_keylog_callback(asyncio::detail::TlsContext::of(server).ctx(), &note_key);
    }
    static void note_key(const SSL*, const char* line) noexcept {
        const std::string_view text(line);
        if (text.starts_with("SERVER_TRAFFIC_SECRET_0")) server_key() = text;
        if (text.starts_with("CLIENT_TRAFFIC_SECRET_0")) client_key() = text;
    }
    static std::string& server_key() {
        static std::string line;
        return line;
    }
    static std::string& client_key() {
        static std::string line;
        return line;
    }
    const asyncio::SelfSignedCertificate made;
    const asyncio::SslContext client;
    asyncio::SslContext server;
};

void check_error(const TlsEngine& engine) {
    require(engine.error() != nullptr, "a failure has an error");
    require(asyncio::exception_cast<asyncio::SslError>(engine.error()) != nullptr, "it is an SslError");
}

void feed_handshake(TlsEngine& engine, std::string_view input, std::size_t piece) {
    std::string out;
    std::string_view nothing;
    Result result = engine.handshake(nothing, out);
    while (result == Result::needs_input && !input.empty()) {
        std::string_view in = input.substr(0, piece);
        input.remove_prefix(in.size());
        result = engine.handshake(in, out);
        require(result != Result::needs_input || in.empty(), "who needs more has taken all");
    }
    require(result != Result::done, "nobody can guess a handshake");
    if (result != Result::failed) return;
    check_error(engine);
    require(engine.handshake(input, out) == Result::failed, "failed is failed");
}

std::string read_all(TlsEngine& engine, std::string_view input, std::size_t piece, Result& result) {
    std::string all;
    std::string out;
    char memory[512];
    result = Result::needs_input;
    while (result == Result::needs_input && !input.empty()) {
        std::string_view in = input.substr(0, piece);
        input.remove_prefix(in.size());
        do {
            std::size_t got = 0;
            result = engine.read(in, out, memory, sizeof memory, got);
            all.append(memory, got);
        } while (result == Result::done || result == Result::busy);
        // Whatever has come: a write goes through, waits for a message's rest, or has failed.
        const Result written = engine.write("mine", out);
        require(written != Result::ended && written != Result::busy, "a write has no end");
        require(written != Result::needs_input || result == Result::needs_input,
                "a write waits as a read does");
    }
    std::string goodbye;
    engine.send_close(goodbye);
    return all;
}

/// Two ends that have shaken hands.
struct Ends {
    explicit Ends(const Contexts& contexts)
        : client(contexts.client, "localhost", "server"), server(contexts.server, "", "client") {
        Result client_result = Result::needs_input;
        Result server_result = Result::needs_input;
        for (int i = 0; i < 10 && (client_result != Result::done || server_result != Result::done); ++i) {
            std::string_view in = to_client;
            if (client_result != Result::done) client_result = client.handshake(in, to_server);
            to_client.erase(0, to_client.size() - in.size());
            in = to_server;
            if (server_result != Result::done) server_result = server.handshake(in, to_client);
            to_server.erase(0, to_server.size() - in.size());
        }
        require(client_result == Result::done && server_result == Result::done, "two good ends agree");
    }
    TlsEngine client;
    TlsEngine server;
    std::string to_server;
    std::string to_client;
};

void feed_records(const Contexts& contexts, bool to_client, std::string_view input, std::size_t piece) {
    Ends ends(contexts);
    TlsEngine& target = to_client ? ends.client : ends.server;
    TlsEngine& other = to_client ? ends.server : ends.client;
    std::string records = to_client ? ends.to_client : ends.to_server;
    require(other.write("before", records) == Result::done, "a write goes through");
    records += input;
    std::string after;
    require(other.write("after", after) == Result::done, "a write goes through");
    records += after;
    Result result{};
    const std::string plain = read_all(target, records, piece, result);
    require(plain == "before" || plain == "beforeafter", "plaintext that nobody has written");
    if (result == Result::failed) check_error(target);
}

/// The input says what is in the records: a type, a length, so many bytes, and so on.
void feed_forged(const Contexts& contexts, bool to_client, std::string_view input, std::size_t piece) {
    using asyncio::test::ForgedRecords;
    Ends ends(contexts);
    require(ends.to_client.empty() && ends.to_server.empty(), "there are no tickets");
    ForgedRecords forger(to_client ? Contexts::server_key() : Contexts::client_key());
    std::string records;
    std::string written;
    while (input.size() >= 2) {
        const char kinds[] = {ForgedRecords::alert, ForgedRecords::handshake, ForgedRecords::application_data,
                              input[0]};
        const char kind = kinds[static_cast<unsigned char>(input[0]) % 4];
        const std::string_view content = input.substr(2, static_cast<unsigned char>(input[1]));
        input.remove_prefix(2 + content.size());
        records += forger.record(kind, content);
        if (kind == ForgedRecords::application_data) written += content;
        if (kind == ForgedRecords::handshake && content.starts_with(std::string_view("\x18\0\0\1", 4)))
            forger.next_keys();
    }
    TlsEngine& target = to_client ? ends.client : ends.server;
    Result result{};
    const std::string plain = read_all(target, records, piece, result);
    require(written.starts_with(plain), "plaintext that nobody has written");
    if (result == Result::failed) check_error(target);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const Contexts contexts;
    if (size < 2) return 0;
    const std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
    const std::size_t piece = data[1] == 0 ? std::string_view::npos : data[1];
    switch (data[0] % 6) {
        case 0: {
            TlsEngine client(contexts.client, "localhost", "server");
            feed_handshake(client, input, piece);
            break;
        }
        case 1: {
            TlsEngine server(contexts.server, "", "client");
            feed_handshake(server, input, piece);
            break;
        }
        case 2:
        case 3: feed_records(contexts, data[0] % 6 == 2, input, piece); break;
        default: feed_forged(contexts, data[0] % 6 == 4, input, piece);
    }
    return 0;
}
