// WaitQueue: tasks that wait for something, first come, first served. What locks, events and queues are made
// of, here (asyncio/sync/) and in programs that need one of their own.
//
// A primitive has a WaitQueue and an awaiter, which is the place of one waiting task in it: a `WaitPlace`.
// Its life:
//   await_ready    `may_go_on()` and what the task wants is there: nothing is suspended
//   start          what await_suspend comes to: `park(queue)` to wait; `yield()` if the thing is there after
//                  all, and only the step's budget is spent. (Not called if a cancel is pending.)
//   unpark_one, …  by whoever has what it waits for. The coroutine goes on in the loop's next pass
//   await_resume   `leave()` gives the place up; `woken()` and `cancelled()`, or both, say what has happened
// Waking takes no memory, runs no user code, cannot fail.
//
// Woken and cancelled at once: the primitive decides. Those that can leave what arrived where it is (an item
// in its queue, a lock for the next waiter) wake somebody else and let the cancel win.
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>

#include "asyncio/base/error.hpp"
#include "asyncio/core/detail/loop_core.hpp"

namespace asyncio { inline namespace v1 {

class WaitQueue;
class WaitPlace;

/// What kind of wait an awaiter is; one constant object for each kind.
///
/// With a `turn` the awaiter can look at the world before its coroutine goes on, and wait again: `turn` runs
/// in the loop's pass in which the coroutine would have, and gives true to let it go on now, or false after
/// it has parked anew. It runs between tasks, so it may call no user code.
class WaitKind : private detail::LeafOps {
  public:
    using Turn = bool (*)(WaitPlace&) noexcept;
    enum class Wakes : bool {
        coroutine,  ///< waking resumes the coroutine; `turn` runs only after `retract` or `yield_to_turn`
        turn,       ///< waking, or a cancel, runs `turn`
    };
    /// `what` is shown to who looks at a waiting task: "Lock.acquire".
    explicit constexpr WaitKind(const char* what, Turn turn = nullptr,
                                Wakes wakes = Wakes::coroutine) noexcept
        : detail::LeafOps{&cancel, &run, what, nullptr, nullptr, false, wakes == Wakes::turn}, turn_(turn) {}

  private:
    friend class WaitPlace;
    static detail::CancelAnswer cancel(detail::Leaf* leaf) noexcept;
    static void run(detail::Leaf* leaf) noexcept;

    Turn turn_;
};

namespace detail {

struct WaitLinks {
    WaitLinks* prev;
    WaitLinks* next;
};

}  // namespace detail

/// Base of an awaiter that waits in a WaitQueue: the place of one task. See the head of this file; derive
/// from `Parking`.
///
/// Threads     loop thread
class WaitPlace : private detail::Leaf, private detail::WaitLinks {
  public:
    /// What is made of it borrows the primitive: it may be handed to what awaits it in place (`wait_for`).
    using ScopedAwaitableTag = void;

    explicit WaitPlace(const WaitKind& kind) noexcept : Leaf(&kind) {}  // NOLINT(*-member-init): see park
    /// Before it is awaited.
    WaitPlace(WaitPlace&& other) noexcept : Leaf(other.ops), WaitLinks() {
        ASYNCIO_ASSERT(other.frame == nullptr, "an awaiter is movable until it is awaited");
    }
    WaitPlace& operator=(WaitPlace&&) = delete;

    /// For await_ready: no cancel is pending, and the step's budget allows one more completion without a
    /// suspension (it is charged for that).
    static bool may_go_on() noexcept {
        detail::LoopCore* const loop = detail::current_loop;
        return loop != nullptr && loop->current != nullptr && loop->current->pending == 0 &&
               !detail::budget_spent(loop);
    }

    /// Stands in line, and suspends the task. Allocates nothing.
    void park(WaitQueue& queue) noexcept;
    /// Suspends the task for one pass of the loop.
    void yield() noexcept {
        state_ = State::yielding;
        detail::push_frame(detail::current_loop, frame);
    }
    /// The same, then `turn` decides.
    void yield_to_turn() noexcept;
    /// Gives up the place in the queue, if it has one. First thing in await_resume and in `turn`.
    void leave() noexcept;

    /// It was awaited and did not go on at once.
    bool suspended() const noexcept { return frame != nullptr; }
    /// Somebody has unparked it.
    bool woken() const noexcept { return state_ == State::woken; }
    /// It has a place in line: it waits, or was woken and not dismissed, and did not `leave`.
    bool in_line() const noexcept { return queue_ != nullptr; }
    /// It was `yield`ed and never stood in line.
    bool yielded() const noexcept { return state_ == State::yielding; }
    /// A cancel is to be delivered: `throw_if_cancelled` will throw.
    bool cancelled() const noexcept { return frame->task->pending != 0; }
    /// Throws CancelledError if a cancel is to be delivered to the task, and not earlier than the primitive
    /// has put itself in order.
    ASYNCIO_ALWAYS_INLINE void throw_if_cancelled() const { detail::throw_if_cancelled(frame->task); }
    /// Takes the cancel to deliver it later: for waits that have something to finish first.
    CancelledError take_cancel() noexcept { return detail::take_cancel(frame->task); }
    /// It stands in line and was neither woken nor cancelled.
    bool waiting() const noexcept { return state_ == State::waiting; }

