// TLS: SslContext, what a connection has to prove, and SslError, what goes wrong.
//
// Python's module `ssl` as far as asyncio needs it. A context is given to `open_connection`, `start_server`,
// `StreamWriter::start_tls` or an HTTP client; who only wants to talk to a public server writes
// `{.ssl = true}`.
//
// Link asyncio::tls (pkg-config: asyncio-tls) for all of this; asyncio::http brings it along.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "asyncio/base/error.hpp"
#include "asyncio/base/option.hpp"

namespace asyncio { inline namespace v1 {

// ---- errors -------------------------------------------------------------------------------------

//   OSError
//   └ SslError                    the handshake failed, a record was broken, a file is no certificate
//     ├ SslEofError               the stream ended without TLS's closing message: it may be cut off
//     └ SslCertVerificationError  the other side's certificate is not to be trusted

/// TLS failed. The text says with whom, why, and what may help; `reason` is OpenSSL's short word for it.
///
/// Python      ssl.SSLError
class ASYNCIO_API SslError : public OSError {
  public:
    /// `code` is OpenSSL's reason number, 0 if it has none.
    SslError(int code, std::string_view reason, std::string_view text);
    explicit SslError(std::string_view text) : SslError(0, std::string_view(), text) {}
    SslError(const SslError&) noexcept = default;
    SslError& operator=(const SslError&) noexcept = default;
    ~SslError() override;

    /// "wrong version number"; empty if OpenSSL has said nothing.
    std::string_view reason() const noexcept { return reason_.view(); }

  private:
    detail::SharedText reason_;
};

/// The peer closed the connection, or somebody on the way did, without saying so inside of TLS: what was read
/// may be only a part.
///
/// Python      ssl.SSLEOFError
class ASYNCIO_API SslEofError : public SslError {
  public:
    using SslError::SslError;
    SslEofError(const SslEofError&) noexcept = default;
    SslEofError& operator=(const SslEofError&) noexcept = default;
    ~SslEofError() override;
};

/// The peer's certificate was refused.
///
/// Python      ssl.SSLCertVerificationError
class ASYNCIO_API SslCertVerificationError : public SslError {
  public:
    /// `code` is an X509_V_ERR_… value.
    SslCertVerificationError(int code, std::string_view message, std::string_view text)
        : SslError(code, "certificate verify failed", text), code_(code), message_(message) {}
    SslCertVerificationError(const SslCertVerificationError&) noexcept = default;
    SslCertVerificationError& operator=(const SslCertVerificationError&) noexcept = default;
    ~SslCertVerificationError() override;

    /// OpenSSL's number of the cause: X509_V_ERR_CERT_HAS_EXPIRED is 10.
    int verify_code() const noexcept { return code_; }
    /// "certificate has expired".
    std::string_view verify_message() const noexcept { return message_.view(); }

  private:
    int code_;
    detail::SharedText message_;
};

/// Category of SslError::code(): numbers of OpenSSL.
ASYNCIO_API const std::error_category& ssl_category() noexcept;

// ---- contexts -----------------------------------------------------------------------------------

/// Whom a context is to check: SERVER_AUTH is for clients, CLIENT_AUTH for servers. The spelling is Python's.
enum class SslPurpose : std::uint8_t { SERVER_AUTH, CLIENT_AUTH };
/// Whether the other side needs a certificate: no; only if it shows one is it checked; yes.
enum class SslVerifyMode : std::uint8_t { CERT_NONE, CERT_OPTIONAL, CERT_REQUIRED };
/// Older versions are not spoken.
enum class SslVersion : std::uint8_t { TLSv1_2, TLSv1_3 };

/// Whom to trust, as files or as text. All members may be left out.
struct VerifyLocations {
    std::string_view cafile = {};  ///< a PEM file of certificates
    std::string_view capath = {};  ///< a folder of them, named by hash (openssl rehash)
    std::string_view cadata = {};  ///< certificates as PEM text
};
static_assert(OptionStruct<VerifyLocations>);

/// Options of `create_default_context`. All members may be left out.
struct SslContextOptions {
    SslPurpose purpose = SslPurpose::SERVER_AUTH;
    std::string_view cafile = {};  ///< as in VerifyLocations; with any of the three the system's are not used
    std::string_view capath = {};
    std::string_view cadata = {};
};
static_assert(OptionStruct<SslContextOptions>);

/// Options of `SslContext::load_cert_chain`.
struct CertChainOptions {
    std::string_view password = {};  ///< of an encrypted key
};
static_assert(OptionStruct<CertChainOptions>);

namespace detail {
struct TlsProvider;  // what the net layer needs of a context: src/net/tls_hook.hpp
}

/// The rules for TLS connections: whom to trust, what to show, which versions and protocols. A handle: copies
/// are the same context. It keeps what clients need to resume sessions, so use one for many connections.
///
/// Made by `create_default_context`. Changes apply to connections that are made afterwards: a server that has
/// got a new certificate loads it into the context that it runs with.
///
/// Threads     connections may be made on any thread, with the same context; changing it while another thread
///             does is not allowed
/// Python      ssl.SSLContext; what is an attribute there is `set_…` and a getter here
class SslContext {
  public:
    /// For the library's own layers.
    explicit SslContext(std::shared_ptr<detail::TlsProvider> state) noexcept : state_(std::move(state)) {}

