// Streams against those of Python's asyncio, and ten thousand of them between two processes.
#include <sys/resource.h>

#include "net_fixture.hpp"
#include "program.hpp"
#include "support/paths.hpp"

namespace asyncio::test { namespace {

class SlowInterop : public NetTest {};
ASYNCIO_ON_REAL_BACKENDS(SlowInterop);

Coro<> echo(StreamReader reader, StreamWriter writer) {
    for (;;) {
        const std::string data = co_await reader.read(65536);
        if (data.empty()) break;
        co_await writer.send(data);
    }
    writer.close();
    co_await writer.wait_closed();
}

TEST_P(SlowInterop, APythonClientTalksToOurServer) {
    run([]() -> Coro<> {
        auto server = co_await start_server(echo, "127.0.0.1", 0);
        Program client({"python3", peer_script("echo_client.py"), std::to_string(server.port())});
        const std::string line = co_await to_thread([&client] { return client.read_line(); });
        EXPECT_EQ(line, "ok\n");
        EXPECT_EQ(client.wait_for_end(), 0);
        server.close();
        co_await server.wait_closed();
        co_await testing::wait_all_tasks_blocked();
    });
}

TEST_P(SlowInterop, OurClientTalksToAPythonServer) {
    run([]() -> Coro<> {
        Program server({"python3", peer_script("line_server.py")});
        const std::string port = server.read_line();
        auto [reader, writer] =
            co_await open_connection("127.0.0.1", static_cast<std::uint16_t>(std::stoi(port)));
        for (int i = 0; i < 100; ++i) {
            co_await writer.send("line ", std::to_string(i), "\n");
            const std::string answer = co_await reader.readline();
            EXPECT_EQ(answer, "LINE " + std::to_string(i) + "\n");
        }
        const std::string longest(60'000, 'x');
        co_await writer.send(longest, "\n");
        const std::string answer = co_await reader.readline();
        EXPECT_EQ(answer, std::string(60'000, 'X') + "\n");
        co_await writer.send("quit\n");
        const std::string none = co_await reader.read();
        EXPECT_EQ(none, "");
        writer.close();
        co_await writer.wait_closed();
        EXPECT_EQ(server.wait_for_end(), 0);
    });
}

// ---- ten thousand -------------------------------------------------------------------------------

class SlowConnections : public NetTest {};
ASYNCIO_ON_REAL_BACKENDS(SlowConnections);

/// Resident memory of this process in bytes.
std::size_t resident_bytes() {
    std::size_t pages = 0;
    if (std::FILE* file = std::fopen("/proc/self/statm", "r")) {
        std::size_t total = 0;
        if (std::fscanf(file, "%zu %zu", &total, &pages) != 2) pages = 0;
        std::fclose(file);
    }
    return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// The other process: opens connections, says so, and checks that each still echoes when it is told to.
Coro<> keep_open(std::uint16_t port, std::size_t count, int say, int hear) {
    std::vector<Streams> clients;
    while (clients.size() < count) {
        std::vector<Coro<Streams>> some;
        for (int i = 0; i < 500 && clients.size() + some.size() < count; ++i) {
            some.push_back(open_connection("127.0.0.1", port));
        }
        std::vector<Streams> opened = co_await gather(std::move(some));
        for (Streams& each : opened) clients.push_back(std::move(each));
    }
    const char ready = 'r';
    if (::write(say, &ready, 1) != 1) co_return;
    char go = 0;
    if (::read(hear, &go, 1) != 1) co_return;
    std::size_t good = 0;
    for (std::size_t i = 0; i < count; ++i) clients[i].writer.write("still here " + std::to_string(i) + "\n");
    for (std::size_t i = 0; i < count; ++i) {
        const std::string line = co_await clients[i].reader.readline();
        good += line == "still here " + std::to_string(i) + "\n" ? 1 : 0;
    }
    for (Streams& each : clients) each.writer.close();
    for (Streams& each : clients) co_await each.writer.wait_closed();
    const char answer = good == count ? 'y' : 'n';
    if (::write(say, &answer, 1) != 1) co_return;
}

TEST_P(SlowConnections, TenThousandLieIdleThenAllStillWork) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const rlim_t before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    const std::size_t count = std::min<std::size_t>(10'000, limit.rlim_cur - 100);

    int to_child[2];
    int to_parent[2];
    ASSERT_EQ(::pipe2(to_child, O_CLOEXEC), 0);
    ASSERT_EQ(::pipe2(to_parent, O_CLOEXEC), 0);
    // Forked before any loop exists.
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        std::uint16_t port = 0;
        int status = 1;
        if (::read(to_child[0], &port, sizeof port) == sizeof port) {
            EventLoop loop({.backend = backend()});
            loop.run_until_complete(keep_open(port, count, to_parent[1], to_child[0]));
            loop.close();
            status = 0;
        }
        ::_exit(status);
    }
    ::close(to_child[0]);
    ::close(to_parent[1]);
    run([&]() -> Coro<> {
        auto server = co_await start_server(echo, "127.0.0.1", 0, {.backlog = 4096});
        const std::size_t bytes_before = resident_bytes();
        const auto tell = [&](char what) { EXPECT_EQ(::write(to_child[1], &what, 1), 1); };
        const auto hear = [fd = to_parent[0]]() {
            char what = 0;
            return ::read(fd, &what, 1) == 1 ? what : '?';
        };
        const std::uint16_t port = server.port();
        EXPECT_EQ(::write(to_child[1], &port, sizeof port), static_cast<ssize_t>(sizeof port));
        const char ready = co_await to_thread(hear);
        EXPECT_EQ(ready, 'r');
        while (server.connections() < count) co_await sleep(1ms);
        co_await testing::wait_all_tasks_blocked();
        const std::size_t each = (resident_bytes() - bytes_before) / count;
        std::printf("%zu idle connections: %zu bytes of memory each, with the task and its coroutine\n",
                    count, each);
        tell('g');
        const char good = co_await to_thread(hear);
        EXPECT_EQ(good, 'y');
        server.close();
        co_await server.wait_closed();
        co_await testing::wait_all_tasks_blocked();
    });
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
    ::close(to_child[1]);
    ::close(to_parent[0]);
    limit.rlim_cur = before;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

// A peer that is killed: the kernel tells everybody who waits for it.
TEST_P(SlowInterop, AKilledPeerEndsEveryWait) {
    run([]() -> Coro<> {
        std::vector<std::string> ends;
        const auto on_client = [&ends](StreamReader reader, StreamWriter writer) -> Coro<> {
            try {
                const std::string line = co_await reader.readline();
                EXPECT_EQ(line, "hello\n");
                for (;;) co_await writer.send(pattern(100'000));
            } catch (const ConnectionError&) {
                ends.push_back("lost");
            }
        };
        auto server = co_await start_server(on_client, "127.0.0.1", 0);
        const std::string script = "import socket,sys,time; s=socket.create_connection(('127.0.0.1'," +
                                   std::to_string(server.port()) +
                                   ")); s.sendall(b'hello\\n'); print('sent',flush=True); time.sleep(60)";
        {
            Program peer({"python3", "-c", script});
            const std::string line = co_await to_thread([&peer] { return peer.read_line(); });
            EXPECT_EQ(line, "sent\n");
            co_await testing::wait_all_tasks_blocked();
            EXPECT_TRUE(ends.empty());
        }  // killed
        server.close();
        co_await server.wait_closed();
        co_await testing::wait_all_tasks_blocked();
        EXPECT_EQ(ends.size(), 1u);
    });
}

}}  // namespace asyncio::test
