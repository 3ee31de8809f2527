#include "asyncio/net/tls.hpp"

#include <string>

namespace asyncio { inline namespace v1 {

namespace {

class SslCategory final : public std::error_category {
  public:
    const char* name() const noexcept override { return "ssl"; }
    std::string message(int value) const override { return "TLS error " + std::to_string(value); }
};

}  // namespace

const std::error_category& ssl_category() noexcept {
    static const SslCategory category;
    return category;
}

SslError::SslError(int code, std::string_view reason, std::string_view text)
    : OSError(std::error_code(code, ssl_category()), text), reason_(reason) {}
SslError::~SslError() = default;
SslEofError::~SslEofError() = default;
SslCertVerificationError::~SslCertVerificationError() = default;

}}  // namespace asyncio::v1
