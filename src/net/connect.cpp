// open_connection: a name to addresses, the addresses one after another, the first that answers.
//
// `connect_first` is where happy eyeballs (RFC 8305) will stand: it is given all addresses and gives one
// socket.
#include <errno.h>

#include <string>
#include <vector>

#include "asyncio/base/error.hpp"
#include "asyncio/core/event_loop.hpp"
#include "asyncio/net/resolver.hpp"
#include "asyncio/net/streams.hpp"
#include "asyncio/task/timeout.hpp"
#include "asyncio/task/with.hpp"
#include "net/connection.hpp"
#include "net/net_part.hpp"
#include "net/sockets.hpp"
#include "net/tls_hook.hpp"

namespace asyncio { inline namespace v1 {

namespace detail { namespace {

/// A socket that is being connected.
class Socket {
  public:
    Socket(LoopImpl* loop, int descriptor) noexcept : loop_(loop), descriptor_(descriptor) {}
    Socket(Socket&& other) noexcept : loop_(other.loop_), descriptor_(other.give()) {}
    Socket& operator=(Socket&& other) noexcept {
        std::swap(loop_, other.loop_);
        std::swap(descriptor_, other.descriptor_);
        return *this;
    }
    ~Socket() {
        if (descriptor_ >= 0) loop_->backend->close_descriptor(descriptor_);
    }
    int get() const noexcept { return descriptor_; }
    int give() noexcept { return std::exchange(descriptor_, -1); }

  private:
    LoopImpl* loop_;
    int descriptor_;
};

/// Connects; gives 0 or an errno value. Ends only when the kernel has let go of the address.
class ConnectWait : public Leaf, public Operation {
  public:
    ConnectWait(LoopImpl* loop, int fd, const Address& to) noexcept
        : Leaf(&ops_), Operation(OperationKind::connect, fd, &done), loop_(loop) {
        address = to.data();
        address_bytes = to.size();
    }
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h, Where where = where_here()) {
        if (enter_leaf(this, h, where)) return;
        if (loop_->backend->submit(*this)) return push_frame(loop_, frame);
        suspend_on(this);
    }
    int await_resume() const {
        throw_if_cancelled(frame->task);
        return static_cast<int>(-result);
    }

