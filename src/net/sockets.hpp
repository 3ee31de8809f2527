// The system calls of the net layer that neither wait nor move data.
#pragma once
#include "asyncio/net/address.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

/// A stream socket, non-blocking and close-on-exec; or -errno.
int open_stream_socket(AddressFamily family) noexcept;
int open_datagram_socket(AddressFamily family) noexcept;
/// -errno or 0.
int bind_socket(int descriptor, const Address& address) noexcept;
/// Of a datagram socket: that is done at once.
int connect_datagrams(int descriptor, const Address& address) noexcept;
int listen_on(int descriptor, int backlog) noexcept;
/// Sends without waiting for more to send, as asyncio does.
void set_no_delay(int descriptor) noexcept;
/// Sets an integer option; -errno or 0.
int set_option(int descriptor, int level, int option, int value) noexcept;
/// Throws  ValueError  a call on it would hold up the loop; OSError  it is not open
void require_non_blocking(const char* call, int descriptor);
Address local_address(int descriptor) noexcept;
Address peer_address(int descriptor) noexcept;
/// Both directions: operations in the kernel end, and the peer is told.
void shut_down_socket(int descriptor) noexcept;
/// The sending direction.
void end_sending(int descriptor) noexcept;

}}}  // namespace asyncio::v1::detail
