#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <limits>
#include <ratio>
#include <string>
#include <type_traits>

#include "asyncio/base/config.hpp"

namespace asyncio { inline namespace v1 {
namespace detail {

/// Throws ValueError: a duration that is not a number.
[[noreturn]] ASYNCIO_API ASYNCIO_COLD void throw_nan_duration();

}  // namespace detail

/// A length of time in nanoseconds, made implicitly from any std::chrono duration: what options hold.
///
/// Rounded up, so that nothing ends early; values out of range become the nearest that is in range. The
/// largest one means "for ever" and is also how an option says that there is no limit: `Duration::none()`.
/// Arithmetic saturates and keeps "for ever".
///
/// Throws      ValueError  when made from a NaN
/// Python      seconds as a float, `None` for no limit
class Duration {
  public:
    constexpr Duration() noexcept = default;
    template <class Rep, class Period>
        requires std::is_arithmetic_v<Rep>
    constexpr Duration(std::chrono::duration<Rep, Period> value) : ns_(round_up<Period>(value.count())) {}
    template <class Number>
        requires std::is_arithmetic_v<Number>
    Duration(Number) = delete;  // A bare number has no unit: write 2s, 100ms, 0s, or std::chrono::seconds(n).

    static constexpr Duration from_ns(std::int64_t ns) noexcept {
        Duration made;
        made.ns_ = ns;
        return made;
    }
    static constexpr Duration zero() noexcept { return {}; }
    static constexpr Duration max() noexcept { return from_ns(std::numeric_limits<std::int64_t>::max()); }
    static constexpr Duration min() noexcept { return from_ns(std::numeric_limits<std::int64_t>::min()); }
    /// No limit. The same value as max().
    static constexpr Duration none() noexcept { return max(); }

    constexpr std::int64_t count_ns() const noexcept { return ns_; }
    constexpr double seconds() const noexcept { return static_cast<double>(ns_) / 1e9; }
    constexpr std::chrono::nanoseconds to_chrono() const noexcept { return std::chrono::nanoseconds(ns_); }
    constexpr bool is_infinite() const noexcept { return ns_ == std::numeric_limits<std::int64_t>::max(); }
    /// Whether this is a limit at all.
    constexpr bool has_value() const noexcept { return !is_infinite(); }

    friend constexpr bool operator==(Duration, Duration) noexcept = default;
    friend constexpr std::strong_ordering operator<=>(Duration, Duration) noexcept = default;
    friend constexpr Duration operator+(Duration a, Duration b) noexcept {
        if (a.is_infinite() || b.is_infinite()) {
            return max();
        }
        std::int64_t sum = 0;
        if (__builtin_add_overflow(a.ns_, b.ns_, &sum)) {
            return a.ns_ < 0 ? min() : max();
        }
        return from_ns(sum);
    }
    friend constexpr Duration operator-(Duration a, Duration b) noexcept {
        if (a.is_infinite()) {
            return max();
        }
        std::int64_t difference = 0;
        if (__builtin_sub_overflow(a.ns_, b.ns_, &difference)) {
            return a.ns_ < 0 ? min() : max();
        }
        return from_ns(difference);
    }
    constexpr Duration& operator+=(Duration other) noexcept { return *this = *this + other; }
    constexpr Duration& operator-=(Duration other) noexcept { return *this = *this - other; }

  private:
    template <class Period, class Rep>
    static constexpr std::int64_t round_up(Rep count) {
        using Scale = std::ratio_divide<Period, std::nano>;  // Nanoseconds in one unit, as num / den.
        constexpr std::int64_t lowest = std::numeric_limits<std::int64_t>::min();
        constexpr std::int64_t highest = std::numeric_limits<std::int64_t>::max();
        if constexpr (std::is_floating_point_v<Rep>) {
            if (count != count) {
                detail::throw_nan_duration();
            }
            using Wide = std::common_type_t<Rep, double>;
            const Wide ns =
                static_cast<Wide>(count) * static_cast<Wide>(Scale::num) / static_cast<Wide>(Scale::den);
            if (ns >= static_cast<Wide>(9223372036854775807.0L)) {
                return highest;
            }
            if (ns <= static_cast<Wide>(-9223372036854775808.0L)) {
                return lowest;
            }
            const auto whole = static_cast<std::int64_t>(ns);  // Towards zero; negative values are then up.
            // 0.067 s times 1e9 is a last bit above 67'000'000: that is a rounding error, not a nanosecond.
            const Wide slack = ns * static_cast<Wide>(std::numeric_limits<double>::epsilon());
            return ns - static_cast<Wide>(whole) > (slack < 0 ? 0 : slack) ? whole + 1 : whole;
        } else {
            __extension__ using Wide = __int128;  // Holds the product of any two 64-bit numbers.
            const Wide product = static_cast<Wide>(count) * Scale::num;
            const Wide whole = product / Scale::den;
            const Wide ns = whole * Scale::den < product ? whole + 1 : whole;
            return ns > highest ? highest : ns < lowest ? lowest : static_cast<std::int64_t>(ns);
        }
    }

    std::int64_t ns_ = 0;
};

static_assert(std::is_trivially_copyable_v<Duration> && sizeof(Duration) == sizeof(std::int64_t));

/// For people, exact: "0.1 s", "90 s", "-0.000000001 s"; "for ever" if it is no limit.
std::string to_string(Duration duration);

/// Tag of the loop's clock: monotonic, virtual in tests. Ask the loop for the time; there is no now() here.
struct Clock {
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<Clock, duration>;
    static constexpr bool is_steady = true;
};

/// A moment on the loop's clock. TimePoint::max() means never.
using TimePoint = std::chrono::time_point<Clock, std::chrono::nanoseconds>;

/// The moment `by` later; never, if that is out of range or `by` is for ever.
constexpr TimePoint operator+(TimePoint at, Duration by) noexcept {
    return TimePoint((Duration(at.time_since_epoch()) + by).to_chrono());
}
constexpr TimePoint operator-(TimePoint at, Duration by) noexcept {
    return TimePoint((Duration(at.time_since_epoch()) - by).to_chrono());
}
// Better matches than the standard library's operators, which overflow.
template <class Rep, class Period>
constexpr TimePoint operator+(const TimePoint& at, const std::chrono::duration<Rep, Period>& by) {
    return at + Duration(by);
}
template <class Rep, class Period>
constexpr TimePoint operator+(const std::chrono::duration<Rep, Period>& by, const TimePoint& at) {
    return at + Duration(by);
}
template <class Rep, class Period>
constexpr TimePoint operator-(const TimePoint& at, const std::chrono::duration<Rep, Period>& by) {
    return at - Duration(by);
}
/// How long from `now` to `at`: negative when past, for ever when `at` is never.
constexpr Duration time_until(TimePoint at, TimePoint now) noexcept {
    return Duration(at.time_since_epoch()) - Duration(now.time_since_epoch());
}

}}  // namespace asyncio::v1
