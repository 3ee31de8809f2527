// Transports: create_connection, create_server and their like, for protocols. (Coroutines use
// net/streams.hpp.)
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "asyncio/core/coro.hpp"
#include "asyncio/net/detail/protocol_factory.hpp"
#include "asyncio/net/pipe.hpp"
#include "asyncio/net/protocol.hpp"
#include "asyncio/net/server.hpp"
#include "asyncio/net/streams.hpp"
#include "asyncio/net/unix.hpp"

namespace asyncio { inline namespace v1 {

namespace detail {
struct TransportCore;
}

/// A connection as a protocol sees it: a handle that can be copied. The connection stays open when all
/// handles are gone; it ends by `close`, `abort`, its peer, or with the loop.
///
/// Threads     loop thread only
/// Lifetime    may outlive the connection and the loop
/// Python      asyncio.Transport (and ReadTransport, WriteTransport)
class ASYNCIO_API Transport {
  public:
    Transport() noexcept = default;
    /// For the library's own.
    explicit Transport(detail::TransportCore* core) noexcept;
    Transport(const Transport& other) noexcept;
    Transport(Transport&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
    Transport& operator=(Transport other) noexcept {
        std::swap(core_, other.core_);
        return *this;
    }
    ~Transport();
    bool valid() const noexcept { return core_ != nullptr; }
    friend bool operator==(const Transport&, const Transport&) noexcept = default;

    /// As the functions of StreamWriter.
    StreamWriter::ExtraInfo get_extra_info(std::string_view name) const;
    bool is_closing() const noexcept;
    /// Sends what is buffered, then closes. The protocol receives no more, but for `connection_lost`.
    void close() noexcept;
    /// Closes at once; what is buffered is dropped.
    void abort() noexcept;

    void set_protocol(std::shared_ptr<BaseProtocol> protocol);
    std::shared_ptr<BaseProtocol> get_protocol() const noexcept;

    bool is_reading() const noexcept;
    /// No more `data_received` until `resume_reading`; may be called twice, as in Python.
    void pause_reading() noexcept;
    void resume_reading() noexcept;

    /// Sends the bytes, or buffers what the kernel does not take. May call the protocol's `pause_writing`.
    /// Throws  RuntimeError  after write_eof, or nothing can be written here; std::bad_alloc
    void write(std::string_view bytes) { writelines(std::span(&bytes, 1)); }
    void writelines(std::span<const std::string_view> parts);
    void write_eof();
    bool can_write_eof() const noexcept;
    std::size_t get_write_buffer_size() const noexcept;
    WriteBufferLimits get_write_buffer_limits() const noexcept;
    /// Throws  ValueError  low is more than high
    void set_write_buffer_limits(WriteBufferLimits limits = WriteBufferLimits());

  private:
    detail::TransportCore* core_ = nullptr;
};

namespace detail {

/// A callable that gives a shared or unique pointer to a protocol of streams.
template <class F>
concept ProtocolFactory = FactoryOf<F, Protocol> || FactoryOf<F, BufferedProtocol>;

/// Makes the transport of a connection, or of one direction; its protocol is told in the loop's next turn.
Transport attach(std::shared_ptr<BaseProtocol> protocol, Streams streams);
Transport attach(std::shared_ptr<BaseProtocol> protocol, StreamReader reader);
Transport attach(std::shared_ptr<BaseProtocol> protocol, StreamWriter writer);
/// Until `connection_made` was called; a cancel aborts the transport.
Coro<> told_of_connection(Transport transport);
/// A connected or accepted socket that somebody else has made. Takes it over, also when it throws.
Coro<Streams> adopt_socket(int socket, ConnectOptions options);

template <class P>
using Connected = std::pair<Transport, std::shared_ptr<P>>;

/// `Ends` are the Streams, or the one of them, on which the transport stands.
template <class P, class Ends>
Coro<Connected<P>> connect_protocol(FactoryFunction<P> factory, Coro<Ends> connecting) {
    Ends ends = co_await std::move(connecting);
    std::shared_ptr<P> protocol = factory();
    Transport transport = attach(protocol, std::move(ends));
    co_await told_of_connection(transport);
    co_return Connected<P>(std::move(transport), std::move(protocol));
}

/// The client function of a server of protocols.
template <class F>
ClientFunction protocol_clients(F&& factory) {
    return [make = factory_function(std::forward<F>(factory))](StreamReader reader,
                                                               StreamWriter writer) mutable {
        attach(make(), Streams(std::move(reader), std::move(writer)));
        return Coro<>(nullptr);
    };
}

}  // namespace detail

/// Connects as `open_connection`, for a protocol that `factory()` makes:
/// `auto [transport, protocol] = co_await create_connection(make_protocol, host, port)`. Its
/// `connection_made` was called then.
///
/// Throws      as open_connection; what the factory throws
/// Suspends    usually
/// Cancel      what was begun is given up
/// Threads     loop thread
/// Python      loop.create_connection; the factory gives a std::shared_ptr or std::unique_ptr
template <detail::ProtocolFactory F>
Coro<detail::Connected<detail::ProtocolOf<F>>> create_connection(F&& factory, std::string_view host,
                                                                 std::uint16_t port,
                                                                 ConnectOptions options = ConnectOptions()) {
    return detail::connect_protocol<detail::ProtocolOf<F>>(detail::factory_function(std::forward<F>(factory)),
                                                           open_connection(host, port, options));
}
/// The same over a Unix socket.
///
/// Suspends    usually
/// Cancel      what was begun is given up
/// Threads     loop thread
/// Python      loop.create_unix_connection
template <detail::ProtocolFactory F>
Coro<detail::Connected<detail::ProtocolOf<F>>> create_unix_connection(
    F&& factory, std::string_view path, UnixConnectOptions options = UnixConnectOptions()) {
    return detail::connect_protocol<detail::ProtocolOf<F>>(detail::factory_function(std::forward<F>(factory)),
                                                           open_unix_connection(path, options));
}
/// A protocol for a socket that somebody else has accepted (or connected). With `{.ssl = context}` it is the
/// server of TLS, as an accepted one; of the other options only `limit` says something here.
///
/// Throws      OSError  it is no open socket; ValueError  it is none of streams, or the context is a
///             client's; SslError  the handshake failed; what the factory throws
/// Suspends    only for TLS's handshake
/// Cancel      the socket is closed
/// Threads     loop thread
/// Lifetime    takes the socket over, also when it throws
/// Python      loop.connect_accepted_socket
template <detail::ProtocolFactory F>
Coro<detail::Connected<detail::ProtocolOf<F>>> connect_accepted_socket(
    F&& factory, int socket, ConnectOptions options = ConnectOptions()) {
    return detail::connect_protocol<detail::ProtocolOf<F>>(detail::factory_function(std::forward<F>(factory)),
                                                           detail::adopt_socket(socket, options));
}
/// A protocol that is told what comes out of a pipe, terminal or file.
///
/// Suspends    never
/// Cancel      the descriptor is closed
/// Threads     loop thread
/// Lifetime    takes the descriptor over, also when it throws
/// Python      loop.connect_read_pipe
template <detail::ProtocolFactory F>
Coro<detail::Connected<detail::ProtocolOf<F>>> connect_read_pipe(F&& factory, int descriptor,
                                                                 PipeOptions options = PipeOptions()) {
    return detail::connect_protocol<detail::ProtocolOf<F>>(detail::factory_function(std::forward<F>(factory)),
                                                           connect_read_pipe(descriptor, options));
}
/// A protocol whose transport writes into a pipe, terminal or file.
///
/// Suspends    never
/// Cancel      the descriptor is closed
/// Threads     loop thread
/// Lifetime    takes the descriptor over, also when it throws
/// Python      loop.connect_write_pipe
template <detail::ProtocolFactory F>
Coro<detail::Connected<detail::ProtocolOf<F>>> connect_write_pipe(F&& factory, int descriptor,
                                                                  PipeOptions options = PipeOptions()) {
    return detail::connect_protocol<detail::ProtocolOf<F>>(detail::factory_function(std::forward<F>(factory)),
                                                           connect_write_pipe(descriptor, options));
}

/// Listens as `start_server`, with a protocol that `factory()` makes for each connection.
///
/// Throws      as start_server
/// Suspends    only to resolve a name
/// Cancel      nothing is left open
/// Threads     loop thread
/// Python      loop.create_server
template <detail::ProtocolFactory F>
Coro<Server> create_server(F&& factory, std::string_view host, std::uint16_t port,
                           ServerOptions options = ServerOptions()) {
    return detail::serve_host(detail::protocol_clients(std::forward<F>(factory)), host, port, options);
}
/// The same on a Unix socket.
///
/// Suspends    never
/// Cancel      nothing is left open
/// Threads     loop thread
/// Python      loop.create_unix_server
template <detail::ProtocolFactory F>
Coro<Server> create_unix_server(F&& factory, std::string_view path,
                                UnixServerOptions options = UnixServerOptions()) {
    return detail::serve_unix(detail::protocol_clients(std::forward<F>(factory)), path, options);
}

}}  // namespace asyncio::v1
