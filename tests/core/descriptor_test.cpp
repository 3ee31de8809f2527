// wait_readable, wait_writable, add_reader, add_writer: descriptors of the program's own.
#include "asyncio/core/descriptor.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "asyncio/asyncio.hpp"
#include "support/cancel_points.hpp"
#include "support/loop_fixture.hpp"

namespace asyncio::test { namespace {

using namespace std::chrono_literals;

/// Two ends that are connected, non-blocking.
class Pair {
  public:
    Pair() {
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends_.data()), 0);
    }
    Pair(const Pair&) = delete;
    Pair& operator=(const Pair&) = delete;
    ~Pair() {
        for (const int end : ends_) {
            if (end >= 0) ::close(end);
        }
    }
    int ours() const { return ends_[0]; }
    int theirs() const { return ends_[1]; }
    void close_theirs() { ::close(std::exchange(ends_[1], -1)); }
    void send(const char* text) const {
        EXPECT_EQ(::send(theirs(), text, std::strlen(text), 0), static_cast<ssize_t>(std::strlen(text)));
    }
    std::string read() const {
        std::array<char, 64> buffer{};
        const auto bytes = ::recv(ours(), buffer.data(), buffer.size(), 0);
        return bytes > 0 ? std::string(buffer.data(), static_cast<std::size_t>(bytes)) : std::string();
    }
    /// Until the other end has no room.
    void fill() const {
        const std::string much(65536, 'x');
        while (::send(ours(), much.data(), much.size(), 0) > 0) {}
    }
    void drain_theirs() const {
        std::array<char, 65536> buffer{};
        while (::recv(theirs(), buffer.data(), buffer.size(), 0) > 0) {}
    }

  private:
    std::array<int, 2> ends_{-1, -1};
};

class Descriptors : public BackendTest {};
ASYNCIO_ON_REAL_BACKENDS(Descriptors);

TEST_P(Descriptors, AWaitEndsWhenThereIsSomethingToRead) {
    run([]() -> Coro<> {
        Pair pair;
        auto waiting = create_task([&]() -> Coro<> { co_await wait_readable(pair.ours()); });
        co_await sleep(5ms);
        EXPECT_FALSE(waiting.done());
        pair.send("x");
        co_await waiting;
        co_await wait_readable(pair.ours());  // level triggered: it is still there
        EXPECT_EQ(pair.read(), "x");
        pair.close_theirs();
        co_await wait_readable(pair.ours());
        EXPECT_EQ(pair.read(), "");
    });
}

TEST_P(Descriptors, AWaitEndsWhenThereIsRoomToWrite) {
    run([]() -> Coro<> {
        Pair pair;
        co_await wait_writable(pair.ours());
        pair.fill();
        auto waiting = create_task([&]() -> Coro<> { co_await wait_writable(pair.ours()); });
        co_await sleep(5ms);
        EXPECT_FALSE(waiting.done());
        pair.drain_theirs();
        co_await waiting;
    });
}

TEST_P(Descriptors, BothDirectionsAndTwoTasksAreToldApart) {
    run([]() -> Coro<> {
        Pair pair;
        auto reading = create_task([&]() -> Coro<> { co_await wait_readable(pair.ours()); });
        co_await wait_writable(pair.ours());
        co_await sleep(0s);
        const Outcome<void> second = co_await try_wait_for(wait_readable(pair.ours()), 1s);
        EXPECT_NE(second.error_as<RuntimeError>(), nullptr);
        EXPECT_NE(second.what().find("somebody waits for descriptor"), std::string::npos) << second.what();
        reading.cancel();
        std::vector<Task<>> tasks(1, reading);
        co_await wait(tasks);
        EXPECT_TRUE(reading.cancelled());
        pair.send("x");
        co_await wait_readable(pair.ours());  // free again
    });
}

TEST_P(Descriptors, WhatCannotBeWaitedForIsNamed) {
    run([]() -> Coro<> {
        const int file = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        const Outcome<void> of_file = co_await try_wait_for(wait_readable(file), 1s);
        EXPECT_NE(of_file.error_as<PermissionError>(), nullptr) << of_file.what();
        EXPECT_THROW(get_running_loop().add_reader(file, [] {}), PermissionError);
        ::close(file);
        const Outcome<void> of_closed = co_await try_wait_for(wait_readable(file), 1s);
        EXPECT_NE(of_closed.error_as<OSError>(), nullptr) << of_closed.what();
        const Outcome<void> of_none = co_await try_wait_for(wait_readable(-1), 1s);
        EXPECT_NE(of_none.error_as<ValueError>(), nullptr) << of_none.what();
        EXPECT_THROW(get_running_loop().add_writer(-1, [] {}), ValueError);
    });
}

