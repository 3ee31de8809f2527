// Sockets through each backend: addresses, ends of streams, full buffers, errors of peers and of the kernel.
#include <sys/resource.h>

#include "backend_fixture.hpp"

namespace asyncio::backend_test {

class BackendSockets : public BackendTest {
  protected:
    // Writes until the kernel takes no more; what it took.
    static std::size_t fill(int fd) {
        const std::string block(65536, 'f');
        std::size_t sum = 0;
        for (;;) {
            const ssize_t n = ::send(fd, block.data(), block.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (n <= 0) return sum;
            sum += static_cast<std::size_t>(n);
        }
    }
    static void reset_on_close(int fd) {
        const linger hard{1, 0};
        EXPECT_EQ(::setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard), 0);
    }
};
INSTANTIATE_TEST_SUITE_P(Each, BackendSockets, testing::ValuesIn(variants), name_of);

TEST_P(BackendSockets, TcpOverIPv4AndIPv6) {
    for (int family : {AF_INET, AF_INET6}) {
        auto [client, server] = tcp_pair(family);
        EXPECT_EQ(send(client, "ping"), 4);
        EXPECT_EQ(receive(server), "ping");
        EXPECT_EQ(send(server, "pong"), 4);
        EXPECT_EQ(receive(client), "pong");
        close(client);
        close(server);
    }
}

TEST_P(BackendSockets, AnAcceptedDescriptorIsNonBlockingAndCloseOnExec) {
    auto [client, server] = tcp_pair();
    EXPECT_TRUE(::fcntl(server, F_GETFL) & O_NONBLOCK);
    EXPECT_TRUE(::fcntl(server, F_GETFD) & FD_CLOEXEC);
    close(client);
    close(server);
}

TEST_P(BackendSockets, ManyConnectionsOfOneBurstAreAllAccepted) {
    auto [listening, address] = listener();
    constexpr int count = 200;
    std::vector<int> clients, servers;
    std::vector<std::unique_ptr<Connect>> connects;
    Accept accept(listening);
    accept.then = [&](Op& self) {
        // Runs inside poll as well as, after a submit that ended at once, out of it.
        while (self.result >= 0) {
            servers.push_back(static_cast<int>(self.result));
            if (servers.size() == count) return;
            if (!backend_->submit(self)) return;
        }
    };
    start(accept);
    for (int i = 0; i < count; ++i) {
        clients.push_back(tcp_socket());
        connects.push_back(std::make_unique<Connect>(clients.back(), address));
        start(*connects.back());
    }
    EXPECT_TRUE(poll_until([&] { return servers.size() == count && backend_->in_flight() == 0; }));
    for (auto& connect : connects) EXPECT_EQ(connect->result, 0);
    for (int fd : clients) close(fd);
    for (int fd : servers) close(fd);
    close(listening);
}

TEST_P(BackendSockets, AnAcceptCancelledLeavesTheNextConnectionToTheNextAccept) {
    auto [listening, address] = listener();
    Accept accept(listening);
    start(accept);
    settle();
    cancel(accept);
    EXPECT_EQ(finish(accept), -ECANCELED);
    const int client = tcp_socket();
    Connect connect(client, address);
    EXPECT_EQ(run(connect), 0);
    const auto server = static_cast<int>(run(accept));
    EXPECT_GE(server, 0);
    close(client);
    close(server);
    close(listening);
}

TEST_P(BackendSockets, ARefusedConnectionSaysSo) {
    auto [listening, address] = listener();
    close(listening);
    const int client = tcp_socket();
    Connect connect(client, address);
    EXPECT_EQ(run(connect), -ECONNREFUSED);
    close(client);
}

TEST_P(BackendSockets, AUnixSocketConnectsByPath) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    // An abstract name: nothing to remove afterwards.
    const int length =
        std::snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "asyncio-test-%d", ::getpid());
    Address address;
    std::memcpy(&address.storage, &name, sizeof name);
    address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + length);
    const int listening = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ASSERT_EQ(::bind(listening, address.get(), address.size), 0);
    ASSERT_EQ(::listen(listening, 5), 0);
    const int client = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    Accept accept(listening);
    start(accept);
    Connect connect(client, address);
    EXPECT_EQ(run(connect), 0);
    const auto server = static_cast<int>(finish(accept));
    EXPECT_EQ(send(server, "by path"), 7);
    EXPECT_EQ(receive(client), "by path");
    for (int fd : {client, server, listening}) close(fd);
}

