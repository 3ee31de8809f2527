// Unix sockets: open_unix_connection, start_unix_server.
#pragma once
#include <string_view>
#include <type_traits>
#include <utility>

#include "asyncio/net/server.hpp"
#include "asyncio/net/streams.hpp"

namespace asyncio { inline namespace v1 {

/// Options of `open_unix_connection`. All members may be left out.
struct UnixConnectOptions {
    std::size_t limit = default_stream_limit;  ///< how long a line may be
    Duration timeout = Duration::none();
    SslOption ssl = {};                     ///< as in ConnectOptions, the rest too
    std::string_view server_hostname = {};  ///< needed if the context checks it: a path is no host
    Duration ssl_handshake_timeout = std::chrono::seconds(60);
    Duration ssl_shutdown_timeout = std::chrono::seconds(30);
};
static_assert(OptionStruct<UnixConnectOptions>);

/// Options of `start_unix_server`. All members may be left out.
struct UnixServerOptions {
    std::size_t limit = default_stream_limit;  ///< how long a line may be
    int backlog = 100;                         ///< connections that may wait to be accepted
    bool cleanup_socket = true;                ///< closing removes the file, if it is still this socket's
    SslOption ssl = {};                        ///< as in ServerOptions, the rest too
    Duration ssl_handshake_timeout = std::chrono::seconds(60);
    Duration ssl_shutdown_timeout = std::chrono::seconds(30);
};
static_assert(OptionStruct<UnixServerOptions>);

/// Connects to the Unix socket at `path`; a first character of '\0' names an abstract one.
///
/// Throws      FileNotFoundError       nothing is there
///             ConnectionRefusedError  nobody listens there any more
///             PermissionError         the file's mode, or that of a folder, forbids it
///             TimeoutError, OSError; ValueError  the path is empty, too long (107 bytes), or the limit 0
/// Suspends    usually
/// Cancel      what was begun is given up
/// Threads     loop thread
/// Python      asyncio.open_unix_connection
Coro<Streams> open_unix_connection(std::string_view path, UnixConnectOptions options = UnixConnectOptions());

namespace detail {
Coro<Server> serve_unix(ClientFunction function, std::string_view path, UnixServerOptions options);
}

/// As `start_server`, on a Unix socket. A socket file that an earlier server has left at `path` is replaced;
/// any other file is not.
///
/// Throws      OSError     the path cannot be bound: its subclass by errno, with the path
///             ValueError  the path is empty or too long (107 bytes)
/// Suspends    never
/// Cancel      nothing is left open
/// Threads     loop thread
/// Lifetime    as start_server
/// Python      asyncio.start_unix_server
/// See         unix(7)
template <class F>
    requires std::is_invocable_v<std::decay_t<F>&, StreamReader, StreamWriter>
Coro<Server> start_unix_server(F&& on_client, std::string_view path,
                               UnixServerOptions options = UnixServerOptions()) {
    return detail::serve_unix(detail::client_function(std::forward<F>(on_client)), path, options);
}

}}  // namespace asyncio::v1
