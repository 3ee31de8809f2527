#include "asyncio/task/interval.hpp"

#include "asyncio/base/error.hpp"
#include "asyncio/core/event_loop.hpp"
#include "asyncio/task/sleep.hpp"

namespace asyncio { inline namespace v1 {

namespace {

/// When the tick after the one at `last` is due, asked at `now`.
TimePoint next_tick(TimePoint last, Duration period, MissedTicks missed, TimePoint now) {
    const TimePoint due = last + period;
    if (due >= now) return due;
    switch (missed) {
        case MissedTicks::burst: return due;
        case MissedTicks::delay: return now;
        case MissedTicks::skip: break;
    }
    const std::int64_t late = (now - due).count();
    return due + std::chrono::nanoseconds(late - late % period.count_ns());
}

AsyncGenerator<TimePoint> ticks(Duration period, IntervalOptions options) {
    EventLoop& loop = get_running_loop();
    for (TimePoint due = loop.time() + options.first;;
         due = next_tick(due, period, options.missed, loop.time())) {
        if (due > loop.time()) co_await sleep_until(due);
        co_yield TimePoint(due);
    }
}

}  // namespace

AsyncGenerator<TimePoint> interval(Duration period, IntervalOptions options) {
    if (period <= Duration::zero()) throw ValueError("interval: the period must be more than zero");
    return ticks(period, options);
}

}}  // namespace asyncio::v1
