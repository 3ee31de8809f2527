// Semaphore and BoundedSemaphore: so many tasks at a time.
#pragma once
#include <cstddef>

#include "asyncio/core/wait_queue.hpp"
#include "asyncio/sync/held.hpp"
#include "asyncio/task/with.hpp"

namespace asyncio { inline namespace v1 {

/// A counter that `acquire` lowers and `release` raises; at 0, acquire waits. First come, first served:
/// nobody passes by those who wait.
///
///     Semaphore limit(10);
///     co_await with(limit, [&]() -> Coro<> { … });        // ten at a time
///     auto held = co_await limit.scoped();                 // the same, to the end of the C++ scope
///
/// Throws      RuntimeError  acquired by a task of another loop than the first that had to wait
/// Threads     loop thread
/// Lifetime    must outlive its waiters; destroying it before is an assertion
/// Python      asyncio.Semaphore
class Semaphore {
  public:
    class Acquire;
    class Scoped;

    /// Throws  ValueError  value is negative
    explicit Semaphore(std::ptrdiff_t value = 1) : Semaphore(value, unbounded) {}
    Semaphore(const Semaphore&) = delete;
    Semaphore& operator=(const Semaphore&) = delete;

    /// An acquire would have to wait: the counter is 0, or others are before it.
    bool locked() const noexcept { return value_ == 0 || !queue_.idle(); }
    /// Waits until the counter is above 0 and nobody waits longer, and lowers it.
    ///
    /// Suspends    only if locked()
    /// Cancel      nothing is acquired; if it was this task's turn, the next one has it
    /// Threads     loop thread
    /// Cost        no allocation
    Acquire acquire() noexcept;
    /// The same; gives a `Held<Semaphore>` that releases it.
    ///
    /// Suspends    as acquire
    /// Cancel      as acquire
    /// Threads     loop thread
    Scoped scoped() noexcept;
    /// Raises the counter, or rather wakes the first that waits. Allocates nothing.
    /// Throws  ValueError  a BoundedSemaphore is released more often than acquired
    ///         RuntimeError  this is another thread (debug mode)
    void release() {
        binding_.check_thread("Semaphore.release");
        if (value_ >= bound_) [[unlikely]]
            throw_over_release();
        ++value_;
        wake_next();
    }

    /// For `with`.
    ///
    /// Suspends    as acquire
    /// Cancel      as acquire
    /// Threads     loop thread
    Acquire aenter() noexcept;
    ReadyLeave aexit(const std::exception_ptr&) {
        release();
        return ReadyLeave(false);
    }

  protected:
    static constexpr std::size_t unbounded = static_cast<std::size_t>(-1);
    Semaphore(std::ptrdiff_t value, std::size_t bound)
        : value_(static_cast<std::size_t>(value)), bound_(bound) {
        if (value < 0) throw_negative();
    }

  private:
    bool try_acquire() noexcept {
        if (locked() || binding_.runs_elsewhere()) return false;
        --value_;
        return true;
    }
    /// The counter is above 0: lowers it for the first that waits.
    bool wake_next() noexcept {
        if (!queue_.unpark_one()) return false;
        --value_;
        return true;
    }
    void take_turn(WaitPlace& waiter) noexcept;
    [[noreturn]] ASYNCIO_COLD static void throw_over_release();
    [[noreturn]] ASYNCIO_COLD static void throw_negative();

    WaitQueue queue_;
    LoopBinding binding_;
    std::size_t value_;
    std::size_t bound_;
};

/// A Semaphore that may not be released more often than it was acquired.
///
/// Threads     loop thread
/// Python      asyncio.BoundedSemaphore
class BoundedSemaphore : public Semaphore {
  public:
    /// Throws  ValueError  value is negative
    explicit BoundedSemaphore(std::ptrdiff_t value = 1) : Semaphore(value, static_cast<std::size_t>(value)) {}
};

/// The awaiter of `Semaphore::acquire`.
class [[nodiscard("nothing is acquired before this is awaited: co_await it")]] Semaphore::Acquire
    : public Parking<Semaphore::Acquire> {
  public:
    explicit Acquire(Semaphore& semaphore) noexcept : Parking(kind), semaphore_(&semaphore) {}
    bool await_ready() const noexcept { return may_go_on() && semaphore_->try_acquire(); }
    void start();
    void await_resume() {
        if (!suspended()) [[likely]]
            return;
        semaphore_->take_turn(*this);
        throw_if_cancelled();
    }

  protected:
    Semaphore& semaphore() const noexcept { return *semaphore_; }

  private:
    static constexpr WaitKind kind{"Semaphore.acquire"};
    Semaphore* semaphore_;
};

/// The awaiter of `Semaphore::scoped`.
class [[nodiscard("nothing is acquired before this is awaited: co_await it")]] Semaphore::Scoped
    : public Acquire {
  public:
    using Acquire::Acquire;
    Held<Semaphore> await_resume() {
        Acquire::await_resume();
        return Held<Semaphore>(semaphore());
    }
};

inline Semaphore::Acquire Semaphore::acquire() noexcept { return Acquire(*this); }
inline Semaphore::Scoped Semaphore::scoped() noexcept { return Scoped(*this); }
inline Semaphore::Acquire Semaphore::aenter() noexcept { return Acquire(*this); }

}}  // namespace asyncio::v1
