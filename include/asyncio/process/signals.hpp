// SignalReceiver: signals, one after another, for a coroutine that waits for them.
#pragma once
#include <memory>
#include <type_traits>

#include "asyncio/base/config.hpp"
#include "asyncio/core/coro.hpp"

namespace asyncio { inline namespace v1 {

namespace detail {
struct SignalReceiverState;
}

/// Takes signals from where it is made until it is destroyed: they do not do meanwhile what they do else, and
/// none that comes between two calls of `next` is lost (several of one number that wait are one). Several
/// receivers and an `add_signal_handler` may share a signal: each is told.
///
///     asyncio::SignalReceiver signals(SIGTERM, SIGHUP);
///     while (int number = co_await signals.next()) { … }
///
/// Threads     loop thread, which need not be the main one
/// Python      none in asyncio, where loop.add_signal_handler is all there is; Trio's open_signal_receiver
/// See         signal(7)
class ASYNCIO_API SignalReceiver {
  public:
    /// Throws  RuntimeError  no loop is running, or another loop of this process has one of them;
    ///         ValueError    no signal has this number, or it cannot be caught (SIGKILL, SIGSTOP)
    template <class... Numbers>
        requires(sizeof...(Numbers) > 0 && (std::is_same_v<Numbers, int> && ...))
    explicit SignalReceiver(Numbers... numbers) : SignalReceiver() {
        (add(numbers), ...);
    }
    SignalReceiver(const SignalReceiver&) = delete;
    SignalReceiver& operator=(const SignalReceiver&) = delete;
    ~SignalReceiver();

    /// The number of the next signal, in order of arrival; never 0.
    ///
    /// Throws      RuntimeError  another task waits here already
    /// Suspends    unless one has come already
    /// Cancel      no signal is lost
    /// Threads     loop thread
    /// Lifetime    the receiver must outlive the wait
    Coro<int> next();

  private:
    SignalReceiver();
    void add(int number);

    std::shared_ptr<detail::SignalReceiverState> state_;
};

}}  // namespace asyncio::v1
