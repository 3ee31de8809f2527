// The record that every coroutine frame, task and future of this library begins with, and what a suspended
// one waits on.
//
// One record, three lives:
//   a coroutine awaited in place   uses `continuation`, `task` (the root of its chain) and `where`; a task
//   is a coroutine that was promoted (create_task, gather): the root of its own chain, with
//                                  `waiter`, the counters and the links of the loop's list of live tasks;
//   a finished task, or a future   has state, waiters and result: see core/detail/record.hpp.
// The links of a live task and a small result share bytes: a task is taken off the list before its result is
// written.
//
// Readers from outside (debuggers, asyncio-ps) rely on this: the record lies 16 bytes behind the frame's
// address, its links are plain pointers, `magic` is cleared before the memory is freed.
#pragma once
#include <bit>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <source_location>

#include "asyncio/base/assert.hpp"
#include "asyncio/base/config.hpp"
#include "asyncio/core/detail/recycler.hpp"

namespace asyncio { inline namespace v1 {

class EventLoop;

namespace detail {

struct Leaf;
struct LoopCore;
struct PromiseBase;
struct TaskExtra;

/// Where an await stands in the source: `where_here()`, as a default argument of each awaiter's
/// `await_suspend`. (Through `await_transform` it would cost g++ a slot of 16 to 40 bytes in every frame.)
using Where = const void*;

/// The place of the call in whose default arguments it stands, however deep.
///
/// All of this library asks for places here, since the first use of the builtin in a source file that clang
/// 19 meets behind a precompiled header is an error ("'__impl' is a private member of
/// 'std::source_location'"): it looks the type up anew, and checks access. In here, whoever precompiles us
/// has met it already. constexpr and always inline is as good as the builtin itself; consteval costs g++ 12
/// bytes of the frame.
ASYNCIO_ALWAYS_INLINE constexpr Where where_here(Where place = __builtin_source_location()) noexcept {
    return place;
}

/// What `Where` points to: the layout of std::source_location's implementation on both compilers.
struct Place {
    const char* file;
    const char* function;
    unsigned line;
    unsigned column;
};

/// How a leaf answers a request to cancel its task.
enum class CancelAnswer : std::uint8_t {
    resume,   // it let go: resume the task now, with the cancel
    passed,   // the request went on to what is awaited, which will resume the task with its own outcome
    forward,  // the request is to go on to the record left in LoopCore::cancel_next: as `passed`, without
              // recursion
    pending,  // it has completed already, or the kernel still holds it: the request waits in the task
    circle,   // it is passing this very request on just now. LoopCore::cancel_met_circle is set: of those who
              // pass it on, the nearest that may is to let go of the task that it has asked
    fan,      // it is a CancelFan and waits for several: they are to be asked one by one, without recursion
};

/// The verbs of a leaf. One constant object for each kind of leaf.
struct LeafOps {
    CancelAnswer (*cancel)(Leaf*) noexcept;
    void (*run)(Leaf*) noexcept;  // its turn in the ready queue has come (hops, timers, handles)
    const char* what;             // "sleep", "gather" …: for people who look at a suspended task
    // Of a leaf that answers `fan`: whom to ask next, null after the last; then, what it answers after all.
    PromiseBase* (*next_asked)(Leaf*) noexcept = nullptr;
    CancelAnswer (*all_asked)(Leaf*) noexcept = nullptr;
    // Of a timer: its owner is no task's, so it may be armed still when the loop closes, and is forgotten
    // then.
    bool may_outlive_loop = false;
    // Woken, or cancelled, it is `run` that gets the task's turn, and decides whether the coroutine goes on.
    bool by_turn = false;
};

/// What a suspended chain of coroutines waits for; lies in the awaiter. Also the base of whatever stands in
/// the ready queue and is no coroutine (a callback's handle, a timer).
struct Leaf {
    const LeafOps* ops;
    PromiseBase* frame = nullptr;  // who is resumed; null until it has suspended

    explicit constexpr Leaf(const LeafOps* o) noexcept : ops(o) {}
    Leaf(const Leaf&) = delete;
    Leaf& operator=(const Leaf&) = delete;
};

/// A leaf that waits for several tasks. Those that a request to cancel is going through just now make a list,
/// so that fans within fans need neither stack nor memory, however deep.
struct CancelFan : Leaf {
    using Leaf::Leaf;
    CancelFan* outer = nullptr;       // the one whose child has led to this
    PromiseBase* asked_by = nullptr;  // who awaits this one's task, if the request came from there
};

/// Who is told that a task or future is done: `notify` runs from the ready queue, in order of registration.
/// One that only resumes a coroutine says so (so the record needs no turn of its own in the queue: the
/// coroutine has one).
struct Waiter {
    void (*notify)(Waiter*, PromiseBase* done) noexcept;
    PromiseBase* resumes = nullptr;  // the coroutine, if that is all
    bool counts = false;             // it is a Counter

