// Connector: the connections of a session, in use, idle, and who waits for one.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "asyncio/base/duration.hpp"
#include "asyncio/base/intrusive.hpp"
#include "asyncio/core/event_loop.hpp"
#include "asyncio/http/client_session.hpp"
#include "asyncio/net/tls.hpp"
#include "asyncio/task/future.hpp"
#include "http/connection.hpp"

namespace asyncio { inline namespace v1 { namespace http { namespace detail {

class Connector;

/// Where connections lead: a host and port, and with which rules of TLS, if any.
struct Origin {
    Origin(std::string_view of, std::shared_ptr<asyncio::detail::TlsProvider> rules)
        : authority(of), tls(std::move(rules)) {}

    const std::string authority;
    const std::shared_ptr<asyncio::detail::TlsProvider> tls;
    std::size_t in_use = 0;
    std::size_t interested = 0;  // Slots, waiters and OriginRefs that hold a pointer to this.
    IntrusiveList<Connection, &Connection::idle_hook> idle;
};

/// The right to one connection, in use or about to be made.
class Slot {
  public:
    Slot() noexcept = default;
    Slot(Connector* connector, Origin* origin) noexcept : connector_(connector), origin_(origin) {}
    Slot(Slot&& other) noexcept
        : connector_(std::exchange(other.connector_, nullptr)), origin_(other.origin_) {}
    Slot& operator=(Slot&& other) noexcept {
        Slot old(std::move(*this));
        connector_ = std::exchange(other.connector_, nullptr);
        origin_ = other.origin_;
        return *this;
    }
    ~Slot() { give_back(); }

    explicit operator bool() const noexcept { return connector_ != nullptr; }
    Origin& origin() const noexcept { return *origin_; }
    void give_back() noexcept;

  private:
    Connector* connector_ = nullptr;
    Origin* origin_ = nullptr;
};

/// By what origins are told apart. The rules live as long as an origin has them.
struct OriginKey {
    std::string_view authority;
    const asyncio::detail::TlsProvider* tls;
    friend bool operator==(const OriginKey&, const OriginKey&) = default;
    struct Hash {
        std::size_t operator()(const OriginKey& key) const noexcept {
            return std::hash<std::string_view>()(key.authority) ^ std::hash<const void*>()(key.tls);
        }
    };
};

/// Keeps an origin remembered.
class OriginRef {
  public:
    OriginRef(Connector& connector, std::string_view authority,
              const std::shared_ptr<asyncio::detail::TlsProvider>& tls);
    OriginRef(const OriginRef&) = delete;
    OriginRef& operator=(const OriginRef&) = delete;
    ~OriginRef();

    Origin& operator*() const noexcept { return origin_; }

  private:
    Connector& connector_;
    Origin& origin_;
};

/// A request that waits for a slot. Destroying it, granted or not, loses nothing.
class SlotWaiter {
  public:
    SlotWaiter(Connector& connector, Origin& origin);
    SlotWaiter(const SlotWaiter&) = delete;
    SlotWaiter& operator=(const SlotWaiter&) = delete;
    ~SlotWaiter();

    Slot take() noexcept { return std::move(slot_); }
    Future<> granted;  // To be awaited.

  private:
    friend class Connector;
    Connector& connector_;
    Origin& origin_;
    Slot slot_;
    ListHook hook_;
};

/// See connector.cpp.
class Connector {
  public:
    explicit Connector(const ClientSessionOptions& options) noexcept;
    Connector(const Connector&) = delete;
    Connector& operator=(const Connector&) = delete;
    ~Connector();

    Origin& origin(std::string_view authority, const std::shared_ptr<asyncio::detail::TlsProvider>& tls);
    /// A slot if there is one now.
    Slot try_slot(Origin& origin) noexcept;

    /// The idle connection used last, if one is left that still can be used.
    std::unique_ptr<Connection> take_idle(Origin& origin) noexcept;
    /// Keeps a connection for the next request, if the limits and the options allow it, and frees its slot.
    void give_back(std::unique_ptr<Connection> connection, Slot slot) noexcept;
    /// To be called before a connection is made: closes idle ones that would be too many then.
    void make_room() noexcept;
    /// Takes the oldest idle connection out, or null.
    std::unique_ptr<Connection> take_any_idle() noexcept;

    /// No connection will be kept from now on.
    void close() noexcept;

    ConnectionCounts counts() const noexcept { return {in_use_, idle_, waiting_}; }
    /// Those that are remembered.
    std::size_t origins() const noexcept { return origins_.size(); }

  private:
    friend class OriginRef;
    friend class Slot;
    friend class SlotWaiter;
    bool has_room(const Origin& origin) const noexcept;
    void free_slot(Origin& origin) noexcept;
    void grant() noexcept;
    void forget_if_unused(Origin& origin) noexcept;
    std::unique_ptr<Connection> unlink(Connection& connection) noexcept;
    void watch_idle() noexcept;
    void drop_expired() noexcept;

    const std::size_t limit_;
    const std::size_t limit_per_host_;
    const Duration keepalive_timeout_;
    bool keeps_;  // Connections are kept for the next request.
    std::size_t in_use_ = 0;
    std::size_t idle_ = 0;
    std::size_t waiting_ = 0;
    std::unordered_map<OriginKey, std::unique_ptr<Origin>, OriginKey::Hash>
        origins_;  // The keys are views into the values.
    IntrusiveList<Connection, &Connection::age_hook> by_age_;
    IntrusiveList<SlotWaiter, &SlotWaiter::hook_> waiters_;
    std::optional<TimerHandle> expiry_;  // Set while there are idle connections.
};

}}}}  // namespace asyncio::v1::http::detail
