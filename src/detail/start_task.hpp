// The inner parts of create_task.
#pragma once
#include "asyncio/task/task.hpp"
#include "detail/loop_impl.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

/// What a coroutine that is refused leaves behind: nothing, and no warning.
struct Refused {
    PromiseBase* frame;
    ~Refused() {
        if (frame != nullptr) frame->handle().destroy();
    }
};

/// Makes the coroutine a task of `loop`, whose turn it is in this thread: what the default factory does. On
/// failure the coroutine is destroyed. One reference is the caller's.
void launch_task(LoopImpl* loop, PromiseBase* frame, const TaskOptions& options, Where where);

/// The same, by the loop's factory.
void start_by_factory(LoopImpl* loop, PromiseBase* frame, const TaskOptions& options, Where where);

}}}  // namespace asyncio::v1::detail
