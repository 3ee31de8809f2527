// The untyped half of Flow: tasks that bring items, and one consumer that takes them.
#pragma once
#include <cstddef>
#include <deque>
#include <exception>
#include <utility>

#include "asyncio/base/intrusive.hpp"
#include "asyncio/task/detail/awaitable.hpp"
#include "asyncio/task/task_group.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

class FlowCore;

/// An item, in the awaiter of the task that brings it: that waits here until the consumer has taken it. So no
/// task is ahead by more than one item, nothing is stored, and a cancel on either side loses nothing.
class Parcel : public Leaf {
  public:
    /// `item` points to an object that lives as long as the await.
    Parcel(FlowCore* core, std::size_t place, void* item) noexcept
        : Leaf(&ops_), core_(core), place_(place), item_(item) {}
    Parcel(FlowCore* core, std::size_t place, std::exception_ptr error) noexcept
        : Leaf(&ops_), core_(core), place_(place), error_(std::move(error)) {}
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h, Where where = where_here()) noexcept {
        if (!enter_leaf(this, h, where)) bring();
    }
    /// A cancel that comes when the item was taken waits for the next await: nothing is brought twice.
    void await_resume() const {
        if (!taken_) throw_if_cancelled(frame->task);
    }

    void* item() const noexcept { return item_; }

  private:
    friend class FlowCore;
    void bring() noexcept;
    static CancelAnswer cancel(Leaf* leaf) noexcept;
    static const LeafOps ops_;

    ListHook hook_;
    FlowCore* core_;
    std::size_t place_;
    void* item_ = nullptr;
    bool taken_ = false;
    std::exception_ptr error_;
};

/// Items are taken as they come; or, `in_order`, by their places.
class FlowCore {
  public:
    class NextBase;
    class Room;
    static constexpr std::size_t no_place = static_cast<std::size_t>(-1);

    explicit FlowCore(bool in_order) : in_order_(in_order) {}
    FlowCore(const FlowCore&) = delete;
    FlowCore& operator=(const FlowCore&) = delete;

    // ---- for the scope --------------------------------------------------------------------------
    void enter();
    /// In a handler, after the scope was entered: the first next() throws this.
    void start_failed() noexcept { error_now_ = std::current_exception(); }
    Coro<bool> leave(const std::exception_ptr& error);

    // ---- for its tasks --------------------------------------------------------------------------
    /// Makes the coroutine a task of the flow. What it throws is brought like an item: in its place, or, if
    /// it has none, in the next one.
    void spawn(Coro<> work, std::size_t place = no_place);
    /// The next place; one more is outstanding until its item is taken.
    std::size_t new_place();
    /// The newest one will not be used.
    void give_back_place() noexcept;
    /// A failure was brought, or the scope is being left: no further items are wanted.
    bool stopping() const noexcept { return stopping_; }
    /// The consumer has what it wanted of it: the task that brought it goes on.
    void taken(Parcel* parcel) noexcept;
    /// The consumer refers to it: the task that brought it goes on when that asks again, or leaves.
    void lend(Parcel* parcel) noexcept;

  private:
    friend class Parcel;
    /// One of its tasks: gone when that task's frame is.
    class Producer {
      public:
        explicit Producer(FlowCore* core) noexcept : core_(core) { ++core_->producers_; }
        Producer(Producer&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
        Producer& operator=(Producer&&) = delete;
        ~Producer() {
            if (core_ != nullptr) core_->producer_ended(begun_);
        }
        void has_begun() noexcept { begun_ = true; }

      private:
        FlowCore* core_;
        bool begun_ = false;
    };
    static Coro<> run(FlowCore* core, Producer producer, Coro<> work, std::size_t place);
    void producer_ended(bool begun) noexcept;
    void lose_one() noexcept;
    void add(Parcel* parcel) noexcept;
    void withdraw(Parcel* parcel) noexcept;
    void remove(Parcel* parcel) noexcept;
    void take_back() noexcept;
    void report(const std::exception_ptr& error) const noexcept;
    /// Whose turn it is to be taken, or null.
    Parcel* first() noexcept;
    bool answerable() noexcept;
    void wake_consumer() noexcept;
    void wake_feeder() noexcept;

