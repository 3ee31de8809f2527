// The names of header fields that mean something to the parser itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

namespace asyncio { inline namespace v1 { namespace proto {

/// Whether a name is this one, which is written in small letters and '-'. A word at a time, since heads are
/// full of names.
///
/// The bit that is set makes a small letter of its capital and of nothing else, and '-' of CR, which no name
/// has.
template <std::size_t Size>
bool is_named(std::string_view name, const char (&lower)[Size]) noexcept {
    constexpr std::size_t size = Size - 1;
    using Word = std::conditional_t<size >= 8, std::uint64_t, std::uint32_t>;
    static_assert(size >= sizeof(Word));
    if (name.size() != size) return false;
    const auto same = [&](std::size_t at) {
        constexpr auto bits = static_cast<Word>(0x2020202020202020);
        Word word;
        Word wanted;
        std::memcpy(&word, name.data() + at, sizeof word);
        std::memcpy(&wanted, lower + at, sizeof wanted);
        return (word | bits) == wanted;
    };
    for (std::size_t at = 0; at + sizeof(Word) < size; at += sizeof(Word)) {
        if (!same(at)) return false;
    }
    return same(size - sizeof(Word));
}

// What a request may have only once: two of them, and two servers on its way may believe different ones.
namespace once {
inline constexpr unsigned content_length = 1;
inline constexpr unsigned content_location = 2;
inline constexpr unsigned content_range = 4;
inline constexpr unsigned content_type = 8;
inline constexpr unsigned etag = 16;
inline constexpr unsigned host = 32;
inline constexpr unsigned max_forwards = 64;
inline constexpr unsigned server = 128;
inline constexpr unsigned transfer_encoding = 256;
inline constexpr unsigned user_agent = 512;
}  // namespace once

/// Which of these has this name; 0: none. The size sorts out nearly all others.
inline unsigned singleton(std::string_view name) noexcept {
    const auto if_named = [&](const auto& lower, unsigned which) {
        return is_named(name, lower) ? which : 0U;
    };
    switch (name.size()) {
        case 4: return if_named("host", once::host) | if_named("etag", once::etag);
        case 6: return if_named("server", once::server);
        case 10: return if_named("user-agent", once::user_agent);
        case 12:
            return if_named("content-type", once::content_type) |
                   if_named("max-forwards", once::max_forwards);
        case 13: return if_named("content-range", once::content_range);
        case 14: return if_named("content-length", once::content_length);
        case 16: return if_named("content-location", once::content_location);
        case 17: return if_named("transfer-encoding", once::transfer_encoding);
        default: return 0;
    }
}

}}}  // namespace asyncio::v1::proto
