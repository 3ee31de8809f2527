// start, Site, and the state that its connections share.
//
// The state belongs to the Site and to every connection; the listening server only looks at it, else the two
// would keep each other alive. Each connection lives in a task of the listening server, so whoever waits for
// the end of a site waits for that server and its tasks, those included that have been accepted and not
// begun.
//
// What leaves a scope (`with(start(…), body)`) is made on entry, and waits without memory: handlers may refer
// to what the body's surroundings own, so not even a lack of memory may let them outlive it.
#include "asyncio/http/web/site.hpp"

#include <algorithm>
#include <array>
#include <ctime>
#include <new>
#include <utility>

#include "asyncio/base/error.hpp"
#include "asyncio/core/event_loop.hpp"
#include "asyncio/net/tls.hpp"
#include "asyncio/task/timeout.hpp"
#include "http/web/site_state.hpp"

namespace asyncio { inline namespace v1 { namespace http::web {

namespace detail {

namespace {

constexpr Duration longest_tick = std::chrono::seconds(1);
constexpr Duration shortest_tick = std::chrono::milliseconds(10);

/// A second, or less if a limit is so short that it would be missed.
Duration tick_for(const SiteOptions& options) {
    const Duration shortest =
        std::min({options.keepalive_timeout, options.client_timeout, options.lingering_time});
    return std::clamp(Duration::from_ns(shortest.count_ns() / 4), shortest_tick, longest_tick);
}

std::uint64_t ticks_in(Duration limit, Duration tick) noexcept {
    if (limit.is_infinite()) return ~std::uint64_t{0};
    return static_cast<std::uint64_t>(std::max<std::int64_t>(limit.count_ns(), 0) / tick.count_ns()) + 1;
}

/// RFC 9110 §5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT". strftime would ask the locale for the names.
std::string http_date(std::time_t when) {
    constexpr std::array<std::string_view, 7> days = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr std::array<std::string_view, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    std::tm utc{};
    ::gmtime_r(&when, &utc);
    const auto padded = [](int number) { return (number < 10 ? "0" : "") + std::to_string(number); };
    std::string text(days[static_cast<std::size_t>(utc.tm_wday)]);
    text += ", " + padded(utc.tm_mday) + " ";
    text += months[static_cast<std::size_t>(utc.tm_mon)];
    text += " " + std::to_string(utc.tm_year + 1900) + " " + padded(utc.tm_hour) + ":" + padded(utc.tm_min) +
            ":" + padded(utc.tm_sec) + " GMT";
    return text;
}

Coro<> serve_client(std::shared_ptr<SiteState> site, StreamReader reader, StreamWriter writer) {
    // The site may have gone or been closed since this client was accepted: then nobody would tell it to go.
    if (site == nullptr || site->closing) co_return;
    Connection connection(*site, std::move(reader), std::move(writer));
    co_await connection.serve();
}

/// Waits until a closed site's last connection has ended; those that are left after `shutdown_timeout` are
/// aborted. A cancel ends the wait; on the way out of a scope (`leaving`) it aborts the connections instead,
/// and is thrown when they have ended.
Coro<> finish(std::shared_ptr<SiteState> site, bool leaving) {
    if (!site->closing) throw RuntimeError("wait_closed would wait for ever: call close() first");
    Timeout patience(site->options.shutdown_timeout);
    std::exception_ptr cancelled;
    bool patient = true;
    try {
        patience.aenter();
    } catch (const std::bad_alloc&) {
        site->abort();  // without a limit it might wait for ever
    }
    for (bool over = false; !over;) {
        std::exception_ptr error;
        try {
            co_await site->server->wait_finished();
            over = true;
        } catch (const CancelledError&) {
            error = std::current_exception();
        }
        if (std::exchange(patient, false)) {
            try {
                patience.aexit(error);
            } catch (const TimeoutError&) {
                error = nullptr;
            }
        }
        if (error != nullptr) {
            if (!leaving) std::rethrow_exception(error);
            cancelled = error;
        }
        if (!over) site->abort();
    }
    if (cancelled != nullptr) std::rethrow_exception(cancelled);
}

}  // namespace

SiteState::SiteState(std::shared_ptr<Router> site_router, const SiteOptions& site_options)
    : router(std::move(site_router)),
      options(site_options),
      tick_length(tick_for(site_options)),
      patience{ticks_in(site_options.keepalive_timeout, tick_length),
               ticks_in(site_options.client_timeout, tick_length),
               ticks_in(site_options.lingering_time, tick_length)} {
    options.host = {};
    options.ssl = {};
}

SiteState::~SiteState() {
    if (ticker) ticker->cancel();
}

// ---- time ---------------------------------------------------------------------------------------

void SiteState::arm() {
    ticker = get_running_loop().call_later(tick_length, [this] { tick(); });
}

void SiteState::keep_ticking() noexcept {
    if (ticker) return;
    try {
        arm();
        write_date();
    } catch (const std::bad_alloc&) {
        // The connections are a tick more patient, or the date is a second old.
    }
}

void SiteState::tick() noexcept {
    ++ticks;
    ticker.reset();
    if (connections.empty()) return;
    for (Connection& connection : connections) connection.look_at_clock(ticks);
    keep_ticking();
}

void SiteState::write_date() {
    std::string head(usual_status);
    head.append("Date: ").append(http_date(std::time(nullptr)));
    head.append("\r\nServer: asyncio/" ASYNCIO_VERSION_STRING "\r\n");
    usual_head = std::move(head);
}

// ---- connections --------------------------------------------------------------------------------

void SiteState::joined(Connection& connection) {
    if (usual_head.empty()) write_date();
    keep_ticking();
    connections.push_back(connection);
    ++connection_count;
}

void SiteState::left(Connection& connection) noexcept {
    connection.hook.unlink();
    --connection_count;
    if (connection_count != 0) return;
    if (ticker && closing) {
        ticker->cancel();
        ticker.reset();
    }
}

std::size_t SiteState::requests() noexcept {
    std::size_t count = 0;
    for (const Connection& connection : connections) count += connection.answers() ? 1 : 0;
    return count;
}

void SiteState::close() noexcept {
    if (closing) return;
    closing = true;
    if (server) server->close();
    for (Connection& connection : connections) connection.retire();
    if (connections.empty() && ticker) {
        ticker->cancel();
        ticker.reset();
    }
}

void SiteState::abort() noexcept {
    close();
    for (Connection& connection : connections) connection.abort();
}

}  // namespace detail

// ---- Site ---------------------------------------------------------------------------------------

Site::Site(std::shared_ptr<detail::SiteState> state) noexcept : state_(std::move(state)) {}
Site::Site(Site&&) noexcept = default;
Site& Site::operator=(Site&& other) noexcept {
    Site old(std::move(*this));
    state_ = std::move(other.state_);
    leaving_ = std::move(other.leaving_);
    return *this;
}
Site::~Site() {
    if (state_ != nullptr) state_->abort();
}

std::uint16_t Site::port() const noexcept { return state_->port; }
std::string Site::url() const { return state_->url; }
std::size_t Site::connections() const noexcept { return state_->connection_count; }
std::size_t Site::requests() const noexcept { return state_->requests(); }
void Site::close() noexcept { state_->close(); }
bool Site::closed() const noexcept { return state_->closing; }
void Site::abort() noexcept { state_->abort(); }

Coro<> Site::wait_closed() { return detail::finish(state_, false); }

std::suspend_never Site::aenter() {
    if (leaving_) throw RuntimeError("this Site was entered already");
    leaving_.emplace(detail::finish(state_, true));
    return {};
}

Coro<> Site::aexit(std::exception_ptr error) {
    ASYNCIO_ASSERT(leaving_ && leaving_->valid(), "Site::aexit is called once, after aenter");
    if (error != nullptr) {
        state_->abort();
    } else {
        state_->close();
    }
    return std::move(*leaving_);
}

namespace {

Coro<Site> start_site(std::shared_ptr<detail::Router> router, SiteOptions options, std::string host,
                      std::optional<SslContext> ssl) {
    const auto state = std::make_shared<detail::SiteState>(std::move(router), options);
    state->router->freeze();
    auto on_client = [weak = std::weak_ptr<detail::SiteState>(state)](StreamReader reader,
                                                                      StreamWriter writer) -> Coro<> {
        return detail::serve_client(weak.lock(), std::move(reader), std::move(writer));
    };
    const ServerOptions server_options{.backlog = options.backlog,
                                       .reuse_port = options.reuse_port,
                                       .ssl = ssl ? SslOption(*ssl) : options.ssl,
                                       .ssl_shutdown_timeout = options.lingering_time};
    state->server.emplace(co_await asyncio::start_server(on_client, host, options.port, server_options));
    state->secure = static_cast<bool>(options.ssl);
    const Address address = state->server->sockets().front();
    state->port = address.port();
    state->url = (state->secure ? "https://" : "http://") + address.to_string();
    co_return Site(state);
}

}  // namespace

Coro<Site> start(Application& application, SiteOptions options) {
    std::optional<SslContext> ssl;
    if (options.ssl.context() != nullptr) {
        ssl = *options.ssl.context();
        options.ssl = true;  // the context may not outlive this call
    }
    return start_site(detail::ApplicationAccess::router(application), options, std::string(options.host),
                      std::move(ssl));
}
Coro<Site> start(Application&& application, SiteOptions options) { return start(application, options); }

}}}  // namespace asyncio::v1::http::web
