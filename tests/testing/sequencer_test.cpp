#include "asyncio/testing/sequencer.hpp"

#include <chrono>
#include <optional>
#include <string>

#include "asyncio/asyncio.hpp"
#include "asyncio/testing/wait_all_tasks_blocked.hpp"
#include "support/loop_fixture.hpp"

namespace asyncio { namespace {

using namespace std::chrono_literals;
using asyncio::testing::Sequencer;
using asyncio::testing::wait_all_tasks_blocked;

class SequencerOn : public test::BackendTest {};
ASYNCIO_ON_EVERY_BACKEND(SequencerOn);

TEST_P(SequencerOn, RunsBlocksOfSeveralTasksInTheOrderOfTheirNumbers) {
    run([]() -> Coro<> {
        Sequencer seq;
        std::string log;
        const auto even = [](Sequencer* order, std::string* text) -> Coro<> {
            co_await with((*order)(0), [&] { *text += '0'; });
            co_await with((*order)(2), [&]() -> Coro<> {
                co_await sleep(1ms);
                *text += '2';
            });
            auto turn = co_await (*order)(4).turn();
            co_await sleep(0s);
            *text += '4';
        };
        const auto odd = [](Sequencer* order, std::string* text) -> Coro<> {
            co_await (*order)(1).pass();
            *text += '1';
            co_await with((*order)(3), [&] { *text += '3'; });
            co_await with((*order)(5), [&] { *text += '5'; });
        };
        auto second = create_task(odd, &seq, &log);
        auto first = create_task(even, &seq, &log);
        co_await gather(first, second);
        // 1 ends its turn before it writes, so 2 may begin, but 2 sleeps first.
        EXPECT_EQ(log, "012345");
    });
}

TEST_P(SequencerOn, ABlockThatThrowsEndsItsTurn) {
    run([]() -> Coro<> {
        Sequencer seq;
        bool thrown = false;
        try {
            co_await with(seq(0), [] { throw ValueError("in the block"); });
        } catch (const ValueError&) {
            thrown = true;
        }
        EXPECT_TRUE(thrown);
        co_await seq(1).pass();
    });
}

TEST_P(SequencerOn, ANumberIsUsedOnce) {
    run([]() -> Coro<> {
        Sequencer seq;
        co_await seq(0).pass();
        bool refused = false;
        try {
            co_await seq(0).pass();
        } catch (const RuntimeError&) {
            refused = true;
        }
        EXPECT_TRUE(refused);
    });
}

TEST_P(SequencerOn, ACancelledWaiterBreaksTheSequenceForTheOthers) {
    run([]() -> Coro<> {
        Sequencer seq;
        const auto take = [](Sequencer* order, unsigned position) -> Coro<> {
            co_await (*order)(position).pass();
        };
        auto first = create_task(take, &seq, 1u);
        auto second = create_task(take, &seq, 2u);
        co_await wait_all_tasks_blocked();
        first.cancel();
        co_await wait_all_tasks_blocked();
        EXPECT_TRUE(first.cancelled());
        EXPECT_TRUE(second.done());
        EXPECT_TRUE(exception_cast<RuntimeError>(second.exception()) != nullptr);
        bool refused = false;
        try {
            co_await seq(0).pass();
        } catch (const RuntimeError&) {
            refused = true;
        }
        EXPECT_TRUE(refused);
    });
}

// A guard's destructor cannot refuse: it works for the loop of whoever waits.
TEST_P(SequencerOn, ATurnMayEndInsideAnotherLoop) {
    EventLoop loop({.backend = backend()});
    Sequencer seq;
    std::optional<Sequencer::Turn> turn;
    std::optional<Task<>> waiting;
    const auto start = [&]() -> Coro<> {
        turn.emplace(co_await seq(0).turn());
        const auto take = [](Sequencer* order) -> Coro<> { co_await (*order)(1).pass(); };
        waiting.emplace(create_task(take, &seq));
        co_await wait_all_tasks_blocked();
    };
    loop.run_until_complete(start());
    run([&]() -> Coro<> {
        turn.reset();
        co_return;
    });
    EXPECT_FALSE(waiting->done()) << "it goes on in a step of its own loop";
    const auto finish = [&]() -> Coro<> { co_await *waiting; };
    loop.run_until_complete(finish());
    test::expect_nothing_left(loop);
    loop.close();
}

}}  // namespace asyncio
