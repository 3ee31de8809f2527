// How streams of TLS begin: what the net layer asks of a context.
#include <string>

#include "detail/loop_impl.hpp"
#include "net/connection.hpp"
#include "net/tls_hook.hpp"
#include "tls/context.hpp"
#include "tls/handshake_wait.hpp"
#include "tls/stream.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

DuplexRef TlsContext::begin(DuplexRef below, const TlsSettings& settings) {
    TlsPart& part = tls_part_of(impl_of(below->loop));
    const std::string peer = settings.peer.empty() ? below->name() : settings.peer;
    auto* const stream = new TlsStream(part, std::move(below), settings, peer);
    DuplexRef made(stream);
    try {
        stream->begin(settings.handshake_timeout);
    } catch (...) {
        stream->withdraw();
        throw;
    }
    return made;
}

Coro<> TlsContext::handshake_done(DuplexRef stream) {
    struct Ending {
        Duplex* stream;
        explicit Ending(Duplex* s) noexcept : stream(s) {}
        ~Ending() {
            if (stream != nullptr) stream->shut();
        }
    } ending(stream.get());
    co_await HandshakeWait(static_cast<TlsStream*>(stream.get()));
    ending.stream = nullptr;
}

void TlsContext::accept(Connection* connection, const TlsSettings& settings) {
    connection->hold();
    const DuplexRef stream = begin(DuplexRef(connection), settings);
    static_cast<TlsStream*>(stream.get())->accepted = connection;
}

}}}  // namespace asyncio::v1::detail
