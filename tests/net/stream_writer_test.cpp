// StreamWriter against a peer that the test works by hand.
#include <vector>

#include "net_fixture.hpp"

namespace asyncio::test { namespace {

class StreamWriterTest : public NetTest {};
ASYNCIO_ON_REAL_BACKENDS(StreamWriterTest);

constexpr std::size_t much = 8 * 1024 * 1024;  // more than socket buffers hold

const std::string& much_data() {
    static const std::string made = pattern(much);
    return made;
}

TEST_P(StreamWriterTest, SendsAtOnceWhatTheKernelTakes) {
    run([]() -> Coro<> {
        Pair p = unix_pair();
        p.writer.write("hello ");
        p.writer.write("world");
        EXPECT_EQ(p.peer.receive(), "hello world");
        EXPECT_EQ(p.writer.get_write_buffer_size(), 0u);
        co_await p.writer.send("again");
        EXPECT_EQ(p.peer.receive(), "again");
        p.writer.write("");
        co_await p.writer.send("");
        co_await p.writer.drain();
        EXPECT_FALSE(p.writer.is_closing());
        EXPECT_TRUE(p.writer.can_write_eof());
        co_await finish(p.writer);
        EXPECT_TRUE(p.peer.at_end());
    });
}

TEST_P(StreamWriterTest, SendsPartsInOrder) {
    run([]() -> Coro<> {
        Pair p = unix_pair();
        co_await p.writer.send("head", std::string("-middle-"), "tail");
        EXPECT_EQ(p.peer.receive(), "head-middle-tail");
        std::vector<std::string> parts;
        std::string all;
        for (int i = 0; i < 100; ++i) {
            parts.push_back(i % 7 == 0 ? "" : std::to_string(i) + ";");
            all += parts.back();
        }
        p.writer.writelines(parts);
        EXPECT_EQ(p.peer.receive(), all);
        co_await finish(p.writer);
    });
}

TEST_P(StreamWriterTest, PartsThatDoNotFitFollowLater) {
    run([]() -> Coro<> {
        Pair p = unix_pair();
        const std::string& all = much_data();
        std::vector<std::string_view> parts;
        for (std::size_t at = 0; at < all.size();) {
            const std::size_t length = std::min<std::size_t>(all.size() - at, 1 + at % 100'003);
            parts.push_back(std::string_view(all).substr(at, length));
            at += length;
        }
        p.writer.writelines(parts);
        EXPECT_GT(p.writer.get_write_buffer_size(), 0u);
        p.writer.write("and more");
        p.writer.close();
        const std::string got = co_await drain_peer(p.peer);
        EXPECT_EQ(got, all + "and more");
        co_await p.writer.wait_closed();
    });
}

Coro<> drain_it(StreamWriter& writer) { co_await writer.drain(); }

TEST_P(StreamWriterTest, DrainWaitsForAFullBufferUntilItIsLow) {
    run([]() -> Coro<> {
        Pair p = tcp_pair();
        const std::string& all = much_data();
        p.writer.write(all);
        EXPECT_GT(p.writer.get_write_buffer_size(), default_stream_limit);
        std::vector<Task<>> drains;
        for (int i = 0; i < 3; ++i) drains.push_back(create_task(drain_it(p.writer)));
        co_await testing::wait_all_tasks_blocked();
        for (const Task<>& each : drains) EXPECT_FALSE(each.done());
        std::string got;
        while (!drains[0].done()) {
            // One piece at a time, so that the marks can be seen.
            got += p.peer.receive(16 * 1024);
            co_await testing::wait_all_tasks_blocked();
            EXPECT_EQ(drains[0].done(), p.writer.get_write_buffer_size() <= default_stream_limit / 4);
        }
        EXPECT_LE(p.writer.get_write_buffer_size(), default_stream_limit / 4);
        for (const Task<>& each : drains) co_await each;
        p.writer.close();
        got += co_await drain_peer(p.peer);
        EXPECT_EQ(got, all);
        co_await p.writer.wait_closed();
    });
}

TEST_P(StreamWriterTest, ASenderIsSlowedDownByItsReader) {
    run([]() -> Coro<> {
        Pair p = tcp_pair();
        std::size_t sent = 0;
        const std::string piece = pattern(100'000);
        const auto send_for_ever = [&]() -> Coro<> {
            for (;;) {
                co_await p.writer.send(piece);
                sent += piece.size();
            }
        };
        Task<> task = create_task(send_for_ever);
        co_await testing::wait_all_tasks_blocked();
        const std::size_t before = sent;
        EXPECT_LT(before, 64u * 1024 * 1024);
        co_await testing::wait_all_tasks_blocked();
        EXPECT_EQ(sent, before);
        std::size_t received = 0;
        while (sent == before) {
            received += p.peer.receive().size();
            co_await testing::wait_all_tasks_blocked();
        }
        task.cancel();
        co_await ended(task);
        EXPECT_TRUE(task.cancelled());
        p.writer.close();
        received += (co_await drain_peer(p.peer)).size();
        // What the cancelled send had written goes out, too.
        EXPECT_EQ(received % piece.size(), 0u);
        EXPECT_GE(received, sent);
        co_await p.writer.wait_closed();
    });
}

TEST_P(StreamWriterTest, ASendThatIsCancelledBeforeItBeginsSendsNothing) {
    run([]() -> Coro<> {
        Pair p = unix_pair();
        const auto send = [&]() -> Coro<> {
            current_task().cancel();
            co_await p.writer.send("never");
        };
        Task<> task = create_task(send);
        co_await ended(task);
        EXPECT_TRUE(task.cancelled());
        EXPECT_EQ(p.peer.receive(), "");
        co_await finish(p.writer);
    });
}

TEST_P(StreamWriterTest, ACancelledDrainLeavesTheOthersWaiting) {
    run([]() -> Coro<> {
        Pair p = unix_pair();
        const std::string& all = much_data();
        p.writer.write(all);
        std::vector<Task<>> drains;
        for (int i = 0; i < 3; ++i) drains.push_back(create_task(drain_it(p.writer)));
        co_await testing::wait_all_tasks_blocked();
        drains[1].cancel();
        co_await ended(drains[1]);
        EXPECT_TRUE(drains[1].cancelled());
        EXPECT_FALSE(drains[0].done());
        std::string got;
        while (got.size() < all.size()) {
            got += p.peer.receive();
            co_await testing::wait_all_tasks_blocked();
        }
        EXPECT_EQ(got, all);
        co_await drains[0];
        co_await drains[2];
        co_await finish(p.writer);
    });
}

TEST_P(StreamWriterTest, LimitsCanBeSet) {
    run([]() -> Coro<> {
        Pair p = unix_pair();
        EXPECT_EQ(p.writer.get_write_buffer_limits().high, 65536u);
        EXPECT_EQ(p.writer.get_write_buffer_limits().low, 16384u);
        p.writer.set_write_buffer_limits({.high = 1'000});
        EXPECT_EQ(p.writer.get_write_buffer_limits().low, 250u);
        EXPECT_THROW(p.writer.set_write_buffer_limits({.high = 1, .low = 2}), ValueError);
        p.writer.set_write_buffer_limits({.high = 0, .low = 0});
        p.writer.write(much_data());
        Task<> drain = create_task(drain_it(p.writer));
        co_await testing::wait_all_tasks_blocked();
        EXPECT_FALSE(drain.done());
        while (!drain.done()) {
            p.peer.receive();
            co_await testing::wait_all_tasks_blocked();
        }
        EXPECT_EQ(p.writer.get_write_buffer_size(), 0u);
        co_await finish(p.writer);
    });
}

// ---- half-close ---------------------------------------------------------------------------------

TEST_P(StreamWriterTest, WriteEofEndsOneDirection) {
    run([]() -> Coro<> {
        Pair p = tcp_pair();
        p.writer.write("request");
        p.writer.write_eof();
        p.writer.write_eof();
        EXPECT_THROW(p.writer.write("more"), RuntimeError);
        const std::string got = co_await drain_peer(p.peer);
        EXPECT_EQ(got, "request");
        p.peer.send("answer");
        p.peer.end_sending();
        const std::string answer = co_await p.reader.read();
        EXPECT_EQ(answer, "answer");
        EXPECT_FALSE(p.writer.is_closing());
        co_await finish(p.writer);
    });
}

TEST_P(StreamWriterTest, WriteEofComesAfterWhatIsBuffered) {
    run([]() -> Coro<> {
        Pair p = tcp_pair();
        const std::string& all = much_data();
        p.writer.write(all);
        p.writer.write_eof();
        const std::string got = co_await drain_peer(p.peer);
        EXPECT_EQ(got, all);
        co_await finish(p.writer);
    });
}

TEST_P(StreamWriterTest, ThePeersHalfCloseLeavesTheWayBack) {
    run([]() -> Coro<> {
        Pair p = tcp_pair();
        p.peer.send("question");
        p.peer.end_sending();
        const std::string question = co_await p.reader.read();
        EXPECT_EQ(question, "question");
        EXPECT_TRUE(p.reader.at_eof());
        co_await p.writer.send("answer");
        p.writer.close();
        co_await p.writer.wait_closed();
        const std::string answer = co_await drain_peer(p.peer);
        EXPECT_EQ(answer, "answer");
    });
}

// ---- closing ------------------------------------------------------------------------------------

TEST_P(StreamWriterTest, CloseSendsWhatIsBufferedFirst) {
    run([]() -> Coro<> {
        Pair p = tcp_pair();
        const std::string& all = much_data();
        p.writer.write(all);
        p.writer.close();
        EXPECT_TRUE(p.writer.is_closing());
        p.writer.write("ignored");
        const std::string got = co_await drain_peer(p.peer);
        EXPECT_EQ(got, all);
        co_await p.writer.wait_closed();
        p.writer.close();
        p.writer.abort();
        co_await p.writer.wait_closed();
    });
}

TEST_P(StreamWriterTest, AbortDropsWhatIsBuffered) {
    run([]() -> Coro<> {
        Pair p = unix_pair();
        p.writer.write(much_data());
        Task<> drain = create_task(drain_it(p.writer));
        co_await testing::wait_all_tasks_blocked();
        p.writer.abort();
        EXPECT_TRUE(p.writer.is_closing());
        co_await ended(drain);
        EXPECT_NE(exception_cast<ConnectionResetError>(drain.exception()), nullptr);
        co_await p.writer.wait_closed();
        EXPECT_EQ(p.writer.get_write_buffer_size(), 0u);
        const std::string got = co_await drain_peer(p.peer);
        EXPECT_LT(got.size(), much);
    });
}

TEST_P(StreamWriterTest, DrainAfterCloseYieldsOnceThenTells) {
    run([]() -> Coro<> {
        Pair p = unix_pair();
        p.writer.set_write_buffer_limits({.high = much});  // drain need not wait for room
        p.writer.write(much_data());
        p.writer.close();
        bool other_ran = false;
        get_running_loop().call_soon([&] { other_ran = true; });
        co_await p.writer.drain();
        EXPECT_TRUE(other_ran);
        p.writer.abort();
        co_await p.writer.wait_closed();
        EXPECT_THROW(co_await p.writer.drain(), ConnectionResetError);
        EXPECT_THROW(co_await p.writer.send("x"), ConnectionResetError);
        p.writer.write("ignored");
    });
}

TEST_P(StreamWriterTest, AReaderThatWaitsGetsTheEndWhenTheWriterCloses) {
    run([]() -> Coro<> {
        Pair p = tcp_pair();
        p.peer.send("rest");
        co_await p.reader.read_more();
        const auto read = [&]() -> Coro<std::string> { co_return co_await p.reader.readuntil("x"); };
        Task<std::string> task = create_task(read);
        co_await testing::wait_all_tasks_blocked();
        p.writer.close();
        co_await ended(task);
        const auto* error = exception_cast<IncompleteReadError>(task.exception());
        EXPECT_NE(error, nullptr);
        if (error != nullptr) {
            EXPECT_EQ(error->partial(), "rest");
        }
        EXPECT_TRUE(p.reader.at_eof());
        const std::string none = co_await p.reader.read();
        EXPECT_EQ(none, "");
        co_await p.writer.wait_closed();
    });
}

TEST_P(StreamWriterTest, AReadIntoLargeMemoryEndsWhenTheWriterCloses) {
    run([]() -> Coro<> {
        Pair p = tcp_pair();
        std::string memory(100'000, '?');
        const auto read = [&]() -> Coro<> { co_await p.reader.read_into(memory); };
        Task<> task = create_task(read);
        co_await testing::wait_all_tasks_blocked();
        p.peer.send("abc");
        co_await testing::wait_all_tasks_blocked();
        p.writer.close();
        co_await ended(task);
        const auto* error = exception_cast<IncompleteReadError>(task.exception());
        EXPECT_NE(error, nullptr);
        if (error != nullptr) {
            EXPECT_EQ(error->partial(), "abc");
        }
        co_await p.writer.wait_closed();
    });
}

TEST_P(StreamWriterTest, ADroppedWriterClosesAndItsReaderReadsOn) {
    run([]() -> Coro<> {
        Pair p = tcp_pair();
        p.peer.send("line\nrest");
        const std::string line = co_await p.reader.readline();
        EXPECT_EQ(line, "line\n");
        {
            StreamWriter dropped = std::move(p.writer);
            dropped.write("bye");
        }
        const std::string rest = co_await p.reader.read();
        EXPECT_EQ(rest, "rest");
        const std::string got = co_await drain_peer(p.peer);
        EXPECT_EQ(got, "bye");
    });
}

TEST_P(StreamWriterTest, DebugModeNamesAWriterThatNobodyClosed) {
    ::testing::internal::CaptureStderr();
    run(
        []() -> Coro<> {
            Pair p = tcp_pair();
            Pair closed = tcp_pair();
            co_await finish(closed.writer);
            StreamWriter dropped = std::move(p.writer);
        },
        {.debug = true});
    const std::string text = ::testing::internal::GetCapturedStderr();
    const std::size_t at = text.find("ResourceWarning: unclosed StreamWriter to 127.0.0.1:");
    EXPECT_NE(at, std::string::npos) << text;
    EXPECT_EQ(text.find("ResourceWarning", at + 1), std::string::npos) << text;
}

TEST_P(StreamWriterTest, KnowsBothAddresses) {
    run([]() -> Coro<> {
        Pair p = tcp_pair();
        const Address peer = p.writer.peername();
        EXPECT_EQ(peer.host(), "127.0.0.1");
        EXPECT_EQ(p.writer.sockname().host(), "127.0.0.1");
        EXPECT_NE(p.writer.sockname().port(), peer.port());
        EXPECT_GE(p.writer.fileno(), 0);
        co_await finish(p.writer);
        EXPECT_EQ(p.writer.peername(), peer);
        EXPECT_TRUE(p.writer.sockname().empty());
        EXPECT_EQ(p.writer.fileno(), -1);
    });
}

TEST_P(StreamWriterTest, GivesExtraInfoByPythonsNames) {
    run([]() -> Coro<> {
        Pair p = tcp_pair();
        const Address peer = p.writer.peername();
        const int socket = p.writer.fileno();
        EXPECT_EQ(std::get<Address>(p.writer.get_extra_info("peername")), peer);
        EXPECT_EQ(std::get<Address>(p.writer.get_extra_info("sockname")), p.writer.sockname());
        EXPECT_EQ(std::get<int>(p.writer.get_extra_info("socket")), socket);
        const StreamWriter::ExtraInfo nothing;
        EXPECT_EQ(p.writer.get_extra_info("cipher"), nothing);
        co_await finish(p.writer);
        EXPECT_EQ(std::get<Address>(p.writer.get_extra_info("peername")), peer);
        EXPECT_EQ(p.writer.get_extra_info("sockname"), nothing);
        EXPECT_EQ(p.writer.get_extra_info("socket"), nothing);
    });
}

// ---- the peer goes ------------------------------------------------------------------------------

TEST_P(StreamWriterTest, AResetEndsTheWaitForRoom) {
    run([]() -> Coro<> {
        Pair p = tcp_pair();
        p.writer.write(much_data());
        Task<> drain = create_task(drain_it(p.writer));
        co_await testing::wait_all_tasks_blocked();
        EXPECT_FALSE(drain.done());
        const std::string peer_name = p.writer.peername().to_string();
        p.peer.reset();
        co_await ended(drain);
        const auto* error = exception_cast<ConnectionResetError>(drain.exception());
        EXPECT_NE(error, nullptr) << describe(drain.exception());
        if (error != nullptr) {
            EXPECT_EQ(std::string(error->what()),
                      "send to " + peer_name + ": Connection reset by peer [Errno 104]");
        }
        EXPECT_TRUE(p.writer.is_closing());
        p.writer.write("ignored");
        EXPECT_THROW(co_await p.writer.drain(), ConnectionResetError);
        EXPECT_THROW(co_await p.reader.read(), ConnectionResetError);
        p.writer.close();
        EXPECT_THROW(co_await p.writer.wait_closed(), ConnectionResetError);
    });
}

TEST_P(StreamWriterTest, WritingToAPeerThatHasGoneIsAnErrorOfDrain) {
    run([]() -> Coro<> {
        Pair p = unix_pair();
        p.peer.close();
        p.writer.write("x");
        p.writer.write("y");
        EXPECT_THROW(co_await p.writer.drain(), BrokenPipeError);
        EXPECT_THROW(co_await p.writer.send("z"), BrokenPipeError);
        p.writer.close();
        EXPECT_THROW(co_await p.writer.wait_closed(), BrokenPipeError);
    });
}

// A server that refuses an upload: it answers and closes while the client still sends. The answer must be
// readable.
TEST_P(StreamWriterTest, WhatThePeerSaidBeforeItWentCanBeRead) {
    run([]() -> Coro<> {
        Pair p = unix_pair();
        p.peer.send("too large");
        p.peer.close();
        p.writer.write(pattern(1'000));
        EXPECT_TRUE(p.writer.is_closing());
        const std::string answer = co_await p.reader.read(100);
        EXPECT_EQ(answer, "too large");
        EXPECT_THROW(co_await p.reader.read(100), BrokenPipeError);
        p.writer.close();
        EXPECT_THROW(co_await p.writer.wait_closed(), BrokenPipeError);
    });
}

TEST_P(StreamWriterTest, ALostConnectionWithoutAReaderClosesAtOnce) {
    run([]() -> Coro<> {
        Pair p = unix_pair();
        { const StreamReader dropped = std::move(p.reader); }
        p.peer.close();
        p.writer.write("x");
        EXPECT_EQ(p.writer.fileno(), -1);
        EXPECT_THROW(co_await p.writer.wait_closed(), BrokenPipeError);
    });
}

}}  // namespace asyncio::test
