#include "asyncio/process/signals.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "asyncio/core/event_loop.hpp"
#include "asyncio/task/future.hpp"
#include "detail/loop_impl.hpp"
#include "detail/signal_hub.hpp"

namespace asyncio { inline namespace v1 {

namespace detail {

struct SignalReceiverState {
    struct Taken {
        int number;
        std::shared_ptr<SignalSubscriber> subscriber;
    };
    explicit SignalReceiverState(std::shared_ptr<RemoteState> its_loop) noexcept
        : loop(std::move(its_loop)) {}

    void arrived(int number) noexcept {
        if (std::find(waiting.begin(), waiting.end(), number) == waiting.end())
            waiting.push_back(number);  // there is room: see add
        if (awaited && !arrival.done()) arrival.set_result();
    }

    std::shared_ptr<RemoteState> loop;  // of the hub that has the subscribers
    std::vector<Taken> taken;
    std::vector<int> waiting;  // arrived, not asked for
    Future<> arrival;          // while `awaited`
    bool awaited = false;
};

}  // namespace detail

using detail::SignalReceiverState;

SignalReceiver::SignalReceiver()
    : state_(std::make_shared<SignalReceiverState>(get_running_loop().impl().remote)) {}

SignalReceiver::~SignalReceiver() {
    ASYNCIO_ASSERT(!state_->awaited, "a SignalReceiver was destroyed while a task waits in next()");
    detail::LoopCore* const loop = detail::running_loop();
    if (loop == nullptr || detail::impl_of(loop)->remote != state_->loop) {
        // Its loop closes, which has given the signals back, or rests: then it is not told any more.
        for (const auto& each : state_->taken) each.subscriber->gone = true;
        return;
    }
    const auto& hub = detail::impl_of(loop)->signals;
    for (const auto& each : state_->taken) {
        if (hub != nullptr) hub->unsubscribe(each.number, each.subscriber.get());
    }
}

void SignalReceiver::add(int number) {
    state_->waiting.reserve(state_->taken.size() + 1);
    state_->taken.reserve(state_->taken.size() + 1);
    auto subscriber = std::make_shared<detail::SignalSubscriber>(
        [state = state_.get(), number] { state->arrived(number); });  // it is gone before the state is
    detail::signal_hub_of(get_running_loop().impl()).subscribe(number, subscriber);
    state_->taken.push_back({number, std::move(subscriber)});
}

Coro<int> SignalReceiver::next() {
    SignalReceiverState& state = *state_;
    if (state.awaited) throw RuntimeError("SignalReceiver.next(): another task waits here already");
    while (state.waiting.empty()) {
        state.arrival = Future<>();
        state.awaited = true;
        try {
            co_await state.arrival;
        } catch (...) {
            state.awaited = false;
            throw;
        }
        state.awaited = false;
    }
    const int number = state.waiting.front();
    state.waiting.erase(state.waiting.begin());
    co_return number;
}

}}  // namespace asyncio::v1
