// The cold half of the frame recycler: opening and closing a thread's cache, and the allocator behind it.
//
// States of a thread's cache: unopened (all rooms 0, guard not made) -> open -> closed (all rooms 0 for
// ever). `room` alone says whether a block may be kept, so the hot path needs no look at the state.
#include "asyncio/core/detail/recycler.hpp"

#include "asyncio/core/detail/loop_core.hpp"

#include <iterator>
#include <new>
#include <utility>

namespace asyncio { inline namespace v1 { namespace detail {

constinit thread_local Recycler recycler{};

namespace {

/// What one size class holds for good.
constexpr std::size_t kept_bytes_per_class_max = std::size_t{4} << 20;
constexpr std::size_t blocks_more = 1024;  // a full list grows by so many at a time

constexpr std::size_t kept_max(std::size_t index) noexcept {
    return kept_bytes_per_class_max / class_bytes(index);
}

enum class Cache : unsigned char { unopened, open, closed };
constinit thread_local Cache cache_state = Cache::unopened;

/// Gives everything back when its thread ends.
struct CacheGuard {
    CacheGuard() noexcept {
        for (std::size_t i = 1; i < std::size(recycler.classes); ++i) {
            recycler.classes[i].room = kept_max(i);
        }
        cache_state = Cache::open;
    }
    ~CacheGuard() {
        cache_state = Cache::closed;
        for (std::size_t i = 0; i < std::size(recycler.classes); ++i) {
            RecyclerClass& list = recycler.classes[i];
            list.room = recycler.let_in[i] = 0;
            while (FreeBlock* block = list.head) {
                list.head = block->next;
                ::operator delete(block);
            }
        }
    }
    void touch() noexcept {}
};

void open_cache() noexcept {
    // A thread_local object of a function: made here, on the first block of this thread, destroyed when it
    // ends.
    static thread_local CacheGuard guard;
    guard.touch();
}

}  // namespace

std::ptrdiff_t blocks_in_use() noexcept {
    std::ptrdiff_t kept = 0;
    if (cache_state == Cache::open) {
        for (std::size_t i = 1; i < std::size(recycler.classes); ++i) {
            kept += static_cast<std::ptrdiff_t>(kept_max(i) + recycler.let_in[i] - recycler.classes[i].room);
        }
    }
    return recycler.taken - kept;
}

void* take_block_slow(std::size_t bytes) {
    if (cache_state == Cache::unopened) open_cache();
    // The whole class is asked for, so that the block fits every later request of its class.
    void* const block =
        ::operator new(bytes <= recycled_bytes_max ? class_bytes(recycler_class(bytes)) : bytes);
    ++recycler.taken;
    return block;
}

void give_block_slow(void* block, std::size_t bytes) noexcept {
    if (bytes <= recycled_bytes_max) {
        if (cache_state == Cache::unopened) {
            open_cache();
            return give_block(block, bytes);
        }
        if (cache_state == Cache::open && current_loop != nullptr) {
            recycler.classes[recycler_class(bytes)].room += blocks_more;
            recycler.let_in[recycler_class(bytes)] += blocks_more;
            recycler.surplus = true;
            return give_block(block, bytes);
        }
    }
    --recycler.taken;
    ::operator delete(block);
}

std::size_t surplus_bytes() noexcept {
    std::size_t bytes = 0;
    for (std::size_t i = 1; i < std::size(recycler.classes); ++i) {
        const std::size_t room = recycler.classes[i].room;
        if (recycler.let_in[i] > room) bytes += (recycler.let_in[i] - room) * class_bytes(i);
    }
    return bytes;
}

void give_back_surplus(std::size_t blocks_max) noexcept {
    for (std::size_t i = 1; recycler.surplus && i < std::size(recycler.classes); ++i) {
        RecyclerClass& list = recycler.classes[i];
        std::size_t& let_in = recycler.let_in[i];
        for (; let_in > list.room; ++list.room, --blocks_max) {
            if (blocks_max == 0) return;
            FreeBlock* const block = list.head;
            list.head = block->next;
            --recycler.taken;
            ::operator delete(block);
        }
        list.room -= std::exchange(let_in, 0);
    }
    recycler.surplus = false;
}

}}}  // namespace asyncio::v1::detail
