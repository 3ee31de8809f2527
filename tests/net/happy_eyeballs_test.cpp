// open_connection to a name with several addresses, some of which do not answer (RFC 8305).
#include <sys/ioctl.h>

#include "asyncio/testing/mock_clock.hpp"
#include "net/connect_race.hpp"
#include "net_fixture.hpp"
#include "support/alloc_failure.hpp"
#include "support/cancel_points.hpp"

namespace asyncio::test { namespace {

Address at(const char* host, std::uint16_t port = 1) { return *Address::parse(host, port); }

std::string order(const std::vector<Address>& addresses) {
    std::string text;
    for (const Address& each : addresses) text += (text.empty() ? "" : " ") + each.host();
    return text;
}

TEST(Interleaving, TheFamiliesTakeTurnsBeginningWithTheFirst) {
    std::vector<Address> given;
    for (const char* host : {"::1", "::2", "::3", "10.0.0.1", "10.0.0.2"}) given.push_back(at(host));
    EXPECT_EQ(order(detail::interleave_families(given, 1)), "::1 10.0.0.1 ::2 10.0.0.2 ::3");
    EXPECT_EQ(order(detail::interleave_families(given, 2)), "::1 ::2 10.0.0.1 ::3 10.0.0.2");
    EXPECT_EQ(order(detail::interleave_families(given, 9)), "::1 ::2 ::3 10.0.0.1 10.0.0.2");
    EXPECT_EQ(order(detail::interleave_families(given, 0)), "::1 ::2 ::3 10.0.0.1 10.0.0.2");
    std::reverse(given.begin(), given.end());
    EXPECT_EQ(order(detail::interleave_families(given, 1)), "10.0.0.2 ::3 10.0.0.1 ::2 ::1");
    EXPECT_TRUE(detail::interleave_families({}, 1).empty());
}

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

/// A port whose backlog is full: the kernel drops what asks for a connection, so connecting waits for long.
class SilentPort {
  public:
    SilentPort() : listener_(raw_listener(0)) {
        for (int i = 0; i < 8; ++i) {
            RawSocket each(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
            const Address to = address();
            ::connect(each.fd(), static_cast<const sockaddr*>(to.data()), static_cast<socklen_t>(to.size()));
            waiting_.push_back(std::move(each));
        }
    }
    Address address() const { return Address::loopback(AddressFamily::ipv4, listener_.second); }

  private:
    std::pair<RawSocket, std::uint16_t> listener_;
    std::vector<RawSocket> waiting_;
};

void use_addresses(std::vector<Address> addresses) {
    set_resolver(get_running_loop(), std::make_shared<FixedAddresses>(std::move(addresses)));
}

class HappyEyeballs : public NetTest {};
ASYNCIO_ON_REAL_BACKENDS(HappyEyeballs);

TEST_P(HappyEyeballs, AnAddressThatDoesNotAnswerHoldsTheOthersUpForTheDelayAlone) {
    run([]() -> Coro<> {
        const SilentPort silent;
        auto [listener, port] = raw_listener();
        use_addresses({silent.address(), Address::loopback(AddressFamily::ipv4, port)});
        const TimePoint began = get_running_loop().time();
        auto [reader, writer] = co_await open_connection("two.addresses", 1, {.happy_eyeballs_delay = 30ms});
        const Duration took = time_until(get_running_loop().time(), began);
        EXPECT_EQ(writer.peername().port(), port);
        EXPECT_GE(took, Duration(30ms));
        EXPECT_LT(took, Duration(5s));
        co_await finish(writer);
    });
}

// The clock is virtual, and jumps when all wait: so the delays can be told exactly.
TEST_P(HappyEyeballs, TheDelayIsCountedFromEachStartAndIsAQuarterOfASecondUnlessSaid) {
    testing::MockClock clock(true);
    run(
        []() -> Coro<> {
            const SilentPort silent;
            auto [listener, port] = raw_listener();
            use_addresses({silent.address(), silent.address(), Address::loopback(AddressFamily::ipv4, port)});
            const TimePoint began = get_running_loop().time();
            auto [reader, writer] = co_await open_connection("three.addresses", 1, {.timeout = 10s});
            EXPECT_EQ(time_until(get_running_loop().time(), began), Duration(500ms));
            co_await finish(writer);
        },
        {.clock = &clock});
}

TEST_P(HappyEyeballs, AFailureStartsTheNextAddressAtOnce) {
    run([]() -> Coro<> {
        auto [refusing, refused] = raw_listener(-1);
        auto [listener, port] = raw_listener();
        use_addresses(
            {Address::loopback(AddressFamily::ipv4, refused), Address::loopback(AddressFamily::ipv4, port)});
        const TimePoint began = get_running_loop().time();
        auto [reader, writer] = co_await open_connection("two.addresses", 1, {.happy_eyeballs_delay = 1h});
        EXPECT_LT(time_until(get_running_loop().time(), began), Duration(60s));
        EXPECT_EQ(writer.peername().port(), port);
        co_await finish(writer);
    });
}

TEST_P(HappyEyeballs, WithoutADelayTheAddressesAreTriedOneAfterAnother) {
    run([]() -> Coro<> {
        const SilentPort silent;
        auto [listener, port] = raw_listener();
        use_addresses({silent.address(), Address::loopback(AddressFamily::ipv4, port)});
        try {
            co_await open_connection("two.addresses", 1,
                                     {.timeout = 60ms, .happy_eyeballs_delay = Duration::none()});
            ADD_FAILURE() << "the second address was tried besides";
        } catch (const TimeoutError& error) {
            EXPECT_STREQ(error.what(), "connect two.addresses:1: timed out after 0.06 s");
        }
        char byte;
        EXPECT_EQ(::recv(listener.fd(), &byte, 1, MSG_DONTWAIT), -1);
        const int flags = 1;
        ::ioctl(listener.fd(), FIONBIO, &flags);
        EXPECT_EQ(::accept(listener.fd(), nullptr, nullptr), -1) << "nobody has connected";
    });
}

TEST_P(HappyEyeballs, ADelayOfZeroTriesAllAtOnceAndOneIsTaken) {
    run([]() -> Coro<> {
        const SilentPort silent;
        auto [listener, port] = raw_listener();
        std::vector<Address> addresses(5, Address::loopback(AddressFamily::ipv4, port));
        addresses.insert(addresses.begin(), silent.address());
        use_addresses(std::move(addresses));
        auto [reader, writer] = co_await open_connection("six.addresses", 1, {.happy_eyeballs_delay = 0s});
        EXPECT_EQ(writer.peername().port(), port);
        co_await writer.send("it is this one");
        co_await finish(writer);
    });
}

TEST_P(HappyEyeballs, TheFamiliesAreTriedInTurns) {
    run([]() -> Coro<> {
        auto [listener, port] = raw_listener();
        auto [listener6, port6] = raw_listener(16, AddressFamily::ipv6);
        auto [refusing, refused] = raw_listener(-1, AddressFamily::ipv6);
        // In the order of the resolver the third would be the second IPv6 address.
        const std::vector<Address> addresses{Address::loopback(AddressFamily::ipv6, refused),
                                             Address::loopback(AddressFamily::ipv6, port6),
                                             Address::loopback(AddressFamily::ipv4, port)};
        use_addresses(addresses);
        auto [reader, writer] = co_await open_connection("both.families", 1);
        EXPECT_EQ(writer.peername().to_string(), "127.0.0.1:" + std::to_string(port));
        co_await finish(writer);
        auto [reader6, writer6] = co_await open_connection("both.families", 1, {.interleave = 0});
        EXPECT_EQ(writer6.peername().to_string(), "[::1]:" + std::to_string(port6));
        co_await finish(writer6);
    });
}

TEST_P(HappyEyeballs, AllFailuresAreNamedInTheOrderOfTheAttempts) {
    run([]() -> Coro<> {
        auto [refusing, refused] = raw_listener(-1);
        auto [refusing6, refused6] = raw_listener(-1, AddressFamily::ipv6);
        const Address one = Address::loopback(AddressFamily::ipv6, refused6);
        const Address other = Address::loopback(AddressFamily::ipv4, refused);
        use_addresses({one, other});
        try {
            co_await open_connection("both.families", 1, {.happy_eyeballs_delay = 0s});
            ADD_FAILURE() << "no error";
        } catch (const ConnectionRefusedError& error) {
            EXPECT_EQ(std::string(error.what()), "connect both.families:1 (" + one.to_string() + ", " +
                                                     other.to_string() + "): Connection refused [Errno 111]");
        }
    });
}

TEST_P(HappyEyeballs, ANegativeDelayIsRefused) {
    run([]() -> Coro<> {
        EXPECT_THROW(static_cast<void>(open_connection("127.0.0.1", 1, {.happy_eyeballs_delay = -1ms})),
                     ValueError);
        co_return;
    });
}

TEST_P(HappyEyeballs, ACancelEndsAllAttempts) {
    run([]() -> Coro<> {
        const SilentPort silent;
        use_addresses(std::vector<Address>(4, silent.address()));
        Task<Streams> task = create_task(open_connection("silent", 1, {.happy_eyeballs_delay = 0s}));
        co_await testing::wait_all_tasks_blocked();
        EXPECT_EQ(get_running_loop().impl().backend->in_flight(), 4u);
        task.cancel();
        task.cancel();
        co_await ended(task);
        EXPECT_TRUE(task.cancelled());
        // It has waited for the kernel.
        EXPECT_EQ(get_running_loop().impl().backend->in_flight(), 0u);
    });
}

TEST_P(HappyEyeballs, TheWinnerWaitsUntilTheKernelHasLetGoOfTheOthers) {
    run([]() -> Coro<> {
        const SilentPort silent;
        auto [listener, port] = raw_listener();
        use_addresses({silent.address(), silent.address(), Address::loopback(AddressFamily::ipv4, port)});
        const std::size_t before = open_descriptors().size();
        auto [reader, writer] = co_await open_connection("three.addresses", 1, {.happy_eyeballs_delay = 0s});
        EXPECT_EQ(get_running_loop().impl().backend->in_flight(), 0u);
        EXPECT_EQ(open_descriptors().size(), before + 1);
        co_await finish(writer);
    });
}

TEST_P(HappyEyeballs, WithoutMemoryItFailsAndLeavesNothing) {
    if (!AllocationFailure::works()) GTEST_SKIP() << "allocations cannot be refused in this build";
    run([]() -> Coro<> {
        const SilentPort silent;
        auto [listener, port] = raw_listener();
        const std::vector<Address> addresses{silent.address(), Address::loopback(AddressFamily::ipv4, port)};
        bool failed = true;
        for (int at = 1; failed && at < 200; ++at) {
            failed = false;
            use_addresses(addresses);
            try {
                AllocationFailure failure(at);
                auto [reader, writer] =
                    co_await open_connection("two.addresses", 1, {.happy_eyeballs_delay = 0s});
                failure.stop();
                failed = failure.happened();
                co_await finish(writer);
            } catch (const std::bad_alloc&) {
                failed = true;
            }
            EXPECT_EQ(get_running_loop().impl().backend->in_flight(), 0u);
        }
        EXPECT_FALSE(failed) << "200 allocations for a connection";
    });
}

TEST_P(HappyEyeballs, CancelledAtAnyPointNothingIsLeft) {
    expect_each_cancel_point(
        []() -> Coro<> {
            const SilentPort silent;
            auto [refusing, refused] = raw_listener(-1);
            auto [listener, port] = raw_listener();
            use_addresses({silent.address(), Address::loopback(AddressFamily::ipv4, refused),
                           silent.address(), Address::loopback(AddressFamily::ipv4, port)});
            auto [reader, writer] =
                co_await open_connection("four.addresses", 1, {.timeout = 10s, .happy_eyeballs_delay = 1ms});
            EXPECT_EQ(get_running_loop().impl().backend->in_flight(), 0u);
            co_await finish(writer);
        },
        {.backend = backend(), .simulate = false, .twice = true});
}

}}  // namespace asyncio::test
