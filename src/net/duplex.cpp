// What the writing sides of all streams have in common: who waits, and for what.
#include "net/duplex.hpp"

#include "asyncio/base/error.hpp"
#include "detail/loop_impl.hpp"
#include "detail/warnings.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

Duplex::~Duplex() { ASYNCIO_ASSERT(state == State::closed && reader == nullptr && first_waiter == nullptr); }

WriteBufferLimits checked_limits(WriteBufferLimits limits) {
    if (limits.low == WriteBufferLimits().low) limits.low = limits.high / 4;
    if (limits.low > limits.high) throw ValueError("set_write_buffer_limits: low is more than high");
    return limits;
}

void Duplex::set_limits(WriteBufferLimits limits) {
    limits = checked_limits(limits);
    high = limits.high;
    low = limits.low;
    note_unsent();
}

void Duplex::note_unsent() noexcept {
    if (!paused && unsent() > high) paused = true;
    if (paused && unsent() <= low) {
        paused = false;
        wake(WriteBase::Want::drained);
    }
}

void Duplex::writer_dropped() noexcept {
    if (state == State::open && loss == nullptr && static_cast<LoopImpl*>(loop)->debug) {
        warn_with(resource_warning, "unclosed StreamWriter", [this] {
            return "unclosed StreamWriter to " + name() + ": call close() and await wait_closed()";
        });
    }
    close();
    drop();
}

// ---- waiting writers ----------------------------------------------------------------------------

void Duplex::add_waiter(WriteBase* waiter) noexcept {
    WriteBase** end = &first_waiter;
    while (*end != nullptr) end = &(*end)->next_;
    *end = waiter;
    waiter->listed_ = true;
}

void Duplex::remove_waiter(WriteBase* waiter) noexcept {
    WriteBase** at = &first_waiter;
    while (*at != waiter) at = &(*at)->next_;
    *at = std::exchange(waiter->next_, nullptr);
    waiter->listed_ = false;
}

void Duplex::wake(WriteBase::Want want) noexcept {
    for (WriteBase** at = &first_waiter; *at != nullptr;) {
        WriteBase* const waiter = *at;
        if (waiter->want_ != want) {
            at = &waiter->next_;
            continue;
        }
        *at = std::exchange(waiter->next_, nullptr);
        waiter->listed_ = false;
        waiter->frame->task->live.waits_on.clear();
        push_frame(loop, waiter->frame);
    }
    if (upper == nullptr) return;
    if (want == WriteBase::Want::drained) {
        upper->below_drained();
    } else {
        upper->below_closed();
    }
}

void Duplex::throw_lost() const {
    if (loss != nullptr) std::rethrow_exception(loss);
    throw ConnectionResetError("Connection lost: it was closed");
}

}}}  // namespace asyncio::v1::detail
