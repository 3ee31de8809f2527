#include "asyncio/base/duration.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "asyncio/base/error.hpp"

namespace {

using namespace std::chrono_literals;
using asyncio::Duration;
using asyncio::TimePoint;

struct Options {
    Duration timeout = Duration::none();
};

constexpr std::int64_t ns(Duration d) { return d.count_ns(); }

TEST(Duration, IsMadeFromAnyChronoDurationWhereOptionsAreWritten) {
    constexpr Options options{.timeout = 1.5s};
    static_assert(options.timeout.count_ns() == 1'500'000'000);
    static_assert(ns(2h) == 7'200'000'000'000 && ns(3us) == 3000 && ns(-5ms) == -5'000'000);
    static_assert(Duration() == 0s);
    EXPECT_EQ(Duration(90s), 1.5min);
    EXPECT_LT(Duration(1ms), 1s);
    EXPECT_DOUBLE_EQ(Duration(2500ms).seconds(), 2.5);
    EXPECT_EQ(Duration(5us).to_chrono(), 5000ns);
}

TEST(Duration, IsNotMadeFromABareNumber) {
    static_assert(!std::is_constructible_v<Duration, int> && !std::is_convertible_v<int, Duration>);
    static_assert(!std::is_constructible_v<Duration, double> && !std::is_convertible_v<double, Duration>);
    static_assert(!std::is_constructible_v<Duration, bool>);
    static_assert(std::is_trivially_copyable_v<Duration> && std::is_trivially_destructible_v<Duration>);
}

TEST(Duration, AMomentAndAnyDurationMakeAMomentThatDoesNotWrapAround) {
    constexpr TimePoint never = TimePoint::max();
    static_assert(never + 5s == never && never - 5s == never && 5s + never == never);
    constexpr TimePoint one = TimePoint(1s);
    static_assert(one + 1.5s == TimePoint(2500ms) && one + 300 * 365 * 24h == never &&
                  one - 1s == TimePoint(0s));
    EXPECT_EQ(one + Duration(2s), TimePoint(3s));
}

TEST(Duration, RoundsUpSoThatNothingEndsEarly) {
    using Third = std::chrono::duration<int, std::ratio<1, 3>>;
    using Frame = std::chrono::duration<int, std::ratio<1, 60>>;
    using Pico = std::chrono::duration<std::int64_t, std::pico>;
    static_assert(ns(Third(1)) == 333'333'334);
    static_assert(ns(Third(3)) == 1'000'000'000);
    static_assert(ns(Third(-1)) == -333'333'333);
    static_assert(ns(Frame(1)) == 16'666'667);
    static_assert(ns(Pico(1)) == 1 && ns(Pico(1000)) == 1 && ns(Pico(1001)) == 2 && ns(Pico(-1)) == 0);
    static_assert(ns(std::chrono::duration<double, std::nano>(0.1)) == 1);
    static_assert(ns(std::chrono::duration<double, std::nano>(-0.9)) == 0);
    static_assert(ns(std::chrono::duration<double, std::nano>(-1.5)) == -1);
}

TEST(Duration, DecimalFractionsAreWhatTheySay) {
    for (int ms = 0; ms <= 100'000; ++ms) {
        const std::int64_t expected = std::int64_t{ms} * 1'000'000;
        ASSERT_EQ(ns(std::chrono::duration<double>(ms / 1000.0)), expected) << ms;
        ASSERT_EQ(ns(std::chrono::duration<double, std::milli>(ms)), expected) << ms;
    }
    EXPECT_EQ(Duration(0.1s), 100ms);
    EXPECT_EQ(Duration(0.3s), 300ms);
    EXPECT_EQ(Duration(1.1s), 1100ms);
}

TEST(Duration, SaturatesInsteadOfOverflowing) {
    using Years = std::chrono::duration<std::int64_t, std::ratio<31'556'952>>;
    static_assert(Duration(Years(1'000'000)) == Duration::max());
    static_assert(Duration(Years(-1'000'000)) == Duration::min());
    static_assert(Duration(std::chrono::hours::max()) == Duration::max());
    static_assert(Duration(std::chrono::seconds::min()) == Duration::min());
    static_assert(Duration(std::chrono::duration<std::uint64_t>(~std::uint64_t{0})) == Duration::max());
    constexpr double infinity = std::numeric_limits<double>::infinity();
    static_assert(Duration(std::chrono::duration<double>(infinity)) == Duration::max());
    static_assert(Duration(std::chrono::duration<double>(-infinity)) == Duration::min());
    static_assert(Duration(std::chrono::duration<float>(1e30f)) == Duration::max());
    static_assert(Duration(std::chrono::duration<double>(9223372036.0)).has_value());
    static_assert(Duration(std::chrono::duration<double>(9223372037.0)) == Duration::max());
    static_assert(Duration(std::chrono::nanoseconds::max()).is_infinite());
}

TEST(Duration, RefusesWhatIsNotANumber) {
    EXPECT_THROW(Duration(std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN())),
                 asyncio::ValueError);
    EXPECT_THROW(Duration(std::chrono::duration<float>(std::numeric_limits<float>::quiet_NaN())),
                 asyncio::ValueError);
}

TEST(Duration, NoneMeansNoLimitAndStaysSo) {
    static_assert(!Options().timeout.has_value());
    static_assert(Duration::none().is_infinite() && Duration::none() == Duration::max());
    static_assert(Duration::none() + Duration(1s) == Duration::none());
    static_assert(Duration::none() - Duration(1s) == Duration::none());
    static_assert(Duration::none() + Duration::min() == Duration::none());
    static_assert(Duration(0s).has_value());
}

TEST(Duration, AddsAndSubtractsWithinItsRange) {
    static_assert(Duration(1s) + 500ms == 1.5s);
    static_assert(1s + Duration(500ms) == 1.5s);
    static_assert(Duration(1s) - 3s == -2s);
    static_assert(Duration::min() - Duration(1s) == Duration::min());
    static_assert(Duration::from_ns(std::numeric_limits<std::int64_t>::max() - 1) + Duration(1s) ==
                  Duration::max());
    static_assert(Duration::min() + Duration(-1s) == Duration::min());
    Duration sum = 1s;
    sum += 1s;
    sum -= 500ms;
    EXPECT_EQ(sum, 1500ms);
}

TEST(Duration, IsWrittenInSecondsWithoutNeedlessDigits) {
    EXPECT_EQ(to_string(Duration(100ms)), "0.1 s");
    EXPECT_EQ(to_string(Duration(0s)), "0 s");
    EXPECT_EQ(to_string(Duration(90s)), "90 s");
    EXPECT_EQ(to_string(Duration(1050ms)), "1.05 s");
    EXPECT_EQ(to_string(Duration(-1ns)), "-0.000000001 s");
    EXPECT_EQ(to_string(Duration::min()), "-9223372036.854775808 s");
    EXPECT_EQ(to_string(Duration::none()), "for ever");
}

TEST(TimePoint, MovesByADurationAndNeverStaysNever) {
    constexpr TimePoint start{std::chrono::nanoseconds(100)};
    static_assert((start + Duration(1us)).time_since_epoch() == 1100ns);
    static_assert((start - Duration(50ns)).time_since_epoch() == 50ns);
    static_assert(start + Duration::none() == TimePoint::max());
    static_assert(TimePoint::max() - Duration(1s) == TimePoint::max());
    static_assert(asyncio::time_until(start + Duration(1s), start) == 1s);
    static_assert(asyncio::time_until(start, start + Duration(1s)) == -1s);
    static_assert(asyncio::time_until(TimePoint::max(), start).is_infinite());
    EXPECT_EQ(start + 5ns, TimePoint(105ns)) << "the chrono arithmetic works as well";
}

}  // namespace
