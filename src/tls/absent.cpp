// Stands for src/tls in a library that is built without OpenSSL: every call says so.
#include "asyncio/net/ssl_object.hpp"
#include "asyncio/net/tls.hpp"

namespace asyncio { inline namespace v1 {

namespace {

[[noreturn]] void refuse() {
    throw RuntimeError(
        "this asyncio was built without TLS: install OpenSSL 3 (libssl-dev) and build it with "
        "-DASYNCIO_WITH_TLS=ON");
}

}  // namespace

SslContext create_default_context(SslContextOptions) { refuse(); }
SelfSignedCertificate make_self_signed_certificate(std::initializer_list<std::string_view>) { refuse(); }
SelfSignedCertificate make_self_signed_certificate(const std::vector<std::string_view>&) { refuse(); }
std::string SslCertificate::fingerprint() const { refuse(); }

// There is no context that these could be called of.
void SslContext::load_verify_locations(VerifyLocations) { refuse(); }
void SslContext::load_default_certs() { refuse(); }
void SslContext::load_cert_chain(std::string_view, std::string_view, CertChainOptions) { refuse(); }
void SslContext::load_cert_chain_pem(std::string_view, std::string_view, CertChainOptions) { refuse(); }
void SslContext::set_alpn_protocols(std::initializer_list<std::string_view>) { refuse(); }
void SslContext::set_alpn_protocols(const std::vector<std::string_view>&) { refuse(); }
void SslContext::set_ciphers(std::string_view) { refuse(); }
void SslContext::set_minimum_version(SslVersion) { refuse(); }
SslVersion SslContext::minimum_version() const noexcept { return SslVersion::TLSv1_2; }
void SslContext::set_maximum_version(SslVersion) { refuse(); }
SslVersion SslContext::maximum_version() const noexcept { return SslVersion::TLSv1_3; }
void SslContext::set_verify_mode(SslVerifyMode) { refuse(); }
SslVerifyMode SslContext::verify_mode() const noexcept { return SslVerifyMode::CERT_REQUIRED; }
void SslContext::set_check_hostname(bool) { refuse(); }
bool SslContext::check_hostname() const noexcept { return true; }
void SslContext::add_server_name(std::string_view, const SslContext&) { refuse(); }
SslPurpose SslContext::purpose() const noexcept { return SslPurpose::SERVER_AUTH; }
std::size_t SslContext::cached_sessions() const noexcept { return 0; }

namespace detail {
const SslContext& usual_ssl_context() { refuse(); }
}  // namespace detail

}}  // namespace asyncio::v1
