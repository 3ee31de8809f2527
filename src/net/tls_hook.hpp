// What the net layer knows of TLS: a context that puts it on a stream. OpenSSL is behind that, in a library
// of its own (src/tls), so that programs which do not name a context carry none of it.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "asyncio/base/duration.hpp"
#include "asyncio/core/coro.hpp"
#include "asyncio/net/ssl_object.hpp"
#include "asyncio/net/tls.hpp"
#include "net/duplex.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

struct Connection;

/// A share of a stream.
class DuplexRef {
  public:
    /// Adopts one.
    explicit DuplexRef(Duplex* adopted) noexcept : stream_(adopted) {}
    DuplexRef(DuplexRef&& other) noexcept : stream_(std::exchange(other.stream_, nullptr)) {}
    DuplexRef& operator=(DuplexRef&& other) noexcept {
        DuplexRef old(std::move(*this));
        stream_ = std::exchange(other.stream_, nullptr);
        return *this;
    }
    ~DuplexRef() {
        if (stream_ != nullptr) stream_->drop();
    }
    Duplex* operator->() const noexcept { return stream_; }
    Duplex* get() const noexcept { return stream_; }
    Duplex* give() noexcept { return std::exchange(stream_, nullptr); }

  private:
    Duplex* stream_;
};

struct TlsProvider;

/// What of a call's options is about TLS, kept.
struct TlsSettings {
    TlsSettings() noexcept {}
    explicit operator bool() const noexcept { return context != nullptr; }

    std::shared_ptr<TlsProvider> context;  // null: no TLS
    std::string server_hostname;
    std::string peer;  // for texts: "example.org:443"; empty: the address
    Duration handshake_timeout = Duration::none();
    Duration shutdown_timeout = Duration::none();
};

/// A context. There is one kind of it, TlsContext in src/tls.
struct TlsProvider {
    TlsProvider(SslPurpose whom, bool checks) noexcept : purpose(whom), check_hostname(checks) {}
    TlsProvider(const TlsProvider&) = delete;
    TlsProvider& operator=(const TlsProvider&) = delete;
    virtual ~TlsProvider() = default;

    /// Puts a stream of TLS on `below` and begins the handshake. `below` is the new stream's from here on:
    /// nobody else reads, writes or closes it.
    /// Throws  ValueError, std::bad_alloc  and then has changed nothing
    virtual DuplexRef begin(DuplexRef below, const TlsSettings& settings) = 0;
    /// Waits for the end of the handshake of what `begin` gave.
    ///
    /// Throws      SslError, OSError  it failed: the stream is closed
    /// Cancel      the stream is closed at once
    virtual Coro<> handshake_done(DuplexRef stream) = 0;
    /// As `begin`, for a connection of a server: when the handshake is done the client function is called; if
    /// it fails that is nobody's affair.
    virtual void accept(Connection* connection, const TlsSettings& settings) = 0;

    const SslPurpose purpose;
    bool check_hostname;
};

/// Checks and copies. `call` is for texts, `host` the server_hostname if none is given.
/// Throws  ValueError    they contradict each other, or the context is not for this side
///         RuntimeError  there is no TLS in this library
TlsSettings tls_settings(const char* call, SslOption ssl, SslPurpose purpose,
                         std::string_view server_hostname, std::string_view host, Duration handshake_timeout,
                         Duration shutdown_timeout);

/// A client's `begin` and `handshake_done`, for a stream that has no handles yet: it is closed if that fails.
Coro<Streams> open_over_tls(DuplexRef below, TlsSettings settings);

}}}  // namespace asyncio::v1::detail
