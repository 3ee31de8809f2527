// Servers: start_server, Server.
#pragma once
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "asyncio/base/function.hpp"
#include "asyncio/base/option.hpp"
#include "asyncio/core/coro.hpp"
#include "asyncio/net/address.hpp"
#include "asyncio/net/streams.hpp"
#include "asyncio/task/timeout.hpp"
#include "asyncio/task/with.hpp"

namespace asyncio { inline namespace v1 {

class Server;

/// Options of `start_server`. All members may be left out.
struct ServerOptions {
    std::size_t limit = default_stream_limit;   ///< how long a line may be
    AddressFamily family = AddressFamily::any;  ///< only addresses of this kind
    int backlog = 100;                          ///< connections that may wait to be accepted
    bool reuse_address = true;                  ///< bind although old connections of the port linger
    bool reuse_port = false;                    ///< several processes or loops may listen on the port
    SslOption ssl = {};                         ///< a context with a certificate: TLS is spoken
    Duration ssl_handshake_timeout = std::chrono::seconds(60);
    Duration ssl_shutdown_timeout = std::chrono::seconds(30);  ///< see ConnectOptions
};
static_assert(OptionStruct<ServerOptions>);

namespace detail {

struct ServerCore;
struct TlsSettings;

/// Called for each client; gives its coroutine, or an invalid one if the call was all.
using ClientFunction = UniqueFunction<Coro<>(StreamReader, StreamWriter)>;

template <class F>
using ClientResult = std::invoke_result_t<std::decay_t<F>&, StreamReader, StreamWriter>;

template <class F>
ClientFunction client_function(F&& function) {
    refuse_fragile_closure<F>();
    static_assert(std::is_same_v<ClientResult<F>, Coro<>> || std::is_void_v<ClientResult<F>>,
                  "start_server: the client function returns Coro<>, or void");
    return ClientFunction(
        [f = std::decay_t<F>(std::forward<F>(function))](StreamReader reader, StreamWriter writer) mutable {
            if constexpr (std::is_void_v<ClientResult<F>>) {
                f(std::move(reader), std::move(writer));
                return Coro<>(nullptr);
            } else {
                return f(std::move(reader), std::move(writer));
            }
        });
}

/// Waits until a server is closed and its connections are, too.
class [[nodiscard("nothing is waited for before this is awaited")]] ServerClosedAwaiter : public Leaf,
                                                                                          public ScopedTag {
  public:
    ServerClosedAwaiter(ServerCore* core, bool handlers_too) noexcept
        : Leaf(&ops_), core_(core), handlers_too_(handlers_too) {}
    /// Before it is awaited.
    ServerClosedAwaiter(ServerClosedAwaiter&& other) noexcept
        : ServerClosedAwaiter(other.core_, other.handlers_too_) {
        ASYNCIO_ASSERT(other.frame == nullptr, "an awaiter is movable until it is awaited");
    }
    ~ServerClosedAwaiter() {
        if (held_) [[unlikely]]
            leave();
    }
    bool await_ready() const noexcept;
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h, Where where = where_here()) {
        if (!enter_leaf(this, h, where)) begin();
    }
    void await_resume();

  private:
    void begin();
    void leave() noexcept;
    static CancelAnswer cancel(Leaf* leaf) noexcept;
    static const LeafOps ops_;
    friend struct ServerCore;

