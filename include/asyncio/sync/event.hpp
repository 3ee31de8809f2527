// Event: a flag that tasks can wait for.
#pragma once
#include "asyncio/core/wait_queue.hpp"

namespace asyncio { inline namespace v1 {

/// A flag, false at first. `wait` waits until it is true.
///
/// Throws      RuntimeError  waited for in another loop than at first
/// Threads     loop thread
/// Lifetime    must outlive those that wait; after `set` it may go at once, even before they run
/// Python      asyncio.Event
class Event {
  public:
    class Wait;

    Event() noexcept = default;
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;

    bool is_set() const noexcept { return set_; }
    /// Makes it true and wakes all that wait, also if it is cleared before they run. Allocates nothing.
    void set() noexcept {
        if (binding_.watched()) [[unlikely]]
            return set_watched();
        do_set();
    }
    /// Makes it false.
    void clear() noexcept {
        set_ = false;
        binding_.assert_thread("Event.clear");
    }

    /// Waits until it is true.
    ///
    /// Suspends    unless it is true
    /// Cancel      no effect on the event
    /// Threads     loop thread
    /// Cost        no allocation
    Wait wait() noexcept;

  private:
    void do_set() noexcept {
        if (set_) return;
        set_ = true;
        queue_.unpark_all();
    }
    ASYNCIO_COLD void set_watched() noexcept;
    bool goes_through() const noexcept { return set_ && !binding_.runs_elsewhere(); }

    WaitQueue queue_;
    LoopBinding binding_;
    bool set_ = false;
};

/// The awaiter of `Event::wait`.
class [[nodiscard("nothing is waited for before this is awaited: co_await it")]] Event::Wait
    : public Parking<Event::Wait> {
  public:
    explicit Wait(Event& event) noexcept : Parking(kind), event_(&event) {}
    bool await_ready() const noexcept { return event_->goes_through() && may_go_on(); }
    void start() {
        if (event_->goes_through()) return yield();  // the step's budget is spent, no more
        event_->binding_.require("Event");
        park(event_->queue_);
    }
    void await_resume() const {
        if (suspended()) throw_if_cancelled();  // whoever was woken has no place any more
    }

  private:
    static constexpr WaitKind kind{"Event.wait"};
    Event* event_;
};

inline Event::Wait Event::wait() noexcept { return Wait(*this); }

}}  // namespace asyncio::v1
