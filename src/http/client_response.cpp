// ClientResponse and ResponseContent: the head, and the reading of the body.
#include "asyncio/http/client_response.hpp"

#include <algorithm>
#include <utility>

#include "detail/warnings.hpp"
#include "http/exchange.hpp"
#include "http/session_state.hpp"

namespace asyncio { inline namespace v1 { namespace http {

namespace {

using detail::Exchange;
using detail::ExchangeRef;

/// The most that is set aside for a body because the server announced it.
constexpr std::uint64_t announced_room_max = 1 << 20;

/// Waits until something of the body is there; false at its end.
Coro<bool> wait_for_body(Exchange& x) {
    while (!x.has_body_or_end()) co_await x.receive();
    if (!x.body.empty()) co_return true;
    if (x.body_error != nullptr) std::rethrow_exception(x.body_error);
    co_return false;
}

Coro<> receive_all(Exchange& x) {
    if (x.has_announced_length && x.announced_length > x.body.size()) {
        x.body.reserve(std::min(x.announced_length, announced_room_max));
    }
    while (!x.body_complete && x.body_error == nullptr) co_await x.receive();
    if (x.body_error != nullptr) std::rethrow_exception(x.body_error);
}

Coro<> receive_until(Exchange& x, std::size_t bytes) {
    while (x.body.size() < bytes && !x.body_complete && x.body_error == nullptr) co_await x.receive();
    if (x.body.size() < bytes && x.body_error != nullptr) std::rethrow_exception(x.body_error);
}

/// What has come has no line end.
void require_short_line(const Exchange& x) {
    if (x.body.size() <= x.session->read_bufsize) return;
    throw ValueError(x.subject() + ": no line end in " + std::to_string(x.body.size()) +
                     " bytes of the body");
}

/// The end of the first line in what has come; npos at the end of the body.
Coro<std::size_t> receive_line(Exchange& x) {
    std::size_t searched = 0;
    for (;;) {
        const std::size_t at = x.body.find('\n', searched);
        if (at != std::string::npos) co_return at;
        searched = x.body.size();
        require_short_line(x);
        if (x.body_error != nullptr) std::rethrow_exception(x.body_error);
        if (x.body_complete) co_return std::string::npos;
        co_await x.receive();
    }
}

/// Hands out at most so many bytes of what has come.
std::string take(Exchange& x, std::size_t bytes) {
    x.body_touched = true;
    if (bytes >= x.body.size()) return std::exchange(x.body, std::string());
    std::string piece = x.body.substr(0, bytes);
    x.body.erase(0, bytes);
    return piece;
}

void require_unread(const Exchange& x) {
    if (x.body_touched) {
        throw RuntimeError(x.subject() +
                           ": a part of the body was taken through content(): read the rest there");
    }
}

void require_not_kept(const Exchange& x) {
    if (x.body_kept) {
        throw RuntimeError(x.subject() + ": read() has the whole body already");
    }
}

/// Whether all of the body is there already, as a small one is.
bool has_whole(const Exchange& x) {
    require_unread(x);
    return x.body_kept || x.body_complete;
}

Coro<> receive_whole(Exchange& x) {
    x.begin(detail::Phase::reading_body);
    std::exception_ptr error;
    try {
        co_await receive_all(x);
    } catch (...) {
        error = std::current_exception();
    }
    x.end(error);
}

Coro<std::string> read_and_keep(ExchangeRef exchange) {
    if (!has_whole(*exchange)) co_await receive_whole(*exchange);
    exchange->body_kept = true;
    co_return exchange->body;
}

Coro<std::string> read_and_give(ExchangeRef exchange) {
    if (!has_whole(*exchange)) co_await receive_whole(*exchange);
    exchange->body_kept = true;
    co_return std::move(exchange->body);
}

Coro<std::string> read_some(ExchangeRef exchange, std::size_t bytes_max) {
    Exchange& x = *exchange;
    require_not_kept(x);
    if (x.body.empty() && !x.body_complete) {
        x.begin(detail::Phase::reading_body);
        std::exception_ptr error;
        try {
            co_await wait_for_body(x);
        } catch (...) {
            error = std::current_exception();
        }
        x.end(error);
    }
    co_return take(x, bytes_max);
}

}  // namespace

// ---- the body, piece by piece -------------------------------------------------------------------

Coro<std::string> ResponseContent::readany() { return read_some(exchange(), std::string::npos); }

Coro<std::optional<std::string>> ResponseContent::read_chunk() {
    std::string piece = co_await readany();
    if (piece.empty()) co_return std::nullopt;
    co_return std::optional<std::string>(std::move(piece));
}

namespace {

Coro<std::string> read_rest(ExchangeRef exchange) {
    Exchange& x = *exchange;
    require_not_kept(x);
    if (!x.body_complete) {
        x.begin(detail::Phase::reading_body);
        std::exception_ptr error;
        try {
            co_await receive_all(x);
        } catch (...) {
            error = std::current_exception();
        }
        x.end(error);
    }
    co_return take(x, std::string::npos);
}

Coro<std::string> read_nothing() { co_return std::string(); }

Coro<std::string> read_exactly(ExchangeRef exchange, std::size_t n) {
    Exchange& x = *exchange;
    require_not_kept(x);
    if (x.body.size() < n && !x.body_complete) {
        x.begin(detail::Phase::reading_body);
        std::exception_ptr error;
        try {
            co_await receive_until(x, n);
        } catch (...) {
            error = std::current_exception();
        }
        x.end(error);
    }
    if (x.body.size() < n) throw IncompleteReadError(take(x, n), n);
    co_return take(x, n);
}

Coro<std::string> read_line(ExchangeRef exchange) {
    Exchange& x = *exchange;
    require_not_kept(x);
    std::size_t end = x.body.find('\n');
    if (end == std::string::npos && x.body_complete) {
        require_short_line(x);
    } else if (end == std::string::npos) {
        x.begin(detail::Phase::reading_body);
        std::exception_ptr error;
        try {
            end = co_await receive_line(x);
        } catch (...) {
            error = std::current_exception();
        }
        x.end(error);
    }
    co_return take(x, end == std::string::npos ? end : end + 1);
}

}  // namespace

Coro<std::string> ResponseContent::read(std::ptrdiff_t n) {
    if (n < 0) return read_rest(exchange());
    if (n == 0) return read_nothing();
    return read_some(exchange(), static_cast<std::size_t>(n));
}

Coro<std::string> ResponseContent::readexactly(std::size_t n) { return read_exactly(exchange(), n); }

Coro<std::string> ResponseContent::readline() { return read_line(exchange()); }

bool ResponseContent::at_eof() const noexcept {
    return !exchange_ || (exchange_->body_complete && exchange_->body.empty());
}

const ExchangeRef& ResponseContent::exchange() const {
    if (!exchange_) throw RuntimeError("the body of this response was moved out already");
    return exchange_;
}

// ---- the response -------------------------------------------------------------------------------

ClientResponse::ClientResponse(detail::ExchangeRef exchange) noexcept
    : status(exchange->head.status),
      version(exchange->head.version),
      reason(std::move(exchange->head.reason)),
      headers(std::move(exchange->head.headers)),
      url(std::move(exchange->url)),
      method(std::move(exchange->method)),
      content_(std::move(exchange)) {
    const Exchange& x = *content_.exchange_;
    if (x.has_announced_length) content_length_ = x.announced_length;
}

ClientResponse& ClientResponse::operator=(ClientResponse&& other) noexcept {
    if (this != &other) {
        close();
        status = other.status;
        version = other.version;
        reason = std::move(other.reason);
        headers = std::move(other.headers);
        url = std::move(other.url);
        method = std::move(other.method);
        content_length_ = other.content_length_;
        content_ = std::move(other.content_);
    }
    return *this;
}

// Closes it also when a coroutine that reads it still holds a reference: that one finds the connection
// closed.
ClientResponse::~ClientResponse() {
    if (!closed() && asyncio::detail::in_debug_mode()) {
        asyncio::detail::warn_with(asyncio::detail::resource_warning, "unclosed ClientResponse", [this] {
            return "unclosed ClientResponse to " + method + " " + url.str() +
                   ": its body was not read to the end, so its connection is lost; read it, close() it, or "
                   "use "
                   "with(session.get(url), body)";
        });
    }
    close();
}

Coro<std::string> ClientResponse::read() & { return read_and_keep(content_.exchange()); }
Coro<std::string> ClientResponse::read() && {
    static_cast<void>(content_.exchange());
    return read_and_give(std::move(content_.exchange_));
}
Coro<std::string> ClientResponse::text() & { return read(); }
Coro<std::string> ClientResponse::text() && { return std::move(*this).read(); }

void ClientResponse::raise_for_status() const {
    if (status < 400) return;
    std::string text;
    detail::append_subject(text, method, url);
    text += ": " + std::to_string(status);
    if (!reason.empty()) text += ' ' + reason;
    throw ClientResponseError(text, status, reason, std::make_shared<const Headers>(headers));
}

void ClientResponse::close() noexcept {
    if (content_.exchange_) content_.exchange_->close_connection();
}
void ClientResponse::release() noexcept { close(); }
bool ClientResponse::closed() const noexcept {
    return !content_.exchange_ || content_.exchange_->connection == nullptr;
}

}}}  // namespace asyncio::v1::http
