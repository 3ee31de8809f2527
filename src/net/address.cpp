// Addresses: between the kernel's structures and text.
#include "asyncio/net/address.hpp"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <type_traits>

#include "asyncio/base/error.hpp"

namespace asyncio { inline namespace v1 {

namespace {

static_assert(sizeof(sockaddr_storage) == 128 && alignof(sockaddr_storage) <= 8);
static_assert(std::is_trivially_copyable_v<Address>);

// The storage is bytes; the structures are copied out of it and into it, so no rule of aliasing is bent.
template <class Native>
Native read_as(const Address& address) noexcept {
    Native native{};
    std::memcpy(&native, address.data(), std::min(sizeof native, address.size()));
    return native;
}

Address address_of(const sockaddr_in& in) noexcept { return Address(&in, sizeof in); }
Address address_of(const sockaddr_in6& in6) noexcept { return Address(&in6, sizeof in6); }

/// "eth0" or "2"; nothing if there is no such interface.
std::optional<std::uint32_t> parse_scope(const std::string& text) noexcept {
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc() && end == text.data() + text.size()) return number;
    number = ::if_nametoindex(text.c_str());
    if (number == 0) return std::nullopt;
    return number;
}

}  // namespace

Address::Address(const void* native, std::size_t bytes) noexcept : Address() {
    sa_family_t family = AF_UNSPEC;
    if (bytes < sizeof family || bytes > sizeof storage_) return;
    std::memcpy(&family, native, sizeof family);
    if ((family == AF_INET && bytes >= sizeof(sockaddr_in)) ||
        (family == AF_INET6 && bytes >= sizeof(sockaddr_in6)) || family == AF_UNIX) {
        if (family == AF_INET) bytes = sizeof(sockaddr_in);
        if (family == AF_INET6) bytes = sizeof(sockaddr_in6);
        std::memcpy(storage_, native, bytes);
        size_ = static_cast<std::uint32_t>(bytes);
    }
}

std::optional<Address> Address::parse(std::string_view host, std::uint16_t port) {
    // The C functions would stop at a zero byte and take what stands before it.
    if (host.empty() || host.find('\0') != std::string_view::npos) return std::nullopt;
    if (host.find(':') == std::string_view::npos) {
        sockaddr_in in{};
        in.sin_family = AF_INET;
        in.sin_port = htons(port);
        if (::inet_pton(AF_INET, std::string(host).c_str(), &in.sin_addr) != 1) return std::nullopt;
        return address_of(in);
    }
    sockaddr_in6 in6{};
    in6.sin6_family = AF_INET6;
    in6.sin6_port = htons(port);
    const std::size_t percent = host.find('%');
    if (percent != std::string_view::npos) {
        const auto scope = parse_scope(std::string(host.substr(percent + 1)));
        if (!scope) return std::nullopt;
        in6.sin6_scope_id = *scope;
        host = host.substr(0, percent);
    }
    if (::inet_pton(AF_INET6, std::string(host).c_str(), &in6.sin6_addr) != 1) return std::nullopt;
    return address_of(in6);
}

Address Address::any_host(AddressFamily family, std::uint16_t port) noexcept {
    if (family == AddressFamily::ipv6) {
        sockaddr_in6 in6{};
        in6.sin6_family = AF_INET6;
        in6.sin6_port = htons(port);
        return address_of(in6);
    }
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    return address_of(in);
}

Address Address::loopback(AddressFamily family, std::uint16_t port) noexcept {
    if (family == AddressFamily::ipv6) {
        sockaddr_in6 in6{};
        in6.sin6_family = AF_INET6;
        in6.sin6_addr = in6addr_loopback;
        in6.sin6_port = htons(port);
        return address_of(in6);
    }
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    in.sin_port = htons(port);
    return address_of(in);
}

Address Address::unix_path(std::string_view path) {
    sockaddr_un un{};
    un.sun_family = AF_UNIX;
    if (path.empty()) throw ValueError("the path of a Unix socket is empty");
    if (path.size() >= sizeof un.sun_path) {
        throw ValueError("the path of a Unix socket has at most 107 bytes: '" + std::string(path) + "'");
    }
    if (path.front() != '\0' && path.find('\0') != std::string_view::npos) {
        throw ValueError("the path of a Unix socket contains a zero byte");
    }
    std::memcpy(un.sun_path, path.data(), path.size());
    // An abstract name ends with the address; a path has its zero counted in.
    const std::size_t terminator = path.front() == '\0' ? 0 : 1;
    return Address(&un, offsetof(sockaddr_un, sun_path) + path.size() + terminator);
}

AddressFamily Address::family() const noexcept {
    if (size_ == 0) return AddressFamily::any;
    switch (read_as<sockaddr>(*this).sa_family) {
        case AF_INET: return AddressFamily::ipv4;
        case AF_INET6: return AddressFamily::ipv6;
        case AF_UNIX: return AddressFamily::unix_domain;
        default: return AddressFamily::any;
    }
}

std::string Address::host() const {
    char text[INET6_ADDRSTRLEN] = "";
    if (family() == AddressFamily::ipv4) {
        const auto in = read_as<sockaddr_in>(*this);
        ::inet_ntop(AF_INET, &in.sin_addr, text, sizeof text);
        return text;
    }
    if (family() != AddressFamily::ipv6) return {};
    const auto in6 = read_as<sockaddr_in6>(*this);
    ::inet_ntop(AF_INET6, &in6.sin6_addr, text, sizeof text);
    std::string host = text;
    if (in6.sin6_scope_id != 0) {
        char name[IF_NAMESIZE];
        const bool named = ::if_indextoname(in6.sin6_scope_id, name) != nullptr;
        host += '%';
        host += named ? std::string(name) : std::to_string(in6.sin6_scope_id);
    }
    return host;
}

std::uint16_t Address::port() const noexcept {
    switch (family()) {
        case AddressFamily::ipv4: return ntohs(read_as<sockaddr_in>(*this).sin_port);
        case AddressFamily::ipv6: return ntohs(read_as<sockaddr_in6>(*this).sin6_port);
        default: return 0;
    }
}

Address Address::with_port(std::uint16_t port) const noexcept {
    if (family() == AddressFamily::ipv4) {
        auto in = read_as<sockaddr_in>(*this);
        in.sin_port = htons(port);
        return address_of(in);
    }
    if (family() == AddressFamily::ipv6) {
        auto in6 = read_as<sockaddr_in6>(*this);
        in6.sin6_port = htons(port);
        return address_of(in6);
    }
    return *this;
}

std::uint32_t Address::scope_id() const noexcept {
    return family() == AddressFamily::ipv6 ? read_as<sockaddr_in6>(*this).sin6_scope_id : 0;
}

std::string Address::path() const {
    if (family() != AddressFamily::unix_domain || size_ <= offsetof(sockaddr_un, sun_path)) return {};
    const auto un = read_as<sockaddr_un>(*this);
    const std::size_t length = size_ - offsetof(sockaddr_un, sun_path);
    if (un.sun_path[0] == '\0') return std::string(un.sun_path, length);
    return std::string(un.sun_path, ::strnlen(un.sun_path, length));
}

std::string Address::to_string() const {
    switch (family()) {
        case AddressFamily::ipv4: return host() + ":" + std::to_string(port());
        case AddressFamily::ipv6: return "[" + host() + "]:" + std::to_string(port());
        case AddressFamily::unix_domain: {
            std::string text = path();
            if (text.empty()) return "(unnamed Unix socket)";
            if (text.front() == '\0') text.front() = '@';
            return text;
        }
        default: return "(no address)";
    }
}

}}  // namespace asyncio::v1
