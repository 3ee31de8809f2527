// Request: what a handler is given.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "asyncio/base/config.hpp"
#include "asyncio/core/coro.hpp"
#include "asyncio/proto/http1.hpp"
#include "asyncio/proto/url.hpp"

namespace asyncio { inline namespace v1 { namespace http::web {

namespace detail {
class Connection;
}

/// The body of a request, piece by piece as it comes from the network. Nothing is read before it is asked
/// for, so a handler that takes its time holds the client back.
///
/// Threads     loop thread only
/// Python      `aiohttp.web.Request.content`
class ASYNCIO_API RequestContent {
  public:
    explicit RequestContent(detail::Connection& connection) noexcept : connection_(&connection) {}

    /// At least one and at most `most` bytes; empty at the end of the body.
    ///
    /// Throws      proto::PayloadEncodingError  the client closed or broke the framing
    ///             HTTPError                    408, the next piece did not come in time
    ///             RuntimeError                 two at a time
    /// Suspends    unless something is there already
    /// Cancel      nothing is lost
    /// Threads     loop thread
    Coro<std::string> read(std::size_t most);

    /// What has come, at least one byte; empty at the end of the body.
    ///
    /// Throws      as read()
    /// Suspends    unless something is there already
    /// Cancel      nothing is lost
    /// Threads     loop thread
    Coro<std::string> readany();

    /// Whether the last byte has been given out.
    bool at_eof() const noexcept;

  private:
    detail::Connection* connection_;
};

/// A request. It lives as long as its handler runs; views that it gives out live as long as it does.
///
/// Threads     loop thread only
/// Python      `aiohttp.web.Request`
class ASYNCIO_API Request {
  public:
    /// The server makes them.
    explicit Request(detail::Connection& connection) noexcept
        : content_(connection), connection_(&connection) {}
    Request(const Request&) = delete;
    Request& operator=(const Request&) = delete;

    std::string_view method() const noexcept { return head().method; }
    proto::HttpVersion version() const noexcept { return head().version; }
    const proto::Headers& headers() const noexcept { return head().headers; }

    /// Decoded: "/a b" for "/a%20b".
    std::string_view path() const;
    /// As it was sent.
    std::string_view raw_path() const noexcept { return target_.raw_path; }
    /// Path and query, as they were sent.
    std::string_view path_qs() const noexcept { return head().target; }
    std::string_view query_string() const noexcept { return target_.raw_query_string; }

    /// What stood in the place of `{name}` of the route, decoded.
    ///
    /// Throws  ValueError  the route has no such name
    std::string_view match_info(std::string_view name) const;

    /// The first value of that name in the query, decoded.
    std::optional<std::string_view> query(std::string_view name) const;
    std::string_view query(std::string_view name, std::string_view fallback) const;
    /// The whole query, in order.
    const proto::QueryPairs& query() const;

    /// The host and port that the request is for: of an absolute target (`GET http://host/path`), else of the
    /// Host header; the address that was connected to if there is neither.
    ///
    /// See  RFC 9112 §3.2.2
    std::string host() const;
    /// The whole URL as the client has asked for it, "http://example.org/a?b=c".
    std::string url() const;
    /// The client's address, "127.0.0.1".
    std::string remote() const;
    /// Whether the connection stays open after this request.
    bool keep_alive() const noexcept;

    /// What the client says the length of the body is; nothing if it is chunked, or if there is none.
    std::optional<std::uint64_t> content_length() const noexcept;
    bool body_exists() const noexcept;

    /// The body, whole. It is kept: a second call gives it again.
    ///
    /// Throws      HTTPError                    413, it is larger than client_max_size; 408, it is late
    ///             proto::PayloadEncodingError  the client closed or broke the framing
    ///             RuntimeError                 a part was taken through content() already
    /// Suspends    unless all of it is there already
    /// Cancel      the body cannot be read any more
    /// Threads     loop thread
    Coro<std::string> read();
    /// The same: the bytes are not converted, whatever the charset.
    ///
    /// Throws      as read()
    /// Suspends    as read()
    /// Cancel      as read()
    /// Threads     loop thread
    Coro<std::string> text() { return read(); }

    /// The body piece by piece, without a limit on its size.
    RequestContent& content() noexcept { return content_; }

  private:
    friend class detail::Connection;
    friend class StreamResponse;

    const proto::RequestHead& head() const noexcept { return *head_; }
    void begin(const proto::RequestHead& head);
    void end() noexcept;
    bool begun() const noexcept { return head_ != nullptr; }

    RequestContent content_;
    detail::Connection* connection_;
    const proto::RequestHead* head_ = nullptr;
    proto::Target target_;
    std::optional<std::string> body_;
    mutable bool path_decoded_ = false;  // made when they are first asked for
    mutable bool query_parsed_ = false;
    mutable std::string path_;
    mutable proto::QueryPairs query_;
};

}}}  // namespace asyncio::v1::http::web
