// See detail/timer_queue.hpp for the idea and the order of ties.
#include "detail/timer_queue.hpp"

#if defined(__clang__)
// libstdc++ 12's own stable_sort uses what C++20 has deprecated, and clang says so here.
#pragma clang diagnostic ignored "-Wdeprecated-declarations"
#endif

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

namespace asyncio { inline namespace v1 { namespace detail {

namespace {

constexpr std::uint32_t holes_min = 16;  // fewer are not worth closing up
constexpr std::uint32_t fetch_ahead = 8;

/// Timers lie idle for long: their memory is asked for a few of them before it is needed.
void fetch(TimerRef timer) noexcept {
    if (timer) __builtin_prefetch(timer.node(), 1);
}

}  // namespace

TimerQueue::TimerQueue() : slots_(std::make_unique<Slot[]>(levels * slots_per_level)) {}

TimerQueue::~TimerQueue() {
    ASYNCIO_ASSERT(empty(), "a loop ends with timers that are armed");
    if (spare_ != nullptr) give_back(spare_, least_capacity);
}

/// The finest slot less than half a round of its level away.
inline unsigned TimerQueue::slot_of(std::uint64_t deadline) const noexcept {
    const std::uint64_t from_here = deadline > base_ ? deadline : base_;
    const auto bits = static_cast<unsigned>(std::bit_width(from_here - base_));
    constexpr unsigned bits_of_half = finest_shift + 5;
    const unsigned level = bits <= bits_of_half ? 0 : (bits - bits_of_half + 5) / 6;
    return level * slots_per_level + static_cast<unsigned>(from_here >> shift_of(level)) % slots_per_level;
}

// ---- slots --------------------------------------------------------------------------------------

ASYNCIO_NOINLINE void TimerQueue::make_room(Slot& slot) {
    if (slot.head > slot.size / 2) return close_up(slot);
    const std::uint32_t capacity = slot.capacity == 0 ? least_capacity : slot.capacity * 2;
    const std::size_t bytes_before = std::size_t{slot.capacity} * sizeof(Entry);
    const std::size_t bytes = std::size_t{capacity} * sizeof(Entry);
    void* entries = nullptr;
    if (bytes <= recycled_bytes_max) {
        entries = take_block(bytes);
    } else {
        // realloc moves the pages of a large array instead of its bytes: a million timers need no second
        // copy.
        void* const old = bytes_before > recycled_bytes_max ? slot.entries : nullptr;
        entries = std::realloc(old, bytes);
        if (entries == nullptr) throw std::bad_alloc();
        if (old != nullptr) slot.entries = nullptr;
    }
    if (slot.entries != nullptr) {
        std::memcpy(entries, static_cast<const void*>(slot.entries), slot.size * sizeof(Entry));
        give_back(slot.entries, slot.capacity);
    }
    slot.entries = static_cast<Entry*>(entries);
    slot.capacity = capacity;
}

ASYNCIO_NOINLINE void TimerQueue::give_back(Entry* entries, std::uint32_t capacity) noexcept {
    const std::size_t bytes = std::size_t{capacity} * sizeof(Entry);
    if (bytes <= recycled_bytes_max) {
        give_block(entries, bytes);
    } else {
        std::free(entries);
    }
}

inline void TimerQueue::append(Slot& slot, unsigned number, TimerRef timer, std::uint64_t deadline) {
    if (slot.size == slot.capacity) [[unlikely]] {
        if (slot.capacity == 0 && spare_ != nullptr) {
            slot.entries = std::exchange(spare_, nullptr);
            slot.capacity = least_capacity;
        } else {
            make_room(slot);
        }
    }
    slot.entries[slot.size] = {deadline, timer};
    timer.node()->set(number, slot.size++);
    occupied_[number / slots_per_level] |= std::uint64_t{1} << (number % slots_per_level);
}

inline void TimerQueue::set_empty(Slot& slot, unsigned number) noexcept {
    ASYNCIO_DASSERT(slot.head == slot.size && slot.holes == 0);
    if (slot.capacity == least_capacity && spare_ == nullptr) {
        spare_ = slot.entries;
    } else {
        give_back(slot.entries, slot.capacity);
    }
    slot.entries = nullptr;
    slot.capacity = 0;
    slot.size = slot.head = 0;
    slot.sealed = slot.spilled != 0;
    occupied_[number / slots_per_level] &= ~(std::uint64_t{1} << (number % slots_per_level));
}

/// Takes the entry out; neither end is a hole afterwards.
inline void TimerQueue::drop_entry(Slot& slot, unsigned number, std::uint32_t at) noexcept {
    if (slot.size - slot.head == 1) {
        slot.head = slot.size;
        return set_empty(slot, number);
    }
    Entry* const entries = slot.entries;
    entries[at].timer = TimerRef();
    ++slot.holes;
    while (slot.size != slot.head && !entries[slot.size - 1].timer) {
        --slot.size;
        --slot.holes;
    }
    while (slot.head != slot.size && !entries[slot.head].timer) {
        ++slot.head;
        --slot.holes;
    }
    if (slot.holes > holes_min && slot.holes > (slot.size - slot.head) / 2) close_up(slot);
}

/// Moves the entries together, in their order.
ASYNCIO_NOINLINE void TimerQueue::close_up(Slot& slot) noexcept {
    Entry* const entries = slot.entries;
    std::uint32_t to = 0;
    for (std::uint32_t from = slot.head; from != slot.size; ++from) {
        if (!entries[from].timer) continue;
        if (to != from) {
            entries[to] = entries[from];
            entries[to].timer.node()->set_index(to);
        }
        ++to;
    }
    slot.head = 0;
    slot.size = to;
    slot.holes = 0;
}

/// Stable, by digits of the deadline, the least first: a slot's deadlines lie close together, so there are
/// two or three. Without a buffer, or if there is little to gain, false: nothing has changed.
bool TimerQueue::sort_by_digits(Entry* const begin, std::size_t size) noexcept {
    constexpr unsigned digit_bits = 11;
    constexpr std::size_t digits = std::size_t{1} << digit_bits;
    if (size < digits / 8) return false;
    std::uint64_t least = begin->deadline;
    std::uint64_t most = begin->deadline;
    for (const Entry* entry = begin; entry != begin + size; ++entry) {
        least = std::min(least, entry->deadline);
        most = std::max(most, entry->deadline);
    }
    const auto bits = static_cast<unsigned>(std::bit_width(most - least));
    if (bits > 4 * digit_bits) return false;
    auto* const buffer = static_cast<Entry*>(std::malloc(size * sizeof(Entry)));
    if (buffer == nullptr) return false;
    Entry* from = begin;
    Entry* to = buffer;
    for (unsigned shift = 0; shift < bits; shift += digit_bits) {
        std::uint32_t places[digits] = {};
        const auto digit_of = [=](const Entry& entry) {
            return (entry.deadline - least) >> shift & (digits - 1);
        };
        for (std::size_t i = 0; i != size; ++i) ++places[digit_of(from[i])];
        std::uint32_t next = 0;
        for (std::uint32_t& place : places) next += std::exchange(place, next);
        for (std::size_t i = 0; i != size; ++i) to[places[digit_of(from[i])]++] = from[i];
        std::swap(from, to);
    }
    if (from != begin) std::copy_n(from, size, begin);
    std::free(buffer);
    return true;
}

/// Sorts a slot, so that its first deadline is its first entry.
void TimerQueue::seal(Slot& slot) noexcept {
    const auto earlier = [](const Entry& a, const Entry& b) { return a.deadline < b.deadline; };
    if (slot.holes != 0 || slot.head != 0) close_up(slot);
    slot.sealed = true;
    Entry* const begin = slot.entries;
    Entry* const end = begin + slot.size;
    if (std::is_sorted(begin, end, earlier)) return;  // equal delays come in order: the usual case
    // This one takes its buffer from the heap if it can, and does without if it cannot.
    if (!sort_by_digits(begin, slot.size)) std::stable_sort(begin, end, earlier);
    for (std::uint32_t at = 0; at != slot.size; ++at) {
        if (at + fetch_ahead < slot.size) fetch(begin[at + fetch_ahead].timer);
        begin[at].timer.node()->set_index(at);
    }
}

// ---- the queue ----------------------------------------------------------------------------------

/// Gives the newest timer its place.
void TimerQueue::place_fresh() noexcept {
    const TimerRef timer = fresh_;
    const std::uint64_t deadline = fresh_deadline_;
    const unsigned number = slot_of(deadline);
    Slot& slot = slots_[number];
    if (!slot.sealed) {
        try {
            append(slot, number, timer, deadline);
        } catch (const std::bad_alloc&) {
            seal(slot);
        }
    }
    if (slot.sealed) {
        heap_insert(timer, deadline, number);
        ++slot.spilled;
    }
    fresh_ = TimerRef();
    if (deadline < bound_) {
        rivals_ = bound_;
        bound_ = deadline;
        exact_ = true;
        first_ = slot.sealed ? heap_number : none;
    } else if (deadline < rivals_) {
        rivals_ = deadline;
    }
}

void TimerQueue::erase_placed(TimerRef timer) noexcept {
    TimerNode* const node = timer.node();
    const std::uint32_t place = node->slot();
    const std::uint32_t at = node->index();
    node->set_idle();
    --size_;
    if (place >= heap_number) {
        ASYNCIO_ASSERT(at < heap_.size() && heap_[at].timer.word() == timer.word());
        Slot& slot = slots_[place - heap_number];
        if (--slot.spilled == 0 && slot.size == slot.head) slot.sealed = false;
        if (heap_[at].deadline == bound_) exact_ = false;
        heap_erase(at);
    } else {
        Slot& slot = slots_[place];
        ASYNCIO_ASSERT(at >= slot.head && at < slot.size && slot.entries[at].timer.word() == timer.word());
        if (slot.entries[at].deadline == bound_) exact_ = false;
        drop_entry(slot, place, at);
    }
    if (size_ == (fresh_ ? 1 : 0)) {
        bound_ = ~std::uint64_t{0};
        exact_ = true;
        first_ = none;
    }
}

TimerRef TimerQueue::pop() noexcept {
    if (!exact_ || first_ == none || fresh_) find_first();
    const unsigned number = first_;
    const std::uint64_t rivals = rivals_;
    if (number == heap_number) {
        const TimerRef timer = heap_.front().timer;
        erase_placed(timer);
        return timer;
    }
    const Slot& slot = slots_[number];
    const TimerRef timer = slot.entries[slot.head].timer;
    if (slot.head + fetch_ahead < slot.size) fetch(slot.entries[slot.head + fetch_ahead].timer);
    erase_placed(timer);
    // The next one of the same slot is the first of all, if no other can be.
    if (slot.size != slot.head && slot.entries[slot.head].deadline < rivals) {
        bound_ = slot.entries[slot.head].deadline;
        exact_ = true;
    }
    return timer;
}

/// The first deadline, and where it is. Sorts the slots that may have it.
void TimerQueue::find_first() noexcept {
    if (fresh_) place_fresh();
    if (exact_ && first_ != none) return;
    bound_ = rivals_ = ~std::uint64_t{0};
    first_ = none;
    for (unsigned level = levels; level-- != 0;) {
        if (occupied_[level] == 0) continue;
        const auto here = static_cast<int>((base_ >> shift_of(level)) % slots_per_level);
        const auto ahead = static_cast<unsigned>(std::countr_zero(std::rotr(occupied_[level], here)));
        const unsigned number =
            level * slots_per_level + (static_cast<unsigned>(here) + ahead) % slots_per_level;
        Slot& slot = slots_[number];
        if (!slot.sealed) seal(slot);
        const std::uint64_t deadline = slot.entries[slot.head].deadline;
        if (deadline < bound_ || first_ == none) {
            rivals_ = bound_;
            bound_ = deadline;
            first_ = number;
        } else if (deadline < rivals_) {
            rivals_ = deadline;
        }
    }
    if (!heap_.empty()) {
        const HeapEntry& top = heap_.front();
        const unsigned level_of_top = (top.timer.node()->slot() - heap_number) / slots_per_level;
        const bool earlier = first_ == none || top.deadline < bound_ ||
                             (top.deadline == bound_ && level_of_top > first_ / slots_per_level);
        if (earlier) {
            rivals_ = bound_;
            bound_ = top.deadline;
            first_ = heap_number;
        } else if (top.deadline < rivals_) {
            rivals_ = top.deadline;
        }
    }
    exact_ = true;
}

// ---- the heap -----------------------------------------------------------------------------------
// 4-ary, in order of (deadline, sequence).

void TimerQueue::heap_insert(TimerRef timer, std::uint64_t deadline, unsigned number) noexcept {
    heap_.push_back({deadline, next_sequence_, timer});
    ++next_sequence_;
    timer.node()->set(heap_number + number, 0);
    sift_up(heap_.size() - 1, heap_.back());
}

void TimerQueue::heap_erase(std::size_t at) noexcept {
    const HeapEntry last = heap_.back();
    heap_.pop_back();
    if (at == heap_.size()) return;
    if (at > 0 && last < heap_[(at - 1) / 4]) {
        sift_up(at, last);
    } else {
        sift_down(at, last);
    }
}

void TimerQueue::place(std::size_t at, const HeapEntry& entry) noexcept {
    heap_[at] = entry;
    entry.timer.node()->set_index(static_cast<std::uint32_t>(at));
}

void TimerQueue::sift_up(std::size_t at, HeapEntry entry) noexcept {
    while (at > 0) {
        const std::size_t parent = (at - 1) / 4;
        if (!(entry < heap_[parent])) break;
        place(at, heap_[parent]);
        at = parent;
    }
    place(at, entry);
}

void TimerQueue::sift_down(std::size_t at, HeapEntry entry) noexcept {
    const std::size_t size = heap_.size();
    for (;;) {
        const std::size_t first = 4 * at + 1;
        if (first >= size) break;
        std::size_t least = first;
        const std::size_t end = first + 4 < size ? first + 4 : size;
        for (std::size_t child = first + 1; child < end; ++child) {
            if (heap_[child] < heap_[least]) least = child;
        }
        if (!(heap_[least] < entry)) break;
        place(at, heap_[least]);
        at = least;
    }
    place(at, entry);
}

}}}  // namespace asyncio::v1::detail
