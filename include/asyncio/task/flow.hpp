// Flow<T>: a scope whose tasks bring items, one after another.
#pragma once
#include <memory>
#include <utility>

#include "asyncio/task/async_generator.hpp"
#include "asyncio/task/detail/flow_core.hpp"

namespace asyncio { inline namespace v1 {

namespace detail {

/// What a flow is made of: its tasks are started when the scope is entered.
struct FlowState {
    explicit FlowState(bool in_order) : core(in_order) {}
    virtual ~FlowState() = default;
    FlowState(const FlowState&) = delete;
    FlowState& operator=(const FlowState&) = delete;
    virtual void start() = 0;

    FlowCore core;
};

}  // namespace detail

/// What `merge` and `map` give: items that tasks of its own bring. A scope, to be used inside `with`:
///
///     co_await with(merge(ticks(), lines()), [&](Flow<Event>& events) -> Coro<> {
///         while (auto event = co_await events.next()) handle(*event);
///     });
///
/// Its tasks run while the scope is open, also while nobody asks, each at most one item ahead. Leaving the
/// scope cancels and joins them, and closes the generators that they iterate. A failure of one is thrown by
/// next() in its turn, and no further items are made then; later failures go to the exception handler.
///
/// Threads     loop thread only
template <class T>
class Flow {
  public:
    using value_type = T;
    /// std::optional<T>; of references, OptionalRef.
    using Item = detail::ItemOf<T>;

    explicit Flow(std::unique_ptr<detail::FlowState> state) noexcept : state_(std::move(state)) {}

    class [[nodiscard("nothing is taken before this is awaited: co_await flow.next()")]] Next
        : public detail::FlowCore::NextBase {
      public:
        using NextBase::NextBase;
        Item await_resume() {
            detail::Parcel* const parcel = this->take();
            if (parcel == nullptr) return Item();
            if constexpr (std::is_reference_v<T>) {
                this->lend(parcel);
                return Item(*static_cast<std::remove_reference_t<T>*>(parcel->item()));
            } else {
                const Taken taken(this, parcel);
                return Item(std::move(*static_cast<T*>(parcel->item())));
            }
        }
    };

    /// The next item; nothing when all tasks have ended, and after a failure.
    ///
    /// Throws      what one of its tasks has thrown, once
    ///             RuntimeError  outside of `with`; another task is in next() already
    /// Suspends    unless an item is there
    /// Cancel      nothing is lost: the item stays for whoever asks next
    /// Threads     loop thread
    /// Lifetime    an item that is a reference: until next() is awaited again, or the scope is left
    Next next() & noexcept { return Next(&state_->core); }

    /// For `with`: starts its tasks. What hinders that is thrown by the first next().
    ///
    /// Throws      RuntimeError  entered twice, or outside of a task
    /// Suspends    never
    /// Cancel      none: it is delivered by the next await
    /// Threads     loop thread
    detail::Ready aenter() {
        state_->core.enter();
        try {
            state_->start();
        } catch (...) {
            state_->core.start_failed();  // who has entered leaves, and what has started is joined there
        }
        return detail::Ready();
    }
    /// For `with`: cancels and joins its tasks, which close their generators; an item that was not taken is
    /// gone.
    ///
    /// Throws      CancelledError
    /// Suspends    unless all tasks have ended
    /// Cancel      all tasks are cancelled, and waited for
    /// Threads     loop thread
    Coro<bool> aexit(const std::exception_ptr& error) { return state_->core.leave(error); }

  private:
    std::unique_ptr<detail::FlowState> state_;
};

}}  // namespace asyncio::v1
