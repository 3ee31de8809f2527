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

// Bytes of the character at the front if it is one to be shown as it is: printable, in valid UTF-8 (RFC 3629
// §4). Else 0.
std::size_t printable_size(std::string_view text) noexcept {
    const auto byte = [&](std::size_t i) {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
    };
    const auto within = [&](std::size_t i, unsigned low, unsigned high) {
        return byte(i) >= low && byte(i) <= high;
    };
    const unsigned first = byte(0);
    if (first >= 0x20 && first < 0x7f) return 1;
    // From U+00A0, below which there are control characters again.
    if (first == 0xc2) return within(1, 0xa0, 0xbf) ? 2 : 0;
    if (first >= 0xc3 && first <= 0xdf) return within(1, 0x80, 0xbf) ? 2 : 0;
    const unsigned low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    const unsigned high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (!within(1, low, high) || !within(2, 0x80, 0xbf)) return 0;
    if (first >= 0xe0 && first <= 0xef) return 3;
    return first >= 0xf0 && first <= 0xf4 && within(3, 0x80, 0xbf) ? 4 : 0;
}

}  // namespace

std::string quoted(std::string_view text) {
    constexpr std::size_t longest = 100;
    constexpr char digits[] = "0123456789abcdef";
    std::string out = "'";
    std::size_t i = 0;
    while (i < text.size() && i < longest) {
        const std::size_t size = printable_size(text.substr(i));
        if (size > 0) {
            out += text.substr(i, size);
            i += size;
            continue;
        }
        const auto byte = static_cast<unsigned char>(text[i++]);
        if (byte == '\r') {
            out += "\\r";
        } else if (byte == '\n') {
            out += "\\n";
        } else {
            out += "\\x";
            out += digits[byte >> 4];
            out += digits[byte & 15];
        }
    }
    out += i < text.size() ? "...'" : "'";
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

}}}  // namespace asyncio::v1::proto
