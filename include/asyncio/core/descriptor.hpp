// wait_readable and wait_writable: for descriptors that the program has opened itself.
#pragma once
#include <coroutine>
#include <cstdint>

#include "asyncio/core/backend.hpp"
#include "asyncio/core/detail/loop_core.hpp"

namespace asyncio { inline namespace v1 {

namespace detail {

/// Which end of a descriptor somebody waits for.
enum class Direction : std::uint8_t { reading, writing };

/// See wait_readable.
class [[nodiscard("nothing is waited for before this is awaited: co_await it")]] DescriptorWait
    : public Leaf,
      private Operation {
  public:
    using LooseAwaitableTag = void;
    DescriptorWait(int fd, Direction direction) noexcept;
    /// Before it is awaited.
    DescriptorWait(DescriptorWait&& other) noexcept;
    ~DescriptorWait();

    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h, Where where = where_here()) {
        if (enter_leaf(this, h, where)) return;
        start();
    }
    void await_resume();

  private:
    Direction direction() const noexcept {
        return kind == OperationKind::wait_readable ? Direction::reading : Direction::writing;
    }
    void start();
    static CancelAnswer cancel(Leaf* leaf) noexcept;
    static void ready(Operation* operation) noexcept;
    static const LeafOps reading_ops_;
    static const LeafOps writing_ops_;

    bool claimed_ = false;
};

}  // namespace detail

/// Waits until `fd` can be read without blocking, or has an error or hang-up that a read would tell of. Any
/// descriptor that can be polled: sockets, pipes, eventfds, those of C libraries.
///
/// Throws      OSError       it is closed, or of a kind that is always ready (a file: PermissionError)
///             RuntimeError  it belongs to a stream, or somebody else waits for the same
/// Suspends    always
/// Cancel      no effect on the descriptor
/// Threads     loop thread
/// Lifetime    the descriptor stays the caller's, and open until the wait has ended
/// Python      none; loop.add_reader. Trio's lowlevel.wait_readable
/// See         poll(2)
inline detail::DescriptorWait wait_readable(int fd) noexcept {
    return detail::DescriptorWait(fd, detail::Direction::reading);
}
/// The same for writing.
///
/// Suspends    always
/// Cancel      no effect on the descriptor
/// Threads     loop thread
inline detail::DescriptorWait wait_writable(int fd) noexcept {
    return detail::DescriptorWait(fd, detail::Direction::writing);
}

}}  // namespace asyncio::v1