TEST_P(Descriptors, AStreamsDescriptorIsRefused) {
    run([]() -> Coro<> {
        auto server =
            co_await start_server([](StreamReader, StreamWriter) -> Coro<> { co_return; }, "127.0.0.1", 0);
        auto [reader, writer] = co_await open_connection("127.0.0.1", server.port());
        const int fd = writer.fileno();
        EXPECT_THROW(get_running_loop().add_reader(fd, [] {}), RuntimeError);
        writer.close();
        co_await writer.wait_closed();
        server.close();
        co_await server.wait_closed();
        Pair pair;  // its numbers may be those of the closed ones
        pair.send("x");
        co_await wait_readable(pair.ours());
    });
}

TEST_P(Descriptors, AReaderIsCalledOnceAnIterationWhileThereIsSomething) {
    run([]() -> Coro<> {
        EventLoop& loop = get_running_loop();
        Pair pair;
        std::string seen;
        int calls = 0;
        Future<> ended;
        loop.add_reader(
            pair.ours(),
            [&](const std::string& name) {
                if (++calls < 3) return;  // still there: it is called again
                seen = name + pair.read();
                ended.set_result();
            },
            std::string("got "));
        co_await sleep(5ms);
        EXPECT_EQ(calls, 0);
        pair.send("this");
        co_await ended;
        EXPECT_EQ(seen, "got this");
        co_await sleep(5ms);
        EXPECT_EQ(calls, 3);
        EXPECT_TRUE(loop.remove_reader(pair.ours()));
        EXPECT_FALSE(loop.remove_reader(pair.ours()));
        pair.send("more");
        co_await sleep(5ms);
        EXPECT_EQ(calls, 3);
    });
}

TEST_P(Descriptors, AReaderMayBeReplacedRemovedAndAddedFromInside) {
    run([]() -> Coro<> {
        EventLoop& loop = get_running_loop();
        Pair pair;
        std::string trace;
        Future<> ended;
        loop.add_reader(pair.ours(), [&] {
            trace += "first ";
            loop.add_reader(pair.ours(), [&] {
                trace += "second ";
                loop.remove_reader(pair.ours());
                loop.add_reader(pair.ours(), [&, owned = std::string("third")] {
                    trace += owned;
                    loop.remove_reader(pair.ours());
                    ended.set_result();
                });
            });
        });
        pair.send("x");
        co_await ended;
        EXPECT_EQ(trace, "first second third");
    });
}

TEST_P(Descriptors, AWriterIsCalledWhenThereIsRoom) {
    run([]() -> Coro<> {
        EventLoop& loop = get_running_loop();
        Pair pair;
        pair.fill();
        Future<> room;
        loop.add_writer(pair.ours(), [&] {
            loop.remove_writer(pair.ours());
            room.set_result();
        });
        co_await sleep(5ms);
        EXPECT_FALSE(room.done());
        pair.drain_theirs();
        co_await room;
    });
}

TEST_P(Descriptors, WhatACallbackThrowsIsReportedAndItIsCalledAgain) {
    run([]() -> Coro<> {
        EventLoop& loop = get_running_loop();
        Pair pair;
        int reports = 0;
        Future<> twice;
        loop.set_exception_handler([&](EventLoop&, const ExceptionContext& context) {
            EXPECT_EQ(error_text(context.exception), "of the callback");
            if (++reports == 2) twice.set_result();
        });
        loop.add_reader(pair.ours(), [] { throw ValueError("of the callback"); });
        pair.send("x");
        co_await twice;
        loop.remove_reader(pair.ours());
        co_await sleep(1ms);  // the kernel lets go of the wait
        loop.set_exception_handler(nullptr);
    });
}

TEST_P(Descriptors, AReaderLeftBehindGoesWithItsLoop) {
    const auto owned = std::make_shared<int>(1);
    Pair pair;
    pair.fill();
    EventLoop loop({.backend = backend()});
    loop.add_reader(pair.ours(), [owned] {});
    loop.add_writer(pair.ours(), [owned] {});
    loop.run_until_complete([]() -> Coro<> { co_await sleep(1ms); }());
    EXPECT_EQ(owned.use_count(), 3);
    loop.close();
    EXPECT_EQ(owned.use_count(), 1);
    EXPECT_THROW(loop.add_reader(pair.ours(), [] {}), RuntimeError);
    EXPECT_FALSE(loop.remove_reader(pair.ours()));
}

TEST_P(Descriptors, AReaderMayBeAddedBeforeTheLoopRuns) {
    Pair pair;
    pair.send("x");
    EventLoop loop({.backend = backend()});
    loop.add_reader(pair.ours(), [&] {
        EXPECT_EQ(pair.read(), "x");
        loop.remove_reader(pair.ours());
        loop.stop();
    });
    loop.run_forever();
    loop.close();
}

TEST_P(Descriptors, CancellingAWaitAtAnyPointLeavesTheDescriptorFree) {
    expect_each_cancel_point(
        []() -> Coro<> {
            Pair pair;
            co_await gather(
                [&]() -> Coro<> {
                    co_await wait_readable(pair.ours());
                    co_await wait_writable(pair.ours());
                },
                [&]() -> Coro<> {
                    co_await sleep(1ms);
                    pair.send("x");
                });
        },
        {.backend = backend(), .simulate = false});
}

}}  // namespace asyncio::test
