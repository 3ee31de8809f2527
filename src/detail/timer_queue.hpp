// The timers of a loop: a 4-ary heap in exact order of (deadline, creation), with O(log n) eager removal.
//
// An array of {deadline, sequence, timer}: comparisons touch no timer, and each timer knows its place. Memory
// grows in `insert` alone (which may throw); `erase` and `pop` never fail, so that a timer can be withdrawn
// anywhere.
#pragma once
#include <cstdint>
#include <vector>

#include "asyncio/core/detail/loop_core.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

class TimerQueue {
  public:
    bool empty() const noexcept { return heap_.empty(); }
    std::size_t size() const noexcept { return heap_.size(); }
    std::uint64_t next_deadline() const noexcept {
        return heap_.empty() ? ~std::uint64_t{0} : heap_.front().deadline;
    }

    /// Throws std::bad_alloc.
    void insert(Timer* timer, std::uint64_t deadline) {
        ASYNCIO_ASSERT(!timer->armed(), "a timer is armed once");
        heap_.push_back({deadline, next_sequence_, timer});
        ++next_sequence_;
        sift_up(heap_.size() - 1, heap_.back());
    }
    void erase(Timer* timer) noexcept {
        const std::size_t at = timer->index;
        ASYNCIO_ASSERT(at < heap_.size() && heap_[at].timer == timer);
        timer->index = Timer::idle;
        const Entry last = heap_.back();
        heap_.pop_back();
        if (at == heap_.size()) return;
        if (at > 0 && last < heap_[(at - 1) / 4]) {
            sift_up(at, last);
        } else {
            sift_down(at, last);
        }
    }
    Timer* pop() noexcept {
        Timer* const first = heap_.front().timer;
        erase(first);
        return first;
    }

  private:
    struct Entry {
        std::uint64_t deadline;
        std::uint64_t sequence;
        Timer* timer;
        bool operator<(const Entry& other) const noexcept {
            return deadline != other.deadline ? deadline < other.deadline : sequence < other.sequence;
        }
    };
    void place(std::size_t at, const Entry& entry) noexcept {
        heap_[at] = entry;
        entry.timer->index = static_cast<std::uint32_t>(at);
    }
    void sift_up(std::size_t at, Entry entry) noexcept {
        while (at > 0) {
            const std::size_t parent = (at - 1) / 4;
            if (!(entry < heap_[parent])) break;
            place(at, heap_[parent]);
            at = parent;
        }
        place(at, entry);
    }
    void sift_down(std::size_t at, Entry entry) noexcept {
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

    std::vector<Entry> heap_;
    std::uint64_t next_sequence_ = 0;
};

}}}  // namespace asyncio::v1::detail
