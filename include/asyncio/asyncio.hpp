// asyncio for C++: everything but HTTP. (http.hpp has that.)
#pragma once

// Errors, outcomes, durations
#include "asyncio/base/config.hpp"
#include "asyncio/base/duration.hpp"
#include "asyncio/base/error.hpp"
#include "asyncio/base/exception_group.hpp"
#include "asyncio/base/optional_ref.hpp"
#include "asyncio/base/outcome.hpp"

// Coroutines and the loop
#include "asyncio/core/checkpoint.hpp"
#include "asyncio/core/clock.hpp"
#include "asyncio/core/context.hpp"
#include "asyncio/core/coro.hpp"
#include "asyncio/core/descriptor.hpp"
#include "asyncio/core/event_loop.hpp"
#include "asyncio/core/handle.hpp"
#include "asyncio/core/loop_handle.hpp"
#include "asyncio/core/warnings.hpp"

// Tasks
#include "asyncio/task/adapt.hpp"
#include "asyncio/task/any_task.hpp"
#include "asyncio/task/as_completed.hpp"
#include "asyncio/task/async_generator.hpp"
#include "asyncio/task/enumerate.hpp"
#include "asyncio/task/executor.hpp"
#include "asyncio/task/flow.hpp"
#include "asyncio/task/from_callback.hpp"
#include "asyncio/task/future.hpp"
#include "asyncio/task/gather.hpp"
#include "asyncio/task/gather_limit.hpp"
#include "asyncio/task/interval.hpp"
#include "asyncio/task/map.hpp"
#include "asyncio/task/merge.hpp"
#include "asyncio/task/remote.hpp"
#include "asyncio/task/retry.hpp"
#include "asyncio/task/runner.hpp"
#include "asyncio/task/shield.hpp"
#include "asyncio/task/sleep.hpp"
#include "asyncio/task/task.hpp"
#include "asyncio/task/task_factory.hpp"
#include "asyncio/task/task_group.hpp"
#include "asyncio/task/timeout.hpp"
#include "asyncio/task/to_thread.hpp"
#include "asyncio/task/wait.hpp"
#include "asyncio/task/wait_for.hpp"
#include "asyncio/task/with.hpp"
#include "asyncio/task/zip.hpp"

// Processes and signals
#include "asyncio/process/environment.hpp"
#include "asyncio/process/signals.hpp"
#include "asyncio/process/subprocess.hpp"
#include "asyncio/process/subprocess_protocol.hpp"

// Files
#include "asyncio/files/file.hpp"
#include "asyncio/files/os.hpp"
#include "asyncio/files/path_view.hpp"
#include "asyncio/files/tempfile.hpp"
#include "asyncio/files/watcher.hpp"

// Synchronisation
#include "asyncio/core/wait_queue.hpp"
#include "asyncio/sync/barrier.hpp"
#include "asyncio/sync/condition.hpp"
#include "asyncio/sync/event.hpp"
#include "asyncio/sync/held.hpp"
#include "asyncio/sync/lock.hpp"
#include "asyncio/sync/memory_channel.hpp"
#include "asyncio/sync/queue.hpp"
#include "asyncio/sync/queue_items.hpp"
#include "asyncio/sync/semaphore.hpp"

// Looking inside
#include "asyncio/debug/call_graph.hpp"

// Network
#include "asyncio/net/address.hpp"
#include "asyncio/net/datagram.hpp"
#include "asyncio/net/pipe.hpp"
#include "asyncio/net/protocol.hpp"
#include "asyncio/net/resolver.hpp"
#include "asyncio/net/sendfile.hpp"
#include "asyncio/net/server.hpp"
#include "asyncio/net/sock.hpp"
#include "asyncio/net/ssl_object.hpp"
#include "asyncio/net/streams.hpp"
#include "asyncio/net/tls.hpp"
#include "asyncio/net/transport.hpp"
#include "asyncio/net/unix.hpp"
