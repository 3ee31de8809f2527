// Request and RequestContent: views of a connection and its parser.
#include "asyncio/http/web/request.hpp"

#include <algorithm>

#include "asyncio/base/error.hpp"
#include "asyncio/http/web/http_error.hpp"
#include "http/web/connection.hpp"

namespace asyncio { inline namespace v1 { namespace http::web {

namespace {

// What a client only promises to send takes no memory.
constexpr std::uint64_t trusted_length_max = 64 * 1024;

}  // namespace

void Request::begin(const proto::RequestHead& head) {
    head_ = &head;
    target_ = proto::split_target(head.target);
    body_.reset();
    path_decoded_ = false;
    query_parsed_ = false;
}

/// The head that all this looks at is about to go.
void Request::end() noexcept {
    head_ = nullptr;
    target_ = {};
    body_.reset();
}

std::string_view Request::path() const {
    if (raw_path().find('%') == std::string_view::npos) return raw_path();
    if (!path_decoded_) {
        path_ = proto::percent_decode(raw_path());
        path_decoded_ = true;
    }
    return path_;
}

std::string_view Request::match_info(std::string_view name) const {
    const std::string* const value = connection_->match().find(name);
    if (value == nullptr) throw ValueError("the route has no {" + std::string(name) + "}");
    return *value;
}

const proto::QueryPairs& Request::query() const {
    if (!query_parsed_) {
        query_ = proto::parse_query(query_string());
        query_parsed_ = true;
    }
    return query_;
}

std::optional<std::string_view> Request::query(std::string_view name) const {
    for (const auto& [key, value] : query()) {
        if (key == name) return value;
    }
    return std::nullopt;
}

std::string_view Request::query(std::string_view name, std::string_view fallback) const {
    return query(name).value_or(fallback);
}

std::string Request::host() const {
    // RFC 9112 §3.2.2: "the origin server MUST ignore the received Host header field (if any) and instead
    // replace it with the host information of the request-target".
    if (!target_.authority.empty()) return std::string(target_.authority);
    if (const auto named = headers().get("Host"); named && !named->empty()) return std::string(*named);
    return connection_->writer().sockname().to_string();
}

std::string Request::url() const {
    const std::string_view target = head().target;
    if (target.starts_with('/') || target == "*") return "http://" + host() + std::string(target);
    return std::string(target);
}

std::string Request::remote() const { return connection_->writer().peername().host(); }

bool Request::keep_alive() const noexcept { return connection_->parser().keep_alive(); }

std::optional<std::uint64_t> Request::content_length() const noexcept {
    return connection_->parser().content_length();
}

bool Request::body_exists() const noexcept { return connection_->parser().framing() != proto::Framing::none; }

Coro<std::string> Request::read() {
    if (body_) co_return *body_;
    const auto& parser = connection_->parser();
    if (parser.body_received() != 0)
        throw RuntimeError("a part of the body was read through content() already");
    const std::uint64_t limit = connection_->client_max_size();
    const std::uint64_t promised = parser.content_length().value_or(0);
    std::string body;
    if (promised <= limit) body.reserve(static_cast<std::size_t>(std::min(promised, trusted_length_max)));
    std::uint64_t size = promised;
    while (size <= limit) {
        const std::string_view piece = co_await connection_->next_piece(std::string_view::npos);
        if (piece.empty()) {
            body_ = body;
            co_return body;
        }
        size = std::max<std::uint64_t>(promised, body.size() + piece.size());
        if (size <= limit) body.append(piece);
    }
    throw HTTPError(413, "Maximum request body size " + std::to_string(limit) +
                             " exceeded, actual body size " + std::to_string(size));
}

Coro<std::string> RequestContent::read(std::size_t most) {
    if (most == 0) co_return std::string();
    const std::string_view piece = co_await connection_->next_piece(most);
    co_return std::string(piece);
}

Coro<std::string> RequestContent::readany() {
    const std::string_view piece = co_await connection_->next_piece(std::string_view::npos);
    co_return std::string(piece);
}

bool RequestContent::at_eof() const noexcept { return connection_->body_ended(); }

}}}  // namespace asyncio::v1::http::web
