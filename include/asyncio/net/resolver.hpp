// Resolver: from host names to addresses, without blocking the loop.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "asyncio/base/option.hpp"
#include "asyncio/core/coro.hpp"
#include "asyncio/net/address.hpp"

namespace asyncio { inline namespace v1 {

class EventLoop;

/// What `loop.getaddrinfo` is to look for. All members may be left out.
struct AddressInfoOptions {
    AddressFamily family = AddressFamily::any;
    int type = 0;      ///< SOCK_STREAM …; 0: any
    int protocol = 0;  ///< IPPROTO_TCP …; 0: any
    int flags = 0;     ///< AI_PASSIVE, AI_CANONNAME …
};
static_assert(OptionStruct<AddressInfoOptions>);

/// What `loop.getaddrinfo` has found.
/// Python  the tuples of socket.getaddrinfo
/// See     getaddrinfo(3)
struct AddressInfo {
    AddressFamily family = AddressFamily::any;
    int type = 0;                ///< SOCK_STREAM …
    int protocol = 0;            ///< IPPROTO_TCP …
    std::string canonical_name;  ///< of the first, if AI_CANONNAME asked for it
    Address address;
};

/// Finds the addresses of a host name. The default one asks the system (getaddrinfo) on a few threads of its
/// own. A program may install another for a loop; numeric hosts never come here.
///
/// Threads     the loop's thread
/// Python      loop.getaddrinfo; aiohttp.abc.AbstractResolver
class Resolver {
  public:
    Resolver() = default;
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;
    virtual ~Resolver();

    /// The addresses of `host` with `port`, best first; at least one.
    ///
    /// Throws      gaierror  there are none; its text names the host
    /// Suspends    usually
    /// Cancel      the look-up is abandoned
    /// Threads     loop thread
    /// Lifetime    `host` until the await has ended
    virtual Coro<std::vector<Address>> resolve(std::string_view host, std::uint16_t port,
                                               AddressFamily family) = 0;
};

/// The loop's resolver, for its own connections and servers and for whoever asks.
/// Throws  RuntimeError  the loop is closed
std::shared_ptr<Resolver> get_resolver(EventLoop& loop);
/// Installs another one; null restores the default. Look-ups that are under way finish with the old one.
/// Throws  RuntimeError  the loop is closed
void set_resolver(EventLoop& loop, std::shared_ptr<Resolver> resolver);

/// The addresses of `host`, a name or a numeric address, by the running loop's resolver.
///
/// Throws      gaierror  there are none; ValueError  the host is empty or contains a zero byte
/// Suspends    never for a numeric host, usually for a name
/// Cancel      the look-up is abandoned
/// Threads     loop thread
/// Python      loop.getaddrinfo, of which this is the part that connecting needs
Coro<std::vector<Address>> resolve(std::string_view host, std::uint16_t port,
                                   AddressFamily family = AddressFamily::any);

}}  // namespace asyncio::v1