  protected:
    ~WaitPlace() = default;
    /// For await_suspend: true if the wait may begin; false if a cancel is pending, which resumes it.
    template <class Promise>
    [[nodiscard]] bool enter(std::coroutine_handle<Promise> h, detail::Where where) noexcept {
        return !detail::enter_leaf(this, h, where);
    }

  private:
    friend class WaitQueue;
    friend class WaitKind;
    // idle -> waiting (park) -> woken (unpark) or cancelled -> waiting (parked anew in `turn`); idle ->
    // yielding
    enum class State : std::uint8_t { idle, yielding, waiting, woken, cancelled };

    void wake() noexcept {
        detail::LoopCore* const loop = detail::current_loop;
        detail::PromiseBase* const task = frame->task;
        if (loop == nullptr || task->magic != loop->magic) [[unlikely]]
            return wake_from_outside();
        push(loop, task);
    }
    void push(detail::LoopCore* loop, detail::PromiseBase* task) noexcept {
        task->live.waits_on.clear();
        position_ = static_cast<std::uint32_t>(loop->ready.tail);
        if (ops->by_turn) {
            detail::push_turn(loop, this);
        } else {
            detail::push_frame(loop, frame);
        }
    }
    ASYNCIO_COLD void wake_from_outside() noexcept;
    void unlink() noexcept {
        prev->next = next;
        next->prev = prev;
    }

    WaitQueue* queue_ = nullptr;  // in which it has a place
    std::uint32_t position_;      // in the ready queue, the low bits: where it stands since it was woken
    State state_ = State::idle;
};

/// Tasks that wait, in the order in which they came. Whoever is woken keeps its place until its turn has come
/// (`WaitPlace::leave`), so that a primitive can tell how much it has promised.
///
/// Threads     loop thread
/// Lifetime    must outlive who waits in it: destroying it before is an assertion
/// Cost        32 bytes; no operation allocates
class WaitQueue : private detail::WaitLinks {
  public:
    /// What becomes of the place of a cancelled waiter.
    enum class Cancelled : bool {
        goes,   ///< it is given up at once
        stays,  ///< it is kept until the waiter's own turn, as that of a woken one
    };
    explicit WaitQueue(Cancelled cancelled = Cancelled::goes) noexcept
        : WaitLinks{this, this}, first_(this), cancelled_(cancelled) {}
    WaitQueue(const WaitQueue&) = delete;
    WaitQueue& operator=(const WaitQueue&) = delete;
    ~WaitQueue() {
        if (next != this) [[unlikely]]
            abandoned();
    }

    /// How many wait, neither woken nor cancelled. Counts them, one by one.
    std::size_t waiting() const noexcept;
    /// How many were woken and have not had their turn.
    std::size_t woken() const noexcept { return woken_; }
    /// Nobody of either kind.
    bool idle() const noexcept { return first_ == this && woken_ == 0; }
    /// The one in front of the line, whether it waits, was woken or cancelled; or null.
    WaitPlace* front() const noexcept { return next != this ? &place(*next) : nullptr; }
    /// The one in front waits: nobody before it is still to have its turn.
    bool front_waits() const noexcept { return first_ != this && first_ == next; }
    /// The first that waits, or null.
    WaitPlace* first() const noexcept { return first_ != this ? &place(*first_) : nullptr; }
    /// Of those that wait the one behind `waiter`, or null.
    WaitPlace* after(const WaitPlace& waiter) const noexcept {
        const detail::WaitLinks* const link = next_waiting(&waiter);
        return link != this ? &place(const_cast<detail::WaitLinks&>(*link)) : nullptr;
    }

    /// Wakes the first that waits. False if nobody does.
    bool unpark_one() noexcept {
        if (first_ == this) return false;
        unpark(place(*first_));
        return true;
    }
    /// Wakes this one, which waits in here.
    void unpark(WaitPlace& waiter) noexcept {
        if (first_ == &waiter) first_ = next_waiting(&waiter);
        ++woken_;
        waiter.state_ = WaitPlace::State::woken;
        waiter.wake();
    }
    /// Wakes all that wait, in their order. They keep no place: the queue may go before their turn comes.
    void unpark_all() noexcept;
    /// Wakes this one; it keeps no place.
    void dismiss(WaitPlace& waiter) noexcept;