    explicit constexpr Waiter(void (*n)(Waiter*, PromiseBase*) noexcept) noexcept : notify(n) {}
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;
};

/// Waits for many tasks. Those that end well it only counts, but for the last one: nobody can see when, so
/// that needs no turn of the ready queue.
struct Counter : Waiter {
    std::size_t left = 0;

    explicit constexpr Counter(void (*n)(Waiter*, PromiseBase*) noexcept) noexcept : Waiter(n) {
        counts = true;
    }
    /// Told at once of a task that ended with a value. True: nothing more is to be done.
    bool count() noexcept {
        if (left <= 1) return false;
        --left;
        return true;
    }
};

/// State bits of a record.
enum Flag : std::uint16_t {
    is_task = 1 << 0,        // promoted: runs on its own
    is_future = 1 << 1,      // no coroutine at all
    started = 1 << 2,        // a task's body has begun
    has_value = 1 << 3,      // the result is there …
    has_error = 1 << 4,      // … or the exception
    was_cancelled = 1 << 5,  // it ended by CancelledError
    done = 1 << 6,           // frame gone, waiters may look
    result_taken = 1 << 7,   // a moving await took the value
    retrieved = 1 << 8,      // somebody has seen the exception (or it was logged)
    borrows = 1 << 9,        // a parameter is a reference, pointer, view or capturing closure
    lambda_coro = 1 << 10,   // made by calling a lambda that captures: may be awaited, never detached
    queued_done = 1 << 11,   // done, and its waiters are due: an entry stands in the ready queue
    cancel_thrown =
        1 << 11,  // not done: what it waited on let go for a cancel, so its next step throws, come what may
    owns_slot = 1 << 12,      // one entry of the ready queue is set aside for it
    made_borrower = 1 << 13,  // created a detached task that borrows: look after it when this coroutine ends
    adopted = 1 << 14,        // a task that somebody joins (gather, TaskGroup …): not detached
    logs_off = 1 << 15,       // an owner reports its exception: say nothing when it is dropped unseen
};

/// The high bits of `magic`; the low ones tell whose record it is: 0 until a loop has it.
inline constexpr std::uint16_t record_magic = 0xA000;
inline constexpr std::uint16_t record_magic_mask = 0xF000;

/// Which parameter of a coroutine looks at something that the coroutine does not own.
struct Borrow {
    unsigned parameter;    // counted from 1; 0: none
    const char* spelling;  // names its type: __PRETTY_FUNCTION__ of type_spelling
};

/// Of the record behind the frame's address, on both compilers.
inline constexpr std::size_t record_offset = 16;

/// Where a timer stands: in the timer queue, in the ready queue, or nowhere. The low bits of the first word
/// are always 01, see WaitsOn.
class TimerNode {
  public:
    static constexpr std::uint32_t idle = 0x3fffffff;
    static constexpr std::uint32_t queued = idle - 1;  // due: `index` is its place in the ready queue

    constexpr TimerNode() noexcept {}
    bool armed() const noexcept { return slot() != idle; }
    std::uint32_t slot() const noexcept { return slot_ >> 2; }
    std::uint32_t index() const noexcept { return index_; }
    void set(std::uint32_t slot, std::uint32_t index) noexcept {
        slot_ = slot << 2 | 1;
        index_ = index;
    }
    void set_index(std::uint32_t index) noexcept { index_ = index; }
    void set_idle() noexcept { slot_ = idle << 2 | 1; }

  private:
    std::uint32_t slot_ = idle << 2 | 1;
    std::uint32_t index_ = 0;
};

/// What a task waits on, in one word: a leaf; or nothing; or its innermost coroutine sleeps. A `sleep` has no
/// leaf, since a million tasks may sleep at once: the place of its timer lies in this very word of the
/// coroutine that sleeps, and if that is not the task's own, the task's points to it.
class WaitsOn {
  public:
    constexpr WaitsOn() noexcept : word_(0) {}
    void operator=(Leaf* leaf) noexcept { word_ = reinterpret_cast<std::uintptr_t>(leaf); }
    inline void sleeps_in(PromiseBase* frame) noexcept;
    void clear() noexcept { word_ = 0; }

