// The contexts of exceptions.
//
// An exception is shared: its context may be filled in while other threads look at it. Hence the state word,
// which says when `error_` may be read; writers have one lock for all exceptions of the process, under which
// they also make sure that no exception leads back to itself (such a circle would never be freed). Filling in
// a context is as rare as a cleanup that fails after a failure.
//
// Chains are short, since freeing one takes a stack frame for each of its exceptions.
#include "asyncio/base/context_carrier.hpp"

#include <mutex>

#include "asyncio/base/exception_group.hpp"

namespace asyncio { inline namespace v1 {

namespace {

constexpr int looked_at_max = 1000;

/// Whether `target` is found by going from `from` to contexts and members of groups; also if it takes more
/// than `left` exceptions to tell.
bool leads_to(std::exception_ptr from, const std::exception_ptr& target, int& left) noexcept {
    for (; from != nullptr; from = context_of(from)) {
        if (from == target || --left <= 0) return true;
        if (const auto* group = exception_cast<ExceptionGroup>(from)) {
            for (const std::exception_ptr& member : group->exceptions()) {
                if (leads_to(member, target, left)) return true;
            }
        }
    }
    return false;
}

std::mutex& filling() noexcept {
    static std::mutex mutex;
    return mutex;
}

}  // namespace

std::exception_ptr ContextCarrier::context() const noexcept {
    // Pairs with the release in `fill`: error_ is complete.
    return state_.load(std::memory_order_acquire) == State::filled ? error_ : nullptr;
}

ContextCarrier& ContextCarrier::operator=(const ContextCarrier& other) noexcept {
    if (this == &other) return *this;
    const State state = other.state_.load(std::memory_order_acquire);  // pairs with the release in `fill`
    if (state == State::filled || error_ != nullptr) error_ = other.context();
    state_.store(state, std::memory_order_relaxed);  // nobody shares an object that is being made or assigned
    return *this;
}

std::exception_ptr context_of(const std::exception_ptr& error) noexcept {
    if (const auto* carrier = exception_cast<ContextCarrier>(error)) return carrier->context();
    if (const auto* nested = exception_cast<std::nested_exception>(error)) return nested->nested_ptr();
    return nullptr;
}

namespace detail {

bool ContextAccess::fill(const ContextCarrier& carrier, const std::exception_ptr& error) noexcept {
    using State = ContextCarrier::State;
    const State state = carrier.state_.load(std::memory_order_relaxed);  // changes under our lock only
    if (state != State::empty) return state == State::closed;
    carrier.error_ = error;
    carrier.state_.store(State::filled, std::memory_order_release);  // pairs with the acquire in `context`
    return true;
}

void ContextAccess::close(const ContextCarrier& carrier) noexcept {
    carrier.state_.store(ContextCarrier::State::closed, std::memory_order_relaxed);
}

bool set_context(const std::exception_ptr& error, const std::exception_ptr& replaced) noexcept {
    const std::lock_guard lock(filling());
    int left = looked_at_max;
    if (leads_to(error, replaced, left)) return left > 0;
    const auto* const carrier = exception_cast<ContextCarrier>(error);
    left = looked_at_max;
    if (carrier == nullptr || leads_to(replaced, error, left)) return false;
    return ContextAccess::fill(*carrier, replaced);
}

}  // namespace detail
}}  // namespace asyncio::v1
