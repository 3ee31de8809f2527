// Datagrams for protocols.
#include "asyncio/net/datagram_protocol.hpp"

#include <string>
#include <vector>

#include "net/net_fixture.hpp"
#include "support/cancel_points.hpp"

namespace asyncio::test { namespace {

class Noting : public DatagramProtocol {
  public:
    void connection_made(DatagramTransport t) override {
        transport = std::move(t);
        calls.emplace_back("made");
    }
    void datagram_received(std::string_view data, const Address& sender) override {
        received.emplace_back(data);
        from = sender;
        if (received.size() == awaited) enough.set_result();
    }
    void error_received(std::exception_ptr error) override {
        errors.push_back(error);
        if (!failed.done()) failed.set_result();
    }
    void connection_lost(std::exception_ptr) override {
        calls.emplace_back("lost");
        lost.set_result();
    }
    DatagramTransport transport;
    std::vector<std::string> calls;
    std::vector<std::string> received;
    std::vector<std::exception_ptr> errors;
    Address from;
    std::size_t awaited = 1;
    Future<> enough;
    Future<> failed;
    Future<> lost;
};
std::shared_ptr<Noting> make_noting() { return std::make_shared<Noting>(); }

/// Answers each datagram with itself.
class Echo : public Noting {
  public:
    void datagram_received(std::string_view data, const Address& sender) override {
        transport.sendto(data, sender);
    }
};
std::shared_ptr<Echo> make_echo() { return std::make_shared<Echo>(); }

Address here(const DatagramTransport& transport) {
    return std::get<Address>(transport.get_extra_info("sockname"));
}

class DatagramProtocols : public NetTest {};
ASYNCIO_ON_REAL_BACKENDS(DatagramProtocols);

TEST_P(DatagramProtocols, AnEchoAnswersAClientThatIsConnected) {
    run([]() -> Coro<> {
        auto [server, echo] = co_await create_datagram_endpoint(make_echo, {.local_addr = {"127.0.0.1", 0}});
        EXPECT_EQ(echo->calls, std::vector<std::string>(1, "made")) << "when the await returns";
        auto [client, protocol] = co_await create_datagram_endpoint(
            make_noting, {.remote_addr = {"127.0.0.1", here(server).port()}});
        protocol->awaited = 2;
        client.sendto("one");
        client.sendto("");
        co_await protocol->enough;
        EXPECT_EQ(protocol->received.front(), "one");
        EXPECT_EQ(protocol->received.back(), "") << "an empty datagram is one";
        EXPECT_EQ(protocol->from.port(), here(server).port());
        client.close();
        EXPECT_TRUE(client.is_closing());
        co_await protocol->lost;
        client.sendto("nothing comes of it");
        server.close();
        co_await echo->lost;
        EXPECT_EQ(echo->calls.back(), "lost");
    });
}

TEST_P(DatagramProtocols, ARefusalIsToldAndTheSocketWorksOn) {
    run([]() -> Coro<> {
        auto [gone, nobody] =
            co_await create_datagram_endpoint(make_noting, {.local_addr = {"127.0.0.1", 0}});
        const std::uint16_t port = here(gone).port();
        gone.close();
        co_await nobody->lost;
        auto [client, protocol] =
            co_await create_datagram_endpoint(make_noting, {.remote_addr = {"127.0.0.1", port}});
        client.sendto("is anybody there?");
        co_await protocol->failed;
        EXPECT_THROW(std::rethrow_exception(protocol->errors.front()), ConnectionRefusedError);
        EXPECT_FALSE(client.is_closing());
        client.sendto(std::string(100'000, 'x'));
        EXPECT_THROW(std::rethrow_exception(protocol->errors.back()), OSError);
        client.abort();
        co_await protocol->lost;
    });
}

TEST_P(DatagramProtocols, WithoutAnyAddressNothingCanBeSent) {
    run([]() -> Coro<> {
        auto [transport, protocol] =
            co_await create_datagram_endpoint(make_noting, {.local_addr = {"127.0.0.1", 0}});
        EXPECT_THROW(transport.sendto("x"), ValueError);
        transport.close();
        co_await protocol->lost;
    });
}

TEST_P(DatagramProtocols, ALoopThatClosesEndsThem) {
    std::shared_ptr<Noting> kept;
    asyncio::run(
        [&]() -> Coro<> {
            auto [transport, protocol] =
                co_await create_datagram_endpoint(make_noting, {.local_addr = {"127.0.0.1", 0}});
            kept = protocol;
        },
        {.backend = backend()});
    EXPECT_EQ(kept->calls, (std::vector<std::string>{"made", "lost"}));
    EXPECT_TRUE(kept->transport.is_closing());
}

TEST_P(DatagramProtocols, CancelledAtAnyPointNothingIsLeftOpen) {
    expect_each_cancel_point(
        []() -> Coro<> {
            struct Abort {
                DatagramTransport& transport;
                explicit Abort(DatagramTransport& t) : transport(t) {}
                ~Abort() { transport.abort(); }
            };
            auto [server, echo] =
                co_await create_datagram_endpoint(make_echo, {.local_addr = {"127.0.0.1", 0}});
            const Abort abort_server(server);
            auto [client, protocol] = co_await create_datagram_endpoint(
                make_noting, {.remote_addr = {"127.0.0.1", here(server).port()}});
            const Abort abort_client(client);
            client.sendto("one");
            co_await protocol->enough;
        },
        {.backend = backend(), .simulate = false, .tasks_may_remain = true, .may_report = true});
}

}}  // namespace asyncio::test