    /// Trusts these as well.
    ///
    /// Throws      FileNotFoundError, OSError  a file or folder cannot be read; SslError  it holds no
    ///             certificate; ValueError  nothing was given
    void load_verify_locations(VerifyLocations locations);
    /// Trusts what the system trusts (SSL_CERT_FILE and SSL_CERT_DIR say otherwise).
    void load_default_certs();
    /// What this side shows: a PEM file of its certificate and those between it and the root, and the key
    /// (the same file, if `keyfile` is empty).
    ///
    /// Throws      FileNotFoundError, OSError  a file cannot be read; SslError  it holds no certificate or
    ///             key, they do not belong together, or the password is wrong or missing
    void load_cert_chain(std::string_view certfile, std::string_view keyfile = {},
                         CertChainOptions options = CertChainOptions());
    /// The same of PEM text.
    ///
    /// Throws      SslError  as load_cert_chain
    /// Python      no equivalent
    void load_cert_chain_pem(std::string_view certificates, std::string_view key,
                             CertChainOptions options = CertChainOptions());

    /// What may be spoken inside, the preferred first: "h2", "http/1.1". A server chooses; if the two sides
    /// have nothing in common there is simply no protocol.
    /// Throws  ValueError  a name is empty or longer than 255 bytes
    void set_alpn_protocols(std::initializer_list<std::string_view> protocols);
    void set_alpn_protocols(const std::vector<std::string_view>& protocols);
    /// The ciphers of TLS 1.2, in OpenSSL's notation.
    /// Throws  SslError  none of them is known
    void set_ciphers(std::string_view ciphers);
    void set_minimum_version(SslVersion version);
    SslVersion minimum_version() const noexcept;
    void set_maximum_version(SslVersion version);
    SslVersion maximum_version() const noexcept;
    /// Throws  ValueError  CERT_NONE while the host's name is checked: switch that off first
    void set_verify_mode(SslVerifyMode mode);
    SslVerifyMode verify_mode() const noexcept;
    /// Whether the certificate must be one for the host that was asked for. On for clients; turning it on
    /// requires certificates, too.
    void set_check_hostname(bool on);
    bool check_hostname() const noexcept;
    /// A server shows `context`'s certificate to clients that ask for this name ("a.example", or "*.example"
    /// for any name with one label before it), and requires of them what `context` does. `context` is kept.
    ///
    /// Throws      ValueError  one of the two is a context for clients, or the name is empty
    /// Python      what an sni_callback is mostly written for
    void add_server_name(std::string_view name, const SslContext& context);

    SslPurpose purpose() const noexcept;
    /// Sessions that clients may resume; for statistics and tests.
    std::size_t cached_sessions() const noexcept;

    /// For the library's own layers.
    const std::shared_ptr<detail::TlsProvider>& state() const noexcept { return state_; }

  private:
    std::shared_ptr<detail::TlsProvider> state_;
};

/// A context with sound rules. For clients (SERVER_AUTH): the server must prove its name with a certificate
/// that leads to one of those that are trusted: those given, or the system's. For servers (CLIENT_AUTH):
/// clients need none. TLS 1.2 or newer.
///
///     auto context = asyncio::create_default_context({.cafile = "our_ca.pem"});
///     auto [reader, writer] = co_await asyncio::open_connection("db", 5433, {.ssl = context});
///
/// Throws      as load_verify_locations; RuntimeError  the library was built without TLS
/// Cost        the system's certificates take some 20 ms to load: make a context once
/// Python      ssl.create_default_context; VERIFY_X509_STRICT is not set
SslContext create_default_context(SslContextOptions options = SslContextOptions());

/// A certificate and its key, as PEM text.
struct SelfSignedCertificate {
    std::string certificate;
    std::string key;
};

/// Makes a certificate that vouches for itself, valid for a month from yesterday: for development and tests.
/// Clients trust it with `create_default_context({.cadata = made.certificate})`.
///
/// Throws      ValueError  no name was given, or one is none; RuntimeError  as create_default_context
/// Python      no equivalent
SelfSignedCertificate make_self_signed_certificate(std::initializer_list<std::string_view> names);
SelfSignedCertificate make_self_signed_certificate(const std::vector<std::string_view>& names);

}}  // namespace asyncio::v1
