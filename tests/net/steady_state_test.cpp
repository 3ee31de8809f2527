// In the steady state a connection costs no memory and few system calls.
//
// System calls are counted by strace, from outside. What it runs is this program again, with the test named
// DISABLED_… below, which echoes over a hundred connections and is their client, too: so that all messages of
// a round are there before the loop looks, however busy the machine is.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <vector>

#include "net_fixture.hpp"
#include "support/alloc_failure.hpp"

namespace asyncio::test { namespace {

class SteadyConnection : public NetTest {};
ASYNCIO_ON_REAL_BACKENDS(SteadyConnection);

constexpr std::string_view message = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

Coro<> echo(StreamReader& reader, StreamWriter& writer) {
    char buffer[256];
    while (true) {
        const std::size_t got = co_await reader.readinto_some(buffer);
        if (got == 0) break;
        co_await writer.send(std::string_view(buffer, got));
    }
}

/// Sends a message and waits for its echo. RawSocket::receive makes a string, so not that one.
Coro<> exchange(const RawSocket& peer, bool* same) {
    char buffer[256];
    peer.send(message);
    ssize_t got = -1;
    while (got < 0) {
        co_await sleep(0s);
        got = ::recv(peer.fd(), buffer, sizeof buffer, MSG_DONTWAIT);
    }
    if (std::string_view(buffer, static_cast<std::size_t>(got)) != message) *same = false;
}

TEST_P(SteadyConnection, ReadsAndWritesAllocateNothing) {
    if (ASYNCIO_ASAN || ASYNCIO_TSAN) GTEST_SKIP() << "frames are not recycled under this sanitizer";
    run([]() -> Coro<> {
        Pair pair = tcp_pair();
        const Task<> echoing = create_task(echo(pair.reader, pair.writer));
        bool same = true;
        for (int i = 0; i < 100; ++i) co_await exchange(pair.peer, &same);
        const long before = allocations();
        for (int i = 0; i < 1000; ++i) co_await exchange(pair.peer, &same);
        EXPECT_EQ(allocations() - before, 0);
        EXPECT_TRUE(same);
        pair.peer.end_sending();
        co_await echoing;
        co_await finish(pair.writer);
    });
}

TEST_P(SteadyConnection, ATimeoutAroundEachReadAllocatesNothing) {
    if (ASYNCIO_ASAN || ASYNCIO_TSAN) GTEST_SKIP() << "frames are not recycled under this sanitizer";
    run([]() -> Coro<> {
        Pair pair = tcp_pair();
        char buffer[256];
        std::size_t got = 0;
        long before = 0;
        for (int i = 0; i < 1100; ++i) {
            if (i == 100) before = allocations();
            const auto read = [&](Timeout&) -> Coro<> { got += co_await pair.reader.readinto_some(buffer); };
            pair.peer.send(message);
            co_await with(timeout(1h), read);
        }
        EXPECT_EQ(allocations() - before, 0);
        EXPECT_EQ(got, 1100 * message.size());
        co_await finish(pair.writer);
    });
}

// ---- system calls -------------------------------------------------------------------------------

constexpr int connections = 100;

Coro<> echo_rounds(int rounds) {
    std::vector<Pair> pairs;
    pairs.reserve(connections);
    std::vector<Task<>> tasks;
    for (int i = 0; i < connections; ++i) {
        pairs.push_back(tcp_pair());
        tasks.push_back(create_task(echo(pairs.back().reader, pairs.back().writer)));
    }
    for (int round = 0; round < rounds; ++round) {
        for (const Pair& pair : pairs) pair.peer.send(message);
        co_await asyncio::testing::wait_all_tasks_blocked();
        char buffer[256];
        for (const Pair& pair : pairs) {
            const ssize_t got = ::recv(pair.peer.fd(), buffer, sizeof buffer, MSG_DONTWAIT);
            EXPECT_EQ(got, static_cast<ssize_t>(message.size()));
        }
    }
    for (Pair& pair : pairs) pair.peer.end_sending();
    for (const Task<>& task : tasks) co_await task;
    for (Pair& pair : pairs) co_await finish(pair.writer);
}

TEST(SystemCallsChild, DISABLED_echoes) {
    const char* const rounds = std::getenv("ASYNCIO_TEST_ROUNDS");
    asyncio::run(echo_rounds(rounds != nullptr ? std::atoi(rounds) : 1));
}

/// System calls of the child for so many rounds; 0 if strace is not here or may not trace.
long calls_of_child(Backend backend, int rounds) {
    char log[] = "/tmp/asyncio-system-calls-XXXXXX";
    const int fd = ::mkstemp(log);
    if (fd < 0) return 0;
    ::close(fd);
    const std::string program = std::to_string(::getpid());
    // Not as the shard that these tests may be.
    const std::string command =
        "env -u GTEST_TOTAL_SHARDS -u GTEST_SHARD_INDEX ASYNCIO_TEST_ROUNDS=" + std::to_string(rounds) +
        " ASYNCIO_BACKEND=" + std::string(to_string(backend)) + " strace -c -f -o " + log +
        " \"$(readlink /proc/" + program +
        "/exe)\" --gtest_also_run_disabled_tests "
        "--gtest_filter=SystemCallsChild.DISABLED_echoes >/dev/null 2>&1";
    const int status = std::system(command.c_str());
    long calls = 0;
    std::ifstream lines(log);
    for (std::string line; WIFEXITED(status) && WEXITSTATUS(status) == 0 && std::getline(lines, line);) {
        // "100.00    0.012345           3      4012        12 total"
        if (line.size() < 6 || line.compare(line.size() - 6, 6, " total") != 0) continue;
        std::istringstream words(line);
        std::string percent, seconds, each;
        words >> percent >> seconds >> each >> calls;
    }
    ::unlink(log);
    return calls;
}

TEST_P(SteadyConnection, AnEchoedMessageCostsTwoSystemCalls) {
    if (ASYNCIO_ASAN || ASYNCIO_TSAN) GTEST_SKIP() << "a sanitizer makes system calls of its own";
    const long few = calls_of_child(backend(), 5);
    if (few == 0) GTEST_SKIP() << "needs strace, and the right to trace";
    const long many = calls_of_child(backend(), 25);
    const double messages = 20 * connections;
    // The client's own send and recv are two of each message's.
    const double each = static_cast<double>(many - few) / messages - 2;
    EXPECT_LE(each, 2.05);
    EXPECT_GT(each, 0) << "else the child did nothing";
}

}}  // namespace asyncio::test
