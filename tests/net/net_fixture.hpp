// What the tests of the net layer share: raw sockets as the other end, so that a test decides what comes
// when.
#pragma once
#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "asyncio/asyncio.hpp"
#include "asyncio/testing/wait_all_tasks_blocked.hpp"
#include "net/connection.hpp"
#include "net/net_part.hpp"
#include "support/loop_fixture.hpp"

namespace asyncio::test {

using namespace std::chrono_literals;

/// A non-blocking socket that the test works by hand.
class RawSocket {
  public:
    explicit RawSocket(int fd) : fd_(fd) {}
    RawSocket(RawSocket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    RawSocket& operator=(RawSocket&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~RawSocket() { close(); }

    int fd() const { return fd_; }
    int give() { return std::exchange(fd_, -1); }
    void close() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }
    /// Sends as much as the kernel takes.
    std::size_t send(std::string_view bytes) const {
        const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        return sent < 0 ? 0 : static_cast<std::size_t>(sent);
    }
    /// What is there now.
    std::string receive(std::size_t limit = 1 << 20) const {
        std::string bytes(limit, '\0');
        const ssize_t got = ::recv(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT);
        bytes.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
        return bytes;
    }
    /// The other end has closed, and everything was read.
    bool at_end() const {
        char byte;
        return ::recv(fd_, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
    }
    void end_sending() const { ::shutdown(fd_, SHUT_WR); }
    /// Closes with a reset (TCP).
    void reset() {
        const linger now{1, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        close();
    }

  private:
    int fd_;
};

/// A stream whose other end is in the test's hand.
struct Pair {
    Pair(Streams s, RawSocket p)
        : reader(std::move(s.reader)), writer(std::move(s.writer)), peer(std::move(p)) {}
    StreamReader reader;
    StreamWriter writer;
    RawSocket peer;
};

/// A listening TCP socket of the test's own.
inline std::pair<RawSocket, std::uint16_t> raw_listener(int backlog = 16,
                                                        AddressFamily family = AddressFamily::ipv4) {
    const Address address = Address::loopback(family, 0);
    RawSocket listener(
        ::socket(family == AddressFamily::ipv4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::bind(listener.fd(), static_cast<const sockaddr*>(address.data()),
                     static_cast<socklen_t>(address.size())),
              0);
    if (backlog >= 0) {
        EXPECT_EQ(::listen(listener.fd(), backlog), 0);
    }
    sockaddr_storage name{};
    socklen_t bytes = sizeof name;
    ::getsockname(listener.fd(), reinterpret_cast<sockaddr*>(&name), &bytes);
    return {std::move(listener), Address(&name, bytes).port()};
}

/// A raw socket connected to a port of 127.0.0.1 (of this process, where somebody listens).
inline RawSocket raw_connect(std::uint16_t port) {
    const Address to = Address::loopback(AddressFamily::ipv4, port);
    RawSocket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(
        ::connect(socket.fd(), static_cast<const sockaddr*>(to.data()), static_cast<socklen_t>(to.size())), 0)
        << std::strerror(errno);
    return socket;
}

/// A stream over a Unix socket pair: what is sent is there at once. Inside a running loop.
inline Pair unix_pair(std::size_t limit = default_stream_limit) {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    return Pair(detail::make_streams(detail::running_net_part(), ends[0], Address(), limit),
                RawSocket(ends[1]));
}

/// A stream over TCP.
inline Pair tcp_pair(std::size_t limit = default_stream_limit) {
    auto [listener, port] = raw_listener();
    RawSocket peer = raw_connect(port);
    const int accepted = ::accept4(listener.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    EXPECT_GE(accepted, 0);
    sockaddr_storage name{};
    socklen_t bytes = sizeof name;
    ::getsockname(peer.fd(), reinterpret_cast<sockaddr*>(&name), &bytes);
    return Pair(detail::make_streams(detail::running_net_part(), accepted, Address(&name, bytes), limit),
                std::move(peer));
}

/// Everything that the other end sends until it closes, read while the loop runs.
inline Coro<std::string> drain_peer(const RawSocket& peer) {
    std::string all;
    while (!peer.at_end()) {
        const std::string piece = peer.receive();
        all += piece;
        if (piece.empty()) {
            co_await sleep(100us);  // the kernel has more to bring here
        } else {
            co_await sleep(0s);
        }
    }
    co_return all;
}

/// Closes and waits, so that nothing of the connection is left.
inline Coro<> finish(StreamWriter& writer) {
    writer.close();
    try {
        co_await writer.wait_closed();
    } catch (const OSError&) {}
}

/// Waits for a task's end, however it ends.
template <class T>
Coro<> ended(Task<T> task) {
    std::vector<Task<T>> tasks(1, task);
    co_await wait(tasks);
}

/// Bytes that are all different places: what is lost, doubled or swapped shows.
inline std::string pattern(std::size_t bytes) {
    std::string made(bytes, '\0');
    std::uint32_t state = 12345;
    for (char& each : made) {
        state = state * 1664525 + 1013904223;
        each = static_cast<char>('a' + (state >> 24) % 26);
    }
    return made;
}

class NetTest : public BackendTest {};

}  // namespace asyncio::test
