#pragma once

/// Version of the library, as three numbers and as one that can be compared.
#define ASYNCIO_VERSION_MAJOR 0
#define ASYNCIO_VERSION_MINOR 1
#define ASYNCIO_VERSION_PATCH 0
#define ASYNCIO_VERSION (ASYNCIO_VERSION_MAJOR * 10000 + ASYNCIO_VERSION_MINOR * 100 + ASYNCIO_VERSION_PATCH)
#define ASYNCIO_VERSION_STRING "0.1.0"

#if !defined(__cplusplus) || __cplusplus < 202002L
#error "asyncio needs C++20: add -std=c++20, or target_compile_features(your_target PRIVATE cxx_std_20)"
#endif

/// 1 on g++ 12 and older, which miscompile some coroutines (see docs/hazards), else 0.
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ <= 12
#define ASYNCIO_GCC12 1
#else
#define ASYNCIO_GCC12 0
#endif

#if defined(__has_feature)
#define ASYNCIO_HAS_FEATURE(x) __has_feature(x)
#else
#define ASYNCIO_HAS_FEATURE(x) 0
#endif

/// 1 when compiled with AddressSanitizer, else 0.
#if defined(__SANITIZE_ADDRESS__) || ASYNCIO_HAS_FEATURE(address_sanitizer)
#define ASYNCIO_ASAN 1
#else
#define ASYNCIO_ASAN 0
#endif

/// 1 when compiled with ThreadSanitizer, else 0.
#if defined(__SANITIZE_THREAD__) || ASYNCIO_HAS_FEATURE(thread_sanitizer)
#define ASYNCIO_TSAN 1
#else
#define ASYNCIO_TSAN 0
#endif

/// Marks a parameter that the result refers to, so that clang warns about results that dangle.
#if defined(__has_cpp_attribute) && defined(__clang__)
#if __has_cpp_attribute(clang::lifetimebound)
#define ASYNCIO_LIFETIMEBOUND [[clang::lifetimebound]]
#endif
#endif
#if !defined(ASYNCIO_LIFETIMEBOUND)
#define ASYNCIO_LIFETIMEBOUND
#endif

/// Visible outside a shared library that was built with hidden visibility. Exception types need it: a type
/// thrown on one side of a library boundary must be the same type on the other.
#define ASYNCIO_API __attribute__((visibility("default")))
#define ASYNCIO_COLD __attribute__((cold))
#define ASYNCIO_NOINLINE __attribute__((noinline))
#define ASYNCIO_NOINLINE __attribute__((noinline))
#define ASYNCIO_ALWAYS_INLINE inline __attribute__((always_inline))
