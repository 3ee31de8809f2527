// make_cares_resolver: names looked up by c-ares, without threads.
#pragma once
#include <memory>
#include <string_view>

#include "asyncio/base/duration.hpp"
#include "asyncio/base/option.hpp"
#include "asyncio/net/resolver.hpp"

namespace asyncio { inline namespace v1 {

/// Options of `make_cares_resolver`. All members may be left out.
struct CaresOptions {
    /// The name servers, "192.0.2.1,[2001:db8::1]:5353"; none: the system's (/etc/resolv.conf).
    std::string_view servers = {};
    /// Domains that are tried behind names with fewer dots than `ndots`, "example.org,example.com"; none: the
    /// system's; ".": none at all.
    std::string_view search = {};
    int ndots = 1;
    Duration timeout = std::chrono::seconds(2);  ///< of the first try; later ones have more
    int tries = 3;                               ///< of each server
    bool hosts_file = true;                      ///< /etc/hosts is looked at first
};
static_assert(OptionStruct<CaresOptions>);

/// A resolver that asks the name servers itself, through the loop: thousands of look-ups at once need no
/// thread, and none waits for another. Equal look-ups in flight are one. Other sources of names that the
/// system may have (nsswitch.conf: mDNS, LDAP …) it does not know.
///
///     set_resolver(get_running_loop(), make_cares_resolver());
///
/// It belongs to the loop that first uses it. What does not fit into a datagram is asked for once more by
/// TCP. An answer that is malformed, or not to the question, is none.
///
/// Throws      RuntimeError  this library was built without c-ares; ValueError  an option makes no sense;
///             OSError  c-ares cannot begin
/// Threads     any thread, until it is used
/// Python      aiohttp.AsyncResolver, aiodns
std::shared_ptr<Resolver> make_cares_resolver(CaresOptions options = CaresOptions());

/// This library was built with c-ares.
bool has_cares_resolver() noexcept;

}}  // namespace asyncio::v1
