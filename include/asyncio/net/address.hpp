// Address: where a socket is bound or connected.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "asyncio/base/config.hpp"

namespace asyncio { inline namespace v1 {

/// Which kind of network an address belongs to.
enum class AddressFamily : std::uint8_t {
    any,          ///< as a wish: IPv4 or IPv6; of an address: none, it is empty
    ipv4,         ///< AF_INET
    ipv6,         ///< AF_INET6
    unix_domain,  ///< AF_UNIX: a socket in the file system, or an abstract one
};

/// The address of a socket, a plain value: IPv4 or IPv6 with a port, or the path of a Unix socket.
///
/// Threads     as a plain value
/// Python      the tuples of the socket module
class Address {
  public:
    /// An empty one: `family()` is `any`.
    Address() noexcept { std::memset(storage_, 0, sizeof storage_); }
    /// From the kernel's form, a `sockaddr` of `bytes` bytes; empty if the family is none of ours.
    Address(const void* native, std::size_t bytes) noexcept;

    /// From a numeric host, "127.0.0.1", "::1" or "fe80::1%eth0"; nothing if `host` is a name.
    static std::optional<Address> parse(std::string_view host, std::uint16_t port);
    /// "0.0.0.0" or "::", or 127.0.0.1 or ::1.
    static Address any_host(AddressFamily family, std::uint16_t port) noexcept;
    static Address loopback(AddressFamily family, std::uint16_t port) noexcept;
    /// Of a Unix socket; a first character of '\0' makes an abstract one.
    /// Throws  ValueError  the path is empty or too long (107 bytes)
    static Address unix_path(std::string_view path);

    AddressFamily family() const noexcept;
    bool empty() const noexcept { return size_ == 0; }
    /// "127.0.0.1", "fe80::1%eth0"; empty for Unix sockets.
    std::string host() const;
    /// 0 for Unix sockets.
    std::uint16_t port() const noexcept;
    /// The same host with another port.
    Address with_port(std::uint16_t port) const noexcept;
    /// The interface's number of a link-local IPv6 address; 0 if there is none.
    std::uint32_t scope_id() const noexcept;
    /// Of a Unix socket; empty if it has no name.
    std::string path() const;
    /// "127.0.0.1:80", "[::1]:80", "[fe80::1%eth0]:80", "/run/x.sock", "@abstract"; for people and logs.
    std::string to_string() const;

    /// The kernel's form.
    const void* data() const noexcept { return storage_; }
    std::size_t size() const noexcept { return size_; }

    friend bool operator==(const Address& a, const Address& b) noexcept {
        return a.size_ == b.size_ && std::memcmp(a.storage_, b.storage_, a.size_) == 0;
    }

  private:
    // As large as any socket's address (struct sockaddr_storage).
    alignas(8) std::byte storage_[128];
    std::uint32_t size_ = 0;
};

}}  // namespace asyncio::v1
