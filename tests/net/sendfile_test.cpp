// StreamWriter::sendfile and loop.sock_sendfile.
#include <fcntl.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>

#include "net_fixture.hpp"
#include "support/cancel_points.hpp"

namespace asyncio::test { namespace {

class Sendfile : public NetTest {};
ASYNCIO_ON_REAL_BACKENDS(Sendfile);

/// A file with bytes that are all different places.
class File {
  public:
    explicit File(std::size_t bytes) : content_(pattern(std::min(bytes, piece))), file_(std::tmpfile()) {
        content_.reserve(bytes);
        while (content_.size() < bytes)
            content_.append(content_, 0, std::min(piece, bytes - content_.size()));
        EXPECT_EQ(std::fwrite(content_.data(), 1, bytes, file_), bytes);
        std::fflush(file_);
        std::rewind(file_);
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    ~File() { std::fclose(file_); }
    int fd() const { return ::fileno(file_); }
    const std::string& content() const { return content_; }

  private:
    static constexpr std::size_t piece = 999'983;  // no multiple of anybody's buffer
    std::string content_;
    std::FILE* file_;
};

TEST_P(Sendfile, AFileGoesBetweenWhatIsWrittenBeforeAndAfter) {
    run([]() -> Coro<> {
        const File file(100'000);
        Pair p = tcp_pair();
        p.writer.write("head\n");
        const std::uint64_t sent = co_await p.writer.sendfile(file.fd());
        EXPECT_EQ(sent, 100'000u);
        EXPECT_EQ(::lseek(file.fd(), 0, SEEK_CUR), 0);
        co_await p.writer.send("tail\n");
        p.writer.write_eof();
        const std::string all = co_await drain_peer(p.peer);
        EXPECT_TRUE(all == "head\n" + file.content() + "tail\n");
        co_await finish(p.writer);
    });
}

TEST_P(Sendfile, OffsetAndCountChooseAPart) {
    run([]() -> Coro<> {
        const File file(10'000);
        Pair p = unix_pair();
        const std::uint64_t part = co_await p.writer.sendfile(file.fd(), {.offset = 100, .count = 50});
        EXPECT_EQ(part, 50u);
        EXPECT_EQ(p.peer.receive(), file.content().substr(100, 50));
        const std::uint64_t to_the_end = co_await p.writer.sendfile(file.fd(), {.offset = 9'990});
        EXPECT_EQ(to_the_end, 10u);
        EXPECT_EQ(p.peer.receive(), file.content().substr(9'990));
        const std::uint64_t nothing = co_await p.writer.sendfile(file.fd(), {.count = 0});
        const std::uint64_t beyond = co_await p.writer.sendfile(file.fd(), {.offset = 20'000});
        EXPECT_EQ(nothing + beyond, 0u);
        co_await finish(p.writer);
    });
}

TEST_P(Sendfile, AFileShorterThanTheCountEndsItEarly) {
    run([]() -> Coro<> {
        const File file(1'000);
        Pair p = unix_pair();
        std::uint64_t told = 7;
        const std::uint64_t sent =
            co_await p.writer.sendfile(file.fd(), {.offset = 400, .count = 5'000, .sent = &told});
        EXPECT_EQ(sent, 600u);
        EXPECT_EQ(told, 600u);
        EXPECT_EQ(p.peer.receive(), file.content().substr(400));
        co_await finish(p.writer);
    });
}

// More than any buffer holds: the kernel says again and again that there is no room.
TEST_P(Sendfile, ALargeFileGoesAsFastAsItIsRead) {
    run([]() -> Coro<> {
        const File file(30'000'000);
        for (const bool tcp : {true, false}) {
            Pair p = tcp ? tcp_pair() : unix_pair();
            const std::string waiting(3'000'000, 'w');
            p.writer.write(waiting);  // is in the stream's own buffer when the file's turn comes
            const auto limits = p.writer.get_write_buffer_limits();
            const auto send = [&]() -> Coro<std::uint64_t> {
                const std::uint64_t sent = co_await p.writer.sendfile(file.fd());
                EXPECT_EQ(p.writer.get_write_buffer_size(), 0u);
                p.writer.write_eof();
                co_return sent;
            };
            Task<std::uint64_t> sending = create_task(send);
            co_await testing::wait_all_tasks_blocked();
            EXPECT_FALSE(sending.done());
            const std::string all = co_await drain_peer(p.peer);
            EXPECT_TRUE(all == waiting + file.content());
            const std::uint64_t sent = co_await sending;
            EXPECT_EQ(sent, 30'000'000u);
            EXPECT_EQ(p.writer.get_write_buffer_limits().high, limits.high);
            EXPECT_EQ(p.writer.get_write_buffer_limits().low, limits.low);
            co_await finish(p.writer);
        }
    });
}

TEST_P(Sendfile, AFileIsOpenedByItsPath) {
    run([]() -> Coro<> {
        char name[] = "/tmp/asyncio-sendfile-test-XXXXXX";
        const int made = ::mkstemp(name);
        EXPECT_EQ(::write(made, "content", 7), 7);
        ::close(made);
        Pair p = unix_pair();
        const std::uint64_t sent = co_await p.writer.sendfile(name);
        EXPECT_EQ(sent, 7u);
        EXPECT_EQ(p.peer.receive(), "content");
        ::unlink(name);
        try {
            co_await p.writer.sendfile(name);
            ADD_FAILURE() << "no error";
        } catch (const FileNotFoundError& error) {
            EXPECT_EQ(std::string(error.what()),
                      "open '" + std::string(name) + "': No such file or directory [Errno 2]");
        }
        co_await finish(p.writer);
    });
}

// ---- what the kernel cannot send by itself ------------------------------------------------------

TEST_P(Sendfile, APipeIsReadAndWritten) {
    run([]() -> Coro<> {
        int ends[2];
        EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);  // in blocking mode, which must not hold up the loop
        RawSocket out(ends[0]);
        RawSocket in(ends[1]);
        Pair p = unix_pair();
        Task<std::uint64_t> sending = create_task([&]() { return p.writer.sendfile(out.fd()); });
        co_await testing::wait_all_tasks_blocked();
        EXPECT_EQ(::write(in.fd(), "one", 3), 3);
        while (p.writer.get_write_buffer_size() == 0 && !sending.done()) {
            const std::string got = p.peer.receive();
            if (got.empty()) {
                co_await sleep(100us);
                continue;
            }
            EXPECT_EQ(got, "one");
            break;
        }
        EXPECT_EQ(::write(in.fd(), "two", 3), 3);
        in.close();
        const std::uint64_t sent = co_await sending;
        EXPECT_EQ(sent, 6u);
        EXPECT_EQ(p.peer.receive(), "two");
        EXPECT_THROW(co_await p.writer.sendfile(out.fd(), {.offset = 1}), ValueError);
        EXPECT_THROW(co_await p.writer.sendfile(out.fd(), {.fallback = false}), SendfileNotAvailableError);
        co_await finish(p.writer);
    });
}

TEST_P(Sendfile, AFileWithoutPagesIsReadAndWritten) {
    run([]() -> Coro<> {
        RawSocket proc(::open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC));
        const std::string expected = [] {
            std::string text;
            std::FILE* const file = std::fopen("/proc/self/cmdline", "rb");
            for (int c; (c = std::fgetc(file)) != EOF;) text += static_cast<char>(c);
            std::fclose(file);
            return text;
        }();
        Pair p = unix_pair();
        const std::uint64_t sent = co_await p.writer.sendfile(proc.fd());
        EXPECT_EQ(sent, expected.size());
        EXPECT_EQ(p.peer.receive(), expected);
        co_await finish(p.writer);
    });
}

// A socket in the place of a stream that changes the bytes: nothing of the kernel's is used.
TEST_P(Sendfile, IntoAFileThatIsAppendedToItIsReadAndWritten) {
    run([]() -> Coro<> {
        const File file(1'000'000);
        char name[] = "/tmp/asyncio-sendfile-test-XXXXXX";
        ::close(::mkstemp(name));
        // sendfile(2) refuses O_APPEND.
        StreamWriter writer = co_await connect_write_pipe(::open(name, O_WRONLY | O_APPEND | O_CLOEXEC));
        const std::uint64_t sent = co_await writer.sendfile(file.fd(), {.offset = 10});
        EXPECT_EQ(sent, 999'990u);
        co_await finish(writer);
        std::string got(1'000'000, '\0');
        std::FILE* const written = std::fopen(name, "rb");
        got.resize(std::fread(got.data(), 1, got.size(), written));
        std::fclose(written);
        ::unlink(name);
        EXPECT_TRUE(got == file.content().substr(10));
    });
}

TEST_P(Sendfile, OverASocketOfTheCallersToo) {
    run([]() -> Coro<> {
        EventLoop& loop = get_running_loop();
        const File file(3'000'000);
        int ends[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
        const RawSocket ours(ends[0]);
        const RawSocket theirs(ends[1]);
        std::uint64_t told = 0;
        Task<std::uint64_t> sending = create_task(
            [&]() { return loop.sock_sendfile(ours.fd(), file.fd(), {.count = 2'000'000, .sent = &told}); });
        co_await testing::wait_all_tasks_blocked();
        EXPECT_GT(told, 0u);
        EXPECT_LT(told, 2'000'000u);
        std::string got;
        while (got.size() < 2'000'000) {
            const std::string piece = co_await loop.sock_recv(theirs.fd(), 1 << 20);
            got += piece;
        }
        const std::uint64_t sent = co_await sending;
        EXPECT_EQ(sent, 2'000'000u);
        EXPECT_TRUE(got == file.content().substr(0, 2'000'000));

        int pipe_ends[2];
        EXPECT_EQ(::pipe2(pipe_ends, O_CLOEXEC), 0);
        EXPECT_EQ(::write(pipe_ends[1], "from a pipe", 11), 11);
        ::close(pipe_ends[1]);
        const RawSocket out(pipe_ends[0]);
        const std::uint64_t piped = co_await loop.sock_sendfile(ours.fd(), out.fd());
        EXPECT_EQ(piped, 11u);
        EXPECT_EQ(theirs.receive(), "from a pipe");
        EXPECT_THROW(co_await loop.sock_sendfile(ours.fd(), out.fd(), {.fallback = false}),
                     SendfileNotAvailableError);
    });
}

// ---- what can go wrong --------------------------------------------------------------------------

TEST_P(Sendfile, APeerThatGoesHalfWayIsAnErrorAndThePositionIsKnown) {
    run([]() -> Coro<> {
        const File file(30'000'000);
        Pair p = tcp_pair();
        std::uint64_t told = 0;
        const auto send = [&]() { return p.writer.sendfile(file.fd(), {.sent = &told}); };
        Task<std::uint64_t> sending = create_task(send);
        co_await testing::wait_all_tasks_blocked();
        p.peer.receive(100'000);
        p.peer.reset();
        co_await ended(sending);
        EXPECT_NE(exception_cast<ConnectionError>(sending.exception()), nullptr)
            << describe(sending.exception());
        EXPECT_GT(told, 100'000u);
        EXPECT_LT(told, 30'000'000u);
        co_await finish(p.writer);
    });
}

TEST_P(Sendfile, ClosingTheStreamEndsIt) {
    run([]() -> Coro<> {
        const File file(30'000'000);
        Pair p = tcp_pair();
        Task<std::uint64_t> sending = create_task([&]() { return p.writer.sendfile(file.fd()); });
        co_await testing::wait_all_tasks_blocked();
        p.writer.abort();
        co_await ended(sending);
        EXPECT_NE(exception_cast<ConnectionResetError>(sending.exception()), nullptr)
            << describe(sending.exception());
        EXPECT_THROW(co_await p.writer.sendfile(file.fd()), ConnectionResetError);
        co_await finish(p.writer);
    });
}

TEST_P(Sendfile, TheErrorNamesTheFileThatCannotBeRead) {
    run([]() -> Coro<> {
        Pair p = unix_pair();
        const RawSocket folder(::open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        try {
            co_await p.writer.sendfile(folder.fd());
            ADD_FAILURE() << "no error";
        } catch (const IsADirectoryError& error) {
            EXPECT_EQ(std::string(error.what()), "sendfile of descriptor " + std::to_string(folder.fd()) +
                                                     ": Is a directory [Errno 21]");
        }
        try {
            co_await p.writer.sendfile(-1);
            ADD_FAILURE() << "no error";
        } catch (const OSError& error) {
            EXPECT_STREQ(error.what(), "sendfile of descriptor -1: Bad file descriptor [Errno 9]");
        }
        p.writer.write_eof();
        const File file(10);
        EXPECT_THROW(co_await p.writer.sendfile(file.fd()), RuntimeError);
        co_await finish(p.writer);
    });
}

TEST_P(Sendfile, AStreamOfAnotherLoopIsRefused) {
    EventLoop first({.backend = backend()});
    std::optional<Pair> left;
    const auto make = [&]() -> Coro<> {
        left.emplace(unix_pair());
        co_return;
    };
    first.run_until_complete(make());
    const File file(10);
    run([&]() -> Coro<> { EXPECT_THROW(co_await left->writer.sendfile(file.fd()), RuntimeError); });
    first.close();
}

TEST_P(Sendfile, CancelledAtAnyPointWhatItSaysWasSentArrives) {
    const File file(1'500'000);
    expect_each_cancel_point(
        [&]() -> Coro<> {
            Pair p = unix_pair();
            std::uint64_t told = 0;
            std::string got;
            const auto receive = [&]() -> Coro<> {
                while (!p.peer.at_end()) {
                    got += p.peer.receive(300'000);
                    co_await sleep(0s);
                }
            };
            Task<> receiving = create_task(receive);
            std::exception_ptr error;
            try {
                co_await p.writer.sendfile(file.fd(), {.sent = &told});
            } catch (...) {
                error = std::current_exception();
            }
            p.writer.close();
            try {
                co_await receiving;
            } catch (const CancelledError&) {
                error = std::current_exception();  // it came here: what was told still holds
            }
            const std::string rest = co_await drain_peer(p.peer);
            got += rest;
            EXPECT_EQ(got.size(), told);
            EXPECT_TRUE(got == file.content().substr(0, got.size()));
            if (error != nullptr) std::rethrow_exception(error);
        },
        {.backend = backend(), .simulate = false, .tasks_may_remain = true});
}

TEST_P(Sendfile, CancelledAtAnyPointTheFileOfAPathIsClosed) {
    char name[] = "/tmp/asyncio-sendfile-test-XXXXXX";
    const RawSocket made(::mkstemp(name));
    EXPECT_EQ(::write(made.fd(), "content", 7), 7);
    expect_each_cancel_point(
        [&]() -> Coro<> {
            Pair p = unix_pair();
            co_await p.writer.sendfile(name);
            co_await finish(p.writer);
        },
        {.backend = backend(), .simulate = false, .tasks_may_remain = true});
    ::unlink(name);
}

/// A file of nothing but zeros, which takes no room.
RawSocket file_of_zeros(off_t bytes) {
    char name[] = "/tmp/asyncio-sendfile-test-XXXXXX";
    const int made = ::mkstemp(name);
    ::unlink(name);
    EXPECT_EQ(::ftruncate(made, bytes), 0);
    return RawSocket(made);
}

// The target is a file, which never has to be waited for.
TEST_P(Sendfile, ATargetThatTakesEverythingLeavesTurnsToOthers) {
    run([]() -> Coro<> {
        const RawSocket zeros = file_of_zeros(40'000'000);
        StreamWriter writer = co_await connect_write_pipe(file_of_zeros(0).give());
        int turns = 0;
        bool going = true;
        const auto count = [&]() -> Coro<> {
            for (; going; ++turns) co_await sleep(0s);
        };
        Task<> counting = create_task(count);
        const std::uint64_t sent = co_await writer.sendfile(zeros.fd());
        going = false;
        co_await counting;
        EXPECT_EQ(sent, 40'000'000u);
        EXPECT_GE(turns, 9) << "one for each piece of four megabytes";
        co_await finish(writer);
    });
}

}}  // namespace asyncio::test
