// Who awaits whom, seen from the awaited: for people who look at tasks.
#pragma once
#include "asyncio/core/promise.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

/// The suspended coroutine that goes on when `waiter` is told; null if it is none (a callback, a remote
/// handle).
///
/// A waiter is known by its function, so that those who wait pay nothing for this: each kind of wait answers
/// for its own, and says null to others.
PromiseBase* awaiting_coroutine(const Waiter* waiter) noexcept;

// Of each kind.
PromiseBase* awaiting_shield(const Waiter* waiter) noexcept;
PromiseBase* awaiting_wait_for(const Waiter* waiter) noexcept;
PromiseBase* awaiting_gather(const Waiter* waiter) noexcept;
PromiseBase* awaiting_wait(const Waiter* waiter) noexcept;
PromiseBase* awaiting_as_completed(const Waiter* waiter) noexcept;
/// Of a group's task: the task that has entered the group.
PromiseBase* awaiting_task_group(const Waiter* waiter) noexcept;

}}}  // namespace asyncio::v1::detail
