// get_sync: one request, without a loop of one's own. For scripts.
#pragma once

#include <string>

#include "asyncio/base/config.hpp"
#include "asyncio/http/request_options.hpp"

namespace asyncio { inline namespace v1 { namespace http {

/// A response with its body, all in memory.
struct SyncResponse {
    int status = 0;
    std::string reason;
    Headers headers;
    std::string text;

    bool ok() const noexcept { return status < 400; }
};

/// Asks for `url` and blocks the thread until the whole response is there.
///
///     std::cout << http::get_sync("http://example.org/").text;
///
/// Throws      RuntimeError  a loop is running in this thread; what ClientSession::get and read() throw
/// Suspends    never: it blocks
/// Threads     any thread that runs no loop
/// Cost        makes a loop and a connection each time
/// Python      `requests.get`
ASYNCIO_API SyncResponse get_sync(UrlArgument url, RequestOptions options = RequestOptions());

}}}  // namespace asyncio::v1::http
