// start and Site: a server inside a running loop.
#pragma once
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "asyncio/base/config.hpp"
#include "asyncio/base/duration.hpp"
#include "asyncio/base/option.hpp"
#include "asyncio/core/coro.hpp"
#include "asyncio/http/web/application.hpp"
#include "asyncio/net/ssl_object.hpp"

namespace asyncio { inline namespace v1 { namespace http::web {

namespace detail {
struct SiteState;
}

/// How a server listens and how patient it is. All members may be left out.
struct SiteOptions {
    std::string_view host = {};  ///< name or address; empty: every interface
    std::uint16_t port = 8080;   ///< 0: a free one, see Site::port
    int backlog = 4096;          ///< connections that wait to be accepted
    bool reuse_port = false;     ///< several processes may listen on this port
    Duration keepalive_timeout =
        std::chrono::seconds(3630);  ///< how long a connection may be idle between requests
    /// How long a client may take over the head of a request, over the next piece of a body, and over taking
    /// any of what it is sent.
    Duration client_timeout = std::chrono::seconds(60);
    Duration lingering_time =
        std::chrono::seconds(10);  ///< how long the rest of an unread body is waited for
    Duration shutdown_timeout = std::chrono::seconds(60);  ///< how long handlers may go on after close()
    SslOption ssl = {};  ///< a context with a certificate: `https` is spoken
};
static_assert(OptionStruct<SiteOptions>);

/// A server that is listening: what `start` gives, movable. `co_await with(web::start(app, …), body)` stops
/// it at the end of the scope: it waits for the handlers as `wait_closed` does, or cancels them if the body
/// has thrown.
///
/// Threads     loop thread only
/// Lifetime    destroying it unclosed stops it at once; the application may go before it
/// Python      `aiohttp.web.TCPSite` with its runner
class ASYNCIO_API Site {
  public:
    explicit Site(std::shared_ptr<detail::SiteState> state) noexcept;
    Site(Site&&) noexcept;
    Site& operator=(Site&&) noexcept;
    ~Site();

    /// The port it listens on.
    std::uint16_t port() const noexcept;
    /// "http://127.0.0.1:8080" or "https://…", without a slash at the end.
    std::string url() const;
    /// Connections that are open now.
    std::size_t connections() const noexcept;
    /// Requests whose handler runs, or whose response is still being sent: what wait_closed would wait for.
    std::size_t requests() const noexcept;

    /// Stops listening; idle connections are closed, the others after the request they are at.
    void close() noexcept;
    bool closed() const noexcept;

    /// Waits, after close(), until the last connection has ended. Handlers that run longer than
    /// `shutdown_timeout` are cancelled.
    ///
    /// Throws      RuntimeError  close() was not called
    /// Suspends    unless no connection is open
    /// Cancel      the connections stay; call it again, or abort()
    /// Threads     loop thread
    Coro<> wait_closed();

    /// close(), and cancels all handlers at once.
    void abort() noexcept;

    /// Throws  RuntimeError  entered twice
    std::suspend_never aenter();
    /// Suspends    unless no connection is open
    /// Cancel      the handlers are cancelled and waited for
    /// Threads     loop thread
    Coro<> aexit(std::exception_ptr error);

  private:
    std::shared_ptr<detail::SiteState> state_;
    std::optional<Coro<>> leaving_;  // made on entry: what was entered can be left, also without memory
};

/// Listens, and answers with the application's handlers until the site is closed.
///
///     auto site = co_await web::start(app, {.host = "127.0.0.1", .port = 0});
///
/// Throws      OSError  the address is in use or not to be had; gaierror  the host is unknown
/// Suspends    if the host is a name
/// Cancel      nothing is left behind
/// Threads     loop thread
/// Python      `AppRunner.setup` and `TCPSite.start`
ASYNCIO_API Coro<Site> start(Application& application, SiteOptions options = SiteOptions());
ASYNCIO_API Coro<Site> start(Application&& application, SiteOptions options = SiteOptions());

}}}  // namespace asyncio::v1::http::web
