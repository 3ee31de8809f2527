// StreamReader against a peer that the test works by hand.
#include <functional>
#include <vector>

#include "net_fixture.hpp"

namespace asyncio::test { namespace {

class StreamReaderTest : public NetTest {};
ASYNCIO_ON_REAL_BACKENDS(StreamReaderTest);

TEST_P(StreamReaderTest, ReadsWhatIsThere) {
    run([]() -> Coro<> {
        Pair p = tcp_pair();
        p.peer.send("hello");
        const std::string got = co_await p.reader.read(100);
        EXPECT_EQ(got, "hello");
        const std::string none = co_await p.reader.read(0);
        EXPECT_EQ(none, "");
        p.peer.send("abcdef");
        const std::string first = co_await p.reader.read(4);
        const std::string rest = co_await p.reader.read(4);
        EXPECT_EQ(first, "abcd");
        EXPECT_EQ(rest, "ef");
        p.peer.end_sending();
        const std::string end = co_await p.reader.read(4);
        EXPECT_EQ(end, "");
        EXPECT_TRUE(p.reader.at_eof());
        co_await finish(p.writer);
    });
}

TEST_P(StreamReaderTest, ReadsLinesToTheLastOneWithoutAnEnd) {
    run([]() -> Coro<> {
        Pair p = unix_pair();
        p.peer.send("one\n\ntwo\nlast");
        p.peer.end_sending();
        std::vector<std::string> lines;
        for (;;) {
            std::string line = co_await p.reader.readline();
            if (line.empty()) break;
            lines.push_back(line);
        }
        EXPECT_EQ(lines, (std::vector<std::string>{"one\n", "\n", "two\n", "last"}));
        EXPECT_TRUE(p.reader.at_eof());
        co_await finish(p.writer);
    });
}

// ---- data that comes in pieces ------------------------------------------------------------------

struct Method {
    const char* name;
    std::string message;
    std::string expected;
    std::string left;  // unread, with the "XYZ" that follows each message
    std::function<Coro<std::string>(StreamReader&)> call;
};

Coro<std::string> call_read_all(StreamReader& reader) { co_return co_await reader.read(); }
Coro<std::string> call_readline(StreamReader& reader) { co_return co_await reader.readline(); }
Coro<std::string> call_readexactly(StreamReader& reader) { co_return co_await reader.readexactly(9); }
Coro<std::string> call_readuntil(StreamReader& reader) { co_return co_await reader.readuntil("--end"); }
Coro<std::string> call_readuntil_any(StreamReader& reader) {
    co_return co_await reader.readuntil("--END", "end--end", "nd--e", "ff");
}
Coro<std::string> call_read_into(StreamReader& reader) {
    std::string memory(9, '?');
    co_await reader.read_into(memory);
    co_return memory;
}
Coro<std::string> call_readinto_some(StreamReader& reader) {
    std::string memory;
    while (memory.size() < 9) {
        char piece[4];
        const std::size_t got =
            co_await reader.readinto_some(std::span(piece, std::min<std::size_t>(4, 9 - memory.size())));
        if (got == 0) break;
        memory.append(piece, got);
    }
    co_return memory;
}
Coro<std::string> call_read_some(StreamReader& reader) {
    std::string all;
    while (all.size() < 9) {
        const std::string piece = co_await reader.read(static_cast<std::ptrdiff_t>(9 - all.size()));
        if (piece.empty()) break;
        all += piece;
    }
    co_return all;
}
Coro<std::string> call_read_more(StreamReader& reader) {
    for (;;) {
        if (reader.buffered().size() >= 9) break;
        const bool more = co_await reader.read_more();
        if (!more) break;
    }
    std::string all(reader.buffered().substr(0, 9));
    reader.consume(all.size());
    co_return all;
}

const Method methods[] = {
    {"read all", "123456789", "123456789XYZ", "", &call_read_all},
    {"readline", "12345678\n", "12345678\n", "XYZ", &call_readline},
    {"readexactly", "123456789", "123456789", "XYZ", &call_readexactly},
    {"readuntil", "12---end--end", "12---end", "--endXYZ", &call_readuntil},
    {"readuntil any", "12-end--end-", "12-end--e", "nd-XYZ", &call_readuntil_any},
    {"read_into", "123456789", "123456789", "XYZ", &call_read_into},
    {"readinto_some", "123456789", "123456789", "XYZ", &call_readinto_some},
    {"read", "123456789", "123456789", "XYZ", &call_read_some},
    {"read_more", "123456789", "123456789", "XYZ", &call_read_more},
};

// Each message is cut at each place; the reader waits for the second piece, which brings the rest with what
// follows it.
TEST_P(StreamReaderTest, EachMethodWorksWhereverTheDataIsSplit) {
    run([]() -> Coro<> {
        for (const Method& method : methods) {
            const std::string all = method.message + "XYZ";
            for (std::size_t cut = 0; cut <= all.size(); ++cut) {
                Pair p = unix_pair();
                p.peer.send(all.substr(0, cut));
                Task<std::string> task = create_task(method.call(p.reader));
                co_await testing::wait_all_tasks_blocked();
                EXPECT_EQ(task.done(),
                          cut >= method.expected.size() && std::string_view(method.name) != "read all")
                    << method.name << " cut at " << cut;
                p.peer.send(all.substr(cut));
                p.peer.end_sending();
                const std::string got = co_await task;
                EXPECT_EQ(got, method.expected) << method.name << " cut at " << cut;
                const std::string left = co_await p.reader.read();
                EXPECT_EQ(left, method.left) << method.name << " cut at " << cut;
                co_await finish(p.writer);
            }
        }
    });
}

TEST_P(StreamReaderTest, EachMethodWorksByteByByte) {
    run([]() -> Coro<> {
        for (const Method& method : methods) {
            Pair p = unix_pair();
            Task<std::string> task = create_task(method.call(p.reader));
            for (const char byte : method.message + "XYZ") {
                co_await testing::wait_all_tasks_blocked();
                p.peer.send(std::string_view(&byte, 1));
            }
            p.peer.end_sending();
            const std::string got = co_await task;
            EXPECT_EQ(got, method.expected) << method.name;
            const std::string left = co_await p.reader.read();
            EXPECT_EQ(left, method.left) << method.name;
            co_await finish(p.writer);
        }
    });
}

// Each method waits with half of its message, is cancelled, and is called again: no byte is lost.
TEST_P(StreamReaderTest, ACancelledReadLosesNothing) {
    run([]() -> Coro<> {
        for (const Method& method : methods) {
            for (std::size_t cut = 0; cut < method.message.size(); ++cut) {
                Pair p = unix_pair();
                p.peer.send(method.message.substr(0, cut));
                Task<std::string> task = create_task(method.call(p.reader));
                co_await testing::wait_all_tasks_blocked();
                if (task.done() || std::string_view(method.name) == "read" ||
                    std::string_view(method.name) == "readinto_some") {
                    task.cancel();
                    co_await ended(task);
                    co_await finish(p.writer);
                    continue;  // those give what is there: the caller's loop would lose it, not the read
                }
                task.cancel();
                co_await ended(task);
                EXPECT_TRUE(task.cancelled()) << method.name;
                p.peer.send(method.message.substr(cut) + "XYZ");
                p.peer.end_sending();
                const std::string got = co_await method.call(p.reader);
                EXPECT_EQ(got, method.expected) << method.name << " cut at " << cut;
                const std::string left = co_await p.reader.read();
                EXPECT_EQ(left, method.left) << method.name << " cut at " << cut;
                co_await finish(p.writer);
            }
        }
    });
}

// The cancel comes after the bytes have arrived and before the task has run: they stay in the buffer.
TEST_P(StreamReaderTest, ACancelThatMeetsTheDataLosesNothing) {
    run([]() -> Coro<> {
        for (const Method& method : methods) {
            Pair p = unix_pair();
            Task<std::string> task = create_task(method.call(p.reader));
            co_await testing::wait_all_tasks_blocked();
            p.peer.send(method.message + "XYZ");
            p.peer.end_sending();
            // A callback of the same turn as the wake-up.
            for (int turn = 0; turn < 3 && !task.done(); ++turn) {
                task.cancel();
                co_await sleep(0s);
            }
            co_await ended(task);
            EXPECT_TRUE(task.cancelled()) << method.name;
            const std::string all = co_await p.reader.read();
            EXPECT_EQ(all, method.message + "XYZ") << method.name;
            co_await finish(p.writer);
        }
    });
}

TEST_P(StreamReaderTest, AReadIntoLargeMemoryThatIsCancelledLosesNothing) {
    run([]() -> Coro<> {
        const std::string message = pattern(20'000);
        for (std::size_t cut : {std::size_t{0}, std::size_t{1}, std::size_t{5'000}, std::size_t{19'999}}) {
            Pair p = unix_pair();
            std::string memory(message.size(), '?');
            const auto read = [&]() -> Coro<> { co_await p.reader.read_into(memory); };
            Task<> task = create_task(read);
            co_await testing::wait_all_tasks_blocked();
            p.peer.send(message.substr(0, cut));
            co_await testing::wait_all_tasks_blocked();
            EXPECT_FALSE(task.done());
            task.cancel();
            co_await ended(task);
            EXPECT_TRUE(task.cancelled());
            p.peer.send(message.substr(cut));
            co_await p.reader.read_into(memory);
            EXPECT_EQ(memory, message);
            co_await finish(p.writer);
        }
    });
}

// ---- the limit ----------------------------------------------------------------------------------

TEST_P(StreamReaderTest, ReadUntilStopsAtTheLimitAndLeavesTheData) {
    run([]() -> Coro<> {
        Pair p = unix_pair(3);
        p.peer.send("some dataAA");
        try {
            co_await p.reader.readuntil("AAA");
            ADD_FAILURE() << "no error";
        } catch (const LimitOverrunError& error) {
            EXPECT_EQ(error.consumed(), 9u);
            EXPECT_NE(std::string_view(error.what()).find("not found"), std::string_view::npos);
        }
        EXPECT_EQ(p.reader.buffered(), "some dataAA");
        p.peer.send("A");
        co_await p.reader.read_more();
        try {
            co_await p.reader.readuntil("AAA");
            ADD_FAILURE() << "no error";
        } catch (const LimitOverrunError& error) {
            EXPECT_EQ(error.consumed(), 9u);
            EXPECT_NE(std::string_view(error.what()).find("is found"), std::string_view::npos);
        }
        EXPECT_EQ(p.reader.buffered(), "some dataAAA");
        const std::string head = co_await p.reader.readexactly(9);
        const std::string separator = co_await p.reader.readuntil("AAA");
        EXPECT_EQ(head, "some data");
        EXPECT_EQ(separator, "AAA");
        co_await finish(p.writer);
    });
}

// ---- several separators -------------------------------------------------------------------------

TEST_P(StreamReaderTest, OfSeveralSeparatorsTheOneThatEndsFirstCounts) {
    run([]() -> Coro<> {
        Pair p = unix_pair();
        p.peer.send("one\r\ntwo\nthree;four");
        const std::string one = co_await p.reader.readuntil("\n", "\r\n", ";");
        const std::string two = co_await p.reader.readuntil("\r\n", "\n");
        EXPECT_EQ(one, "one\r\n");
        EXPECT_EQ(two, "two\n");
        const std::vector<std::string_view> separators(1, ";");
        const std::string three = co_await p.reader.readuntil(separators);
        EXPECT_EQ(three, "three;");
        p.peer.end_sending();
        try {
            co_await p.reader.readuntil("\n", ";");
            ADD_FAILURE() << "no error";
        } catch (const IncompleteReadError& error) {
            EXPECT_EQ(error.partial(), "four");
            EXPECT_FALSE(error.expected());
        }
        co_await finish(p.writer);
    });
}

// The cases of CPython's test_readuntil_multi_separator and its neighbours, by what they demand.
TEST_P(StreamReaderTest, TheSeparatorThatEndsFirstNeedNotBeTheFirstToBegin) {
    run([]() -> Coro<> {
        Pair p = unix_pair();
        p.peer.send("AAABAACxSEPP");
        const std::string shortest = co_await p.reader.readuntil("AAB", "B", "AABA");
        EXPECT_EQ(shortest, "AAAB");
        const std::string inner = co_await p.reader.readuntil("AACxSEP", "xS");
        EXPECT_EQ(inner, "AACxS");
        const std::string last = co_await p.reader.readuntil("EPP", "Q");
        EXPECT_EQ(last, "EPP");
        co_await finish(p.writer);
    });
}

TEST_P(StreamReaderTest, TheLimitOfSeveralSeparatorsIsThatOfOne) {
    run([]() -> Coro<> {
        Pair p = unix_pair(3);
        p.peer.send("some dataAA");
        try {
            co_await p.reader.readuntil("AAA", "BBBB");
            ADD_FAILURE() << "no error";
        } catch (const LimitOverrunError& error) {
            EXPECT_EQ(error.consumed(), 8u);  // what may be the beginning of the longest is kept
        }
        p.peer.send("A");
        co_await p.reader.read_more();
        try {
            co_await p.reader.readuntil("AAA", "BBBB");
            ADD_FAILURE() << "no error";
        } catch (const LimitOverrunError& error) {
            EXPECT_EQ(error.consumed(), 9u);
            EXPECT_NE(std::string_view(error.what()).find("is found"), std::string_view::npos);
        }
        EXPECT_EQ(p.reader.buffered(), "some dataAAA");
        EXPECT_THROW(static_cast<void>(p.reader.readuntil("x", "")), ValueError);
        EXPECT_THROW(static_cast<void>(p.reader.readuntil(std::span<const std::string_view>())), ValueError);
        co_await finish(p.writer);
    });
}

TEST_P(StreamReaderTest, ReadlineDropsALineThatIsTooLong) {
    run([]() -> Coro<> {
        Pair p = unix_pair(3);
        p.peer.send("li");
        const auto read = [&]() -> Coro<std::string> { co_return co_await p.reader.readline(); };
        Task<std::string> task = create_task(read);
        co_await testing::wait_all_tasks_blocked();
        p.peer.send("ne1\nline2\n");
        co_await ended(task);
        EXPECT_NE(exception_cast<ValueError>(task.exception()), nullptr);
        EXPECT_EQ(p.reader.buffered(), "line2\n");
        p.reader.consume(6);

        p.peer.send("line1li");
        try {
            co_await p.reader.readline();
            ADD_FAILURE() << "no error";
        } catch (const ValueError&) {}
        EXPECT_EQ(p.reader.buffered(), "");
        p.peer.send("ne2\n");
        p.peer.end_sending();
        try {
            const std::string line = co_await p.reader.readline();
            EXPECT_EQ(line, "ne2\n");
        } catch (const ValueError&) {
            ADD_FAILURE() << "3 bytes and an end fit into a limit of 3";
        }
        co_await finish(p.writer);
    });
}

TEST_P(StreamReaderTest, ALineOfExactlyTheLimitFits) {
    run([]() -> Coro<> {
        Pair p = unix_pair(5);
        p.peer.send("12345\n123456\n");
        const std::string line = co_await p.reader.readline();
        EXPECT_EQ(line, "12345\n");
        EXPECT_THROW(co_await p.reader.readline(), ValueError);
        co_await finish(p.writer);
    });
}

// ---- errors -------------------------------------------------------------------------------------

TEST_P(StreamReaderTest, AnEarlyEndGivesWhatCame) {
    run([]() -> Coro<> {
        Pair p = unix_pair();
        p.peer.send("abc");
        p.peer.end_sending();
        try {
            co_await p.reader.readexactly(5);
            ADD_FAILURE() << "no error";
        } catch (const IncompleteReadError& error) {
            EXPECT_EQ(error.partial(), "abc");
            EXPECT_EQ(error.expected(), 5u);
        }
        EXPECT_TRUE(p.reader.at_eof());
        co_await finish(p.writer);

        Pair q = unix_pair();
        q.peer.send("abc");
        q.peer.end_sending();
        try {
            co_await q.reader.readuntil("x");
            ADD_FAILURE() << "no error";
        } catch (const IncompleteReadError& error) {
            EXPECT_EQ(error.partial(), "abc");
            EXPECT_FALSE(error.expected());
        }
        co_await finish(q.writer);

        Pair r = unix_pair();
        r.peer.send("abc");
        r.peer.end_sending();
        char memory[5];
        try {
            co_await r.reader.read_into(memory);
            ADD_FAILURE() << "no error";
        } catch (const IncompleteReadError& error) {
            EXPECT_EQ(error.partial(), "abc");
            EXPECT_EQ(error.expected(), 5u);
        }
        co_await finish(r.writer);
    });
}

TEST_P(StreamReaderTest, WrongArgumentsAreRefused) {
    run([]() -> Coro<> {
        Pair p = unix_pair();
        EXPECT_THROW(static_cast<void>(p.reader.readexactly(-1)), ValueError);
        EXPECT_THROW(static_cast<void>(p.reader.readuntil("")), ValueError);
        EXPECT_THROW(p.reader.consume(1), ValueError);
        const std::string none = co_await p.reader.readexactly(0);
        EXPECT_EQ(none, "");
        const std::size_t nothing = co_await p.reader.readinto_some(std::span<char>());
        EXPECT_EQ(nothing, 0u);
        co_await p.reader.read_into(std::span<char>());
        co_await finish(p.writer);
    });
}

TEST_P(StreamReaderTest, ASecondReaderIsRefused) {
    run([]() -> Coro<> {
        Pair p = unix_pair();
        Task<std::string> first = create_task(call_readline(p.reader));
        co_await testing::wait_all_tasks_blocked();
        EXPECT_THROW(co_await p.reader.read(1), RuntimeError);
        p.peer.send("line\n");
        const std::string line = co_await first;
        EXPECT_EQ(line, "line\n");
        co_await finish(p.writer);
    });
}

TEST_P(StreamReaderTest, AResetComesAfterTheBufferedData) {
    run([]() -> Coro<> {
        Pair p = tcp_pair();
        const std::string peer_name = p.writer.peername().to_string();
        p.peer.send("line\nrest");
        const std::string line = co_await p.reader.readline();
        EXPECT_EQ(line, "line\n");
        Task<std::string> task = create_task(call_readline(p.reader));
        co_await testing::wait_all_tasks_blocked();
        p.peer.reset();
        co_await ended(task);
        const auto* error = exception_cast<ConnectionResetError>(task.exception());
        EXPECT_NE(error, nullptr);
        if (error != nullptr) {
            EXPECT_EQ(std::string(error->what()),
                      "receive from " + peer_name + ": Connection reset by peer [Errno 104]");
        }
        EXPECT_EQ(p.reader.buffered(), "rest");
        const std::string rest = co_await p.reader.read(10);
        EXPECT_EQ(rest, "rest");
        EXPECT_THROW(co_await p.reader.read(10), ConnectionResetError);
        EXPECT_THROW(co_await p.reader.read(10), ConnectionResetError);
        EXPECT_FALSE(p.reader.at_eof());
        EXPECT_TRUE(p.writer.is_closing());
        EXPECT_THROW(co_await p.writer.drain(), ConnectionResetError);
        EXPECT_THROW(co_await p.writer.wait_closed(), ConnectionResetError);
    });
}

// ---- the kernel is read only on demand ----------------------------------------------------------

TEST_P(StreamReaderTest, NothingIsReadWhileNobodyWaits) {
    run([]() -> Coro<> {
        Pair p = unix_pair();
        std::size_t sent = 0;
        const std::string piece = pattern(64 * 1024);
        for (std::size_t now = 1; now != 0; sent += now) now = p.peer.send(piece);
        co_await testing::wait_all_tasks_blocked();
        EXPECT_EQ(p.peer.send("x"), 0u) << "somebody made room: the kernel was read";
        EXPECT_EQ(p.reader.buffered().size(), 0u);
        std::size_t read = 0;
        while (read < sent) {
            const std::string got = co_await p.reader.read(100'000);
            read += got.size();
        }
        EXPECT_EQ(read, sent);
        co_await finish(p.writer);
    });
}

TEST_P(StreamReaderTest, AnIdleConnectionKeepsNoBuffer) {
    run([]() -> Coro<> {
        Pair p = unix_pair();
        auto& connection = *detail::running_net_part().connections;
        p.peer.send(std::string(10'000, 'x') + "\n" + std::string(50'000, 'y'));
        co_await p.reader.readline();
        EXPECT_GE(connection.bytes.capacity(), 50'000u);
        co_await p.reader.readexactly(50'000);
        EXPECT_LT(connection.bytes.capacity(), 64u);
        EXPECT_LE(sizeof connection, 448u);
        co_await finish(p.writer);
    });
}

TEST_P(StreamReaderTest, AReaderThatAlwaysFindsDataTakesTurns) {
    run([]() -> Coro<> {
        Pair p = unix_pair();
        p.peer.send(std::string(2'000, 'x'));
        int turns = 0;
        bool reading = true;
        const auto count = [&]() -> Coro<> {
            while (reading) {
                ++turns;
                co_await sleep(0s);
            }
        };
        Task<> counter = create_task(count);
        for (int i = 0; i < 2'000; ++i) co_await p.reader.readexactly(1);
        reading = false;
        co_await counter;
        EXPECT_GE(turns, 2'000 / 128);
        EXPECT_LT(turns, 200);
        co_await finish(p.writer);
    });
}

// A reader of endless data that is never satisfied, and a task that wants its turns.
TEST_P(StreamReaderTest, AReadOfEndlessDataTakesTurns) {
    run([]() -> Coro<> {
        Pair p = unix_pair();
        int turns = 0;
        Task<std::string> task = create_task(call_read_all(p.reader));
        const std::string piece = pattern(64 * 1024);
        std::string sent;
        while (turns < 200) {
            const std::size_t now = p.peer.send(piece);
            sent.append(piece, 0, now);
            ++turns;
            co_await sleep(0s);
        }
        EXPECT_FALSE(task.done());
        p.peer.end_sending();
        const std::string got = co_await task;
        EXPECT_EQ(got, sent);
        co_await finish(p.writer);
    });
}

}}  // namespace asyncio::test
