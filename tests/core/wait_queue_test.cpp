// WaitQueue, by a primitive of a user's own: a gate.
#include "asyncio/core/wait_queue.hpp"

#include <gtest/gtest.h>

#include "sync/sync_support.hpp"

namespace asyncio::sync_test { namespace {

class WaitQueueTest : public SimulatedTest {};

/// Lets one through for each ticket; who is cancelled although it had one leaves it to the next.
class Gate {
  public:
    class Pass : public Parking<Pass> {
      public:
        explicit Pass(Gate& gate) noexcept : Parking(kind), gate_(&gate) {}
        bool await_ready() noexcept { return gate_->tickets_ != 0 && may_go_on() && gate_->use_ticket(); }
        void start() noexcept {
            if (gate_->tickets_ != 0) return yield_to_turn();
            park(gate_->queue_);
        }
        void await_resume() {
            if (!suspended()) return;
            leave();
            if (cancelled() && woken()) gate_->give();
            throw_if_cancelled();
            if (yielded()) gate_->use_ticket();
        }

      private:
        static bool go_on(WaitPlace& place) noexcept {
            auto& me = static_cast<Pass&>(place);
            if (me.cancelled() || me.gate_->tickets_ != 0) return true;
            me.park(me.gate_->queue_);
            return false;
        }
        static constexpr WaitKind kind{"Gate.pass", &go_on};
        Gate* gate_;
    };

    Pass pass() noexcept { return Pass(*this); }
    void give() noexcept {
        if (!queue_.unpark_one()) ++tickets_;
    }
    void open() noexcept { queue_.unpark_all(); }
    WaitQueue& queue() { return queue_; }
    int tickets() const { return tickets_; }

  private:
    bool use_ticket() noexcept { return tickets_-- > 0; }

    WaitQueue queue_;
    int tickets_ = 0;
};

Coro<> passes(Gate& gate, Log& log, std::string name) {
    co_await gate.pass();
    log.push_back(name);
}

TEST_F(WaitQueueTest, WakesInTheOrderOfComingInTheNextPass) {
    run([]() -> Coro<> {
        Gate gate;
        Log log;
        const auto a = create_task(passes(gate, log, "a"));
        const auto b = create_task(passes(gate, log, "b"));
        const auto c = create_task(passes(gate, log, "c"));
        co_await settle();
        EXPECT_EQ(gate.queue().waiting(), 3u);
        gate.give();
        EXPECT_EQ(gate.queue().waiting(), 2u);
        EXPECT_EQ(gate.queue().woken(), 1u);
        EXPECT_TRUE(log.empty());
        co_await sleep(0s);
        EXPECT_EQ(log, Log{"a"});
        EXPECT_EQ(gate.queue().woken(), 0u);
        gate.open();
        EXPECT_TRUE(gate.queue().idle());
        co_await gather(a, b, c);
        EXPECT_EQ(log, (Log{"a", "b", "c"}));
    });
}

TEST_F(WaitQueueTest, AWaiterCanLookAgainInItsTurnAndGoOnWaiting) {
    run([]() -> Coro<> {
        Gate gate;
        for (int i = 0; i < 129; ++i) gate.give();
        for (int i = 0; i < 128; ++i) co_await gate.pass();
        Log log;
        const auto late = create_task(passes(gate, log, "late"));
        const auto thief = create_task([&]() -> Coro<> {
            co_await gate.pass();
            log.push_back("thief");
        });
        co_await sleep(0s);
        EXPECT_EQ(log, Log{"late"});
        gate.give();
        co_await gather(late, thief);
    });
}

TEST_F(WaitQueueTest, ACancelledOneGivesItsPlaceUpAtOnceAndAWokenOneDecidesItself) {
    run([]() -> Coro<> {
        Gate gate;
        Log log;
        const auto a = create_task(passes(gate, log, "a"));
        const auto b = create_task(passes(gate, log, "b"));
        const auto c = create_task(passes(gate, log, "c"));
        co_await settle();
        a.cancel();
        EXPECT_EQ(gate.queue().waiting(), 2u);
        gate.give();
        b.cancel();
        co_await c;
        EXPECT_TRUE(a.cancelled() && b.cancelled());
        EXPECT_EQ(log, Log{"c"});
    });
}

TEST_F(WaitQueueTest, TheTaskListSaysWhatIsWaitedFor) {
    run([]() -> Coro<> {
        Gate gate;
        Log log;
        const auto a = create_task(passes(gate, log, "a"));
        co_await settle();
        EXPECT_FALSE(a.done());
        gate.give();
        co_await a;
    });
}

TEST(WaitQueueDeathTest, WakingFromAnotherThreadIsAnAssertion) {
    EXPECT_DEATH(asyncio::run([]() -> Coro<> {
                     Gate gate;
                     const auto task = create_task([&]() -> Coro<> { co_await gate.pass(); });
                     co_await sleep(0s);
                     co_await to_thread([&] { gate.give(); });
                     co_await task;
                 }),
                 "used outside of the loop whose tasks wait for it");
}

TEST_F(WaitQueueTest, CancelledAtEachStepNoTicketIsLost) {
    test::expect_each_cancel_point(
        []() -> Coro<> {
            Gate gate;
            Log log;
            std::exception_ptr error;
            int given = 0;
            try {
                co_await with(TaskGroup{}, [&](TaskGroup& group) -> Coro<> {
                    for (int i = 0; i < 3; ++i) group.create_task(passes(gate, log, "x"));
                    for (; given < 3; ++given) {
                        gate.give();
                        co_await sleep(0s);
                    }
                });
            } catch (...) {
                error = std::current_exception();
            }
            EXPECT_LE(gate.tickets() + static_cast<int>(log.size()), given + 1);
            EXPECT_GE(gate.tickets() + static_cast<int>(log.size()), given);
            if (error != nullptr) std::rethrow_exception(error);
        },
        asyncio::testing::CancelPointOptions{.twice = true, .seeds = 3});
}

}}  // namespace asyncio::sync_test
