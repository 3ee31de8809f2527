// create_datagram_endpoint: names to pairs of addresses, the first pair that a socket can have.
#include <sys/socket.h>

#include <algorithm>
#include <string>
#include <vector>

#include "asyncio/base/error.hpp"
#include "asyncio/net/datagram.hpp"
#include "asyncio/net/resolver.hpp"
#include "net/connect_race.hpp"
#include "net/datagram_core.hpp"
#include "net/socket_file.hpp"
#include "net/sockets.hpp"

namespace asyncio { inline namespace v1 {

namespace detail { namespace {

/// One end, as it was asked for.
struct End {
    std::string host;
    std::uint16_t port = 0;
    explicit End(const HostPort& asked) : host(asked.host), port(asked.port) {}
    bool given() const noexcept { return !host.empty() || port != 0; }
};

struct Flags {
    AddressFamily family;
    bool reuse_port;
    bool allow_broadcast;
};

/// The addresses that a name has; of none, that of all interfaces.
Coro<std::vector<Address>> addresses_of(End end, AddressFamily family) {
    std::vector<Address> found;
    if (family == AddressFamily::unix_domain) {
        if (end.given()) found.push_back(Address::unix_path(end.host));
    } else if (!end.host.empty()) {
        found = co_await resolve(end.host, end.port, family);
    } else if (end.port != 0) {
        if (family != AddressFamily::ipv6) found.push_back(Address::any_host(AddressFamily::ipv4, end.port));
        if (family != AddressFamily::ipv4) found.push_back(Address::any_host(AddressFamily::ipv6, end.port));
    }
    co_return found;
}

struct Candidate {
    AddressFamily family;
    Address local;   // empty: not bound
    Address remote;  // empty: not connected
};

std::vector<Candidate> pairs(const std::vector<Address>& locals, const std::vector<Address>& remotes,
                             AddressFamily family) {
    std::vector<Candidate> made;
    if (remotes.empty()) {
        for (const Address& local : locals) made.push_back({local.family(), local, Address()});
        if (locals.empty()) made.push_back({family, Address(), Address()});
    }
    for (const Address& remote : remotes) {
        if (locals.empty()) made.push_back({remote.family(), Address(), remote});
        for (const Address& local : locals) {
            if (local.family() == remote.family()) made.push_back({remote.family(), local, remote});
        }
    }
    return made;
}

/// Gives 0, or an errno value, negative, and in `failure` what it belongs to.
int prepare(int descriptor, const Candidate& wanted, const Flags& flags, std::string& failure) {
    int error = 0;
    const auto step = [&](int result, const char* doing, const Address& subject) {
        if (result == 0) return true;
        error = result;
        failure = std::string(doing) + (subject.empty() ? "" : subject.to_string());
        return false;
    };
    if (flags.reuse_port &&
        !step(set_option(descriptor, SOL_SOCKET, SO_REUSEPORT, 1), "SO_REUSEPORT on ", wanted.local))
        return error;
    if (flags.allow_broadcast &&
        !step(set_option(descriptor, SOL_SOCKET, SO_BROADCAST, 1), "SO_BROADCAST on ", wanted.local))
        return error;
    if (wanted.local.family() == AddressFamily::unix_domain) remove_stale_socket(wanted.local.path());
    if (!wanted.local.empty() && !step(bind_socket(descriptor, wanted.local), "bind ", wanted.local))
        return error;
    if (!wanted.remote.empty() &&
        !step(connect_datagrams(descriptor, wanted.remote), "connect ", wanted.remote))
        return error;
    return 0;
}

Socket open_first(NetPart& part, const std::vector<Candidate>& candidates, const Flags& flags) {
    int error = 0;
    std::string failure;
    std::string all;
    for (const Candidate& each : candidates) {
        error = open_datagram_socket(each.family);
        failure = "socket";
        Socket socket(part.loop, error < 0 ? -1 : error);
        if (error >= 0) error = prepare(socket.get(), each, flags, failure);
        if (error == 0) return socket;
        all += (all.empty() ? "" : ", ") + std::string(OSError(-error, failure).what());
    }
    if (candidates.size() == 1) throw_os_error(-error, failure);
    throw OSError("create_datagram_endpoint: several addresses failed: " + all);
}

Coro<DatagramEndpoint> open_datagrams(End local, End remote, Flags flags) {
    NetPart& part = running_net_part_with_sockets();
    const std::vector<Address> remotes = co_await addresses_of(remote, flags.family);
    const std::vector<Address> locals = co_await addresses_of(local, flags.family);
    const std::vector<Candidate> candidates = pairs(locals, remotes, flags.family);
    if (candidates.empty()) {
        throw OSError("create_datagram_endpoint: local address " + locals.front().to_string() +
                      " and remote address " + remotes.front().to_string() + " are of different families");
    }
    Socket socket = open_first(part, candidates, flags);
    auto core = std::make_shared<DatagramCore>(part, socket.get());
    socket.give();
    core->self = core;
    co_return DatagramEndpoint(std::move(core));
}

}}  // namespace detail

Coro<DatagramEndpoint> create_datagram_endpoint(DatagramOptions options) {
    using detail::End;
    const End local(options.local_addr);
    const End remote(options.remote_addr);
    if (!local.given() && !remote.given() && options.family == AddressFamily::any)
        throw ValueError("create_datagram_endpoint: give a local_addr, a remote_addr or a family");
    if (remote.given() && remote.host.empty())
        throw ValueError("create_datagram_endpoint: remote_addr has no host");
    return detail::open_datagrams(local, remote,
                                  {options.family, options.reuse_port, options.allow_broadcast});
}

}}  // namespace asyncio::v1
