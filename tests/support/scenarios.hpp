// Small programs around each awaitable: what the cancellation matrix cancels at every step, and what the
// tests of exhausted memory run with every allocation refused in turn.
//
// Each leaves nothing behind, however it ends, and each uses the object in question again after a cancel has
// hit it. They let every exception but CancelledError pass at once.
#pragma once
#include <ostream>
#include <span>

#include "asyncio/asyncio.hpp"

namespace asyncio::test {

struct NamedScenario {
    const char* name;
    Coro<> (*start)();
    bool threads = false;      // calls to_thread: takes real time
    bool may_report = false;   // later failures go to the exception handler
    bool may_fail = false;     // a cancel at the wrong moment makes it fail, as it should
    bool may_survive = false;  // a cancel need not end it
    bool many = false;         // has so many steps that one backend must do

    friend void PrintTo(const NamedScenario& scenario, std::ostream* out) { *out << scenario.name; }
};

std::span<const NamedScenario> scenarios();

/// Counts itself: stands for what a coroutine owns.
class Probe {
  public:
    Probe() noexcept { ++alive_; }
    Probe(const Probe&) noexcept { ++alive_; }
    Probe& operator=(const Probe&) = default;
    ~Probe() { --alive_; }
    static int alive() noexcept { return alive_; }

  private:
    static int alive_;
};

}  // namespace asyncio::test
