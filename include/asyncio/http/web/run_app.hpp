// run_app: a program that is a server.
#pragma once
#include "asyncio/core/event_loop.hpp"
#include "asyncio/http/web/site.hpp"

namespace asyncio { inline namespace v1 { namespace http::web {

/// Prints "======== Running on http://… ========" to standard output.
ASYNCIO_API void print_running_on(const Site& site);

/// As SiteOptions, and how the loop is made. All members may be left out.
struct RunAppOptions {
    std::string_view host = {};  ///< name or address; empty: every interface
    std::uint16_t port = 8080;   ///< 0: a free one
    int backlog = 4096;
    bool reuse_port = false;
    Duration keepalive_timeout =
        std::chrono::seconds(75);  ///< shorter than SiteOptions': nothing stands before us
    Duration client_timeout = std::chrono::seconds(60);
    Duration lingering_time = std::chrono::seconds(10);
    Duration shutdown_timeout = std::chrono::seconds(60);  ///< how long handlers may go on after a signal
    bool handle_signals = true;                            ///< SIGINT and SIGTERM end it, if at their default
    SslOption ssl = {};                                   ///< a context with a certificate: `https` is spoken
    void (*on_started)(const Site&) = &print_running_on;  ///< called when it listens; null: nothing
    RunOptions loop = {};
};
static_assert(OptionStruct<RunAppOptions>);

/// Runs a server until SIGINT or SIGTERM: then it stops listening, lets the handlers finish for
/// `shutdown_timeout` (and says on standard error for how many it waits, if there are any), cancels those
/// that are left, and returns. A second signal ends the program.
///
/// Throws      OSError       the address is in use or not to be had
///             gaierror      the host is unknown
///             RuntimeError  a loop is running in this thread
/// Suspends    never: it blocks the thread
/// Cancel      by signals alone
/// Threads     a thread that runs no loop; signals are handled in the main one
/// Python      `aiohttp.web.run_app`
ASYNCIO_API void run_app(Application& application, RunAppOptions options = RunAppOptions());
ASYNCIO_API void run_app(Application&& application, RunAppOptions options = RunAppOptions());

}}}  // namespace asyncio::v1::http::web
