// Memory channels: a queue whose ends are held by those who use it, and are closed.
#pragma once
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "asyncio/sync/detail/channel.hpp"
#include "asyncio/task/with.hpp"

namespace asyncio { inline namespace v1 {

/// What `statistics()` of an end tells of its channel.
struct MemoryChannelStatistics {
    std::size_t current_buffer_used = 0;
    std::size_t max_buffer_size = 0;
    std::size_t open_send_channels = 0;
    std::size_t open_receive_channels = 0;
    std::size_t tasks_waiting_send = 0;
    std::size_t tasks_waiting_receive = 0;
};

/// What the ends of both sides have in common; they are movable, and closed when they are destroyed.
///
/// Threads     loop thread
template <class T, bool Sends>
class MemoryChannelEnd {
  public:
    MemoryChannelEnd(detail::ChannelRef<T> ref, std::uint32_t end) noexcept
        : ref_(std::move(ref)), end_(end) {}
    MemoryChannelEnd(MemoryChannelEnd&& other) noexcept : ref_(std::move(other.ref_)), end_(other.end_) {}
    MemoryChannelEnd& operator=(MemoryChannelEnd&& other) noexcept {
        if (this == &other) return *this;
        close();
        ref_ = std::move(other.ref_);
        end_ = other.end_;
        return *this;
    }
    ~MemoryChannelEnd() { close(); }

    /// Closes this end; again is no error. On another thread an assertion (debug mode).
    void close() noexcept {
        detail::ChannelRef<T> ref = std::move(ref_);
        if (ref.get() == nullptr) return;
        ref->binding.assert_thread("close (or destruction) of a memory channel's end");
        if constexpr (Sends) {
            ref->close_send(end_);
        } else {
            ref->close_receive(end_);
            ref->drop_what_nobody_takes();
        }
    }
    /// Throws  ClosedResourceError
    MemoryChannelStatistics statistics() const {
        if (ref_.get() == nullptr) throw ClosedResourceError();
        return ref_->statistics();
    }

    /// For `with`, which closes it.
    ///
    /// Suspends    never
    /// Cancel      no effect
    /// Threads     loop thread
    ReadyEnter aenter() noexcept { return ReadyEnter(); }
    ReadyLeave aexit(const std::exception_ptr&) noexcept {
        close();
        return ReadyLeave(false);
    }

  protected:
    /// The channel, for an operation that does not wait.
    /// Throws  ClosedResourceError; RuntimeError  this is another thread (debug mode)
    detail::Channel<T>& opened(const char* what) const {
        if (ref_.get() == nullptr) throw ClosedResourceError();
        ref_->binding.check_thread(what);
        return *ref_.get();
    }

    detail::ChannelRef<T> ref_;
    std::uint32_t end_;
};

/// A sending end of a memory channel. Closed when it is destroyed; when the last one is closed, those who
/// receive get what is left, then the end.
///
/// Threads     loop thread
/// Python      trio.MemorySendChannel
template <class T>
class MemorySendChannel : public MemoryChannelEnd<T, true> {
  public:
    using MemoryChannelEnd<T, true>::MemoryChannelEnd;

