// TlsContext: what the copies of a SslContext share.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "net/tls_hook.hpp"
#include "tls/openssl.hpp"
#include "tls/session_cache.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

/// What a name of a server leads to: a context without names of its own, so that two contexts that name each
/// other do not keep each other alive.
struct TlsRules {
    explicit TlsRules(SslCtxPtr made) noexcept : ctx(std::move(made)) {}
    /// Gives sessions that were made before to nobody: a server resumes those alone that have its number.
    void renew() noexcept;

    const SslCtxPtr ctx;
    std::uint64_t number = 0;
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
    SSL_CTX* ctx() const noexcept { return rules->ctx.get(); }
    /// What was checked or shown before counts no more, on either side.
    void rules_changed() noexcept {
        sessions.forget();
        if (is_server()) rules->renew();
    }
    /// What goes for the name that a client asks for.
    const TlsRules& for_name(std::string_view name) const noexcept;

    const std::shared_ptr<TlsRules> rules;
    SslVerifyMode verify_mode;
    SslVersion minimum = SslVersion::TLSv1_2;
    SslVersion maximum = SslVersion::TLSv1_3;
    std::string alpn;  // as it is sent: each with its length before it
    std::map<std::string, std::shared_ptr<const TlsRules>, std::less<>> names;  // of servers
    SessionCache sessions;                                                      // of clients
};

}}}  // namespace asyncio::v1::detail
