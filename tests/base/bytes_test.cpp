#include "asyncio/base/bytes.hpp"

#include <gtest/gtest.h>

#include <array>

namespace {

TEST(Bytes, TextAndBytesAreTheSameMemorySeenTwoWays) {
    const std::string_view text("a\0b", 3);
    const asyncio::ByteSpan bytes = asyncio::as_byte_span(text);
    ASSERT_EQ(bytes.size(), 3u);
    EXPECT_EQ(bytes[2], std::byte{'b'});
    EXPECT_EQ(asyncio::as_text(bytes), text);
    EXPECT_EQ(asyncio::as_text(bytes).data(), text.data());
    EXPECT_TRUE(asyncio::as_text({}).empty());
}

TEST(Bytes, ABufferCanBeFilledThroughEitherView) {
    std::array<char, 4> buffer{};
    const asyncio::MutableByteSpan bytes = asyncio::as_byte_span(std::span<char>(buffer));
    bytes[1] = std::byte{'x'};
    EXPECT_EQ(buffer[1], 'x');
    asyncio::as_chars(bytes)[0] = 'y';
    EXPECT_EQ(buffer[0], 'y');
}

}  // namespace
