// Datagrams: create_datagram_endpoint, DatagramEndpoint. UDP, and Unix sockets of that kind.
#pragma once
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "asyncio/base/option.hpp"
#include "asyncio/core/coro.hpp"
#include "asyncio/net/address.hpp"
#include "asyncio/net/streams.hpp"
#include "asyncio/task/with.hpp"

namespace asyncio { inline namespace v1 {

namespace detail {

struct DatagramCore;  // the socket: src/net/datagram_core.hpp

}  // namespace detail

/// Options of `create_datagram_endpoint`. At least one of the first three is given.
struct DatagramOptions {
    /// Where to receive: a name or a numeric host, none: all of this machine's; port 0: a free one.
    HostPort local_addr = {};
    /// The one peer: `send` goes there, what others send is not received, and refusals are told.
    HostPort remote_addr = {};
    AddressFamily family = AddressFamily::any;  ///< unix_domain: the hosts above are paths
    bool reuse_port = false;       ///< several sockets may have the port: the kernel spreads what comes
    bool allow_broadcast = false;  ///< may send to a broadcast address
};
static_assert(OptionStruct<DatagramOptions>);

/// Options of `DatagramEndpoint::send` and `sendto`.
struct DatagramSendOptions {
    /// The data is sent as datagrams of this size, the last one may be shorter: with one system call for many
    /// where the kernel can (UDP_SEGMENT, since Linux 4.18). 0: it is one datagram.
    std::size_t segment_bytes = 0;
};
static_assert(OptionStruct<DatagramSendOptions>);

/// A datagram that was received, and who has sent it.
using Datagram = std::pair<std::string, Address>;

/// A socket for datagrams, and its owner: it is closed when the endpoint is closed or destroyed.
///
/// Receiving takes nothing from the kernel before somebody asks. Then it takes what has come, sixteen
/// datagrams at most, with one system call; what nobody has asked for yet is kept for the next ones who do.
/// All else stays in the kernel's queue, which is bounded (SO_RCVBUF) and drops what does not fit, as
/// datagrams may be lost anywhere on their way. Several tasks may receive, and are served in order.
///
/// Sending hands the datagram to the kernel; nothing is buffered here.
///
/// Threads     loop thread only
/// Lifetime    may outlive the loop
/// Python      DatagramTransport with its DatagramProtocol, as a stream is to a Protocol
class DatagramEndpoint {
  public:
    /// For the library's own layers.
    explicit DatagramEndpoint(std::shared_ptr<detail::DatagramCore> adopted) noexcept
        : core_(std::move(adopted)) {}
    DatagramEndpoint(DatagramEndpoint&& other) noexcept = default;
    DatagramEndpoint& operator=(DatagramEndpoint&& other) noexcept {
        DatagramEndpoint old(std::move(*this));
        core_ = std::move(other.core_);
        return *this;
    }
    /// Closes it as `close` does. Debug mode names one that nobody had closed.
    ~DatagramEndpoint() {
        if (core_ != nullptr) drop();
    }

    /// A datagram, whole, and its sender.
    ///
    /// Throws      ConnectionRefusedError, OSError  of an endpoint with a remote address: the peer, or a
    ///             router, has refused what was sent before; the endpoint can be used on
    ///             ConnectionAbortedError  the endpoint is closed; RuntimeError  it is another loop's
    /// Suspends    only if nothing has come
    /// Cancel      nothing is lost
    /// Threads     loop thread
    /// Python      DatagramProtocol.datagram_received, error_received
    Coro<Datagram> recvfrom();
    /// The same, for loops: nothing when the endpoint was closed. `while (auto got = co_await
    /// endpoint.next())`.
    ///
    /// Throws      as recvfrom, but for the end
    /// Suspends    only if nothing has come
    /// Cancel      nothing is lost
    /// Threads     loop thread
    Coro<std::optional<Datagram>> next();
    /// The same into memory of the caller's, cut off where that ends; how many bytes, and the sender.
    ///
    /// Throws      as recvfrom
    /// Suspends    only if nothing has come
    /// Cancel      nothing is lost
    /// Threads     loop thread
    /// Lifetime    `memory` until the await has ended
    /// Cost        no allocation but the coroutine's, no copy if nothing was read ahead
    Coro<std::pair<std::size_t, Address>> recvfrom_into(std::span<char> memory);
    /// Sends a datagram, or several: see DatagramSendOptions.
    ///
    /// Throws      OSError  the kernel refuses it: too long (EMSGSIZE), no route, not allowed
    ///             ConnectionAbortedError  the endpoint is closed; ValueError  the address is empty
    ///             RuntimeError  it is another loop's
    /// Suspends    only if the kernel's buffer is full
    /// Cancel      nothing was sent; of several segments a part may have been
    /// Threads     loop thread
    /// Lifetime    `data` until the await has ended
    /// Python      DatagramTransport.sendto, which buffers
    Coro<> sendto(std::string_view data, Address address, DatagramSendOptions options = {});
    /// The same to the remote address.
    ///
    /// Throws      as sendto; ConnectionRefusedError  an earlier one was refused, and this one not sent
    /// Suspends    only if the kernel's buffer is full
    /// Cancel      nothing was sent; of several segments a part may have been
    /// Threads     loop thread
    /// Lifetime    `data` until the await has ended
    Coro<> send(std::string_view data, DatagramSendOptions options = {});

    /// Closes when the `send`s that wait now have ended. Those who wait to receive are told at once.
    void close() noexcept;
    /// Closes at once; `send`s that wait end with ConnectionAbortedError.
    void abort() noexcept;
    /// It is closed or being closed.
    bool is_closing() const noexcept;
    /// Waits until it is closed.
    ///
    /// Throws      RuntimeError  it is not closed yet, and another loop's
    /// Suspends    only if it is not closed yet
    /// Cancel      no effect
    /// Threads     loop thread
    Coro<> wait_closed();

    /// This end's address, with the port that the kernel chose for port 0; empty once it is closed.
    Address sockname() const;
    /// The remote address; empty if there is none.
    Address peername() const;
    /// The socket, for its options; -1 once it is closed. It must not be closed, read or written.
    int fileno() const noexcept;

    detail::Ready aenter() const noexcept { return detail::Ready(); }
    /// What `with` does at the end: `close`, after a failure `abort`, then wait_closed.
    ///
    /// Suspends    only if it is not closed at once
    /// Cancel      it is closed all the same
    /// Threads     loop thread
    Coro<> aexit(std::exception_ptr error);

  private:
    void drop() noexcept;
    std::shared_ptr<detail::DatagramCore> core_;
};

/// Makes a socket for datagrams. Of names that have several addresses the first that works is taken.
///
/// Throws      OSError  no address could be bound or connected; gaierror  a name cannot be resolved
///             ValueError  neither an address nor a family is given, or a remote one without a host
/// Suspends    only to resolve a name
/// Cancel      nothing is left open
/// Threads     loop thread
/// Python      loop.create_datagram_endpoint, with a DatagramEndpoint in place of transport and protocol
Coro<DatagramEndpoint> create_datagram_endpoint(DatagramOptions options = DatagramOptions());

}}  // namespace asyncio::v1
