// StreamResponse: a response whose body is made while it is sent.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

#include "asyncio/base/config.hpp"
#include "asyncio/base/option.hpp"
#include "asyncio/core/coro.hpp"
#include "asyncio/http/web/request.hpp"
#include "asyncio/http/web/response.hpp"

namespace asyncio { inline namespace v1 { namespace http::web {

/// What a streamed response is made with. All members may be left out.
struct StreamOptions {
    int status = 200;              ///< 200 to 599
    std::string_view reason = {};  ///< empty: the usual one of the status
    std::string_view content_type = "application/octet-stream";
    std::optional<std::uint64_t> content_length = {};  ///< if it is known; else the body is sent in chunks
};
static_assert(OptionStruct<StreamOptions>);

/// A response that is sent while the handler runs:
///
///     web::StreamResponse response(request, {.content_type = "text/csv"});
///     co_await response.prepare();
///     while (auto row = co_await rows.next()) co_await response.write(*row);
///     co_return response.finish();
///
/// The body goes out in chunks (to an HTTP/1.0 client: until the connection ends), or as it is if its length
/// was told. A handler that throws after `prepare` cuts the response off, and its client sees that; so does
/// one that has written less than it announced.
///
/// Threads     loop thread only
/// Lifetime    not longer than the request
/// Python      `aiohttp.web.StreamResponse`
class ASYNCIO_API StreamResponse {
  public:
    /// Throws  ValueError  a status out of range, a control character in the reason or content type
    explicit StreamResponse(Request& request, StreamOptions options = StreamOptions());
    StreamResponse(const StreamResponse&) = delete;
    StreamResponse& operator=(const StreamResponse&) = delete;

    /// Further header fields, until `prepare`.
    proto::Headers& headers() { return head_.headers(); }
    bool prepared() const noexcept { return prepared_; }

    /// Sends the head.
    ///
    /// Throws      RuntimeError     called twice, or this request was answered already
    ///             ConnectionError  the client is gone
    /// Suspends    only if the client is slow to receive
    /// Cancel      the connection cannot be used further
    /// Threads     loop thread
    Coro<> prepare();

    /// Sends a piece of the body; returns when enough of it has left for the next one. Empty pieces are not
    /// sent.
    ///
    /// Throws      RuntimeError     before prepare(), after write_eof(), or beyond content_length
    ///             ConnectionError  the client is gone
    /// Suspends    only if the client is slow to receive
    /// Cancel      the connection cannot be used further
    /// Threads     loop thread
    /// Lifetime    `data` until the await has ended
    Coro<> write(std::string_view data);

    /// Ends the body. `finish` does it too.
    ///
    /// Throws      RuntimeError     before prepare(), or less than content_length was written
    ///             ConnectionError  the client is gone
    /// Suspends    only if the client is slow to receive
    /// Cancel      the connection cannot be used further
    /// Threads     loop thread
    Coro<> write_eof();

    /// What the handler returns; the server ends the body if `write_eof` was not called.
    ///
    /// Throws  RuntimeError  before prepare()
    Response finish();

  private:
    detail::Connection* connection_;
    Response head_;
    std::optional<std::uint64_t> content_length_;
    bool prepared_ = false;
};

}}}  // namespace asyncio::v1::http::web
