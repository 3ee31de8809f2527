// Response, StreamResponse, HTTPError.
#include "asyncio/http/web/response.hpp"

#include <algorithm>
#include <array>

#include "asyncio/base/error.hpp"
#include "asyncio/http/web/http_error.hpp"
#include "asyncio/http/web/stream_response.hpp"
#include "asyncio/proto/status.hpp"
#include "http/web/connection.hpp"

namespace asyncio { inline namespace v1 { namespace http::web {

namespace {

// Content types that need no copy.
constexpr std::array<std::string_view, 7> known_types = {"text/plain; charset=utf-8",
                                                         "application/json",
                                                         "application/octet-stream",
                                                         "text/html; charset=utf-8",
                                                         "text/html",
                                                         "text/plain",
                                                         ""};

void check_status(int status) {
    if (status < 200 || status > 599) {
        throw ValueError("a handler cannot answer with the status " + std::to_string(status) +
                         ": it is 200 to 599");
    }
}

std::string default_text(int status, std::string_view text) {
    if (!text.empty()) return std::string(text);
    std::string made = std::to_string(status);
    if (const std::string_view reason = proto::reason(status); !reason.empty())
        made.append(": ").append(reason);
    return made;
}

}  // namespace

HTTPError::HTTPError(int status, std::string_view text) : Error(default_text(status, text)), status_(status) {
    check_status(status);
}
HTTPError::~HTTPError() = default;

Response::Response(std::string body, ResponseOptions options) : body_(std::move(body)) {
    if (options.status != 200 || !options.reason.empty()) set_status(options.status, options.reason);
    set_content_type(options.content_type);
}

Response::Response(const Response& other)
    : status_(other.status_),
      streamed_(other.streamed_),
      content_type_is_own_(other.content_type_is_own_),
      content_type_(other.content_type_),
      rare_(other.rare_ ? std::make_unique<Rare>(*other.rare_) : nullptr),
      body_(other.body_) {}

const proto::Headers& Response::headers() const noexcept {
    static const proto::Headers none;
    return rare_ ? rare_->headers : none;
}

void Response::set_status(int status, std::string_view reason) {
    check_status(status);
    if (!proto::is_field_value(reason)) throw ValueError("control character in the reason of a response");
    if (!reason.empty() || rare_) rare().reason.assign(reason);
    status_ = status;
}

void Response::set_content_type(std::string_view content_type) {
    const auto known = std::find(known_types.begin(), known_types.end(), content_type);
    if (known != known_types.end()) {
        content_type_ = *known;
    } else {
        if (!proto::is_field_value(content_type)) {
            throw ValueError("control character in the content type of a response");
        }
        rare().content_type.assign(content_type);
    }
    content_type_is_own_ = known == known_types.end();
}

Response json_response(std::string json, int status) {
    return Response(std::move(json), {.status = status, .content_type = "application/json"});
}

// ---- StreamResponse -----------------------------------------------------------------------------

StreamResponse::StreamResponse(Request& request, StreamOptions options)
    : connection_(request.connection_), content_length_(options.content_length) {
    head_.set_status(options.status, options.reason);
    head_.set_content_type(options.content_type);
    head_.streamed_ = true;
}

Coro<> StreamResponse::prepare() {
    if (prepared_) throw RuntimeError("prepare was called already");
    connection_->open_stream(head_, content_length_);
    // Not before: one that is refused must not write into another's body. And not later: the head may have
    // been sent in part when this is cancelled, and a second attempt would only spoil it.
    prepared_ = true;
    co_await connection_->send_stream_head();
}

Coro<> StreamResponse::write(std::string_view data) {
    if (!prepared_) throw RuntimeError("write was called before prepare: co_await response.prepare() first");
    co_await connection_->write_stream(data);
}

Coro<> StreamResponse::write_eof() {
    if (!prepared_)
        throw RuntimeError("write_eof was called before prepare: co_await response.prepare() first");
    co_await connection_->end_stream();
}

Response StreamResponse::finish() {
    if (!prepared_) throw RuntimeError("finish was called before prepare: co_await response.prepare() first");
    return std::move(head_);
}

}}}  // namespace asyncio::v1::http::web
