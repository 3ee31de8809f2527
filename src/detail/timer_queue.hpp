// The timers of a loop: exact order of (deadline, creation), insertion and withdrawal in O(1).
//
// A hierarchy of slots, as in a timer wheel: a level has 64 of them, level 0's are 2^20 ns (1 ms) wide, those
// of the next level 64 times as wide, and so on to the end of time. A timer goes into the finest level of
// which its deadline is less than half a round away, seen from `base_`, which is never after the next
// deadline. It stays there: nothing cascades, so time passing needs no memory and cannot fail.
//
// A slot is an array of {deadline, timer}, in order of creation until somebody must know its first deadline;
// then it is sorted (stably) where it lies, and sealed: whoever comes later and belongs there goes into a
// heap beside the slots, until the slot is empty. So no array is sorted twice, however timers come and go.
//
// Ties. Of equal deadlines the one in the coarser level was made earlier, since the level shrinks as its
// deadline comes near; within a level, and so within one slot, what is in the slot was made before what had
// to go into the heap; the heap counts.
//
// The newest timer stands beside all that until the next one comes or the first deadline must be known: most
// are timeouts, and most of these are withdrawn before either. Room in the heap is kept for it, so that
// finding it a place cannot fail.
//
// A timer that is withdrawn leaves a hole in its slot, at once filled at either end, and never more of them
// than there are timers. Small arrays come from the frame recycler, and one is kept at hand: timers that are
// set and withdrawn all the time allocate nothing.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "asyncio/core/detail/loop_core.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

class TimerQueue {
  public:
    TimerQueue();
    ~TimerQueue();
    TimerQueue(const TimerQueue&) = delete;
    TimerQueue& operator=(const TimerQueue&) = delete;

    bool empty() const noexcept { return size_ == 0; }
    std::size_t size() const noexcept { return size_; }

    /// Not after the first deadline: a look that costs nothing. No deadline at all: the end of time.
    std::uint64_t deadline_bound() const noexcept {
        return fresh_ && fresh_deadline_ < bound_ ? fresh_deadline_ : bound_;
    }
    /// The first deadline.
    std::uint64_t next_deadline() noexcept {
        if (!exact_ || fresh_) find_first();
        return bound_;
    }

    /// Throws std::bad_alloc; then nothing has changed.
    void insert(TimerRef timer, std::uint64_t deadline) {
        ASYNCIO_ASSERT(!timer.node()->armed(), "a timer is armed once");
        if (fresh_) place_fresh();
        if (heap_.size() == heap_.capacity()) [[unlikely]]
            heap_.reserve(heap_.empty() ? 8 : heap_.size() * 2);
        fresh_ = timer;
        fresh_deadline_ = deadline;
        timer.node()->set(fresh_number, 0);
        ++size_;
    }
    void erase(TimerRef timer) noexcept {
        if (timer.node()->slot() != fresh_number) return erase_placed(timer);
        ASYNCIO_ASSERT(fresh_.word() == timer.word());
        timer.node()->set_idle();
        fresh_ = TimerRef();
        --size_;
    }
    /// Takes the first one out; there must be one.
    TimerRef pop() noexcept;

    /// Time has come so far, and no timer before it is left here.
    void advance(std::uint64_t now) noexcept {
        if (now > base_) base_ = now;
    }

  private:
    struct Entry {
        std::uint64_t deadline;
        TimerRef timer;  // null: a hole
    };
    /// entries[head, size) are timers and holes; neither the first nor the last is a hole.
    struct Slot {
        Entry* entries = nullptr;
        std::uint32_t capacity = 0;
        std::uint32_t size = 0;
        std::uint32_t head = 0;
        std::uint32_t holes = 0;
        std::uint32_t spilled = 0;  // timers in the heap that belong here
        bool sealed = false;        // it is sorted, or will stay empty until `spilled` is 0
    };
    struct HeapEntry {
        std::uint64_t deadline;
        std::uint64_t sequence;
        TimerRef timer;
        bool operator<(const HeapEntry& other) const noexcept {
            return deadline != other.deadline ? deadline < other.deadline : sequence < other.sequence;
        }
    };
    static constexpr unsigned levels = 8;
    static constexpr unsigned slots_per_level = 64;
    static constexpr unsigned finest_shift = 20;
    static constexpr std::uint32_t least_capacity = 8;
    // Places of timers: slots, from here on slots whose timer had to go into the heap, and that of the
    // newest.
    static constexpr std::uint32_t heap_number = levels * slots_per_level;
    static constexpr std::uint32_t fresh_number = 2 * heap_number;

    static unsigned shift_of(unsigned level) noexcept { return finest_shift + 6 * level; }
    unsigned slot_of(std::uint64_t deadline) const noexcept;
    void place_fresh() noexcept;
    void erase_placed(TimerRef timer) noexcept;
    void append(Slot& slot, unsigned number, TimerRef timer, std::uint64_t deadline);
    void drop_entry(Slot& slot, unsigned number, std::uint32_t at) noexcept;
    void close_up(Slot& slot) noexcept;
    static bool sort_by_digits(Entry* begin, std::size_t size) noexcept;
    void seal(Slot& slot) noexcept;
    void set_empty(Slot& slot, unsigned number) noexcept;
    void find_first() noexcept;
    void make_room(Slot& slot);
    static void give_back(Entry* entries, std::uint32_t capacity) noexcept;

    void heap_insert(TimerRef timer, std::uint64_t deadline, unsigned number) noexcept;
    void heap_erase(std::size_t at) noexcept;
    void place(std::size_t at, const HeapEntry& entry) noexcept;
    void sift_up(std::size_t at, HeapEntry entry) noexcept;
    void sift_down(std::size_t at, HeapEntry entry) noexcept;

    std::unique_ptr<Slot[]> slots_;
    std::array<std::uint64_t, levels> occupied_{};  // a bit for each slot that has timers
    TimerRef fresh_;                                // or null
    std::uint64_t fresh_deadline_ = 0;
    Entry* spare_ = nullptr;  // the array of a slot that has become empty, of the least capacity
    std::vector<HeapEntry> heap_;
    std::uint64_t next_sequence_ = 0;
    std::uint64_t base_ = 0;
    std::size_t size_ = 0;

    std::uint64_t bound_ = ~std::uint64_t{0};
    bool exact_ = true;         // `bound_` is the first deadline, and …
    unsigned first_ = none;     // … this the slot where it is, or `heap_number`, or not known; …
    std::uint64_t rivals_ = 0;  // … if it is known, timers elsewhere are not due before this
    static constexpr unsigned none = ~0u;
};

}}}  // namespace asyncio::v1::detail
