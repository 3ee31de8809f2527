#include "asyncio/base/config.hpp"

#include <gtest/gtest.h>

#include <string>

namespace {

TEST(Config, TheVersionIsTheSameInAllItsForms) {
    EXPECT_EQ(std::to_string(ASYNCIO_VERSION_MAJOR) + "." + std::to_string(ASYNCIO_VERSION_MINOR) + "." +
                  std::to_string(ASYNCIO_VERSION_PATCH),
              ASYNCIO_VERSION_STRING);
    EXPECT_EQ(ASYNCIO_VERSION,
              ASYNCIO_VERSION_MAJOR * 10000 + ASYNCIO_VERSION_MINOR * 100 + ASYNCIO_VERSION_PATCH);
}

TEST(Config, EveryDetectionIsZeroOrOne) {
    static_assert(ASYNCIO_GCC12 == 0 || ASYNCIO_GCC12 == 1);
    static_assert(ASYNCIO_ASAN == 0 || ASYNCIO_ASAN == 1);
    static_assert(ASYNCIO_TSAN == 0 || ASYNCIO_TSAN == 1);
#if defined(__clang__)
    static_assert(ASYNCIO_GCC12 == 0);
#endif
}

}  // namespace
