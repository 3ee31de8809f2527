#include "net/quiet.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>

namespace asyncio { inline namespace v1 { namespace detail {

bool is_quiet(int descriptor) noexcept {
    char byte = 0;
    // 0 is the end of the stream, 1 a byte that nobody asked for; other errors end the connection.
    const auto got = ::recv(descriptor, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

bool peer_has_gone(int descriptor) noexcept {
    // Of tcp_info the first byte, tcpi_state, is enough. (A look at the input would see the end only behind
    // the bytes that were not read.)
    unsigned char state = TCP_ESTABLISHED;
    socklen_t size = sizeof state;
    static_assert(offsetof(tcp_info, tcpi_state) == 0 && sizeof(tcp_info::tcpi_state) == sizeof state);
    if (::getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &state, &size) != 0) return false;
    return state == TCP_CLOSE_WAIT || state == TCP_CLOSING || state == TCP_LAST_ACK ||
           state == TCP_TIME_WAIT || state == TCP_CLOSE;
}

}}}  // namespace asyncio::v1::detail
