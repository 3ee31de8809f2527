// shield: what is not worth a copy in each program.
#include "asyncio/task/shield.hpp"

#include "detail/await_links.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

void ShieldBase::told(Waiter* waiter, PromiseBase*) noexcept {
    auto* const shield = static_cast<ShieldBase*>(waiter);
    shield->told_ = true;
    wake(shield);
}

PromiseBase* awaiting_shield(const Waiter* waiter) noexcept {
    return waiter->notify == &ShieldBase::told ? static_cast<const ShieldBase*>(waiter)->frame : nullptr;
}

}}}  // namespace asyncio::v1::detail
