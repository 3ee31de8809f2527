// Transports and protocols.
#include "asyncio/net/transport.hpp"

#include <fcntl.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "net/net_fixture.hpp"
#include "support/cancel_points.hpp"

namespace asyncio::test { namespace {

/// Notes all that it is told.
class Noting : public Protocol {
  public:
    void connection_made(Transport t) override {
        transport = std::move(t);
        calls.emplace_back("made");
    }
    void connection_lost(std::exception_ptr error) override {
        reason = error;
        calls.emplace_back("lost");
        lost.set_result();
    }
    void pause_writing() override { calls.emplace_back("pause"); }
    void resume_writing() override { calls.emplace_back("resume"); }
    void data_received(std::string_view data) override {
        received += data;
        calls.emplace_back("data");
        if (received.size() >= awaited && !enough.done()) enough.set_result();
    }
    bool eof_received() override {
        calls.emplace_back("eof");
        return stays_open;
    }

    Transport transport;
    std::vector<std::string> calls;
    std::string received;
    std::size_t awaited = 1;
    bool stays_open = false;
    std::exception_ptr reason;
    Future<> enough;
    Future<> lost;
};

std::shared_ptr<Noting> make_noting() { return std::make_shared<Noting>(); }

/// Sends back what it gets, as everybody's first protocol.
class Echo : public Protocol {
  public:
    void connection_made(Transport transport) override { transport_ = std::move(transport); }
    void data_received(std::string_view data) override { transport_.write(data); }

