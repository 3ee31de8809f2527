// What certificates say.
#pragma once
#include <chrono>
#include <string>
#include <vector>

#include "asyncio/net/ssl_object.hpp"
#include "tls/openssl.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

/// "CN=example.org,O=Example" (RFC 2253).
std::string name_text(const X509_NAME* name);
std::chrono::sys_seconds time_of(const ASN1_TIME* time) noexcept;
/// "2026-11-27 18:30:00 UTC"
std::string time_text(const ASN1_TIME* time);
/// "DNS:example.org", "IP Address:127.0.0.1"
std::vector<std::string> alt_names(const X509* certificate);
/// The hosts it is for: "example.org, 127.0.0.1"; the common name if it names none.
std::string hosts_text(const X509* certificate);
SslCertificate describe(const X509* certificate);

}}}  // namespace asyncio::v1::detail
