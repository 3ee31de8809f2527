// checkpoint: delivers a cancel, yields now and then.
#include "asyncio/core/checkpoint.hpp"

#include <gtest/gtest.h>

#include "asyncio/asyncio.hpp"
#include "support/loop_fixture.hpp"

namespace asyncio::test { namespace {

class CheckpointTest : public BackendTest {};
ASYNCIO_ON_EVERY_BACKEND(CheckpointTest);

TEST_P(CheckpointTest, LetsOthersRunNowAndThen) {
    run([]() -> Coro<> {
        bool other_ran = false;
        get_running_loop().call_soon([&] { other_ran = true; });
        co_await checkpoint();
        EXPECT_FALSE(other_ran) << "not each time";
        int rounds = 0;
        while (!other_ran && ++rounds < 10'000) co_await checkpoint();
        EXPECT_TRUE(other_ran);
        EXPECT_LE(rounds, 128);
    });
}

TEST_P(CheckpointTest, DeliversACancelThatIsPending) {
    run([]() -> Coro<> {
        int reached = 0;
        auto task = create_task([&]() -> Coro<> {
            current_task().cancel();
            ++reached;
            co_await checkpoint();
            ++reached;
        });
        std::vector<Task<>> tasks(1, task);
        co_await wait(tasks);
        EXPECT_TRUE(task.cancelled());
        EXPECT_EQ(reached, 1);
    });
}

}}  // namespace asyncio::test
