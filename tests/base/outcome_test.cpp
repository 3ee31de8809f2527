#include "asyncio/base/outcome.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace asyncio;

template <class E>
std::exception_ptr ptr(E e) {
    return std::make_exception_ptr(std::move(e));
}

struct ThrowsWhenMoved {
    ThrowsWhenMoved() = default;
    ThrowsWhenMoved(const ThrowsWhenMoved&) = default;
    ThrowsWhenMoved(ThrowsWhenMoved&&) noexcept(false) {
        if (armed) throw ValueError("moved");
    }
    ThrowsWhenMoved& operator=(const ThrowsWhenMoved&) = default;
    static inline bool armed = false;
};

TEST(Outcome, IsAValueOrTheFailureInItsPlace) {
    const Outcome<std::string> good("page");
    EXPECT_TRUE(good);
    EXPECT_TRUE(good.has_value());
    EXPECT_EQ(good.value(), "page");
    EXPECT_EQ(*good, "page");
    EXPECT_EQ(good->size(), 4u);
    EXPECT_EQ(good.error(), nullptr);
    EXPECT_EQ(good.what(), "");
    EXPECT_FALSE(good.cancelled());

    const Outcome<std::string> bad(ptr(ValueError("no page")));
    EXPECT_FALSE(bad);
    EXPECT_EQ(bad.what(), "no page");
    EXPECT_THROW(static_cast<void>(bad.value()), ValueError);
    EXPECT_NE(bad.error(), nullptr);
}

TEST(Outcome, IsNeverAnAggregateAndTestsAsABoolOnlyWhereAsked) {
    static_assert(!std::is_aggregate_v<Outcome<int>> && !std::is_aggregate_v<Outcome<void>>);
    static_assert(!std::is_convertible_v<Outcome<int>, bool>);
    static_assert(!std::is_default_constructible_v<Outcome<int>>);
    static_assert(std::is_nothrow_move_constructible_v<Outcome<std::string>>);
    static_assert(std::is_copy_constructible_v<Outcome<std::string>>);
    static_assert(!std::is_copy_constructible_v<Outcome<std::unique_ptr<int>>>);
}

TEST(Outcome, TellsTheKindOfFailureWithoutAThrow) {
    const Outcome<int> reset(ptr(ConnectionResetError("gone")));
    ASSERT_NE(reset.error_as<ConnectionError>(), nullptr);
    EXPECT_STREQ(reset.error_as<ConnectionError>()->what(), "gone");
    EXPECT_EQ(reset.error_as<ValueError>(), nullptr);
    EXPECT_EQ(Outcome<int>(1).error_as<std::exception>(), nullptr);

    const Outcome<int> cancelled(ptr(CancelledError("stop")));
    EXPECT_TRUE(cancelled.cancelled());
    EXPECT_EQ(cancelled.what(), "stop");
    EXPECT_EQ(Outcome<int>(ptr(42)).what(), "unknown exception of type int");
}

TEST(Outcome, HoldsTypesThatOnlyMove) {
    Outcome<std::unique_ptr<int>> made(std::make_unique<int>(7));
    Outcome<std::unique_ptr<int>> moved = std::move(made);
    EXPECT_EQ(**moved, 7);
    const std::unique_ptr<int> taken = std::move(moved).value();
    EXPECT_EQ(*taken, 7);
}

TEST(Outcome, IsReturnedFromAFunctionAsEither) {
    auto divide = [](int a, int b) -> Outcome<int> {
        if (b == 0) return ptr(ValueError("division by zero"));
        return a / b;
    };
    EXPECT_EQ(*divide(6, 3), 2);
    EXPECT_EQ(divide(1, 0).what(), "division by zero");
    EXPECT_EQ(divide(1, 0).value_or(-1), -1);
    EXPECT_EQ(divide(4, 2).value_or(-1), 2);
}

TEST(Outcome, AMovedFromFailureIsStillAFailure) {
    Outcome<std::string> bad(ptr(ValueError("x")));
    Outcome<std::string> other = std::move(bad);
    EXPECT_FALSE(bad.has_value());
    EXPECT_FALSE(other.has_value());
    Outcome<std::string> assigned("value");
    assigned = std::move(bad);
    EXPECT_FALSE(bad.has_value());
    EXPECT_EQ(assigned.what(), "x");
}

TEST(Outcome, AssignmentChangesBetweenValueAndFailureAndLeaksNothing) {
    auto counted = std::make_shared<int>(1);
    Outcome<std::shared_ptr<int>> outcome(counted);
    EXPECT_EQ(counted.use_count(), 2);
    const Outcome<std::shared_ptr<int>> failure(ptr(ValueError("x")));
    outcome = failure;
    EXPECT_EQ(counted.use_count(), 1);
    EXPECT_EQ(outcome.what(), "x");
    outcome = counted;
    EXPECT_EQ(counted.use_count(), 2);
    const auto copy = outcome;
    EXPECT_EQ(counted.use_count(), 3);
    outcome = *&outcome;
    EXPECT_EQ(**outcome, 1);
    EXPECT_EQ(counted.use_count(), 3);
}

TEST(Outcome, AMoveThatThrowsLeavesThatFailureAndNoBrokenValue) {
    Outcome<ThrowsWhenMoved> target{ThrowsWhenMoved()};
    Outcome<ThrowsWhenMoved> source{ThrowsWhenMoved()};
    ThrowsWhenMoved::armed = true;
    EXPECT_THROW(target = std::move(source), ValueError);
    ThrowsWhenMoved::armed = false;
    EXPECT_EQ(target.what(), "moved");
}

TEST(Outcome, AnExceptionPointerMayBeTheValue) {
    const Outcome<std::exception_ptr> value(std::in_place, ptr(1));
    EXPECT_TRUE(value.has_value());
    const Outcome<std::exception_ptr> failure(ptr(1));
    EXPECT_FALSE(failure.has_value());
}

TEST(Outcome, OfVoidIsSuccessOrFailure) {
    const Outcome<void> done;
    EXPECT_TRUE(done);
    EXPECT_NO_THROW(done.value());
    *done;
    const Outcome<void> failed(ptr(TimeoutError()));
    EXPECT_FALSE(failed);
    EXPECT_THROW(failed.value(), TimeoutError);
    EXPECT_EQ(failed.what(), "timed out");
}

TEST(Outcome, Nests) {
    const Outcome<Outcome<int>> both = Outcome<int>(3);
    EXPECT_EQ(**both, 3);
    const Outcome<Outcome<int>> inner = Outcome<int>(ptr(1));
    EXPECT_TRUE(inner.has_value());
    EXPECT_FALSE(inner->has_value());
    const Outcome<Outcome<int>> outer = ptr(1);
    EXPECT_FALSE(outer.has_value());
    static_assert(!std::is_constructible_v<Outcome<bool>, Outcome<int>>, "its test would be its value");
}

TEST(Outcome, LivesInVectors) {
    std::vector<Outcome<std::string>> all;
    for (int i = 0; i < 20; ++i) {
        if (i % 2 == 0) {
            all.emplace_back("value " + std::to_string(i));
        } else {
            all.emplace_back(ptr(ValueError(std::to_string(i))));
        }
    }
    EXPECT_EQ(*all[18], "value 18");
    EXPECT_EQ(all[19].what(), "19");
}

TEST(OutcomeDeathTest, NeitherValueNorErrorIsRefused) {
    EXPECT_DEATH(static_cast<void>(Outcome<int>(std::exception_ptr())), "neither value nor error");
    const Outcome<int> bad(ptr(1));
    EXPECT_DEATH(static_cast<void>(*bad), "holds an error");
}

}  // namespace
