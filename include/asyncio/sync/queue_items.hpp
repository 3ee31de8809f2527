// What the queues keep their items in. Each has `put` (throws without having changed anything) and `take`
// (of at least one item).
#pragma once
#include <cstddef>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace asyncio { inline namespace v1 {

/// First in, first out: a ring that grows.
///
/// Threads     not shared
/// Cost        doubles when it is full, and never shrinks
template <class T>
class FifoItems {
  public:
    FifoItems() noexcept = default;
    FifoItems(const FifoItems&) = delete;
    FifoItems& operator=(const FifoItems&) = delete;
    ~FifoItems() {
        clear();
        if (slots_ != nullptr) std::allocator<T>().deallocate(slots_, mask_ + 1);
    }

    std::size_t size() const noexcept { return tail_ - head_; }
    template <class U>
    void put(U&& item) {
        if (size() == mask_ + 1) [[unlikely]]
            return put_growing(std::forward<U>(item));
        std::construct_at(slots_ + (tail_ & mask_), std::forward<U>(item));
        ++tail_;
    }
    T take() {
        T* const slot = slots_ + (head_ & mask_);
        T item = std::move(*slot);
        std::destroy_at(slot);
        ++head_;
        return item;
    }
    /// The item that has `before` others in front of it; they keep their order. Cost: O(before).
    T take(std::size_t before) noexcept {
        static_assert(std::is_nothrow_move_constructible_v<T>);
        const auto slot = [this](std::size_t at) { return slots_ + ((head_ + at) & mask_); };
        T item = std::move(*slot(before));
        std::destroy_at(slot(before));
        for (; before != 0; --before) {
            std::construct_at(slot(before), std::move(*slot(before - 1)));
            std::destroy_at(slot(before - 1));
        }
        ++head_;
        return item;
    }
    void clear() noexcept {
        while (size() != 0) std::destroy_at(slots_ + (head_++ & mask_));
    }

  private:
    /// The new item first: it may be one of the old ones, or throw.
    template <class U>
    void put_growing(U&& item) {
        FifoItems grown;
        const std::size_t capacity = slots_ == nullptr ? 4 : (mask_ + 1) * 2;
        grown.slots_ = std::allocator<T>().allocate(capacity);
        grown.mask_ = capacity - 1;
        grown.head_ = grown.tail_ = size();
        std::construct_at(grown.slots_ + size(), std::forward<U>(item));
        ++grown.tail_;
        for (std::size_t at = size(); at-- != 0;) {
            std::construct_at(grown.slots_ + at, std::move_if_noexcept(slots_[(head_ + at) & mask_]));
            --grown.head_;
        }
        std::swap(slots_, grown.slots_);
        std::swap(mask_, grown.mask_);
        std::swap(head_, grown.head_);
        std::swap(tail_, grown.tail_);
    }

    T* slots_ = nullptr;
    std::size_t mask_ = static_cast<std::size_t>(-1);  // no slots: a capacity of 0
    std::size_t head_ = 0;                             // positions count up for ever; slot = position & mask
    std::size_t tail_ = 0;
};

/// Last in, first out.
///
/// Threads     not shared
template <class T>
class LifoItems {
  public:
    std::size_t size() const noexcept { return items_.size(); }
    template <class U>
    void put(U&& item) {
        items_.emplace_back(std::forward<U>(item));
    }
    T take() {
        T item = std::move(items_.back());
        items_.pop_back();
        return item;
    }
    void clear() noexcept { items_.clear(); }

  private:
    std::vector<T> items_;
};

/// The least item first, by `Compare`: the heap of Python's heapq, step for step, so that equal items come
/// out in the same order there. All comparisons come before any move, so one that throws changes nothing.
///
/// Threads     not shared
/// Cost        O(log n)
template <class T, class Compare = std::less<T>>
class PriorityItems {
  public:
    explicit PriorityItems(Compare less = Compare()) noexcept(std::is_nothrow_move_constructible_v<Compare>)
        : less_(std::move(less)) {}

    std::size_t size() const noexcept { return items_.size(); }
    template <class U>
    void put(U&& item) {
        items_.emplace_back(std::forward<U>(item));
        std::size_t place = items_.size() - 1;
        try {
            while (place != 0 && less_(items_.back(), items_[(place - 1) / 2])) place = (place - 1) / 2;
        } catch (...) {
            items_.pop_back();
            throw;
        }
        if (place == items_.size() - 1) return;
        T moved = std::move(items_.back());
        std::size_t hole = items_.size() - 1;
        for (; hole != place; hole = (hole - 1) / 2) items_[hole] = std::move(items_[(hole - 1) / 2]);
        items_[hole] = std::move(moved);
    }
    T take() {
        const std::size_t last = items_.size() - 1;
        // The last item fills the hole: down to a leaf along the lesser children, then up to its place.
        std::size_t leaf = 0;
        while (2 * leaf + 1 < last) {
            std::size_t child = 2 * leaf + 1;
            if (child + 1 < last && !less_(items_[child], items_[child + 1])) ++child;
            leaf = child;
        }
        std::size_t place = leaf;
        while (place != 0 && less_(items_[last], items_[place])) place = (place - 1) / 2;
        T item = std::move(items_.front());
        if (last != 0) fill(place, last);
        items_.pop_back();
        return item;
    }
    void clear() noexcept { items_.clear(); }

  private:
    /// Moves the path from the root down to `place` one up, and the last item to `place`.
    void fill(std::size_t place, std::size_t last) {
        T carried = std::move(items_[last]);
        for (;;) {
            std::swap(carried, items_[place]);
            if (place == 0) return;  // what was at the root has been moved out
            place = (place - 1) / 2;
        }
    }

    std::vector<T> items_;
    [[no_unique_address]] Compare less_;
};

}}  // namespace asyncio::v1
