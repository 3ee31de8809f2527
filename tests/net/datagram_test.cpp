// create_datagram_endpoint and DatagramEndpoint.
#include <sys/resource.h>

#include "debug/debug_support.hpp"
#include "net/datagram_core.hpp"
#include "net_fixture.hpp"
#include "support/alloc_failure.hpp"
#include "support/cancel_points.hpp"
#include "support/folder.hpp"
#include "support/paths.hpp"
#include "tools/program.hpp"

namespace asyncio::test { namespace {

class Datagrams : public NetTest {};
ASYNCIO_ON_REAL_BACKENDS(Datagrams);

/// Closes, and waits until the kernel has let go.
Coro<> finish(DatagramEndpoint& endpoint) {
    endpoint.close();
    co_await endpoint.wait_closed();
}

Coro<DatagramEndpoint> on_loopback() { return create_datagram_endpoint({.local_addr = {"127.0.0.1", 0}}); }

TEST_P(Datagrams, GoThereAndBack) {
    run([]() -> Coro<> {
        auto server = co_await create_datagram_endpoint({.local_addr = {"127.0.0.1", 0}});
        auto client =
            co_await create_datagram_endpoint({.remote_addr = {"127.0.0.1", server.sockname().port()}});
        EXPECT_EQ(client.peername(), server.sockname());
        EXPECT_TRUE(server.peername().empty());
        EXPECT_GE(server.fileno(), 0);

        co_await client.send("question");
        auto [question, from] = co_await server.recvfrom();
        EXPECT_EQ(question, "question");
        EXPECT_EQ(from, client.sockname());
        co_await server.sendto("answer", from);
        auto [answer, again] = co_await client.recvfrom();
        EXPECT_EQ(answer, "answer");
        EXPECT_EQ(again, server.sockname());

        client.close();
        server.close();
        EXPECT_TRUE(server.is_closing());
        co_await client.wait_closed();
        co_await server.wait_closed();
        EXPECT_EQ(server.fileno(), -1);
        EXPECT_TRUE(server.sockname().empty());
    });
}

TEST_P(Datagrams, AReceiverWaitsUntilOneComes) {
    run([]() -> Coro<> {
        auto one = co_await on_loopback();
        auto other = co_await on_loopback();
        Task<Datagram> receiving = create_task(other.recvfrom());
        co_await testing::wait_all_tasks_blocked();
        EXPECT_FALSE(receiving.done());
        co_await one.sendto("late", other.sockname());
        const Datagram got = co_await receiving;
        EXPECT_EQ(got.first, "late");
        EXPECT_EQ(got.second, one.sockname());
        co_await finish(one);
        co_await finish(other);
    });
}

TEST_P(Datagrams, AreKeptApartWhateverTheirSize) {
    run([]() -> Coro<> {
        auto one = co_await on_loopback();
        auto other = co_await on_loopback();
        // An empty one is one, too; 65507 is the longest that UDP over IPv4 has.
        for (const std::size_t bytes :
             {std::size_t{0}, std::size_t{1}, std::size_t{1472}, std::size_t{65507}}) {
            const std::string data = pattern(bytes);
            co_await one.sendto(data, other.sockname());
            auto [got, from] = co_await other.recvfrom();
            EXPECT_TRUE(got == data) << bytes;
        }
        const Address to = other.sockname();
        const std::string too_long(65508, 'x');
        const Outcome<void> refused = co_await try_wait_for(one.sendto(too_long, to), 5s);
        EXPECT_EQ(refused.what(), "send to " + to.to_string() + ": Message too long [Errno 90]");
        co_await finish(one);
        co_await finish(other);
    });
}

TEST_P(Datagrams, AreReadAheadAndComeInOrder) {
    run([]() -> Coro<> {
        auto one = co_await on_loopback();
        auto other = co_await on_loopback();
        for (int i = 0; i < 50; ++i) co_await one.sendto(std::to_string(i), other.sockname());
        for (int i = 0; i < 50; ++i) {
            if (i % 3 != 0) {
                auto [data, from] = co_await other.recvfrom();
                EXPECT_EQ(data, std::to_string(i));
                EXPECT_EQ(from, one.sockname());
            } else {
                std::string memory(100, '?');
                auto [bytes, from] = co_await other.recvfrom_into(memory);
                EXPECT_EQ(memory.substr(0, bytes), std::to_string(i));
                EXPECT_EQ(from, one.sockname());
            }
        }
        co_await finish(one);
        co_await finish(other);
    });
}

TEST_P(Datagrams, AreCutOffWhereTheCallersMemoryEnds) {
    run([]() -> Coro<> {
        auto one = co_await on_loopback();
        auto other = co_await on_loopback();
        for (int i = 0; i < 3; ++i) co_await one.sendto("0123456789", other.sockname());
        std::string memory(4, '?');
        auto [directly, from] = co_await other.recvfrom_into(memory);
        EXPECT_EQ(directly, 4u);
        EXPECT_EQ(memory, "0123");
        auto [whole, again] = co_await other.recvfrom();
        EXPECT_EQ(whole, "0123456789");
        memory = "????";
        auto [read_ahead, once_more] = co_await other.recvfrom_into(memory);
        EXPECT_EQ(read_ahead, 4u);
        EXPECT_EQ(memory, "0123");
        EXPECT_EQ(once_more, one.sockname());
        co_await finish(one);
        co_await finish(other);
    });
}

TEST_P(Datagrams, WorkOverIpv6AndByNameAndOnUnixSockets) {
    run([]() -> Coro<> {
        auto six = co_await create_datagram_endpoint({.local_addr = {"::1", 0}});
        auto to_six = co_await create_datagram_endpoint({.remote_addr = {"::1", six.sockname().port()}});
        co_await to_six.send("six");
        auto [data, from] = co_await six.recvfrom();
        EXPECT_EQ(data, "six");
        EXPECT_EQ(from.host(), "::1");
        co_await finish(six);
        co_await finish(to_six);

        auto named = co_await create_datagram_endpoint({.local_addr = {"localhost", 0}});
        EXPECT_NE(named.sockname().port(), 0);
        co_await finish(named);

        const std::string_view path("\0asyncio-datagrams", 18);
        auto unix_end = co_await create_datagram_endpoint(
            {.local_addr = {path, 0}, .family = AddressFamily::unix_domain});
        auto to_unix = co_await create_datagram_endpoint(
            {.remote_addr = {path, 0}, .family = AddressFamily::unix_domain});
        // UDP's way of cutting would be ignored there: each is sent by itself.
        co_await to_unix.send("onetwothr", {.segment_bytes = 3});
        for (const char* expected : {"one", "two", "thr"}) {
            auto [piece, nobody] = co_await unix_end.recvfrom();
            EXPECT_EQ(piece, expected);
        }
        co_await finish(unix_end);
        co_await finish(to_unix);
    });
}

TEST_P(Datagrams, ALongOneOfAUnixSocketComesWhole) {
    run([]() -> Coro<> {
        const std::string_view path("\0asyncio-long-datagrams", 23);
        auto here = co_await create_datagram_endpoint(
            {.local_addr = {path, 0}, .family = AddressFamily::unix_domain});
        auto there = co_await create_datagram_endpoint(
            {.remote_addr = {path, 0}, .family = AddressFamily::unix_domain});
        for (const std::size_t bytes : {std::size_t{100'000}, std::size_t{5}, std::size_t{65'536}}) {
            const std::string sent(bytes, static_cast<char>('a' + bytes % 26));
            co_await there.send(sent);
            co_await there.send("after");
            auto [got, nobody] = co_await here.recvfrom();
            EXPECT_TRUE(got == sent) << got.size() << " of " << bytes;
            auto [after, nobody_else] = co_await here.recvfrom();
            EXPECT_EQ(after, "after");
        }
        co_await finish(here);
        co_await finish(there);
    });
}

TEST_P(Datagrams, TheFileThatAUnixSocketHasLeftIsNotInTheWay) {
    const Folder folder;
    run([&]() -> Coro<> {
        const std::string path = folder.path() + "/socket";
        for (int i = 0; i < 2; ++i) {
            auto here = co_await create_datagram_endpoint(
                {.local_addr = {path, 0}, .family = AddressFamily::unix_domain});
            co_await finish(here);
        }
        folder.put("socket.txt", "no socket");
        const auto refused = co_await try_wait_for(
            [&]() {
                return create_datagram_endpoint(
                    {.local_addr = {path + ".txt", 0}, .family = AddressFamily::unix_domain});
            },
            5s);
        EXPECT_NE(refused.error_as<OSError>(), nullptr) << "a file is nobody's to remove";
    });
}

TEST_P(Datagrams, ARefusalIsNotTakenForAKernelThatCannotCut) {
    run([]() -> Coro<> {
        auto gone = co_await create_datagram_endpoint({.local_addr = {"127.0.0.1", 0}});
        const std::uint16_t port = gone.sockname().port();
        co_await finish(gone);
        auto client = co_await create_datagram_endpoint({.remote_addr = {"127.0.0.1", port}});
        co_await client.send("is anybody there?");  // loopback: the answer is there when this returns
        const auto refused = co_await try_wait_for(client.send("onetwothr", {.segment_bytes = 3}), 5s);
        EXPECT_NE(refused.error_as<ConnectionRefusedError>(), nullptr) << refused.what();
        co_await finish(client);
    });
}

TEST_P(Datagrams, ABroadcastNeedsToBeAllowed) {
    run([]() -> Coro<> {
        auto plain = co_await create_datagram_endpoint({.family = AddressFamily::ipv4});
        const Address everybody = *Address::parse("127.255.255.255", 9);
        const Outcome<void> refused = co_await try_wait_for(plain.sendto("x", everybody), 5s);
        EXPECT_NE(refused.error_as<PermissionError>(), nullptr) << refused.what();
        auto loud = co_await create_datagram_endpoint({.local_addr = {"", 9}, .allow_broadcast = true});
        const int on = 1;
        int asked = 0;
        socklen_t bytes = sizeof asked;
        ::getsockopt(loud.fileno(), SOL_SOCKET, SO_BROADCAST, &asked, &bytes);
        EXPECT_EQ(asked, on);
        co_await loud.sendto("to all", everybody);
        auto [data, from] = co_await loud.recvfrom();
        EXPECT_EQ(data, "to all");
        co_await finish(plain);
        co_await finish(loud);
    });
}

TEST_P(Datagrams, SeveralSocketsShareAPortIfAllSaySo) {
    run([]() -> Coro<> {
        auto one = co_await create_datagram_endpoint({.local_addr = {"127.0.0.1", 0}, .reuse_port = true});
        const std::uint16_t port = one.sockname().port();
        auto other =
            co_await create_datagram_endpoint({.local_addr = {"127.0.0.1", port}, .reuse_port = true});
        const Outcome<DatagramEndpoint> refused =
            co_await try_wait_for(create_datagram_endpoint({.local_addr = {"127.0.0.1", port}}), 5s);
        EXPECT_EQ(refused.what(),
                  "bind 127.0.0.1:" + std::to_string(port) + ": Address already in use [Errno 98]");
        co_await finish(one);
        co_await finish(other);
    });
}

// ---- segments -----------------------------------------------------------------------------------

Coro<> send_and_check_segments(std::size_t total, std::size_t segment_bytes) {
    auto one = co_await on_loopback();
    auto other = co_await on_loopback();
    const int room = 4 << 20;
    ::setsockopt(other.fileno(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
    const std::string data = pattern(total);
    const Address to = other.sockname();
    const auto send = [&]() -> Coro<> { co_await one.sendto(data, to, {.segment_bytes = segment_bytes}); };
    Task<> sending = create_task(send);
    std::string got;
    while (got.size() < total) {
        auto [piece, from] = co_await other.recvfrom();
        EXPECT_EQ(piece.size(), std::min(segment_bytes, total - got.size()));
        got += piece;
    }
    co_await sending;
    EXPECT_TRUE(got == data) << total << " by " << segment_bytes;
    co_await finish(one);
    co_await finish(other);
}

TEST_P(Datagrams, ALargeBufferIsSentAsManySegments) {
    run([]() -> Coro<> {
        co_await send_and_check_segments(100'000, 1200);  // more than a call takes
        co_await send_and_check_segments(1200, 1200);
        co_await send_and_check_segments(1201, 1200);
        co_await send_and_check_segments(7, 1);
        co_await send_and_check_segments(100'000, 40'000);  // one a call
    });
}

TEST_P(Datagrams, SegmentsThatTheKernelCannotCutAreSentOneByOne) {
    run([]() -> Coro<> {
        auto one = co_await on_loopback();
        auto other = co_await on_loopback();
        // Without checksums it cuts nothing.
        const int on = 1;
        EXPECT_EQ(::setsockopt(one.fileno(), SOL_SOCKET, SO_NO_CHECK, &on, sizeof on), 0);
        co_await one.sendto("abcdefg", other.sockname(), {.segment_bytes = 3});
        for (const char* expected : {"abc", "def", "g"}) {
            auto [piece, from] = co_await other.recvfrom();
            EXPECT_EQ(piece, expected);
        }
        co_await finish(one);
        co_await finish(other);
    });
}

// ---- several tasks ------------------------------------------------------------------------------

TEST_P(Datagrams, SeveralReceiversAreServedInTheirOrder) {
    run([]() -> Coro<> {
        auto one = co_await on_loopback();
        auto other = co_await on_loopback();
        std::vector<Task<Datagram>> tasks;
        for (int i = 0; i < 4; ++i) tasks.push_back(create_task(other.recvfrom()));
        co_await testing::wait_all_tasks_blocked();
        tasks[1].cancel();
        for (int i = 0; i < 3; ++i) co_await one.sendto(std::to_string(i), other.sockname());
        const Datagram first = co_await tasks[0];
        const Datagram second = co_await tasks[2];
        const Datagram third = co_await tasks[3];
        EXPECT_EQ(first.first + second.first + third.first, "012");
        co_await ended(tasks[1]);
        EXPECT_TRUE(tasks[1].cancelled());
        co_await finish(one);
        co_await finish(other);
    });
}

TEST_P(Datagrams, AReceiverThatIsCancelledInItsTurnPassesItOn) {
    run([]() -> Coro<> {
        auto one = co_await on_loopback();
        auto other = co_await on_loopback();
        Task<Datagram> cancelled = create_task(other.recvfrom());
        Task<Datagram> next = create_task(other.recvfrom());
        co_await testing::wait_all_tasks_blocked();
        co_await one.sendto("one", other.sockname());
        // Until the first has been woken; then the cancel comes before its turn.
        detail::DatagramCore* const core =
            get_running_loop().impl().net == nullptr ? nullptr : detail::running_net_part().datagrams;
        detail::DatagramCore* receiving = core;
        while (receiving->descriptor != other.fileno()) receiving = receiving->next;
        const auto cancel_when_woken = [&]() {
            EXPECT_EQ(receiving->readable.tasks.woken(), 1u);
            cancelled.cancel();
        };
        // The kernel is asked by the loop; a post made now runs in the pass in which the first is resumed.
        while (receiving->readable.tasks.woken() == 0) {
            get_running_loop().impl().backend->poll(0);
        }
        cancel_when_woken();
        const Datagram got = co_await next;
        EXPECT_EQ(got.first, "one");
        co_await ended(cancelled);
        EXPECT_TRUE(cancelled.cancelled());
        co_await finish(one);
        co_await finish(other);
    });
}

TEST_P(Datagrams, OneThatIsAlwaysThereDoesNotStarveTheOthers) {
    run([]() -> Coro<> {
        auto one = co_await on_loopback();
        bool other_ran = false;
        Task<> other = create_task([&]() -> Coro<> {
            other_ran = true;
            co_return;
        });
        int rounds = 0;
        for (; !other_ran && rounds < 10'000; ++rounds) {
            co_await one.sendto("x", one.sockname());
            co_await one.recvfrom();
        }
        EXPECT_LT(rounds, 1000);
        co_await other;
        co_await finish(one);
    });
}

// A Unix socket's sender waits while its peer's queue is full, so sending can be made to wait.
TEST_P(Datagrams, ASenderWaitsForRoomAndCloseWaitsForTheSender) {
    run([]() -> Coro<> {
        const std::string_view path("\0asyncio-full", 13);
        auto receiver = co_await create_datagram_endpoint(
            {.local_addr = {path, 0}, .family = AddressFamily::unix_domain});
        auto sender = co_await create_datagram_endpoint(
            {.remote_addr = {path, 0}, .family = AddressFamily::unix_domain});
        const auto flood = [&]() -> Coro<int> {
            for (int sent = 0; sent < 5000; ++sent) co_await sender.send(std::to_string(sent));
            co_return 5000;
        };
        Task<int> flooding = create_task(flood);
        co_await testing::wait_all_tasks_blocked();
        EXPECT_FALSE(flooding.done());
        for (int i = 0; i < 5000; ++i) {
            auto [data, from] = co_await receiver.recvfrom();
            EXPECT_EQ(data, std::to_string(i));
        }
        const int sent = co_await flooding;
        EXPECT_EQ(sent, 5000);

        // Until it waits again: then closing waits for it.
        const auto flood_until_closed = [&]() -> Coro<int> {
            for (int count = 0;; ++count) {
                const Outcome<void> outcome = co_await try_wait_for(sender.send("x"), 60s);
                if (outcome.error_as<ConnectionAbortedError>() != nullptr) co_return count;
            }
        };
        Task<int> blocked = create_task(flood_until_closed);
        co_await testing::wait_all_tasks_blocked();
        sender.close();
        EXPECT_TRUE(sender.is_closing());
        EXPECT_GE(sender.fileno(), 0);
        Task<> closed = create_task(sender.wait_closed());
        co_await testing::wait_all_tasks_blocked();
        EXPECT_FALSE(closed.done());
        const Datagram got = co_await receiver.recvfrom();
        EXPECT_EQ(got.first, "x");
        co_await closed;
        const int count = co_await blocked;
        EXPECT_GT(count, 0);
        co_await finish(receiver);
    });
}

TEST_P(Datagrams, AbortDoesNotWaitForTheSender) {
    run([]() -> Coro<> {
        const std::string_view path("\0asyncio-abort", 14);
        auto receiver = co_await create_datagram_endpoint(
            {.local_addr = {path, 0}, .family = AddressFamily::unix_domain});
        auto sender = co_await create_datagram_endpoint(
            {.remote_addr = {path, 0}, .family = AddressFamily::unix_domain});
        const auto flood = [&]() -> Coro<> {
            for (;;) co_await sender.send("x");
        };
        Task<> flooding = create_task(flood);
        co_await testing::wait_all_tasks_blocked();
        sender.abort();
        co_await sender.wait_closed();
        co_await ended(flooding);
        EXPECT_NE(exception_cast<ConnectionAbortedError>(flooding.exception()), nullptr);
        EXPECT_STREQ(exception_cast<ConnectionAbortedError>(flooding.exception())->what(),
                     "sendto: the datagram endpoint is closed");
        co_await finish(receiver);
    });
}

// ---- ends and errors ----------------------------------------------------------------------------

TEST_P(Datagrams, ClosingEndsThoseWhoWait) {
    run([]() -> Coro<> {
        auto endpoint = co_await on_loopback();
        Task<Datagram> receiving = create_task(endpoint.recvfrom());
        Task<std::optional<Datagram>> next = create_task(endpoint.next());
        co_await testing::wait_all_tasks_blocked();
        endpoint.close();
        co_await ended(receiving);
        EXPECT_NE(exception_cast<ConnectionAbortedError>(receiving.exception()), nullptr);
        const std::optional<Datagram> none = co_await next;
        EXPECT_FALSE(none.has_value());
        co_await endpoint.wait_closed();

        EXPECT_THROW(co_await endpoint.recvfrom(), ConnectionAbortedError);
        EXPECT_THROW(co_await endpoint.send("x"), ConnectionAbortedError);
        std::string memory(4, '?');
        EXPECT_THROW(co_await endpoint.recvfrom_into(memory), ConnectionAbortedError);
        const std::optional<Datagram> again = co_await endpoint.next();
        EXPECT_FALSE(again.has_value());
        endpoint.abort();
    });
}

TEST_P(Datagrams, NextIsForLoops) {
    run([]() -> Coro<> {
        auto endpoint = co_await on_loopback();
        for (const char* each : {"a", "b", "c"}) co_await endpoint.sendto(each, endpoint.sockname());
        std::string all;
        while (auto got = co_await endpoint.next()) {
            all += got->first;
            if (all.size() == 3) endpoint.close();
        }
        EXPECT_EQ(all, "abc");
        co_await endpoint.wait_closed();
    });
}

TEST_P(Datagrams, AScopeClosesTheEndpoint) {
    run([]() -> Coro<> {
        int descriptor = -1;
        const auto body = [&](DatagramEndpoint& endpoint) -> Coro<std::string> {
            descriptor = endpoint.fileno();
            co_await endpoint.sendto("to myself", endpoint.sockname());
            Datagram got = co_await endpoint.recvfrom();
            co_return got.first;
        };
        const std::string got = co_await with(on_loopback(), body);
        EXPECT_EQ(got, "to myself");
        EXPECT_EQ(::fcntl(descriptor, F_GETFD), -1);
    });
}

TEST_P(Datagrams, ARefusalIsToldToAConnectedEndpointWhichCanBeUsedOn) {
    run([]() -> Coro<> {
        auto peer = co_await on_loopback();
        const Address address = peer.sockname();
        co_await finish(peer);
        auto endpoint = co_await create_datagram_endpoint({.remote_addr = {"127.0.0.1", address.port()}});
        co_await endpoint.send("is anybody there?");
        try {
            co_await endpoint.recvfrom();
            ADD_FAILURE() << "no error";
        } catch (const ConnectionRefusedError& error) {
            EXPECT_EQ(std::string(error.what()),
                      "receive from " + address.to_string() + ": Connection refused [Errno 111]");
        }
        auto back = co_await create_datagram_endpoint({.local_addr = {"127.0.0.1", address.port()}});
        co_await endpoint.send("and now?");
        auto [data, from] = co_await back.recvfrom();
        EXPECT_EQ(data, "and now?");
        co_await finish(back);
        co_await finish(endpoint);
    });
}

TEST_P(Datagrams, WrongArgumentsAreRefused) {
    run([]() -> Coro<> {
        EXPECT_THROW(static_cast<void>(create_datagram_endpoint()), ValueError);
        EXPECT_THROW(static_cast<void>(create_datagram_endpoint({.remote_addr = {"", 9}})), ValueError);
        EXPECT_THROW(
            co_await create_datagram_endpoint({.local_addr = {"127.0.0.1", 0}, .remote_addr = {"::1", 9}}),
            OSError);
        EXPECT_THROW(co_await create_datagram_endpoint({.local_addr = {"192.0.2.1", 0}}), OSError);
        EXPECT_THROW(co_await create_datagram_endpoint({.local_addr = {"no-such-host.invalid", 1}}),
                     gaierror);
        auto endpoint = co_await create_datagram_endpoint({.family = AddressFamily::ipv4});
        EXPECT_THROW(static_cast<void>(endpoint.sendto("x", Address())), ValueError);
        const Outcome<void> unconnected = co_await try_wait_for(endpoint.send("x"), 5s);
        EXPECT_NE(unconnected.what().find("Destination address required [Errno 89]; use sendto"),
                  std::string::npos)
            << unconnected.what();
        EXPECT_THROW(co_await wait_readable(endpoint.fileno()), RuntimeError);
        co_await finish(endpoint);
    });
}

TEST_P(Datagrams, WithoutADescriptorTheErrorSaysSo) {
    run([]() -> Coro<> {
        rlimit before{};
        ::getrlimit(RLIMIT_NOFILE, &before);
        const rlimit none{3, before.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &none);
        const Outcome<DatagramEndpoint> refused = co_await try_wait_for(on_loopback(), 5s);
        ::setrlimit(RLIMIT_NOFILE, &before);
        EXPECT_EQ(refused.what(), "socket: Too many open files [Errno 24]");
    });
}

TEST_P(Datagrams, AnEndpointOfAnotherLoopIsRefusedAndItsLoopMayGoFirst) {
    std::unique_ptr<DatagramEndpoint> left;
    {
        EventLoop first({.backend = backend()});
        const auto make = [&]() -> Coro<> {
            auto made = co_await on_loopback();
            left = std::make_unique<DatagramEndpoint>(std::move(made));
        };
        first.run_until_complete(make());
        run([&]() -> Coro<> {
            EXPECT_THROW(co_await left->recvfrom(), RuntimeError);
            EXPECT_THROW(co_await left->sendto("x", left->sockname()), RuntimeError);
            EXPECT_THROW(co_await left->wait_closed(), RuntimeError);
        });
        first.close();
    }
    EXPECT_EQ(left->fileno(), -1);
    run([&]() -> Coro<> {
        co_await left->wait_closed();
        EXPECT_THROW(co_await left->recvfrom(), ConnectionAbortedError);
    });
    left.reset();
}

TEST_P(Datagrams, AnEndpointThatIsDroppedInsideAnotherLoopClosesAtHome) {
    std::unique_ptr<DatagramEndpoint> left;
    EventLoop first({.backend = backend()});
    const auto make = [&]() -> Coro<Task<Datagram>> {
        auto made = co_await on_loopback();
        left = std::make_unique<DatagramEndpoint>(std::move(made));
        Task<Datagram> receiving = create_task(left->recvfrom());
        co_await testing::wait_all_tasks_blocked();
        co_return receiving;
    };
    Task<Datagram> receiving = first.run_until_complete(make());
    run([&]() -> Coro<> {
        left.reset();
        co_return;
    });
    first.run_until_complete(ended(receiving));
    EXPECT_NE(exception_cast<ConnectionAbortedError>(receiving.exception()), nullptr);
    first.close();
}

TEST_P(Datagrams, OneThatNobodyClosedIsNamedInDebugMode) {
    for (const bool debug : {true, false}) {
        debug_test::Warnings warnings;
        run(
            []() -> Coro<> {
                auto closed = co_await on_loopback();
                co_await finish(closed);
                auto dropped = co_await on_loopback();
            },
            {.debug = debug, .watchdog = 0s});
        EXPECT_EQ(warnings.count("ResourceWarning: unclosed DatagramEndpoint on 127.0.0.1:"), debug ? 1u : 0u)
            << warnings.text();
        EXPECT_EQ(warnings.all().size(), debug ? 1u : 0u) << warnings.text();
    }
}

TEST_P(Datagrams, WithoutMemoryTheyFailAndTheEndpointLives) {
    if (!AllocationFailure::works()) GTEST_SKIP() << "allocations cannot be refused in this build";
    run([]() -> Coro<> {
        bool failed = true;
        for (int at = 1; failed && at < 200; ++at) {
            failed = false;
            try {
                AllocationFailure failure(at);
                auto endpoint = co_await on_loopback();
                co_await endpoint.sendto("x", endpoint.sockname());
                auto got = co_await endpoint.recvfrom();
                co_await endpoint.sendto("y", endpoint.sockname());
                endpoint.close();
                co_await endpoint.wait_closed();
                failure.stop();
                failed = failure.happened();
            } catch (const std::bad_alloc&) {
                failed = true;
            }
        }
        EXPECT_FALSE(failed) << "200 allocations for a datagram";
    });
}

TEST(DatagramsOnSim, TheErrorSaysWhichBackendsHaveSockets) {
    run_and_check(
        []() -> Coro<> {
            const Outcome<DatagramEndpoint> refused = co_await try_wait_for(on_loopback(), 5s);
            EXPECT_NE(refused.what().find("the backend 'sim' has no sockets"), std::string::npos)
                << refused.what();
        },
        {.backend = Backend::sim});
}

TEST_P(Datagrams, CancelledAtAnyPointNothingIsLost) {
    expect_each_cancel_point(
        []() -> Coro<> {
            auto one = co_await on_loopback();
            auto other = co_await on_loopback();
            const auto answer = [&]() -> Coro<> {
                while (auto got = co_await other.next()) {
                    const auto& [data, from] = *got;
                    co_await other.sendto(data + "!", from);
                }
            };
            const auto ask = [&]() -> Coro<> {
                co_await one.sendto("who", other.sockname());
                Datagram got = co_await one.recvfrom();
                EXPECT_EQ(got.first, "who!");
                std::string memory(10, '?');
                co_await one.sendto("where", other.sockname(), {.segment_bytes = 3});
                for (int i = 0; i < 2; ++i) {
                    auto [bytes, from] = co_await one.recvfrom_into(memory);
                    EXPECT_EQ(memory.substr(0, bytes), i == 0 ? "whe!" : "re!");
                }
                other.close();
            };
            co_await gather(answer, ask);
            co_await other.wait_closed();
            one.close();
            co_await one.wait_closed();
        },
        {.backend = backend(), .simulate = false, .twice = true, .tasks_may_remain = true});
}

// ---- Python -------------------------------------------------------------------------------------

class SlowDatagrams : public NetTest {};
ASYNCIO_ON_REAL_BACKENDS(SlowDatagrams);

std::string peer_script(const char* name) { return std::string(tests_folder) + "/net/peers/" + name; }

TEST_P(SlowDatagrams, OurClientTalksToAPythonServer) {
    run([]() -> Coro<> {
        tools_test::Peer server({"python3", peer_script("datagram_server.py")});
        const auto port = static_cast<std::uint16_t>(std::stoi(server.first_line()));
        auto endpoint = co_await create_datagram_endpoint({.remote_addr = {"127.0.0.1", port}});
        for (int i = 0; i < 100; ++i) {
            co_await endpoint.send("datagram " + std::to_string(i));
            auto [data, from] = co_await endpoint.recvfrom();
            EXPECT_EQ(data, "DATAGRAM " + std::to_string(i));
        }
        co_await finish(endpoint);
    });
}

TEST_P(SlowDatagrams, APythonClientTalksToOurServer) {
    run([]() -> Coro<> {
        auto endpoint = co_await on_loopback();
        const auto serve = [&]() -> Coro<> {
            while (auto got = co_await endpoint.next()) {
                const std::string reversed(got->first.rbegin(), got->first.rend());
                co_await endpoint.sendto(reversed, got->second);
            }
        };
        Task<> serving = create_task(serve);
        const std::uint16_t port = endpoint.sockname().port();
        const std::string line = co_await to_thread([port] {
            tools_test::Peer client({"python3", peer_script("datagram_client.py"), std::to_string(port)});
            return client.first_line();
        });
        EXPECT_EQ(line, "ok");
        co_await finish(endpoint);
        co_await serving;
    });
}

}}  // namespace asyncio::test
