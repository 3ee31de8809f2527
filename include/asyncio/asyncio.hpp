// asyncio for C++: everything but HTTP. (http.hpp has that.)
#pragma once

// Errors, outcomes, durations
#include "asyncio/base/config.hpp"
#include "asyncio/base/duration.hpp"
#include "asyncio/base/error.hpp"
#include "asyncio/base/exception_group.hpp"
#include "asyncio/base/outcome.hpp"

// Coroutines and the loop
#include "asyncio/core/clock.hpp"
#include "asyncio/core/coro.hpp"
#include "asyncio/core/descriptor.hpp"
#include "asyncio/core/event_loop.hpp"
#include "asyncio/core/handle.hpp"
#include "asyncio/core/loop_handle.hpp"
#include "asyncio/core/warnings.hpp"

// Tasks
#include "asyncio/task/any_task.hpp"
#include "asyncio/task/as_completed.hpp"
#include "asyncio/task/future.hpp"
#include "asyncio/task/gather.hpp"
#include "asyncio/task/remote.hpp"
#include "asyncio/task/runner.hpp"
#include "asyncio/task/shield.hpp"
#include "asyncio/task/sleep.hpp"
#include "asyncio/task/task.hpp"
#include "asyncio/task/task_group.hpp"
#include "asyncio/task/timeout.hpp"
#include "asyncio/task/to_thread.hpp"
#include "asyncio/task/wait.hpp"
#include "asyncio/task/wait_for.hpp"
#include "asyncio/task/with.hpp"

// Signals
#include "asyncio/process/signals.hpp"

// Looking inside
#include "asyncio/debug/call_graph.hpp"

// Network
#include "asyncio/net/address.hpp"
#include "asyncio/net/resolver.hpp"
#include "asyncio/net/server.hpp"
#include "asyncio/net/sock.hpp"
#include "asyncio/net/streams.hpp"
