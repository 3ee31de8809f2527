// Sockets: making them, naming them, ending them.
#include "net/sockets.hpp"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <string>

#include "asyncio/base/error.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

namespace {

int native_family(AddressFamily family) noexcept {
    switch (family) {
        case AddressFamily::ipv6: return AF_INET6;
        case AddressFamily::unix_domain: return AF_UNIX;
        default: return AF_INET;
    }
}

template <class Ask>
Address ask_address(Ask ask, int descriptor) noexcept {
    sockaddr_storage storage{};
    socklen_t bytes = sizeof storage;
    if (ask(descriptor, reinterpret_cast<sockaddr*>(&storage), &bytes) != 0) return Address();
    return Address(&storage, bytes);
}

}  // namespace

int open_stream_socket(AddressFamily family) noexcept {
    const int descriptor = ::socket(native_family(family), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return descriptor < 0 ? -errno : descriptor;
}

int open_datagram_socket(AddressFamily family) noexcept {
    const int descriptor = ::socket(native_family(family), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return descriptor < 0 ? -errno : descriptor;
}

int bind_socket(int descriptor, const Address& address) noexcept {
    const auto* native = static_cast<const sockaddr*>(address.data());
    return ::bind(descriptor, native, static_cast<socklen_t>(address.size())) == 0 ? 0 : -errno;
}

int connect_datagrams(int descriptor, const Address& address) noexcept {
    const auto* native = static_cast<const sockaddr*>(address.data());
    return ::connect(descriptor, native, static_cast<socklen_t>(address.size())) == 0 ? 0 : -errno;
}

int listen_on(int descriptor, int backlog) noexcept {
    return ::listen(descriptor, backlog) == 0 ? 0 : -errno;
}

void set_no_delay(int descriptor) noexcept { set_option(descriptor, IPPROTO_TCP, TCP_NODELAY, 1); }

int set_option(int descriptor, int level, int option, int value) noexcept {
    return ::setsockopt(descriptor, level, option, &value, sizeof value) == 0 ? 0 : -errno;
}

void require_non_blocking(const char* call, int descriptor) {
    const auto subject = [&] { return std::string(call) + " on socket " + std::to_string(descriptor); };
    const int flags = ::fcntl(descriptor, F_GETFL);
    if (flags < 0) throw_os_error(errno, subject());
    if ((flags & O_NONBLOCK) == 0) {
        throw ValueError(subject() +
                         ": it is in blocking mode, which would hold up the loop: set O_NONBLOCK");
    }
}

Address local_address(int descriptor) noexcept { return ask_address(&::getsockname, descriptor); }
Address peer_address(int descriptor) noexcept { return ask_address(&::getpeername, descriptor); }

void shut_down_socket(int descriptor) noexcept { ::shutdown(descriptor, SHUT_RDWR); }
void end_sending(int descriptor) noexcept { ::shutdown(descriptor, SHUT_WR); }

}}}  // namespace asyncio::v1::detail
