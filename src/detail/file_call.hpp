// FileCall: one call of the file system, made where it does not hold up the loop: by the backend, if it takes
// such a call, else on a thread of the default executor.
//
// Who awaits one has to look twice. What the call gave counts, also if the task was cancelled meanwhile:
// bytes were written, a descriptor is open. So a cancel that came while the call was under way is not thrown
// by the await; `settle` first, then `throw_if_cancelled`.
#pragma once
#include <cstdint>
#include <memory>

#include "asyncio/core/backend.hpp"
#include "asyncio/task/detail/thread_call.hpp"
#include "detail/loop_impl.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

/// Lies in the awaiting frame, which lives until the call has ended: nobody can free what it names.
class FileCall : public ThreadCall, public Operation {
  public:
    explicit FileCall(const FileRequest& request) noexcept;
    FileCall(const FileCall&) = delete;
    FileCall& operator=(const FileCall&) = delete;

    /// True for a read of what the kernel has in memory, where it would take a thread: it is done then.
    bool await_ready() noexcept;
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h, Where where = where_here()) {
        if (enter_leaf(this, h, where)) return;
        start();
    }
    /// What the call gave, or -errno. Throws CancelledError if it was not made.
    std::int64_t await_resume();
    /// It was a read that gave less than it was asked for because the file has no more: regular files of a
    /// known size alone can tell.
    bool has_met_end(std::int64_t known_size) const noexcept {
        return !at_once_ && known_size > 0 && result < static_cast<std::int64_t>(request_.bytes) &&
               request_.offset + result >= known_size;
    }

  private:
    void start();
    static CancelAnswer cancel(Leaf* leaf) noexcept;
    static void done(Operation* operation) noexcept;
    static void run_on_thread(PoolJob* job) noexcept;
    static const LeafOps ring_ops_;

    FileRequest request_;
    bool started_ = false;
    bool at_once_ = false;
};

/// Throws a cancel that came while a FileCall was under way, which is over.
inline void throw_late_cancel() { throw_if_cancelled(current_loop->current); }

/// Calls `function` on a thread of `loop`'s pool, some time, and waits for nothing: for what is left to do
/// when its owner has gone. If it is not `loop` that runs here, or has no threads to give, it is called here
/// and now.
void call_detached(std::uint32_t loop_id, UniqueFunction<void()>&& function) noexcept;

}}}  // namespace asyncio::v1::detail
