// Timeout: the states of the scope. The alarm itself is in the header, shared with wait_for.
#include "asyncio/task/timeout.hpp"

#include <string>

namespace asyncio { inline namespace v1 {

namespace {

constexpr const char* state_names[] = {"created", "active", "expiring", "expired", "finished"};

}  // namespace

detail::Ready Timeout::aenter() {
    if (state_ != State::created)
        throw RuntimeError("a Timeout is entered once: make a new one with asyncio::timeout");
    detail::LoopCore* const loop = detail::current_loop;
    if (loop == nullptr || loop->current == nullptr)
        throw RuntimeError("a Timeout is used inside a task only");
    alarm_.watch(loop->current);
    if (delay_.has_value()) when_ = TimePoint(std::chrono::nanoseconds(detail::now_ns(loop))) + delay_;
    state_ = State::active;
    if (when_ != TimePoint::max()) {
        const auto ns = when_.time_since_epoch().count();
        alarm_.arm(loop, ns > 0 ? static_cast<std::uint64_t>(ns) : 0);
    }
    return detail::Ready();
}

void Timeout::reschedule(TimePoint when) {
    if (state() != State::active) {
        throw RuntimeError(std::string("cannot reschedule a timeout that is ") +
                           state_names[static_cast<int>(state())]);
    }
    detail::LoopCore* const loop = detail::current_loop;
    if (loop == nullptr || loop->magic != alarm_.task->magic) {
        throw RuntimeError(
            "cannot reschedule a timeout that belongs to another event loop: let that loop do it, by "
            "loop.remote().call_soon_threadsafe");
    }
    alarm_.disarm();
    when_ = when;
    if (when != TimePoint::max()) {
        const auto ns = when.time_since_epoch().count();
        alarm_.arm(loop, ns > 0 ? static_cast<std::uint64_t>(ns) : 0);
    }
}

detail::ReadyBool Timeout::aexit(const std::exception_ptr& error) {
    if (state_ != State::active)
        throw RuntimeError("Timeout::aexit is called once, after aenter: let asyncio::with do it");
    alarm_.disarm();
    if (!alarm_.fired) {
        state_ = State::finished;
        return detail::ReadyBool(false);
    }
    state_ = State::expired;
    const bool ours = alarm_.take_back();
    if (ours && error != nullptr && is_cancelled(error)) {
        const TimeoutError timed_out;
        detail::ContextAccess::close(timed_out);  // the cancel was this scope's own
        throw timed_out;
    }
    return detail::ReadyBool(false);
}

}}  // namespace asyncio::v1
