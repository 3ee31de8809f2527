// MockClock: time that a test moves.
#pragma once
#include "asyncio/base/duration.hpp"
#include "asyncio/core/clock.hpp"
#include "asyncio/core/coro.hpp"

namespace asyncio { inline namespace v1 { namespace testing {

/// A virtual clock for tests: `MockClock clock; run(test(clock), {.clock = &clock})`. Sleeps and timeouts
/// take no real time.
///
/// It stands still until `advance`, `elapse` or, with `autojump`, until all tasks are blocked: then the loop
/// moves it to the next deadline. Without autojump a test in which every task sleeps and none advances the
/// clock ends with a RuntimeError that lists them.
///
/// Threads     the loop's thread
/// Lifetime    must outlive the loop
/// Python      Trio's MockClock; `advance` is its jump
class MockClock : public VirtualClock {
  public:
    explicit MockClock(bool autojump = false) noexcept : VirtualClock(autojump) {}

    /// Lets `by` pass as it would in real life: every deadline on the way comes due at its own time, what it
    /// wakes runs until it is blocked again, then the next. (`advance` makes them all due at once, at the
    /// later time.)
    ///
    /// Throws      ValueError  this is not the clock of the loop that runs
    /// Suspends    always
    /// Cancel      ends it at once; the clock stays where it has got to
    /// Threads     loop thread
    /// Lifetime    the clock must outlive the await
    Coro<> elapse(Duration by);
};

}}}  // namespace asyncio::v1::testing
