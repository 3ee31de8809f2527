// Servers: who is called, who is told, what closing waits for.
#include <poll.h>
#include <sys/resource.h>

#include <set>

#include "asyncio/testing/mock_clock.hpp"
#include "net_fixture.hpp"

namespace asyncio::test { namespace {

class ServerTest : public NetTest {};
ASYNCIO_ON_REAL_BACKENDS(ServerTest);

Coro<> echo(StreamReader reader, StreamWriter writer) {
    for (;;) {
        const std::string data = co_await reader.read(65536);
        if (data.empty()) break;
        co_await writer.send(data);
    }
    writer.close();
    co_await writer.wait_closed();
}

Coro<std::string> ask(std::string_view host, std::uint16_t port, std::string question) {
    auto [reader, writer] = co_await open_connection(host, port);
    co_await writer.send(question);
    writer.write_eof();
    std::string answer = co_await reader.read();
    writer.close();
    co_await writer.wait_closed();
    co_return answer;
}

Coro<> end(Server& server) {
    server.close();
    co_await server.wait_closed();
    // The tasks of clients whose connection is closed have a step or two to go.
    co_await testing::wait_all_tasks_blocked();
}

TEST_P(ServerTest, EchoesToItsClients) {
    run([]() -> Coro<> {
        auto server = co_await start_server(echo, "127.0.0.1", 0, {.backlog = 1024});
        EXPECT_TRUE(server.is_serving());
        EXPECT_EQ(server.sockets().size(), 1u);
        EXPECT_EQ(server.sockets()[0].to_string(), "127.0.0.1:" + std::to_string(server.port()));
        const std::string question = pattern(100'000);
        std::vector<Task<std::string>> clients;
        for (int i = 0; i < 10; ++i)
            clients.push_back(create_task(ask("127.0.0.1", server.port(), question)));
        for (const Task<std::string>& each : clients) {
            const std::string answer = co_await each;
            EXPECT_EQ(answer, question);
        }
        co_await end(server);
        EXPECT_FALSE(server.is_serving());
        EXPECT_TRUE(server.sockets().empty());
        EXPECT_EQ(server.port(), 0);
    });
}

TEST_P(ServerTest, ListensOnIpv6AndOnAllInterfaces) {
    run([]() -> Coro<> {
        auto six = co_await start_server(echo, "::1", 0);
        const std::string answer = co_await ask("::1", six.port(), "over six");
        EXPECT_EQ(answer, "over six");
        co_await end(six);

        auto all = co_await start_server(echo, "", 0);
        const std::vector<Address> sockets = all.sockets();
        EXPECT_EQ(sockets.size(), 2u);
        for (const Address& each : sockets) {
            const bool four = each.family() == AddressFamily::ipv4;
            const std::string reply = co_await ask(
                four ? std::string_view("127.0.0.1") : std::string_view("::1"), each.port(), "any");
            EXPECT_EQ(reply, "any");
        }
        co_await end(all);

        auto only_four = co_await start_server(echo, "", 0, {.family = AddressFamily::ipv4});
        EXPECT_EQ(only_four.sockets().size(), 1u);
        co_await end(only_four);
    });
}

TEST_P(ServerTest, TakesAnyCallable) {
    run([]() -> Coro<> {
        // A plain function, called without a task; a lambda that captures; one that owns what it captures.
        int called = 0;
        const auto plain = [&called](StreamReader, StreamWriter writer) {
            ++called;
            writer.write("plain");
        };
        auto first = co_await start_server(plain, "127.0.0.1", 0);
        const std::string one = co_await ask("127.0.0.1", first.port(), "");
        EXPECT_EQ(one, "plain");
        EXPECT_EQ(called, 1);
        co_await end(first);

        const auto capturing = [&called](StreamReader reader, StreamWriter writer) -> Coro<> {
            ++called;
            const std::string question = co_await reader.read();
            co_await writer.send("captured ", question);
        };
        auto second = co_await start_server(capturing, "127.0.0.1", 0);
        const std::string two = co_await ask("127.0.0.1", second.port(), "it");
        EXPECT_EQ(two, "captured it");
        EXPECT_EQ(called, 2);
        co_await end(second);

        const auto owned = std::make_shared<std::string>("owned ");
        {
            const auto owning = [owned](StreamReader reader, StreamWriter writer) -> Coro<> {
                const std::string question = co_await reader.read();
                co_await writer.send(*owned, question);
            };
            auto third = co_await start_server(owning, "127.0.0.1", 0);
            const std::string three = co_await ask("127.0.0.1", third.port(), "it");
            EXPECT_EQ(three, "owned it");
            co_await end(third);
        }
        EXPECT_EQ(owned.use_count(), 1) << "the client function dies with its server and its clients";
    });
}

TEST_P(ServerTest, AcceptedSocketsSendWithoutDelay) {
    run([]() -> Coro<> {
        int no_delay = 0;
        const auto look = [&no_delay](StreamReader, StreamWriter writer) {
            socklen_t bytes = sizeof no_delay;
            ::getsockopt(writer.fileno(), IPPROTO_TCP, TCP_NODELAY, &no_delay, &bytes);
        };
        auto server = co_await start_server(look, "127.0.0.1", 0);
        co_await ask("127.0.0.1", server.port(), "");
        EXPECT_EQ(no_delay, 1);
        co_await end(server);
    });
}

TEST_P(ServerTest, AClientsErrorGoesToTheExceptionHandlerAndClosesTheConnection) {
    run([]() -> Coro<> {
        std::vector<std::string> reports;
        get_running_loop().set_exception_handler([&](EventLoop&, const ExceptionContext& context) {
            reports.push_back(context.message + ": " + describe(context.exception));
        });
        const auto failing = [](StreamReader reader, StreamWriter writer) -> Coro<> {
            co_await reader.readexactly(1);
            co_await writer.send("before");
            throw ValueError("wrong");
        };
        auto server = co_await start_server(failing, "127.0.0.1", 0);
        const std::string answer = co_await ask("127.0.0.1", server.port(), "x");
        EXPECT_EQ(answer, "before");
        co_await end(server);
        const auto throwing = [](StreamReader, StreamWriter) { throw ValueError("at once"); };
        auto other = co_await start_server(throwing, "127.0.0.1", 0);
        const std::string none = co_await ask("127.0.0.1", other.port(), "");
        EXPECT_EQ(none, "");
        co_await end(other);
        EXPECT_EQ(reports, (std::vector<std::string>{
                               "Unhandled exception in client_connected_cb: ValueError: wrong",
                               "Unhandled exception in client_connected_cb: ValueError: at once"}));
        get_running_loop().set_exception_handler(nullptr);
    });
}

TEST_P(ServerTest, AClientsTaskThatIsCancelledIsNoError) {
    run([]() -> Coro<> {
        std::vector<std::string> reports;
        get_running_loop().set_exception_handler(
            [&](EventLoop&, const ExceptionContext& context) { reports.push_back(context.message); });
        AnyTask* client = nullptr;
        const auto waiting = [&client](StreamReader reader, StreamWriter) -> Coro<> {
            AnyTask me = current_task();
            client = &me;
            co_await reader.read();
        };
        auto server = co_await start_server(waiting, "127.0.0.1", 0);
        RawSocket peer = raw_connect(server.port());
        co_await testing::wait_all_tasks_blocked();
        EXPECT_NE(client, nullptr);
        if (client != nullptr) client->cancel();
        const std::string got = co_await drain_peer(peer);
        EXPECT_EQ(got, "");
        co_await end(server);
        EXPECT_TRUE(reports.empty());
        get_running_loop().set_exception_handler(nullptr);
    });
}

TEST_P(ServerTest, AnAddressInUseIsNamed) {
    run([]() -> Coro<> {
        auto server = co_await start_server(echo, "127.0.0.1", 0);
        try {
            co_await start_server(echo, "127.0.0.1", server.port());
            ADD_FAILURE() << "no error";
        } catch (const OSError& error) {
            EXPECT_EQ(std::string(error.what()), "bind 127.0.0.1:" + std::to_string(server.port()) +
                                                     ": Address already in use [Errno 98]");
        }
        co_await end(server);
        EXPECT_THROW(co_await start_server(echo, "192.0.2.1", 0), OSError);
        EXPECT_THROW(co_await start_server(echo, "no-such-host.invalid", 0), gaierror);
    });
}

TEST_P(ServerTest, SeveralMayShareAPort) {
    run([]() -> Coro<> {
        auto first = co_await start_server(echo, "127.0.0.1", 0, {.reuse_port = true});
        auto second = co_await start_server(echo, "127.0.0.1", first.port(), {.reuse_port = true});
        EXPECT_EQ(first.port(), second.port());
        for (int i = 0; i < 10; ++i) {
            const std::string answer = co_await ask("127.0.0.1", first.port(), "either");
            EXPECT_EQ(answer, "either");
        }
        co_await end(first);
        co_await end(second);
    });
}

// ---- closing ------------------------------------------------------------------------------------

TEST_P(ServerTest, CloseLeavesConnectionsAndWaitClosedWaitsForThem) {
    run([]() -> Coro<> {
        auto server = co_await start_server(echo, "127.0.0.1", 0);
        const std::uint16_t port = server.port();
        auto [reader, writer] = co_await open_connection("127.0.0.1", port);
        co_await writer.send("one");
        co_await reader.readexactly(3);
        EXPECT_EQ(server.connections(), 1u);
        server.close();
        server.close();
        const auto wait_for_it = [&]() -> Coro<> { co_await server.wait_closed(); };
        Task<> waiting = create_task(wait_for_it);
        Task<> cancelled = create_task(wait_for_it);
        co_await testing::wait_all_tasks_blocked();
        EXPECT_FALSE(waiting.done());
        cancelled.cancel();
        co_await ended(cancelled);
        EXPECT_TRUE(cancelled.cancelled());
        EXPECT_THROW(co_await open_connection("127.0.0.1", port), ConnectionRefusedError);
        co_await writer.send("two");
        const std::string two = co_await reader.readexactly(3);
        EXPECT_EQ(two, "two");
        co_await finish(writer);
        co_await waiting;
        EXPECT_EQ(server.connections(), 0u);
        co_await testing::wait_all_tasks_blocked();
    });
}

TEST_P(ServerTest, WaitClosedWakesItsWaitersInTheOrderInWhichTheyCame) {
    run([]() -> Coro<> {
        auto server = co_await start_server(echo, "127.0.0.1", 0);
        auto [reader, writer] = co_await open_connection("127.0.0.1", server.port());
        co_await writer.send("one");
        co_await reader.readexactly(3);
        std::vector<int> order;
        const auto wait_for_it = [&](int number) -> Coro<> {
            co_await server.wait_closed();
            order.push_back(number);
        };
        std::vector<Task<>> waiting;
        for (int i = 0; i != 4; ++i) {
            waiting.push_back(create_task(wait_for_it, i));
            co_await testing::wait_all_tasks_blocked();
        }
        waiting[1].cancel();  // out of the middle
        co_await ended(waiting[1]);
        server.close();
        co_await finish(writer);
        for (const Task<>& each : waiting) co_await ended(each);
        const std::vector<int> expected{0, 2, 3};
        EXPECT_EQ(order, expected);
        co_await testing::wait_all_tasks_blocked();
    });
}

Coro<> write_much(StreamReader reader, StreamWriter writer) {
    writer.write(pattern(4 * 1024 * 1024));
    co_await reader.read();
}

TEST_P(ServerTest, CloseClientsSendsWhatIsBufferedAndAbortClientsDoesNot) {
    run([]() -> Coro<> {
        for (const bool abort : {false, true}) {
            auto server = co_await start_server(write_much, "127.0.0.1", 0);
            RawSocket peer = raw_connect(server.port());
            co_await testing::wait_all_tasks_blocked();
            if (abort) {
                server.abort_clients();
            } else {
                server.close_clients();
            }
            const std::string got = co_await drain_peer(peer);
            EXPECT_EQ(got.size() == 4 * 1024 * 1024, !abort);
            co_await end(server);
        }
    });
}

TEST_P(ServerTest, DroppingTheHandleStopsListening) {
    run([]() -> Coro<> {
        std::uint16_t port = 0;
        RawSocket peer(-1);
        {
            auto server = co_await start_server(echo, "127.0.0.1", 0);
            port = server.port();
            peer = raw_connect(port);
            co_await testing::wait_all_tasks_blocked();
        }
        EXPECT_THROW(co_await open_connection("127.0.0.1", port), ConnectionRefusedError);
        peer.send("still there");
        co_await testing::wait_all_tasks_blocked();
        EXPECT_EQ(peer.receive(), "still there");
        peer.end_sending();
        const std::string none = co_await drain_peer(peer);
        EXPECT_EQ(none, "");
        co_await testing::wait_all_tasks_blocked();
    });
}

TEST_P(ServerTest, ServeForeverEndsByACancelAndClosesItsClients) {
    run([]() -> Coro<> {
        auto server = co_await start_server(echo, "127.0.0.1", 0);
        const std::uint16_t port = server.port();
        Task<> serving = create_task(server.serve_forever());
        auto [reader, writer] = co_await open_connection("127.0.0.1", port);
        co_await writer.send("x");
        co_await reader.readexactly(1);
        EXPECT_THROW(co_await server.serve_forever(), RuntimeError);
        serving.cancel();
        co_await ended(serving);
        EXPECT_TRUE(serving.cancelled());
        EXPECT_FALSE(server.is_serving());
        const std::string end_of_stream = co_await reader.read();
        EXPECT_EQ(end_of_stream, "");
        EXPECT_THROW(co_await server.serve_forever(), RuntimeError);
        co_await finish(writer);
        co_await testing::wait_all_tasks_blocked();
    });
}

TEST_P(ServerTest, ClosingEndsServeForever) {
    run([]() -> Coro<> {
        auto server = co_await start_server(echo, "127.0.0.1", 0);
        Task<> serving = create_task(server.serve_forever());
        co_await testing::wait_all_tasks_blocked();
        EXPECT_FALSE(serving.done());
        server.close();
        co_await ended(serving);
        EXPECT_TRUE(serving.cancelled());
    });
}

TEST_P(ServerTest, WithJoinsTheTasksOfItsClients) {
    run([]() -> Coro<> {
        int running = 0;
        int ended_clients = 0;
        const auto on_client = [&](StreamReader reader, StreamWriter writer) -> Coro<> {
            ++running;
            const std::string question = co_await reader.read();
            co_await writer.send(question);
            writer.close();
            co_await writer.wait_closed();
            for (int i = 0; i < 10; ++i) co_await sleep(0s);
            ++ended_clients;
        };
        const std::string answer =
            co_await with(start_server(on_client, "127.0.0.1", 0), [&](Server& server) -> Coro<std::string> {
                co_return co_await ask("127.0.0.1", server.port(), "inside");
            });
        EXPECT_EQ(answer, "inside");
        EXPECT_EQ(running, 1);
        EXPECT_EQ(ended_clients, 1);
    });
}

TEST_P(ServerTest, WithThatIsCancelledCancelsItsClientsAndJoinsThem) {
    run([]() -> Coro<> {
        int stubborn_steps = 0;
        bool saw_cancel = false;
        std::uint16_t port = 0;
        const auto on_client = [&](StreamReader, StreamWriter) -> Coro<> {
            try {
                co_await sleep(1h);  // closing its connection does not end this one
            } catch (const CancelledError&) {
                saw_cancel = true;
            }
            for (; stubborn_steps < 10; ++stubborn_steps) co_await sleep(0s);
        };
        const auto body = [&](Server& server) -> Coro<> {
            port = server.port();
            co_await server.serve_forever();
        };
        const auto serve = [&]() -> Coro<> { co_await with(start_server(on_client, "127.0.0.1", 0), body); };
        Task<> task = create_task(serve);
        co_await testing::wait_all_tasks_blocked();
        RawSocket peer = raw_connect(port);
        co_await testing::wait_all_tasks_blocked();
        task.cancel();
        co_await testing::wait_all_tasks_blocked();
        EXPECT_FALSE(task.done()) << "it waits for its client";
        EXPECT_FALSE(saw_cancel);
        task.cancel();
        co_await ended(task);
        EXPECT_TRUE(task.cancelled());
        EXPECT_TRUE(saw_cancel);
        EXPECT_EQ(stubborn_steps, 10);
    });
}

// ---- running out of descriptors -----------------------------------------------------------------

/// A limit of descriptors that is reached soon.
class FewDescriptors {
  public:
    FewDescriptors() {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        const rlimit few{200, before_.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &few);
    }
    ~FewDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

  private:
    rlimit before_{};
};

/// While it lives, no descriptor can be opened: it has them all.
class NoDescriptors {
  public:
    NoDescriptors() {
        for (;;) {
            const int fd = ::dup(STDERR_FILENO);
            if (fd < 0) break;
            taken_.push_back(fd);
        }
    }
    ~NoDescriptors() { stop(); }
    void stop() {
        for (const int fd : taken_) ::close(fd);
        taken_.clear();
    }

  private:
    std::vector<int> taken_;
};

TEST_P(ServerTest, WithoutDescriptorsAcceptingRestsAndNothingIsLost) {
    const FewDescriptors few;
    VirtualClock clock(false);
    run(
        [&clock]() -> Coro<> {
            std::vector<ExceptionContext> reports;
            get_running_loop().set_exception_handler(
                [&](EventLoop&, const ExceptionContext& context) { reports.push_back(context); });
            int clients = 0;
            const auto greet = [&clients](StreamReader, StreamWriter writer) {
                ++clients;
                writer.write("hello");
            };
            auto server = co_await start_server(greet, "127.0.0.1", 0);
            const Address to = server.sockets()[0];
            std::vector<RawSocket> peers;
            for (int i = 0; i < 3; ++i) peers.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
            for (int episode = 0; episode < 2; ++episode) {
                clients = 0;
                NoDescriptors none;
                for (const RawSocket& each : peers) {
                    const auto* native = static_cast<const sockaddr*>(to.data());
                    EXPECT_EQ(::connect(each.fd(), native, static_cast<socklen_t>(to.size())), 0);
                }
                co_await testing::wait_all_tasks_blocked();
                EXPECT_EQ(clients, 0);
                for (int i = 0; i < 3; ++i) {  // it tries again each second
                    clock.advance(1s);
                    co_await testing::wait_all_tasks_blocked();
                }
                EXPECT_EQ(clients, 0);
                none.stop();
                clock.advance(999ms);
                co_await testing::wait_all_tasks_blocked();
                EXPECT_EQ(clients, 0) << "not before the second is over";
                clock.advance(1ms);
                co_await testing::wait_all_tasks_blocked();
                EXPECT_EQ(clients, 3);
                for (RawSocket& each : peers) {
                    EXPECT_EQ(each.receive(), "hello");
                    each = RawSocket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
                }
                EXPECT_EQ(reports.size(), static_cast<std::size_t>(episode) + 1)
                    << "once for each time that it happens";
            }
            EXPECT_EQ(reports[0].message, "accepting rests for a second: the system is out of resources");
            EXPECT_EQ(error_text(reports[0].exception),
                      "accept on " + to.to_string() + ": Too many open files [Errno 24]");
            {
                // Closed while it rests.
                NoDescriptors none;
                const auto* native = static_cast<const sockaddr*>(to.data());
                EXPECT_EQ(::connect(peers[0].fd(), native, static_cast<socklen_t>(to.size())), 0);
                co_await testing::wait_all_tasks_blocked();
                server.close();
                co_await server.wait_closed();
            }
            get_running_loop().set_exception_handler(nullptr);
        },
        {.clock = &clock});
}

// ---- many ---------------------------------------------------------------------------------------

// More than a backend works off at once: the rest makes no descriptor readable any more, and no task is
// ready.
TEST_P(ServerTest, AHostsLoopGetsAllThatCameAtOnce) {
    constexpr std::size_t clients = 40;
    constexpr std::size_t bytes = 30'000;
    EventLoop loop({.backend = backend()});
    std::size_t got = 0;
    std::vector<RawSocket> peers;
    auto main = loop.create_task([](std::size_t& sum, std::vector<RawSocket>& others) -> Coro<> {
        for (std::size_t i = 0; i != clients; ++i) {
            auto [reader, writer, peer] = unix_pair();
            others.push_back(std::move(peer));
            create_task([](StreamReader from, StreamWriter, std::size_t& total) -> Coro<> {
                for (;;) {
                    const std::string data = co_await from.readexactly(bytes);
                    total += data.size();
                }
            }(std::move(reader), std::move(writer), sum));
        }
        co_await sleep(0s);
    }(got, peers));
    while (loop.poll_once() || !main.done()) {}  // until they wait
    ASSERT_EQ(peers.size(), clients);
    for (const RawSocket& peer : peers) EXPECT_EQ(peer.send(std::string(bytes, 'x')), bytes);
    while (got != clients * bytes) {
        const bool waits = !loop.poll_timeout().has_value();
        pollfd entry{loop.poll_descriptor(), POLLIN, 0};
        if (::poll(&entry, 1, waits ? 10'000 : 0) == 0 && waits) break;
        loop.poll_once();
    }
    EXPECT_EQ(got, clients * bytes) << "the host was told to wait for what it had";
    loop.close();
}

TEST_P(ServerTest, AThousandConnectionsAtOnce) {
    run([]() -> Coro<> {
        auto server = co_await start_server(echo, "127.0.0.1", 0, {.backlog = 4096});
        constexpr std::size_t count = 1'000;
        std::vector<Coro<Streams>> connecting;
        for (std::size_t i = 0; i < count; ++i)
            connecting.push_back(open_connection("127.0.0.1", server.port()));
        std::vector<Streams> clients = co_await gather(std::move(connecting));
        for (std::size_t i = 0; i < count; ++i) clients[i].writer.write("client " + std::to_string(i) + "\n");
        std::set<std::string> answers;
        for (Streams& each : clients) answers.insert(co_await each.reader.readline());
        EXPECT_EQ(answers.size(), count);
        EXPECT_EQ(server.connections(), count);
        for (Streams& each : clients) each.writer.close();
        for (Streams& each : clients) co_await each.writer.wait_closed();
        co_await end(server);
    });
}

}}  // namespace asyncio::test
