// What a TLS connection has agreed on, and the `.ssl` of options. (Contexts: net/tls.hpp.)
#pragma once
#include <chrono>
#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "asyncio/base/config.hpp"

namespace asyncio { inline namespace v1 {

class SslContext;

namespace detail {
/// The context of `{.ssl = true}`, in the library asyncio::tls.
const SslContext& usual_ssl_context();
}  // namespace detail

/// The `ssl` of options: nothing; `true`, for the rules that suit public servers; or a context.
///
/// Lifetime    the call that it is passed to copies what it needs
class SslOption {
  public:
    constexpr SslOption() noexcept = default;
    template <std::same_as<bool> Bool>
    constexpr SslOption(Bool on) noexcept : usual_(on ? &detail::usual_ssl_context : nullptr), given_(true) {}
    SslOption(const SslContext& context ASYNCIO_LIFETIMEBOUND) noexcept : context_(&context), given_(true) {}
    constexpr SslOption(const SslContext* context) noexcept : context_(context), given_(context != nullptr) {}

    constexpr explicit operator bool() const noexcept { return context_ != nullptr || usual_ != nullptr; }
    /// It was not left out; `false` is given, too.
    constexpr bool given() const noexcept { return given_; }
    /// The context that was given; null if none was.
    constexpr const SslContext* context() const noexcept { return context_; }
    /// That, or the usual one of `true`. Throws as create_default_context.
    const SslContext& rules() const { return context_ != nullptr ? *context_ : usual_(); }

  private:
    const SslContext* context_ = nullptr;
    const SslContext& (*usual_)() = nullptr;
    bool given_ = false;
};

/// The cipher of a connection.
///
/// Python      the tuple of SSLObject.cipher()
struct SslCipher {
    std::string name;      ///< "TLS_AES_256_GCM_SHA384"
    std::string protocol;  ///< "TLSv1.3"
    int secret_bits = 0;
    friend bool operator==(const SslCipher&, const SslCipher&) = default;
};

/// A certificate, as far as programs ask.
///
/// Python      the dict of SSLObject.getpeercert()
struct SslCertificate {
    std::string subject;  ///< "CN=example.org,O=Example"
    std::string issuer;
    std::string serial_number;                   ///< hexadecimal digits
    std::vector<std::string> subject_alt_names;  ///< "DNS:example.org", "IP Address:127.0.0.1"
    std::chrono::sys_seconds not_before{};
    std::chrono::sys_seconds not_after{};
    std::string der;  ///< the whole of it

    /// SHA-256 of `der`, as hexadecimal digits: for those who pin a certificate.
    std::string fingerprint() const;
    friend bool operator==(const SslCertificate& a, const SslCertificate& b) noexcept {
        return a.der == b.der;
    }
};

namespace detail {

/// What is known of a connection when it is asked.
struct TlsFacts {
    std::string version;
    SslCipher cipher;
    std::string alpn;
    std::string server_hostname;
    std::optional<SslCertificate> peer;
    std::shared_ptr<const SslContext> context;
    bool server_side = false;
    bool session_reused = false;
};

}  // namespace detail

/// What a TLS connection has agreed on. A value: it does not change with the connection.
///
/// Threads     any thread
/// Python      ssl.SSLObject, what can be asked of it
class SslObject {
  public:
    /// For the library's own layers.
    explicit SslObject(std::shared_ptr<const detail::TlsFacts> facts) noexcept : facts_(std::move(facts)) {}

    /// "TLSv1.3".
    const std::string& version() const noexcept { return facts_->version; }
    const SslCipher& cipher() const noexcept { return facts_->cipher; }
    /// What of the two sides' ALPN protocols was chosen; empty if nothing was.
    const std::string& selected_alpn_protocol() const noexcept { return facts_->alpn; }
    /// The certificate that the other side has shown; it was checked if the context says so.
    const std::optional<SslCertificate>& getpeercert() const noexcept { return facts_->peer; }
    /// Of a client the name that was asked for; of a server the name that its client asked for.
    const std::string& server_hostname() const noexcept { return facts_->server_hostname; }
    bool server_side() const noexcept { return facts_->server_side; }
    /// The handshake was a short one, with the keys of an earlier connection.
    bool session_reused() const noexcept { return facts_->session_reused; }
    /// The context that the connection was made with.
    const SslContext& context() const noexcept { return *facts_->context; }
    /// The same answer to the same question.
    friend bool operator==(const SslObject&, const SslObject&) = default;

  private:
    std::shared_ptr<const detail::TlsFacts> facts_;
};

}}  // namespace asyncio::v1
