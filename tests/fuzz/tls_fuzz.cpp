// Fuzz target: TLS records. Run with scripts/fuzz.sh SECONDS tls_fuzz.
//
// The first byte says whom the rest is fed to: a client that begins its handshake, a server that begins its
// own, or either end of a connection that has shaken hands, where the rest is put between two good records;
// the second how the input is cut. The properties: the engine ends, its errors are its own, failed it stays
// failed, and nothing but what the other end has written comes out as plaintext.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>

#include "asyncio/net/tls.hpp"
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

void feed_records(const Contexts& contexts, bool to_client, std::string_view input, std::size_t piece) {
    TlsEngine client(contexts.client, "localhost", "server");
    TlsEngine server(contexts.server, "", "client");
    std::string to_server;
    std::string back;
    Result client_result = Result::needs_input;
    Result server_result = Result::needs_input;
    for (int i = 0; i < 10 && (client_result != Result::done || server_result != Result::done); ++i) {
        std::string_view in = back;
        if (client_result != Result::done) client_result = client.handshake(in, to_server);
        back.erase(0, back.size() - in.size());
        in = to_server;
        if (server_result != Result::done) server_result = server.handshake(in, back);
        to_server.erase(0, to_server.size() - in.size());
    }
    require(client_result == Result::done && server_result == Result::done, "two good ends agree");
    TlsEngine& target = to_client ? client : server;
    TlsEngine& other = to_client ? server : client;
    std::string records = to_client ? back : to_server;
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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const Contexts contexts;
    if (size < 2) return 0;
    const std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
    const std::size_t piece = data[1] == 0 ? std::string_view::npos : data[1];
    switch (data[0] % 4) {
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
        default: feed_records(contexts, data[0] % 4 == 2, input, piece);
    }
    return 0;
}
