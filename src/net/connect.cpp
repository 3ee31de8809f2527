// open_connection: a name to addresses, a race between these (connect_race.cpp), a stream of the winner.
#include <string>
#include <vector>

#include "asyncio/base/error.hpp"
#include "asyncio/core/checkpoint.hpp"
#include "asyncio/core/event_loop.hpp"
#include "asyncio/net/resolver.hpp"
#include "asyncio/net/streams.hpp"
#include "asyncio/task/timeout.hpp"
#include "asyncio/task/with.hpp"
#include "net/connect_race.hpp"
#include "net/connection.hpp"
#include "net/net_part.hpp"
#include "net/tls_hook.hpp"

namespace asyncio { inline namespace v1 {

namespace detail { namespace {

/// What of the options outlives the call.
struct Settings {
    Settings(const ConnectOptions& options, TlsSettings tls_settings) noexcept
        : limit(options.limit),
          delay(options.happy_eyeballs_delay),
          interleave(options.interleave),
          tls(std::move(tls_settings)) {}
    std::size_t limit;
    Address from;
    Duration delay;
    unsigned interleave;
    TlsSettings tls;
};

Coro<DuplexRef> connect_first(std::vector<Address> addresses, std::string target, Settings settings) {
    co_await checkpoint();
    NetPart& part = running_net_part_with_sockets();
    ConnectRace race(part, interleave_families(std::move(addresses), settings.interleave), settings.from,
                     settings.delay);
    for (;;) {
        race.advance();
        if (race.over()) break;
        co_await ConnectRace::Change(race);
    }
    auto [socket, peer] = race.winner(target);
    co_return DuplexRef(make_connection(part, socket.give(), peer, settings.limit));
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
    if (options.happy_eyeballs_delay < Duration::zero())
        throw ValueError("open_connection: happy_eyeballs_delay is negative");
    Settings settings(options, tls_settings("open_connection", options.ssl, SslPurpose::SERVER_AUTH,
                                            options.server_hostname, host, options.ssl_handshake_timeout,
                                            options.ssl_shutdown_timeout));
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
