// interval: ticks, one each period, without drift.
#pragma once
#include <cstdint>

#include "asyncio/base/duration.hpp"
#include "asyncio/base/option.hpp"
#include "asyncio/task/async_generator.hpp"

namespace asyncio { inline namespace v1 {

/// What `interval` does for a consumer that asks when more than one tick is due.
enum class MissedTicks : std::uint8_t {
    skip,   ///< one tick at once stands for all that were missed, and the next keeps to the grid
    burst,  ///< each missed tick is given at once, one after another, until it has caught up
    delay,  ///< one tick at once, and the next a whole period after it: the grid moves
};

/// Options of `interval`. All members may be left out.
struct IntervalOptions {
    MissedTicks missed = MissedTicks::skip;
    Duration first = Duration::zero();  ///< how long after the first next() the first tick is due
};
static_assert(OptionStruct<IntervalOptions>);

/// A tick each `period`, for ever: the loop's time at which it was due.
///
///     auto ticks = asyncio::interval(1s);
///     while (auto due = co_await ticks.next()) sample(*due);
///
/// The ticks lie on a grid that begins with the first next(): they do not drift by what the consumer takes.
/// The first one is due at once. A generator and no plain awaiter, so that it can be merged, zipped and
/// numbered like any other.
///
/// Throws      ValueError  the period is not positive
/// Suspends    next() does until the tick is due; not if it is due already
/// Cancel      ends the wait, and the ticks
/// Threads     loop thread
/// Python      none; tokio::time::interval
AsyncGenerator<TimePoint> interval(Duration period, IntervalOptions options = IntervalOptions());

}}  // namespace asyncio::v1
