// The part of the loop that templates and inline awaiters touch: the ready queue, the trampoline's registers,
// the cancellation bookkeeping. Users never read this file.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "asyncio/base/error.hpp"
#include "asyncio/core/detail/context_data.hpp"
#include "asyncio/core/promise.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

/// What a word of the ready queue means, in its low bits.
enum Tag : std::uintptr_t {
    tag_frame = 0,    // PromiseBase*: step its task there
    tag_leaf = 1,     // Leaf*: ops->run
    tag_done = 2,     // PromiseBase*: done, tell its waiters
    tag_timer = 3,    // Timer* that is due (0 | 3: it was withdrawn)
    tag_sleeper = 4,  // PromiseBase*: it has slept
    tag_turn = 5,     // Leaf*: ops->run, in the turn of the task that waits on it
    tag_mask = 7,
};

/// FIFO of tagged words. Never grows while something is woken: whoever creates a task or handle sets a slot
/// aside.
struct ReadyQueue {
    std::uintptr_t* slots = nullptr;
    std::uint64_t mask = ~std::uint64_t{0};  // none yet: a capacity of 0
    std::uint64_t head = 0;                  // positions count up for ever; slot = position & mask
    std::uint64_t tail = 0;
    std::uint64_t reserved =
        0;  // entries that tasks, handles and callbacks may push, and those of due timers

    std::uint64_t size() const noexcept { return tail - head; }
    std::uint64_t capacity() const noexcept { return mask + 1; }
    bool full() const noexcept { return reserved >= capacity(); }
    void push(std::uintptr_t word) noexcept {
        slots[tail & mask] = word;
        ++tail;
    }
    std::uintptr_t pop() noexcept {
        if (tail - head > prefetch_distance) {
            // Frames were last touched long ago when many tasks run in turn: fetch them a few steps ahead.
            const auto ahead = slots[(head + prefetch_distance) & mask] & ~std::uintptr_t{tag_mask};
            __builtin_prefetch(reinterpret_cast<const void*>(ahead));
            __builtin_prefetch(
                reinterpret_cast<const void*>(ahead + 64));  // (it may be null, a withdrawn timer)
        }
        return slots[head++ & mask];
    }
    static constexpr std::uint64_t prefetch_distance = 6;
};

/// Destroys the result of a record whose frame is gone; true: it has freed the memory as well. Null: nothing
/// to destroy.
using DropFn = bool (*)(PromiseBase*) noexcept;

inline constexpr std::uintptr_t task_finished = 1;

/// Of a LoopBinding: its loop was in debug mode when it was bound, so that each use is looked at. (The
/// highest bit, the quickest to test; loop ids have 30.)
inline constexpr std::uint32_t watched_binding = std::uint32_t{1} << 31;

struct LoopCore {
    // The trampoline's register: who runs next; task_finished = the task has reached its end, and `drop`
    // destroys its result one day.
    std::uintptr_t next = 0;
    PromiseBase* running = nullptr;  // the coroutine being resumed
    PromiseBase* current = nullptr;  // its task
    DropFn drop = nullptr;
    ReadyQueue ready;
    int budget = 0;  // completions without suspension that the current step may still take
    bool debug = false;
    bool special = true;          // what the fast paths leave to slow ones: see LoopImpl::note_special
    std::uint64_t step_time = 0;  // the clock as read in this step, ns; 0: not read yet
    std::uint64_t generation =
        0;             // odd while the live list changes (by its `next` links it is whole even then)
    PromiseBase live;  // head of the circular list of live tasks
    std::uint64_t task_count = 0;
    std::uint32_t loop_id = 0;  // a number no other loop of this process has (30 bits)
    std::uint16_t magic = 0;    // of its records: other loops' differ, nearly always
    std::uint32_t binding = 0;  // what a LoopBinding keeps of it: loop_id, and in debug mode watched_binding
    EventLoop* owner = nullptr;
    std::string_view cancel_message;     // of the request that is being passed on
    PromiseBase* cancel_next = nullptr;  // whom it reaches next: see CancelAnswer::forward
    bool cancel_in_circle = false;       // the leaf that is asked has to let go: it waits for itself
    bool cancel_met_circle = false;      // a request came back to a gather: see CancelAnswer::circle
    std::uint32_t cancel_number = 0;     // of the request that is on its way: a gather passes it on once

