// The HTTP server: what lies in asyncio::http::web.
#pragma once

#include "asyncio/http/web/application.hpp"
#include "asyncio/http/web/http_error.hpp"
#include "asyncio/http/web/request.hpp"
#include "asyncio/http/web/response.hpp"
#include "asyncio/http/web/run_app.hpp"
#include "asyncio/http/web/site.hpp"
#include "asyncio/http/web/stream_response.hpp"
#include "asyncio/proto/errors.hpp"
