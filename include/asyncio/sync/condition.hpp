// Condition: wait, with a lock released meanwhile, until somebody says that something has changed.
#pragma once
#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>

#include "asyncio/core/coro.hpp"
#include "asyncio/sync/lock.hpp"

namespace asyncio { inline namespace v1 {

class Condition;

namespace detail {
template <class Predicate>
Coro<std::decay_t<std::invoke_result_t<Predicate&>>> wait_until_true(Condition& condition,
                                                                     Predicate predicate);
}

/// A condition variable with its lock, its own or a given one.
///
///     co_await with(changed, [&]() -> Coro<> {
///         co_await changed.wait_for([&] { return !jobs.empty(); });
///         …
///     });
///
/// Throws      RuntimeError  wait or notify without the lock; used in another loop than at first
/// Threads     loop thread
/// Lifetime    must outlive its waiters; destroying it before is an assertion
/// Python      asyncio.Condition
class Condition {
  public:
    class Wait;
    class Scoped;

    Condition() noexcept : lock_(&own_) {}
    /// Uses `lock`, which must outlive it; several conditions may share one.
    explicit Condition(Lock& lock) noexcept : lock_(&lock) {}
    Condition(const Condition&) = delete;
    Condition& operator=(const Condition&) = delete;
    ~Condition() { ASYNCIO_ASSERT(users_ == 0, "a Condition was destroyed while tasks are in its wait()"); }

    bool locked() const noexcept { return lock_->locked(); }
    /// Acquires the lock.
    ///
    /// Suspends    as Lock::acquire
    /// Cancel      as Lock::acquire
    /// Threads     loop thread
    Lock::Acquire acquire() noexcept { return lock_->acquire(); }
    /// The same; gives a `Held<Lock>` that releases it.
    ///
    /// Suspends    as Lock::acquire
    /// Cancel      as Lock::acquire
    /// Threads     loop thread
    Lock::Scoped scoped() noexcept { return lock_->scoped(); }
    /// Throws  RuntimeError  it is not locked; this is another thread (debug mode)
    void release() {
        binding_.check_thread("Condition.release");
        lock_->release();
    }

    /// Releases the lock, waits until notified, acquires the lock again. May also return without a notify
    /// (when one was passed on by a task that was cancelled), so the caller looks again at what it waits for.
    ///
    /// Throws      RuntimeError  the lock is not held
    /// Suspends    always
    /// Cancel      comes when the lock is held again, however often it was cancelled meanwhile: the
    ///             last one's error. A notify that it may have had goes to the next
    /// Threads     loop thread
    /// Cost        no allocation
    Wait wait() noexcept;
    /// Waits until `predicate()` is true; it is called with the lock held, at once and after each notify.
    ///
    /// Returns     what the predicate returned
    /// Throws      what the predicate throws; RuntimeError as `wait`
    /// Suspends    unless the predicate is true at once
    /// Cancel      as `wait`
    /// Threads     loop thread
    template <class Predicate>
    auto wait_for(Predicate&& predicate) {
        detail::refuse_fragile_closure<Predicate>();
        using Kept =
            std::conditional_t<std::is_lvalue_reference_v<Predicate>, Predicate, std::decay_t<Predicate>>;
        return detail::wait_until_true<Kept>(*this, std::forward<Predicate>(predicate));
    }

    /// Wakes `n` of those that wait, the longest waiting first. They go on one by one, when they have the
    /// lock. Allocates nothing.
    /// Throws  RuntimeError  the lock is not held; this is another thread (debug mode)
    void notify(std::size_t n = 1) {
        binding_.check_thread("Condition.notify");
        if (!locked()) [[unlikely]]
            throw_without_lock("notify");
        while (n-- != 0) {
            if (!queue_.unpark_one()) return;
        }
    }
    /// Wakes all that wait.
    /// Throws  RuntimeError  the lock is not held
    void notify_all() { notify(static_cast<std::size_t>(-1)); }

    /// For `with`.
    ///
    /// Suspends    as Lock::acquire
    /// Cancel      as Lock::acquire
    /// Threads     loop thread
    Lock::Acquire aenter() noexcept { return lock_->acquire(); }
    ReadyLeave aexit(const std::exception_ptr&) {
        release();
        return ReadyLeave(false);
    }

  private:
    [[noreturn]] ASYNCIO_COLD static void throw_without_lock(const char* what);

    Lock own_;
    Lock* lock_;
    WaitQueue queue_;
    LoopBinding binding_;
    std::size_t users_ = 0;  // tasks in wait(), wherever they stand
};

/// The awaiter of `Condition::wait`.
class [[nodiscard("nothing is waited for before this is awaited: co_await it")]] Condition::Wait
    : public Parking<Condition::Wait> {
  public:
    explicit Wait(Condition& condition) noexcept : Parking(kind), condition_(&condition) {}
    bool await_ready() const noexcept { return false; }
    void start();
    void await_resume() {
        if (stage_ == Stage::before) return throw_if_cancelled();
        --condition_->users_;
        if (!cancel_.has_value()) [[likely]]
            return;
        condition_->queue_.unpark_one();
        throw *cancel_;
    }

  private:
    static bool go_on(WaitPlace& waiter) noexcept;
    bool go_on() noexcept;
    static const WaitKind kind;

    enum class Stage : unsigned char { before, for_notify, for_lock };

    Condition* condition_;
    std::optional<CancelledError> cancel_;  // the last one; thrown when the lock is held again
    Stage stage_ = Stage::before;
};

inline Condition::Wait Condition::wait() noexcept { return Wait(*this); }

namespace detail {

template <class Predicate>
Coro<std::decay_t<std::invoke_result_t<Predicate&>>> wait_until_true(Condition& condition,
                                                                     Predicate predicate) {
    auto result = predicate();
    while (!result) {
        co_await condition.wait();
        result = predicate();
    }
    co_return result;
}

}  // namespace detail

}}  // namespace asyncio::v1
