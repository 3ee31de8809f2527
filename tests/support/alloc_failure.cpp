// The replaced operators. Weak, so that a test file with operators of its own may be linked in the same
// binary.
#include "support/alloc_failure.hpp"

#include <cstdlib>
#include <new>

#include "asyncio/base/config.hpp"

namespace asyncio::test {

namespace {

constinit thread_local long countdown = 0;  // refuses when it reaches 0; not positive: nothing is refused
constinit thread_local bool go_on_refusing = false;
constinit thread_local bool refused = false;
constinit thread_local int uncounted = 0;
constinit thread_local long counted = 0;

bool refuse() noexcept {
    if (uncounted != 0) return false;
    ++counted;
    if (refused && go_on_refusing) return true;
    if (countdown <= 0 || --countdown != 0) return false;
    refused = true;
    return true;
}

void* allocate(std::size_t bytes) noexcept {
    return refuse() ? nullptr : std::malloc(bytes != 0 ? bytes : 1);
}
void* allocate(std::size_t bytes, std::align_val_t alignment) noexcept {
    const auto align = static_cast<std::size_t>(alignment);
    return refuse() ? nullptr : std::aligned_alloc(align, (bytes + align) / align * align);
}
void* or_throw(void* block) {
    if (block == nullptr) throw std::bad_alloc();
    return block;
}

}  // namespace

AllocationFailure::AllocationFailure(long at, Mode mode) noexcept {
    countdown = at;
    go_on_refusing = mode == Mode::from_then_on;
    refused = false;
}
AllocationFailure::~AllocationFailure() { stop(); }
bool AllocationFailure::works() noexcept {
    static const bool replaced = [] {
        const long before = counted;
        ::operator delete(::operator new(1));
        return counted != before;
    }();
    return replaced;
}
bool AllocationFailure::happened() const noexcept { return refused; }
void AllocationFailure::stop() noexcept {
    countdown = 0;
    go_on_refusing = false;
}

long allocations() noexcept { return counted; }

AllocationsUncounted::AllocationsUncounted() noexcept { ++uncounted; }
AllocationsUncounted::~AllocationsUncounted() { --uncounted; }

}  // namespace asyncio::test

using asyncio::test::allocate;
using asyncio::test::or_throw;

// With clang's thread sanitizer the program has these operators already, and two strong ones are an error of
// the linker.
#if ASYNCIO_TSAN && defined(__clang__)
#define REPLACED_OPERATOR __attribute__((weak, noinline))
#else
#define REPLACED_OPERATOR \
    __attribute__((noinline))  // else g++ sees a free() of what operator new gave, and warns
#endif

REPLACED_OPERATOR void* operator new(std::size_t n) { return or_throw(allocate(n)); }
REPLACED_OPERATOR void* operator new[](std::size_t n) { return or_throw(allocate(n)); }
REPLACED_OPERATOR void* operator new(std::size_t n, const std::nothrow_t&) noexcept { return allocate(n); }
REPLACED_OPERATOR void* operator new[](std::size_t n, const std::nothrow_t&) noexcept { return allocate(n); }
REPLACED_OPERATOR void* operator new(std::size_t n, std::align_val_t a) { return or_throw(allocate(n, a)); }
REPLACED_OPERATOR void* operator new[](std::size_t n, std::align_val_t a) { return or_throw(allocate(n, a)); }
REPLACED_OPERATOR void* operator new(std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
    return allocate(n, a);
}
REPLACED_OPERATOR void* operator new[](std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
    return allocate(n, a);
}
REPLACED_OPERATOR void operator delete(void* block) noexcept { std::free(block); }
REPLACED_OPERATOR void operator delete[](void* block) noexcept { std::free(block); }
REPLACED_OPERATOR void operator delete(void* block, std::size_t) noexcept { std::free(block); }
REPLACED_OPERATOR void operator delete[](void* block, std::size_t) noexcept { std::free(block); }
REPLACED_OPERATOR void operator delete(void* block, const std::nothrow_t&) noexcept { std::free(block); }
REPLACED_OPERATOR void operator delete[](void* block, const std::nothrow_t&) noexcept { std::free(block); }
REPLACED_OPERATOR void operator delete(void* block, std::align_val_t) noexcept { std::free(block); }
REPLACED_OPERATOR void operator delete[](void* block, std::align_val_t) noexcept { std::free(block); }
REPLACED_OPERATOR void operator delete(void* block, std::size_t, std::align_val_t) noexcept {
    std::free(block);
}
REPLACED_OPERATOR void operator delete[](void* block, std::size_t, std::align_val_t) noexcept {
    std::free(block);
}
