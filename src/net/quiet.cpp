#include "net/quiet.hpp"

#include <sys/socket.h>

#include <cerrno>

namespace asyncio { inline namespace v1 { namespace detail {

bool is_quiet(int descriptor) noexcept {
    char byte = 0;
    // 0 is the end of the stream, 1 a byte that nobody asked for; other errors end the connection.
    const auto got = ::recv(descriptor, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

}}}  // namespace asyncio::v1::detail
