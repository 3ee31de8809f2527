// Makes `operator new` of this thread fail on demand. The replaced operators are in alloc_failure.cpp.
#pragma once

namespace asyncio::test {

/// While it lives, the `at`-th allocation of this thread (1: the next one) throws std::bad_alloc; with
/// `from_then_on`, so do all that follow. Counts operator new in all its forms; malloc goes on working.
class AllocationFailure {
  public:
    enum class Mode { once, from_then_on };

    explicit AllocationFailure(long at, Mode mode = Mode::once) noexcept;
    AllocationFailure(const AllocationFailure&) = delete;
    AllocationFailure& operator=(const AllocationFailure&) = delete;
    ~AllocationFailure();

    /// False with clang's thread sanitizer, whose own operators cannot be replaced: nothing is refused there.
    static bool works() noexcept;

    /// Whether an allocation was refused.
    bool happened() const noexcept;
    /// Ends the failing before this object goes.
    void stop() noexcept;
};

/// Allocations of this thread so far.
long allocations() noexcept;

/// While it lives, allocations of this thread are neither counted nor refused: for what belongs to the test.
class AllocationsUncounted {
  public:
    AllocationsUncounted() noexcept;
    AllocationsUncounted(const AllocationsUncounted&) = delete;
    AllocationsUncounted& operator=(const AllocationsUncounted&) = delete;
    ~AllocationsUncounted();
};

}  // namespace asyncio::test