    LoopCore() noexcept {
        live.task = &live;
        live.where = this;  // see loop_of
        live.flags = 0;
        live.live = {&live, &live, {}};
    }
};

/// The loop that this thread runs, or null.
extern constinit thread_local LoopCore* current_loop;

inline constexpr int completions_per_step_max = 128;

// ---- the ready queue ----------------------------------------------------------------------------
ASYNCIO_COLD void grow_ready(LoopCore* loop);  // throws std::bad_alloc

/// Sets one slot of the ready queue aside. Throws std::bad_alloc.
inline void reserve_slot(LoopCore* loop) {
    if (loop->ready.full()) [[unlikely]]
        grow_ready(loop);
    ++loop->ready.reserved;
}
/// The same for many at once.
inline void reserve_slots(LoopCore* loop, std::uint64_t count) {
    ReadyQueue& q = loop->ready;
    q.reserved += count;
    if (q.reserved > q.capacity()) [[unlikely]] {
        try {
            grow_ready(loop);
        } catch (...) {
            q.reserved -= count;
            throw;
        }
    }
}
inline void release_slot(LoopCore* loop) noexcept {
    ASYNCIO_DASSERT(loop->ready.reserved != 0);
    --loop->ready.reserved;
}

inline void push_frame(LoopCore* loop, PromiseBase* frame) noexcept {
    loop->ready.push(reinterpret_cast<std::uintptr_t>(frame) | tag_frame);
}
inline void push_leaf(LoopCore* loop, Leaf* leaf) noexcept {
    loop->ready.push(reinterpret_cast<std::uintptr_t>(leaf) | tag_leaf);
}
inline void push_turn(LoopCore* loop, Leaf* leaf) noexcept {
    loop->ready.push(reinterpret_cast<std::uintptr_t>(leaf) | tag_turn);
}
/// Resumes the coroutine that is suspended on `leaf`, in its turn.
inline void wake(Leaf* leaf) noexcept {
    leaf->frame->task->live.waits_on.clear();
    push_frame(current_loop, leaf->frame);
}

// ---- cancellation -------------------------------------------------------------------------------
/// What `request_cancel` did.
struct CancelRequest {
    bool accepted;       // false: the task is done
    bool delivered;      // passed on to what is awaited: nothing is left pending
    std::uint8_t epoch;  // of the task at that moment: see `withdraw_cancel`
};

/// Task.cancel(): counts the request and hands it to what the task waits for. Also cancels futures.
CancelRequest request_cancel(PromiseBase* task) noexcept;

/// Takes back exactly the request that `request_cancel` returned, delivered or not. Returns cancelling()
/// after it.
unsigned withdraw_cancel(PromiseBase* task, const CancelRequest& request) noexcept;

/// Task.uncancel(), by hand: Python's rule, what is pending is forgotten when the count reaches 0.
unsigned uncancel(PromiseBase* task) noexcept;

/// What is pending counts as delivered, and is to be thrown.
ASYNCIO_COLD CancelledError take_cancel(PromiseBase* task) noexcept;

/// To be called by every leaf when it is resumed, and before it starts anything. (Inlined with its throw:
/// each function in between costs the unwinder a fifth of the whole.)
ASYNCIO_ALWAYS_INLINE void throw_if_cancelled(PromiseBase* task) {
    if (task->pending != 0) [[unlikely]]
        throw take_cancel(task);
}

/// A coroutine that created a borrowing task ends: names each such task that is still alive.
ASYNCIO_COLD void report_borrowers(PromiseBase* creator) noexcept;

ASYNCIO_COLD void assert_in_step(const LoopCore* loop) noexcept;

