#include "asyncio/base/assert.hpp"

#include <gtest/gtest.h>

namespace {

const char* pretend_context() noexcept { return "task 'fetch'"; }

TEST(Assert, ATrueConditionCostsNothingAndIsEvaluatedOnce) {
    int evaluated = 0;
    ASYNCIO_ASSERT(++evaluated == 1);
    ASYNCIO_ASSERT(evaluated == 1, "with a message");
    EXPECT_EQ(evaluated, 1);
}

TEST(AssertDeathTest, AFalseConditionNamesFileExpressionAndMessageAndAborts) {
    EXPECT_EXIT(ASYNCIO_ASSERT(1 + 1 == 3, "arithmetic is broken"), testing::KilledBySignal(SIGABRT),
                "assert_test.cpp:[0-9]+: asyncio: assertion failed: 1 \\+ 1 == 3: arithmetic is broken\n");
    EXPECT_EXIT(ASYNCIO_ASSERT(false), testing::KilledBySignal(SIGABRT), "assertion failed: false\n");
}

TEST(AssertDeathTest, TheContextHookNamesTheRunningTask) {
    const auto previous = asyncio::detail::assert_context;
    asyncio::detail::assert_context = &pretend_context;
    EXPECT_DEATH(ASYNCIO_ASSERT(false, "why"), "assertion failed: false: why \\[in task 'fetch'\\]\n");
    asyncio::detail::assert_context = previous;
}

TEST(AssertDeathTest, ADebugAssertionIsCheckedInDebugBuildsOnly) {
    int evaluated = 0;
    auto evaluate = [&] { return ++evaluated > 0; };
    ASYNCIO_DASSERT(evaluate(), "with a message");
#ifdef NDEBUG
    EXPECT_EQ(evaluated, 0);
    ASYNCIO_DASSERT(false);
#else
    EXPECT_EQ(evaluated, 1);
    EXPECT_DEATH(ASYNCIO_DASSERT(false), "assertion failed: false");
#endif
}

TEST(AssertDeathTest, ATextLongerThanTheBufferIsCutAndStillAborts) {
    const std::string long_text(5000, 'x');
    EXPECT_EXIT(asyncio::detail::assert_failed("e", long_text.c_str(), "f", 1),
                testing::KilledBySignal(SIGABRT), "f:1: asyncio: assertion failed: e: xxx");
}

}  // namespace
