// Barrier: tasks wait for each other until so many have come.
#pragma once
#include <cstddef>
#include <optional>

#include "asyncio/core/wait_queue.hpp"
#include "asyncio/task/with.hpp"

namespace asyncio { inline namespace v1 {

/// Lets tasks go on when `parties` of them have come, again and again. Those that come while one lot is
/// leaving wait until all of that have left.
///
/// Throws      RuntimeError  waited at in another loop than at first
/// Threads     loop thread
/// Lifetime    must outlive those that wait for others to come; destroying it before is an assertion. Those
///             that were let go, or cancelled, need it no more: the last to come may destroy it at once
/// Python      asyncio.Barrier
class Barrier {
  public:
    class Wait;
    class Change;

    /// Throws  ValueError  parties is less than 1
    explicit Barrier(std::ptrdiff_t parties);
    ~Barrier() {
        if (queue_.front() != nullptr) let_go();
    }
    Barrier(const Barrier&) = delete;
    Barrier& operator=(const Barrier&) = delete;

    std::size_t parties() const noexcept { return parties_; }
    /// How many have come so far and wait for the rest.
    std::size_t n_waiting() const noexcept { return phase_ == Phase::filling ? count_ : 0; }
    bool broken() const noexcept { return phase_ == Phase::broken; }

    /// Waits until `parties` tasks are here.
    ///
    /// Returns     a number from 0 to parties - 1, another for each of them: the order of coming
    /// Throws      BrokenBarrierError  it was aborted, or reset while this task waited
    /// Suspends    unless it is the last to come
    /// Cancel      the task counts no longer
    /// Threads     loop thread
    /// Cost        no allocation
    Wait wait() noexcept;
    /// Empties it: those that wait get BrokenBarrierError; a broken one is whole again.
    ///
    /// Suspends    never, but by the step's budget
    /// Cancel      nothing is changed
    /// Threads     loop thread
    Change reset() noexcept;
    /// Breaks it: those that wait, and that come until it is reset, get BrokenBarrierError.
    ///
    /// Suspends    never, but by the step's budget
    /// Cancel      nothing is changed
    /// Threads     loop thread
    Change abort() noexcept;

    /// For `with`: waits; the body is given the number. Leaving the scope does nothing.
    ///
    /// Suspends    as wait
    /// Cancel      as wait
    /// Threads     loop thread
    Wait aenter() noexcept;
    ReadyLeave aexit(const std::exception_ptr&) noexcept { return ReadyLeave(false); }

  private:
    // filling -> draining (the last has come) -> filling (all have left). resetting: like draining, but they
    // leave with an error. broken: until reset.
    enum class Phase : unsigned char { filling, draining, resetting, broken };

    void do_reset() noexcept;
    void do_abort() noexcept;
    void leave() noexcept;
    void wake_all() noexcept;
    void let_go() noexcept;

    // Who is woken, or cancelled, keeps its place until its turn, so that the destructor finds it.
    WaitQueue queue_{WaitQueue::Cancelled::stays};
    LoopBinding binding_;
    std::size_t parties_;
    std::size_t count_ = 0;  // tasks that have come and not left
    Phase phase_ = Phase::filling;
};

/// The awaiter of `Barrier::wait`.
class [[nodiscard("nothing is waited for before this is awaited: co_await it")]] Barrier::Wait
    : public Parking<Barrier::Wait> {
  public:
    explicit Wait(Barrier& barrier) noexcept : Parking(kind), barrier_(&barrier) {}
    bool await_ready() noexcept { return goes_through() && may_go_on() && arrive(); }
    void start();
    std::size_t await_resume() {
        if (stage_ != Stage::passed) [[unlikely]]
            fail();
        return index_;
    }

  private:
    friend class Barrier;
    // before -> outside (others are leaving) -> inside (for the rest to come) -> one of the others
    enum class Stage : unsigned char { before, outside, inside, passed, aborted, reset, cancelled };

    /// It would not have to wait.
    bool goes_through() const noexcept {
        return (barrier_->phase_ == Phase::broken ||
                (barrier_->phase_ == Phase::filling && barrier_->count_ + 1 == barrier_->parties_)) &&
               !barrier_->binding_.runs_elsewhere();
    }
    bool arrive() noexcept;
    bool end(Stage stage) noexcept;
    Stage verdict() const noexcept;
    bool let_go() noexcept;
    bool go_on() noexcept;
    static bool go_on(WaitPlace& waiter) noexcept;
    [[noreturn]] ASYNCIO_COLD void fail();
    static const WaitKind kind;

    Barrier* barrier_;  // null: it has gone, and this was let go
    std::size_t index_ = 0;
    std::optional<CancelledError> cancel_;
    Stage stage_ = Stage::before;
};

/// The awaiter of `Barrier::reset` and `abort`, which in Python are coroutines.
class [[nodiscard("nothing happens before this is awaited: co_await it")]] Barrier::Change
    : public Parking<Barrier::Change> {
  public:
    Change(Barrier& barrier, void (Barrier::*change)() noexcept) noexcept
        : Parking(kind), barrier_(&barrier), change_(change) {}
    bool await_ready() const noexcept { return may_go_on(); }
    void start() noexcept { yield(); }
    void await_resume() {
        if (suspended()) throw_if_cancelled();
        barrier_->binding_.check_thread("Barrier.reset or abort");
        (barrier_->*change_)();
    }

  private:
    static constexpr WaitKind kind{"Barrier.reset"};
    Barrier* barrier_;
    void (Barrier::*change_)() noexcept;
};

inline Barrier::Wait Barrier::wait() noexcept { return Wait(*this); }
inline Barrier::Wait Barrier::aenter() noexcept { return Wait(*this); }
inline Barrier::Change Barrier::reset() noexcept { return Change(*this, &Barrier::do_reset); }
inline Barrier::Change Barrier::abort() noexcept { return Change(*this, &Barrier::do_abort); }

}}  // namespace asyncio::v1
