#include "asyncio/net/sock.hpp"

#include <sys/socket.h>

#include <cerrno>

#include "asyncio/base/error.hpp"
#include "asyncio/core/checkpoint.hpp"
#include "detail/loop_impl.hpp"
#include "net/sockets.hpp"

namespace asyncio { inline namespace v1 {

namespace {

std::string on_socket(const char* call, int socket) {
    return std::string(call) + " on socket " + std::to_string(socket);
}

/// The result of a system call that would not wait; nothing: it would have to.
template <class Call>
std::optional<std::size_t> attempt(const char* name, int socket, Call call) {
    for (;;) {
        const auto result = call();
        if (result >= 0) return static_cast<std::size_t>(result);
        if (errno == EAGAIN || errno == EWOULDBLOCK) return std::nullopt;
        if (errno != EINTR) throw_os_error(errno, on_socket(name, socket));
    }
}

struct Sender {
    sockaddr_storage storage{};
    socklen_t bytes = sizeof storage;
    sockaddr* native() noexcept { return reinterpret_cast<sockaddr*>(&storage); }
    Address address() const noexcept { return Address(&storage, bytes); }
};

}  // namespace

Coro<std::size_t> EventLoop::sock_recv_into(int socket, std::span<std::byte> buffer) {
    co_await checkpoint();
    for (;;) {
        const auto received = attempt(
            "recv", socket, [&] { return ::recv(socket, buffer.data(), buffer.size(), MSG_DONTWAIT); });
        if (received) co_return *received;
        co_await wait_readable(socket);
    }
}

Coro<std::string> EventLoop::sock_recv(int socket, std::size_t bytes_max) {
    std::string data(bytes_max, '\0');
    const std::size_t received = co_await sock_recv_into(socket, std::as_writable_bytes(std::span(data)));
    data.resize(received);
    co_return data;
}

Coro<std::pair<std::size_t, Address>> EventLoop::sock_recvfrom_into(int socket, std::span<std::byte> buffer) {
    co_await checkpoint();
    for (;;) {
        Sender from;
        const auto received = attempt("recvfrom", socket, [&] {
            from.bytes = sizeof from.storage;
            return ::recvfrom(socket, buffer.data(), buffer.size(), MSG_DONTWAIT, from.native(), &from.bytes);
        });
        if (received) co_return std::pair(*received, from.address());
        co_await wait_readable(socket);
    }
}

Coro<std::pair<std::string, Address>> EventLoop::sock_recvfrom(int socket, std::size_t bytes_max) {
    std::string data(bytes_max, '\0');
    auto [received, from] = co_await sock_recvfrom_into(socket, std::as_writable_bytes(std::span(data)));
    data.resize(received);
    co_return std::pair(std::move(data), from);
}

Coro<> EventLoop::sock_sendall(int socket, std::string_view data) {
    co_await checkpoint();
    while (!data.empty()) {
        const auto sent = attempt("send", socket, [&] {
            return ::send(socket, data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        });
        if (sent) {
            data.remove_prefix(*sent);
        } else {
            co_await wait_writable(socket);
        }
    }
}

Coro<std::size_t> EventLoop::sock_sendto(int socket, std::string_view data, Address address) {
    co_await checkpoint();
    for (;;) {
        const auto sent = attempt("sendto", socket, [&] {
            return ::sendto(socket, data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                            static_cast<const sockaddr*>(address.data()),
                            static_cast<socklen_t>(address.size()));
        });
        if (sent) co_return *sent;
        co_await wait_writable(socket);
    }
}

Coro<std::pair<int, Address>> EventLoop::sock_accept(int socket) {
    detail::require_non_blocking("accept", socket);
    co_await checkpoint();
    for (;;) {
        Sender peer;
        const auto accepted = attempt("accept", socket, [&] {
            peer.bytes = sizeof peer.storage;
            const int fd = ::accept4(socket, peer.native(), &peer.bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd < 0 && errno == ECONNABORTED) errno = EINTR;  // that one has gone: the next
            return fd;
        });
        if (accepted) co_return std::pair(static_cast<int>(*accepted), peer.address());
        co_await wait_readable(socket);
    }
}

Coro<> EventLoop::sock_connect(int socket, Address address) {
    detail::require_non_blocking("connect", socket);
    co_await checkpoint();
    const auto subject = [&] { return "connect " + address.to_string(); };
    const auto* const native = static_cast<const sockaddr*>(address.data());
    if (::connect(socket, native, static_cast<socklen_t>(address.size())) == 0) co_return;
    // Interrupted, it goes on by itself; a second call would be told so (connect(2)).
    if (errno != EINPROGRESS && errno != EINTR) throw_os_error(errno, subject());
    co_await wait_writable(socket);
    int error = 0;
    socklen_t bytes = sizeof error;
    if (::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &bytes) != 0) error = errno;
    if (error != 0) throw_os_error(error, subject());
}

}}  // namespace asyncio::v1
