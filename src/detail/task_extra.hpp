// What few tasks and futures have: hangs on the record's one pointer, made when first needed.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "asyncio/core/detail/context_data.hpp"
#include "asyncio/core/promise.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

struct TaskExtra {
    std::vector<Waiter*>
        waiters;  // in order of registration; null where one withdrew while they were being told
    std::string name;
    std::string cancel_message;
    ContextRef context;                    // in which the task runs
    Where created_at = nullptr;            // where create_task was called
    const PromiseBase* creator = nullptr;  // the coroutine that created a borrowing task, for comparison only
    const Borrow* borrow = nullptr;        // what that task borrows
    bool of_callable = false;              // … and it was made of a callable, which is its first parameter
    Where left_by = nullptr;               // a creator that has ended: to be told when the callable is known
};

/// Throws std::bad_alloc; then nothing has changed.
TaskExtra& make_extra(PromiseBase* record);

/// One for a task that is to run in this context, with room for a waiter; null if the context is. Throws
/// std::bad_alloc.
std::unique_ptr<TaskExtra> make_extra_with(ContextRef context);
/// For a task that has none yet.
void give_extra(PromiseBase* task, std::unique_ptr<TaskExtra> extra) noexcept;

}}}  // namespace asyncio::v1::detail
