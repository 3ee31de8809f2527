// Fixtures for tests that run a loop: on one backend or on each, with a look for leaks at the end of every
// test.
//
//     class Gather : public asyncio::test::BackendTest {};
//     ASYNCIO_ON_EVERY_BACKEND(Gather);
//     TEST_P(Gather, GivesTheResultsInTheOrderOfItsArguments) {
//         run([]() -> Coro<> { … });
//     }
//
// A check of gtest that returns (ASSERT_…) cannot stand in a coroutine: use EXPECT_… there.
#pragma once
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "asyncio/core/event_loop.hpp"
#include "asyncio/task/runner.hpp"

namespace asyncio::test {

/// The open descriptors of this process, as "7 -> socket:[123]", without standard input and output.
std::vector<std::string> open_descriptors();

/// Looks at what a loop still has after its main task has ended: a test fails for live tasks, timers,
/// operations in flight. To be called before the loop is closed.
void expect_nothing_left(EventLoop& loop);

/// Says at the end of the program that tests ran on this backend.
void note_backend(Backend backend);
/// "epoll io_uring sim": those that were noted.
std::string noted_backends();

/// Runs a coroutine on a loop of its own, and checks that nothing is left when it has ended.
template <class T>
T run_and_check(Coro<T> coro, RunOptions options = RunOptions()) {
    EventLoop loop(options);
    note_backend(loop.backend());
    if constexpr (std::is_void_v<T>) {
        loop.run_until_complete(std::move(coro));
        expect_nothing_left(loop);
        loop.close();
    } else {
        T result = loop.run_until_complete(std::move(coro));
        expect_nothing_left(loop);
        loop.close();
        return result;
    }
}
template <class F>
    requires detail::CoroutineFunction<F>
auto run_and_check(F&& function, RunOptions options = RunOptions()) {
    return run_and_check(detail::call_owned(std::forward<F>(function)), options);
}

/// Every test ends as it began: the same descriptors, the same number of coroutine frames and futures.
class LoopTest : public ::testing::Test {
  protected:
    LoopTest();
    ~LoopTest() override;

  private:
    std::vector<std::string> descriptors_before_;
    std::ptrdiff_t blocks_before_;
};

/// A LoopTest that is run once for each backend.
class BackendTest : public LoopTest, public ::testing::WithParamInterface<Backend> {
  public:
    /// Fails when the backend is missing here and ASYNCIO_ALLOW_MISSING_BACKENDS (names, separated by spaces
    /// or commas) does not name it; then it is skipped.
    void SetUp() override;

  protected:
    Backend backend() const { return GetParam(); }
    bool simulated() const { return GetParam() == Backend::sim; }

    /// Runs a coroutine, or a callable that gives one, on this test's backend; nothing may be left when it
    /// has ended.
    template <class F>
    auto run(F&& coro_or_function, RunOptions options = RunOptions()) {
        options.backend = GetParam();
        return run_and_check(std::forward<F>(coro_or_function), options);
    }
};

/// "epoll", "io_uring", "sim".
std::string backend_name(const ::testing::TestParamInfo<Backend>& info);

}  // namespace asyncio::test

namespace asyncio { inline namespace v1 {
/// How gtest prints the parameter.
inline void PrintTo(Backend backend, std::ostream* out) { *out << to_string(backend); }
}}  // namespace asyncio::v1

/// Runs the suite on epoll, io_uring and the simulated backend.
#define ASYNCIO_ON_EVERY_BACKEND(suite)                                                                      \
    INSTANTIATE_TEST_SUITE_P(                                                                                \
        On, suite,                                                                                           \
        ::testing::Values(::asyncio::Backend::epoll, ::asyncio::Backend::io_uring, ::asyncio::Backend::sim), \
        ::asyncio::test::backend_name)

/// Runs the suite on epoll and io_uring: for tests of sockets and of real time.
#define ASYNCIO_ON_REAL_BACKENDS(suite)                                                                  \
    INSTANTIATE_TEST_SUITE_P(On, suite,                                                                  \
                             ::testing::Values(::asyncio::Backend::epoll, ::asyncio::Backend::io_uring), \
                             ::asyncio::test::backend_name)