    /// Sends an item; waits while the buffer is full, and, if there is none, until somebody receives it.
    ///
    /// Throws      BrokenResourceError  no receiving end is open; ClosedResourceError  this one is closed, or
    ///             is closed meanwhile; std::bad_alloc
    /// Suspends    unless somebody waits for it or there is room
    /// Cancel      the item was not sent, and is destroyed
    /// Threads     loop thread
    template <class U = T>
        requires std::is_constructible_v<T, U&&>
    detail::ChannelSend<T> send(U&& item) {
        return detail::ChannelSend<T>(this->ref_.get(), this->end_, std::forward<U>(item));
    }
    /// Throws  WouldBlock  it would have to wait; as `send`; RuntimeError  this is another thread (debug
    ///         mode)
    template <class U = T>
        requires std::is_constructible_v<T, U&&>
    void send_nowait(U&& item) {
        detail::Channel<T>& channel = this->opened("MemorySendChannel.send_nowait");
        if (channel.receive_ends == 0) throw BrokenResourceError();
        if (!channel.can_send()) throw WouldBlock();
        channel.put(T(std::forward<U>(item)));
    }
    /// Another end of the same channel.
    /// Throws  ClosedResourceError; RuntimeError  this is another thread (debug mode)
    MemorySendChannel clone() const {
        detail::Channel<T>& channel = this->opened("MemorySendChannel.clone");
        ++channel.send_ends;
        return MemorySendChannel(this->ref_.share(), channel.next_end++);
    }
};

/// A receiving end of a memory channel. Closed when it is destroyed; when the last one is closed, those who
/// send get BrokenResourceError, and what nobody took is destroyed.
///
/// Threads     loop thread
/// Python      trio.MemoryReceiveChannel
template <class T>
class MemoryReceiveChannel : public MemoryChannelEnd<T, false> {
  public:
    using MemoryChannelEnd<T, false>::MemoryChannelEnd;

    /// Receives an item: `while (auto item = co_await receive.next())`.
    ///
    /// Returns     nothing when all sending ends are closed, and it is empty
    /// Throws      ClosedResourceError  this end is closed, or is closed meanwhile
    /// Suspends    unless there is an item
    /// Cancel      nothing is lost: the item is there for the next one
    /// Threads     loop thread
    detail::ChannelNext<T> next() noexcept { return detail::ChannelNext<T>(this->ref_.get(), this->end_); }
    /// The same, but the end is an exception.
    ///
    /// Throws      EndOfChannel; ClosedResourceError
    /// Suspends    unless there is an item
    /// Cancel      nothing is lost: the item is there for the next one
    /// Threads     loop thread
    detail::ChannelItem<T> receive() noexcept { return detail::ChannelItem<T>(this->ref_.get(), this->end_); }
    /// Throws  WouldBlock  it would have to wait; EndOfChannel; ClosedResourceError; RuntimeError  this is
    ///         another thread (debug mode)
    T receive_nowait() {
        detail::Channel<T>& channel = this->opened("MemoryReceiveChannel.receive_nowait");
        if (channel.can_receive()) return channel.take(channel.receivers.woken());
        if (channel.send_ends == 0) throw EndOfChannel();
        throw WouldBlock();
    }
    /// Another end of the same channel; each item goes to one of them.
    /// Throws  ClosedResourceError; RuntimeError  this is another thread (debug mode)
    MemoryReceiveChannel clone() const {
        detail::Channel<T>& channel = this->opened("MemoryReceiveChannel.clone");
        ++channel.receive_ends;
        return MemoryReceiveChannel(this->ref_.share(), channel.next_end++);
    }
};

/// The two ends of a new memory channel: `auto [send, receive] = open_memory_channel<int>(10);`
template <class T>
struct MemoryChannel {
    MemorySendChannel<T> send;
    MemoryReceiveChannel<T> receive;
};

/// Makes a channel that buffers at most `max_buffer_size` items. With 0, which is a good size to begin with,
/// who sends waits until somebody receives.
///
/// Unlike a Queue it is used by its ends, which are given away (moved, cloned) to those who send and receive:
/// when all who send are gone, those who receive come to an end by themselves, and the other way round.
///
/// Throws      std::bad_alloc
/// Threads     loop thread
/// Python      trio.open_memory_channel
template <class T>
MemoryChannel<T> open_memory_channel(std::size_t max_buffer_size) {
    static_assert(std::is_nothrow_move_constructible_v<T>,
                  "what goes through a memory channel must have a move constructor that is noexcept");
    auto* const channel = new detail::Channel<T>(max_buffer_size);
    return MemoryChannel<T>{MemorySendChannel<T>(detail::ChannelRef<T>(channel), 0),
                            MemoryReceiveChannel<T>(detail::ChannelRef<T>(channel), 1)};
}

}}  // namespace asyncio::v1
