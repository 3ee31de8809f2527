// What the tests of synchronisation share.
#pragma once
#include <string>

#include "asyncio/asyncio.hpp"
#include "asyncio/testing/testing.hpp"
#include "support/cancel_points.hpp"
#include "task/task_support.hpp"

namespace asyncio::sync_test {

using task_test::Counted;
using task_test::Log;
using task_test::MoveOnly;
using task_test::SimulatedTest;
using task_test::thrown;
using namespace std::chrono_literals;

/// Lets everything that is ready run, and what that makes ready.
inline Coro<> settle(int passes = 6) {
    for (int i = 0; i < passes; ++i) co_await sleep(0s);
}

/// What leaves the awaited thing, or "ok".
template <class A>
Coro<std::string> outcome_of(A awaitable) {
    std::string text = "ok";
    try {
        co_await std::move(awaitable);
    } catch (const CancelledError& error) {
        text = error.message().empty() ? "cancelled" : "cancelled: " + std::string(error.message());
    } catch (const std::exception& error) {
        text = error.what();
    }
    co_return text;
}

}  // namespace asyncio::sync_test
