// The library's own awaitables handed over instead of coroutines, as Python programs do all the time:
// gather(sleep(1), …), create_task(sleep(1)), wait_for(to_thread(f), 1).
#include <gtest/gtest.h>

#include <string>

#include <asyncio/asyncio.hpp>

using namespace std::chrono_literals;

namespace {

asyncio::Coro<int> one() { co_return 1; }
std::string twice(std::string text) { return text + text; }

template <class Body>
void run_in_virtual_time(Body body) {
    asyncio::run(body(), {.backend = asyncio::Backend::sim});
}

double seconds_now() {
    return asyncio::Duration(asyncio::get_running_loop().time().time_since_epoch()).seconds();
}

TEST(LooseAwaitables, GatherTakesThemAndRunsThemAtOnce) {
    run_in_virtual_time([]() -> asyncio::Coro<> {
        const double began = seconds_now();
        const std::string long_text = "a text that is too long for the small buffer of a string";
        auto results = co_await asyncio::gather(asyncio::sleep(1s), asyncio::sleep(2s, 5),
                                                asyncio::to_thread(twice, long_text),
                                                asyncio::wait_for(one(), 1s), asyncio::gather(one(), one()));
        EXPECT_EQ(std::get<1>(results), 5);
        EXPECT_EQ(std::get<2>(results), long_text + long_text);
        EXPECT_EQ(std::get<3>(results), 1);
        EXPECT_EQ(std::get<4>(results), std::tuple(1, 1));
        EXPECT_DOUBLE_EQ(seconds_now() - began, 2.0);
    });
}

TEST(LooseAwaitables, CreateTaskAndTaskGroupTakeThem) {
    run_in_virtual_time([]() -> asyncio::Coro<> {
        const double began = seconds_now();
        auto task = asyncio::create_task(asyncio::sleep(1s, std::string("slept")));
        std::string slept = co_await task;
        EXPECT_EQ(slept, "slept");
        co_await asyncio::with(asyncio::TaskGroup{}, [&](asyncio::TaskGroup& tg) -> asyncio::Coro<> {
            tg.create_task(asyncio::sleep(1s));
            tg.create_task(asyncio::sleep(2s));
            co_return;
        });
        EXPECT_DOUBLE_EQ(seconds_now() - began, 3.0);
    });
}

TEST(LooseAwaitables, WaitForTakesThem) {
    run_in_virtual_time([]() -> asyncio::Coro<> {
        bool timed_out = false;
        try {
            co_await asyncio::wait_for(asyncio::sleep(1h), 1s);
        } catch (const asyncio::TimeoutError&) {
            timed_out = true;
        }
        EXPECT_TRUE(timed_out);
        std::string text = co_await asyncio::wait_for(asyncio::to_thread(twice, std::string("ab")), 1h);
        EXPECT_EQ(text, "abab");
    });
}

TEST(LooseAwaitables, OnesThatAreDroppedStartNothing) {
    run_in_virtual_time([]() -> asyncio::Coro<> {
        {
            [[maybe_unused]] auto dropped =
                asyncio::gather(asyncio::sleep(1s), asyncio::gather(one(), one()));
        }
        EXPECT_EQ(asyncio::all_tasks().size(), 1u);
        co_return;
    });
}

}  // namespace
