#include "net/tls_hook.hpp"

#include <string>

#include "asyncio/base/error.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

namespace {

void check_purpose(const char* call, const SslOption& ssl, SslPurpose purpose) {
    if (ssl.context() == nullptr) {
        if (purpose == SslPurpose::SERVER_AUTH) return;
        throw ValueError(std::string(call) +
                         ": a server needs a certificate: give {.ssl = …} a context of "
                         "create_default_context({.purpose = SslPurpose::CLIENT_AUTH}) with load_cert_chain");
    }
    if (ssl.context()->state()->purpose == purpose) return;
    throw ValueError(std::string(call) +
                     (purpose == SslPurpose::SERVER_AUTH
                          ? ": this SslContext is for servers; a client's is create_default_context()"
                          : ": this SslContext is for clients; a server's is "
                            "create_default_context({.purpose = SslPurpose::CLIENT_AUTH})"));
}

}  // namespace

TlsSettings tls_settings(const char* call, SslOption ssl, SslPurpose purpose,
                         std::string_view server_hostname, std::string_view host, Duration handshake_timeout,
                         Duration shutdown_timeout) {
    TlsSettings made;
    if (!ssl) {
        if (!server_hostname.empty())
            throw ValueError(std::string(call) + ": server_hostname is only meaningful with ssl");
        return made;
    }
    if (handshake_timeout <= Duration::zero())
        throw ValueError(std::string(call) + ": ssl_handshake_timeout should be a positive time");
    check_purpose(call, ssl, purpose);
    made.context = ssl.rules().state();
    made.server_hostname = server_hostname.empty() ? host : server_hostname;
    if (purpose == SslPurpose::SERVER_AUTH && made.context->check_hostname && made.server_hostname.empty())
        throw ValueError(std::string(call) +
                         ": the context checks the host's name: give {.server_hostname = …}");
    made.handshake_timeout = handshake_timeout;
    made.shutdown_timeout = shutdown_timeout;
    return made;
}

Coro<Streams> open_over_tls(DuplexRef below, TlsSettings settings) {
    Duplex* const bare = below.get();
    std::exception_ptr error;
    try {
        bare->hold();
        DuplexRef stream = settings.context->begin(DuplexRef(bare), settings);
        stream->hold();
        co_await settings.context->handshake_done(DuplexRef(stream.get()));
        stream->hold();
        StreamReader reader(stream.get());
        co_return Streams(std::move(reader), StreamWriter(stream.give()));
    } catch (...) {
        error = std::current_exception();
    }
    // Unless something stands on it by now, which sends an alert before it closes.
    if (bare->upper == nullptr) bare->shut();
    std::rethrow_exception(error);
}

}}}  // namespace asyncio::v1::detail