TEST_P(BackendSockets, TheEndOfAStreamIsZeroHoweverOftenItIsRead) {
    auto [client, server] = tcp_pair();
    EXPECT_EQ(send(client, "last words"), 10);
    EXPECT_EQ(::shutdown(client, SHUT_WR), 0);
    EXPECT_EQ(receive(server), "last words");
    EXPECT_EQ(receive(server), "");
    EXPECT_EQ(receive(server), "");
    // Half closed: the other direction still works.
    EXPECT_EQ(send(server, "answer"), 6);
    EXPECT_EQ(receive(client), "answer");
    close(client);
    close(server);
}

TEST_P(BackendSockets, AReceiveThatWaitsSeesTheDataThenTheEnd) {
    auto [client, server] = tcp_pair();
    Receive op(server);
    start(op);
    settle();
    // Both are there before the backend looks: one edge, two things to be read.
    EXPECT_EQ(::send(client, "bye", 3, 0), 3);
    EXPECT_EQ(::shutdown(client, SHUT_WR), 0);
    EXPECT_EQ(finish(op), 3);
    EXPECT_EQ(receive(server), "");
    close(client);
    close(server);
}

TEST_P(BackendSockets, TheEndThatComesAfterAShortReadIsSeen) {
    for (int i = 0; i < 20; ++i) {
        auto [client, server] = tcp_pair();
        EXPECT_EQ(send(client, "x"), 1);
        EXPECT_EQ(receive(server), "x");
        Receive op(server);
        start(op);
        if (i % 2) settle();
        close(client);
        EXPECT_EQ(finish(op), 0);
        close(server);
    }
}

TEST_P(BackendSockets, AResetEndsTheReceiveWithItsError) {
    auto [client, server] = tcp_pair();
    Receive op(server);
    start(op);
    settle();
    reset_on_close(client);
    close(client);
    EXPECT_EQ(finish(op), -ECONNRESET);
    close(server);
}

TEST_P(BackendSockets, SendingToAPeerThatIsGoneGivesAnErrorAndNoSignal) {
    auto [client, server] = tcp_pair();
    reset_on_close(client);
    close(client);
    std::int64_t result = 0;
    for (int i = 0; i < 3 && result >= 0; ++i) result = send(server, "anybody there?");
    EXPECT_TRUE(result == -EPIPE || result == -ECONNRESET) << result;
    EXPECT_EQ(send(server, "hello?"), -EPIPE);
    close(server);
}

TEST_P(BackendSockets, ASendThatWaitsForRoomEndsWhenThePeerIsGone) {
    auto [a, b] = socket_pair();
    fill(a);
    Send op(a, "more");
    start(op);
    settle();
    EXPECT_TRUE(op.held);
    close(b);
    EXPECT_EQ(finish(op), -EPIPE);
    close(a);
}

TEST_P(BackendSockets, AFullBufferMakesTheSendWaitUntilThePeerReads) {
    for (bool tcp : {false, true}) {
        auto [a, b] = tcp ? tcp_pair() : socket_pair();
        const std::size_t filled = fill(a);
        Send op(a, "the end");
        start(op);
        settle();
        EXPECT_TRUE(op.held);
        std::size_t read = 0;
        char last = 0;
        while (read < filled + 7) {
            Receive receiving(b);
            const std::int64_t n = run(receiving);
            ASSERT_GT(n, 0);
            read += static_cast<std::size_t>(n);
            last = receiving.bytes_got.back();
        }
        EXPECT_EQ(finish(op), 7);
        EXPECT_EQ(last, 'd');
        close(a);
        close(b);
    }
}

