// The sock_ methods of the loop, against sockets that the test has made itself.
#include "asyncio/net/sock.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <string>
#include <utility>

#include "asyncio/asyncio.hpp"
#include "support/cancel_points.hpp"
#include "support/loop_fixture.hpp"

namespace asyncio::test { namespace {

using namespace std::chrono_literals;

/// A descriptor that closes itself.
class Fd {
  public:
    explicit Fd(int fd) : fd_(fd) { EXPECT_GE(fd, 0); }
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&&) = delete;
    ~Fd() {
        if (fd_ >= 0) ::close(fd_);
    }
    operator int() const { return fd_; }

  private:
    int fd_;
};

Fd tcp_socket() { return Fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)); }

/// Bound to a free port of the loopback.
Fd bound(Fd socket) {
    const Address address = Address::loopback(AddressFamily::ipv4, 0);
    EXPECT_EQ(
        ::bind(socket, static_cast<const sockaddr*>(address.data()), static_cast<socklen_t>(address.size())),
        0);
    return socket;
}
Fd listening() {
    Fd socket = bound(tcp_socket());
    EXPECT_EQ(::listen(socket, 8), 0);
    return socket;
}
Fd udp_socket() { return bound(Fd(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0))); }

Address address_of(int socket) {
    sockaddr_storage storage{};
    socklen_t bytes = sizeof storage;
    EXPECT_EQ(::getsockname(socket, reinterpret_cast<sockaddr*>(&storage), &bytes), 0);
    return Address(&storage, bytes);
}

class Sock : public BackendTest {};
ASYNCIO_ON_REAL_BACKENDS(Sock);

Coro<> echo_once(int listener) {
    EventLoop& loop = get_running_loop();
    auto [accepted, peer] = co_await loop.sock_accept(listener);
    const Fd connection(accepted);
    EXPECT_EQ(peer.host(), "127.0.0.1");
    for (;;) {
        std::string data = co_await loop.sock_recv(connection, 1000);
        if (data.empty()) co_return;
        co_await loop.sock_sendall(connection, data);
    }
}

TEST_P(Sock, AConnectionFromConnectToTheEnd) {
    run([]() -> Coro<> {
        EventLoop& loop = get_running_loop();
        const Fd listener = listening();
        auto server = create_task(echo_once(listener));
        const Fd client = tcp_socket();
        co_await loop.sock_connect(client, address_of(listener));
        const std::string much(3'000'000, 'm');  // more than the buffers hold: both must wait
        auto sending = create_task([&]() -> Coro<> { co_await loop.sock_sendall(client, much); });
        std::string got;
        while (got.size() < much.size()) {
            std::array<std::byte, 4096> buffer{};
            const std::size_t bytes = co_await loop.sock_recv_into(client, buffer);
            EXPECT_GT(bytes, 0u);
            if (bytes == 0) break;
            got.append(reinterpret_cast<const char*>(buffer.data()), bytes);
        }
        co_await sending;
        EXPECT_TRUE(got == much);
        ::shutdown(client, SHUT_WR);
        co_await server;
        std::string end = co_await loop.sock_recv(client, 10);
        EXPECT_EQ(end, "");
    });
}

TEST_P(Sock, DatagramsComeWithTheirSender) {
    run([]() -> Coro<> {
        EventLoop& loop = get_running_loop();
        const Fd one = udp_socket();
        const Fd other = udp_socket();
        auto receiving = create_task([&]() { return loop.sock_recvfrom(other, 100); });
        co_await sleep(5ms);
        EXPECT_FALSE(receiving.done());
        const std::size_t sent = co_await loop.sock_sendto(one, "hello", address_of(other));
        EXPECT_EQ(sent, 5u);
        auto [data, from] = co_await receiving;
        EXPECT_EQ(data, "hello");
        EXPECT_EQ(from, address_of(one));
        co_await loop.sock_sendto(one, "", address_of(other));  // an empty one is one, too
        std::array<std::byte, 8> buffer{};
        auto [bytes, again] = co_await loop.sock_recvfrom_into(other, buffer);
        EXPECT_EQ(bytes, 0u);
        EXPECT_EQ(again, address_of(one));
    });
}

