// Handle and TimerHandle: what call_soon, call_later and call_at give back.
#pragma once
#include <utility>

#include "asyncio/base/duration.hpp"
#include "asyncio/base/function.hpp"
#include "asyncio/core/detail/loop_core.hpp"

namespace asyncio { inline namespace v1 {

namespace detail {

/// A scheduled callback. The loop owns one reference until it has run or was dropped, each Handle another.
struct Callback : Timer {
    UniqueFunction<void()> function;
    std::uint64_t when_ns = 0;
    LoopCore* loop = nullptr;  // of an armed timer: where it stands
    std::uint32_t refs = 1;
    bool cancelled = false;
    bool scheduled = false;  // the loop holds its reference
    bool recycled = false;   // its memory is a block of the recycler: made and dropped on the loop's thread

    explicit Callback(UniqueFunction<void()>&& f) noexcept;
};

void release_callback(Callback* callback) noexcept;
void cancel_callback(Callback* callback) noexcept;

}  // namespace detail

/// A callback scheduled by `call_soon`. Dropping the handle does not cancel it.
///
/// Threads     loop thread only
/// Python      asyncio.Handle
class Handle {
  public:
    explicit Handle(detail::Callback* callback) noexcept : callback_(callback) { ++callback_->refs; }
    Handle(const Handle& other) noexcept : callback_(other.callback_) {
        if (callback_ != nullptr) ++callback_->refs;
    }
    Handle(Handle&& other) noexcept : callback_(std::exchange(other.callback_, nullptr)) {}
    Handle& operator=(Handle other) noexcept {
        std::swap(callback_, other.callback_);
        return *this;
    }
    ~Handle() {
        if (callback_ != nullptr) detail::release_callback(callback_);
    }

    /// The callback will not run; what it captured is destroyed now. Without effect once it has run.
    void cancel() noexcept {
        if (callback_ != nullptr) detail::cancel_callback(callback_);
    }
    bool cancelled() const noexcept { return callback_ != nullptr && callback_->cancelled; }

  protected:
    detail::Callback* callback_;
};

/// A callback scheduled by `call_later` or `call_at`.
///
/// Threads     loop thread only
/// Python      asyncio.TimerHandle
class TimerHandle : public Handle {
  public:
    using Handle::Handle;
    /// The time it is due, on the loop's clock.
    TimePoint when() const noexcept { return TimePoint(std::chrono::nanoseconds(callback_->when_ns)); }
};

}}  // namespace asyncio::v1
