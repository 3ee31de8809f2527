// TlsContext: what the copies of a SslContext share.
#pragma once
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "net/tls_hook.hpp"
#include "tls/openssl.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

/// Sessions that a client may resume, by where they lead. A ticket of TLS 1.3 serves once, since two
/// connections that show the same one could be told to belong together (RFC 8446 C.4), and a server sends
/// several: they are kept in order, the newest is used first.
///
/// Connections of several threads may share a context, hence the lock. It is held for a look into a table.
class SessionCache {
  public:
    void put(const std::string& key, SessionPtr session) noexcept;
    /// Null if there is none.
    SessionPtr take(const std::string& key) noexcept;
    void clear() noexcept;
    std::size_t size() const noexcept;

  private:
    mutable std::mutex mutex_;
    std::map<std::string, std::vector<SessionPtr>, std::less<>> sessions_;
    std::size_t count_ = 0;
};

struct TlsContext final : TlsProvider {
    explicit TlsContext(SslPurpose purpose);
    static TlsContext& of(const SslContext& context) noexcept {
        return static_cast<TlsContext&>(*context.state());
    }

    // In start.cpp.
    DuplexRef begin(DuplexRef below, const TlsSettings& settings) override;
    Coro<> handshake_done(DuplexRef stream) override;
    void accept(Connection* connection, const TlsSettings& settings) override;

    bool is_server() const noexcept { return purpose == SslPurpose::CLIENT_AUTH; }
    /// What was checked before counts no more.
    void rules_changed() noexcept { sessions.clear(); }
    /// The context for the name that a client asks for; null: this one.
    const TlsContext* for_name(std::string_view name) const noexcept;

    SslCtxPtr ctx;
    SslVerifyMode verify_mode;
    SslVersion minimum = SslVersion::TLSv1_2;
    SslVersion maximum = SslVersion::TLSv1_3;
    std::string alpn;                                      // as it is sent: each with its length before it
    std::map<std::string, SslContext, std::less<>> names;  // of servers
    SessionCache sessions;                                 // of clients
};

}}}  // namespace asyncio::v1::detail
