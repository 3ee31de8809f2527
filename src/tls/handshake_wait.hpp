// HandshakeWait: a coroutine that waits for a handshake.
#pragma once
#include <coroutine>

#include "tls/stream.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

class HandshakeWait : public Leaf {
  public:
    explicit HandshakeWait(TlsStream* stream) noexcept : Leaf(&ops_), stream_(stream) {}
    ~HandshakeWait() {
        if (stream_->waiter == this) stream_->waiter = nullptr;
    }
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h, Where where = where_here()) {
        if (enter_leaf(this, h, where)) return;
        if (!stream_->shaking) return push_frame(current_loop, frame);
        stream_->waiter = this;
        suspend_on(this);
    }
    void await_resume() const {
        throw_if_cancelled(frame->task);
        if (stream_->error != nullptr) std::rethrow_exception(stream_->error);
    }
    /// The handshake is over.
    void done() noexcept {
        frame->task->live.waits_on.clear();
        push_frame(stream_->loop, frame);
    }

  private:
    static CancelAnswer cancel(Leaf* leaf) noexcept {
        static_cast<HandshakeWait*>(leaf)->stream_->waiter = nullptr;
        return CancelAnswer::resume;
    }
    static constexpr LeafOps ops_{&cancel, nullptr, "TLS handshake"};
    TlsStream* stream_;
};

}}}  // namespace asyncio::v1::detail
