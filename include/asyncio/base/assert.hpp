#pragma once

#include "asyncio/base/config.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

/// Names what was running when an assertion failed: "task 'x'", or null when nothing was.
///
/// The core sets this once, before its first loop runs. It is called on the failing thread.
using AssertContext = const char* (*)() noexcept;
ASYNCIO_API extern AssertContext assert_context;

/// Prints one line to stderr, then aborts. Called by ASYNCIO_ASSERT only.
[[noreturn]] ASYNCIO_API ASYNCIO_COLD ASYNCIO_NOINLINE void assert_failed(const char* expression,
                                                                          const char* message,
                                                                          const char* file,
                                                                          unsigned line) noexcept;

constexpr const char* assert_message(const char* message = nullptr) noexcept { return message; }

}}}  // namespace asyncio::v1::detail

/// Ends the program when `condition` is false: a bug of this library, or a misuse that has no safe answer. On
/// in every build. The condition must have no effects. ASYNCIO_ASSERT(x > 0) or ASYNCIO_ASSERT(x > 0, "why").
#define ASYNCIO_ASSERT(condition, ...)                                                                  \
    (__builtin_expect(static_cast<bool>(condition), 1)                                                  \
         ? static_cast<void>(0)                                                                         \
         : ::asyncio::detail::assert_failed(#condition, ::asyncio::detail::assert_message(__VA_ARGS__), \
                                            __FILE__, static_cast<unsigned>(__LINE__)))

/// The same in debug builds only, for checks that cost more than a compare.
#ifdef NDEBUG
#define ASYNCIO_DASSERT(condition, ...) static_cast<void>(sizeof(static_cast<bool>(condition)))
#else
#define ASYNCIO_DASSERT(condition, ...) ASYNCIO_ASSERT(condition __VA_OPT__(, ) __VA_ARGS__)
#endif