    /// Takes back the promise that was made to one who was woken: its place goes, and in its turn `turn`
    /// decides instead of its coroutine. One must have been woken, of a kind whose coroutine is.
    void retract() noexcept;

  private:
    friend class WaitPlace;
    friend class WaitKind;

    /// (By reference: g++ would look whether a pointer is null.)
    static WaitPlace& place(detail::WaitLinks& link) noexcept { return static_cast<WaitPlace&>(link); }
    /// The link behind this one that waits; the queue itself if there is none.
    detail::WaitLinks* next_waiting(const detail::WaitLinks* link) const noexcept {
        detail::WaitLinks* at = link->next;
        while (at != this && !place(*at).waiting()) at = at->next;
        return at;
    }
    [[noreturn]] ASYNCIO_COLD void abandoned() noexcept;

    // [woken, cancelled …] first_ [waiting, cancelled …]
    detail::WaitLinks* first_;  // the first that waits; this: none
    std::uint32_t woken_ = 0;
    Cancelled cancelled_;
};

static_assert(sizeof(WaitQueue) == 32 && sizeof(WaitPlace) == 48);

inline void WaitPlace::park(WaitQueue& queue) noexcept {
    state_ = State::waiting;
    queue_ = &queue;
    WaitLinks* const head = &queue;
    prev = head->prev;
    next = head;
    head->prev->next = this;
    head->prev = this;
    if (queue.first_ == head) queue.first_ = this;
    frame->task->live.waits_on = this;
}

inline void WaitPlace::leave() noexcept {
    WaitQueue* const queue = std::exchange(queue_, nullptr);
    if (queue == nullptr) return;
    unlink();
    if (state_ == State::woken) --queue->woken_;
}

/// An awaiter made of a `WaitPlace`: `Derived` has await_ready, `start` and await_resume.
///
///     class Gate {
///         class Wait : public Parking<Wait> {
///           public:
///             explicit Wait(Gate& gate) noexcept : Parking(kind), gate_(gate) {}
///             bool await_ready() const noexcept { return gate_.open_ && may_go_on(); }
///             void start() noexcept { gate_.open_ ? yield() : park(gate_.queue_); }
///             void await_resume() {
///                 if (!suspended()) return;
///                 leave();
///                 throw_if_cancelled();
///             }
///             …
template <class Derived>
class Parking : public WaitPlace {
  public:
    using WaitPlace::WaitPlace;
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h, detail::Where where = detail::where_here()) {
        if (enter(h, where)) static_cast<Derived*>(this)->start();
    }
};

/// The loop to which a primitive belongs: that of its first wait, as in Python.
///
/// In debug mode it is also what sees that a primitive is used on another thread while its loop runs, even if
/// nobody waits: every function that changes the primitive begins with `check_thread` or `assert_thread`, and
/// what need not wait asks `runs_elsewhere` first. Outside of debug mode that is a test of one bit.
///
/// Threads     loop thread; what looks for other threads, any
class LoopBinding {
  public:
    /// Bound already, and to the running loop.
    bool is_here() const noexcept { return word_ == detail::current_loop->binding; }
    /// Binds, or checks. Throws  RuntimeError  names `what` ("Lock"), when it is another loop's.
    void require(const char* what) {
        if (word_ != detail::current_loop->binding) [[unlikely]]
            bind(what);
    }

    /// Its loop is in debug mode, and runs on another thread just now: who needs not wait falls through to
    /// `require`, which throws.
    ASYNCIO_ALWAYS_INLINE bool runs_elsewhere() const noexcept { return watched() && is_out_of_reach(); }
    /// Throws  RuntimeError  names `what` ("Lock.release"), when `runs_elsewhere`.
    void check_thread(const char* what) const {
        if (watched()) [[unlikely]]
            throw_if_out_of_reach(what);
    }
    /// The same for what does not throw: an assertion.
    void assert_thread(const char* what) const noexcept {
        if (watched()) [[unlikely]]
            assert_within_reach(what);
    }

    /// In debug mode: what is hot asks this first, and leaves all the rest to a function of its own.
    bool watched() const noexcept { return (word_ & detail::watched_binding) != 0; }

  private:
    ASYNCIO_COLD void bind(const char* what);
    [[nodiscard]] ASYNCIO_COLD bool is_out_of_reach() const noexcept;
    ASYNCIO_COLD void throw_if_out_of_reach(const char* what) const;
    ASYNCIO_COLD void assert_within_reach(const char* what) const noexcept;

    std::uint32_t word_ = 0;  // 0: not bound; else LoopCore::binding of its loop, at its latest wait
};

}}  // namespace asyncio::v1
