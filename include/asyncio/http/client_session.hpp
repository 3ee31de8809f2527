// ClientSession: requests that share connections.
#pragma once

#include <chrono>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <string_view>
#include <utility>

#include "asyncio/base/config.hpp"
#include "asyncio/base/duration.hpp"
#include "asyncio/base/option.hpp"
#include "asyncio/core/coro.hpp"
#include "asyncio/http/bodies.hpp"
#include "asyncio/http/client_response.hpp"
#include "asyncio/http/headers.hpp"
#include "asyncio/http/request_options.hpp"

namespace asyncio { inline namespace v1 { namespace http {

/// Options of a session. All members may be left out.
struct ClientSessionOptions {
    ClientTimeout timeout = {};      ///< of each request that has none of its own
    PairsView headers = {};          ///< sent with each request; copied
    bool raise_for_status = false;   ///< a status of 400 or more is a ClientResponseError
    std::size_t limit = 100;         ///< connections at once; 0: no limit
    std::size_t limit_per_host = 0;  ///< of them to one host and port; 0: no limit
    Duration keepalive_timeout = std::chrono::seconds(15);  ///< how long an idle connection is kept
    bool force_close = false;                               ///< keep no connection for the next request
    std::size_t read_bufsize = 256 * 1024;  ///< bytes of the longest line that content().readline() takes
    std::size_t max_line_size = 8190;       ///< bytes of a status line
    std::size_t max_field_size = 8190;      ///< bytes of one header field
    std::size_t max_headers = 128;          ///< header fields and trailers of a response
    SslOption ssl = true;                   ///< for `https`, as in RequestOptions; a context is kept
};
static_assert(OptionStruct<ClientSessionOptions>);

/// How many connections and requests a session has at the moment.
struct ConnectionCounts {
    std::size_t in_use = 0;   ///< by requests and unread responses, being made included
    std::size_t idle = 0;     ///< kept for the next request
    std::size_t waiting = 0;  ///< requests that wait for the limits
};

namespace detail {

struct SessionState;

/// A counted reference to what a session's requests share.
class SessionRef {
  public:
    explicit SessionRef(SessionState* state) noexcept;
    SessionRef(const SessionRef& other) noexcept;
    SessionRef(SessionRef&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
    SessionRef& operator=(SessionRef other) noexcept {
        std::swap(state_, other.state_);
        return *this;
    }
    ~SessionRef();
    SessionState& operator*() const noexcept { return *state_; }
    SessionState* operator->() const noexcept { return state_; }
    explicit operator bool() const noexcept { return state_ != nullptr; }

  private:
    SessionState* state_;
};

}  // namespace detail

/// Makes HTTP requests and keeps their connections for the next ones. One session for a program, as a rule.
///
///     http::ClientSession session{{.timeout = {.total = 30s}}};
///     auto response = co_await session.get("http://example.org/");
///     std::string page = co_await response.text();
///
/// Each method returns at once, having copied what it was given, and asks for nothing before it is awaited.
/// What they give can be awaited, handed to `gather` and `create_task`, or to `with`:
///
///     co_await with(session.get(url), [&](http::ClientResponse& r) -> Coro<> { ... });
///
/// Destroying the session closes its idle connections; requests that wait for their response fail with
/// SessionClosedError; responses that are there may be read to their end.
///
/// Redirects are not followed, content codings not asked for: not in this version.
///
/// Threads     loop thread; it may be made and destroyed where no loop runs
/// Lifetime    belongs to the loop of its first request; may be destroyed before or after it
/// Python      `aiohttp.ClientSession`
class ASYNCIO_API ClientSession {
  public:
    /// Throws  ValueError  a header field that may not be sent
    explicit ClientSession(ClientSessionOptions options = ClientSessionOptions());
    ClientSession(ClientSession&&) noexcept = default;
    ClientSession& operator=(ClientSession&& other) noexcept;
    ~ClientSession();

