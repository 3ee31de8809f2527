// start, Site, and the state that its connections share.
//
// The state belongs to the Site and to every connection; the listening server only looks at it, else the two
// would keep each other alive. A connection stands in the list for as long as it lives, so whoever waits for
// the end of a site waits for that list to be empty.
#include "asyncio/http/web/site.hpp"

#include <algorithm>
#include <array>
#include <ctime>

#include "asyncio/base/error.hpp"
#include "asyncio/core/event_loop.hpp"
#include "asyncio/task/shield.hpp"
#include "asyncio/task/wait.hpp"
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
    if (site == nullptr) co_return;  // the site has gone since this client was accepted
    Connection connection(*site, std::move(reader), std::move(writer));
    co_await connection.serve();
}

}  // namespace

SiteState::SiteState(std::shared_ptr<Router> site_router, const SiteOptions& site_options)
    : router(std::move(site_router)), options(site_options), tick_length(tick_for(site_options)) {
    options.host = {};
}

SiteState::~SiteState() {
    if (ticker) ticker->cancel();
}

// ---- time ---------------------------------------------------------------------------------------

std::uint64_t SiteState::ticks_in(Duration limit) const noexcept {
    if (limit.is_infinite()) return ~std::uint64_t{0};
    return static_cast<std::uint64_t>(std::max<std::int64_t>(limit.count_ns(), 0) / tick_length.count_ns()) +
           1;
}

std::uint64_t SiteState::tick_after(Duration limit) const noexcept {
    const std::uint64_t count = ticks_in(limit);
    return count > ~ticks ? count : ticks + count;
}

void SiteState::arm() {
    ticker = get_running_loop().call_later(tick_length, [this] { tick(); });
}

void SiteState::tick() {
    ++ticks;
    ticker.reset();
    if (connections.empty()) return;
    arm();
    write_date();
    for (Connection& connection : connections) connection.look_at_clock(ticks);
}

void SiteState::write_date() {
    usual_head.assign(usual_status);
    usual_head.append("Date: ").append(http_date(std::time(nullptr)));
    usual_head.append("\r\nServer: asyncio/" ASYNCIO_VERSION_STRING "\r\n");
}

// ---- connections --------------------------------------------------------------------------------

void SiteState::joined(Connection& connection) {
    if (!ticker) {
        write_date();
        arm();
    }
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
    if (waiting_for_all) {
        if (!waiting_for_all->done()) waiting_for_all->set_result();
        waiting_for_all.reset();
    }
}

std::size_t SiteState::requests() noexcept {
    std::size_t count = 0;
    for (const Connection& connection : connections) count += connection.answers() ? 1 : 0;
    return count;
}

Future<> SiteState::all_closed() {
    if (!waiting_for_all || waiting_for_all->done()) waiting_for_all = Future<>();
    return *waiting_for_all;
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

Coro<> Site::wait_closed() {
    const std::shared_ptr<detail::SiteState> state = state_;
    if (!state->closing) throw RuntimeError("wait_closed would wait for ever: call close() first");
    if (state->connection_count != 0) {
        std::vector<Future<>> all(1, state->all_closed());
        const auto waited = co_await asyncio::wait(all, {.timeout = state->options.shutdown_timeout});
        if (!waited.pending.empty()) {
            state->abort();
            co_await asyncio::wait(all);
        }
    }
    if (state->server) co_await state->server->wait_closed();
}

Coro<> Site::aexit(std::exception_ptr error) {
    const std::shared_ptr<detail::SiteState> state = state_;
    if (error != nullptr) {
        state->abort();
    } else {
        state->close();
    }
    bool ended = false;
    std::exception_ptr cancelled;
    while (!ended) {
        try {
            co_await wait_closed();
            ended = true;
        } catch (const CancelledError&) {
            cancelled = std::current_exception();
        }
        if (!ended) state->abort();
    }
    if (cancelled != nullptr) std::rethrow_exception(cancelled);
}

namespace {

Coro<Site> start_site(std::shared_ptr<detail::Router> router, SiteOptions options, std::string host) {
    const auto state = std::make_shared<detail::SiteState>(std::move(router), options);
    state->router->freeze();
    auto on_client = [weak = std::weak_ptr<detail::SiteState>(state)](StreamReader reader,
                                                                      StreamWriter writer) -> Coro<> {
        return detail::serve_client(weak.lock(), std::move(reader), std::move(writer));
    };
    state->server.emplace(co_await asyncio::start_server(
        on_client, host, options.port, {.backlog = options.backlog, .reuse_port = options.reuse_port}));
    const Address address = state->server->sockets().front();
    state->port = address.port();
    state->url = "http://" + address.to_string();
    co_return Site(state);
}

}  // namespace

Coro<Site> start(Application& application, SiteOptions options) {
    return start_site(detail::ApplicationAccess::router(application), options, std::string(options.host));
}
Coro<Site> start(Application&& application, SiteOptions options) { return start(application, options); }

}}}  // namespace asyncio::v1::http::web
