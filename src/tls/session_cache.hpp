// SessionCache: the sessions that a client may resume.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "tls/openssl.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

/// Sessions by where they lead. A ticket of TLS 1.3 serves once, since two connections that show the same one
/// could be told to belong together (RFC 8446 C.4), and a server sends several: they are kept in order, the
/// newest is used first. A session of TLS 1.2 serves until the server has had enough of it.
///
/// What a session proves was checked by the rules of then. So each change of the rules begins a new
/// generation, and a connection that began before cannot put anything into it.
///
/// Connections of several threads may share a context, hence the lock. It is held for a look into a table.
class SessionCache {
  public:
    std::uint64_t generation() const noexcept;
    /// Nothing, if the rules have changed since `generation`.
    void put(const std::string& key, SessionPtr session, std::uint64_t generation) noexcept;
    /// Null if there is none.
    SessionPtr take(const std::string& key) noexcept;
    /// The rules have changed.
    void forget() noexcept;
    std::size_t size() const noexcept;

  private:
    mutable std::mutex mutex_;
    std::map<std::string, std::vector<SessionPtr>, std::less<>> sessions_;
    std::size_t count_ = 0;
    std::uint64_t generation_ = 0;
};

}}}  // namespace asyncio::v1::detail