/// The common beginning of each await_suspend: true = a cancel is pending, so nothing may be started; the
/// coroutine is resumed in its turn and `throw_if_cancelled` throws there.
[[nodiscard]] inline bool enter_wait(LoopCore* loop, PromiseBase* frame, Where where) noexcept {
    if (loop == nullptr || loop->running != frame) [[unlikely]]
        assert_in_step(loop);
    frame->where = where;
    if (loop->current->pending != 0) [[unlikely]] {
        loop->current->set(cancel_thrown);
        push_frame(loop, frame);
        return true;
    }
    return false;
}
/// The record of a coroutine that awaits.
template <class Promise>
PromiseBase* awaiting(std::coroutine_handle<Promise> h) noexcept {
    static_assert(std::is_base_of_v<PromiseBase, Promise>,
                  "this can be awaited in a coroutine of this library (Coro<T>, AsyncGenerator<T>) only: "
                  "wrap the foreign "
                  "coroutine, or start this one with run_coroutine_threadsafe");
    return &h.promise();
}
template <class Promise>
[[nodiscard]] bool enter_leaf(Leaf* leaf, std::coroutine_handle<Promise> h, Where where) noexcept {
    leaf->frame = awaiting(h);
    return enter_wait(current_loop, leaf->frame, where);
}

/// The running task waits on `leaf` from here on.
inline void suspend_on(Leaf* leaf) noexcept { current_loop->current->live.waits_on = leaf; }
inline void suspend_on(LoopCore* loop, Leaf* leaf) noexcept { loop->current->live.waits_on = leaf; }

/// For leaves whose data is ready: true when the step's budget is used up, so that it must yield once.
inline bool budget_spent(LoopCore* loop) noexcept { return --loop->budget < 0; }

// ---- records ------------------------------------------------------------------------------------
/// Makes the frame of an unstarted coroutine a task, with `refs` handles besides the loop's own reference,
/// and puts it into the ready queue. It runs in `context`; if that is null, in a copy of the current one.
/// Throws std::bad_alloc, before anything has changed.
void promote(PromiseBase* frame, std::uint32_t refs, const ContextRef* context = nullptr);

/// A Coro dropped before anybody awaited it: warns in debug mode, destroys the frame.
ASYNCIO_COLD void drop_unstarted(PromiseBase* frame) noexcept;

void release_last(PromiseBase* record) noexcept;
inline void release(PromiseBase* record) noexcept {
    if (--record->refs == 0) release_last(record);
}

/// Resumes a suspended coroutine from inside a callback of the loop (not from inside another coroutine).
void step_frame(LoopCore* loop, PromiseBase* frame) noexcept;

/// For a record that is done: `waiter` is told of it, in a turn of the ready queue. Throws std::bad_alloc;
/// then nothing has changed.
void tell_in_turn(PromiseBase* record, Waiter* waiter);

/// Registers a waiter; in order. Throws std::bad_alloc, or RuntimeError if the record is another loop's; then
/// nothing has changed.
void add_waiter_slow(PromiseBase* record, Waiter* waiter);
inline void add_waiter(PromiseBase* record, Waiter* waiter) {
    if (record->waiter_word == 0 && (record->flags & (is_task | owns_slot)) == (is_task | owns_slot) &&
        current_loop != nullptr && record->magic == current_loop->magic) [[likely]] {
        record->waiter_word = reinterpret_cast<std::uintptr_t>(waiter);
    } else {
        add_waiter_slow(record, waiter);
    }
}
void remove_waiter(PromiseBase* record, Waiter* waiter) noexcept;

/// While it lives the list of live tasks changes. Readers from outside may stop the loop's thread anywhere:
/// nothing that the compiler does before or after may wander in here, or these writes out.
class ListChange {
  public:
    explicit ListChange(LoopCore* loop) noexcept : loop_(loop), before_(loop->generation) {
        loop_->generation = before_ + 1;
        order();
    }
    ListChange(const ListChange&) = delete;
    ListChange& operator=(const ListChange&) = delete;
    ~ListChange() {
        order();
        loop_->generation = before_ + 2;
    }
    /// Costs no instruction: it binds the compiler alone.
    static void order() noexcept { std::atomic_signal_fence(std::memory_order_seq_cst); }

