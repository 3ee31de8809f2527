// What few tasks and futures have: hangs on the record's one pointer, made when first needed.
#pragma once
#include <string>
#include <vector>

#include "asyncio/core/promise.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

struct TaskExtra {
    std::vector<Waiter*>
        waiters;  // in order of registration; null where one withdrew while they were being told
    std::string name;
    std::string cancel_message;
    Where created_at = nullptr;            // where create_task was called
    const PromiseBase* creator = nullptr;  // the coroutine that created a borrowing task, for comparison only
    const Borrow* borrow = nullptr;        // what that task borrows
    bool of_callable = false;              // … and it was made of a callable, which is its first parameter
    Where left_by = nullptr;               // a creator that has ended: to be told when the callable is known
};

/// Throws std::bad_alloc; then nothing has changed.
TaskExtra& make_extra(PromiseBase* record);

}}}  // namespace asyncio::v1::detail
