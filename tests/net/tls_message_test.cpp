// TLS 1.3's messages after the handshake, in the ways in which a peer may send them: in two halves, in
// floods, and with nothing after the first half.
#include <thread>

#include "asyncio/testing/mock_clock.hpp"
#include "raw_tls.hpp"
#include "tls_ends.hpp"
#include "tls_fixture.hpp"

namespace asyncio::test { namespace {

using detail::TlsContext;

SslContext client_with_certificate() {
    SslContext client = tls_client_context();
    client.load_cert_chain(certificates().client.certificate, certificates().client.key);
    return client;
}

Coro<> drained(StreamWriter& writer) { co_await writer.drain(); }
Coro<std::string> a_byte(StreamReader& reader) { co_return co_await reader.read(1); }

// ---- the engine -----------------------------------------------------------------------------------

TEST(TlsMessages, AWriteInTheMiddleOfAMessageNeedsTheRestOfIt) {
    SslContext server = server_context(certificates().localhost);
    server.load_verify_locations({.cafile = certificates().root.certificate});
    server.set_verify_mode(SslVerifyMode::CERT_REQUIRED);
    SSL_CTX_set_max_send_fragment(TlsContext::of(server).ctx(), 512);
    Ends ends(client_with_certificate(), server);
    ends.shake_hands();
    ASSERT_TRUE(ends.done()) << text_of(ends.client.error()) << text_of(ends.server.error());
    std::string rest = ends.to_client;
    ends.to_client = take_record(rest);
    Result end{};
    EXPECT_EQ(ends.client_reads(&end), "");
    EXPECT_EQ(end, Result::needs_input);
    EXPECT_EQ(ends.client.write("x", ends.to_server), Result::needs_input)
        << "the ticket has one record only";
    EXPECT_EQ(ends.client.send_close(ends.to_server), Result::needs_input);
    EXPECT_EQ(ends.to_server, "");
    ends.to_client = rest;
    EXPECT_EQ(ends.client_reads(&end), "");
    EXPECT_EQ(end, Result::needs_input);
    EXPECT_EQ(ends.client.write("x", ends.to_server), Result::done);
    EXPECT_EQ(ends.client.send_close(ends.to_server), Result::done);
    EXPECT_EQ(ends.server_reads(&end), "x");
    EXPECT_EQ(end, Result::ended);
}

/// Gives what the server sends after it.
std::string shake_hands(detail::TlsEngine& client, RawTls& server) {
    std::string to_server;
    std::string to_client;
    for (Result result = Result::needs_input; result == Result::needs_input;) {
        std::string_view in = to_client;
        result = client.handshake(in, to_server);
        EXPECT_TRUE(in.empty());
        to_client = server.feed(std::exchange(to_server, std::string()));
    }
    EXPECT_TRUE(server.handshake_ended) << text_of(client.error());
    return to_client;
}

TEST(TlsMessages, AFloodOfThemIsReadInParts) {
    const SslContext context = client_with_certificate();
    detail::TlsEngine client(context, "localhost", "server");
    RawTls server;
    const std::string to_client = shake_hands(client, server);
    std::string flood = to_client;
    for (int i = 0; i < 1000; ++i) flood += server.update_keys();
    flood += server.write("at last");
    std::string_view in = flood;
    std::string out;
    char memory[100];
    std::size_t got = 0;
    int reads = 0;
    Result result = Result::busy;
    for (; result == Result::busy; ++reads) {
        const std::size_t before = in.size();
        result = client.read(in, out, memory, sizeof memory, got);
        EXPECT_LE(before - in.size(), 5'000u);
    }
    EXPECT_EQ(result, Result::done) << text_of(client.error());
    EXPECT_EQ(std::string_view(memory, got), "at last");
    EXPECT_GT(reads, 50);
    EXPECT_EQ(out, "");
}

TEST(TlsMessages, KeysAreRenewedInBothDirections) {
    const SslContext context = client_with_certificate();
    detail::TlsEngine client(context, "localhost", "server");
    RawTls server;
    std::string to_client = shake_hands(client, server);
    for (int i = 0; i < 3; ++i) {
        to_client += server.update_keys(true);
        to_client += server.write("with new keys ");
    }
    char memory[100];
    std::string all;
    std::string way;
    std::string_view in = to_client;
    for (std::size_t got = 0; client.read(in, way, memory, sizeof memory, got) == Result::done;)
        all.append(memory, got);
    EXPECT_EQ(all, "with new keys with new keys with new keys ") << text_of(client.error());
    EXPECT_EQ(client.write("mine, too", way), Result::done);
    server.feed(way);
    EXPECT_EQ(server.got, "mine, too");
}

/// A client that has shaken hands with a server whose records are forged.
struct Forged {
    Forged() : client(client_with_certificate(), "localhost", "server") {
        server.send_no_tickets();
        EXPECT_EQ(shake_hands(client, server), "");
        forger.emplace(server.forger());
    }
    Result read(std::string_view in) {
        char memory[100];
        std::size_t count = 0;
        Result result = Result::done;
        while (result == Result::done) {
            result = client.read(in, out, memory, sizeof memory, count);
            got.append(memory, count);
        }
        return result;
    }
    RawTls server;
    detail::TlsEngine client;
    std::optional<ForgedRecords> forger;
    std::string out;
    std::string got;
};

TEST(TlsMessages, AKeyUpdateComesInTwoRecords) {
    Forged ends;
    const std::string update("\x18\0\0\1\0", 5);
    EXPECT_EQ(ends.read(ends.forger->record(ForgedRecords::handshake, update.substr(0, 4))),
              Result::needs_input);
    EXPECT_EQ(ends.client.write("x", ends.out), Result::needs_input);
    EXPECT_EQ(ends.read(ends.forger->record(ForgedRecords::handshake, update.substr(4))), Result::needs_input)
        << text_of(ends.client.error());
    EXPECT_EQ(ends.client.write("x", ends.out), Result::done);
    ends.forger->next_keys();
    EXPECT_EQ(ends.read(ends.forger->record(ForgedRecords::application_data, "new keys")),
              Result::needs_input);
    EXPECT_EQ(ends.got, "new keys");
    ends.server.feed(ends.out);
    EXPECT_EQ(ends.server.got, "x");
}

// RFC 8446 §5.1: nothing may come between the parts of a message.
TEST(TlsMessages, PlaintextInTheMiddleOfAMessageIsRefused) {
    Forged ends;
    EXPECT_EQ(ends.read(ends.forger->record(ForgedRecords::handshake, std::string("\x18\0\0\1", 4))),
              Result::needs_input);
    EXPECT_EQ(ends.read(ends.forger->record(ForgedRecords::application_data, "between")), Result::failed);
    EXPECT_EQ(ends.got, "");
    EXPECT_NE(exception_cast<SslError>(ends.client.error()), nullptr);
}

TEST(TlsMessages, AGoodbyeInTheMiddleOfAMessageFailsTheWrite) {
    Forged ends;
    EXPECT_EQ(ends.read(ends.forger->record(ForgedRecords::handshake, std::string("\x18\0\0\1", 4))),
              Result::needs_input);
    EXPECT_EQ(ends.client.write("x", ends.out), Result::needs_input);
    EXPECT_EQ(ends.read(ends.forger->record(ForgedRecords::alert, std::string("\1\0", 2))), Result::ended);
    EXPECT_EQ(ends.client.write("x", ends.out), Result::failed);
    EXPECT_EQ(text_of(ends.client.error()),
              "TLS: send to server: the peer has said goodbye in the middle of a message");
}

// TLS 1.2: a client that asks for another handshake is told that there is none, and may go on.
TEST(TlsMessages, ARenegotiationIsRefused) {
    detail::TlsEngine server(server_context(certificates().localhost), "", "client");
    RawTls client(TLS1_2_VERSION, false);
    std::string to_server = client.feed("");
    std::string to_client;
    while (!client.handshake_ended) {
        std::string_view in = to_server;
        ASSERT_NE(server.handshake(in, to_client), Result::failed) << text_of(server.error());
        to_server = client.feed(std::exchange(to_client, std::string()));
    }
    to_server += client.renegotiate();
    std::string_view in = to_server;
    char memory[100];
    std::size_t got = 0;
    EXPECT_EQ(server.read(in, to_client, memory, sizeof memory, got), Result::needs_input)
        << text_of(server.error());
    client.feed(to_client);
    EXPECT_EQ(ERR_GET_REASON(ERR_peek_last_error()), SSL_R_NO_RENEGOTIATION);
    ERR_clear_error();
    EXPECT_EQ(server.write("it goes on", to_client), Result::done);
}

// The same the other way round: a server's HelloRequest.
TEST(TlsMessages, AClientRefusesARenegotiationToo) {
    const SslContext context = client_with_certificate();
    detail::TlsEngine client(context, "localhost", "server");
    RawTls server(TLS1_2_VERSION);
    std::string to_client = shake_hands(client, server);
    to_client += server.renegotiate();
    std::string_view in = to_client;
    std::string out;
    char memory[100];
    std::size_t got = 0;
    EXPECT_EQ(client.read(in, out, memory, sizeof memory, got), Result::needs_input)
        << text_of(client.error());
    server.feed(out);
    EXPECT_EQ(ERR_GET_REASON(ERR_peek_last_error()), SSL_R_NO_RENEGOTIATION);
    ERR_clear_error();
    EXPECT_EQ(client.write("it goes on", out), Result::done);
}

// ---- streams --------------------------------------------------------------------------------------

class TlsMessageStreams : public NetTest {
  public:
    /// Shakes hands, and leaves what comes after to the test: `held` is what the client has not got yet.
    struct Session {
        explicit Session(Pair p, int version = TLS1_3_VERSION) : pair(std::move(p)), peer(version) {}
        Pair pair;
        RawTls peer;
        std::string held;

        /// What the client has sent so far.
        void take() { held += peer.feed(pair.peer.receive()); }
        void give_record() { give(take_record(held)); }
        void give_all() { give(std::exchange(held, std::string())); }
        void give(std::string_view bytes) const { EXPECT_EQ(pair.peer.send(bytes), bytes.size()); }
    };
    static Coro<> shake_hands(Session& session, StartTlsOptions options = {}) {
        options.server_hostname = "localhost";
        const SslContext context = client_with_certificate();
        Task<> going = create_task(upgrade(session.pair.writer, context, options));
        while (!session.peer.handshake_ended) {
            co_await testing::wait_all_tasks_blocked();
            session.take();
            if (!session.peer.handshake_ended || SSL_version(session.peer.ssl()) == TLS1_2_VERSION)
                session.give_all();
        }
        co_await going;
    }
};
ASYNCIO_ON_REAL_BACKENDS(TlsMessageStreams);

TEST_P(TlsMessageStreams, WhatIsWrittenInTheMiddleOfAMessageGoesWhenItIsWhole) {
    run([]() -> Coro<> {
        for (const bool somebody_reads : {false, true}) {
            Session session(unix_pair());
            co_await shake_hands(session);
            Pair& p = session.pair;
            p.writer.write("before ");
            std::optional<Task<std::string>> reading;
            const auto read = [&]() -> Coro<std::string> { co_return co_await p.reader.read(100); };
            reading.emplace(create_task(read));
            co_await testing::wait_all_tasks_blocked();
            session.give_record();
            co_await testing::wait_all_tasks_blocked();
            if (!somebody_reads) {
                reading->cancel();
                co_await ended(*reading);
            }
            p.writer.write("one ");
            p.writer.write(std::string(300'000, '.'));
            EXPECT_EQ(p.writer.get_write_buffer_size(), 300'004u);
            Task<> draining = create_task(drained(p.writer));
            co_await testing::wait_all_tasks_blocked();
            EXPECT_FALSE(draining.done()) << "it counts as unsent";
            session.take();
            EXPECT_EQ(session.peer.got, "before ");
            session.give_all();
            while (session.peer.got.size() < 300'011) {
                co_await testing::wait_all_tasks_blocked();
                session.take();
            }
            co_await draining;
            EXPECT_TRUE(session.peer.got == "before one " + std::string(300'000, '.'));
            session.give(session.peer.write("and back"));
            if (!somebody_reads) reading.emplace(create_task(read));
            const std::string answer = co_await *reading;
            EXPECT_EQ(answer, "and back");
            p.writer.close();
            co_await testing::wait_all_tasks_blocked();
            session.take();
            EXPECT_TRUE(session.peer.has_goodbye());
            session.give(session.peer.say_goodbye());
            co_await p.writer.wait_closed();
        }
    });
}

TEST_P(TlsMessageStreams, ClosedInTheMiddleOfAMessageItSendsTheRestAndTheGoodbye) {
    run([]() -> Coro<> {
        for (const bool something_to_send : {true, false}) {
            Session session(unix_pair());
            co_await shake_hands(session);
            session.give_record();
            StreamWriter& writer = session.pair.writer;
            Task<std::string> reading = create_task(a_byte(session.pair.reader));
            co_await testing::wait_all_tasks_blocked();
            if (something_to_send) writer.write("last words");
            writer.close();
            co_await testing::wait_all_tasks_blocked();
            session.take();
            EXPECT_FALSE(session.peer.has_goodbye());
            session.give_all();
            co_await testing::wait_all_tasks_blocked();
            session.take();
            EXPECT_EQ(session.peer.got, something_to_send ? "last words" : "");
            EXPECT_TRUE(session.peer.has_goodbye());
            session.give(session.peer.say_goodbye());
            co_await writer.wait_closed();
            const std::string nothing = co_await reading;
            EXPECT_EQ(nothing, "");
        }
    });
}

TEST_P(TlsMessageStreams, APeerThatGoesInTheMiddleOfAMessageIsALoss) {
    run([]() -> Coro<> {
        for (const bool closing : {false, true}) {
            Session session(unix_pair());
            co_await shake_hands(session);
            session.give_record();
            StreamWriter& writer = session.pair.writer;
            writer.set_write_buffer_limits({.high = 0, .low = 0});
            Task<std::string> reading = create_task(a_byte(session.pair.reader));
            co_await testing::wait_all_tasks_blocked();
            reading.cancel();
            co_await ended(reading);
            writer.write("nobody will know");
            Task<> draining = create_task(drained(writer));
            co_await testing::wait_all_tasks_blocked();
            EXPECT_FALSE(draining.done());
            if (closing) writer.close();
            session.pair.peer.receive();  // what is unread would make a reset of the end
            session.pair.peer.end_sending();
            co_await ended(draining);
            EXPECT_NE(exception_cast<SslEofError>(draining.exception()), nullptr)
                << describe(draining.exception());
            EXPECT_EQ(writer.get_write_buffer_size(), 0u);
            writer.close();
            EXPECT_THROW(co_await writer.wait_closed(), SslEofError);
        }
    });
}

TEST_P(TlsMessageStreams, AGoodbyeInTheMiddleOfAMessageIsALoss) {
    run([]() -> Coro<> {
        Session session(unix_pair());
        session.peer.send_no_tickets();
        co_await shake_hands(session);
        ForgedRecords forger = session.peer.forger();
        session.give(forger.record(ForgedRecords::handshake, std::string("\x18\0\0\1", 4)));
        StreamWriter& writer = session.pair.writer;
        writer.set_write_buffer_limits({.high = 0, .low = 0});
        Task<std::string> reading = create_task(a_byte(session.pair.reader));
        co_await testing::wait_all_tasks_blocked();
        writer.write("waits");
        Task<> draining = create_task(drained(writer));
        co_await testing::wait_all_tasks_blocked();
        EXPECT_FALSE(draining.done());
        session.give(forger.record(ForgedRecords::alert, std::string("\1\0", 2)));
        co_await ended(draining);
        EXPECT_NE(exception_cast<SslError>(draining.exception()), nullptr) << describe(draining.exception());
        co_await ended(reading);
        co_await finish(writer);
        while (detail::running_net_part().connections != nullptr) co_await sleep(0s);
    });
}

TEST_P(TlsMessageStreams, AMessageThatIsNeverWholeIsNotWaitedForForEver) {
    testing::MockClock clock;
    run(
        [&]() -> Coro<> {
            Session session(unix_pair());
            co_await shake_hands(session, {.ssl_shutdown_timeout = 7s});
            session.give_record();
            co_await testing::wait_all_tasks_blocked();
            StreamWriter& writer = session.pair.writer;
            Task<std::string> reading = create_task(a_byte(session.pair.reader));
            co_await testing::wait_all_tasks_blocked();
            writer.write("waits");
            writer.close();
            co_await testing::wait_all_tasks_blocked();
            clock.advance(7s);
            EXPECT_THROW(co_await writer.wait_closed(), TimeoutError);
            co_await ended(reading);
        },
        {.clock = &clock});
}

// Each of them has an answer, an alert, and the peer reads none.
TEST_P(TlsMessageStreams, QuestionsWithoutEndAreNotAnsweredIntoTheMemory) {
    run([]() -> Coro<> {
        Session session(unix_pair(), TLS1_2_VERSION);
        co_await shake_hands(session);
        Task<std::string> reading = create_task(a_byte(session.pair.reader));
        for (int i = 0; i < 20'000 && !reading.done(); ++i) {
            const std::string question = session.peer.renegotiate();
            EXPECT_NE(question, "");
            for (std::string_view rest = question; !rest.empty();) {
                rest.remove_prefix(session.pair.peer.send(rest));
                co_await sleep(0s);
            }
            EXPECT_LT(session.pair.writer.get_write_buffer_size(), 100'000u);
        }
        co_await ended(reading);
        EXPECT_NE(exception_cast<SslError>(reading.exception()), nullptr) << describe(reading.exception());
        session.pair.peer.close();
        co_await finish(session.pair.writer);
        // What is below ends after the stream has failed.
        while (detail::running_net_part().connections != nullptr) co_await sleep(0s);
    });
}

// A thread sends nothing but key updates, faster than they are read.
TEST_P(TlsMessageStreams, AFloodOfKeyUpdatesLeavesTurnsToOthers) {
    run([]() -> Coro<> {
        Session session(unix_pair());
        co_await shake_hands(session);
        session.give_all();
        std::string flood;
        while (flood.size() < 100'000) flood += session.peer.update_keys();
        flood += session.peer.write("at last");
        std::thread sender([&] {
            std::string_view rest = flood;
            while (!rest.empty()) {
                rest.remove_prefix(session.pair.peer.send(rest));
                std::this_thread::yield();
            }
        });
        int turns = 0;
        bool going = true;
        const auto count = [&]() -> Coro<> {
            for (; going; ++turns) co_await sleep(0s);
        };
        Task<> counting = create_task(count);
        const std::string text = co_await session.pair.reader.readexactly(7);
        going = false;
        co_await counting;
        sender.join();
        EXPECT_EQ(text, "at last");
        EXPECT_GT(turns, 200) << "one for each sixteen of them";
        session.give(session.peer.say_goodbye());
        co_await finish(session.pair.writer);
    });
}

}}  // namespace asyncio::test
