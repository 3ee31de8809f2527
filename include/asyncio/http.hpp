// HTTP: the umbrella header of asyncio::http.
#pragma once

// Vocabulary
#include "asyncio/http/bodies.hpp"
#include "asyncio/http/errors.hpp"
#include "asyncio/http/headers.hpp"
#include "asyncio/http/request_options.hpp"
#include "asyncio/proto/status.hpp"
#include "asyncio/proto/url.hpp"

// Client
#include "asyncio/http/client_response.hpp"
#include "asyncio/http/client_session.hpp"
#include "asyncio/http/get_sync.hpp"

// Server
#include "asyncio/http/web.hpp"