// One side sends ten megabytes in parts, as much as fits each time; the other reads them. Nothing may be
// lost, doubled or hang, whatever the mixture of partial sends, short reads and edges.
TEST_P(BackendSockets, AFloodArrivesInOrder) {
    for (bool own_buffer : {false, true}) {
        for (bool tcp : {false, true}) {
            auto [a, b] = tcp ? tcp_pair() : socket_pair();
            constexpr std::size_t total = 10'000'000;
            std::string text(1 << 20, 0);
            for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 2654435761u >> 13);
            const auto byte_at = [&](std::size_t i) { return text[i % text.size()]; };
            std::size_t sent = 0, got = 0;
            bool wrong = false, busy = false;
            SendPart parts[3];
            Op sending(OperationKind::send, a);
            const auto aim = [&] {
                for (std::size_t i = 0, at = sent; i < 3; ++i) {
                    const std::size_t offset = at % text.size();
                    parts[i] = {text.data() + offset,
                                std::min({text.size() - offset, total - at, std::size_t{100'000} * (i + 1)})};
                    at += parts[i].bytes;
                }
                sending.parts = parts;
                sending.part_count = 3;
            };
            sending.then = [&](Op& self) {
                ASSERT_GT(self.result, 0);
                sent += static_cast<std::size_t>(self.result);
                busy = false;
            };
            std::vector<char> mine(50'000);
            Receive receiving(b);
            receiving.keep_bytes = false;
            receiving.then = [&](Op& self) {
                ASSERT_GT(self.result, 0);
                const char* bytes = own_buffer ? mine.data() : self.data;
                for (std::int64_t i = 0; i < self.result; ++i) wrong |= bytes[i] != byte_at(got++);
            };
            const std::uint64_t limit = backend_->now() + 60'000 * ms;
            while (got < total && backend_->now() < limit) {
                if (!busy && sent < total) {
                    busy = true;
                    aim();
                    start(sending);
                }
                if (!receiving.held) {
                    if (own_buffer) receiving.buffer = mine.data(), receiving.bytes = mine.size();
                    start(receiving);
                }
                const bool waits = receiving.held && (busy || sent == total);
                backend_->poll(waits ? backend_->now() + 1000 * ms : 0);
            }
            EXPECT_EQ(got, total);
            EXPECT_EQ(sent, total);
            EXPECT_FALSE(wrong);
            if (receiving.held) {
                cancel(receiving);
                finish(receiving);
            }
            close(a);
            close(b);
        }
    }
}

TEST_P(BackendSockets, ThousandsOfPartsAreSentInSomeCalls) {
    auto [a, b] = socket_pair();
    std::string text;
    for (int i = 0; i < 3000; ++i) text += std::to_string(i % 10);
    std::vector<SendPart> parts;
    for (const char& c : text) parts.push_back({&c, 1});
    std::string got;
    for (std::size_t at = 0; at < parts.size();) {
        Op op(OperationKind::send, a);
        op.parts = parts.data() + at;
        op.part_count = parts.size() - at;
        const std::int64_t n = run(op);
        ASSERT_GT(n, 0);
        at += static_cast<std::size_t>(n);
        got += receive(b);
    }
    while (got.size() < text.size()) got += receive(b);
    EXPECT_EQ(got, text);
    close(a);
    close(b);
}

TEST_P(BackendSockets, ASendNowEndsAtOnceWhateverTheRoom) {
    for (bool tcp : {false, true}) {
        auto [a, b] = tcp ? tcp_pair() : socket_pair();
        Receive other(b);  // so that the backend has heard of both
        start(other);
        settle();
        cancel(other);
        finish(other);
        for (int round = 0; round < 4; ++round) {
            std::size_t sent = 0;
            std::int64_t last = 0;
            for (int i = 0; i < 10'000 && last >= 0; ++i) {
                const std::string block(60'000, static_cast<char>('a' + round));
                Send op(a, block);
                op.kind = OperationKind::send_now;
                start(op);
                ASSERT_TRUE(op.at_once);
                last = op.result;
                if (last > 0) sent += static_cast<std::size_t>(last);
            }
            EXPECT_EQ(last, -EAGAIN);
            EXPECT_GT(sent, 0u) << "there was room: round " << round;
            EXPECT_EQ(backend_->in_flight(), 0u);
            // A send that has to wait in between makes no difference, ended or cancelled.
            Send held(a, "!");
            if (round == 1 || round == 2) {
                start(held);
                settle();
                ASSERT_TRUE(held.held);
            }
            if (round == 2) {
                cancel(held);
                EXPECT_EQ(finish(held), -ECANCELED);
            }
            const std::size_t total = sent + (round == 1 ? 1 : 0);
            for (std::size_t read = 0; read < total;) {
                Receive drain(b);
                const std::int64_t n = run(drain);
                ASSERT_GT(n, 0);
                read += static_cast<std::size_t>(n);
            }
            if (round == 1) {
                EXPECT_EQ(finish(held), 1);
            }
            settle();
        }
        EXPECT_EQ(send(a, "still alive"), 11);
        EXPECT_EQ(receive(b), "still alive");
        close(a);
        close(b);
    }
}

TEST_P(BackendSockets, AReceiveIntoTheCallersBufferFillsIt) {
    auto [a, b] = tcp_pair();
    char room[8] = "-------";
    Receive op(b, room, 4);
    start(op);
    EXPECT_EQ(send(a, "abcdefgh"), 8);
    EXPECT_EQ(finish(op), 4);
    EXPECT_EQ(std::string(room), "abcd---");
    EXPECT_EQ(run(op), 4);
    EXPECT_EQ(std::string(room), "efgh---");
    close(a);
    close(b);
}

TEST_P(BackendSockets, AReceiveWithoutABufferTakesNoMoreThanItWasAllowed) {
    auto [a, b] = tcp_pair();
    EXPECT_EQ(send(a, "abcdefgh"), 8);
    EXPECT_EQ(receive(b, 3), "abc");
    EXPECT_EQ(receive(b, 3), "def");
    EXPECT_EQ(receive(b, 3), "gh");
    close(a);
    close(b);
}

// A datagram socket that gave less than there was room for is not empty.
TEST_P(BackendSockets, EachDatagramIsReceived) {
    for (int type : {SOCK_DGRAM, SOCK_SEQPACKET}) {
        auto [a, b] = socket_pair(type);
        Receive waiting(b);
        start(waiting);
        settle();
        for (int i = 0; i < 5; ++i) {
            const std::string text = "datagram " + std::to_string(i);
            ASSERT_EQ(::send(a, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
        }
        finish(waiting);
        EXPECT_EQ(waiting.bytes_got, "datagram 0");
        for (int i = 1; i < 5; ++i) EXPECT_EQ(receive(b), "datagram " + std::to_string(i));
        close(a);
        close(b);
    }
}

TEST_P(BackendSockets, SendsOfManyPartsThatWaitTogetherKeepTheirOwn) {
    struct Line {
        int a, b;
        std::size_t filled;
        std::string first, second;
        SendPart parts[2];
        std::unique_ptr<Op> op;
    };
    std::vector<Line> lines(20);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        Line& line = lines[i];
        std::tie(line.a, line.b) = socket_pair();
        line.filled = fill(line.a);
        line.first = "first of " + std::to_string(i) + ", ";
        line.second = "second of " + std::to_string(i);
        line.parts[0] = {line.first.data(), line.first.size()};
        line.parts[1] = {line.second.data(), line.second.size()};
        line.op = std::make_unique<Op>(OperationKind::send, line.a);
        line.op->parts = line.parts;
        line.op->part_count = 2;
        start(*line.op);
        EXPECT_TRUE(line.op->held);
    }
    settle();
    for (Line& line : lines) {
        std::string got;
        const std::size_t total = line.filled + line.first.size() + line.second.size();
        for (std::size_t read = 0; read < total;) {
            Receive drain(line.b);
            ASSERT_GT(run(drain), 0);
            read += drain.bytes_got.size();
            got = (got + drain.bytes_got)
                      .substr(std::max<std::size_t>(got.size() + drain.bytes_got.size(), 100) - 100);
        }
        EXPECT_EQ(finish(*line.op), static_cast<std::int64_t>(line.first.size() + line.second.size()));
        EXPECT_TRUE(got.ends_with(line.first + line.second)) << got;
        close(line.a);
        close(line.b);
    }
}

TEST_P(BackendSockets, BothDirectionsOfOneSocketCanWaitAtOnce) {
    auto [a, b] = tcp_pair();
    const std::size_t filled = fill(a);
    Receive receiving(a);
    Send sending(a, "!");
    start(receiving);
    start(sending);
    settle();
    ASSERT_TRUE(receiving.held && sending.held);
    EXPECT_EQ(send(b, "hi"), 2);
    EXPECT_EQ(finish(receiving), 2);
    EXPECT_TRUE(sending.held);
    for (std::size_t read = 0; read < filled + 1;) {
        Receive drain(b);
        const std::int64_t n = run(drain);
        ASSERT_GT(n, 0);
        read += static_cast<std::size_t>(n);
    }
    EXPECT_EQ(finish(sending), 1);
    close(a);
    close(b);
}

TEST_P(BackendSockets, NoDescriptorLeftIsTheResultOfAccept) {
    auto [listening, address] = listener();
    const int client = tcp_socket();
    Connect connect(client, address);
    EXPECT_EQ(run(connect), 0);
    Accept accept(listening);
    rlimit before;
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    Fd highest(::dup(client));
    rlimit low = before;
    low.rlim_cur = static_cast<rlim_t>(highest.get());
    highest.reset();
    std::vector<Fd> used;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
    for (int fd = ::dup(client); fd >= 0; fd = ::dup(client)) used.emplace_back(fd);
    const std::int64_t result = run(accept);
    used.clear();
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_EQ(result, -EMFILE);
    const auto server = static_cast<int>(run(accept));
    EXPECT_GE(server, 0) << "the connection was lost";
    close(server);
    close(client);
    close(listening);
}

TEST_P(BackendSockets, AThousandDescriptorsAtOnce) {
    constexpr int count = 500;  // pairs
    std::vector<std::pair<int, int>> pairs;
    std::vector<std::unique_ptr<Receive>> ops;
    int ended = 0;
    for (int i = 0; i < count; ++i) {
        pairs.push_back(socket_pair());
        ops.push_back(std::make_unique<Receive>(pairs.back().second));
        ops.back()->then = [&](Op&) { ended += 1; };
    }
    for (int round = 0; round < 5; ++round) {
        ended = 0;
        for (auto& op : ops) start(*op);
        EXPECT_EQ(backend_->in_flight(), static_cast<std::size_t>(count));
        if (round % 2) settle();
        for (int i = 0; i < count; ++i) {
            const std::string text = std::to_string(i * 7 + round);
            ASSERT_EQ(::write(pairs[i].first, text.data(), text.size()), static_cast<ssize_t>(text.size()));
        }
        EXPECT_TRUE(poll_until([&] { return ended == count; }));
        for (int i = 0; i < count; ++i) EXPECT_EQ(ops[i]->bytes_got, std::to_string(i * 7 + round));
    }
    for (auto& op : ops) start(*op);
    settle();
    for (auto& op : ops) cancel(*op);
    EXPECT_TRUE(poll_until([&] { return backend_->in_flight() == 0; }));
    for (auto& op : ops) EXPECT_EQ(op->result, -ECANCELED);
    for (auto [a, b] : pairs) close(a), close(b);
}

// Method: operations of all kinds are started, cancelled, ended by the peer and started again at random on
// some sockets; every byte that was written must be read, in order, by the operations that were not
// cancelled.
TEST_P(BackendSockets, OneHundredThousandOperationsLoseNothing) {
    constexpr int pairs_count = 8;
#if ASYNCIO_TSAN || ASYNCIO_ASAN
    constexpr int steps = 30'000;
#else
    constexpr int steps = 100'000;
#endif
    struct Line {
        int a, b;
        std::unique_ptr<Receive> op;
        std::uint8_t next_written = 0, next_read = 0;
        std::size_t written = 0, read = 0;
        bool wrong = false;
        char mine[100];
    };
    std::vector<Line> lines(pairs_count);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        Line& line = lines[i];
        std::tie(line.a, line.b) = i % 2 ? socket_pair() : tcp_pair();
        line.op = std::make_unique<Receive>(line.b);
        line.op->keep_bytes = false;
        line.op->then = [&line](Op& self) {
            if (self.result < 0) {
                line.wrong |= self.result != -ECANCELED;
                return;
            }
            const char* bytes = self.buffer != nullptr ? line.mine : self.data;
            for (std::int64_t i = 0; i < self.result; ++i) {
                line.wrong |= static_cast<std::uint8_t>(bytes[i]) != line.next_read++;
            }
            line.read += static_cast<std::size_t>(self.result);
        };
    }
    std::uint32_t seed = 12345;
    const auto random = [&](std::uint32_t below) {
        seed = seed * 1664525u + 1013904223u;
        return (seed >> 8) % below;
    };
    for (int step = 0; step < steps; ++step) {
        Line& line = lines[random(pairs_count)];
        switch (random(8)) {
            case 0:
            case 1:
            case 2: {
                if (line.written - line.read > 5'000) break;  // this send must not have to wait
                char bytes[300];
                const std::uint32_t count = 1 + random(sizeof bytes);
                for (std::uint32_t i = 0; i < count; ++i) {
                    bytes[i] = static_cast<char>(line.next_written + i);
                }
                Send op(line.a, {bytes, count});
                const std::int64_t n = run(op);
                ASSERT_GT(n, 0);
                line.written += static_cast<std::size_t>(n);
                line.next_written = static_cast<std::uint8_t>(line.next_written + n);
                break;
            }
            case 3:
            case 4:
            case 5:
                if (line.op->held) break;
                line.op->buffer = random(2) ? line.mine : nullptr;
                line.op->bytes = line.op->buffer != nullptr ? sizeof line.mine : random(200);
                start(*line.op);
                break;
            case 6:
                if (line.op->held) cancel(*line.op);
                break;
            case 7: backend_->poll(0); break;
        }
    }
    for (Line& line : lines) {
        while (line.read < line.written) {
            if (line.op->held) {
                finish(*line.op);
                continue;
            }
            line.op->buffer = nullptr;
            line.op->bytes = 0;
            run(*line.op);
            ASSERT_GT(line.op->result, 0);
        }
        if (line.op->held) {
            cancel(*line.op);
            EXPECT_EQ(finish(*line.op), -ECANCELED);
        }
        EXPECT_FALSE(line.wrong);
        EXPECT_EQ(line.read, line.written);
        close(line.a);
        close(line.b);
    }
}

}  // namespace asyncio::backend_test
