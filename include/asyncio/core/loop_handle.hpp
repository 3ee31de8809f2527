// LoopHandle: what other threads hold of a loop.
#pragma once
#include <memory>
#include <utility>

#include "asyncio/core/event_loop.hpp"

namespace asyncio { inline namespace v1 {

namespace detail {
struct RemoteState;
void post_remote(RemoteState& remote, UniqueFunction<void()>&& function, const Context* context);
bool remote_is_open(const RemoteState& remote) noexcept;
}  // namespace detail

/// A handle to a loop for other threads: copyable, may outlive the loop. `loop.remote()` makes one.
///
/// Threads     any thread
/// Python      the loop itself, of which only call_soon_threadsafe may be used
class LoopHandle {
  public:
    explicit LoopHandle(std::shared_ptr<detail::RemoteState> state) noexcept : state_(std::move(state)) {}

    /// Calls `function(args…)` on the loop's thread. What is accepted is run or destroyed exactly once,
    /// there.
    /// Throws  RuntimeError  "event loop is closed"
    /// Threads any thread
    template <class F, class... Args>
    void call_soon_threadsafe(F&& function, Args&&... args) const {
        detail::post_remote(*state_, detail::bind(std::forward<F>(function), std::forward<Args>(args)...),
                            nullptr);
    }
    template <class F, class... Args>
    void call_soon_threadsafe(const ContextOptions& options, F&& function, Args&&... args) const {
        detail::post_remote(*state_, detail::bind(std::forward<F>(function), std::forward<Args>(args)...),
                            options.context);
    }
    /// True once the loop refuses calls. It may close right after this returned false.
    bool is_closed() const noexcept { return !detail::remote_is_open(*state_); }

  private:
    std::shared_ptr<detail::RemoteState> state_;
};

}}  // namespace asyncio::v1
