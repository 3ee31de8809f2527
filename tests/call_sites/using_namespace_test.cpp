// `using namespace asyncio` beside the C functions of the same names: all resolve.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <string>
#include <vector>

#include <asyncio/asyncio.hpp>

using namespace std;
using namespace std::chrono_literals;
using namespace asyncio;

namespace {

Coro<string> work(string s) {
    co_await sleep(1ms);
    co_return s;
}

Coro<> uses_short_names() {
    co_await sleep(0s);
    vector<Task<string>> tasks;
    tasks.push_back(create_task(work("one"), {.name = "one"}));
    auto both = co_await wait(tasks, {.timeout = 1s, .return_when = FIRST_COMPLETED});
    EXPECT_EQ(both.done.size(), 1u);
    auto [a, b] = co_await gather(work("a"), work("b"));
    EXPECT_EQ(a + b, "ab");
    EXPECT_EQ(co_await wait_for(work("w"), 1s), "w");
    co_await with(TaskGroup{}, [&](TaskGroup& tg) -> Coro<> {
        tg.create_task(work("in a group"));
        co_return;
    });
    EXPECT_EQ(co_await with(timeout(1s), [] { return work("t"); }), "t");
    EXPECT_EQ(co_await shield(create_task(work("s"))), "s");
    EXPECT_EQ(co_await to_thread([](int n) { return n + 1; }, 1), 2);
    Future<int> answer;
    answer.set_result(42);
    EXPECT_EQ(co_await answer, 42);
    bool late = false;
    try {
        co_await wait_for(work("late"), 0s);
    } catch (const TimeoutError&) {
        late = true;
    }
    EXPECT_TRUE(late);
    throw RuntimeError("for the test below");
}

}  // namespace

Coro<> uses_names_of_files() {
    File file = co_await open("/dev/null", "w", {.buffering = 16});
    co_await file.write("nothing");
    co_await file.close();
    co_await with(open("/dev/null"), [](File& null) -> Coro<> {
        const string read = co_await null.read();
        EXPECT_EQ(read, "");
    });
    const bool exists = co_await os::path::exists("/dev/null");
    EXPECT_TRUE(exists);
    const os::StatResult status = co_await os::stat("/dev/null");
    EXPECT_FALSE(status.is_file());
    auto made = co_await tempfile::TemporaryDirectory({.prefix = "asyncio-names-"});
    co_await os::mkdir(made.name() + "/a", {.permissions = 0700});
    co_await os::rename(made.name() + "/a", made.name() + "/b");
    co_await made.cleanup();
}

TEST(UsingNamespace, LibraryNamesResolve) {
    EXPECT_THROW(run(uses_short_names()), RuntimeError);
    run(uses_names_of_files());
    EXPECT_EQ(run([] { return work("again"); }, {.backend = Backend::sim}), "again");
}

TEST(UsingNamespace, TheFunctionsOfCStillResolve) {
    const int file = open("/dev/null", O_RDONLY);
    ASSERT_GE(file, 0);
    char byte;
    EXPECT_EQ(read(file, &byte, 1), 0);
    close(file);
    EXPECT_EQ(sleep(0u), 0u);
    const pid_t child = fork();
    if (child == 0) _exit(3);
    int status = 0;
    EXPECT_EQ(wait(&status), child);
    EXPECT_EQ(WEXITSTATUS(status), 3);
    EXPECT_EQ(wait(nullptr), -1);
}
