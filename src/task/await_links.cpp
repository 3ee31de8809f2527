// Who awaits whom: one question to each kind of wait.
#include "detail/await_links.hpp"

#include <initializer_list>

namespace asyncio { inline namespace v1 { namespace detail {

PromiseBase* awaiting_coroutine(const Waiter* waiter) noexcept {
    if (waiter->resumes != nullptr) return waiter->resumes;
    for (auto* const ask : {&awaiting_gather, &awaiting_task_group, &awaiting_wait, &awaiting_shield,
                            &awaiting_wait_for, &awaiting_as_completed}) {
        if (PromiseBase* const found = ask(waiter)) return found;
    }
    return nullptr;
}

}}}  // namespace asyncio::v1::detail
