// VirtualClock: time that stands still until somebody moves it.
#pragma once
#include <cstdint>

#include "asyncio/base/duration.hpp"

namespace asyncio { inline namespace v1 {

/// The clock of a loop in virtual time: sleeps and timeouts take no real time. A loop uses one when it is
/// given one (`run(main(), {.clock = &clock})`) or runs on the simulated backend.
///
/// With `autojump` the loop moves it to the next deadline as soon as no task can run and the kernel has
/// nothing for it; without, time moves by `advance` alone.
///
/// Threads     the loop's thread
/// Lifetime    must outlive the loop
/// Python      no equivalent; Trio's MockClock
class VirtualClock {
  public:
    explicit VirtualClock(bool autojump = true) noexcept : autojump_(autojump) {}
    VirtualClock(const VirtualClock&) = delete;
    VirtualClock& operator=(const VirtualClock&) = delete;

    TimePoint now() const noexcept { return TimePoint(std::chrono::nanoseconds(ns_)); }
    /// Moves the time on by `by` (not back). What became due runs in the loop's next iteration.
    void advance(Duration by) noexcept {
        if (by.count_ns() > 0)
            ns_ = static_cast<std::uint64_t>(
                (Duration::from_ns(static_cast<std::int64_t>(ns_)) + by).count_ns());
    }
    /// Moves the time to `to`, unless it is there already.
    void advance_to(TimePoint to) noexcept {
        const auto ns = static_cast<std::uint64_t>(to.time_since_epoch().count());
        if (ns > ns_) ns_ = ns;
    }
    bool autojump() const noexcept { return autojump_; }
    void set_autojump(bool on) noexcept { autojump_ = on; }

  private:
    std::uint64_t ns_ = 1'000'000'000;  // one second: a deadline of 0 is in the past
    bool autojump_;
};

}}  // namespace asyncio::v1
