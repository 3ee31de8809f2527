// What the tests of tasks share: running a coroutine on each backend, objects that are counted, text on
// stderr.
#pragma once
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "asyncio/asyncio.hpp"
#include "support/loop_fixture.hpp"

namespace asyncio::task_test {

using namespace std::chrono_literals;

/// Counts its living copies, and catches one that is destroyed twice or was copied bit by bit.
class Counted {
  public:
    explicit Counted(int* alive, int value = 0) : alive_(alive), self_(this), value_(value) { ++*alive_; }
    Counted(const Counted& other) : alive_(other.alive_), self_(this), value_(other.value_) { ++*alive_; }
    Counted(Counted&& other) noexcept : alive_(other.alive_), self_(this), value_(other.value_) { ++*alive_; }
    Counted& operator=(const Counted&) = delete;
    ~Counted() {
        EXPECT_EQ(self_, this) << "an object was copied bit by bit";
        self_ = nullptr;
        --*alive_;
    }
    int value() const { return value_; }

  private:
    int* alive_;
    const Counted* self_;
    int value_;
};

/// The same for what may not be copied.
class MoveOnly {
  public:
    explicit MoveOnly(int value) : value_(std::make_unique<int>(value)) {}
    int value() const { return value_ == nullptr ? -1 : *value_; }

  private:
    std::unique_ptr<int> value_;
};

/// Appends to a list: for proofs of order.
using Log = std::vector<std::string>;

// What most programs of these tests are made of.
inline Coro<int> after(Duration delay, int value) {
    co_await sleep(delay);
    co_return value;
}
inline Coro<int> fails_after(Duration delay, std::string text) {
    co_await sleep(delay);
    throw ValueError(text);
}
/// Takes its time after a cancel, too.
inline Coro<> swallows(Duration delay, Duration cleanup, bool& ended) {
    try {
        co_await sleep(delay);
    } catch (const CancelledError&) {}
    co_await sleep(cleanup);
    ended = true;
}
/// The same, and says how it ended.
inline Coro<> logs_its_end(Log& log, std::string name, Duration delay, Duration cleanup) {
    try {
        co_await sleep(delay);
        log.push_back(name + " done");
        co_return;
    } catch (const CancelledError&) {}
    co_await sleep(cleanup);
    log.push_back(name + " cancelled");
    throw CancelledError();
}
/// The running loop's clock.
inline TimePoint now() { return get_running_loop().time(); }

/// What asyncio::run does, in virtual time.
template <class F>
auto simulate(F&& function, RunOptions options = {}) {
    options.backend = Backend::sim;
    return asyncio::run(std::forward<F>(function), options);
}

/// A vector of handles: g++ 12 refuses a braced list inside an awaiting expression.
template <class... H>
std::vector<AnyTask> handles(const H&... handle) {
    return std::vector<AnyTask>{AnyTask(handle)...};
}

/// What `function` prints to stderr.
template <class F>
std::string printed(F&& function) {
    ::testing::internal::CaptureStderr();
    try {
        function();
    } catch (...) {
        ::testing::internal::GetCapturedStderr();
        throw;
    }
    return ::testing::internal::GetCapturedStderr();
}

/// The text of the `E` that `function` throws; fails if it throws none.
template <class E, class F>
std::string thrown(F&& function) {
    try {
        function();
    } catch (const E& error) {
        return error.what();
    }
    ADD_FAILURE() << "nothing was thrown";
    return {};
}

/// A suite in virtual time; nothing may be left at the end of a test.
class SimulatedTest : public test::LoopTest {
  protected:
    /// Runs a coroutine, or a callable that gives one; nothing may be left when it has ended.
    template <class F>
    static auto run(F&& coro_or_function, RunOptions options = RunOptions()) {
        options.backend = Backend::sim;
        return test::run_and_check(std::forward<F>(coro_or_function), options);
    }
};

}  // namespace asyncio::task_test
