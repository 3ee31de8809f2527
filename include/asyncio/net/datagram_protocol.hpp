// Datagrams for protocols: create_datagram_endpoint with a factory. (Coroutines use net/datagram.hpp.)
#pragma once
#include <exception>
#include <memory>
#include <string_view>
#include <utility>

#include "asyncio/net/datagram.hpp"
#include "asyncio/net/detail/protocol_factory.hpp"
#include "asyncio/net/streams.hpp"

namespace asyncio { inline namespace v1 {

class DatagramProtocol;

namespace detail {
struct DatagramTransportCore;
}

/// A socket for datagrams as its protocol sees it: a handle that can be copied. The socket stays open when
/// all handles are gone; it ends by `close`, `abort`, or with the loop.
///
/// Threads     loop thread only
/// Lifetime    may outlive the socket and the loop
/// Python      asyncio.DatagramTransport
class ASYNCIO_API DatagramTransport {
  public:
    DatagramTransport() noexcept = default;
    /// For the library's own.
    explicit DatagramTransport(std::shared_ptr<detail::DatagramTransportCore> core) noexcept
        : core_(std::move(core)) {}
    bool valid() const noexcept { return core_ != nullptr; }

    /// Sends a datagram, or keeps it until the kernel's buffer has room; an empty address: to the remote one.
    /// What the kernel refuses is told to `error_received`. May call the protocol's `pause_writing`.
    /// Throws  ValueError  no address, and the endpoint has no remote one
    void sendto(std::string_view data, const Address& address = Address());
    /// Sends what is kept, then closes. The protocol receives no more, but for `connection_lost`.
    void close() noexcept;
    void abort() noexcept;
    bool is_closing() const noexcept;
    /// As StreamWriter::get_extra_info.
    StreamWriter::ExtraInfo get_extra_info(std::string_view name) const;
    /// Null when `connection_lost` was called.
    std::shared_ptr<DatagramProtocol> get_protocol() const noexcept;
    /// Throws  ValueError  it is null
    void set_protocol(std::shared_ptr<DatagramProtocol> protocol);
    std::size_t get_write_buffer_size() const noexcept;
    WriteBufferLimits get_write_buffer_limits() const noexcept;
    /// Throws  ValueError  low is more than high
    void set_write_buffer_limits(WriteBufferLimits limits = WriteBufferLimits());

  private:
    std::shared_ptr<detail::DatagramTransportCore> core_;
};

/// What is called when something happens to a socket for datagrams. Each function does nothing unless it is
/// overridden; see BaseProtocol for how they are called.
///
/// Threads     loop thread only
/// Python      asyncio.DatagramProtocol
class ASYNCIO_API DatagramProtocol {
  public:
    DatagramProtocol() = default;
    DatagramProtocol(const DatagramProtocol&) = delete;
    DatagramProtocol& operator=(const DatagramProtocol&) = delete;
    virtual ~DatagramProtocol();

    /// The first call, once.
    virtual void connection_made(DatagramTransport transport);
    /// The data is valid until this returns.
    virtual void datagram_received(std::string_view data, const Address& sender);
    /// A datagram was refused, here or on its way. The socket can be used on.
    virtual void error_received(std::exception_ptr error);
    virtual void pause_writing();
    virtual void resume_writing();
    /// The last call, once.
    virtual void connection_lost(std::exception_ptr error);
};

namespace detail {

DatagramTransport attach_datagrams(std::shared_ptr<DatagramProtocol> protocol, DatagramEndpoint endpoint);

template <class P>
Coro<std::pair<DatagramTransport, std::shared_ptr<P>>> connect_datagrams(FactoryFunction<P> factory,
                                                                         Coro<DatagramEndpoint> opening) {
    DatagramEndpoint endpoint = co_await std::move(opening);
    std::shared_ptr<P> protocol = factory();
    DatagramTransport transport = attach_datagrams(protocol, std::move(endpoint));
    co_return std::pair<DatagramTransport, std::shared_ptr<P>>(std::move(transport), std::move(protocol));
}

}  // namespace detail

/// Makes a socket for datagrams, for a protocol that `factory()` makes. Its `connection_made` was called when
/// the await returns.
///
/// Throws      as create_datagram_endpoint; what the factory throws
/// Suspends    only to resolve a name
/// Cancel      nothing is left open
/// Threads     loop thread
/// Python      loop.create_datagram_endpoint; the factory gives a std::shared_ptr or std::unique_ptr
template <detail::FactoryOf<DatagramProtocol> F>
Coro<std::pair<DatagramTransport, std::shared_ptr<detail::ProtocolOf<F>>>> create_datagram_endpoint(
    F&& factory, DatagramOptions options = DatagramOptions()) {
    return detail::connect_datagrams<detail::ProtocolOf<F>>(
        detail::factory_function(std::forward<F>(factory)), create_datagram_endpoint(options));
}

}}  // namespace asyncio::v1
