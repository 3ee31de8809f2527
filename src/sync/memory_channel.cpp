// Memory channels: closing ends. Items go through the header.
//
// Those who receive and were woken for an item will find one: newcomers count only what is not promised. So a
// promise, unlike a Queue's, is never taken back, and nobody overtakes who waits.
#include "asyncio/sync/memory_channel.hpp"

namespace asyncio { inline namespace v1 {

EndOfChannel::~EndOfChannel() = default;
BrokenResourceError::~BrokenResourceError() = default;
ClosedResourceError::~ClosedResourceError() = default;
WouldBlock::~WouldBlock() = default;

namespace detail {

/// `same` wait at ends like this one, of which there are `ends`; `others` at those of the other side.
void ChannelBase::close_end(std::uint32_t end, WaitQueue& same, std::uint32_t& ends,
                            WaitQueue& others) noexcept {
    for (WaitPlace* each = same.first(); each != nullptr;) {
        auto& waiter = static_cast<ChannelWait&>(*each);
        each = same.after(waiter);
        if (waiter.end_ != end) continue;
        waiter.closed_ = true;
        same.dismiss(waiter);
    }
    if (--ends == 0) others.unpark_all();
}

MemoryChannelStatistics ChannelBase::statistics() const noexcept {
    MemoryChannelStatistics told;
    told.current_buffer_used = buffered();
    told.max_buffer_size = max;
    told.open_send_channels = send_ends;
    told.open_receive_channels = receive_ends;
    told.tasks_waiting_send = senders.waiting();
    told.tasks_waiting_receive = receivers.waiting();
    return told;
}

}  // namespace detail
}}  // namespace asyncio::v1
