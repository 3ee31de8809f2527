#include "asyncio/http/get_sync.hpp"

#include "asyncio/base/error.hpp"
#include "asyncio/http/client_session.hpp"
#include "asyncio/task/runner.hpp"

namespace asyncio { inline namespace v1 { namespace http {

namespace {

bool loop_is_running() {
    try {
        get_running_loop();
        return true;
    } catch (const RuntimeError&) {
        return false;
    }
}

Coro<SyncResponse> fetch(UrlArgument url, RequestOptions options) {
    ClientSession session;
    ClientResponse response = co_await session.get(url, options);
    SyncResponse result;
    result.status = response.status;
    result.reason = std::move(response.reason);
    result.headers = std::move(response.headers);
    result.text = co_await std::move(response).text();
    co_await session.close();
    co_return result;
}

}  // namespace

SyncResponse get_sync(UrlArgument url, RequestOptions options) {
    if (loop_is_running()) throw RuntimeError("this would block the loop: co_await session.get(url)");
    return run(fetch(url, options));
}

}}}  // namespace asyncio::v1::http
