// ClientResponse: what a server answered.
#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "asyncio/base/config.hpp"
#include "asyncio/core/coro.hpp"
#include "asyncio/http/errors.hpp"
#include "asyncio/http/headers.hpp"
#include "asyncio/proto/http1.hpp"

namespace asyncio { inline namespace v1 { namespace http {

using proto::HttpVersion;

namespace detail {

struct Exchange;

/// A counted reference to one request and its response.
class ExchangeRef {
  public:
    explicit ExchangeRef(Exchange* exchange) noexcept;
    ExchangeRef(const ExchangeRef& other) noexcept;
    ExchangeRef(ExchangeRef&& other) noexcept : exchange_(std::exchange(other.exchange_, nullptr)) {}
    ExchangeRef& operator=(ExchangeRef other) noexcept {
        std::swap(exchange_, other.exchange_);
        return *this;
    }
    ~ExchangeRef();
    Exchange& operator*() const noexcept { return *exchange_; }
    Exchange* operator->() const noexcept { return exchange_; }
    explicit operator bool() const noexcept { return exchange_ != nullptr; }

  private:
    Exchange* exchange_;
};

}  // namespace detail

class ClientResponse;

/// The body of a response, piece by piece: for bodies that should not be in memory as a whole.
///
///     while (auto piece = co_await response.content().read_chunk()) co_await file.write(*piece);
///
/// Nothing is read ahead of the caller, so a slow one holds the server back. The limits of ClientTimeout go
/// on while it is read.
///
/// Threads     loop thread
/// Python      `aiohttp.StreamReader`
class ASYNCIO_API ResponseContent {
  public:
    /// The next piece, of whatever size it came in; empty at the end of the body.
    ///
    /// Throws      ClientPayloadError   the body is cut off or wrongly framed
    ///             ClientOSError        the connection failed
    ///             ServerTimeoutError   `total` or `sock_read` was exceeded
    ///             RuntimeError         another task is reading this response
    /// Suspends    unless a piece is buffered or the body is over
    /// Cancel      the connection is closed: what is left of the body is lost
    /// Threads     loop thread
    Coro<std::string> readany();

    /// The next piece, or nothing at the end of the body: for `while (auto piece = co_await ...)`.
    ///
    /// Throws      as readany()
    /// Suspends    as readany()
    /// Cancel      as readany()
    /// Threads     loop thread
    Coro<std::optional<std::string>> read_chunk();

    /// At most `n` bytes: what is there, at least one unless the body is over. -1: all that is left.
    ///
    /// Throws      as readany()
    /// Suspends    as readany()
    /// Cancel      as readany()
    /// Threads     loop thread
    Coro<std::string> read(std::ptrdiff_t n = -1);

    /// Exactly `n` bytes.
    ///
    /// Throws      IncompleteReadError  the body ends before; the rest as readany()
    /// Suspends    unless they are buffered
    /// Cancel      as readany()
    /// Threads     loop thread
    Coro<std::string> readexactly(std::size_t n);

    /// The next line with its `\n`; without, if the body ends in the middle of one; empty at the end.
    ///
    /// Throws      ValueError  no line end within the session's read_bufsize; the rest as readany()
    /// Suspends    unless a line is buffered
    /// Cancel      as readany()
    /// Threads     loop thread
    Coro<std::string> readline();

    /// Whether the whole body has been handed out.
    bool at_eof() const noexcept;

  private:
    friend class ClientResponse;
    explicit ResponseContent(detail::ExchangeRef exchange) noexcept : exchange_(std::move(exchange)) {}
    /// Throws  RuntimeError  it was moved out of the response
    const detail::ExchangeRef& exchange() const;

    detail::ExchangeRef exchange_;
};

/// A response: its head, as attributes, and the way to its body.
///
///     if (response.status == 404) std::puts(response.url.str().c_str());
///
/// The attributes are the response's own: they stay when the connection has gone, and may be moved out.
///
/// Its connection goes back to the session when the body's last byte has come, which may be before anybody
/// asks for the body. Destroying the response, or leaving its `with`, closes a connection with unread body.
///
/// Threads     loop thread
/// Lifetime    may outlive its session; a body that is not here yet is read in the loop that asked for it
/// Python      `aiohttp.ClientResponse`; attributes there are attributes here, methods functions
class ASYNCIO_API ClientResponse {
  public:
    /// The session makes them.
    explicit ClientResponse(detail::ExchangeRef exchange) noexcept;
    ClientResponse(ClientResponse&&) noexcept = default;
    ClientResponse& operator=(ClientResponse&& other) noexcept;
    ~ClientResponse();

    int status;           ///< 200, 404 and so on
    HttpVersion version;  ///< of the server's answer
    std::string reason;   ///< the reason phrase, as the server put it; may be empty
    Headers headers;      ///< the header fields, in order
    Url url;              ///< what was asked for, with the parameters of the options
    std::string method;   ///< "GET"

    /// Whether the status is below 400.
    bool ok() const noexcept { return status < 400; }
    /// The length of the body that the server announced, if it did.
    std::optional<std::uint64_t> content_length() const noexcept { return content_length_; }

    /// The whole body. It is kept, so this may be asked for again; on an rvalue it is moved out, and the
    /// attributes are left. No limit on its size but the memory: use content() where the server is not to be
    /// trusted.
    ///
    /// Throws      ClientPayloadError   the body is cut off or wrongly framed
    ///             ClientOSError        the connection failed
    ///             ServerTimeoutError   `total` or `sock_read` was exceeded
    ///             RuntimeError         another task is reading it, a part was taken through content(), or it
    ///             was moved out
    /// Suspends    unless the body is there
    /// Cancel      the connection is closed: the rest of the body is lost
    /// Threads     loop thread
    /// Lifetime    on an lvalue, the response must live until the await has ended
    Coro<std::string> read() &;
    Coro<std::string> read() &&;

    /// The whole body as text: its bytes as they came, which are UTF-8 nearly always.
    ///
    /// Throws      as read()
    /// Suspends    as read()
    /// Cancel      as read()
    /// Threads     loop thread
    /// Python      aiohttp decodes by the charset of the Content-Type
    Coro<std::string> text() &;
    Coro<std::string> text() &&;

    /// The body, piece by piece.
    ResponseContent& content() & noexcept { return content_; }
    ResponseContent& content() && = delete;  // Name the response: the content is a part of it.

    /// Throws  ClientResponseError  the status is 400 or more
    /// Python  aiohttp closes the response then; here its body can still be read
    void raise_for_status() const;

    /// Gives the connection back if the body has been read to its end, else closes it.
    void release() noexcept;
    /// Closes the connection, unless it was given back already.
    void close() noexcept;
    /// Whether the response holds no connection any more.
    bool closed() const noexcept;

    std::suspend_never aenter() noexcept { return {}; }
    std::suspend_never aexit(const std::exception_ptr&) noexcept {
        release();
        return {};
    }

  private:
    std::optional<std::uint64_t> content_length_;
    ResponseContent content_;
};

}}}  // namespace asyncio::v1::http
