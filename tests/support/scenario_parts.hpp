// What the scenarios are made of, and which there are.
#pragma once
#include <gtest/gtest.h>

#include <chrono>
#include <exception>
#include <span>
#include <string>

#include "support/scenarios.hpp"

namespace asyncio::test {

using namespace std::chrono_literals;

std::span<const NamedScenario> task_scenarios();
std::span<const NamedScenario> wait_scenarios();
std::span<const NamedScenario> scope_scenarios();
std::span<const NamedScenario> other_scenarios();

/// Sleeps, owns something, gives a value.
inline Coro<int> worker(int value, Duration delay = 10ms) {
    const Probe probe;
    co_await sleep(delay);
    co_return value;
}
inline Coro<std::string> talker(std::string text, Probe = Probe()) {
    co_await sleep(5ms);
    co_return text + ", said the talker at length, so that the string is none of the short ones";
}
inline Coro<> fails(Duration delay) {
    const Probe probe;
    co_await sleep(delay);
    throw ValueError("this one fails");
}
/// Takes its time to clean up when it is cancelled.
inline Coro<> slow_to_leave() {
    const Probe probe;
    std::exception_ptr error;
    try {
        co_await sleep(10ms);
    } catch (const CancelledError&) {
        error = std::current_exception();
    }
    if (error == nullptr) co_return;
    co_await sleep(3ms);
    std::rethrow_exception(error);
}
/// Takes no cancel for an answer, once.
inline Coro<int> stubborn() {
    const Probe probe;
    bool cancelled = false;
    try {
        co_await sleep(10ms);
    } catch (const CancelledError&) {
        cancelled = true;
    }
    if (cancelled) co_await sleep(2ms);
    co_return cancelled ? -1 : 1;
}

/// Sets a future later, if this object and the future's wait last so long.
class SetLater {
  public:
    explicit SetLater(const Future<int>& future, int value)
        : handle_(get_running_loop().call_later(4ms, [future, value] {
              if (!future.done()) future.set_result(value);
          })) {}
    SetLater(const SetLater&) = delete;
    SetLater& operator=(const SetLater&) = delete;
    ~SetLater() { handle_.cancel(); }

  private:
    TimerHandle handle_;
};

/// A scope of a user's own, which waits on both sides.
class Door {
  public:
    Coro<> aenter() {
        co_await sleep(1ms);
        ++inside_;
    }
    Coro<> aexit(std::exception_ptr) {
        --inside_;
        co_await sleep(0s);
    }
    int inside() const { return inside_; }

  private:
    int inside_ = 0;
};

/// A scenario that goes on after a cancel: the CancelledError waits here while the object is used again.
template <class F>
Coro<std::exception_ptr> cancel_of(F use) {
    std::exception_ptr cancelled;
    try {
        co_await use();
    } catch (const CancelledError&) {
        cancelled = std::current_exception();
    }
    co_return cancelled;
}
inline void end(const std::exception_ptr& cancelled) {
    if (cancelled != nullptr) std::rethrow_exception(cancelled);
}

inline Coro<> sleeps() {
    const auto cancelled = co_await cancel_of([&]() -> Coro<> { co_await sleep(10ms); });
    co_await sleep(5ms);
    end(cancelled);
}
inline Coro<> sleep_until_a_time() {
    const TimePoint when = get_running_loop().time() + Duration(10ms);
    const auto cancelled = co_await cancel_of([&]() -> Coro<> { co_await sleep_until(when); });
    co_await sleep_until(when);
    EXPECT_GE(get_running_loop().time(), when);
    co_await sleep_until(when);  // past
    end(cancelled);
}

}  // namespace asyncio::test
