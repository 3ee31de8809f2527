// Connection: one connection of a client, with the parser that reads from it.
#pragma once

#include <string_view>

#include "asyncio/base/duration.hpp"
#include "asyncio/base/intrusive.hpp"
#include "asyncio/core/coro.hpp"
#include "asyncio/net/streams.hpp"
#include "asyncio/proto/http1.hpp"

namespace asyncio { inline namespace v1 { namespace http { namespace detail {

struct Origin;

/// The parser stays with the connection, so that its buffers serve all requests that are made on it. The
/// reader keeps no buffer while nothing is unread: a connection that waits for its response is small.
struct Connection {
    Connection(Streams streams, const proto::ParserLimits& limits)
        : reader(std::move(streams.reader)), writer(std::move(streams.writer)), parser("GET", limits) {}
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    /// Closes it at once: what has not been sent is lost.
    ~Connection();

    /// Whether the next request may be sent on it: the peer has neither closed it nor said anything since.
    bool fresh() const noexcept;

    StreamReader reader;
    StreamWriter writer;
    proto::ResponseParser parser;
    Origin* origin = nullptr;  // While it is idle.
    TimePoint idle_since{};
    ListHook idle_hook;  // Among the idle connections of its origin, newest last.
    ListHook age_hook;   // Among all idle connections, oldest first.
};

/// Waits until it is closed, whatever became of it.
Coro<> wait_closed(StreamWriter& writer);

}}}}  // namespace asyncio::v1::http::detail
