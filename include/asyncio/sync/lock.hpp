// Lock: one task at a time.
#pragma once
#include "asyncio/core/wait_queue.hpp"
#include "asyncio/sync/held.hpp"
#include "asyncio/task/with.hpp"

namespace asyncio { inline namespace v1 {

/// A mutual exclusion of tasks: whoever has acquired it is alone until it is released. First come, first
/// served: nobody passes by those who wait.
///
///     co_await with(lock, [&]() -> Coro<> { … });        // Python's `async with lock:`
///     auto held = co_await lock.scoped();                 // the same, to the end of the C++ scope
///
/// It knows no owner: any task may release it, and one that acquires it twice waits for itself.
///
/// Throws      RuntimeError  acquired by a task of another loop than the first that had to wait
/// Threads     loop thread
/// Lifetime    must outlive its waiters; destroying it before is an assertion
/// Python      asyncio.Lock
class Lock {
  public:
    class Acquire;
    class Scoped;

    Lock() noexcept = default;
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;

    bool locked() const noexcept { return locked_; }
    /// Waits until it is unlocked and nobody waits longer, and locks it.
    ///
    /// Suspends    unless it is unlocked and nobody waits
    /// Cancel      it is not acquired; if it was this task's turn, the next one has it
    /// Threads     loop thread
    /// Cost        no allocation
    Acquire acquire() noexcept;
    /// The same; gives a `Held<Lock>` that releases it.
    ///
    /// Suspends    as acquire
    /// Cancel      as acquire
    /// Threads     loop thread
    Scoped scoped() noexcept;
    /// Unlocks it and wakes the first that waits. Allocates nothing.
    /// Throws  RuntimeError  it is not locked; this is another thread (debug mode)
    void release() {
        if (binding_.watched()) [[unlikely]]
            return release_watched();
        do_release();
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

  private:
    friend class Condition;

    bool try_acquire() noexcept {
        if (binding_.watched()) [[unlikely]]
            return try_acquire_watched();
        return do_try_acquire();
    }
    bool do_try_acquire() noexcept {
        if (locked_ || !queue_.idle()) return false;
        locked_ = true;
        return true;
    }
    void do_release() {
        if (!locked_) [[unlikely]]
            throw_not_locked();
        locked_ = false;
        wake_first();
    }
    ASYNCIO_COLD bool try_acquire_watched() noexcept;
    ASYNCIO_COLD void release_watched();
    /// Whoever is in front may go on, if its turn is not set already.
    void wake_first() noexcept {
        if (queue_.front_waits()) queue_.unpark_one();
    }
    /// A waiter has its turn: it is now the owner, or, cancelled, sees to it that somebody else will be.
    void take_turn(WaitPlace& waiter) noexcept;
    [[noreturn]] ASYNCIO_COLD static void throw_not_locked();

    // A cancelled waiter keeps its place until its turn, in which it passes a release on: as in Python, where
    // this decides in which pass of the loop the next one goes on.
    WaitQueue queue_{WaitQueue::Cancelled::stays};
    LoopBinding binding_;
    bool locked_ = false;
};

/// The awaiter of `Lock::acquire`.
class [[nodiscard("nothing is acquired before this is awaited: co_await it")]] Lock::Acquire
    : public Parking<Lock::Acquire> {
  public:
    explicit Acquire(Lock& lock) noexcept : Parking(kind), lock_(&lock) {}
    bool await_ready() const noexcept { return may_go_on() && lock_->try_acquire(); }
    void start();
    void await_resume() {
        if (!suspended()) [[likely]]
            return;
        lock_->take_turn(*this);
        throw_if_cancelled();
    }

  protected:
    Lock& lock() const noexcept { return *lock_; }

  private:
    static constexpr WaitKind kind{"Lock.acquire"};
    Lock* lock_;
};

/// The awaiter of `Lock::scoped`.
class [[nodiscard("nothing is acquired before this is awaited: co_await it")]] Lock::Scoped : public Acquire {
  public:
    using Acquire::Acquire;
    Held<Lock> await_resume() {
        Acquire::await_resume();
        return Held<Lock>(lock());
    }
};

inline Lock::Acquire Lock::acquire() noexcept { return Acquire(*this); }
inline Lock::Scoped Lock::scoped() noexcept { return Scoped(*this); }
inline Lock::Acquire Lock::aenter() noexcept { return Acquire(*this); }

}}  // namespace asyncio::v1