  private:
    Transport transport_;
};

std::unique_ptr<Echo> make_echo() { return std::make_unique<Echo>(); }

/// A protocol on one end of a Unix socket pair, the other in the test's hand.
struct Ends {
    std::shared_ptr<Noting> protocol;
    Transport transport;
    RawSocket peer;
};
Coro<Ends> noting_pair() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    RawSocket peer(ends[1]);
    auto [transport, protocol] = co_await connect_accepted_socket(make_noting, ends[0]);
    co_return Ends{std::move(protocol), std::move(transport), std::move(peer)};
}

class Transports : public NetTest {};
ASYNCIO_ON_REAL_BACKENDS(Transports);

TEST_P(Transports, AnEchoServerOfProtocolsAnswersAClientOfProtocols) {
    run([]() -> Coro<> {
        auto server = co_await create_server(make_echo, "127.0.0.1", 0);
        auto [transport, client] = co_await create_connection(make_noting, "127.0.0.1", server.port());
        client->awaited = 5;
        transport.write("hello");
        co_await client->enough;
        EXPECT_EQ(client->received, "hello");
        EXPECT_TRUE(transport.get_protocol() == client);
        EXPECT_EQ(std::get<Address>(transport.get_extra_info("peername")).port(), server.port());
        transport.close();
        EXPECT_TRUE(transport.is_closing());
        co_await client->lost;
        EXPECT_TRUE(client->reason == nullptr);
        EXPECT_EQ(client->calls, (std::vector<std::string>{"made", "data", "lost"}));
        server.close();
        co_await server.wait_closed();
    });
}

TEST_P(Transports, StreamsAndProtocolsTalkToEachOther) {
    run([]() -> Coro<> {
        char folder[] = "/tmp/asyncio-transport-XXXXXX";
        EXPECT_NE(::mkdtemp(folder), nullptr);
        const std::string path = std::string(folder) + "/s";
        auto server = co_await create_unix_server(make_echo, path);
        auto [reader, writer] = co_await open_unix_connection(path);
        const std::string sent = pattern(300'000);
        auto sending = create_task(
            [](StreamWriter& to, std::string_view bytes) -> Coro<> {
                co_await to.send(bytes);
                to.write_eof();
            },
            std::ref(writer), std::string_view(sent));
        std::string back = co_await reader.read();
        EXPECT_TRUE(back == sent);
        co_await sending;
        co_await finish(writer);
        auto [transport, client] = co_await create_unix_connection(make_noting, path);
        transport.write("x");
        co_await client->enough;
        transport.abort();
        co_await client->lost;
        server.close();
        co_await server.wait_closed();
        std::filesystem::remove_all(folder);
    });
}

TEST_P(Transports, TheConnectionWasMadeBeforeAnythingElse) {
    run([]() -> Coro<> {
        int ends[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        RawSocket peer(ends[1]);
        peer.send("early");
        auto [transport, protocol] = co_await connect_accepted_socket(make_noting, ends[0]);
        EXPECT_EQ(protocol->calls.front(), "made") << "before the await returns, as in Python";
        co_await protocol->enough;
        EXPECT_EQ(protocol->calls, (std::vector<std::string>{"made", "data"}));
        transport.close();
        co_await protocol->lost;
    });
}

TEST_P(Transports, ThePeersEndClosesUnlessTheProtocolWantsToGoOn) {
    run([]() -> Coro<> {
        Ends closing = co_await noting_pair();
        closing.peer.end_sending();
        co_await closing.protocol->lost;
        EXPECT_EQ(closing.protocol->calls, (std::vector<std::string>{"made", "eof", "lost"}));
        EXPECT_TRUE(closing.peer.at_end());

        Ends open = co_await noting_pair();
        open.protocol->stays_open = true;
        open.peer.end_sending();
        co_await testing::wait_all_tasks_blocked();
        for (int turn = 0; turn < 1000 && open.protocol->calls.size() < 2; ++turn) co_await sleep(100us);
        EXPECT_EQ(open.protocol->calls, (std::vector<std::string>{"made", "eof"}));
        open.transport.write("still here");
        EXPECT_EQ(open.peer.receive(), "still here");
        open.transport.close();
        co_await open.protocol->lost;
    });
}

TEST_P(Transports, APausedTransportReceivesNothingUntilItIsResumed) {
    run([]() -> Coro<> {
        Ends ends = co_await noting_pair();
        co_await sleep(0s);
        EXPECT_TRUE(ends.transport.is_reading());
        ends.transport.pause_reading();
        ends.transport.pause_reading();
        EXPECT_FALSE(ends.transport.is_reading());
        ends.peer.send("waiting");
        co_await sleep(5ms);
        EXPECT_EQ(ends.protocol->received, "");
        ends.transport.resume_reading();
        co_await ends.protocol->enough;
        EXPECT_EQ(ends.protocol->received, "waiting");
        ends.transport.close();
        co_await ends.protocol->lost;
    });
}

TEST_P(Transports, AProtocolThatWritesTooMuchIsToldAndToldAgain) {
    run([]() -> Coro<> {
        Ends ends = co_await noting_pair();
        co_await sleep(0s);
        ends.transport.set_write_buffer_limits({.high = 1000, .low = 100});
        const std::string sent = pattern(2 << 20);
        ends.transport.write(sent);
        EXPECT_EQ(ends.protocol->calls, (std::vector<std::string>{"made", "pause"}));
        EXPECT_GT(ends.transport.get_write_buffer_size(), 1000u);
        ends.transport.write("more");
        EXPECT_EQ(ends.protocol->calls.size(), 2u) << "once";
        std::string got;
        while (got.size() < sent.size() + 4) {
            got += ends.peer.receive();
            co_await sleep(0s);
        }
        for (int turn = 0; turn < 1000 && ends.protocol->calls.size() < 3; ++turn) co_await sleep(100us);
        EXPECT_EQ(ends.protocol->calls.back(), "resume");
        EXPECT_TRUE(got == sent + "more");
        ends.transport.close();
        co_await ends.protocol->lost;
    });
}

TEST_P(Transports, ClosingSendsWhatIsBufferedAbortingDoesNot) {
    run([]() -> Coro<> {
        const std::string sent = pattern(1 << 20);
        Ends closing = co_await noting_pair();
        closing.transport.write(sent);
        closing.transport.close();
        EXPECT_FALSE(closing.protocol->lost.done());
        std::string got = co_await drain_peer(closing.peer);
        EXPECT_TRUE(got == sent);
        co_await closing.protocol->lost;

        Ends aborting = co_await noting_pair();
        aborting.transport.write(sent);
        aborting.transport.abort();
        co_await aborting.protocol->lost;
        EXPECT_TRUE(aborting.protocol->reason == nullptr);
        std::string part = co_await drain_peer(aborting.peer);
        EXPECT_LT(part.size(), sent.size());
    });
}

TEST_P(Transports, AResetIsTheReasonOfTheLoss) {
    run([]() -> Coro<> {
        auto [listener, port] = raw_listener();
        auto [transport, protocol] = co_await create_connection(make_noting, "127.0.0.1", port);
        RawSocket peer(::accept(listener.fd(), nullptr, nullptr));
        peer.reset();
        co_await protocol->lost;
        EXPECT_THROW(std::rethrow_exception(protocol->reason), ConnectionResetError);
        transport.write("into the void");
        EXPECT_TRUE(transport.is_closing());
        EXPECT_TRUE(transport.get_protocol() == nullptr);
    });
}

/// Takes three bytes at a time.
class Small : public BufferedProtocol {
  public:
    std::span<char> get_buffer(std::size_t size_hint) override {
        EXPECT_GT(size_hint, 0u);
        return buffer_;
    }
    void buffer_updated(std::size_t bytes) override {
        received += std::string_view(buffer_, bytes);
        ++pieces;
    }
    void connection_lost(std::exception_ptr) override { lost.set_result(); }
    std::string received;
    int pieces = 0;
    Future<> lost;

  private:
    char buffer_[3];
};

TEST_P(Transports, ABufferedProtocolGivesTheMemory) {
    run([]() -> Coro<> {
        int ends[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        RawSocket peer(ends[1]);
        auto [transport, protocol] =
            co_await connect_accepted_socket([] { return std::make_shared<Small>(); }, ends[0]);
        peer.send("12345678");
        peer.close();
        co_await protocol->lost;
        EXPECT_EQ(protocol->received, "12345678");
        EXPECT_EQ(protocol->pieces, 3);
    });
}

class Failing : public Noting {
  public:
    void data_received(std::string_view) override { throw std::runtime_error("no such luck"); }
};

TEST_P(Transports, WhatAProtocolThrowsIsReportedAndEndsItsConnection) {
    std::string told;
    run([&]() -> Coro<> {
        get_running_loop().set_exception_handler(
            [&](EventLoop&, const ExceptionContext& context) { told = context.message; });
        int ends[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        RawSocket peer(ends[1]);
        auto [transport, protocol] =
            co_await connect_accepted_socket([] { return std::make_shared<Failing>(); }, ends[0]);
        peer.send("x");
        co_await protocol->lost;
        EXPECT_TRUE(peer.at_end());
        get_running_loop().set_exception_handler({});
    });
    EXPECT_EQ(told, "Fatal error: protocol.data_received() call failed.");
}

/// Hands the connection on to another protocol at the first byte, and closes at "q".
class Switching : public Noting {
  public:
    void data_received(std::string_view data) override {
        Noting::data_received(data);
        transport.set_protocol(next);
    }
    std::shared_ptr<Noting> next = make_noting();
};

TEST_P(Transports, AProtocolMayPutAnotherInItsPlaceOrCloseFromInside) {
    run([]() -> Coro<> {
        int ends[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        RawSocket peer(ends[1]);
        auto [transport, protocol] =
            co_await connect_accepted_socket([] { return std::make_shared<Switching>(); }, ends[0]);
        peer.send("1");
        co_await protocol->enough;
        peer.send("2");
        co_await protocol->next->enough;
        EXPECT_EQ(protocol->received, "1");
        EXPECT_EQ(protocol->next->received, "2");
        transport.close();
        co_await protocol->next->lost;
        EXPECT_FALSE(protocol->lost.done());
    });
}

TEST_P(Transports, PipesHaveTransportsOfOneDirection) {
    run([]() -> Coro<> {
        int ends[2];
        EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
        auto [in, reader] = co_await connect_read_pipe(make_noting, ends[0]);
        auto [out, writer] = co_await connect_write_pipe(make_noting, ends[1]);
        out.write("through");
        reader->awaited = 7;
        co_await reader->enough;
        EXPECT_EQ(reader->received, "through");
        EXPECT_THROW(in.write("x"), RuntimeError);
        EXPECT_FALSE(out.is_reading());
        out.write_eof();
        co_await reader->lost;
        co_await writer->lost;
        EXPECT_EQ(reader->calls, (std::vector<std::string>{"made", "data", "eof", "lost"}));
    });
}

TEST_P(Transports, AClosedLoopEndsItsTransports) {
    std::shared_ptr<Noting> kept;
    asyncio::run(
        [&]() -> Coro<> {
            Ends ends = co_await noting_pair();
            kept = ends.protocol;
            co_await sleep(0s);
        },
        {.backend = backend()});
    EXPECT_EQ(kept->calls, (std::vector<std::string>{"made", "lost"}));
    kept->transport.close();
    kept->transport.write("nothing");
    EXPECT_TRUE(kept->transport.is_closing());
}

TEST_P(Transports, WhatIsNoSocketIsNamed) {
    run([]() -> Coro<> {
        const auto closed =
            co_await try_wait_for([]() { return connect_accepted_socket(make_noting, 98765); }, 5s);
        EXPECT_NE(closed.what().find("connect_accepted_socket: descriptor 98765"), std::string::npos)
            << closed.what();
        const auto refused = co_await try_wait_for(
            []() { return create_connection(make_noting, "127.0.0.1", 1, {.timeout = 5s}); }, 5s);
        EXPECT_NE(refused.error_as<OSError>(), nullptr) << refused.what();
        std::string none;
        try {
            int ends[2];
            EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
            const RawSocket peer(ends[1]);
            co_await connect_accepted_socket([]() -> std::shared_ptr<Noting> { return nullptr; }, ends[0]);
        } catch (const ValueError& error) {
            none = error.what();
        }
        EXPECT_EQ(none, "the factory gave no protocol");
    });
}

bool is_open(int descriptor) { return ::fcntl(descriptor, F_GETFD) >= 0; }

TEST_P(Transports, ADescriptorThatWasGivenAwayIsClosedHoweverItEnds) {
    run([]() -> Coro<> {
        int pipe_ends[2];
        EXPECT_EQ(::pipe2(pipe_ends, O_CLOEXEC), 0);
        const RawSocket other(pipe_ends[1]);
        const auto no_socket =
            co_await try_wait_for([&]() { return connect_accepted_socket(make_noting, pipe_ends[0]); }, 5s);
        EXPECT_NE(no_socket.error_as<OSError>(), nullptr) << no_socket.what();
        EXPECT_FALSE(is_open(pipe_ends[0]));
        for (const bool with_limit : {true, false}) {
            int ends[2];
            EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
            const RawSocket peer(ends[1]);
            if (with_limit) {
                // Cancelled before its first step.
                auto task = create_task(connect_accepted_socket(make_noting, ends[0]));
                task.cancel();
                try {
                    co_await task;
                } catch (const CancelledError&) {}
                EXPECT_TRUE(task.cancelled());
            } else {
                EXPECT_THROW(static_cast<void>(connect_accepted_socket(make_noting, ends[0], {.limit = 0})),
                             ValueError);
            }
            EXPECT_FALSE(is_open(ends[0]));
        }
    });
}

TEST_P(Transports, LoweringTheLimitPausesAtOnce) {
    run([]() -> Coro<> {
        int ends[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
        const RawSocket peer(ends[1]);
        auto [transport, protocol] = co_await connect_accepted_socket(make_noting, ends[0]);
        transport.set_write_buffer_limits({.high = 100'000'000});
        transport.write(std::string(5'000'000, 'x'));
        EXPECT_EQ(protocol->calls, std::vector<std::string>(1, "made"));
        transport.set_write_buffer_limits({.high = 1000});
        EXPECT_EQ(protocol->calls.back(), "pause");
        transport.abort();
        co_await protocol->lost;
    });
}

/// Puts another protocol in its place when it is asked for memory.
class Fickle : public BufferedProtocol {
  public:
    void connection_made(Transport t) override { transport = std::move(t); }
    std::span<char> get_buffer(std::size_t) override {
        transport.set_protocol(next);
        return memory;
    }
    void buffer_updated(std::size_t bytes) override { updated += bytes; }
    Transport transport;
    std::shared_ptr<Noting> next = make_noting();
    std::array<char, 4> memory{};
    std::size_t updated = 0;
};

TEST_P(Transports, AProtocolMayPutAnotherInItsPlaceWhileItIsAskedForMemory) {
    run([]() -> Coro<> {
        int ends[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
        const RawSocket peer(ends[1]);
        auto [transport, protocol] =
            co_await connect_accepted_socket([]() { return std::make_shared<Fickle>(); }, ends[0]);
        protocol->next->awaited = 2;
        EXPECT_EQ(::send(ends[1], "123456", 6, 0), 6);
        co_await protocol->next->enough;
        EXPECT_EQ(protocol->updated, 4u);
        EXPECT_EQ(protocol->next->received, "56");
        transport.abort();
        co_await protocol->next->lost;
    });
}

TEST_P(Transports, AWriterOfAPipeIsToldThatNobodyReadsAnyMore) {
    run([]() -> Coro<> {
        int ends[2];
        EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
        auto [transport, protocol] = co_await connect_write_pipe(make_noting, ends[1]);
        ::close(ends[0]);
        co_await protocol->lost;
        EXPECT_TRUE(protocol->reason == nullptr) << "nothing was lost";
        EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
        auto [other, told] = co_await connect_write_pipe(make_noting, ends[1]);
        other.write(std::string(1'000'000, 'x'));
        ::close(ends[0]);
        co_await told->lost;
        EXPECT_THROW(std::rethrow_exception(told->reason), BrokenPipeError);
    });
}

TEST_P(Transports, CancelledAtAnyPointNothingIsLeftOpen) {
    expect_each_cancel_point(
        []() -> Coro<> {
            auto server = co_await create_server(make_echo, "127.0.0.1", 0);
            co_await with(server, [&]() -> Coro<> {
                auto [transport, client] =
                    co_await create_connection(make_noting, "127.0.0.1", server.port());
                transport.write("x");
                struct Close {
                    Transport& transport;
                    explicit Close(Transport& t) : transport(t) {}
                    ~Close() { transport.abort(); }
                } const close(transport);
                co_await client->enough;
            });
        },
        {.backend = backend(), .simulate = false, .may_report = true});
}

// Python's protocols at the other end.
TEST_P(Transports, PythonsProtocolsTalkToOurs) {
    run([]() -> Coro<> {
        auto server = co_await create_server(make_echo, "127.0.0.1", 0);
        const std::string program =
            "python3 -c \"import asyncio\n"
            "class C(asyncio.Protocol):\n"
            "    def __init__(self, done): self.done, self.got = done, b''\n"
            "    def connection_made(self, t): t.write(b'x' * 100000)\n"
            "    def data_received(self, d):\n"
            "        self.got += d\n"
            "        if len(self.got) == 100000 and not self.done.done(): self.done.set_result(None)\n"
            "async def main():\n"
            "    loop = asyncio.get_running_loop(); done = loop.create_future()\n"
            "    t, p = await loop.create_connection(lambda: C(done), '127.0.0.1', " +
            std::to_string(server.port()) +
            ")\n"
            "    await done; t.close()\n"
            "asyncio.run(main())\"";
        int status = co_await to_thread([&] { return std::system(program.c_str()); });
        EXPECT_EQ(status, 0);
        server.close();
        co_await server.wait_closed();
    });
}

}}  // namespace asyncio::test
