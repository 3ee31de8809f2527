#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "asyncio/base/config.hpp"

// Bytes to be written or parsed are a std::string_view in the public API: text and binary alike, with no copy
// from a literal or a std::string. Bytes to be filled are a span of char. These names serve those who hold
// std::byte.

namespace asyncio { inline namespace v1 {

/// Bytes that are looked at.
using ByteSpan = std::span<const std::byte>;
/// Bytes that are filled.
using MutableByteSpan = std::span<std::byte>;

/// The same bytes seen as text.
inline std::string_view as_text(ByteSpan bytes ASYNCIO_LIFETIMEBOUND) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
/// The same text seen as bytes.
inline ByteSpan as_byte_span(std::string_view text ASYNCIO_LIFETIMEBOUND) noexcept {
    return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
/// The same buffer seen as bytes.
inline MutableByteSpan as_byte_span(std::span<char> chars ASYNCIO_LIFETIMEBOUND) noexcept {
    return {reinterpret_cast<std::byte*>(chars.data()), chars.size()};
}
/// The same buffer seen as chars.
inline std::span<char> as_chars(MutableByteSpan bytes ASYNCIO_LIFETIMEBOUND) noexcept {
    return {reinterpret_cast<char*>(bytes.data()), bytes.size()};
}

}}  // namespace asyncio::v1