TEST_P(Sock, AFileIsSentFromAnOffsetOn) {
    run([]() -> Coro<> {
        EventLoop& loop = get_running_loop();
        std::FILE* const file = std::tmpfile();
        std::string content;
        for (int i = 0; content.size() < 2'000'000; ++i) content += std::to_string(i) + "\n";
        EXPECT_EQ(std::fwrite(content.data(), 1, content.size(), file), content.size());
        std::fflush(file);
        std::array<int, 2> ends{};
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()), 0);
        const Fd ours(ends[0]);
        const Fd theirs(ends[1]);
        auto sending = create_task([&]() { return loop.sock_sendfile(ours, ::fileno(file), 10); });
        std::string got;
        while (got.size() < content.size() - 10) {
            std::string piece = co_await loop.sock_recv(theirs, 100'000);
            got += piece;
        }
        const std::uint64_t sent = co_await sending;
        EXPECT_EQ(sent, content.size() - 10);
        EXPECT_TRUE(got == content.substr(10));
        const std::uint64_t part = co_await loop.sock_sendfile(ours, ::fileno(file), 0, 7);
        EXPECT_EQ(part, 7u);
        std::string seven = co_await loop.sock_recv(theirs, 100);
        EXPECT_EQ(seven, content.substr(0, 7));
        std::fclose(file);
    });
}

TEST_P(Sock, FailuresNameTheCallAndTheSubject) {
    run([]() -> Coro<> {
        EventLoop& loop = get_running_loop();
        Address nobody;
        {
            const Fd gone = listening();
            nobody = address_of(gone);
        }
        const Fd client = tcp_socket();
        const Outcome<void> refused = co_await try_wait_for(loop.sock_connect(client, nobody), 5s);
        EXPECT_NE(refused.error_as<ConnectionRefusedError>(), nullptr) << refused.what();
        EXPECT_NE(refused.what().find(nobody.to_string()), std::string::npos) << refused.what();

        const Outcome<std::string> unconnected = co_await try_wait_for(loop.sock_recv(tcp_socket(), 1), 5s);
        EXPECT_NE(unconnected.error_as<OSError>(), nullptr);
        EXPECT_NE(unconnected.what().find("recv on socket"), std::string::npos) << unconnected.what();

        const Outcome<std::string> closed = co_await try_wait_for(loop.sock_recv(-1, 1), 5s);
        EXPECT_NE(closed.error_as<OSError>(), nullptr);

        const Fd blocking(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const Outcome<void> blocks = co_await try_wait_for(loop.sock_connect(blocking, nobody), 5s);
        EXPECT_NE(blocks.error_as<ValueError>(), nullptr) << blocks.what();
    });
}

TEST_P(Sock, APeerThatHasGoneIsBrokenPipeAndNoSignal) {
    run([]() -> Coro<> {
        std::array<int, 2> ends{};
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()), 0);
        const Fd ours(ends[0]);
        ::close(ends[1]);
        const Outcome<void> broken = co_await try_wait_for(get_running_loop().sock_sendall(ours, "x"), 5s);
        EXPECT_NE(broken.error_as<BrokenPipeError>(), nullptr) << broken.what();
    });
}

// Data that is always there must not keep the others from running.
TEST_P(Sock, ABusySocketDoesNotStarveTheLoop) {
    run([]() -> Coro<> {
        EventLoop& loop = get_running_loop();
        const Fd one = udp_socket();
        bool other_ran = false;
        auto other = create_task([&]() -> Coro<> {
            other_ran = true;
            co_return;
        });
        int rounds = 0;
        while (!other_ran && rounds < 10'000) {
            ++rounds;
            co_await loop.sock_sendto(one, "x", address_of(one));
            co_await loop.sock_recvfrom(one, 8);
        }
        EXPECT_TRUE(other_ran);
        EXPECT_LT(rounds, 1000);
        co_await other;
    });
}

TEST_P(Sock, CancelledAtAnyPointTheSocketsCanBeUsedAgain) {
    expect_each_cancel_point(
        []() -> Coro<> {
            EventLoop& loop = get_running_loop();
            const Fd listener = listening();
            const Fd client = tcp_socket();
            co_await gather([&]() { return echo_once(listener); },
                            [&]() -> Coro<> {
                                co_await loop.sock_connect(client, address_of(listener));
                                co_await loop.sock_sendall(client, "ping");
                                std::string answer = co_await loop.sock_recv(client, 10);
                                EXPECT_EQ(answer, "ping");
                                ::shutdown(client, SHUT_WR);
                            });
        },
        {.backend = backend(), .simulate = false});
}

}}  // namespace asyncio::test