    TaskGroup group_;
    const LoopCore* loop_ = nullptr;  // in which it was entered
    bool in_order_;
    bool entered_ = false;
    bool stopping_ = false;
    bool leaving_ = false;
    bool spawning_ = false;
    bool at_end_ = false;          // a failure was thrown by next()
    bool lost_one_ = false;        // a task was cancelled and brings nothing: its item never comes
    std::size_t producers_ = 0;    // tasks that have not ended
    std::size_t outstanding_ = 0;  // places given out and not taken
    // As they come: who waits. In order: a window on the places that are not taken, from `first_place_` on,
    // with those who wait in them.
    IntrusiveList<Parcel, &Parcel::hook_> ready_;
    std::deque<Parcel*> window_;
    std::size_t first_place_ = 0;
    NextBase* consumer_ = nullptr;  // who has suspended in next(), until it goes on
    Parcel* lent_ = nullptr;        // what the consumer refers to
    Room* feeder_ = nullptr;        // who waits for room
    std::exception_ptr error_now_;  // thrown by the first next() that meets it: nothing else is left of it
};

/// Waits until less than `limit` places are outstanding.
class FlowCore::Room : public Leaf {
  public:
    Room(FlowCore* core, std::size_t limit) noexcept : Leaf(&ops_), core_(core), limit_(limit) {}
    bool await_ready() const noexcept {
        return current_loop->current->pending == 0 && there_is() && !budget_spent(current_loop);
    }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h, Where where = where_here()) noexcept {
        if (enter_leaf(this, h, where)) return;
        if (there_is()) return push_frame(current_loop, frame);
        core_->feeder_ = this;
        suspend_on(this);
    }
    void await_resume() const {
        if (frame != nullptr) throw_if_cancelled(frame->task);
    }

  private:
    friend class FlowCore;
    bool there_is() const noexcept { return core_->outstanding_ < limit_ || core_->stopping_; }
    static CancelAnswer cancel(Leaf* leaf) noexcept;
    static const LeafOps ops_;

    FlowCore* core_;
    std::size_t limit_;
};

class FlowCore::NextBase : public Leaf, public ScopedTag {
  public:
    explicit NextBase(FlowCore* core) noexcept : Leaf(&ops_), core_(core) {}
    /// Before it is awaited.
    NextBase(NextBase&& other) noexcept : NextBase(other.core_) {
        ASYNCIO_ASSERT(other.frame == nullptr, "an awaiter is movable until it is awaited");
    }
    bool await_ready() {
        admit();
        if (current_loop->current->pending != 0) return false;
        core_->take_back();
        return core_->answerable() && !budget_spent(current_loop);
    }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h, Where where = where_here()) noexcept {
        if (enter_leaf(this, h, where)) return;
        core_->consumer_ = this;
        woken_ = core_->answerable();
        if (woken_) return push_turn(current_loop, this);
        suspend_on(this);
    }

  protected:
    /// The next item's parcel, or null at the end. Throws what was brought instead of an item,
    /// CancelledError.
    Parcel* take();
    void lend(Parcel* parcel) noexcept { core_->lend(parcel); }
    /// Tells whoever brought it when the item has been moved out.
    class Taken {
      public:
        Taken(NextBase* next, Parcel* parcel) noexcept : core_(next->core_), parcel_(parcel) {}
        Taken(const Taken&) = delete;
        Taken& operator=(const Taken&) = delete;
        ~Taken() { core_->taken(parcel_); }

      private:
        FlowCore* core_;
        Parcel* parcel_;
    };

  private:
    friend class FlowCore;
    void admit() const;
    static CancelAnswer cancel(Leaf* leaf) noexcept;
    static void turn(Leaf* leaf) noexcept;
    static const LeafOps ops_;

    FlowCore* core_;
    bool woken_ = false;  // its turn is in the ready queue
};

}}}  // namespace asyncio::v1::detail
