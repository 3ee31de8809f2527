// Streams over TLS: connections, servers, start_tls, and how they end.
#include <fcntl.h>

#include "asyncio/testing/mock_clock.hpp"
#include "net/stream_access.hpp"
#include "net/tls_hook.hpp"
#include "support/alloc_failure.hpp"
#include "tls_fixture.hpp"

namespace asyncio::test { namespace {

class TlsStreams : public NetTest {};
ASYNCIO_ON_REAL_BACKENDS(TlsStreams);

template <class E>
std::string text_of(const std::exception_ptr& error) {
    const auto* const found = exception_cast<E>(error);
    if (found != nullptr) return found->what();
    const auto* const other = exception_cast<std::exception>(error);
    ADD_FAILURE() << "another error: " << (other != nullptr ? other->what() : "none");
    return "";
}

/// What the coroutine throws.
template <class T>
Coro<std::exception_ptr> error_of(Coro<T> coroutine) {
    std::exception_ptr error;
    try {
        co_await std::move(coroutine);
    } catch (...) {
        error = std::current_exception();
    }
    co_return error;
}

TEST_P(TlsStreams, AClientTalksToAServer) {
    run([]() -> Coro<> {
        const SslContext server_side = tls_server_context();
        const SslContext client_side = tls_client_context();
        auto server = co_await start_server(tls_echo, "127.0.0.1", 0, {.ssl = server_side});
        auto [reader, writer] = co_await open_connection("localhost", server.port(), {.ssl = client_side});
        co_await writer.send("hello\n");
        const std::string line = co_await reader.readline();
        EXPECT_EQ(line, "hello\n");
        EXPECT_FALSE(writer.can_write_eof());
        EXPECT_THROW(writer.write_eof(), RuntimeError);
        writer.close();
        co_await writer.wait_closed();
        const std::string rest = co_await reader.read();
        EXPECT_EQ(rest, "");
        server.close();
        co_await server.wait_finished();
    });
}

TEST_P(TlsStreams, WhatWasAgreedOnCanBeAsked) {
    run([]() -> Coro<> {
        SslContext server_side = tls_server_context();
        SslContext client_side = tls_client_context();
        client_side.set_alpn_protocols({"spoken"});
        server_side.set_alpn_protocols({"spoken"});
        auto server = co_await start_server(tls_echo, "127.0.0.1", 0, {.ssl = server_side});
        auto [reader, writer] = co_await open_connection("127.0.0.1", server.port(), {.ssl = client_side});
        const auto ssl = std::get<SslObject>(writer.get_extra_info("ssl_object"));
        EXPECT_EQ(ssl.version(), "TLSv1.3");
        EXPECT_EQ(ssl.selected_alpn_protocol(), "spoken");
        EXPECT_EQ(ssl.server_hostname(), "127.0.0.1");
        EXPECT_FALSE(ssl.server_side());
        EXPECT_EQ(ssl.context().state(), client_side.state());
        EXPECT_EQ(ssl, *writer.ssl_object());
        EXPECT_EQ(std::get<SslCipher>(writer.get_extra_info("cipher")).protocol, "TLSv1.3");
        EXPECT_EQ(std::get<SslCertificate>(writer.get_extra_info("peercert")).subject, "CN=localhost");
        EXPECT_EQ(std::get<Address>(writer.get_extra_info("peername")).port(), server.port());
        EXPECT_GE(std::get<int>(writer.get_extra_info("socket")), 0);
        co_await finish(writer);
        auto plain_server = co_await start_server(tls_echo, "127.0.0.1", 0);
        auto plain = co_await open_connection("127.0.0.1", plain_server.port());
        EXPECT_FALSE(plain.writer.ssl_object().has_value());
        EXPECT_TRUE(std::holds_alternative<std::monostate>(plain.writer.get_extra_info("cipher")));
        co_await finish(plain.writer);
        plain_server.close();
        server.close();
        co_await server.wait_finished();
        co_await plain_server.wait_finished();
    });
}

TEST_P(TlsStreams, MuchGoesBothWaysWhole) {
    run([]() -> Coro<> {
        TlsPair pair = co_await tls_pair();
        const std::string message = pattern(3'000'000);
        const auto send_all = [&]() -> Coro<> {
            std::string_view rest = message;
            for (std::size_t size = 1; !rest.empty(); size = size * 3 + 1) {
                const std::string_view piece = rest.substr(0, size);
                co_await pair.client.writer.send(piece.substr(0, piece.size() / 2),
                                                 piece.substr(piece.size() / 2));
                rest.remove_prefix(piece.size());
            }
        };
        Task<> sending = create_task(send_all);
        const std::string got = co_await pair.server.reader.readexactly(1'000'000);
        std::string into(message.size() - got.size(), '?');
        co_await pair.server.reader.read_into(into);
        co_await sending;
        EXPECT_TRUE(got + into == message);
        const std::vector<std::string_view> lines(1000, "line\n");
        pair.server.writer.writelines(lines);
        for (int i = 0; i < 1000; ++i) {
            const std::string line = co_await pair.client.reader.readline();
            EXPECT_EQ(line, "line\n");
        }
        co_await finish_both(pair);
    });
}

TEST_P(TlsStreams, ASenderWaitsForAPeerThatDoesNotRead) {
    run([]() -> Coro<> {
        TlsPair pair = co_await tls_pair();
        pair.client.writer.set_write_buffer_limits({.high = 1000, .low = 0});
        std::size_t sent = 0;
        const std::string piece(10'000, 'x');
        const auto send_on = [&]() -> Coro<> {
            for (; sent < 5'000'000; sent += piece.size()) co_await pair.client.writer.send(piece);
        };
        Task<> sending = create_task(send_on);
        co_await testing::wait_all_tasks_blocked();
        EXPECT_FALSE(sending.done());
        EXPECT_GT(pair.client.writer.get_write_buffer_size(), 1000u);
        EXPECT_LT(sent, 2'000'000u);
        std::size_t read = 0;
        while (read < 5'000'000) {
            const std::string got = co_await pair.server.reader.read(100'000);
            read += got.size();
        }
        co_await sending;
        EXPECT_EQ(pair.client.writer.get_write_buffer_size(), 0u);
        co_await finish_both(pair);
    });
}

// ---- how they end ---------------------------------------------------------------------------------

TEST_P(TlsStreams, AClosedWriterIsTheEndOfThePeersStream) {
    run([]() -> Coro<> {
        TlsPair pair = co_await tls_pair();
        pair.client.writer.write("last words");
        pair.client.writer.close();
        const std::string got = co_await pair.server.reader.read();
        EXPECT_EQ(got, "last words");
        EXPECT_TRUE(pair.server.reader.at_eof());
        EXPECT_TRUE(pair.client.writer.is_closing());
        // It waits for the other goodbye.
        Task<> closed = create_task([](StreamWriter& w) -> Coro<> { co_await w.wait_closed(); },
                                    std::ref(pair.client.writer));
        co_await testing::wait_all_tasks_blocked();
        EXPECT_FALSE(closed.done());
        pair.server.writer.close();
        co_await closed;
        co_await pair.server.writer.wait_closed();
    });
}

TEST_P(TlsStreams, AConnectionThatIsCutOffIsNoEnd) {
    run([]() -> Coro<> {
        TlsPair pair = co_await tls_pair();
        // What is unread when a socket is closed makes a reset of its end: the server's tickets, here.
        co_await pair.server.writer.send("x");
        const std::string greeting = co_await pair.client.reader.readexactly(1);
        EXPECT_EQ(greeting, "x");
        pair.client.writer.write("first half");
        const std::string got = co_await pair.server.reader.readexactly(5);
        // The socket below is closed without a word.
        pair.client.writer.abort();
        EXPECT_EQ(got, "first");
        const std::string rest = co_await pair.server.reader.read(100);
        EXPECT_EQ(rest, " half");
        const std::exception_ptr error =
            co_await error_of([](StreamReader& r) -> Coro<> { co_await r.read(1); }(pair.server.reader));
        EXPECT_NE(text_of<SslEofError>(error).find("the connection ended without TLS's closing message"),
                  std::string::npos);
        EXPECT_FALSE(pair.server.reader.at_eof());
        co_await finish_both(pair);
    });
}

TEST_P(TlsStreams, APeerThatNeverSaysGoodbyeIsNotWaitedForForEver) {
    testing::MockClock clock;
    run(
        [&]() -> Coro<> {
            TlsPair pair = co_await tls_pair({.ssl_shutdown_timeout = 7s});
            pair.client.writer.close();
            Task<> closed = create_task([](StreamWriter& w) -> Coro<> { co_await w.wait_closed(); },
                                        std::ref(pair.client.writer));
            co_await testing::wait_all_tasks_blocked();
            clock.advance(6s);
            co_await testing::wait_all_tasks_blocked();
            EXPECT_FALSE(closed.done());
            clock.advance(1s);
            co_await ended(closed);
            EXPECT_NE(text_of<TimeoutError>(closed.exception()).find("has not said goodbye within 7"),
                      std::string::npos);
            co_await finish_both(pair);
        },
        {.clock = &clock});
}

TEST_P(TlsStreams, WithoutPatienceItIsClosedAtOnce) {
    run([]() -> Coro<> {
        TlsPair pair = co_await tls_pair({.ssl_shutdown_timeout = 0s});
        pair.client.writer.close();
        co_await pair.client.writer.wait_closed();
        const std::string got = co_await pair.server.reader.read();
        EXPECT_EQ(got, "") << "it has said goodbye all the same";
        co_await finish_both(pair);
    });
}

TEST_P(TlsStreams, WhatIsBufferedCanBeReadAfterTheEnd) {
    run([]() -> Coro<> {
        TlsPair pair = co_await tls_pair();
        pair.client.writer.write("a line\nand more");
        const std::string line = co_await pair.server.reader.readline();
        EXPECT_EQ(line, "a line\n");
        co_await finish_both(pair);
        const std::string rest = co_await pair.server.reader.read();
        EXPECT_EQ(rest, "and more");
    });
}

TEST_P(TlsStreams, HandlesMayGoInAnyOrder) {
    run([]() -> Coro<> {
        for (int order = 0; order < 4; ++order) {
            TlsPair pair = co_await tls_pair({.ssl_shutdown_timeout = 1s});
            std::optional<StreamReader> reader(std::move(pair.client.reader));
            std::optional<StreamWriter> writer(std::move(pair.client.writer));
            pair.server.writer.write("something unread");
            if ((order & 1) != 0) writer->abort();
            if ((order & 2) != 0) {
                reader.reset();
                writer.reset();
            } else {
                writer.reset();
                reader.reset();
            }
            pair.server.writer.close();
            try {
                co_await pair.server.writer.wait_closed();
            } catch (const OSError&) {}
            co_await testing::wait_all_tasks_blocked();
        }
    });
}

TEST_P(TlsStreams, RecordsThatAreNoneEndTheStream) {
    run([]() -> Coro<> {
        Pair p = unix_pair();
        int ends[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
        p.peer.send("this is no TLS at all, but a greeting\r\n");
        const std::exception_ptr error =
            co_await error_of(p.writer.start_tls(tls_client_context(), {.server_hostname = "localhost"}));
        EXPECT_NE(text_of<SslError>(error).find("the other side does not speak TLS"), std::string::npos);
        EXPECT_TRUE(p.writer.is_closing());
        p.peer.receive();
        ::close(ends[0]);
        ::close(ends[1]);
        co_await finish(p.writer);
    });
}

// ---- the handshake --------------------------------------------------------------------------------

TEST_P(TlsStreams, ACertificateThatIsNotTrustedIsRefusedByName) {
    run([]() -> Coro<> {
        const SslContext server_side = tls_server_context(certificates().expired);
        const SslContext client_side = tls_client_context();
        auto server = co_await start_server(tls_echo, "127.0.0.1", 0, {.ssl = server_side});
        const std::exception_ptr error =
            co_await error_of(open_connection("localhost", server.port(), {.ssl = client_side}));
        EXPECT_EQ(text_of<SslCertVerificationError>(error),
                  "TLS handshake with localhost:" + std::to_string(server.port()) +
                      ": certificate verify failed: certificate has expired (on 2000-02-01 00:00:00 UTC)");
        server.close();
        co_await server.wait_finished();
    });
}

TEST_P(TlsStreams, TheNameMayBeAnotherThanTheHost) {
    run([]() -> Coro<> {
        const SslContext server_side = tls_server_context(certificates().other_host);
        const SslContext client_side = tls_client_context();
        auto server = co_await start_server(tls_echo, "127.0.0.1", 0, {.ssl = server_side});
        auto streams = co_await open_connection("127.0.0.1", server.port(),
                                                {.ssl = client_side, .server_hostname = "other.example"});
        co_await finish(streams.writer);
        server.close();
        co_await server.wait_finished();
    });
}

TEST_P(TlsStreams, ASessionIsResumed) {
    run([]() -> Coro<> {
        const SslContext server_side = tls_server_context();
        const SslContext client_side = tls_client_context();
        auto server = co_await start_server(tls_echo, "127.0.0.1", 0, {.ssl = server_side});
        for (const bool again : {false, true}) {
            auto [reader, writer] =
                co_await open_connection("localhost", server.port(), {.ssl = client_side});
            co_await writer.send("x");
            co_await reader.readexactly(1);
            EXPECT_EQ(writer.ssl_object()->session_reused(), again);
            co_await finish(writer);
        }
        server.close();
        co_await server.wait_finished();
    });
}

TEST_P(TlsStreams, AServerThatSaysNothingIsGivenUp) {
    testing::MockClock clock;
    run(
        [&]() -> Coro<> {
            auto [listener, port] = raw_listener();
            const SslContext client_side = tls_client_context();
            Task<Streams> task = create_task(
                open_connection("127.0.0.1", port, {.ssl = client_side, .ssl_handshake_timeout = 5s}));
            co_await testing::wait_all_tasks_blocked();
            RawSocket peer(::accept4(listener.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
            co_await testing::wait_all_tasks_blocked();
            clock.advance(5s);
            co_await ended(task);
            EXPECT_NE(text_of<ConnectionAbortedError>(task.exception())
                          .find("takes longer than ssl_handshake_timeout"),
                      std::string::npos);
            // The kernel lets go of its descriptor in a later turn.
            while (detail::running_net_part().connections != nullptr) co_await sleep(0s);
        },
        {.clock = &clock});
}

TEST_P(TlsStreams, AClientThatSaysNothingIsGivenUp) {
    testing::MockClock clock;
    run(
        [&]() -> Coro<> {
            const SslContext server_side = tls_server_context();
            int called = 0;
            const auto count = [&](StreamReader, StreamWriter) { ++called; };
            auto server = co_await start_server(count, "127.0.0.1", 0,
                                                {.ssl = server_side, .ssl_handshake_timeout = 5s});
            RawSocket peer = raw_connect(server.port());
            co_await testing::wait_all_tasks_blocked();
            EXPECT_EQ(server.connections(), 1u);
            clock.advance(5s);
            co_await testing::wait_all_tasks_blocked();
            EXPECT_EQ(server.connections(), 0u);
            EXPECT_EQ(called, 0);
            server.close();
            co_await server.wait_finished();
        },
        {.clock = &clock});
}

TEST_P(TlsStreams, APeerThatVanishesInTheHandshakeIsAnError) {
    run([]() -> Coro<> {
        for (const bool with_reset : {false, true}) {
            auto [listener, port] = raw_listener();
            const SslContext client_side = tls_client_context();
            Task<Streams> task = create_task(open_connection("127.0.0.1", port, {.ssl = client_side}));
            co_await testing::wait_all_tasks_blocked();
            RawSocket peer(::accept4(listener.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
            co_await testing::wait_all_tasks_blocked();
            peer.receive();
            if (with_reset) {
                peer.reset();
            } else {
                peer.close();
            }
            co_await ended(task);
            EXPECT_NE(text_of<ConnectionResetError>(task.exception()), "");
        }
    });
}

TEST_P(TlsStreams, OptionsThatContradictEachOtherAreRefused) {
    run([]() -> Coro<> {
        const SslContext server_side = tls_server_context();
        const SslContext client_side = tls_client_context();
        EXPECT_THROW(static_cast<void>(open_connection("h", 1, {.server_hostname = "x"})), ValueError);
        EXPECT_THROW(static_cast<void>(open_connection("h", 1, {.ssl = server_side})), ValueError);
        EXPECT_THROW(
            static_cast<void>(open_connection("h", 1, {.ssl = client_side, .ssl_handshake_timeout = 0s})),
            ValueError);
        EXPECT_THROW(static_cast<void>(start_server(tls_echo, "127.0.0.1", 0, {.ssl = client_side})),
                     ValueError);
        EXPECT_THROW(static_cast<void>(start_server(tls_echo, "127.0.0.1", 0, {.ssl = true})), ValueError);
        EXPECT_THROW(static_cast<void>(open_unix_connection("/x", {.ssl = client_side})), ValueError);
        co_return;
    });
}

TEST_P(TlsStreams, ManyHandshakesLeaveTurnsToOthers) {
    run([]() -> Coro<> {
        const SslContext server_side = tls_server_context();
        const SslContext client_side = tls_client_context();
        auto server = co_await start_server(tls_echo, "127.0.0.1", 0, {.ssl = server_side});
        std::vector<Coro<Streams>> jobs;
        for (int i = 0; i < 20; ++i)
            jobs.push_back(open_connection("localhost", server.port(), {.ssl = client_side}));
        int turns = 0;
        bool going = true;
        const auto count = [&]() -> Coro<> {
            for (; going; ++turns) co_await sleep(0s);
        };
        Task<> counting = create_task(count);
        auto all = co_await gather(std::move(jobs));
        going = false;
        co_await counting;
        EXPECT_GE(turns, 20 * 2 * 2 / 4);
        for (Streams& each : all) co_await finish(each.writer);
        server.close();
        co_await server.wait_finished();
    });
}

// ---- start_tls, servers ---------------------------------------------------------------------------

TEST_P(TlsStreams, AStreamGoesOverToTlsInTheMiddle) {
    run([]() -> Coro<> {
        const SslContext server_side = tls_server_context();
        const auto serve = [&](StreamReader reader, StreamWriter writer) -> Coro<> {
            const std::string line = co_await reader.readline();
            EXPECT_EQ(line, "STARTTLS\n");
            co_await writer.send("go on\n");
            co_await writer.start_tls(server_side);
            const std::string secret = co_await reader.readline();
            co_await writer.send("over TLS: ", secret);
            writer.close();
            co_await writer.wait_closed();
        };
        auto server = co_await start_server(serve, "127.0.0.1", 0);
        auto [reader, writer] = co_await open_connection("127.0.0.1", server.port());
        co_await writer.send("STARTTLS\n");
        co_await reader.readline();
        co_await writer.start_tls(tls_client_context(), {.server_hostname = "localhost"});
        EXPECT_TRUE(writer.ssl_object().has_value());
        co_await writer.send("secret\n");
        const std::string answer = co_await reader.readline();
        EXPECT_EQ(answer, "over TLS: secret\n");
        const std::string rest = co_await reader.read();
        EXPECT_EQ(rest, "");
        co_await finish(writer);
        server.close();
        co_await server.wait_finished();
    });
}

TEST_P(TlsStreams, WhatHadComeBeforeStartTlsBelongsToTheHandshake) {
    run([]() -> Coro<> {
        const SslContext server_side = tls_server_context();
        int ends[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
        detail::NetPart& part = detail::running_net_part();
        Streams client = detail::make_streams(part, ends[0], Address(), default_stream_limit);
        Streams server = detail::make_streams(part, ends[1], Address(), default_stream_limit);
        // The client does not wait for the answer; its line and its first record come in one piece.
        client.writer.write("STARTTLS\n");
        const auto go_over = [&]() -> Coro<> {
            co_await client.writer.start_tls(tls_client_context(), {.server_hostname = "localhost"});
        };
        Task<> going = create_task(go_over);
        co_await testing::wait_all_tasks_blocked();
        const std::string line = co_await server.reader.readline();
        EXPECT_EQ(line, "STARTTLS\n");
        EXPECT_GT(server.reader.buffered().size(), 100u) << "it has come already";
        co_await server.writer.start_tls(server_side);
        co_await going;
        TlsPair pair(std::move(client), std::move(server));
        pair.client.writer.write("inside");
        const std::string inside = co_await pair.server.reader.readexactly(6);
        EXPECT_EQ(inside, "inside");
        co_await finish_both(pair);
    });
}

TEST_P(TlsStreams, TlsStandsOnTls) {
    run([]() -> Coro<> {
        TlsPair pair = co_await tls_pair();
        const SslContext server_side = tls_server_context();
        const SslContext client_side = tls_client_context();
        co_await gather(upgrade(pair.client.writer, client_side, {.server_hostname = "localhost"}),
                        upgrade(pair.server.writer, server_side, {}));
        const std::string message = pattern(300'000);
        Task<> sending =
            create_task([](StreamWriter& w, const std::string& text) -> Coro<> { co_await w.send(text); },
                        std::ref(pair.client.writer), std::cref(message));
        const std::string got = co_await pair.server.reader.readexactly(300'000);
        EXPECT_TRUE(got == message);
        co_await sending;
        co_await finish_both(pair);
    });
}

TEST_P(TlsStreams, StartTlsIsRefusedWhileSomebodyReads) {
    run([]() -> Coro<> {
        Pair p = unix_pair();
        Task<std::string> reading =
            create_task([](StreamReader& r) -> Coro<std::string> { co_return co_await r.readline(); },
                        std::ref(p.reader));
        co_await testing::wait_all_tasks_blocked();
        const SslContext client_side = tls_client_context();
        const std::exception_ptr error =
            co_await error_of(p.writer.start_tls(client_side, {.server_hostname = "localhost"}));
        EXPECT_NE(text_of<RuntimeError>(error), "");
        p.peer.send("still plain\n");
        const std::string line = co_await reading;
        EXPECT_EQ(line, "still plain\n");
        co_await finish(p.writer);
        const std::exception_ptr closed =
            co_await error_of(p.writer.start_tls(client_side, {.server_hostname = "localhost"}));
        EXPECT_NE(closed, nullptr);
    });
}

TEST_P(TlsStreams, StartTlsIsRefusedWhereNothingCanBeWritten) {
    run([]() -> Coro<> {
        Pair p = unix_pair();
        p.writer.write_eof();
        const std::exception_ptr error =
            co_await error_of(p.writer.start_tls(tls_client_context(), {.server_hostname = "localhost"}));
        EXPECT_NE(text_of<RuntimeError>(error).find("write_eof"), std::string::npos);
        p.peer.send("still plain\n");
        const std::string line = co_await p.reader.readline();
        EXPECT_EQ(line, "still plain\n");
        co_await finish(p.writer);
    });
}

TEST_P(TlsStreams, StartTlsIsRefusedWhileAFileIsSent) {
    run([]() -> Coro<> {
        int ends[2];
        EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
        const RawSocket file(ends[0]);
        RawSocket into(ends[1]);
        Pair p = unix_pair();
        Task<std::uint64_t> sending = create_task(p.writer.sendfile(file.fd()));
        co_await testing::wait_all_tasks_blocked();
        const std::exception_ptr error =
            co_await error_of(p.writer.start_tls(tls_client_context(), {.server_hostname = "localhost"}));
        EXPECT_NE(text_of<RuntimeError>(error).find("await that sendfile first"), std::string::npos);
        EXPECT_EQ(::write(into.fd(), "file", 4), 4);
        into.close();
        const std::uint64_t sent = co_await sending;
        EXPECT_EQ(sent, 4u);
        EXPECT_EQ(p.peer.receive(), "file");
        // The other way round: the file was to go over the stream as it was.
        Coro<std::uint64_t> late = p.writer.sendfile(file.fd());
        Task<> going = create_task(
            upgrade(p.writer, tls_client_context(), StartTlsOptions{.server_hostname = "localhost"}));
        co_await testing::wait_all_tasks_blocked();
        EXPECT_NE(p.peer.receive(), "") << "the handshake has begun";
        EXPECT_THROW(co_await std::move(late), RuntimeError);
        going.cancel();
        co_await ended(going);
        co_await finish(p.writer);
    });
}

TEST_P(TlsStreams, AServerClosesItsClientsWithAGoodbye) {
    run([]() -> Coro<> {
        const SslContext server_side = tls_server_context();
        const SslContext client_side = tls_client_context();
        auto server = co_await start_server(tls_echo, "127.0.0.1", 0, {.ssl = server_side});
        auto [reader, writer] = co_await open_connection("localhost", server.port(), {.ssl = client_side});
        co_await writer.send("x");  // the client's handshake ends before the server's
        const std::string echo = co_await reader.readexactly(1);
        EXPECT_EQ(echo, "x");
        server.close();
        server.close_clients();
        const std::string got = co_await reader.read();
        EXPECT_EQ(got, "");
        co_await finish(writer);
        co_await server.wait_finished();
    });
}

TEST_P(TlsStreams, AServerAbortsItsClientsAlsoInTheHandshake) {
    run([]() -> Coro<> {
        const SslContext server_side = tls_server_context();
        const SslContext client_side = tls_client_context();
        auto server = co_await start_server(tls_echo, "127.0.0.1", 0, {.ssl = server_side});
        auto [reader, writer] = co_await open_connection("localhost", server.port(), {.ssl = client_side});
        RawSocket silent = raw_connect(server.port());
        co_await testing::wait_all_tasks_blocked();
        EXPECT_EQ(server.connections(), 2u);
        server.close();
        server.abort_clients();
        co_await server.wait_finished();
        EXPECT_THROW(co_await reader.read(), SslEofError);
        co_await finish(writer);
    });
}

TEST_P(TlsStreams, AUnixSocketSpeaksTlsToo) {
    run([]() -> Coro<> {
        const SslContext server_side = tls_server_context();
        const SslContext client_side = tls_client_context();
        const std::string path = certificates().folder + "/socket";
        auto server = co_await start_unix_server(tls_echo, path, {.ssl = server_side});
        auto [reader, writer] =
            co_await open_unix_connection(path, {.ssl = client_side, .server_hostname = "localhost"});
        co_await writer.send("over a file\n");
        const std::string line = co_await reader.readline();
        EXPECT_EQ(line, "over a file\n");
        co_await finish(writer);
        server.close();
        co_await server.wait_finished();
    });
}

// Before the handshake has begun every allocation of ours fails once.
TEST_P(TlsStreams, WithoutMemoryToBeginTheStreamStaysAsItWas) {
    if (!AllocationFailure::works()) GTEST_SKIP();
    const SslContext context = tls_client_context();
    int refused = 0;
    bool failed = true;
    for (long at = 1; failed && at < 1'000; ++at) {
        run([&]() -> Coro<> {
            Pair p = unix_pair();
            p.peer.send("early");
            const std::string first = co_await p.reader.readexactly(1);
            detail::Duplex* const below = detail::StreamAccess::duplex(p.writer);
            const detail::TlsSettings settings = detail::tls_settings(
                "test", context, SslPurpose::SERVER_AUTH, "localhost", "", Duration(60s), Duration(1s));
            {
                AllocationFailure failing(at);
                try {
                    below->hold();
                    const detail::DuplexRef stream =
                        settings.context->begin(detail::DuplexRef(below), settings);
                    failing.stop();
                    stream->shut();
                } catch (const std::bad_alloc&) {
                    ++refused;
                }
                failed = failing.happened();
            }
            if (failed) {
                EXPECT_EQ(p.reader.buffered(), "arly") << "allocation " << at;
                co_await p.writer.send("fine");
                EXPECT_EQ(p.peer.receive(), "fine");
            }
            co_await finish(p.writer);
            while (detail::running_net_part().connections != nullptr) co_await sleep(0s);
        });
    }
    EXPECT_FALSE(failed);
    EXPECT_GT(refused, 3);
}

// Every allocation of ours fails once while a client and a server shake hands: the client function is called
// with a stream that works, or not at all.
TEST_P(TlsStreams, AServerOutOfMemoryDeliversNoDeadStream) {
    if (!AllocationFailure::works()) GTEST_SKIP();
    const SslContext server_side = tls_server_context();
    const SslContext client_side = tls_client_context();
    int delivered = 0;
    bool failed = true;
    for (long at = 1; failed && at < 2'000; ++at) {
        failed = false;
        EventLoop loop({.backend = backend()});
        loop.set_exception_handler([](EventLoop&, const ExceptionContext&) {});
        loop.run_until_complete([&]() -> Coro<> {
            const auto look = [&](StreamReader, StreamWriter writer) {
                ++delivered;
                EXPECT_FALSE(writer.is_closing()) << "allocation " << at;
                writer.abort();
            };
            auto server = co_await start_server(look, "127.0.0.1", 0, {.ssl = server_side});
            std::optional<Streams> streams;
            {
                AllocationFailure failing(at);
                try {
                    streams.emplace(
                        co_await open_connection("127.0.0.1", server.port(), {.ssl = client_side}));
                    co_await streams->reader.read();
                } catch (const std::exception&) {
                    // Memory, or the peer's memory.
                }
                failed = failing.happened();
            }
            if (streams) streams->writer.abort();
            server.close();
            server.abort_clients();
            co_await server.wait_finished();
        }());
        loop.close();
    }
    EXPECT_FALSE(failed);
    EXPECT_GT(delivered, 0);
}

TEST_P(TlsStreams, ALoopThatClosesTakesItsStreamsWithIt) {
    // The handles outlive the loop; what was decrypted can still be read, and nothing is touched that has
    // gone.
    std::optional<TlsPair> kept;
    {
        EventLoop loop({.backend = backend()});
        loop.run_until_complete([&]() -> Coro<> {
            kept.emplace(co_await tls_pair());
            kept->client.writer.write("line\nrest");
            const std::string line = co_await kept->server.reader.readline();
            EXPECT_EQ(line, "line\n");
        }());
        loop.close();
    }
    EXPECT_EQ(kept->server.reader.buffered(), "rest");
    kept->client.writer.write("nobody");
    EXPECT_TRUE(kept->client.writer.is_closing());
    kept.reset();
}

}}  // namespace asyncio::test
