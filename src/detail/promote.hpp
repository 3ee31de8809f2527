// Promotion: the frame of a coroutine that has not begun becomes a task.
#pragma once
#include "detail/loop_impl.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

/// As `promote`, where a slot of the ready queue was set aside before.
inline void promote_reserved(LoopCore* loop, PromiseBase* frame, std::uint32_t refs) noexcept {
    frame->task = frame;
    frame->waiter_word = 0;
    frame->refs = refs + 1;
    frame->set(is_task | owns_slot);
    frame->magic = loop->magic;
    frame->id = impl_of(loop)->next_task_id++ & 0x3fffffff;
    frame->made_by_main = 0;
    frame->asked_to_end = 0;
    frame->cancels = 0;
    frame->pending = 0;
    frame->epoch = 0;
    {
        const ListChange change(loop);
        PromiseBase* const head = &loop->live;
        frame->live = {head->live.prev, head, {}};
        ListChange::order();  // whoever walks along `next` meets it complete
        head->live.prev->live.next = frame;
        head->live.prev = frame;
    }
    ++loop->task_count;
    push_frame(loop, frame);
}

}}}  // namespace asyncio::v1::detail