    ServerCore* core_;
    ServerClosedAwaiter* next_ = nullptr;
    bool handlers_too_;
    bool listed_ = false;
    bool held_ = false;
};

Coro<Server> serve_host(ClientFunction function, std::string_view host, std::uint16_t port,
                        ServerOptions options);
Coro<Server> serve_address(ClientFunction function, const Address& address, ServerOptions options);
/// On a Unix socket; `is_file`: it is no abstract one.
Coro<Server> serve_path(ClientFunction function, Address address, ServerOptions options, TlsSettings tls,
                        bool cleans_up);

}  // namespace detail

/// A server that accepts connections, until it is closed or destroyed. Its clients' tasks run on then: they
/// belong to the loop. `with(server, body)` closes the server when the body is left, and waits for its
/// connections and for the tasks of its clients; if that wait is cancelled, the connections are aborted and
/// the tasks cancelled.
///
/// Threads     loop thread only
/// Lifetime    the client function lives until the server is gone and the last client's task has ended
/// Python      asyncio.Server. Dropping it closes it; `with` waits for the clients' tasks
class Server {
  public:
    /// For the library's own layers.
    explicit Server(detail::ServerCore* adopted) noexcept : core_(adopted) {}
    Server(Server&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
    Server& operator=(Server&& other) noexcept {
        Server old(std::move(*this));
        core_ = std::exchange(other.core_, nullptr);
        return *this;
    }
    ~Server() {
        if (core_ != nullptr) drop();
    }

    /// Serves until the awaiting task is cancelled or the server is closed; then closes it and its clients'
    /// connections, and waits for these to be closed.
    ///
    /// Throws      CancelledError  always; RuntimeError  the server is closed or belongs to another event
    ///             loop, or somebody awaits this already
    /// Suspends    always
    /// Cancel      ends it as above; a second cancel does not wait
    /// Threads     loop thread
    /// Python      Server.serve_forever; it closes the clients' connections, since idle ones would be waited
    ///             for for ever
    Coro<> serve_forever();
    /// Stops listening. Connections that exist go on.
    void close() noexcept;
    /// Closes the clients' connections, after what was written to them is sent.
    void close_clients() noexcept;
    /// Closes the clients' connections at once.
    void abort_clients() noexcept;
    /// Waits until the server was closed and no connection of its clients is open.
    ///
    /// Throws      RuntimeError  that is not so yet, and the server belongs to another event loop
    /// Suspends    only if that is not so yet
    /// Cancel      no effect
    /// Threads     loop thread
    detail::ServerClosedAwaiter wait_closed() { return detail::ServerClosedAwaiter(core_, false); }
    /// As wait_closed, and until the tasks of its clients have ended: what leaving `with(server, body)` waits
    /// for.
    ///
    /// Throws      RuntimeError  as wait_closed
    /// Suspends    only if that is not so yet
    /// Cancel      no effect
    /// Threads     loop thread
    /// Cost        allocates nothing
    /// Python      none; there nobody waits for the clients' tasks
    detail::ServerClosedAwaiter wait_finished() { return detail::ServerClosedAwaiter(core_, true); }
    /// It listens.
    bool is_serving() const noexcept;
    /// The addresses it listens on, with the ports that the kernel chose for port 0; empty when closed.
    std::vector<Address> sockets() const;
    /// The port of the first of them; 0 when closed.
    std::uint16_t port() const noexcept;
    /// Open connections of its clients.
    std::size_t connections() const noexcept;

    detail::Ready aenter() const noexcept { return detail::Ready(); }
    /// What `with` does at the end: close(), after a failure close_clients() as well, then wait_finished().
    ///
    /// Throws      CancelledError  the wait was cancelled, when everything has ended all the same
    ///             RuntimeError    as wait_closed
    /// Suspends    unless no connection is open and no client's task is at work
    /// Cancel      the connections are aborted, the tasks cancelled and waited for
    /// Threads     loop thread
    Coro<> aexit(std::exception_ptr error);

  private:
    friend Coro<Server> detail::serve_path(detail::ClientFunction function, Address address,
                                           ServerOptions options, detail::TlsSettings tls, bool cleans_up);
    void drop() noexcept;
    detail::ServerCore* core_;
};

/// Listens on `host` (a numeric address or a name; empty: all interfaces, IPv4 and IPv6) and calls
/// `on_client(reader, writer)` for each connection. If that gives a coroutine, it runs as a task of the loop;
/// a plain function is called. What it throws goes to the exception handler, and the connection is closed.
///
/// With `{.ssl = context}` it is called when TLS has shaken hands. A client that fails to is closed, which
/// nobody but debug mode mentions.
///
/// When descriptors or memory run out the exception handler is told, and accepting goes on a second later;
/// nothing that waits in the backlog is lost.
///
/// Throws      OSError  no address could be bound; gaierror  the host cannot be resolved
/// Suspends    only to resolve a name
/// Cancel      nothing is left open
/// Threads     loop thread
/// Lifetime    `on_client` is copied or moved in; what it captures by reference must outlive the clients'
///             tasks
/// Python      asyncio.start_server
template <class F>
    requires std::is_invocable_v<std::decay_t<F>&, StreamReader, StreamWriter>
Coro<Server> start_server(F&& on_client, std::string_view host, std::uint16_t port,
                          ServerOptions options = ServerOptions()) {
    return detail::serve_host(detail::client_function(std::forward<F>(on_client)), host, port, options);
}
/// The same on one address.
///
/// Suspends    never
/// Cancel      nothing is left open
/// Threads     loop thread
template <class F>
    requires std::is_invocable_v<std::decay_t<F>&, StreamReader, StreamWriter>
Coro<Server> start_server(F&& on_client, const Address& address, ServerOptions options = ServerOptions()) {
    return detail::serve_address(detail::client_function(std::forward<F>(on_client)), address, options);
}

}}  // namespace asyncio::v1
