// WaitQueue: what is not inline. The design is told in the header.
#include "asyncio/core/wait_queue.hpp"

#include <cstdio>
#include <string>

#include "detail/loop_impl.hpp"

namespace asyncio { inline namespace v1 {

using detail::CancelAnswer;
using detail::Leaf;
using detail::LoopCore;
using detail::PromiseBase;
using detail::WaitLinks;

CancelAnswer WaitKind::cancel(Leaf* leaf) noexcept {
    auto* const waiter = static_cast<WaitPlace*>(leaf);
    WaitQueue* const queue = waiter->queue_;
    waiter->state_ = WaitPlace::State::cancelled;
    if (queue->first_ == waiter) queue->first_ = queue->next_waiting(waiter);
    if (queue->cancelled_ == WaitQueue::Cancelled::goes) {
        waiter->unlink();
        waiter->queue_ = nullptr;
    }
    return CancelAnswer::resume;
}

void WaitKind::run(Leaf* leaf) noexcept {
    auto* const waiter = static_cast<WaitPlace*>(leaf);
    if (static_cast<const WaitKind*>(leaf->ops)->turn_(*waiter))
        detail::step_frame(detail::current_loop, waiter->frame);
}

void WaitPlace::yield_to_turn() noexcept {
    state_ = State::yielding;
    detail::push_turn(detail::current_loop, this);
}

/// Between two runs of its loop all is allowed; on another thread, or inside another loop, nothing.
void WaitPlace::wake_from_outside() noexcept {
    LoopCore* const own = detail::loop_of(frame->task);
    ASYNCIO_ASSERT(
        own != nullptr && detail::current_loop == nullptr && !detail::impl_of(own)->running_now,
        "a Lock, Event, Queue … was used outside of the loop whose tasks wait for it: let that loop "
        "do it, by loop.remote().call_soon_threadsafe");
    push(own, frame->task);
}

std::size_t WaitQueue::waiting() const noexcept {
    std::size_t count = 0;
    for (const WaitPlace* each = first(); each != nullptr; each = after(*each)) ++count;
    return count;
}

void WaitQueue::unpark_all() noexcept {
    while (first_ != this) dismiss(place(*first_));
}

void WaitQueue::dismiss(WaitPlace& waiter) noexcept {
    if (first_ == &waiter) first_ = next_waiting(&waiter);
    waiter.unlink();
    waiter.queue_ = nullptr;
    waiter.state_ = WaitPlace::State::woken;
    waiter.wake();
}

void WaitQueue::retract() noexcept {
    auto* const waiter = &place(*next);
    ASYNCIO_ASSERT(woken_ != 0 && waiter->woken());
    waiter->leave();
    LoopCore* const loop = detail::current_loop;
    detail::ReadyQueue& ready = (loop != nullptr ? loop : detail::loop_of(waiter->frame->task))->ready;
    const std::uintptr_t word = reinterpret_cast<std::uintptr_t>(waiter->frame) | detail::tag_frame;
    std::uint64_t at = waiter->position_;
    // It stands where it was put, but where tests shuffle the queue.
    if (ready.slots[at & ready.mask] != word) {
        for (at = ready.head; ready.slots[at & ready.mask] != word; ++at) ASYNCIO_ASSERT(at != ready.tail);
    }
    ready.slots[at & ready.mask] =
        reinterpret_cast<std::uintptr_t>(static_cast<Leaf*>(waiter)) | detail::tag_turn;
}

void WaitQueue::abandoned() noexcept {
    const WaitPlace* const waiter = &place(*next);
    char text[256];
    try {
        std::snprintf(text, sizeof text,
                      "destroyed while task '%s' is in its %s: let those tasks end first (cancel and await "
                      "them), or let them share it (std::shared_ptr)",
                      detail::record_name(waiter->frame->task).c_str(), waiter->ops->what);
    } catch (...) {
        std::snprintf(text, sizeof text, "destroyed while a task is in its %s", waiter->ops->what);
    }
    detail::assert_failed("nobody waits", text, __FILE__, __LINE__);
}

// ---- LoopBinding --------------------------------------------------------------------------------

namespace {

std::string misuse(const char* what) {
    return std::string(what) +
           " was called on another thread than that of the loop whose tasks use it: let that loop do it, by "
           "loop.remote().call_soon_threadsafe";
}

}  // namespace

/// The first wait; or one since which debug mode was switched on or off; or it is wrong here.
void LoopBinding::bind(const char* what) {
    const LoopCore* const here = detail::current_loop;
    if (word_ != 0 && (word_ & ~detail::watched_binding) != here->loop_id) {
        throw RuntimeError(
            "this " + std::string(what) +
            " is bound to a different event loop, that of its first wait: make one for each loop");
    }
    word_ = here->binding;
}

bool LoopBinding::is_out_of_reach() const noexcept {
    return detail::runs_on_another_thread(word_ & ~detail::watched_binding);
}

void LoopBinding::throw_if_out_of_reach(const char* what) const {
    if (is_out_of_reach()) throw RuntimeError(misuse(what));
}

void LoopBinding::assert_within_reach(const char* what) const noexcept {
    if (is_out_of_reach())
        detail::assert_failed("on its loop's thread", misuse(what).c_str(), __FILE__, __LINE__);
}

}}  // namespace asyncio::v1
