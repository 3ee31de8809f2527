// Memory channels: ends, their closing, and that nobody overtakes.
#include "asyncio/sync/memory_channel.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "sync/sync_support.hpp"

namespace asyncio::sync_test { namespace {

class ChannelTest : public SimulatedTest {};
class ChannelOnBackends : public test::BackendTest {};
ASYNCIO_ON_EVERY_BACKEND(ChannelOnBackends);

Coro<> sends(MemorySendChannel<int> end, int from, int to) {
    for (int i = from; i < to; ++i) co_await end.send(i);
}
Coro<int> sums(MemoryReceiveChannel<int> end) {
    int sum = 0;
    while (auto item = co_await end.next()) sum += *item;
    co_return sum;
}

TEST_P(ChannelOnBackends, ThoseWhoReceiveComeToAnEndWhenAllWhoSendHaveGone) {
    for (const std::size_t size : {0u, 1u, 10u}) {
        run([&]() -> Coro<> {
            auto ends = open_memory_channel<int>(size);
            const auto a = create_task(sends(ends.send.clone(), 0, 50));
            const auto b = create_task(sends(ends.send.clone(), 50, 101));
            ends.send.close();
            const auto x = create_task(sums(ends.receive.clone()));
            const auto y = create_task(sums(ends.receive.clone()));
            ends.receive.close();
            co_await gather(a, b);
            const int first = co_await x;
            const int second = co_await y;
            EXPECT_EQ(first + second, 5050);
        });
    }
}

TEST_F(ChannelTest, WithoutABufferWhoSendsWaitsUntilItIsReceived) {
    run([]() -> Coro<> {
        auto [send, receive] = open_memory_channel<int>(0);
        const auto sender = create_task(sends(std::move(send), 1, 2));
        co_await settle();
        EXPECT_FALSE(sender.done());
        EXPECT_EQ(receive.statistics().tasks_waiting_send, 1u);
        const int item = co_await receive.receive();
        EXPECT_EQ(item, 1);
        co_await sender;
        const std::string end = co_await outcome_of(wait_for(receive.receive(), 1s));
        EXPECT_EQ(end, "all sending ends of the channel are closed");
    });
}

TEST_F(ChannelTest, NobodyOvertakesWhoWasWoken) {
    run([]() -> Coro<> {
        auto [send, receive] = open_memory_channel<int>(5);
        std::optional<int> got;
        auto own = receive.clone();
        const auto waiter = create_task([&]() -> Coro<> { got = co_await own.next(); });
        co_await settle();
        send.send_nowait(1);
        EXPECT_EQ(receive.statistics().current_buffer_used, 0u);
        EXPECT_THROW(receive.receive_nowait(), WouldBlock);
        co_await waiter;
        EXPECT_EQ(got, 1);
    });
}

TEST_F(ChannelTest, ANewcomerIsGivenWhatComesAfterTheItemsOfThoseWhoWereWoken) {
    run([]() -> Coro<> {
        for (const std::size_t size : {0u, 5u}) {
            auto [send, receive] = open_memory_channel<int>(size);
            Log log;
            const auto receives = [](MemoryReceiveChannel<int> end, std::string name, Log* to) -> Coro<> {
                const int item = co_await end.receive();
                to->push_back(name + std::to_string(item));
            };
            const auto a = create_task(receives(receive.clone(), "a", &log));
            const auto b = create_task(receives(receive.clone(), "b", &log));
            co_await settle();
            const auto sender = create_task(sends(send.clone(), 1, 5));
            const auto newcomer = create_task(receives(receive.clone(), "c", &log));
            co_await sleep(0s);
            const int last = co_await receive.receive();
            co_await gather(a, b, newcomer, sender);
            log.push_back("d" + std::to_string(last));
            std::sort(log.begin(), log.end());
            EXPECT_EQ(log, (Log{"a1", "b2", "c3", "d4"})) << size;
        }
    });
}

TEST_F(ChannelTest, ACancelledReceiverLeavesItsItemToTheNext) {
    run([]() -> Coro<> {
        auto [send, receive] = open_memory_channel<int>(0);
        auto own = receive.clone();
        const auto first = create_task([&]() -> Coro<> { static_cast<void>(co_await own.receive()); });
        co_await settle();
        send.send_nowait(1);
        first.cancel();
        const int item = co_await receive.receive();
        EXPECT_EQ(item, 1);
        co_await settle();
        EXPECT_TRUE(first.cancelled());
    });
}

TEST_F(ChannelTest, ACancelledSenderHasSentNothingUnlessItWasTaken) {
    run([]() -> Coro<> {
        auto [send, receive] = open_memory_channel<int>(0);
        bool sent = false;
        const auto sender = [&](int item) -> Coro<> {
            co_await send.send(item);
            sent = true;
            co_await sleep(0s);
        };
        const auto first = create_task(sender, 1);
        co_await settle();
        first.cancel();
        EXPECT_THROW(receive.receive_nowait(), WouldBlock);
        co_await settle();
        EXPECT_TRUE(first.cancelled());
        const auto second = create_task(sender, 2);
        co_await settle();
        EXPECT_EQ(receive.receive_nowait(), 2);
        second.cancel();
        co_await settle();
        EXPECT_TRUE(sent) << "what was received was sent; the cancel comes at the next await";
        EXPECT_TRUE(second.cancelled());
    });
}

TEST_F(ChannelTest, SendingWhereNobodyCanReceiveIsAnError) {
    run([]() -> Coro<> {
        int alive = 0;
        auto [send, receive] = open_memory_channel<Counted>(2);
        co_await send.send(Counted(&alive));
        EXPECT_EQ(alive, 1);
        auto own = send.clone();
        own.send_nowait(Counted(&alive));
        const auto waits = create_task(outcome_of([](MemorySendChannel<Counted> end, int* count) -> Coro<> {
            co_await end.send(Counted(count));
        }(std::move(own), &alive)));
        co_await settle();
        EXPECT_EQ(alive, 4);
        receive.close();
        EXPECT_EQ(alive, 2)
            << "what nobody will take is gone, but what a sender still holds (and its temporary)";
        const std::string outcome = co_await waits;
        EXPECT_EQ(outcome, "all receiving ends of the channel are closed");
        EXPECT_THROW(send.send_nowait(Counted(&alive)), BrokenResourceError);
        EXPECT_EQ(alive, 0);
    });
}

TEST_F(ChannelTest, AClosedEndIsOfNoUse) {
    run([]() -> Coro<> {
        auto [send, receive] = open_memory_channel<int>(1);
        auto own = receive.clone();
        const auto waits = create_task(outcome_of([](MemoryReceiveChannel<int>* end) -> Coro<> {
            static_cast<void>(co_await end->receive());
        }(&own)));
        co_await settle();
        own.close();
        own.close();
        const std::string outcome = co_await waits;
        EXPECT_EQ(
            outcome,
            "this end of the channel is closed: each task that goes on needs an end of its own, made by "
            "clone()");
        EXPECT_THROW(own.clone(), ClosedResourceError);
        EXPECT_THROW(own.receive_nowait(), ClosedResourceError);
        EXPECT_THROW(own.statistics(), ClosedResourceError);
        co_await send.send(1);
        send.close();
        const std::string late = co_await outcome_of(wait_for(send.send(2), 1s));
        EXPECT_EQ(late, outcome);
        EXPECT_EQ(receive.receive_nowait(), 1);
        EXPECT_THROW(receive.receive_nowait(), EndOfChannel);
    });
}

TEST_F(ChannelTest, WithClosesAnEnd) {
    run([]() -> Coro<> {
        auto [send, receive] = open_memory_channel<int>(3);
        co_await with(std::move(send), [](MemorySendChannel<int>& end) -> Coro<> {
            co_await end.send(1);
            co_await end.send(2);
        });
        const int sum = co_await sums(std::move(receive));
        EXPECT_EQ(sum, 3);
    });
}

TEST_F(ChannelTest, WhatNobodyTakesGoesWithTheLastReceiverAlsoIfThatOneWasJustWoken) {
    run([]() -> Coro<> {
        const auto counted = std::make_shared<int>(1);
        auto [send, receive] = open_memory_channel<std::shared_ptr<int>>(10);
        auto waits = create_task([&]() -> Coro<> { co_await receive.next(); });
        co_await settle();
        send.send_nowait(counted);
        send.send_nowait(counted);
        receive.close();                            // the task has not had its turn
        co_await gather(return_exceptions, waits);  // its end was closed under it
        EXPECT_EQ(counted.use_count(), 1);
        EXPECT_THROW(send.send_nowait(counted), BrokenResourceError);
    });
}

TEST_F(ChannelTest, AnItemIsNotLostIfItWasPromisedToATaskThatIsCancelledAtTheEnd) {
    for (const bool cancelled : {true, false}) {
        run([&]() -> Coro<> {
            auto [send, receive] = open_memory_channel<int>(1);
            auto other = receive.clone();
            const auto first = create_task(sums(std::move(receive)));
            co_await sleep(0s);
            send.send_nowait(7);
            send.close();
            if (cancelled) first.cancel();
            // It comes before the first has had its turn: there may be an end, or an item.
            std::optional<int> got = co_await other.next();
            EXPECT_EQ(got, cancelled ? std::optional<int>(7) : std::nullopt);
            int sum = 0;
            try {
                sum = co_await first;
            } catch (const CancelledError&) {
                EXPECT_TRUE(cancelled);
            }
            EXPECT_EQ(sum, cancelled ? 0 : 7);
        });
    }
}

TEST_F(ChannelTest, AnOperationMayOutliveTheEndThatHasMadeIt) {
    run([]() -> Coro<> {
        auto [send, receive] = open_memory_channel<int>(1);
        auto sending = send.send(1);
        auto receiving = receive.next();
        send.close();
        receive.close();
        const Outcome<void> sent = co_await try_wait_for(std::move(sending), 1s);
        EXPECT_NE(sent.error_as<BrokenResourceError>(), nullptr) << sent.what();
        auto end = co_await std::move(receiving);
        EXPECT_FALSE(end.has_value());
    });
}

TEST_F(ChannelTest, ReadyDataYieldsByTheBudget) {
    run([]() -> Coro<> {
        auto [send, receive] = open_memory_channel<int>(1);
        bool other_ran = false;
        const auto other = create_task([&]() -> Coro<> {
            other_ran = true;
            co_return;
        });
        for (int i = 0; i < 50; ++i) {
            co_await send.send(i);
            static_cast<void>(co_await receive.receive());
        }
        EXPECT_FALSE(other_ran);
        for (int i = 0; i < 50; ++i) {
            co_await send.send(i);
            static_cast<void>(co_await receive.receive());
        }
        EXPECT_TRUE(other_ran);
        co_await other;
    });
}

TEST_F(ChannelTest, CancelledAtEachStepNothingIsLost) {
    for (const std::size_t size : {0u, 1u}) {
        const auto scenario = [&]() -> Coro<> {
            auto [send, receive] = open_memory_channel<int>(size);
            auto* const keeps = &receive;
            int sent = 0;
            int got = 0;
            std::exception_ptr error;
            try {
                co_await with(TaskGroup{}, [&](TaskGroup& group) -> Coro<> {
                    for (int i = 0; i < 2; ++i) {
                        group.create_task(
                            [&sent](MemorySendChannel<int> end) -> Coro<> {
                                for (int n = 0; n < 2; ++n) {
                                    co_await end.send(n);
                                    ++sent;
                                }
                            },
                            send.clone());
                        group.create_task(
                            [&got](MemoryReceiveChannel<int> end) -> Coro<> {
                                while (auto item = co_await end.next()) ++got;
                            },
                            keeps->clone());
                    }
                    send.close();
                    co_return;
                });
            } catch (...) {
                error = std::current_exception();
            }
            EXPECT_EQ(sent, got + static_cast<int>(receive.statistics().current_buffer_used));
            if (error != nullptr) std::rethrow_exception(error);
        };
        test::expect_each_cancel_point(scenario,
                                       asyncio::testing::CancelPointOptions{.twice = true, .seeds = 3});
        asyncio::testing::for_each_order(scenario, 300);
    }
}

}}  // namespace asyncio::sync_test
