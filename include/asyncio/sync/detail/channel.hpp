// What lies between the ends of a memory channel, and how a task waits at one.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

#include "asyncio/core/wait_queue.hpp"
#include "asyncio/sync/memory_channel_errors.hpp"
#include "asyncio/sync/queue_items.hpp"

namespace asyncio { inline namespace v1 {

struct MemoryChannelStatistics;

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
    /// Nobody sends any more, and what is there is promised to nobody, who might leave it.
    bool at_end() const noexcept { return send_ends == 0 && receivers.woken() == 0; }
    /// A woken receiver leaves its item to others.
    void pass_item_on() noexcept {
        if (buffered() != 0) receivers.unpark_one();
    }
    /// A receiver has had its turn: if it was the last who was promised something, the others need not wait.
    void note_end() noexcept {
        if (at_end() && buffered() == 0) receivers.unpark_all();
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
                if (promised) channel_->note_end();
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
        if (promised) channel_->note_end();
        if (promised) channel()->drop_what_nobody_takes();
        return item;
    }

  private:
    Channel<T>* channel() const noexcept { return static_cast<Channel<T>*>(channel_); }
    bool may_end() const noexcept {
        return channel_ == nullptr ||
               ((channel_->can_receive() || channel_->at_end()) && !channel_->binding.runs_elsewhere());
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
}}  // namespace asyncio::v1
