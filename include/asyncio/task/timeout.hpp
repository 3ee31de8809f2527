// timeout and timeout_at: a limit on how long a block may take.
#pragma once
#include <exception>
#include <optional>

#include "asyncio/base/duration.hpp"
#include "asyncio/base/error.hpp"
#include "asyncio/core/event_loop.hpp"
#include "asyncio/task/detail/ready.hpp"

namespace asyncio { inline namespace v1 {

namespace detail {

/// Cancels a task at a deadline; remembers its own request, to take exactly that one back. No frame, no task.
struct Alarm : Timer {
    PromiseBase* task = nullptr;
    std::uint16_t cancels_at_entry = 0;
    bool fired = false;
    CancelRequest request{};

    Alarm() noexcept : Timer(&ops_) {}
    void watch(PromiseBase* watched) noexcept {
        task = watched;
        cancels_at_entry = watched->cancels;
    }
    /// Due at `when` (ns), or in its turn now if that is past. Throws std::bad_alloc.
    void arm(LoopCore* loop, std::uint64_t when) {
        if (when <= now_ns(loop)) {
            queue_timer(loop, this);
        } else if (when != no_deadline) {
            arm_timer(loop, this, when);
        }
    }
    void disarm() noexcept {
        if (armed()) disarm_timer(current_loop, this);
    }
    /// After the watched block has ended: true if the CancelledError that comes out of it is this alarm's.
    bool take_back() noexcept { return fired && withdraw_cancel(task, request) <= cancels_at_entry; }

    /// Instead of watching a task: resumes the coroutine that waits on this leaf after one turn more than
    /// usual.
    std::uint8_t turns_to_wait = 0;

  private:
    void pass_turn() noexcept {
        if (turns_to_wait == 0) return wake(this);
        --turns_to_wait;
        queue_timer(current_loop, this);  // finds room: its own entry was just taken out
    }
    /// Of a task that waits on this leaf: no more turns.
    static CancelAnswer cancel(Leaf* leaf) noexcept {
        static_cast<Alarm*>(leaf)->disarm();
        return CancelAnswer::resume;
    }
    static void ring(Leaf* leaf) noexcept {
        auto* const alarm = static_cast<Alarm*>(leaf);
        if (alarm->task == nullptr) return alarm->pass_turn();
        alarm->fired = true;
        alarm->request = request_cancel(alarm->task);
    }
    static constexpr LeafOps ops_{&cancel, &ring, "timeout"};
};

}  // namespace detail

/// The scope that `timeout` gives: used with `with`, once.
///
/// Threads     loop thread only
/// Python      asyncio.Timeout
class Timeout {
  public:
    /// No limit until `reschedule` if `when` is TimePoint::max().
    explicit Timeout(TimePoint when) noexcept : when_(when) {}
    explicit Timeout(Duration delay) noexcept : delay_(delay) {}
    Timeout(Timeout&& other) noexcept : delay_(other.delay_), when_(other.when_) {}
    Timeout& operator=(Timeout&&) = delete;
    ~Timeout() { alarm_.disarm(); }

    /// The deadline; TimePoint::max() if there is none.
    TimePoint when() const noexcept { return when_; }
    /// Moves the deadline; one that is past fires in the loop's next turn.
    /// Throws  RuntimeError  the scope is not entered, has expired or ended; std::bad_alloc
    void reschedule(TimePoint when);
    /// The deadline has passed and the block was cancelled for it.
    bool expired() const noexcept { return state() == State::expiring || state() == State::expired; }

    /// Throws  RuntimeError  entered twice, or outside of a task
    detail::Ready aenter();
    /// Throws  TimeoutError  in place of the CancelledError that this scope caused
    ///         RuntimeError  not entered, or left already
    detail::ReadyBool aexit(const std::exception_ptr& error);

  private:
    // created -> active (aenter) -> expiring (the alarm rang) -> expired (aexit); active -> finished (aexit
    // in time)
    enum class State : unsigned char { created, active, expiring, expired, finished };
    State state() const noexcept {
        return state_ == State::active && alarm_.fired ? State::expiring : state_;
    }

    Duration delay_ = Duration::none();
    TimePoint when_ = TimePoint::max();
    State state_ = State::created;
    detail::Alarm alarm_;
};

/// Limits a block to `delay`: `co_await with(timeout(2s), [&](Timeout&) -> Coro<> { … })`. When the time is
/// up the block is cancelled, and the CancelledError that leaves it becomes TimeoutError. Duration::none() is
/// no limit.
///
/// Throws      TimeoutError  from `with`, after the deadline
/// Suspends    never by itself
/// Cancel      a cancel from outside passes through as CancelledError, also when both happen
/// Threads     loop thread
/// Cost        no allocation
/// Python      asyncio.timeout
inline Timeout timeout(Duration delay) noexcept { return Timeout(delay); }

/// Limits a block to the time before `when`, on the loop's clock.
///
/// Throws      TimeoutError  from `with`, after the deadline
/// Suspends    never by itself
/// Cancel      as `timeout`
/// Threads     loop thread
/// Python      asyncio.timeout_at
inline Timeout timeout_at(TimePoint when) noexcept { return Timeout(when); }

}}  // namespace asyncio::v1
