// HomeLoop: the event loop that a session belongs to.
#pragma once

#include <optional>
#include <utility>

#include "asyncio/base/error.hpp"
#include "asyncio/core/event_loop.hpp"
#include "asyncio/core/loop_handle.hpp"

namespace asyncio { inline namespace v1 { namespace http { namespace detail {

/// The loop of a session's first request. Its connections, its timer and whoever waits for them are that
/// loop's.
///
/// A session may outlive its loop, so no loop is looked at that may be gone: the handle, which outlives it,
/// says whether it is. An address alone would not do, since the next loop is often made at the same one.
class HomeLoop {
  public:
    /// Makes the running loop the home if there is none yet.
    ///
    /// Throws  RuntimeError  no loop is running
    void settle() {
        if (handle_) return;
        EventLoop& running = get_running_loop();
        handle_.emplace(running.remote());
        address_ = &running;
    }

    /// Why nothing can be done here; null: the home is the running loop.
    const char* refusal() const noexcept {
        if (handle_ && handle_->is_closed())
            return "the event loop of this ClientSession has been closed: make a session inside each run";
        if (handle_ && address_ != running_loop())
            return "this ClientSession belongs to another event loop: make one for each loop";
        return nullptr;
    }

    /// There is one, and it is not closed.
    bool is_open() const noexcept { return handle_ && !handle_->is_closed(); }
    bool is_running_here() const noexcept { return is_open() && address_ == running_loop(); }

    /// Calls the function on the home, in its turn.
    ///
    /// Throws  RuntimeError  it is closed; std::bad_alloc
    template <class F>
    void post(F&& function) const {
        handle_->call_soon_threadsafe(std::forward<F>(function));
    }

  private:
    static const EventLoop* running_loop() noexcept {
        try {
            return &get_running_loop();
        } catch (const RuntimeError&) {
            return nullptr;
        }
    }

    std::optional<LoopHandle> handle_;
    const EventLoop* address_ = nullptr;  // of the loop, while the handle is open
};

}}}}  // namespace asyncio::v1::http::detail
