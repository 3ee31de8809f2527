// Response: what a handler gives back.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "asyncio/base/config.hpp"
#include "asyncio/base/option.hpp"
#include "asyncio/proto/headers.hpp"

namespace asyncio { inline namespace v1 { namespace http::web {

namespace detail {
class Connection;
}

/// What a response is made with. All members may be left out.
struct ResponseOptions {
    int status = 200;                                             ///< 200 to 599
    std::string_view reason = {};                                 ///< empty: the usual one of the status
    std::string_view content_type = "text/plain; charset=utf-8";  ///< empty: the header is left out
};
static_assert(OptionStruct<ResponseOptions>);

/// A whole response: a status, header fields, and a body that lies in memory. A plain value.
///
/// The server adds Content-Length and Connection, and Content-Type, Date and Server unless `headers()` has
/// them; `Connection: close` among the headers closes the connection. No body is sent in answer to HEAD, nor
/// with the statuses 204 and 304.
///
///     co_return web::Response("no such user", {.status = 404});
///
/// Threads     as a plain value
/// Python      `aiohttp.web.Response`
/// See         StreamResponse, for bodies that are made while they are sent
class ASYNCIO_API Response {
  public:
    /// An empty body.
    Response() noexcept = default;
    /// Throws  ValueError  a status out of range, a control character in the reason or content type
    explicit Response(std::string body, ResponseOptions options = ResponseOptions());
    Response(const Response& other);
    Response(Response&& other) noexcept
        : status_(other.status_),
          streamed_(other.streamed_),
          content_type_is_own_(std::exchange(other.content_type_is_own_, false)),
          content_type_(other.content_type_),
          rare_(std::move(other.rare_)),
          body_(std::move(other.body_)) {}
    Response& operator=(const Response& other) { return *this = Response(other); }
    Response& operator=(Response&& other) noexcept {
        status_ = other.status_;
        streamed_ = other.streamed_;
        content_type_is_own_ = std::exchange(other.content_type_is_own_, false);
        content_type_ = other.content_type_;
        rare_ = std::move(other.rare_);
        body_ = std::move(other.body_);
        return *this;
    }
    ~Response() = default;

    int status() const noexcept { return status_; }
    /// Empty: the usual one.
    std::string_view reason() const noexcept {
        return rare_ ? std::string_view(rare_->reason) : std::string_view();
    }
    /// Throws  ValueError  as the constructor
    void set_status(int status, std::string_view reason = {});

    std::string_view content_type() const noexcept {
        return content_type_is_own_ ? std::string_view(rare_->content_type) : content_type_;
    }
    /// Throws  ValueError  a control character
    void set_content_type(std::string_view content_type);

    /// Further header fields.
    proto::Headers& headers() { return rare().headers; }
    const proto::Headers& headers() const noexcept;

    const std::string& body() const noexcept { return body_; }
    void set_body(std::string body) noexcept { body_ = std::move(body); }

    /// Whether this stands for a StreamResponse that was sent already: what `StreamResponse::finish` gives.
    bool streamed() const noexcept { return streamed_; }

  private:
    friend class StreamResponse;
    friend class detail::Connection;

    /// As nearly all are: 200, and no header fields of its own.
    bool is_plain() const noexcept { return status_ == 200 && rare_ == nullptr; }

    // What most responses lack, so that all of them are cheap to move.
    struct Rare {
        std::string reason;
        std::string content_type;
        proto::Headers headers;
    };
    Rare& rare() {
        if (!rare_) rare_ = std::make_unique<Rare>();
        return *rare_;
    }

    int status_ = 200;
    bool streamed_ = false;
    bool content_type_is_own_ = false;
    std::string_view content_type_;  // A literal; what is none is owned.
    std::unique_ptr<Rare> rare_;
    std::string body_;
};

/// A response of type application/json. `json` is sent as it is.
///
/// Throws      ValueError  a status out of range
/// Python      `aiohttp.web.json_response`, which serialises
ASYNCIO_API Response json_response(std::string json, int status = 200);

}}}  // namespace asyncio::v1::http::web
