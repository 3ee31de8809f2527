// What outlives what: loops that close under open connections, handles that outlive their loop, memory that
// runs out.
#include <optional>

#include "net_fixture.hpp"
#include "support/alloc_failure.hpp"

namespace asyncio::test { namespace {

class LifetimeTest : public NetTest {
  protected:
    /// A loop that is closed with what the coroutine left.
    template <class F>
    void run_and_leave(F&& function) {
        EventLoop loop({.backend = backend()});
        note_backend(loop.backend());
        loop.run_until_complete(detail::call_owned(std::forward<F>(function)));
        loop.close();
    }
};
ASYNCIO_ON_REAL_BACKENDS(LifetimeTest);

Coro<> hold_open(StreamReader reader, StreamWriter writer) {
    co_await reader.read();
    co_await writer.drain();
}

TEST_P(LifetimeTest, ALoopClosesConnectionsThatLiveOn) {
    std::optional<StreamReader> reader;
    std::optional<StreamWriter> writer;
    std::optional<StreamWriter> full;
    std::optional<RawSocket> peer;
    std::optional<RawSocket> full_peer;
    run_and_leave([&]() -> Coro<> {
        Pair p = tcp_pair();
        p.peer.send("line\nrest");
        co_await p.reader.readline();
        reader.emplace(std::move(p.reader));
        writer.emplace(std::move(p.writer));
        peer.emplace(std::move(p.peer));
        Pair q = unix_pair();
        q.writer.write(std::string(4'000'000, 'x'));  // the kernel holds a send
        full.emplace(std::move(q.writer));
        full_peer.emplace(std::move(q.peer));
    });
    EXPECT_TRUE(peer->at_end());
    EXPECT_TRUE(writer->is_closing());
    EXPECT_EQ(writer->fileno(), -1);
    EXPECT_EQ(full->get_write_buffer_size(), 0u);
    EXPECT_EQ(reader->buffered(), "rest");
    writer->write("ignored");
    writer->close();
    // In another loop they are as closed streams are.
    run([&]() -> Coro<> {
        const std::string rest = co_await reader->read();
        EXPECT_EQ(rest, "rest");
        EXPECT_TRUE(reader->at_eof());
        co_await writer->wait_closed();
        EXPECT_THROW(co_await writer->drain(), ConnectionResetError);
    });
}

// More often than one step may read without a pause: the turns in between are the running loop's, not those
// of the loop that the stream comes from, which rests or has gone.
TEST_P(LifetimeTest, AnEndedStreamIsReadInAnotherLoopAsOftenAsOneLikes) {
    constexpr int reads = 300;
    for (const bool gone : {false, true}) {
        std::optional<StreamReader> reader;
        std::optional<EventLoop> loop(std::in_place, RunOptions{.backend = backend()});
        loop->run_until_complete(detail::call_owned([&]() -> Coro<> {
            Pair p = unix_pair();
            p.peer.send(std::string(reads, 'x'));
            const bool some = co_await p.reader.read_more();
            EXPECT_TRUE(some);
            reader.emplace(std::move(p.reader));
            co_await finish(p.writer);
        }));
        const auto read_often = [&]() -> Coro<> {
            for (int i = 0; i < reads; ++i) {
                const std::string byte = co_await reader->read(1);
                EXPECT_EQ(byte, "x");
            }
            for (int i = 0; i < reads; ++i) {
                const std::string none = co_await reader->read(1);
                EXPECT_EQ(none, "");
            }
        };
        EventLoop other({.backend = backend()});
        if (gone) loop.reset();
        other.run_until_complete(
            detail::call_owned([&]() -> Coro<> { co_await wait_for(read_often(), 5s); }));
        expect_nothing_left(other);
        other.close();
    }
}

TEST_P(LifetimeTest, ALoopClosesServersThatLiveOn) {
    std::optional<Server> server;
    std::optional<RawSocket> peer;
    run_and_leave([&]() -> Coro<> {
        server.emplace(co_await start_server(hold_open, "127.0.0.1", 0));
        peer.emplace(raw_connect(server->port()));
        co_await testing::wait_all_tasks_blocked();
        EXPECT_EQ(server->connections(), 1u);
    });
    EXPECT_TRUE(peer->at_end());
    EXPECT_FALSE(server->is_serving());
    EXPECT_EQ(server->connections(), 0u);
    server->close();
}

TEST_P(LifetimeTest, TasksThatReadAndWriteEndWithTheLoop) {
    run_and_leave([&]() -> Coro<> {
        // Detached tasks own their ends; the loop cancels them, the connections go with their frames.
        const auto read = [](Pair p) -> Coro<> { co_await p.reader.readline(); };
        const auto read_into = [](Pair p) -> Coro<> {
            std::string memory(100'000, '?');
            co_await p.reader.read_into(memory);
        };
        const auto write = [](Pair p) -> Coro<> { co_await p.writer.send(std::string(4'000'000, 'x')); };
        create_task(read, tcp_pair());
        create_task(read_into, tcp_pair());
        create_task(write, tcp_pair());
        co_await testing::wait_all_tasks_blocked();
    });
}

TEST_P(LifetimeTest, HandlesMayBeDroppedWhileTheLoopRests) {
    EventLoop loop({.backend = backend()});
    std::optional<Pair> pair;
    std::optional<Server> server;
    loop.run_until_complete(detail::call_owned([&]() -> Coro<> {
        pair.emplace(tcp_pair());
        server.emplace(co_await start_server(hold_open, "127.0.0.1", 0));
        const auto read = [](StreamReader reader) -> Coro<> {
            const std::string none = co_await reader.read();
            EXPECT_EQ(none, "");
        };
        create_task(read, std::move(pair->reader));
        co_await testing::wait_all_tasks_blocked();
    }));
    pair->writer.write("bye");
    EXPECT_EQ(pair->peer.receive(), "bye");
    { const StreamWriter dropped = std::move(pair->writer); }
    server.reset();
    loop.run_until_complete(
        detail::call_owned([]() -> Coro<> { co_await testing::wait_all_tasks_blocked(); }));
    EXPECT_TRUE(pair->peer.at_end());
    expect_nothing_left(loop);
    loop.close();
}

// A destructor cannot refuse: it works for the loop that the server belongs to.
TEST_P(LifetimeTest, AServerIsDestroyedInsideAnotherLoop) {
    EventLoop loop({.backend = backend()});
    std::optional<Server> server;
    std::optional<Task<>> serving;
    loop.run_until_complete(detail::call_owned([&]() -> Coro<> {
        server.emplace(co_await start_server(hold_open, "127.0.0.1", 0));
        serving.emplace(create_task(server->serve_forever()));
        co_await testing::wait_all_tasks_blocked();
    }));
    run([&]() -> Coro<> {
        server.reset();
        co_return;
    });
    EXPECT_FALSE(serving->done()) << "it ends in a step of its own loop";
    loop.run_until_complete(ended(*serving));
    EXPECT_TRUE(serving->cancelled());
    expect_nothing_left(loop);
    loop.close();
}

TEST_P(LifetimeTest, AStreamOfAnotherLoopIsRefused) {
    EventLoop first({.backend = backend()});
    std::optional<Pair> pair;
    first.run_until_complete(detail::call_owned([&]() -> Coro<> {
        pair.emplace(unix_pair());
        pair->writer.write(std::string(4'000'000, 'x'));
        co_return;
    }));
    run([&]() -> Coro<> {
        EXPECT_THROW(co_await pair->reader.read(), RuntimeError);
        EXPECT_THROW(co_await pair->writer.drain(), RuntimeError);
        EXPECT_THROW(co_await pair->writer.wait_closed(), RuntimeError);
    });
    first.close();
}

TEST_P(LifetimeTest, AServerOfAnotherLoopIsNotWaitedFor) {
    EventLoop loop({.backend = backend()});
    std::optional<Server> server;
    std::optional<RawSocket> peer;
    loop.run_until_complete(detail::call_owned([&]() -> Coro<> {
        server.emplace(co_await start_server(hold_open, "127.0.0.1", 0));
        peer.emplace(raw_connect(server->port()));
        co_await testing::wait_all_tasks_blocked();
    }));
    run([&]() -> Coro<> {
        EXPECT_THROW(co_await server->serve_forever(), RuntimeError);
        server->close();
        EXPECT_THROW(co_await server->wait_closed(), RuntimeError);
        EXPECT_THROW(co_await server->wait_finished(), RuntimeError);
        EXPECT_THROW(co_await server->aexit(nullptr), RuntimeError);
    });
    loop.run_until_complete(detail::call_owned([&]() -> Coro<> {
        peer->close();
        co_await server->wait_finished();
    }));
    expect_nothing_left(loop);
    loop.close();
    run([&]() -> Coro<> { co_await server->wait_finished(); });  // it has ended: that may be asked anywhere
}

TEST_P(LifetimeTest, AReadOutlivesTheHandlesItWasMadeFrom) {
    run([]() -> Coro<> {
        std::optional<Pair> pair(tcp_pair());
        const auto read = [](StreamReader& reader) -> Coro<std::string> { co_return co_await reader.read(); };
        Task<std::string> task = create_task(read, std::ref(pair->reader));
        co_await testing::wait_all_tasks_blocked();
        pair.reset();
        const std::string none = co_await task;
        EXPECT_EQ(none, "");
        co_await testing::wait_all_tasks_blocked();
    });
}

TEST_P(LifetimeTest, NothingIsOpenedWhileTheLoopCloses) {
    bool refused = false;
    {
        EventLoop loop({.backend = backend()});
        loop.run_until_complete(detail::call_owned([]() -> Coro<> {
            Pair p = unix_pair();
            co_await finish(p.writer);
        }));
        // Runs when the tasks have ended and the connections are given up.
        loop.call_soon([&] {
            get_running_loop().call_soon([&] {
                try {
                    detail::running_net_part();
                } catch (const RuntimeError&) {
                    refused = true;
                }
            });
        });
        loop.close();
    }
    EXPECT_TRUE(refused);
}

// ---- without memory -----------------------------------------------------------------------------

Coro<> echo_line(StreamReader reader, StreamWriter writer) {
    const std::string line = co_await reader.readline();
    co_await writer.send(line, std::string(300, 'x'));
    writer.close();
}

Coro<> ask_once() {
    auto server = co_await start_server(echo_line, "127.0.0.1", 0);
    {
        auto streams = co_await open_connection("127.0.0.1", server.port(), {.timeout = 5s});
        co_await streams.writer.send(
            "a line of more than a few bytes, which does not fit into a small string\n");
        const std::string line = co_await streams.reader.readline();
        const std::string rest = co_await streams.reader.read(100);
        const std::string last = co_await streams.reader.read();
        // The server's side may have failed: then it ends early, but says nothing wrong.
        EXPECT_TRUE(line.empty() || line.size() == 72u);
        EXPECT_TRUE(line.empty() || rest.size() + last.size() == 300u);
        Pair full = unix_pair();
        full.writer.write(std::string(1'000'000, 'x'));
        full.writer.abort();
    }
    server.close();
    co_await server.wait_closed();
}

// Every allocation is refused in turn: the program may fail, with bad_alloc or a lost connection, but loses
// nothing.
TEST_P(LifetimeTest, EveryAllocationMayFail) {
    if (!AllocationFailure::works()) GTEST_SKIP() << "this sanitizer's operator new cannot be replaced";
    int failed = 0;
    int survived = 0;
    for (long at = 1;; ++at) {
        EventLoop loop({.backend = backend()});
        loop.set_exception_handler([](EventLoop&, const ExceptionContext&) {});
        bool happened = false;
        {
            AllocationFailure failure(at);
            try {
                loop.run_until_complete(ask_once());
                ++survived;
            } catch (...) {
                ++failed;
            }
            happened = failure.happened();
        }
        loop.close();
        if (!happened) break;
    }
    EXPECT_GT(failed, 5);
    EXPECT_GE(survived, 1);
}

}}  // namespace asyncio::test
