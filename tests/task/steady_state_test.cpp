// In the steady state tasks cost no memory: awaiting, switching, starting and limiting take what earlier ones
// gave back.
#include "support/alloc_failure.hpp"
#include "task/task_support.hpp"

namespace asyncio::task_test { namespace {

using test::allocations;

class SteadyState : public test::BackendTest {
  protected:
    void SetUp() override {
        test::BackendTest::SetUp();
        if (ASYNCIO_ASAN || ASYNCIO_TSAN) GTEST_SKIP() << "frames are not recycled under this sanitizer";
    }
};
ASYNCIO_ON_EVERY_BACKEND(SteadyState);

/// What `repeat` allocates when it has run a few times before.
Coro<long> allocated_by(Coro<> (*repeat)(int times)) {
    co_await repeat(100);
    const long before = allocations();
    co_await repeat(1000);
    co_return allocations() - before;
}

Coro<int> number(int i) { co_return i; }
Coro<int> deep(int depth) {
    if (depth == 0) co_return 0;
    const int below = co_await deep(depth - 1);
    co_return below + 1;
}
Coro<int> yielding() {
    co_await sleep(0s);
    co_return 1;
}

Coro<> await_each(int times) {
    for (int i = 0; i < times; ++i) {
        const int depth = co_await deep(20);
        EXPECT_EQ(depth, 20);
    }
}
Coro<> switch_each(int times) {
    for (int i = 0; i < times; ++i) co_await sleep(0s);
}
Coro<> spawn_each(int times) {
    for (int i = 0; i < times; ++i) {
        const int got = co_await create_task(number(i));
        EXPECT_EQ(got, i);
    }
}
Coro<> gather_each(int times) {
    for (int i = 0; i < times; ++i) {
        const auto [a, b] = co_await gather(number(1), number(2));
        EXPECT_EQ(a + b, 3);
    }
}
Coro<> sleep_each(int times) {
    for (int i = 0; i < times; ++i) co_await sleep(1us);
}
Coro<> timeout_each(int times) {
    for (int i = 0; i < times; ++i) {
        const int got = co_await with(timeout(1h), [](Timeout&) -> Coro<int> {
            co_await sleep(0s);
            co_return 1;
        });
        EXPECT_EQ(got, 1);
    }
}
Coro<> wait_for_each(int times) {
    for (int i = 0; i < times; ++i) {
        const int got = co_await wait_for(yielding(), 1h);
        EXPECT_EQ(got, 1);
    }
}
Coro<> future_each(int times) {
    for (int i = 0; i < times; ++i) {
        Future<int> future;
        future.set_result(i);
        const int got = co_await future;
        EXPECT_EQ(got, i);
    }
}

TEST_P(SteadyState, AnAllocationIsCounted) {
    const long before = allocations();
    ::operator delete(::operator new(1));
    EXPECT_EQ(allocations() - before, 1) << "else the tests below would prove nothing";
}
TEST_P(SteadyState, AwaitingACoroutineAllocatesNothing) { EXPECT_EQ(run(allocated_by(await_each)), 0); }
TEST_P(SteadyState, SwitchingAllocatesNothing) { EXPECT_EQ(run(allocated_by(switch_each)), 0); }
TEST_P(SteadyState, ATaskAllocatesNothing) { EXPECT_EQ(run(allocated_by(spawn_each)), 0); }
TEST_P(SteadyState, GatheringTwoAllocatesNothing) { EXPECT_EQ(run(allocated_by(gather_each)), 0); }
TEST_P(SteadyState, SleepingAllocatesNothing) { EXPECT_EQ(run(allocated_by(sleep_each)), 0); }
TEST_P(SteadyState, ATimeoutAllocatesNothing) { EXPECT_EQ(run(allocated_by(timeout_each)), 0); }
TEST_P(SteadyState, WaitForAllocatesNothing) { EXPECT_EQ(run(allocated_by(wait_for_each)), 0); }
TEST_P(SteadyState, AFutureAllocatesNothing) { EXPECT_EQ(run(allocated_by(future_each)), 0); }

}}  // namespace asyncio::task_test
