// open_connection: what can go wrong before there is a connection.
#include <netdb.h>

#include "net_fixture.hpp"

namespace asyncio::test { namespace {

class ConnectTest : public NetTest {};
ASYNCIO_ON_REAL_BACKENDS(ConnectTest);

/// Gives the addresses it was made with.
class FixedAddresses final : public Resolver {
  public:
    explicit FixedAddresses(std::vector<Address> addresses) : addresses_(std::move(addresses)) {}
    Coro<std::vector<Address>> resolve(std::string_view, std::uint16_t, AddressFamily) override {
        co_return addresses_;
    }

  private:
    std::vector<Address> addresses_;
};

TEST_P(ConnectTest, ConnectsAndTalks) {
    run([]() -> Coro<> {
        auto [listener, port] = raw_listener();
        auto [reader, writer] = co_await open_connection("127.0.0.1", port);
        RawSocket peer(::accept4(listener.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        EXPECT_EQ(writer.peername().to_string(), "127.0.0.1:" + std::to_string(port));
        EXPECT_EQ(reader.limit(), 65536u);
        int no_delay = 0;
        socklen_t bytes = sizeof no_delay;
        ::getsockopt(writer.fileno(), IPPROTO_TCP, TCP_NODELAY, &no_delay, &bytes);
        EXPECT_EQ(no_delay, 1);
        co_await writer.send("ping");
        EXPECT_EQ(peer.receive(), "ping");
        peer.send("pong");
        const std::string got = co_await reader.readexactly(4);
        EXPECT_EQ(got, "pong");
        co_await finish(writer);
    });
}

TEST_P(ConnectTest, ConnectsOverIpv6AndByName) {
    run([]() -> Coro<> {
        auto [listener, port] = raw_listener(16, AddressFamily::ipv6);
        auto [reader, writer] = co_await open_connection("::1", port, {.limit = 100});
        EXPECT_EQ(writer.peername().to_string(), "[::1]:" + std::to_string(port));
        EXPECT_EQ(reader.limit(), 100u);
        co_await finish(writer);

        auto [listener4, port4] = raw_listener();
        auto [reader4, writer4] = co_await open_connection("localhost", port4);
        EXPECT_EQ(writer4.peername().port(), port4);
        co_await finish(writer4);
    });
}

// A bound socket that does not listen refuses, and keeps the port from being anybody else's.
TEST_P(ConnectTest, ARefusalNamesTheAddress) {
    run([]() -> Coro<> {
        auto [bound, port] = raw_listener(-1);
        try {
            co_await open_connection("127.0.0.1", port);
            ADD_FAILURE() << "no error";
        } catch (const ConnectionRefusedError& error) {
            EXPECT_EQ(std::string(error.what()),
                      "connect 127.0.0.1:" + std::to_string(port) + ": Connection refused [Errno 111]");
        }
    });
}

TEST_P(ConnectTest, SeveralAddressesAreTriedInOrder) {
    run([]() -> Coro<> {
        auto [refusing, refused] = raw_listener(-1);
        auto [listener, port] = raw_listener();
        std::vector<Address> addresses;
        addresses.push_back(Address::loopback(AddressFamily::ipv4, refused));
        addresses.push_back(Address::loopback(AddressFamily::ipv4, port));
        set_resolver(get_running_loop(), std::make_shared<FixedAddresses>(addresses));
        auto [reader, writer] = co_await open_connection("some.where", 1);
        EXPECT_EQ(writer.peername().port(), port);
        co_await finish(writer);
    });
}

TEST_P(ConnectTest, SeveralFailuresAreToldTogether) {
    run([]() -> Coro<> {
        auto [refusing, refused] = raw_listener(-1);
        const std::string text = "127.0.0.1:" + std::to_string(refused);
        std::vector<Address> addresses(2, Address::loopback(AddressFamily::ipv4, refused));
        set_resolver(get_running_loop(), std::make_shared<FixedAddresses>(addresses));
        try {
            co_await open_connection("some.where", 7);
            ADD_FAILURE() << "no error";
        } catch (const ConnectionRefusedError& error) {
            EXPECT_EQ(std::string(error.what()),
                      "connect some.where:7 (" + text + ", " + text + "): Connection refused [Errno 111]");
        }
        addresses.pop_back();
        addresses.push_back(*Address::parse("::1", 9));
        set_resolver(get_running_loop(), std::make_shared<FixedAddresses>(addresses));
        try {
            co_await open_connection("some.where", 7, {.local_addr = {"127.0.0.1", 0}});
            ADD_FAILURE() << "no error";
        } catch (const OSError& error) {
            const std::string_view what = error.what();
            EXPECT_NE(what.find("connect some.where:7: several addresses failed: " + text),
                      std::string_view::npos)
                << what;
            EXPECT_NE(what.find("[::1]:9 from 127.0.0.1:0"), std::string_view::npos) << what;
        }
    });
}

TEST_P(ConnectTest, ANameThatDoesNotResolveIsNamed) {
    run([]() -> Coro<> {
        try {
            co_await open_connection("no-such-host.invalid", 1);
            ADD_FAILURE() << "no error";
        } catch (const gaierror& error) {
            EXPECT_NE(std::string_view(error.what()).find("no-such-host.invalid"), std::string_view::npos)
                << error.what();
        }
    });
}

TEST_P(ConnectTest, WrongArgumentsAreRefused) {
    run([]() -> Coro<> {
        EXPECT_THROW(static_cast<void>(open_connection("", 1)), ValueError);
        EXPECT_THROW(static_cast<void>(open_connection("127.0.0.1", 1, {.limit = 0})), ValueError);
        EXPECT_THROW(static_cast<void>(open_connection("127.0.0.1", 1, {.local_addr = {"name", 0}})),
                     ValueError);
        EXPECT_THROW(static_cast<void>(open_connection(Address())), ValueError);
        co_return;
    });
}

TEST_P(ConnectTest, ConnectsFromALocalAddress) {
    run([]() -> Coro<> {
        auto [listener, port] = raw_listener();
        auto [reader, writer] = co_await open_connection("127.0.0.1", port, {.local_addr = {"127.0.0.2", 0}});
        EXPECT_EQ(writer.sockname().host(), "127.0.0.2");
        co_await finish(writer);
        EXPECT_THROW(co_await open_connection("127.0.0.1", port, {.local_addr = {"192.0.2.1", 0}}), OSError);
    });
}

/// A port whose backlog is full: the kernel drops what asks for a connection, so connecting waits for long.
struct FullPort {
    FullPort() : listener(raw_listener(0)) {
        for (int i = 0; i < 8; ++i) {
            RawSocket each(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
            const Address to = Address::loopback(AddressFamily::ipv4, listener.second);
            ::connect(each.fd(), static_cast<const sockaddr*>(to.data()), static_cast<socklen_t>(to.size()));
            waiting.push_back(std::move(each));
        }
    }
    std::pair<RawSocket, std::uint16_t> listener;
    std::vector<RawSocket> waiting;
};

TEST_P(ConnectTest, TheTimeLimitIsForEverythingTogether) {
    run([]() -> Coro<> {
        const FullPort full;
        const TimePoint began = get_running_loop().time();
        try {
            co_await open_connection("127.0.0.1", full.listener.second, {.timeout = 50ms});
            ADD_FAILURE() << "no error";
        } catch (const TimeoutError& error) {
            const std::string_view what = error.what();
            EXPECT_NE(what.find("connect 127.0.0.1:"), std::string_view::npos) << what;
            EXPECT_TRUE(what.ends_with(": timed out after 0.05 s")) << what;
        }
        EXPECT_GE(time_until(get_running_loop().time(), began), Duration(50ms));
    });
}

TEST_P(ConnectTest, ACancelGivesUpTheAttempt) {
    run([]() -> Coro<> {
        const FullPort full;
        Task<Streams> task = create_task(open_connection("127.0.0.1", full.listener.second));
        co_await testing::wait_all_tasks_blocked();
        EXPECT_FALSE(task.done());
        task.cancel();
        co_await ended(task);
        EXPECT_TRUE(task.cancelled());
    });
}

TEST_P(ConnectTest, AUnixSocketIsAnAddressToo) {
    run([]() -> Coro<> {
        const Address address = Address::unix_path(std::string_view("\0asyncio-connect-test", 21));
        RawSocket listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        EXPECT_EQ(::bind(listener.fd(), static_cast<const sockaddr*>(address.data()),
                         static_cast<socklen_t>(address.size())),
                  0);
        EXPECT_EQ(::listen(listener.fd(), 1), 0);
        auto [reader, writer] = co_await open_connection(address);
        RawSocket peer(::accept4(listener.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        co_await writer.send("hi");
        EXPECT_EQ(peer.receive(), "hi");
        EXPECT_EQ(writer.peername(), address);
        co_await finish(writer);
    });
}

TEST(Connect, NeedsARunningLoop) {
    EXPECT_THROW(
        {
            EventLoop loop;
            loop.close();
            loop.run_until_complete(open_connection("127.0.0.1", 1));
        },
        RuntimeError);
}

TEST(Connect, TheSimulatedBackendHasNoSocketsAndItsErrorSaysWhatHas) {
    run_and_check(
        []() -> Coro<> {
            std::vector<std::string> errors;
            try {
                co_await open_connection("127.0.0.1", 1);
            } catch (const RuntimeError& error) {
                errors.emplace_back(error.what());
            }
            try {
                co_await start_server([](StreamReader, StreamWriter) {}, "127.0.0.1", 0);
            } catch (const RuntimeError& error) {
                errors.emplace_back(error.what());
            }
            EXPECT_EQ(errors.size(), 2u);
            for (const std::string& text : errors) {
                EXPECT_NE(text.find("the backend 'sim' has no sockets"), std::string::npos) << text;
                EXPECT_NE(text.find("ASYNCIO_BACKEND="), std::string::npos) << text;
            }
        },
        {.backend = Backend::sim});
}

}}  // namespace asyncio::test