    explicit operator bool() const noexcept { return word_ != 0; }
    /// Null if it is something else.
    Leaf* leaf() const noexcept { return (word_ & 3) == 0 ? reinterpret_cast<Leaf*>(word_) : nullptr; }
    /// The coroutine of `task`, whose word this is, that sleeps; null if none does.
    PromiseBase* sleeper(PromiseBase* task) const noexcept {
        if ((word_ & 3) == 0) return nullptr;
        return (word_ & 1) != 0 ? task : reinterpret_cast<PromiseBase*>(word_ - 2);
    }
    /// The coroutine of `task` that is suspended; null while it runs or is ready to.
    PromiseBase* frame(PromiseBase* task) const noexcept {
        if ((word_ & 3) != 0) return sleeper(task);
        return word_ != 0 ? leaf()->frame : nullptr;
    }
    /// "sleep", "gather" …
    const char* what() const noexcept { return (word_ & 3) != 0 ? "sleep" : leaf()->ops->what; }

    /// Of a coroutine that sleeps.
    TimerNode* node() noexcept { return &node_; }

  private:
    union {
        std::uintptr_t word_;
        TimerNode node_;
    };
};
static_assert(sizeof(WaitsOn) == 8 && std::endian::native == std::endian::little);

struct LiveLinks {
    PromiseBase* prev;
    PromiseBase* next;
    WaitsOn waits_on;  // nothing while it runs or stands in the ready queue
};

/// See the head of this file.
struct PromiseBase {
    union {
        PromiseBase* continuation;   // awaited in place: who goes on
        std::uintptr_t waiter_word;  // a task or future: 0, its only Waiter*, or TaskExtra* | 1
    };
    PromiseBase* task;      // the root of the chain; a task's own is itself
    Where where;            // the place of the current await; before the first one, of the definition
    std::uint32_t refs;     // handles, plus one of the loop while the task lives
    std::uint16_t flags;    // Flag
    std::uint16_t magic;    // record_magic while this is one, with the mark of its loop (LoopCore::magic)
    std::uint32_t id : 30;  // of a task: the N of "Task-N"; of a future: the loop that it is awaited on
    std::uint32_t made_by_main : 1;  // detached and borrowing, created by the coroutine that `run` was given
    std::uint32_t asked_to_end : 1;  // cancelled because its loop closes
    std::uint16_t cancels;           // cancelling(): requests minus uncancels
    std::uint8_t pending;            // requests that no await has delivered yet
    std::uint8_t epoch;  // counts deliveries: tells a scope whether its own request was among them
    union {
        LiveLinks live;
        const Borrow* borrow;            // of a coroutine that has not begun, if it `borrows`
        alignas(8) std::byte store[24];  // a result that fits
    };

    // What only a task or future uses is set by promotion: a coroutine awaited in place never pays for it.
    PromiseBase() noexcept : continuation(nullptr), flags(0), magic(record_magic) {}  // NOLINT(*-member-init)
    PromiseBase(const PromiseBase&) = delete;
    PromiseBase& operator=(const PromiseBase&) = delete;

    bool is(unsigned bits) const noexcept { return (flags & bits) != 0; }
    void set(unsigned bits) noexcept { flags = static_cast<std::uint16_t>(flags | bits); }
    void clear(unsigned bits) noexcept { flags = static_cast<std::uint16_t>(flags & ~bits); }
    bool ended() const noexcept { return is(has_value | has_error | was_cancelled | done); }

    std::coroutine_handle<> handle() noexcept {
        return std::coroutine_handle<PromiseBase>::from_promise(*this);
    }
    const Place* place() const noexcept { return static_cast<const Place*>(where); }

    TaskExtra* extra() const noexcept {
        return (waiter_word & 1) != 0 && is(is_task | is_future)
                   ? reinterpret_cast<TaskExtra*>(waiter_word - 1)
                   : nullptr;
    }
    std::exception_ptr& error() noexcept { return *reinterpret_cast<std::exception_ptr*>(store); }

    static void* operator new(std::size_t bytes) { return take_block(bytes); }
    static void operator delete(void* block, std::size_t bytes) noexcept {
        if (block == recycler.kept_frame)
            [[unlikely]] {  // a task that ends while handles exist keeps its memory
            recycler.kept_bytes = bytes;
            return;
        }
        // Volatile: as far as the compiler knows nobody can look at it any more.
        auto* const record = reinterpret_cast<PromiseBase*>(static_cast<std::byte*>(block) + record_offset);
        const_cast<volatile std::uint16_t&>(record->magic) = 0;
        give_block(block, bytes);
    }
};
static_assert(sizeof(PromiseBase) == 64 && alignof(PromiseBase) == 8);

inline void WaitsOn::sleeps_in(PromiseBase* frame) noexcept {
    word_ = reinterpret_cast<std::uintptr_t>(frame) | 2;
}

}  // namespace detail
}}  // namespace asyncio::v1
