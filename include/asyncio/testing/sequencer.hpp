// Sequencer: blocks of several tasks, in an order that the test writes down.
#pragma once
#include <exception>
#include <map>
#include <set>
#include <utility>

#include "asyncio/core/coro.hpp"
#include "asyncio/task/detail/ready.hpp"
#include "asyncio/task/future.hpp"

namespace asyncio { inline namespace v1 { namespace testing {

/// Makes blocks run in the order of their numbers, whichever task they are in: block n + 1 begins when block
/// n has ended.
///
///     co_await with(seq(0), [&]() -> Coro<> { … });      // a block
///     { auto turn = co_await seq(2).turn(); … }          // the same, as a guard
///     co_await seq(3).pass();                            // a point in the order, without a block
///
/// Each number is used once. If a task is cancelled while it waits for its turn the sequence is broken: all
/// others that wait, or come later, get a RuntimeError.
///
/// Threads     loop thread only
/// Lifetime    must outlive its blocks
/// Python      Trio's Sequencer
class Sequencer {
  public:
    Sequencer() = default;
    Sequencer(const Sequencer&) = delete;
    Sequencer& operator=(const Sequencer&) = delete;

    /// A block that has its turn; ends it when it goes.
    class [[nodiscard("the turn ends when this goes: auto turn = co_await seq(n).turn()")]] Turn {
      public:
        explicit Turn(Sequencer* sequencer, unsigned position) noexcept
            : sequencer_(sequencer), position_(position) {}
        Turn(Turn&& other) noexcept
            : sequencer_(std::exchange(other.sequencer_, nullptr)), position_(other.position_) {}
        Turn& operator=(Turn&&) = delete;
        ~Turn() {
            if (sequencer_ != nullptr) sequencer_->end(position_);
        }

      private:
        Sequencer* sequencer_;
        unsigned position_;
    };

    /// One place in the order: what `seq(n)` gives. A scope for `with`.
    class Point {
      public:
        explicit Point(Sequencer* sequencer, unsigned position) noexcept
            : sequencer_(sequencer), position_(position) {}

        /// Waits for the turn; it lasts as long as the result.
        ///
        /// Throws      RuntimeError  the number was used already, or the sequence is broken
        /// Suspends    unless it is its turn
        /// Cancel      breaks the sequence
        /// Threads     loop thread
        Coro<Turn> turn() const { return wait_turn(sequencer_, position_); }
        /// Waits for the turn and ends it.
        ///
        /// Throws      RuntimeError  as turn()
        /// Suspends    unless it is its turn
        /// Cancel      breaks the sequence
        /// Threads     loop thread
        Coro<> pass() const { return pass_turn(sequencer_, position_); }
        Coro<> aenter() const { return enter(sequencer_, position_); }
        asyncio::detail::Ready aexit(const std::exception_ptr&) const noexcept {
            sequencer_->end(position_);
            return asyncio::detail::Ready();
        }

      private:
        Sequencer* sequencer_;
        unsigned position_;
    };

    /// The place numbered `position`; 0 is the first.
    Point operator()(unsigned position) noexcept { return Point(this, position); }

  private:
    static Coro<> enter(Sequencer* sequencer, unsigned position);
    static Coro<Turn> wait_turn(Sequencer* sequencer, unsigned position);
    static Coro<> pass_turn(Sequencer* sequencer, unsigned position);
    void end(unsigned position) noexcept;
    void break_up() noexcept;
    static void wake(const Future<>& turn) noexcept;

    std::set<unsigned> used_;
    std::map<unsigned, Future<>> waiting_;  // for their turn, by number
    unsigned next_ = 0;                     // whose turn it is, or comes when the block before it ends
    bool broken_ = false;
};

}}}  // namespace asyncio::v1::testing
