// The watchdog of a loop, as the core sees it: see src/debug/watchdog.cpp.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>

#include "asyncio/base/duration.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

struct LoopImpl;

inline constexpr Duration watchdog_default = std::chrono::seconds(1);

/// A thread that looks at a loop's pulse. Joined by the destructor.
class Watchdog {
  public:
    Watchdog() = default;
    Watchdog(const Watchdog&) = delete;
    Watchdog& operator=(const Watchdog&) = delete;
    virtual ~Watchdog() = default;
    /// Written by the loop: LoopImpl::tell_watchdog.
    std::atomic<std::uint64_t>& pulse() noexcept { return pulse_; }
    /// The loop is about to run on this thread.
    virtual void watch_this_thread() noexcept = 0;

  protected:
    std::atomic<std::uint64_t> pulse_{0};
};

/// Reports when the loop is blocked for `limit`. Null if there is no thread to be had, which is said.
std::unique_ptr<Watchdog> start_watchdog(const LoopImpl& loop, Duration limit) noexcept;

/// In a child process: no watchdog of the parent's is at work here.
void forget_samples() noexcept;

}}}  // namespace asyncio::v1::detail
