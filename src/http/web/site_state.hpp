// What a site and its connections share. Private to src/http/web.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "asyncio/base/intrusive.hpp"
#include "asyncio/core/handle.hpp"
#include "asyncio/http/web/site.hpp"
#include "asyncio/net/server.hpp"
#include "http/web/connection.hpp"
#include "http/web/router.hpp"

namespace asyncio { inline namespace v1 { namespace http::web::detail {

/// Time in the life of connections goes by ticks: one timer for all of them, which also keeps the Date
/// header.
struct SiteState {
    SiteState(std::shared_ptr<Router> site_router, const SiteOptions& site_options);
    SiteState(const SiteState&) = delete;
    SiteState& operator=(const SiteState&) = delete;
    ~SiteState();

    void joined(Connection& connection);
    void left(Connection& connection) noexcept;

    void close() noexcept;
    void abort() noexcept;
    /// Connections that are at a request.
    std::size_t requests() noexcept;

    /// The tick after which a wait that begins now has taken so many.
    std::uint64_t tick_after(std::uint64_t patience) const noexcept {
        return patience > ~ticks ? patience : ticks + patience;
    }
    void tick() noexcept;
    /// Sees to it that there will be a next tick. Without memory for that there is none, until this is called
    /// again.
    void keep_ticking() noexcept;
    void arm();
    void write_date();

    const std::shared_ptr<Router> router;
    SiteOptions options;  // its host is not kept
    std::optional<Server> server;
    std::uint16_t port = 0;
    std::string url;
    bool secure = false;  // TLS is spoken

    static constexpr std::string_view usual_status = "HTTP/1.1 200 OK\r\n";
    std::string usual_head;  // that, Date and Server
    std::uint64_t ticks = 0;
    const Duration tick_length;
    /// The limits of the options, in ticks: a request is no place for a division.
    struct Patience {
        std::uint64_t keepalive;
        std::uint64_t client;
        std::uint64_t lingering;
    };
    const Patience patience;
    std::optional<TimerHandle> ticker;  // armed while there are connections

    IntrusiveList<Connection, &Connection::hook> connections;
    std::size_t connection_count = 0;
    bool closing = false;
};

}}}  // namespace asyncio::v1::http::web::detail
