// What the programs of this library share: how the loop is made from the arguments.
#pragma once
#include <asyncio/asyncio.hpp>

#include "bench.h"

namespace bench {

using namespace std::chrono_literals;

inline constexpr const char* impl = "ours";

/// `backend=epoll|io_uring` and `slack_us=…`; without them, the library's defaults.
inline asyncio::RunOptions run_options(int argc, char** argv) {
    asyncio::RunOptions options;
    const char* const backend = bench_text(argc, argv, "backend", "");
    if (bench_is(backend, "epoll")) options.backend = asyncio::Backend::epoll;
    if (bench_is(backend, "io_uring")) options.backend = asyncio::Backend::io_uring;
    options.timer_slack = std::chrono::microseconds(bench_count(argc, argv, "slack_us", 0));
    return options;
}

/// Nanoseconds since `begin`, for each of `count` operations.
inline double ns_each(std::uint64_t begin, long count) {
    return static_cast<double>(bench_now_ns() - begin) / static_cast<double>(count);
}

}  // namespace bench
