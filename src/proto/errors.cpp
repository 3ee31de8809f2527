#include "asyncio/proto/errors.hpp"

#include "proto/characters.hpp"

namespace asyncio { inline namespace v1 { namespace proto {

namespace {

// Error texts end up in logs, where a password has no business.
std::string without_user_info(std::string_view url) {
    const std::size_t slashes = url.find("//");
    if (slashes == std::string_view::npos) return std::string(url);
    const std::size_t begin = slashes + 2;
    const std::string_view authority = url.substr(begin, url.find_first_of("/?#", begin) - begin);
    const std::size_t at = authority.rfind('@');
    if (at == std::string_view::npos) return std::string(url);
    return std::string(url.substr(0, begin)) + "***" + std::string(url.substr(begin + at));
}

}  // namespace

std::string quoted(std::string_view text) {
    constexpr std::size_t longest = 100;
    constexpr char digits[] = "0123456789abcdef";
    std::string out = "'";
    for (const char c : text.substr(0, longest)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte == '\r') {
            out += "\\r";
        } else if (byte == '\n') {
            out += "\\n";
        } else if (byte < 0x20 || byte == 0x7f) {
            out += "\\x";
            out += digits[byte >> 4];
            out += digits[byte & 15];
        } else {
            out += c;
        }
    }
    out += text.size() > longest ? "...'" : "'";
    return out;
}

RemoteProtocolError::~RemoteProtocolError() = default;
PayloadEncodingError::~PayloadEncodingError() = default;
ContentLengthError::~ContentLengthError() = default;
TransferEncodingError::~TransferEncodingError() = default;
LocalProtocolError::~LocalProtocolError() = default;

InvalidURL::InvalidURL(std::string_view url, std::string_view cause)
    : ValueError("invalid URL " + quoted(without_user_info(url)) + ": " + std::string(cause)),
      url_(without_user_info(url)) {}
InvalidURL::~InvalidURL() = default;

}}}  // namespace asyncio::proto
