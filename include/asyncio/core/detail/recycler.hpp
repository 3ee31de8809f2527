// Where coroutine frames come from: per-thread free lists, one for each size class. The classes are 16 bytes
// apart and end where malloc's own do (16 n + 8), so that no byte between two frames is wasted.
//
// A frame is asked for and given back with its size (sized operator delete), so blocks carry no header. Every
// block is an allocation of its own, so any thread may free what another one took; a thread's lists are
// emptied when it ends, and what is freed on it afterwards goes straight to the allocator.
//
// A list has a cap, so that a burst is given back. While a loop runs on the thread it may hold more for a
// while: to free a block costs more than all the rest of a task's life, so the loop does that when it has
// nothing else to do (LoopImpl::tidy_memory).
#pragma once
#include <cstddef>
#include <cstdint>

#include "asyncio/base/config.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

/// Blocks up to this size are recycled; larger ones come from the allocator each time.
inline constexpr std::size_t recycled_bytes_max = 1032;

struct FreeBlock {
    FreeBlock* next;
};

struct RecyclerClass {
    FreeBlock* head;
    std::size_t room;  // blocks that may still be put here: 0 until this thread's cache is open and after it
                       // has closed
};
inline constexpr std::size_t recycler_classes = (recycled_bytes_max - 8) / 16 + 1;

struct Recycler {
    RecyclerClass classes[recycler_classes];
    void* kept_frame;        // the frame whose memory is not to be given back: see end_frame() in loop.cpp
    std::size_t kept_bytes;  // … and its size, told by operator delete
    std::ptrdiff_t taken;    // blocks got from the allocator minus those given back to it
    bool surplus;            // some list may hold more than its cap
    std::size_t let_in[recycler_classes];  // by how many blocks `room` was raised for that
};

extern constinit thread_local Recycler recycler;

/// Class n holds blocks of 16 n + 8 bytes.
constexpr std::size_t recycler_class(std::size_t bytes) noexcept { return (bytes + 7) / 16; }
constexpr std::size_t class_bytes(std::size_t index) noexcept { return index * 16 + 8; }

/// Blocks that this thread took and has not given back: frames and futures that live, if none moved between
/// threads.
std::ptrdiff_t blocks_in_use() noexcept;

/// Bytes of the blocks that lists hold beyond their caps.
std::size_t surplus_bytes() noexcept;
/// Gives so many of these blocks back, at most.
void give_back_surplus(std::size_t blocks_max) noexcept;

ASYNCIO_COLD void* take_block_slow(std::size_t bytes);  // throws std::bad_alloc
ASYNCIO_COLD void give_block_slow(void* block, std::size_t bytes) noexcept;

#if ASYNCIO_ASAN || ASYNCIO_TSAN
// Sanitizers must see each frame as an allocation of its own. (Rounded as below: a library built without the
// sanitizer may take the block back.)
// (Not inlined: g++ 12 at -O2 would see operator new met by another delete than its own, and warn.)
ASYNCIO_NOINLINE inline void* take_block(std::size_t bytes) {
    void* const block = ::operator new(class_bytes(recycler_class(bytes)));
    ++recycler.taken;
    return block;
}
inline void give_block(void* block, std::size_t) noexcept {
    --recycler.taken;
    ::operator delete(block);
}
#else
inline void* take_block(std::size_t bytes) {
    if (bytes <= recycled_bytes_max) [[likely]] {
        RecyclerClass& list = recycler.classes[recycler_class(bytes)];
        if (FreeBlock* block = list.head) [[likely]] {
            FreeBlock* const next = block->next;
            list.head = next;
            ++list.room;
            // Many that are taken in turn have lain idle for long, and mostly lie at equal distances: a guess
            // fetches them a few steps ahead, which their chain could not.
            const auto at = reinterpret_cast<std::uintptr_t>(next);
            const std::uintptr_t step = at - reinterpret_cast<std::uintptr_t>(block);
            __builtin_prefetch(reinterpret_cast<const void*>(at + 8 * step), 1);
            return block;
        }
    }
    return take_block_slow(bytes);
}

inline void give_block(void* block, std::size_t bytes) noexcept {
    if (bytes <= recycled_bytes_max) [[likely]] {
        RecyclerClass& list = recycler.classes[recycler_class(bytes)];
        if (list.room != 0) [[likely]] {
            auto* free_block = static_cast<FreeBlock*>(block);
            free_block->next = list.head;
            list.head = free_block;
            --list.room;
            return;
        }
    }
    give_block_slow(block, bytes);
}
#endif

}}}  // namespace asyncio::v1::detail