  private:
    static CancelAnswer cancel(Leaf* leaf) noexcept {
        auto* const me = static_cast<ConnectWait*>(leaf);
        return me->loop_->backend->cancel(*me) ? CancelAnswer::resume : CancelAnswer::pending;
    }
    static void done(Operation* operation) noexcept { wake(static_cast<ConnectWait*>(operation)); }
    static constexpr LeafOps ops_{&cancel, nullptr, "connect"};
    LoopImpl* loop_;
};

struct Failure {
    int error;
    std::string subject;
    Failure(int e, std::string s) noexcept : error(e), subject(std::move(s)) {}
};

/// What of the options outlives the call.
struct Settings {
    Settings(std::size_t line_limit, TlsSettings tls_settings) noexcept
        : limit(line_limit), tls(std::move(tls_settings)) {}
    std::size_t limit;
    Address from;
    TlsSettings tls;
};

/// "localhost:1 ([::1]:1, 127.0.0.1:1)"
[[noreturn]] void throw_failures(const std::string& target, const std::vector<Failure>& failures) {
    bool same = true;
    std::string text;
    std::string places;
    for (const Failure& each : failures) {
        same &= each.error == failures.front().error;
        places += (places.empty() ? "" : ", ") + each.subject;
    }
    if (failures.size() == 1 && places == target) throw_os_error(failures.front().error, "connect " + target);
    if (same) throw_os_error(failures.front().error, "connect " + target + " (" + places + ")");
    for (const Failure& each : failures) {
        text += (text.empty() ? "" : ", ") + std::string(OSError(each.error, each.subject).what());
    }
    throw OSError("connect " + target + ": several addresses failed: " + text);
}

/// A socket of the address's family, bound if a local address was asked for; or a failure.
Socket prepare(NetPart& part, const Address& to, const Address& from, std::vector<Failure>& failures) {
    if (!from.empty() && from.family() != to.family()) {
        failures.emplace_back(EAFNOSUPPORT, to.to_string() + " from " + from.to_string());
        return Socket(part.loop, -1);
    }
    const int descriptor = open_stream_socket(to.family());
    if (descriptor < 0) {
        failures.emplace_back(-descriptor, to.to_string());
        return Socket(part.loop, -1);
    }
    Socket socket(part.loop, descriptor);
    if (to.family() != AddressFamily::unix_domain) set_no_delay(descriptor);
    if (!from.empty()) {
        if (const int error = bind_socket(descriptor, from); error < 0) {
            failures.emplace_back(-error, to.to_string() + " from " + from.to_string());
            return Socket(part.loop, -1);
        }
    }
    return socket;
}

Coro<DuplexRef> connect_first(std::vector<Address> addresses, std::string target, Settings settings) {
    NetPart& part = running_net_part_with_sockets();
    std::vector<Failure> failures;
    for (const Address& each : addresses) {
        Socket socket = prepare(part, each, settings.from, failures);
        if (socket.get() < 0) continue;
        const int error = co_await ConnectWait(part.loop, socket.get(), each);
        if (error == 0) co_return DuplexRef(make_connection(part, socket.give(), each, settings.limit));
        failures.emplace_back(error, each.to_string());
    }
    throw_failures(target, failures);
}

Coro<Streams> connect_all(std::vector<Address> addresses, std::string target, Settings settings) {
    TlsSettings tls = std::move(settings.tls);
    DuplexRef connection =
        co_await connect_first(std::move(addresses), std::move(target), std::move(settings));
    if (tls) co_return co_await open_over_tls(std::move(connection), std::move(tls));
    connection->hold();
    StreamReader reader(connection.get());
    co_return Streams(std::move(reader), StreamWriter(connection.give()));
}

Coro<Streams> connect_host(std::string host, std::uint16_t port, AddressFamily family, Settings settings) {
    std::vector<Address> addresses = co_await resolve(host, port, family);
    std::string target = host + ":" + std::to_string(port);
    if (Address::parse(host, port)) target = addresses.front().to_string();
    co_return co_await connect_all(std::move(addresses), std::move(target), std::move(settings));
}

Coro<Streams> limited(Coro<Streams> connecting, std::string target, Duration limit) {
    Timeout timeout(limit);
    try {
        co_return co_await with(timeout, [&connecting]() { return std::move(connecting); });
    } catch (const TimeoutError&) {
        // The kernel has a limit, too, and says so in its own words.
        if (!timeout.expired()) throw;
    }
    throw TimeoutError("connect " + target + ": timed out after " + to_string(limit));
}

Settings settings_of(const ConnectOptions& options, AddressFamily family, std::string_view host) {
    if (options.limit == 0) throw ValueError("open_connection: the limit is 0");
    Settings settings(
        options.limit,
        tls_settings("open_connection", options.ssl, SslPurpose::SERVER_AUTH, options.server_hostname, host,
                     options.ssl_handshake_timeout, options.ssl_shutdown_timeout));
    const HostPort& from = options.local_addr;
    if (!from.host.empty()) {
        const auto numeric = Address::parse(from.host, from.port);
        if (!numeric)
            throw ValueError("open_connection: local_addr is no numeric host: '" + std::string(from.host) +
                             "'");
        settings.from = *numeric;
    } else if (from.port != 0) {
        settings.from = Address::any_host(family, from.port);
    }
    return settings;
}

}}  // namespace detail

Coro<Streams> open_connection(std::string_view host, std::uint16_t port, ConnectOptions options) {
    if (host.empty()) throw ValueError("open_connection: the host is empty");
    detail::Settings settings = detail::settings_of(options, options.family, host);
    settings.tls.peer = std::string(host) + ":" + std::to_string(port);
    Coro<Streams> connecting =
        detail::connect_host(std::string(host), port, options.family, std::move(settings));
    if (!options.timeout.has_value()) return connecting;
    return detail::limited(std::move(connecting), std::string(host) + ":" + std::to_string(port),
                           options.timeout);
}

Coro<Streams> open_connection(const Address& address, ConnectOptions options) {
    if (address.empty()) throw ValueError("open_connection: the address is empty");
    const bool has_host = address.family() != AddressFamily::unix_domain;
    detail::Settings settings =
        detail::settings_of(options, address.family(), has_host ? address.host() : std::string());
    Coro<Streams> connecting =
        detail::connect_all(std::vector<Address>(1, address), address.to_string(), std::move(settings));
    if (!options.timeout.has_value()) return connecting;
    return detail::limited(std::move(connecting), address.to_string(), options.timeout);
}

}}  // namespace asyncio::v1
