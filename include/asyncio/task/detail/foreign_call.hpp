// Waiting for something that ends elsewhere: on a thread of a pool, in another library.
#pragma once
#include <atomic>
#include <memory>

#include "asyncio/core/detail/post.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

struct RemoteState;

/// A leaf that is completed from any thread, once, by a post that lies in it: nothing can fail on the way
/// back. A cancel only asks; the wait ends with what is waited for, since that may use memory of the
/// caller's.
class ForeignCall : public Leaf {
  public:
    enum Kind : unsigned { to_thread, adapt, from_callback, file };
    using Ask = void (*)(ForeignCall*);
    /// `ask` is called in a turn of its own after a cancel, unless report_back was called by then; may be
    /// null. What it throws is reported.
    ForeignCall(Kind kind, Ask ask) noexcept : ForeignCall(&kinds_[kind], ask) {}
    /// Before it is awaited.
    ForeignCall(ForeignCall&& other) noexcept : ForeignCall(other.ops, other.ask_to_stop_) {
        ASYNCIO_ASSERT(other.frame == nullptr, "an awaiter is movable until it is awaited");
    }
    ~ForeignCall();

    /// Any thread: the last thing that it does with this object.
    void report_back() noexcept;
    Where place() const noexcept { return frame->where; }

  protected:
    /// The running task waits from here on: what completes this may be started. Throws std::bad_alloc.
    void begin();
    /// It was not started after all. For await_suspend, which then returns false or throws.
    void take_back() noexcept;
    /// A cancel came meanwhile, and is to be thrown, or is thrown by the next await.
    bool cancel_is_pending() const noexcept { return frame->task->pending != 0; }

  private:
    struct Helper : Timer {
        ForeignCall* call;
        explicit Helper(ForeignCall* c, const LeafOps* ops) noexcept;
    };
    ForeignCall(const LeafOps* o, Ask ask) noexcept;
    static CancelAnswer cancel(Leaf* leaf) noexcept;
    static void stop_now(Leaf* leaf) noexcept;
    static void warn(Leaf* leaf) noexcept;
    static const LeafOps kinds_[];
    static const LeafOps warning_ops_;
    static const LeafOps stop_ops_;
    void end_helpers() noexcept;
    const char* advice() const noexcept;

    Ask ask_to_stop_;
    std::shared_ptr<RemoteState> remote_;
    Post back_;
    Helper warning_;
    Helper stop_;  // asks, in its turn after a cancel
    bool stop_asked_ = false;
    std::atomic<bool> has_ended_{false};  // what is waited for; its post may not have had its turn
};

/// "adapt at main.cpp:12: what was to complete it was destroyed …"
ASYNCIO_COLD std::exception_ptr dropped_error(const char* what, Where where) noexcept;

}}}  // namespace asyncio::v1::detail
