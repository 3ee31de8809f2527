// Memory channels: a queue whose ends are held by those who use it, and are closed.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

#include "asyncio/base/error.hpp"
#include "asyncio/core/wait_queue.hpp"
#include "asyncio/sync/queue_items.hpp"
#include "asyncio/task/with.hpp"

namespace asyncio { inline namespace v1 {

/// All sending ends of the channel are closed, and it is empty.
class ASYNCIO_API EndOfChannel : public Error {
  public:
    EndOfChannel() noexcept : Error("all sending ends of the channel are closed") {}
    EndOfChannel(const EndOfChannel&) noexcept = default;
    EndOfChannel& operator=(const EndOfChannel&) noexcept = default;
    ~EndOfChannel() override;
};

/// All receiving ends of the channel are closed: nobody will ever take what is sent.
class ASYNCIO_API BrokenResourceError : public Error {
  public:
    BrokenResourceError() noexcept : Error("all receiving ends of the channel are closed") {}
    BrokenResourceError(const BrokenResourceError&) noexcept = default;
    BrokenResourceError& operator=(const BrokenResourceError&) noexcept = default;
    ~BrokenResourceError() override;
};

/// This end of the channel was closed, or moved from, and then used.
class ASYNCIO_API ClosedResourceError : public RuntimeError {
  public:
    ClosedResourceError() noexcept
        : RuntimeError(
              "this end of the channel is closed: each task that goes on needs an end of its own, "
              "made by clone()") {}
    ClosedResourceError(const ClosedResourceError&) noexcept = default;
    ClosedResourceError& operator=(const ClosedResourceError&) noexcept = default;
    ~ClosedResourceError() override;
};

/// `send_nowait` or `receive_nowait` would have to wait.
class ASYNCIO_API WouldBlock : public Error {
  public:
    WouldBlock() noexcept : Error("this would have to wait") {}
    WouldBlock(const WouldBlock&) noexcept = default;
    WouldBlock& operator=(const WouldBlock&) noexcept = default;
    ~WouldBlock() override;
};

/// What `statistics()` of an end tells of its channel.
struct MemoryChannelStatistics {
    std::size_t current_buffer_used = 0;
    std::size_t max_buffer_size = 0;
    std::size_t open_send_channels = 0;
    std::size_t open_receive_channels = 0;
    std::size_t tasks_waiting_send = 0;
    std::size_t tasks_waiting_receive = 0;
};

namespace detail {

class ChannelWait;

/// A channel, whatever goes through it. The first `receivers.woken()` items are promised to those who were
/// woken for one; they do not count as buffered.
struct ChannelBase {
    WaitQueue receivers;
    WaitQueue senders;
    LoopBinding binding;
    std::uint32_t refs = 2;  // ends, and tasks that wait
    std::uint32_t send_ends = 1;
    std::uint32_t receive_ends = 1;
    std::uint32_t next_end = 2;
    std::size_t count = 0;
    std::size_t max;

    explicit ChannelBase(std::size_t max_buffer_size) noexcept : max(max_buffer_size) {}

    std::size_t buffered() const noexcept { return count - receivers.woken(); }
    bool can_send() const noexcept { return receivers.first() != nullptr || buffered() < max; }
    bool can_receive() const noexcept { return buffered() != 0 || senders.first() != nullptr; }
    /// An end is closed: those who wait at it are told, and if it was the last of its side, those who wait at
    /// the other.
    void close_send(std::uint32_t end) noexcept { close_end(end, senders, send_ends, receivers); }
    void close_receive(std::uint32_t end) noexcept { close_end(end, receivers, receive_ends, senders); }
    /// A woken receiver leaves its item to others.
    void pass_item_on() noexcept {
        if (buffered() != 0) receivers.unpark_one();
    }
    MemoryChannelStatistics statistics() const noexcept;

  private:
    static void close_end(std::uint32_t end, WaitQueue& same, std::uint32_t& ends,
                          WaitQueue& others) noexcept;
};

/// A task that waits at an end.
class ChannelWait : public WaitPlace {
  public:
    ChannelWait(const WaitKind& kind, ChannelBase* channel, std::uint32_t end) noexcept
        : WaitPlace(kind), channel_(channel), end_(end) {}

  protected:
    friend struct ChannelBase;
    ChannelBase* channel_;  // null: of a closed end
    std::uint32_t end_;
    bool closed_ = false;  // its end was closed while it waited
    bool taken_ = false;   // of a sender: its item was taken
};

template <class T>
struct Channel : ChannelBase {
    using ChannelBase::ChannelBase;
    FifoItems<T> items;

    void put(T&& item) {
        items.put(std::move(item));
        ++count;
        receivers.unpark_one();
    }
    /// The item that comes next for somebody before whom `promised` others have their turn still.
    T take(std::size_t promised) noexcept;
    /// No receiving end is open, and none is owed an item.
    void drop_what_nobody_takes() noexcept {
        if (receive_ends != 0 || receivers.woken() != 0) return;
        count = 0;
        items.clear();
    }
};

/// A share of a channel.
template <class T>
class ChannelRef {
  public:
    ChannelRef() noexcept = default;
    explicit ChannelRef(Channel<T>* adopted) noexcept : channel_(adopted) {}
    ChannelRef(ChannelRef&& other) noexcept : channel_(std::exchange(other.channel_, nullptr)) {}
    ChannelRef& operator=(ChannelRef&& other) noexcept {
        ChannelRef old(std::move(*this));
        channel_ = std::exchange(other.channel_, nullptr);
        return *this;
    }
    ~ChannelRef() {
        if (channel_ != nullptr && --channel_->refs == 0) delete channel_;
    }
    ChannelRef share() const noexcept {
        ++channel_->refs;
        return ChannelRef(channel_);
    }
    Channel<T>* get() const noexcept { return channel_; }
    Channel<T>* operator->() const noexcept { return channel_; }

