// The application of asyncio-httpbin: a server to try HTTP clients on, also for programs and tests that embed
// it.
#pragma once

#include <asyncio/http/web.hpp>

/// Routes: `/`, `/get`, `/post`, `/delay/{seconds}`, `/bytes/{n}`, `/stream/{n}`, `/status/{code}`.
///
/// Python      a part of httpbin.org
asyncio::http::web::Application make_httpbin();