    /// Asks for `url`; the await ends when the head of the response has come.
    ///
    /// Throws      when awaited:
    ///             InvalidURL            the URL is none, or neither http nor https
    ///             ValueError            a header field that may not be sent
    ///             ClientConnectorError  no connection can be made (ClientConnectorDNSError: no such name)
    ///             ClientOSError         the connection failed
    ///             ServerDisconnectedError  it was closed before the head of the response was complete
    ///             ServerTimeoutError    a limit of ClientTimeout was exceeded; which one, the text says
    ///             ClientResponseError   the answer is no HTTP, or a failure and `raise_for_status` is set
    ///             SessionClosedError    the session is closed, or was while this was under way
    ///             RuntimeError          the session belongs to another event loop, or to one that has closed
    /// Suspends    always, unless it fails at once
    /// Cancel      the connection is closed; the server may have acted on the request
    /// Threads     loop thread
    /// Lifetime    nothing that was passed need outlive the call
    /// Cost        one allocation for request and response, besides what their texts need
    /// Python      `session.get`. A request on a kept connection that dies without an answer is made once
    ///             more, if its method is idempotent
    Coro<ClientResponse> get(UrlArgument url, RequestOptions options = RequestOptions()) const {
        return request("GET", url, RequestBody(), options);
    }
    /// As get(), with a body: `session.post(url, http::text("hello"))`.
    ///
    /// Throws      as get()
    /// Suspends    as get()
    /// Cancel      as get()
    /// Threads     loop thread
    Coro<ClientResponse> post(UrlArgument url, RequestBody body = RequestBody(),
                              RequestOptions options = RequestOptions()) const {
        return request("POST", url, body, options);
    }
    /// As post().
    ///
    /// Suspends    as get()
    /// Cancel      as get()
    /// Threads     loop thread
    Coro<ClientResponse> put(UrlArgument url, RequestBody body = RequestBody(),
                             RequestOptions options = RequestOptions()) const {
        return request("PUT", url, body, options);
    }
    /// As post().
    ///
    /// Suspends    as get()
    /// Cancel      as get()
    /// Threads     loop thread
    Coro<ClientResponse> patch(UrlArgument url, RequestBody body = RequestBody(),
                               RequestOptions options = RequestOptions()) const {
        return request("PATCH", url, body, options);
    }
    /// As get().
    ///
    /// Suspends    as get()
    /// Cancel      as get()
    /// Threads     loop thread
    Coro<ClientResponse> delete_(UrlArgument url, RequestOptions options = RequestOptions()) const {
        return request("DELETE", url, RequestBody(), options);
    }
    /// As get().
    ///
    /// Suspends    as get()
    /// Cancel      as get()
    /// Threads     loop thread
    Coro<ClientResponse> head(UrlArgument url, RequestOptions options = RequestOptions()) const {
        return request("HEAD", url, RequestBody(), options);
    }
    /// As get().
    ///
    /// Suspends    as get()
    /// Cancel      as get()
    /// Threads     loop thread
    Coro<ClientResponse> options(UrlArgument url, RequestOptions options = RequestOptions()) const {
        return request("OPTIONS", url, RequestBody(), options);
    }
    /// Any other method. Methods are case-sensitive and sent as given; CONNECT is refused.
    ///
    /// Throws      as get()
    /// Suspends    as get()
    /// Cancel      as get()
    /// Threads     loop thread
    Coro<ClientResponse> request(std::string_view method, UrlArgument url,
                                 RequestOptions options = RequestOptions()) const {
        return request(method, url, RequestBody(), options);
    }
    Coro<ClientResponse> request(std::string_view method, UrlArgument url, RequestBody body,
                                 RequestOptions options = RequestOptions()) const;

    /// Does what the destructor does, and waits until the idle connections are closed. May be called again.
    ///
    /// Throws      RuntimeError  the session belongs to another event loop, which is open
    /// Suspends    if there are idle connections
    /// Cancel      the session is closed all the same
    /// Threads     loop thread
    Coro<> close();
    /// Also of one that was moved from.
    bool closed() const noexcept;

    ConnectionCounts connections() const noexcept;

    std::suspend_never aenter() noexcept { return {}; }
    /// What `with` does at the end: close().
    ///
    /// Throws      RuntimeError  as close()
    /// Suspends    as close()
    /// Cancel      as close()
    /// Threads     loop thread
    Coro<> aexit(std::exception_ptr error);

  private:
    detail::SessionRef state_;
};

}}}  // namespace asyncio::v1::http