  private:
    Channel<T>* channel_ = nullptr;
};

/// For an operation, which may outlive the end that has made it.
template <class T>
ChannelRef<T> shared(Channel<T>* channel) noexcept {
    if (channel == nullptr) return ChannelRef<T>();
    ++channel->refs;
    return ChannelRef<T>(channel);
}

/// `co_await send.send(item)`; the item lies in it until it is taken.
template <class T>
class [[nodiscard("nothing is sent before this is awaited: co_await it")]] ChannelSend : public ChannelWait {
  public:
    template <class U>
    ChannelSend(Channel<T>* channel, std::uint32_t end, U&& item)
        : ChannelWait(kind, channel, end), kept_(shared(channel)), item_(std::forward<U>(item)) {}
    bool await_ready() const noexcept { return may_end() && may_go_on(); }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h, Where where = where_here()) {
        if (!enter(h, where)) return;
        if (may_end()) return yield_to_turn();  // the step's budget is spent, no more
        channel_->binding.require("memory channel");
        park(channel_->senders);
    }
    void await_resume() {
        if (suspended()) {
            leave();
            if (taken_) return;  // a cancel comes at the next await: this has happened
            throw_if_cancelled();
        }
        if (channel_ == nullptr || closed_) throw ClosedResourceError();
        if (channel_->receive_ends == 0) throw BrokenResourceError();
        channel()->put(std::move(item_));
    }

  private:
    friend struct Channel<T>;
    Channel<T>* channel() const noexcept { return static_cast<Channel<T>*>(channel_); }
    bool may_end() const noexcept {
        return channel_ == nullptr ||
               ((channel_->receive_ends == 0 || channel_->can_send()) && !channel_->binding.runs_elsewhere());
    }
    static bool go_on(WaitPlace& waiter) noexcept {
        auto& me = static_cast<ChannelSend&>(waiter);
        if (me.may_end() || me.cancelled()) return true;
        me.park(me.channel_->senders);
        return false;
    }
    static constexpr WaitKind kind{"MemorySendChannel.send", &go_on};

    ChannelRef<T> kept_;
    T item_;
};

template <class T>
T Channel<T>::take(std::size_t promised) noexcept {
    if (count == promised) {  // from hand to hand
        auto& sender = static_cast<ChannelSend<T>&>(*senders.first());
        T item = std::move(sender.item_);
        sender.taken_ = true;
        senders.dismiss(sender);
        return item;
    }
    T item = items.take(promised);
    --count;
    if (WaitPlace* const first = senders.first(); first != nullptr && buffered() < max) {
        auto& sender = static_cast<ChannelSend<T>&>(*first);
        items.put(std::move(sender.item_));  // has room: one was just taken
        ++count;
        sender.taken_ = true;
        senders.dismiss(sender);
    }
    return item;
}

/// The receiving side's awaiters: `co_await receive.receive()`, `co_await receive.next()`.
template <class T>
class ChannelReceive : public ChannelWait {
  public:
    ChannelReceive(Channel<T>* channel, std::uint32_t end) noexcept
        : ChannelWait(kind, channel, end), kept_(shared(channel)) {}
    bool await_ready() const noexcept { return may_end() && may_go_on(); }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h, Where where = where_here()) {
        if (!enter(h, where)) return;
        if (may_end()) return yield_to_turn();  // the step's budget is spent, no more
        channel_->binding.require("memory channel");
        park(channel_->receivers);
    }

  protected:
    /// Nothing at the end of the channel.
    std::optional<T> finish() {
        std::optional<T> item;
        const bool promised = suspended() && in_line();
        if (suspended()) {
            leave();
            if (cancelled()) {
                if (promised) channel_->pass_item_on();
                if (channel_ != nullptr) channel()->drop_what_nobody_takes();
            }
            throw_if_cancelled();
        }
        if (channel_ == nullptr || closed_) throw ClosedResourceError();
        if (promised) {
            item.emplace(channel()->take(0));
        } else if (channel_->can_receive()) {
            item.emplace(channel()->take(channel_->receivers.woken()));
        }
        if (promised) channel()->drop_what_nobody_takes();
        return item;
    }

  private:
    Channel<T>* channel() const noexcept { return static_cast<Channel<T>*>(channel_); }
    bool may_end() const noexcept {
        return channel_ == nullptr ||
               ((channel_->can_receive() || channel_->send_ends == 0) && !channel_->binding.runs_elsewhere());
    }
    static bool go_on(WaitPlace& waiter) noexcept {
        auto& me = static_cast<ChannelReceive&>(waiter);
        if (me.may_end() || me.cancelled()) return true;
        me.park(me.channel_->receivers);
        return false;
    }
    static constexpr WaitKind kind{"MemoryReceiveChannel.receive", &go_on};

    ChannelRef<T> kept_;
};

template <class T>
class [[nodiscard("nothing is received before this is awaited: co_await it")]] ChannelNext
    : public ChannelReceive<T> {
  public:
    using ChannelReceive<T>::ChannelReceive;
    std::optional<T> await_resume() { return this->finish(); }
};

template <class T>
class [[nodiscard("nothing is received before this is awaited: co_await it")]] ChannelItem
    : public ChannelReceive<T> {
  public:
    using ChannelReceive<T>::ChannelReceive;
    T await_resume() {
        std::optional<T> item = this->finish();
        if (!item.has_value()) throw EndOfChannel();
        return std::move(*item);
    }
};

}  // namespace detail

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
