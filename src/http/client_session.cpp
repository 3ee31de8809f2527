// ClientSession: the handle, and what it shares with its requests.
#include "asyncio/http/client_session.hpp"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "asyncio/http/errors.hpp"
#include "detail/warnings.hpp"
#include "http/exchange.hpp"
#include "http/session_state.hpp"

namespace asyncio { inline namespace v1 { namespace http {

namespace detail {

SessionRef::SessionRef(SessionState* state) noexcept : state_(state) { ++state_->references; }
SessionRef::SessionRef(const SessionRef& other) noexcept : state_(other.state_) {
    if (state_ != nullptr) ++state_->references;
}
SessionRef::~SessionRef() {
    if (state_ != nullptr && --state_->references == 0) delete state_;
}

namespace {

bool is_usual(const SslOption& ssl) { return !ssl.given() || (ssl && ssl.context() == nullptr); }

}  // namespace

SessionState::SessionState(const ClientSessionOptions& options)
    : timeout(options.timeout),
      raise_for_status(options.raise_for_status),
      read_bufsize(options.read_bufsize),
      // (The usual one is made when it is first needed.)
      tls(is_usual(options.ssl) ? nullptr : context_of(options.ssl)),
      connector(options) {
    limits.max_line_size = options.max_line_size;
    limits.max_field_size = options.max_field_size;
    limits.max_headers = options.max_headers;
    for (std::size_t i = 0; i < options.headers.size(); ++i) {
        const HeaderView field = options.headers[i];
        for (const char* framing : {"Content-Length", "Transfer-Encoding"}) {
            if (proto::equals_ignore_case(field.name, framing)) {
                throw ValueError(std::string("leave ") + framing +
                                 " out: the client frames each body itself");
            }
        }
        headers.add(field.name, field.value);
    }
    if (!headers.contains("Accept")) headers.add("Accept", "*/*");
    if (!headers.contains("User-Agent")) headers.add("User-Agent", "asyncio-cpp/" ASYNCIO_VERSION_STRING);
    write_usual_fields();
}

void SessionState::write_usual_fields() {
    for (const char* special : {"Host", "Authorization", "Content-Type", "Connection"}) {
        if (headers.contains(special)) return;
    }
    for (const HeaderView field : headers) {
        usual_fields.append(field.name).append(": ").append(field.value).append("\r\n");
    }
}

void SessionState::close() noexcept {
    if (closed) return;
    closed = true;
    if (home.is_running_here()) {
        abort_requests();
    } else if (!in_flight.empty()) {
        // The loop rests, and its tasks can be told when it goes on.
        try {
            home.post([self = SessionRef(this)] { self->abort_requests(); });
        } catch (const std::exception&) {
            // The requests go on to their own end, which the state survives.
        }
    }
    connector.close();
}

void SessionState::abort_requests() noexcept {
    for (Exchange& exchange : in_flight) exchange.abort_request();
}

}  // namespace detail

ClientSession::ClientSession(ClientSessionOptions options) : state_(new detail::SessionState(options)) {}

ClientSession& ClientSession::operator=(ClientSession&& other) noexcept {
    if (this != &other) {
        if (state_) state_->close();
        state_ = std::move(other.state_);
    }
    return *this;
}

ClientSession::~ClientSession() {
    if (!state_) return;
    const ConnectionCounts open = state_->connector.counts();
    const std::size_t all = open.in_use + open.idle;
    if (!state_->closed && all != 0 && state_->home.is_running_here() && asyncio::detail::in_debug_mode()) {
        asyncio::detail::warn_with(asyncio::detail::resource_warning, "unclosed ClientSession", [all] {
            return "unclosed ClientSession, connections open: " + std::to_string(all) +
                   ": co_await session.close(), or use with(session, body)";
        });
    }
    state_->close();
}

Coro<ClientResponse> ClientSession::request(std::string_view method, UrlArgument url, RequestBody body,
                                            RequestOptions options) const {
    if (!state_) throw RuntimeError("this ClientSession was moved from: use the one that it was moved into");
    detail::ExchangeRef exchange(new detail::Exchange(state_));
    detail::prepare(*exchange, method, url, body, options);
    return detail::perform(std::move(exchange));
}

namespace {

Coro<> close_session(detail::SessionRef state) {
    if (!state) co_return;  // moved from
    // When its loop has closed, so are the connections, and there is nothing to wait for.
    if (state->home.is_open() && state->home.refusal() != nullptr) throw RuntimeError(state->home.refusal());
    std::vector<std::unique_ptr<detail::Connection>> idle;
    while (auto connection = state->connector.take_any_idle()) idle.push_back(std::move(connection));
    state->close();
    for (auto& connection : idle) connection->writer.close();
    for (auto& connection : idle) co_await detail::wait_closed(connection->writer);
}

}  // namespace

Coro<> ClientSession::close() { return close_session(state_); }
Coro<> ClientSession::aexit(std::exception_ptr) { return close_session(state_); }

bool ClientSession::closed() const noexcept { return !state_ || state_->closed; }
ConnectionCounts ClientSession::connections() const noexcept {
    return state_ ? state_->connector.counts() : ConnectionCounts();
}

}}}  // namespace asyncio::v1::http
