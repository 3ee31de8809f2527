// Memory runs out: each scenario is run with its first allocation refused, then its second, and so on until
// it needs no more; once with that one refusal, once with every later allocation refused as well. Each time
// the error is std::bad_alloc (or nobody needed the memory), nothing leaks, and the loop goes on to run
// another coroutine.
//
// Each attempt has a thread of its own, so that no frame comes from blocks that an earlier one left in the
// recycler.
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <thread>

#include "asyncio/asyncio.hpp"
#include "asyncio/testing/mock_clock.hpp"
#include "detail/loop_impl.hpp"
#include "support/alloc_failure.hpp"
#include "support/loop_fixture.hpp"
#include "support/scenarios.hpp"

namespace asyncio { namespace {

using namespace std::chrono_literals;
using test::AllocationFailure;
using test::NamedScenario;
using test::Probe;
using Mode = AllocationFailure::Mode;

/// std::bad_alloc, or a group in which it is. (What a body does next in a group that is shutting down fails,
/// too.)
bool is_bad_alloc(const std::exception_ptr& error) {
    const auto* group = exception_cast<ExceptionGroup>(error);
    return group != nullptr ? group->contains<std::bad_alloc>()
                            : exception_cast<std::bad_alloc>(error) != nullptr;
}

Coro<int> sleep_and_give(int value) {
    co_await sleep(1ms);
    co_return value;
}
/// What the loop must still be able to do.
Coro<int> proof_of_life() {
    auto task = create_task(sleep_and_give(1));
    auto [a, b] = co_await gather(task, sleep_and_give(1));
    co_return a + b;
}

struct Attempt {
    bool refused = false;
    std::string trouble;
};

void attempt(const NamedScenario& scenario, Backend backend, long at, Mode mode, Attempt& result) {
    const std::ptrdiff_t blocks_before = detail::blocks_in_use();
    {
        RunOptions options;
        options.backend = backend;
        testing::MockClock clock(true);
        if (backend != Backend::sim) options.clock = &clock;
        EventLoop loop(options);
        loop.set_exception_handler([](EventLoop&, const ExceptionContext&) {});
        std::exception_ptr error;
        {
            AllocationFailure failure(at, mode);
            try {
                loop.run_until_complete(scenario.start());
            } catch (...) {
                error = std::current_exception();
            }
            failure.stop();
            result.refused = failure.happened();
        }
        if (error != nullptr && !is_bad_alloc(error)) {
            const auto* group = exception_cast<ExceptionGroup>(error);
            result.trouble = "it ended with " + (group != nullptr ? group->format() : describe(error));
        }
        error = nullptr;
        try {
            const int two = loop.run_until_complete(proof_of_life());
            if (two != 2) result.trouble = "the loop does not work any more";
        } catch (...) {
            result.trouble = "the loop does not work any more: " + describe(std::current_exception());
        }
        if (loop.impl().task_count != 0)
            result.trouble = "tasks that still live:\n" + loop.impl().list_tasks();
        while (loop.impl().thread_jobs != 0) loop.poll_once(1ms);
        if (loop.impl().timers.size() != 0) result.trouble = "a timer is still armed";
        if (loop.impl().backend->in_flight() != 0) result.trouble = "the kernel still holds an operation";
        loop.close();
    }
    if (detail::blocks_in_use() != blocks_before)
        result.trouble = "coroutine frames, tasks or futures leaked";
    if (Probe::alive() != 0) result.trouble = "what a coroutine owned was not destroyed";
}

class BadAlloc : public test::LoopTest, public ::testing::WithParamInterface<NamedScenario> {
  protected:
    void refuse_each(Mode mode) {
        if (!AllocationFailure::works()) GTEST_SKIP() << "this sanitizer's operator new cannot be replaced";
        const std::string available = available_backends();
        for (Backend backend : {Backend::sim, Backend::epoll, Backend::io_uring}) {
            if (available.find(to_string(backend)) == std::string::npos) continue;
            if (GetParam().many && backend == Backend::io_uring) continue;
            for (long at = 1;; ++at) {
                ASSERT_LT(at, 10'000);
                Attempt result;
                std::thread([&] { attempt(GetParam(), backend, at, mode, result); }).join();
                const bool failed = HasFailure() || !result.trouble.empty();
                ASSERT_FALSE(failed) << result.trouble << "\n  on " << to_string(backend) << ", allocation "
                                     << at << (mode == Mode::once ? "" : " and all later ones") << " refused";
                if (result.refused) continue;
                EXPECT_GT(at, 1) << "nothing was refused, so nothing was tested";
                break;
            }
        }
    }
};

INSTANTIATE_TEST_SUITE_P(In, BadAlloc,
                         ::testing::ValuesIn(test::scenarios().begin(), test::scenarios().end()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(BadAlloc, AtEveryAllocation) { refuse_each(Mode::once); }

TEST_P(BadAlloc, FromEveryAllocationOn) { refuse_each(Mode::from_then_on); }

// ---- the loop's own life ------------------------------------------------------------------------

class BadAllocOn : public test::BackendTest {
  protected:
    /// Calls `attempt` on a thread of its own, with each allocation refused in turn; it may throw
    /// std::bad_alloc.
    template <class F>
    void refuse_each(const F& attempt) {
        if (!AllocationFailure::works()) GTEST_SKIP() << "this sanitizer's operator new cannot be replaced";
        for (Mode mode : {Mode::once, Mode::from_then_on}) {
            for (long at = 1;; ++at) {
                ASSERT_LT(at, 10'000);
                bool refused = false;
                std::string trouble;
                std::thread([&] {
                    const std::ptrdiff_t blocks_before = detail::blocks_in_use();
                    std::exception_ptr error;
                    {
                        AllocationFailure failure(at, mode);
                        try {
                            attempt();
                        } catch (...) {
                            error = std::current_exception();
                        }
                        failure.stop();
                        refused = failure.happened();
                    }
                    if (error != nullptr && !is_bad_alloc(error))
                        trouble = "it ended with " + describe(error);
                    error = nullptr;
                    if (detail::blocks_in_use() != blocks_before)
                        trouble = "coroutine frames, tasks or futures leaked";
                }).join();
                ASSERT_EQ(trouble, "")
                    << "allocation " << at << (mode == Mode::once ? "" : " and all later ones") << " refused";
                if (refused) continue;
                EXPECT_GT(at, 1) << "nothing was refused, so nothing was tested";
                break;
            }
        }
    }
};
ASYNCIO_ON_EVERY_BACKEND(BadAllocOn);

TEST_P(BadAllocOn, RunFromTheLoopsMakingToItsEnd) {
    refuse_each([this] {
        const int value = asyncio::run(sleep_and_give(7), {.backend = backend()});
        EXPECT_EQ(value, 7);
    });
}

Coro<> sleeps_and_counts(std::reference_wrapper<int> begun, std::reference_wrapper<int> ended) {
    ++begun;
    std::exception_ptr error;
    try {
        co_await sleep(1h);
    } catch (...) {
        error = std::current_exception();
    }
    ++ended;
    std::rethrow_exception(error);
}

TEST_P(BadAllocOn, TasksThatAreLeftAreCancelledAndJoinedAtTheEnd) {
    int begun = 0;
    int ended = 0;
    refuse_each([&] {
        const auto leaves_tasks = [](std::reference_wrapper<int> began,
                                     std::reference_wrapper<int> gone) -> Coro<> {
            create_task(sleeps_and_counts, began, gone);
            create_task(sleeps_and_counts, began, gone);
            co_await sleep(0s);
        };
        EventLoop loop(RunOptions{.backend = backend()});
        loop.set_exception_handler([](EventLoop&, const ExceptionContext&) {});
        loop.run_until_complete(leaves_tasks(std::ref(begun), std::ref(ended)));
        loop.close();
    });
    if (IsSkipped()) return;  // nothing was run
    EXPECT_GT(begun, 0);
    EXPECT_EQ(begun, ended);
}

TEST_P(BadAllocOn, CallbacksAndTimersOfTheLoop) {
    refuse_each([this] {
        EventLoop loop(RunOptions{.backend = backend()});
        auto calls = std::make_shared<int>(0);
        loop.call_soon([calls] { ++*calls; });
        const TimerHandle timer = loop.call_later(
            1us, [calls, text = std::string(100, 'x')] { *calls += static_cast<int>(text.size()); });
        loop.call_soon_threadsafe(
            [calls, text = std::string(100, 'y')] { *calls += static_cast<int>(text.size()); });
        const std::string long_text(100, 'z');
        loop.set_exception_handler([long_text](EventLoop&, const ExceptionContext&) {});
        loop.run_until_complete(sleep_and_give(1));
        EXPECT_EQ(*calls, 201);
        loop.close();
    });
}

}}  // namespace asyncio
