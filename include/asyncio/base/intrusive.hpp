#pragma once

#include <cstddef>
#include <cstring>
#include <utility>

#include "asyncio/base/assert.hpp"

// Lists whose links lie inside the elements: nothing is allocated, nothing is owned, all of it is noexcept.
// An element stays where it is while it is linked, and leaves its list before it dies.

namespace asyncio { inline namespace v1 {

template <class T, auto Hook>
class IntrusiveList;

/// The link of an element of an IntrusiveList: a member of the element.
class ListHook {
  public:
    ListHook() noexcept = default;
    ListHook(const ListHook&) = delete;
    ListHook& operator=(const ListHook&) = delete;
    ~ListHook() { ASYNCIO_ASSERT(!is_linked(), "a list element dies while it is in its list"); }

    bool is_linked() const noexcept { return next_ != nullptr; }

    /// Leaves the list, which need not be known. The element must be in one.
    ///
    /// Cost        O(1)
    void unlink() noexcept {
        ASYNCIO_ASSERT(is_linked());
        ASYNCIO_ASSERT(next_->prev_ == this);
        ASYNCIO_ASSERT(prev_->next_ == this);
        prev_->next_ = next_;
        next_->prev_ = prev_;
        prev_ = next_ = nullptr;
    }
    /// Leaves the list if there is one; says whether there was.
    bool unlink_if_linked() noexcept {
        if (!is_linked()) {
            return false;
        }
        unlink();
        return true;
    }

  private:
    template <class T, auto Hook>
    friend class IntrusiveList;

    void link_before(ListHook& position) noexcept {
        ASYNCIO_ASSERT(!is_linked(), "a list element is in one list at a time");
        prev_ = position.prev_;
        next_ = &position;
        prev_->next_ = this;
        next_->prev_ = this;
    }

    // Both null: not linked. Else a circle through the list's own hook.
    ListHook* prev_ = nullptr;
    ListHook* next_ = nullptr;
};

/// A circular, doubly linked list: `IntrusiveList<Waiter, &Waiter::hook>` with `ListHook hook;` in Waiter.
///
/// Threads     one
/// Cost        every member is O(1), but `clear` and `size`
template <class T, auto Hook>
class IntrusiveList {
  public:
    /// Forward only. Erase the element at hand by stepping first: `T& x = *it++; x.hook.unlink();`.
    class Iterator {
      public:
        using value_type = T;
        using difference_type = std::ptrdiff_t;

        Iterator() noexcept = default;
        explicit Iterator(ListHook* at) noexcept : at_(at) {}
        T& operator*() const noexcept { return owner(*at_); }
        T* operator->() const noexcept { return &owner(*at_); }
        Iterator& operator++() noexcept {
            at_ = at_->next_;
            ASYNCIO_ASSERT(at_ != nullptr, "the element under an iterator left its list");
            return *this;
        }
        Iterator operator++(int) noexcept {
            Iterator old = *this;
            ++*this;
            return old;
        }
        friend bool operator==(Iterator, Iterator) noexcept = default;

      private:
        ListHook* at_ = nullptr;
    };

    IntrusiveList() noexcept { reset(); }
    IntrusiveList(IntrusiveList&& other) noexcept {
        reset();
        splice_back(other);
    }
    IntrusiveList& operator=(IntrusiveList&&) = delete;
    ~IntrusiveList() {
        ASYNCIO_ASSERT(empty(), "a list dies while elements are in it");
        head_.prev_ = head_.next_ = nullptr;
    }

    bool empty() const noexcept { return head_.next_ == &head_; }
    /// Cost        O(n)
    std::size_t size() const noexcept {
        std::size_t count = 0;
        for (const ListHook* at = head_.next_; at != &head_; at = at->next_) {
            ++count;
        }
        return count;
    }

    void push_back(T& element) noexcept { (element.*Hook).link_before(head_); }
    void push_front(T& element) noexcept { (element.*Hook).link_before(*head_.next_); }
    /// Puts `element` before `position`, which is in this list.
    static void insert_before(T& position, T& element) noexcept {
        ASYNCIO_ASSERT((position.*Hook).is_linked());
        (element.*Hook).link_before(position.*Hook);
    }

    T& front() noexcept {
        ASYNCIO_ASSERT(!empty());
        return owner(*head_.next_);
    }
    T& back() noexcept {
        ASYNCIO_ASSERT(!empty());
        return owner(*head_.prev_);
    }
    /// Takes the first element out; null if there is none.
    T* pop_front() noexcept {
        if (empty()) {
            return nullptr;
        }
        T& first = front();
        (first.*Hook).unlink();
        return &first;
    }
    /// Takes `element` out of the list that it is in.
    static void erase(T& element) noexcept { (element.*Hook).unlink(); }

    /// Moves all of `other` to the end of this list.
    void splice_back(IntrusiveList& other) noexcept {
        if (other.empty() || this == &other) {
            return;
        }
        ListHook* first = other.head_.next_;
        ListHook* last = other.head_.prev_;
        other.reset();
        first->prev_ = head_.prev_;
        head_.prev_->next_ = first;
        last->next_ = &head_;
        head_.prev_ = last;
    }
    /// Takes every element out.
    void clear() noexcept {
        while (pop_front() != nullptr) {}
    }

    Iterator begin() noexcept { return Iterator(head_.next_); }
    Iterator end() noexcept { return Iterator(&head_); }

  private:
    void reset() noexcept { head_.prev_ = head_.next_ = &head_; }

    static T& owner(ListHook& hook) noexcept {
        // A pointer to a data member is the member's offset in the Itanium ABI, which every compiler here
        // uses.
        ListHook T::* const member = Hook;
        static_assert(sizeof member == sizeof(std::ptrdiff_t));
        std::ptrdiff_t offset;
        std::memcpy(&offset, &member, sizeof offset);
        return *reinterpret_cast<T*>(reinterpret_cast<char*>(&hook) - offset);
    }

    ListHook head_;
};

}}  // namespace asyncio::v1
