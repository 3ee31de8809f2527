// The timers' queue against a plain sorted list: exact order, ties in order of creation, whatever comes and
// goes.
#include "detail/timer_queue.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <random>
#include <vector>

namespace asyncio::test { namespace {

using detail::Timer;
using detail::TimerQueue;

constexpr detail::LeafOps no_ops{nullptr, nullptr, "test"};

struct Model {
    std::uint64_t deadline;
    std::uint64_t sequence;
    Timer* sleeper;
};

/// A queue and what it must do.
class Pair {
  public:
    ~Pair() {
        while (!expected_.empty()) pop();
    }
    std::size_t size() const { return expected_.size(); }
    void arm(std::uint64_t deadline) {
        sleepers_.emplace_back(&no_ops);
        queue_.insert(&sleepers_.back(), deadline);
        const Model made{deadline, next_++, &sleepers_.back()};
        const auto later = [](const Model& a, const Model& b) {
            return a.deadline != b.deadline ? a.deadline < b.deadline : a.sequence < b.sequence;
        };
        expected_.insert(std::upper_bound(expected_.begin(), expected_.end(), made, later), made);
    }
    void withdraw(std::size_t which) {
        queue_.erase(expected_[which].sleeper);
        expected_.erase(expected_.begin() + static_cast<std::ptrdiff_t>(which));
    }
    void look() {
        const std::uint64_t first = expected_.empty() ? ~std::uint64_t{0} : expected_.front().deadline;
        ASSERT_LE(queue_.deadline_bound(), first);
        ASSERT_EQ(queue_.next_deadline(), first);
        ASSERT_EQ(queue_.size(), expected_.size());
    }
    void pop() {
        const auto got = reinterpret_cast<Timer*>(queue_.pop().word() & ~std::uintptr_t{detail::tag_mask});
        ASSERT_EQ(got, expected_.front().sleeper)
            << "deadline " << expected_.front().deadline << ", made as number " << expected_.front().sequence;
        ASSERT_FALSE(got->armed());
        expected_.erase(expected_.begin());
    }
    void advance(std::uint64_t now) {
        while (!expected_.empty() && expected_.front().deadline <= now) {
            look();
            pop();
            if (::testing::Test::HasFatalFailure()) return;
        }
        look();
        queue_.advance(now);
    }
    std::uint64_t first() const { return expected_.empty() ? 0 : expected_.front().deadline; }

  private:
    TimerQueue queue_;
    std::deque<Timer> sleepers_;
    std::vector<Model> expected_;
    std::uint64_t next_ = 0;
};

TEST(TimerQueue, GivesTimersInOrderOfTheirDeadlines) {
    Pair pair;
    for (const std::uint64_t each : {30u, 10u, 20u}) pair.arm(each);
    pair.advance(100);
    EXPECT_EQ(pair.size(), 0u);
}

TEST(TimerQueue, EqualDeadlinesComeInOrderOfCreationAlsoWhenTheyWereMadeFromFarAndNear) {
    Pair pair;
    const std::uint64_t due = std::uint64_t{1} << 40;
    std::uint64_t now = 1;
    pair.advance(now);
    for (unsigned shift = 39; shift > 2; --shift) {
        pair.arm(due);
        pair.arm(due + 1);
        pair.look();  // seals the slot, so the next ones may go into the heap
        pair.arm(due);
        now = due - (std::uint64_t{1} << shift);
        pair.advance(now);
    }
    pair.advance(due + 1);
    EXPECT_EQ(pair.size(), 0u);
}

TEST(TimerQueue, AFarTimerDoesNotDisturbNearOnes) {
    Pair pair;
    pair.arm(std::uint64_t{3600} * 1'000'000'000);
    pair.look();
    pair.arm(std::uint64_t{3600} * 1'000'000'000);
    for (std::uint64_t i = 1; i < 500; ++i) {
        pair.arm(i * 1'000'000 + 5);
        pair.arm(i * 1'000'000 + 3);
        pair.advance(i * 1'000'000 + 4);
    }
}

TEST(TimerQueue, TheEndOfTimeIsADeadlineToo) {
    Pair pair;
    pair.arm(~std::uint64_t{0});
    pair.arm(std::uint64_t{1} << 63);
    pair.arm(0);
    pair.advance(std::uint64_t{1} << 62);
    EXPECT_EQ(pair.size(), 2u);
}

TEST(TimerQueue, AgreesWithASortedListWhateverComesAndGoes) {
    // Deadlines from the same instant to years away, many of them equal; withdrawals anywhere, of the first
    // above all; looks that seal slots at any time.
    for (std::uint32_t seed = 1; seed <= 60; ++seed) {
        std::mt19937_64 random(seed);
        const auto below = [&](std::uint64_t limit) { return random() % limit; };
        Pair pair;
        std::uint64_t now = 1'000'000'000;
        pair.advance(now);
        for (int step = 0; step < 1500 && !HasFatalFailure(); ++step) {
            const std::uint64_t kind = below(100);
            if (kind < 50) {
                const std::uint64_t spread = std::uint64_t{1} << below(46);
                const std::uint64_t coarse = std::uint64_t{1} << below(24);
                pair.arm(now + below(spread) / coarse * coarse);
            } else if (kind < 60 && pair.size() != 0) {
                pair.arm(pair.first() + below(2));
            } else if (kind < 75 && pair.size() != 0) {
                pair.withdraw(below(pair.size()));
            } else if (kind < 82 && pair.size() != 0) {
                pair.withdraw(0);
            } else if (kind < 90) {
                pair.look();
            } else {
                now += below(std::uint64_t{1} << below(36));
                pair.advance(now);
            }
        }
        ASSERT_FALSE(HasFatalFailure()) << "seed " << seed;
    }
}

TEST(TimerQueue, WithdrawingInAnyOrderKeepsTheRest) {
    for (const std::size_t step : {std::size_t{1}, std::size_t{7}, std::size_t{97}}) {
        Pair pair;
        for (std::uint64_t i = 0; i < 1000; ++i) pair.arm(50'000'000 + i % 37 * 1000);
        std::size_t at = 0;
        while (pair.size() > 20 && !HasFatalFailure()) {
            at = (at + step) % pair.size();
            pair.withdraw(at);
        }
        pair.advance(1'000'000'000);
    }
}

}}  // namespace asyncio::test
