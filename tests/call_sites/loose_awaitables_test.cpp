// The library's own awaitables handed over instead of coroutines, as Python programs do all the time:
// gather(sleep(1), …), create_task(sleep(1)), wait_for(to_thread(f), 1).
#include <gtest/gtest.h>

#include <string>
#include <vector>

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

asyncio::Coro<> echo_a_line(asyncio::StreamReader reader, asyncio::StreamWriter writer) {
    std::string line = co_await asyncio::wait_for(reader.readline(), 1s);
    co_await asyncio::wait_for(writer.send(line), 1s);
    writer.close();
    co_await asyncio::wait_for(writer.wait_closed(), 1s);
}

TEST(LooseAwaitables, WaitForAndGatherTakeTheOperationsOfStreams) {
    asyncio::run([]() -> asyncio::Coro<> {
        auto server = co_await asyncio::start_server(echo_a_line, "127.0.0.1", 0);
        auto connection = co_await asyncio::open_connection("127.0.0.1", server.port());
        auto& [reader, writer] = connection;
        bool timed_out = false;
        try {
            co_await asyncio::wait_for(reader.readline(), 1ms);
        } catch (const asyncio::TimeoutError&) {
            timed_out = true;
        }
        EXPECT_TRUE(timed_out);
        co_await asyncio::wait_for(writer.send("hel", "lo\n"), 1s);
        auto both = co_await asyncio::gather(reader.readline(), asyncio::sleep(1ms));
        EXPECT_EQ(std::get<0>(both), "hello\n");
        server.close();
    });
}

TEST(LooseAwaitables, LimitsGatherAndLimitsTakeWhatWaits) {
    asyncio::run([]() -> asyncio::Coro<> {
        auto server = co_await asyncio::start_server(echo_a_line, "127.0.0.1", 0);
        auto connection = co_await asyncio::open_connection("127.0.0.1", server.port());
        auto& [reader, writer] = connection;
        co_await writer.send("hello\n");
        auto line = co_await asyncio::try_wait_for(reader.readline(), 1s);
        EXPECT_EQ(*line, "hello\n");
        auto nothing =
            co_await asyncio::wait_for(asyncio::gather(reader.readline(), asyncio::sleep(1ms)), 1s);
        EXPECT_EQ(std::get<0>(nothing), "");
        writer.close();

        auto task = asyncio::create_task(asyncio::sleep(1ms, 7));
        auto results = co_await asyncio::gather(asyncio::wait_for(task, 1s), asyncio::sleep(0s, 8));
        EXPECT_EQ(std::get<0>(results) + std::get<1>(results), 15);
        int in_thread =
            co_await asyncio::wait_for(asyncio::to_thread(asyncio::abandon_on_cancel, [] { return 9; }), 10s);
        EXPECT_EQ(in_thread, 9);
        std::vector<asyncio::Task<int>> tasks{task};
        auto done = asyncio::as_completed(tasks);
        auto first = co_await asyncio::wait_for(done.next(), 1s);
        EXPECT_EQ(first->result(), 7);
        auto limited = asyncio::create_task(asyncio::with(
            asyncio::timeout(1s), [](asyncio::Timeout&) -> asyncio::Coro<int> { co_return 10; }));
        int ten = co_await limited;
        EXPECT_EQ(ten, 10);
        server.close();
        co_await asyncio::wait_for(server.wait_closed(), 1s);
    });
}

TEST(LooseAwaitables, ShieldAndWaitAreTakenToo) {
    run_in_virtual_time([]() -> asyncio::Coro<> {
        auto task = asyncio::create_task(asyncio::sleep(10s, 7));
        bool timed_out = false;
        try {
            co_await asyncio::wait_for(asyncio::shield(task), 1s);
        } catch (const asyncio::TimeoutError&) {
            timed_out = true;
        }
        EXPECT_TRUE(timed_out && !task.done());
        auto results = co_await asyncio::gather(asyncio::shield(task), asyncio::sleep(1s));
        EXPECT_EQ(std::get<0>(results), 7);
        std::vector<asyncio::AnyTask> any(1, task);
        auto waited = co_await asyncio::wait_for(asyncio::wait(any), 1s);
        EXPECT_EQ(waited.done.size(), 1u);
    });
}

TEST(LooseAwaitables, TasksOfAnyKindStandInOneVectorWithoutTheirResults) {
    run_in_virtual_time([]() -> asyncio::Coro<> {
        std::vector<asyncio::Task<>> tasks;
        auto first = asyncio::create_task(one());
        tasks.push_back(first);
        tasks.push_back(
            asyncio::create_task(asyncio::sleep(1s, std::string("a result that is destroyed unseen"))));
        tasks.push_back(asyncio::create_task(asyncio::sleep(1s)));
        co_await asyncio::gather(tasks);
        int result = co_await std::move(first);
        EXPECT_EQ(result, 1);
        std::string text;
        try {
            co_await first;
        } catch (const asyncio::InvalidStateError& error) {
            text = error.what();
        }
        EXPECT_NE(text.find("was already taken"), std::string::npos) << text;
    });
}

}  // namespace
