// What the tests of tasks share: running a coroutine on each backend, objects that are counted, text on stderr.
#pragma once
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "asyncio/asyncio.hpp"

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

/// Runs a coroutine in virtual time.
template <class F>
auto simulate(F&& function, RunOptions options = {}) {
    options.backend = Backend::sim;
    return run(std::forward<F>(function), options);
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

/// A suite whose tests run on each backend.
class EachBackend : public ::testing::TestWithParam<Backend> {
  protected:
    template <class F>
    auto run(F&& function, RunOptions options = {}) {
        options.backend = GetParam();
        return asyncio::run(std::forward<F>(function), options);
    }
};

inline std::string backend_name(const ::testing::TestParamInfo<Backend>& info) {
    return std::string(to_string(info.param));
}

/// Those that this machine lets us use.
inline std::vector<Backend> backends() {
    std::vector<Backend> found;
    const std::string names = available_backends();
    for (Backend each : {Backend::sim, Backend::epoll, Backend::io_uring}) {
        if (names.find(to_string(each)) != std::string::npos) found.push_back(each);
    }
    return found;
}

}  // namespace asyncio::task_test
