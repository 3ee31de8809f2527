// Pipes, terminals and the standard streams.
#include "asyncio/net/pipe.hpp"

#include <fcntl.h>
#include <pty.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <array>
#include <cstdlib>
#include <string>

#include "net/net_fixture.hpp"
#include "support/cancel_points.hpp"
#include "support/folder.hpp"

namespace asyncio::test { namespace {

/// Both ends of a pipe; what a stream has not taken is closed.
struct PipeEnds {
    PipeEnds() {
        std::array<int, 2> made{};
        EXPECT_EQ(::pipe2(made.data(), O_CLOEXEC), 0);
        reading = RawSocket(made[0]);
        writing = RawSocket(made[1]);
    }
    RawSocket reading{-1};
    RawSocket writing{-1};
};

bool is_open(int descriptor) { return ::fcntl(descriptor, F_GETFD) >= 0; }
void put(int descriptor, std::string_view text) {
    EXPECT_EQ(::write(descriptor, text.data(), text.size()), static_cast<ssize_t>(text.size()));
}
std::string get(int descriptor, std::size_t most = 1 << 20) {
    std::string text(most, '\0');
    const ssize_t got = ::read(descriptor, text.data(), text.size());
    text.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    return text;
}

class Pipe : public NetTest {};
ASYNCIO_ON_REAL_BACKENDS(Pipe);

TEST_P(Pipe, WhatIsWrittenIntoOneEndIsReadFromTheOther) {
    run([]() -> Coro<> {
        PipeEnds ends;
        StreamReader reader = co_await connect_read_pipe(ends.reading.give());
        StreamWriter writer = co_await connect_write_pipe(ends.writing.give());
        co_await writer.send("one\ntwo\n");
        std::string line = co_await reader.readline();
        EXPECT_EQ(line, "one\n");
        writer.close();
        co_await writer.wait_closed();
        std::string rest = co_await reader.read();
        EXPECT_EQ(rest, "two\n");
        EXPECT_TRUE(reader.at_eof());
    });
}

TEST_P(Pipe, AReaderWaitsUntilSomethingIsWritten) {
    run([]() -> Coro<> {
        PipeEnds ends;
        StreamReader reader = co_await connect_read_pipe(ends.reading.give());
        auto read =
            create_task([](StreamReader& from) -> Coro<std::string> { co_return co_await from.readline(); },
                        std::ref(reader));
        co_await testing::wait_all_tasks_blocked();
        EXPECT_FALSE(read.done());
        put(ends.writing.fd(), "half");
        co_await testing::wait_all_tasks_blocked();
        EXPECT_FALSE(read.done());
        put(ends.writing.fd(), " a line\n");
        std::string line = co_await read;
        EXPECT_EQ(line, "half a line\n");
        ends.writing.close();
        std::string rest = co_await reader.read();
        EXPECT_EQ(rest, "");
    });
}

TEST_P(Pipe, AWriterWaitsForAReaderWhoIsSlow) {
    run([]() -> Coro<> {
        PipeEnds ends;
        StreamWriter writer = co_await connect_write_pipe(ends.writing.give());
        const std::string sent = pattern(1 << 20);
        auto sending = create_task(
            [](StreamWriter& to, std::string_view bytes) -> Coro<> {
                co_await to.send(bytes);
                to.write_eof();
                co_await to.wait_closed();
            },
            std::ref(writer), std::string_view(sent));
        co_await testing::wait_all_tasks_blocked();
        EXPECT_FALSE(sending.done()) << "a pipe holds 64 KiB";
        StreamReader reader = co_await connect_read_pipe(ends.reading.give());
        std::string all = co_await reader.read();
        EXPECT_TRUE(all == sent);
        co_await sending;
    });
}

TEST_P(Pipe, LargeReadsGoStraightIntoTheCallersMemory) {
    run([]() -> Coro<> {
        PipeEnds ends;
        StreamReader reader = co_await connect_read_pipe(ends.reading.give());
        StreamWriter writer = co_await connect_write_pipe(ends.writing.give());
        const std::string sent = pattern(300'000);
        auto sending = create_task(
            [](StreamWriter& to, std::string_view bytes) -> Coro<> {
                co_await to.send(bytes);
                to.close();
            },
            std::ref(writer), std::string_view(sent));
        std::string got(sent.size(), '\0');
        co_await reader.read_into(got);
        EXPECT_TRUE(got == sent);
        co_await sending;
    });
}

TEST_P(Pipe, ARecipientThatHasGoneIsABrokenPipeAndNoSignal) {
    run([]() -> Coro<> {
        PipeEnds ends;
        StreamWriter writer = co_await connect_write_pipe(ends.writing.give());
        const int descriptor = writer.fileno();
        ends.reading.close();
        auto lost = co_await try_wait_for([&]() -> Coro<> { co_await writer.send("hello"); }, 5s);
        EXPECT_NE(lost.error_as<BrokenPipeError>(), nullptr) << lost.what();
        EXPECT_NE(lost.what().find("write to the pipe on descriptor " + std::to_string(descriptor)),
                  std::string::npos)
            << lost.what();
        const auto closed = co_await try_wait_for([&]() -> Coro<> { co_await writer.wait_closed(); }, 5s);
        EXPECT_NE(closed.error_as<BrokenPipeError>(), nullptr) << closed.what();
        while (writer.fileno() >= 0) co_await sleep(0s);  // until the kernel has let go
    });
}

TEST_P(Pipe, AWriterThatHasNothingToSendIsClosedWhenItsRecipientGoes) {
    run([]() -> Coro<> {
        PipeEnds ends;
        StreamWriter writer = co_await connect_write_pipe(ends.writing.give());
        ends.reading.close();
        co_await writer.wait_closed();
        writer.write("nobody gets this");
        const auto lost = co_await try_wait_for([&]() -> Coro<> { co_await writer.drain(); }, 5s);
        EXPECT_NE(lost.error_as<ConnectionResetError>(), nullptr) << lost.what();
    });
}

TEST_P(Pipe, AWriterThatCouldReadAsWellIsNotTakenForOneThatNobodyReads) {
    const Folder folder;
    run([&]() -> Coro<> {
        const std::string path = folder / "pipe";
        EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0);
        StreamWriter writer = co_await connect_write_pipe(::open(path.c_str(), O_RDWR | O_CLOEXEC));
        co_await writer.send("one, ");
        for (int i = 0; i < 3; ++i) co_await sleep(0s);
        co_await writer.send("two");
        StreamReader reader =
            co_await connect_read_pipe(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
        std::string both = co_await reader.readexactly(8);
        EXPECT_EQ(both, "one, two");
        writer.close();
        co_await writer.wait_closed();
    });
}

TEST_P(Pipe, ARecipientThatGoesWhileMuchIsUnsentIsTold) {
    run([]() -> Coro<> {
        PipeEnds ends;
        StreamWriter writer = co_await connect_write_pipe(ends.writing.give());
        const std::string sent = pattern(1 << 20);
        auto sending =
            create_task([](StreamWriter& to, std::string_view bytes) -> Coro<> { co_await to.send(bytes); },
                        std::ref(writer), std::string_view(sent));
        co_await testing::wait_all_tasks_blocked();
        ends.reading.close();
        co_await ended(sending);
        EXPECT_THROW(sending.result(), BrokenPipeError);
    });
}

TEST_P(Pipe, TheDescriptorIsClosedWithItsHandle) {
    run([]() -> Coro<> {
        PipeEnds ends;
        const int in = ends.reading.fd();
        const int out = ends.writing.fd();
        {
            StreamReader reader = co_await connect_read_pipe(ends.reading.give());
            StreamWriter writer = co_await connect_write_pipe(ends.writing.give());
            EXPECT_TRUE(is_open(in) && is_open(out));
            writer.close();
            co_await writer.wait_closed();
            EXPECT_FALSE(is_open(out));
        }
        EXPECT_FALSE(is_open(in));
    });
}

TEST_P(Pipe, TheReaderMayGoWhileATaskHasJustBeenCancelledInIt) {
    run([]() -> Coro<> {
        PipeEnds ends;
        const int in = ends.reading.fd();
        auto reading = create_task(
            [](int fd) -> Coro<> {
                StreamReader reader = co_await connect_read_pipe(fd);
                co_await reader.read();
            },
            ends.reading.give());
        co_await testing::wait_all_tasks_blocked();
        reading.cancel();
        co_await ended(reading);
        EXPECT_TRUE(reading.cancelled());
        // io_uring closes it when the kernel has let go of it.
        for (int turn = 0; is_open(in) && turn < 1000; ++turn) co_await sleep(0s);
        EXPECT_FALSE(is_open(in));
    });
}

TEST_P(Pipe, WhatIsNoEndOfAPipeIsNamed) {
    run([]() -> Coro<> {
        PipeEnds ends;
        EXPECT_THROW(static_cast<void>(connect_read_pipe(-1)), OSError);
        const int closed = ends.reading.fd();
        ends.reading.close();
        EXPECT_THROW(static_cast<void>(connect_read_pipe(closed)), OSError);
        try {
            static_cast<void>(connect_read_pipe(ends.writing.give()));
            ADD_FAILURE() << "a writing end was read";
        } catch (const ValueError& error) {
            EXPECT_NE(std::string(error.what()).find("is not open for reading"), std::string::npos);
        }
        PipeEnds others;
        EXPECT_THROW(static_cast<void>(connect_write_pipe(others.reading.give())), ValueError);
        EXPECT_THROW(static_cast<void>(connect_read_pipe(::dup(0), {.limit = 0})), ValueError);
        co_return;
    });
}

TEST_P(Pipe, AFileIsReadToItsEnd) {
    run([]() -> Coro<> {
        std::FILE* const file = std::tmpfile();
        const std::string content = pattern(200'000);
        put(::fileno(file), content);
        ::lseek(::fileno(file), 0, SEEK_SET);
        StreamReader reader = co_await connect_read_pipe(::dup(::fileno(file)));
        std::string all = co_await reader.read();
        EXPECT_TRUE(all == content);
        std::fclose(file);
    });
}

TEST_P(Pipe, ATerminalGivesLinesAndTakesThem) {
    run([]() -> Coro<> {
        int main_end = -1;
        int terminal = -1;
        EXPECT_EQ(::openpty(&main_end, &terminal, nullptr, nullptr, nullptr), 0);
        const RawSocket keyboard(main_end);
        StreamReader reader = co_await connect_read_pipe(terminal);
        auto read =
            create_task([](StreamReader& from) -> Coro<std::string> { co_return co_await from.readline(); },
                        std::ref(reader));
        co_await testing::wait_all_tasks_blocked();
        put(keyboard.fd(), "typed\n");
        std::string line = co_await read;
        EXPECT_EQ(line, "typed\n");
    });
}

TEST_P(Pipe, CancelledAtAnyPointNothingLeaks) {
    expect_each_cancel_point(
        [&]() -> Coro<> {
            PipeEnds ends;
            StreamReader reader = co_await connect_read_pipe(ends.reading.give());
            StreamWriter writer = co_await connect_write_pipe(ends.writing.give());
            auto sending = create_task(
                [](StreamWriter& to) -> Coro<> {
                    const std::string bytes(200'000, 'x');
                    co_await to.send(bytes);
                    to.close();
                    co_await to.wait_closed();
                },
                std::ref(writer));
            std::exception_ptr stopped;
            try {
                std::string all = co_await reader.read();
                EXPECT_EQ(all.size(), 200'000u);
            } catch (...) {
                stopped = std::current_exception();
            }
            sending.cancel();
            co_await shield([](Task<> task) { return ended(std::move(task)); }, sending);
            if (stopped != nullptr) std::rethrow_exception(stopped);
        },
        {.backend = backend(), .simulate = false, .may_report = true});
}

// ---- the standard streams -------------------------------------------------------------------------

/// Runs `body` in a child process whose standard streams are these; gives its exit status.
template <class F>
int in_child(int in, int out, F body) {
    const ::pid_t child = ::fork();
    if (child == 0) {
        ::dup2(in, 0);
        ::dup2(out, 1);
        int status = 1;
        try {
            status = body();
        } catch (...) {}
        ::_exit(status);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Coro<> upper_case_all() {
    StreamReader in = standard_input();
    StreamWriter out = standard_output();
    for (;;) {
        std::string line = co_await in.readline();
        if (line.empty()) break;
        for (char& c : line) c = static_cast<char>(std::toupper(c));
        co_await out.send(line);
    }
    out.close();
    co_await out.wait_closed();
}

TEST_P(Pipe, AFilterReadsStandardInputAndWritesStandardOutputAndLeavesThemBlocking) {
    PipeEnds in;
    PipeEnds out;
    put(in.writing.fd(), "some\nwords");
    in.writing.close();
    const auto which = backend();
    const int status = in_child(in.reading.fd(), out.writing.fd(), [which] {
        asyncio::run(upper_case_all(), {.backend = which});
        const bool blocking =
            (::fcntl(0, F_GETFL) & O_NONBLOCK) == 0 && (::fcntl(1, F_GETFL) & O_NONBLOCK) == 0;
        return blocking ? 0 : 2;
    });
    EXPECT_EQ(status, 0);
    EXPECT_EQ(get(out.reading.fd()), "SOME\nWORDS");
}

TEST_P(Pipe, AFileAsStandardInputIsReadFromWhereItStands) {
    std::FILE* const file = std::tmpfile();
    put(::fileno(file), "first\nsecond\n");
    ::lseek(::fileno(file), 6, SEEK_SET);
    PipeEnds out;
    const auto which = backend();
    const int status = in_child(::fileno(file), out.writing.fd(), [which] {
        asyncio::run(upper_case_all(), {.backend = which});
        return 0;
    });
    EXPECT_EQ(status, 0);
    EXPECT_EQ(get(out.reading.fd()), "SECOND\n");
    std::fclose(file);
}

TEST_P(Pipe, ClosedStandardStreamsAreNamed) {
    const auto which = backend();
    const int status = in_child(0, 1, [which] {
        int found = 0;
        asyncio::run(
            [&found]() -> Coro<> {
                ::close(0);
                try {
                    static_cast<void>(standard_input());
                } catch (const OSError& error) {
                    found +=
                        std::string(error.what()).find("standard_input: descriptor 0") != std::string::npos;
                }
                co_return;
            },
            {.backend = which});
        return found == 1 ? 0 : 3;
    });
    EXPECT_EQ(status, 0);
}

}}  // namespace asyncio::test