  private:
    LoopCore* loop_;
    std::uint64_t before_;
};

inline void unlink_live(PromiseBase* task) noexcept {
    LoopCore* const loop = current_loop;
    if (loop == nullptr) [[unlikely]]
        assert_in_step(loop);
    const ListChange change(loop);
    task->live.prev->live.next = task->live.next;
    task->live.next->live.prev = task->live.prev;
}

/// Throws RuntimeError if the record belongs to a loop that is not this thread's, as far as that can be seen:
/// before it is completed or cancelled by hand.
void require_own(const PromiseBase* record, const char* what);
/// The same for debug builds, of what cannot throw: false if that loop runs on another thread just now, so
/// that not even a look is safe.
ASYNCIO_COLD bool may_look_from_outside(const PromiseBase* record) noexcept;
inline bool may_look(const PromiseBase* record) noexcept {
    return (current_loop != nullptr && record->magic == current_loop->magic) || may_look_from_outside(record);
}

/// Ends a future (no coroutine): its waiters are told in their turn. The result or flags are in place
/// already.
void complete_future(PromiseBase* future) noexcept;

// ---- time ---------------------------------------------------------------------------------------
ASYNCIO_COLD std::uint64_t read_clock(LoopCore* loop) noexcept;

/// The time in ns, read once per step.
inline std::uint64_t now_ns(LoopCore* loop) noexcept {
    if (loop->step_time == 0) loop->step_time = read_clock(loop);
    return loop->step_time;
}

/// A point in time at which `ops->run` gets its turn. Lies wherever its owner likes; must be withdrawn before
/// it dies.
struct Timer : Leaf {
    TimerNode node;
    explicit constexpr Timer(const LeafOps* o) noexcept : Leaf(o) {}
    bool armed() const noexcept { return node.armed(); }
};

/// A timer, or a coroutine that sleeps: the word by which it stands in the ready queue when it is due.
class TimerRef {
  public:
    constexpr TimerRef() noexcept = default;
    TimerRef(Timer* timer) noexcept  // NOLINT(google-explicit-constructor)
        : word_(reinterpret_cast<std::uintptr_t>(timer) | tag_timer) {}
    explicit TimerRef(PromiseBase* sleeper) noexcept
        : word_(reinterpret_cast<std::uintptr_t>(sleeper) | tag_sleeper) {}

    explicit operator bool() const noexcept { return word_ != 0; }
    std::uintptr_t word() const noexcept { return word_; }
    TimerNode* node() const noexcept {
        void* const target = reinterpret_cast<void*>(word_ & ~std::uintptr_t{tag_mask});
        return (word_ & tag_mask) == tag_sleeper ? static_cast<PromiseBase*>(target)->live.waits_on.node()
                                                 : &static_cast<Timer*>(target)->node;
    }

  private:
    std::uintptr_t word_ = 0;
};

/// Arms a timer. Throws std::bad_alloc.
void arm_timer(LoopCore* loop, TimerRef timer, std::uint64_t deadline_ns);
/// Puts it at the end of the ready queue: due now, without a look at the clock. Throws std::bad_alloc.
void queue_timer(LoopCore* loop, Timer* timer);
/// The running task's coroutine `frame` sleeps until then. Throws std::bad_alloc.
void start_sleep(LoopCore* loop, PromiseBase* frame, std::uint64_t deadline_ns);
/// Withdraws it, also when it is due already but has not had its turn.
void disarm_timer(LoopCore* loop, TimerRef timer) noexcept;

/// 64 random bits, for whoever wants to spread in time what would come all at once. On the simulated backend
/// they follow from its seed.
ASYNCIO_COLD std::uint64_t random_bits(LoopCore* loop) noexcept;

inline std::uint64_t saturating_add(std::uint64_t a, std::uint64_t b) noexcept {
    const std::uint64_t sum = a + b;
    return sum < a ? ~std::uint64_t{0} : sum;
}

}}}  // namespace asyncio::v1::detail
