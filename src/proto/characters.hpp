#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

/// Which characters may stand where, in HTTP and in URLs: one table, so that no two places disagree.
namespace asyncio { inline namespace v1 { namespace proto {

namespace character {
inline constexpr std::uint16_t token = 1;    // RFC 9110 §5.6.2: header names, methods.
inline constexpr std::uint16_t control = 2;  // 0x00-0x1f and 0x7f.
inline constexpr std::uint16_t digit = 4;
inline constexpr std::uint16_t hex = 8;
inline constexpr std::uint16_t target = 16;  // Printable ASCII without space and '#': a request target.
inline constexpr std::uint16_t scheme = 32;  // RFC 3986 §3.1, after the first letter.
inline constexpr std::uint16_t host = 64;  // Letters, digits and -._~: what a name that resolves is made of.
inline constexpr std::uint16_t authority =
    128;  // What a Host header may have: RFC 3986 §3.2 without user info.
inline constexpr std::uint16_t unreserved = 256;
inline constexpr std::uint16_t letter = 512;
}  // namespace character

namespace detail {
constexpr std::array<std::uint16_t, 256> make_character_table() {
    std::array<std::uint16_t, 256> table{};
    const auto mark = [&](std::string_view characters, std::uint16_t bits) {
        for (const char c : characters) table[static_cast<unsigned char>(c)] |= bits;
    };
    constexpr std::string_view digits = "0123456789";
    constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    namespace ch = character;
    mark(letters, ch::token | ch::scheme | ch::host | ch::authority | ch::unreserved | ch::letter);
    mark(digits, ch::token | ch::digit | ch::hex | ch::scheme | ch::host | ch::authority | ch::unreserved);
    mark("abcdefABCDEF", ch::hex);
    mark("!#$%&'*+-.^_`|~", ch::token);
    mark("+-.", ch::scheme);
    mark("-._~", ch::host | ch::authority | ch::unreserved);
    mark("!$&'()*+,;=%:[]", ch::authority);
    for (int c = 0x21; c < 0x7f; ++c) {
        if (c != '#') table[static_cast<std::size_t>(c)] |= ch::target;
    }
    for (int c = 0; c < 0x20; ++c) table[static_cast<std::size_t>(c)] |= ch::control;
    table[0x7f] |= ch::control;
    return table;
}
inline constexpr std::array<std::uint16_t, 256> character_table = make_character_table();
}  // namespace detail

/// Whether `c` belongs to one of the classes in `classes`.
constexpr bool is(char c, std::uint16_t classes) noexcept {
    return (detail::character_table[static_cast<unsigned char>(c)] & classes) != 0;
}

constexpr bool all_are(std::string_view text, std::uint16_t classes) noexcept {
    for (const char c : text) {
        if (!is(c, classes)) return false;
    }
    return true;
}

/// The first control character but HTAB of what lies between, or `end`. Eight bytes at a time: values are
/// most of a head.
inline const char* find_control(const char* at, const char* end) noexcept {
    constexpr std::uint64_t each = 0x0101010101010101;
    if constexpr (std::endian::native == std::endian::little) {
        while (end - at >= 8) {
            std::uint64_t bytes;
            std::memcpy(&bytes, at, sizeof bytes);
            // The high bit of each byte below 0x20 and of each 0x7f. A borrow can set others, but they come
            // later.
            const std::uint64_t del = bytes ^ (0x7f * each);
            const std::uint64_t found =
                (((bytes - 0x20 * each) & ~bytes) | ((del - each) & ~del)) & (0x80 * each);
            if (found == 0) {
                at += 8;
                continue;
            }
            at += std::countr_zero(found) / 8;
            if (*at != '\t') return at;
            ++at;
        }
    }
    while (at != end && (!is(*at, character::control) || *at == '\t')) ++at;
    return at;
}

constexpr char to_lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

/// The value of a hexadecimal digit; the caller has checked that it is one.
constexpr int hex_value(char c) noexcept { return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10; }

/// Without spaces and tabs at both ends (RFC 9110 §5.6.3, OWS).
constexpr std::string_view trimmed(std::string_view text) noexcept {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

/// For error texts: in single quotes, cut to a readable length. The result is valid UTF-8 without control
/// characters, so that it can go to a terminal or into JSON; what is not, is shown as \xNN.
std::string quoted(std::string_view text);

}}}  // namespace asyncio::v1::proto
