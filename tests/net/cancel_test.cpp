// Everything that waits here, cancelled at every step, on both real backends.
#include "net_fixture.hpp"
#include "support/cancel_points.hpp"

namespace asyncio::test { namespace {

class StreamCancel : public LoopTest {};

constexpr asyncio::testing::CancelPointOptions options{
    .simulate = false, .twice = true, .tasks_may_remain = true};

/// What the kernel was asked to end has ended.
Coro<> settle() {
    for (int i = 0; i < 3; ++i) co_await sleep(0s);
}

TEST_F(StreamCancel, ConnectAndTalk) {
    expect_each_cancel_point(
        []() -> Coro<> {
            auto [listener, port] = raw_listener();
            auto [reader, writer] = co_await open_connection("127.0.0.1", port, {.timeout = 10s});
            RawSocket peer(::accept4(listener.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
            co_await writer.send("hello\n");
            peer.send("line\nrest");
            co_await reader.readline();
            co_await reader.readexactly(4);
            writer.close();
            co_await writer.wait_closed();
        },
        options);
}

TEST_F(StreamCancel, EveryRead) {
    expect_each_cancel_point(
        []() -> Coro<> {
            const std::string message = "0123456789";
            std::string got;
            Pair p = unix_pair();
            std::string memory(2, '?');
            // Whatever is cancelled, what comes is read in order, once.
            const auto send_later = [&]() -> Coro<> {
                for (const char byte : message) {
                    p.peer.send(std::string_view(&byte, 1));
                    co_await sleep(0s);
                }
                p.peer.end_sending();
            };
            std::exception_ptr error;
            try {
                co_await with(TaskGroup{}, [&](TaskGroup& group) -> Coro<> {
                    group.create_task(send_later);
                    const std::size_t some = co_await p.reader.readinto_some(std::span(memory.data(), 1));
                    got.append(memory, 0, some);
                    const std::string one = co_await p.reader.readexactly(2);
                    got += one;
                    co_await p.reader.read_into(std::span(memory.data(), 2));
                    got.append(memory, 0, 2);
                    const std::string until = co_await p.reader.readuntil("7", "67");
                    got += until;
                    const std::size_t known = p.reader.buffered().size();
                    const bool more = co_await p.reader.read_more();
                    EXPECT_TRUE(more || known == 2);
                    const std::string all = co_await p.reader.read();
                    got += all;
                    EXPECT_EQ(got, message);
                });
            } catch (...) {
                error = std::current_exception();
            }
            const std::string_view rest = p.reader.buffered();
            EXPECT_TRUE(std::string_view(message).starts_with(got + std::string(rest))) << got << "|" << rest;
            p.writer.abort();
            if (error != nullptr) std::rethrow_exception(error);
            co_await settle();
        },
        options);
}

TEST_F(StreamCancel, EveryWrite) {
    expect_each_cancel_point(
        []() -> Coro<> {
            Pair p = unix_pair();
            const std::string piece = std::string(400'000, 'x');
            const auto read_all = [&]() -> Coro<> {
                while (!p.peer.at_end()) {
                    p.peer.receive();
                    co_await sleep(0s);
                }
            };
            co_await with(TaskGroup{}, [&](TaskGroup& group) -> Coro<> {
                group.create_task(read_all);
                co_await p.writer.send(piece);
                p.writer.write("more");
                co_await p.writer.drain();
                p.writer.close();
                co_await p.writer.wait_closed();
            });
        },
        {.simulate = false, .tasks_may_remain = true});
}

TEST_F(StreamCancel, ServersAndTheirClients) {
    expect_each_cancel_point(
        []() -> Coro<> {
            const auto echo = [](StreamReader reader, StreamWriter writer) -> Coro<> {
                const std::string line = co_await reader.readline();
                co_await writer.send(line);
                writer.close();
                co_await writer.wait_closed();
            };
            co_await with(start_server(echo, "127.0.0.1", 0), [&](Server& server) -> Coro<> {
                auto [reader, writer] = co_await open_connection("127.0.0.1", server.port());
                co_await writer.send("line\n");
                const std::string line = co_await reader.readline();
                EXPECT_EQ(line, "line\n");
                writer.close();
                co_await writer.wait_closed();
            });
        },
        // A client that is interrupted fails, and that is told.
        {.simulate = false, .twice = true, .tasks_may_remain = true, .may_report = true});
}

TEST_F(StreamCancel, ServeForever) {
    expect_each_cancel_point(
        []() -> Coro<> {
            const auto hold = [](StreamReader reader, StreamWriter) -> Coro<> { co_await reader.read(); };
            auto server = co_await start_server(hold, "127.0.0.1", 0);
            RawSocket peer = raw_connect(server.port());
            const auto stop = [&]() -> Coro<> {
                co_await sleep(0s);
                server.close();
            };
            Task<> stopping = create_task(stop);
            std::exception_ptr error;
            try {
                co_await server.serve_forever();
            } catch (...) {
                error = std::current_exception();
            }
            EXPECT_TRUE(is_cancelled(error));
            EXPECT_FALSE(server.is_serving());
            stopping.cancel();
            if (current_task().cancelling() != 0) std::rethrow_exception(error);
            co_await ended(stopping);
            co_await settle();
        },
        options);
}

TEST_F(StreamCancel, Resolving) {
    expect_each_cancel_point(
        []() -> Coro<> {
            co_await resolve("localhost", 1);
            co_await resolve("127.0.0.1", 1);
        },
        {.tasks_may_remain = true});
}

}}  // namespace asyncio::test
