#include "tls/certificate.hpp"

#include <arpa/inet.h>

#include <ctime>

namespace asyncio { inline namespace v1 {

namespace detail {

namespace {

std::string hexadecimal(const unsigned char* bytes, std::size_t count) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    text.reserve(2 * count);
    for (std::size_t i = 0; i < count; ++i) {
        text += digits[bytes[i] >> 4];
        text += digits[bytes[i] & 15];
    }
    return text;
}

std::string address_text(const ASN1_OCTET_STRING* bytes) {
    char text[INET6_ADDRSTRLEN] = "";
    const int size = ASN1_STRING_length(bytes);
    if (size == 4) ::inet_ntop(AF_INET, ASN1_STRING_get0_data(bytes), text, sizeof text);
    if (size == 16) ::inet_ntop(AF_INET6, ASN1_STRING_get0_data(bytes), text, sizeof text);
    return text;
}

std::string text_of(const ASN1_STRING* text) {
    return std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                       static_cast<std::size_t>(ASN1_STRING_length(text)));
}

}  // namespace

std::string name_text(const X509_NAME* name) {
    if (name == nullptr) return {};
    const BioPtr bio = require_made(BioPtr(BIO_new(BIO_s_mem())));
    X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &text);
    return std::string(text, size > 0 ? static_cast<std::size_t>(size) : 0);
}

std::chrono::sys_seconds time_of(const ASN1_TIME* time) noexcept {
    std::tm parts{};
    if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return {};
    return std::chrono::sys_seconds(std::chrono::seconds(::timegm(&parts)));
}

std::string time_text(const ASN1_TIME* time) {
    std::tm parts{};
    char text[32] = "?";
    if (time != nullptr && ASN1_TIME_to_tm(time, &parts) == 1)
        std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts);
    return text;
}

std::vector<std::string> alt_names(const X509* certificate) {
    std::vector<std::string> names;
    const Openssl<GENERAL_NAMES, &GENERAL_NAMES_free> found(
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
    if (found == nullptr) return names;
    for (int i = 0; i < sk_GENERAL_NAME_num(found.get()); ++i) {
        const GENERAL_NAME* const name = sk_GENERAL_NAME_value(found.get(), i);
        switch (name->type) {
            case GEN_DNS: names.push_back("DNS:" + text_of(name->d.dNSName)); break;
            case GEN_IPADD: names.push_back("IP Address:" + address_text(name->d.iPAddress)); break;
            case GEN_EMAIL: names.push_back("email:" + text_of(name->d.rfc822Name)); break;
            case GEN_URI: names.push_back("URI:" + text_of(name->d.uniformResourceIdentifier)); break;
            default: break;
        }
    }
    return names;
}

std::string hosts_text(const X509* certificate) {
    std::string text;
    for (const std::string& name : alt_names(certificate)) {
        const auto colon = name.find(':');
        const std::string_view kind = std::string_view(name).substr(0, colon);
        if (kind != "DNS" && kind != "IP Address") continue;
        if (!text.empty()) text += ", ";
        text.append(name, colon + 1);
    }
    return text.empty() ? name_text(X509_get_subject_name(certificate)) : text;
}

SslCertificate describe(const X509* certificate) {
    SslCertificate made;
    made.subject = name_text(X509_get_subject_name(certificate));
    made.issuer = name_text(X509_get_issuer_name(certificate));
    const ASN1_INTEGER* const serial = X509_get0_serialNumber(certificate);
    made.serial_number =
        hexadecimal(ASN1_STRING_get0_data(serial), static_cast<std::size_t>(ASN1_STRING_length(serial)));
    made.subject_alt_names = alt_names(certificate);
    made.not_before = time_of(X509_get0_notBefore(certificate));
    made.not_after = time_of(X509_get0_notAfter(certificate));
    const int size = i2d_X509(certificate, nullptr);
    if (size > 0) {
        made.der.resize(static_cast<std::size_t>(size));
        auto* at = reinterpret_cast<unsigned char*>(made.der.data());
        i2d_X509(certificate, &at);
    }
    ERR_clear_error();
    return made;
}

}  // namespace detail

std::string SslCertificate::fingerprint() const {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (EVP_Digest(der.data(), der.size(), digest, &size, EVP_sha256(), nullptr) != 1) {
        ERR_clear_error();
        throw std::bad_alloc();
    }
    return detail::hexadecimal(digest, size);
}

}}  // namespace asyncio::v1
