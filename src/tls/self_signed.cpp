// A certificate that vouches for itself, for development and tests.
#include <arpa/inet.h>
#include <openssl/ec.h>
#include <openssl/rand.h>

#include <string>

#include "asyncio/net/tls.hpp"
#include "tls/openssl.hpp"

namespace asyncio { inline namespace v1 {

namespace detail { namespace {

constexpr long day_seconds = 24 * 60 * 60;

[[noreturn]] void throw_failed() {
    const OpensslError error = take_openssl_error();
    throw SslError(error.number(), error.reason, "make_self_signed_certificate: " + error.reason);
}

void require(bool worked) {
    if (!worked) throw_failed();
}

/// "DNS:localhost,IP:127.0.0.1"
std::string alt_names_of(const std::string_view* names, std::size_t count) {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) {
        const std::string name(names[i]);
        if (name.empty() || name.find_first_of(", \t\r\n") != std::string::npos)
            throw ValueError("make_self_signed_certificate: '" + name + "' is no host's name");
        unsigned char bytes[16];
        const bool numeric =
            ::inet_pton(AF_INET, name.c_str(), bytes) == 1 || ::inet_pton(AF_INET6, name.c_str(), bytes) == 1;
        text += (text.empty() ? "" : ",") + std::string(numeric ? "IP:" : "DNS:") + name;
    }
    return text;
}

void add_extension(X509* certificate, int kind, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
    const Openssl<X509_EXTENSION, &X509_EXTENSION_free> made(
        X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()));
    require(made != nullptr && X509_add_ext(certificate, made.get(), -1) == 1);
}

std::string text_in(BIO* bio) {
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio, &text);
    return std::string(text, size > 0 ? static_cast<std::size_t>(size) : 0);
}

SelfSignedCertificate make(const std::string_view* names, std::size_t count) {
    if (count == 0) throw ValueError("make_self_signed_certificate: no name was given");
    const std::string alt_names = alt_names_of(names, count);
    ERR_clear_error();
    const KeyPtr key = KeyPtr(EVP_EC_gen("P-256"));
    require(key != nullptr);
    const X509Ptr certificate = require_made(X509Ptr(X509_new()));
    X509* const x = certificate.get();
    unsigned char serial[16];
    require(RAND_bytes(serial, sizeof serial) == 1);
    serial[0] &= 0x7f;  // RFC 5280 §4.1.2.2: serial numbers are positive
    const Openssl<BIGNUM, &BN_free> number(BN_bin2bn(serial, sizeof serial, nullptr));
    require(number != nullptr && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(x)) != nullptr);
    require(X509_set_version(x, 2) == 1);  // which is called 3
    require(X509_gmtime_adj(X509_getm_notBefore(x), -day_seconds) != nullptr);
    require(X509_gmtime_adj(X509_getm_notAfter(x), 30 * day_seconds) != nullptr);
    require(X509_set_pubkey(x, key.get()) == 1);
    X509_NAME* const name = X509_get_subject_name(x);
    const std::string shown = std::string(names[0].substr(0, 64));
    require(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                       reinterpret_cast<const unsigned char*>(shown.c_str()), -1, -1,
                                       0) == 1);
    require(X509_set_issuer_name(x, name) == 1);
    add_extension(x, NID_subject_alt_name, alt_names);
    add_extension(x, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(x, NID_subject_key_identifier, "hash");
    require(X509_sign(x, key.get(), EVP_sha256()) != 0);

    const BioPtr certificate_text = require_made(BioPtr(BIO_new(BIO_s_mem())));
    const BioPtr key_text = require_made(BioPtr(BIO_new(BIO_s_mem())));
    require(PEM_write_bio_X509(certificate_text.get(), x) == 1);
    require(PEM_write_bio_PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
    SelfSignedCertificate made;
    made.certificate = text_in(certificate_text.get());
    made.key = text_in(key_text.get());
    return made;
}

}}  // namespace detail

SelfSignedCertificate make_self_signed_certificate(std::initializer_list<std::string_view> names) {
    return detail::make(names.begin(), names.size());
}
SelfSignedCertificate make_self_signed_certificate(const std::vector<std::string_view>& names) {
    return detail::make(names.data(), names.size());
}

}}  // namespace asyncio::v1
