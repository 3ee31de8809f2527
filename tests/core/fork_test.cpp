// fork: the child may not use the loops of its parent, is told so when it does, and cannot disturb them. What
// it may do is run loops of its own.
//
// Each test forks for real, most of them inside a coroutine of a running loop; the parent looks at what the
// child has printed and how it has ended.
#include <gtest/gtest.h>

#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "asyncio/asyncio.hpp"
#include "asyncio/core/loop_handle.hpp"
#include "support/loop_fixture.hpp"

namespace asyncio { namespace {

using namespace std::chrono_literals;

/// A child process; in it, `is_me()`.
class Child {
  public:
    Child() {
        int ends[2];
        if (::pipe(ends) != 0) throw std::runtime_error("pipe");
        pid_ = ::fork();
        if (pid_ == 0) {
            ::dup2(ends[1], STDERR_FILENO);
            ::close(ends[0]);
            ::close(ends[1]);
            const rlimit no_core{0, 0};
            ::setrlimit(RLIMIT_CORE, &no_core);
            ::alarm(60);  // a child that hangs is a failure, not a hang of the tests
            return;
        }
        ::close(ends[1]);
        char bytes[4096];
        for (ssize_t got = 0; (got = ::read(ends[0], bytes, sizeof bytes)) > 0;)
            text_.append(bytes, static_cast<std::size_t>(got));
        ::close(ends[0]);
        ::waitpid(pid_, &status_, 0);
    }
    bool is_me() const { return pid_ == 0; }

    void expect_exit(int code) const {
        EXPECT_TRUE(WIFEXITED(status_) && WEXITSTATUS(status_) == code) << "status " << status_ << "\n"
                                                                        << text_;
    }
    /// It was ended by an assertion that names the cure.
    void expect_refusal() const {
        EXPECT_TRUE(WIFSIGNALED(status_) && WTERMSIG(status_) == SIGABRT) << "status " << status_ << "\n"
                                                                          << text_;
        EXPECT_NE(text_.find("this process was made by fork, and may not use the event loop of its parent"),
                  std::string::npos)
            << text_;
        EXPECT_NE(text_.find("run a loop of its own there"), std::string::npos) << text_;
    }

  private:
    pid_t pid_ = -1;
    int status_ = -1;
    std::string text_;
};

class ForkTest : public test::BackendTest {
  public:
    void SetUp() override {
#if ASYNCIO_ASAN
        GTEST_SKIP() << "the allocator of this sanitizer may be locked by another thread when it is forked";
#endif
        test::BackendTest::SetUp();
    }
};
ASYNCIO_ON_EVERY_BACKEND(ForkTest);

Coro<int> give(int value) {
    co_await sleep(1ms);
    co_return value;
}

Coro<int> give_at_once(int value) { co_return value; }

Coro<int> result_of(Task<int> task) { co_return co_await task; }

// ---- what the child may not do ------------------------------------------------------------------

TEST_P(ForkTest, TheChildMayNotSleep) {
    run([]() -> Coro<> {
        const Child child;
        if (child.is_me()) {
            co_await sleep(0s);
            ::_exit(0);
        }
        child.expect_refusal();
    });
}

TEST_P(ForkTest, TheChildMayNotAwaitACoroutine) {
    run([]() -> Coro<> {
        const Child child;
        if (child.is_me()) ::_exit(co_await give_at_once(0));
        child.expect_refusal();
    });
}

TEST_P(ForkTest, TheChildMayNotAwaitWhatIsReady) {
    run([]() -> Coro<> {
        const auto ready = create_task(give_at_once(5));
        co_await sleep(0s);
        EXPECT_TRUE(ready.done());
        const Child child;
        if (child.is_me()) ::_exit(co_await ready);
        child.expect_refusal();
    });
}

TEST_P(ForkTest, TheChildMayNotCreateATask) {
    run([]() -> Coro<> {
        co_await sleep(0s);
        const Child child;
        if (child.is_me()) {
            create_task(give(1));
            ::_exit(0);
        }
        child.expect_refusal();
        co_await sleep(1ms);  // the parent goes on
    });
}

/// What may be tried on a loop.
std::vector<std::function<void()>> uses_of(EventLoop& loop, const LoopHandle& remote, Task<>& task) {
    return {
        [&] { loop.call_soon([] {}); },
        [&] { loop.call_later(1s, [] {}); },
        [&] { loop.create_task(give(1)); },
        [&] { loop.run_until_complete(give(1)); },
        [&] { loop.run_forever(); },
        [&] { loop.stop(); },
        [&] { remote.call_soon_threadsafe([] {}); },
        [&] { task.cancel(); },
    };
}

TEST_P(ForkTest, TheChildMayNotUseTheLoopObject) {
    run([]() -> Coro<> {
        EventLoop& loop = get_running_loop();
        const LoopHandle remote = loop.remote();
        auto task = create_task([]() -> Coro<> { co_await sleep(1h); });
        co_await sleep(0s);
        for (const auto& use : uses_of(loop, remote, task)) {
            const Child child;
            if (child.is_me()) {
                use();
                ::_exit(0);
            }
            child.expect_refusal();
        }
        task.cancel();
        const std::vector<AnyTask> left{task};
        co_await wait(left);
    });
}

TEST_P(ForkTest, ACoroutineMayNotEndInTheChild) {
    run([]() -> Coro<> {
        const auto other = create_task(give(3));
        const auto forks = create_task([]() -> Coro<> {
            const Child child;
            if (child.is_me()) co_return;
            child.expect_refusal();
        }());
        co_await forks;
        EXPECT_EQ(co_await other, 3);
    });
}

TEST_P(ForkTest, TheMainCoroutineMayNotEndInTheChild) {
    run([]() -> Coro<> {
        const Child child;
        if (child.is_me()) co_return;
        child.expect_refusal();
    });
}

TEST_P(ForkTest, AnExceptionMayNotLeaveTheCoroutineInTheChild) {
    run([]() -> Coro<> {
        const Child child;
        if (child.is_me()) throw std::runtime_error("in the child");
        child.expect_refusal();
        co_return;
    });
}

TEST_P(ForkTest, ACallbackMayNotEndInTheChild) {
    run([]() -> Coro<> {
        bool called = false;
        get_running_loop().call_soon([&] {
            const Child child;
            if (child.is_me()) return;
            child.expect_refusal();
            called = true;
        });
        co_await sleep(0s);
        co_await sleep(0s);
        EXPECT_TRUE(called);
    });
}

// A done-callback forks, and behind it stand a coroutine and another callback: the child runs neither.
TEST_P(ForkTest, OfSeveralWaitersThoseBehindTheOneThatForksDoNotRunInTheChild) {
    run([]() -> Coro<> {
        auto task = create_task(give(1));
        bool in_child = false;
        int told = 0;
        task.add_done_callback([&](AnyTask) {
            const Child child;
            in_child = child.is_me();
            if (!in_child) child.expect_refusal();
        });
        task.add_done_callback([&](AnyTask) {
            if (in_child) ::_exit(1);
            ++told;
        });
        const int value = co_await task;
        if (in_child) ::_exit(2);
        EXPECT_EQ(value, 1);
        EXPECT_EQ(told, 1);
    });
}

TEST_P(ForkTest, BetweenTwoRunsTheChildMayNotRunTheLoop) {
    RunOptions options;
    options.backend = backend();
    EventLoop loop(options);
    EXPECT_EQ(loop.run_until_complete(give(1)), 1);
    const Child child;
    if (child.is_me()) ::_exit(loop.run_until_complete(give(0)));
    child.expect_refusal();
    EXPECT_EQ(loop.run_until_complete(give(2)), 2);
    loop.close();
}

TEST_P(ForkTest, AnotherThreadsChildMayNotPostToTheLoop) {
    run([]() -> Coro<> {
        const LoopHandle remote = get_running_loop().remote();
        const auto in_thread = [&] {
            const Child child;
            if (child.is_me()) {
                remote.call_soon_threadsafe([] {});
                ::_exit(0);
            }
            child.expect_refusal();
        };
        co_await to_thread(in_thread);
    });
}

// ---- what it may do -----------------------------------------------------------------------------

TEST_P(ForkTest, TheChildHasNoRunningLoop) {
    run([]() -> Coro<> {
        const Child child;
        if (child.is_me()) {
            int refused = 0;
            try {
                get_running_loop();
            } catch (const RuntimeError&) {
                ++refused;
            }
            try {
                current_task();
            } catch (const RuntimeError&) {
                ++refused;
            }
            try {
                all_tasks();
            } catch (const RuntimeError&) {
                ++refused;
            }
            ::_exit(refused);
        }
        child.expect_exit(3);
        co_return;
    });
}

TEST_P(ForkTest, TheChildMayRunALoopOfItsOwn) {
    run([backend = backend()]() -> Coro<> {
        auto sleeping = create_task([]() -> Coro<> { co_await sleep(1h); });
        co_await sleep(0s);
        const Child child;
        if (child.is_me()) {
            RunOptions options;
            options.backend = backend;
            int sum = 0;
            for (int i = 0; i != 2; ++i) {  // more than one, and none is in the way of the other
                EventLoop own(options);
                sum += own.run_until_complete([]() -> Coro<int> {
                    auto task = create_task(give(2));
                    auto [a, b] = co_await gather(task, give(1));
                    co_return a + b;
                }());
                own.close();
            }
            // A grandchild may not use the child's.
            EventLoop own(options);
            const Child grandchild;
            if (grandchild.is_me()) ::_exit(own.run_until_complete(give(0)));
            grandchild.expect_refusal();
            ::_exit(::testing::Test::HasFailure() ? 99 : sum);
        }
        child.expect_exit(6);
        sleeping.cancel();
        const std::vector<AnyTask> left{sleeping};
        co_await wait(left);
    });
}

TEST_P(ForkTest, AChildOfAnotherThreadMayRunALoopOfItsOwn) {
    const auto body = [backend = backend()]() -> Coro<> {
        co_await to_thread([backend] {
            const Child child;
            if (child.is_me()) {
                RunOptions options;
                options.backend = backend;
                EventLoop own(options);
                ::_exit(own.run_until_complete(give(6)));
            }
            child.expect_exit(6);
        });
    };
    run(body());
}

TEST_P(ForkTest, TheChildMayRunARunner) {
#if ASYNCIO_TSAN
    GTEST_SKIP()
        << "this sanitizer ends a child of several threads that starts one (as a Runner does for Ctrl-C)";
#endif
    run([backend = backend()]() -> Coro<> {
        const Child child;
        if (child.is_me()) {
            RunOptions options;
            options.backend = backend;
            ::_exit(asyncio::run(give(6), options));  // catches Ctrl-C, as a program's first does
        }
        child.expect_exit(6);
        co_return;
    });
}

TEST_P(ForkTest, TheChildMayExit) {
    run([]() -> Coro<> {
        auto sleeping = create_task([]() -> Coro<> { co_await sleep(1h); });
        co_await sleep(0s);
        const Child child;
        if (child.is_me()) std::exit(6);  // the destructors of globals run, and a leak checker
        child.expect_exit(6);
        sleeping.cancel();
        const std::vector<AnyTask> left{sleeping};
        co_await wait(left);
    });
}

TEST_P(ForkTest, TheChildMayDropWhatBelongsToTheLoop) {
    RunOptions options;
    options.backend = backend();
    auto loop = std::make_unique<EventLoop>(options);
    auto remote = std::make_unique<LoopHandle>(loop->remote());
    loop->call_later(1h, [] {});
    auto task = std::make_unique<Task<int>>(loop->create_task(give(4)));
    auto future = std::make_unique<Future<int>>();
    auto main = loop->create_task([](Future<int> f) -> Coro<int> { co_return co_await f; }(*future));
    loop->poll_once(0s);
    const Child child;
    if (child.is_me()) {
        future.reset();
        task.reset();
        remote.reset();
        loop->close();
        loop.reset();
        ::_exit(6);
    }
    child.expect_exit(6);
    EXPECT_EQ(loop->run_until_complete(result_of(*task)), 4);
    future->set_result(5);
    EXPECT_EQ(loop->run_until_complete(result_of(main)), 5);
    loop->close();
}

TEST_P(ForkTest, TheChildMayDropAnExecutorOfTheParentAndMakeItsOwn) {
#if ASYNCIO_TSAN
    GTEST_SKIP() << "this sanitizer ends a child of several threads that starts one";
#endif
    auto pool = std::make_optional<ThreadPoolExecutor>(ExecutorOptions{.max_workers = 2});
    EXPECT_EQ(pool->submit([] { return 1; }).get(), 1);
    const Child child;
    if (child.is_me()) {
        std::string text;
        try {
            pool->submit([] { return 1; });
        } catch (const RuntimeError& error) {
            text = error.what();
        }
        const bool told = text.find("the threads of this executor are in the parent process") == 0;
        pool->shutdown();
        pool.reset();
        ThreadPoolExecutor own;
        ::_exit(told && own.submit([] { return 2; }).get() == 2 ? 0 : 1);
    }
    child.expect_exit(0);
    EXPECT_EQ(pool->submit([] { return 3; }).get(), 3);
}

// ---- the parent ---------------------------------------------------------------------------------

class ForkOnSocketsTest : public ForkTest {};
ASYNCIO_ON_REAL_BACKENDS(ForkOnSocketsTest);

// Reader and writer of one connection wait in the kernel when the child is made. It drops the loop, and runs
// one of its own, with sockets that have the same numbers as others in the parent. The parent's go on.
TEST_P(ForkOnSocketsTest, TheChildDoesNotDisturbOperationsOfTheParent) {
    const auto echo = [](StreamReader reader, StreamWriter writer) -> Coro<> {
        std::string line = co_await reader.readline();
        while (!line.empty()) {
            co_await writer.send(line);
            line = co_await reader.readline();
        }
    };
    const auto talk = [=](int rounds, auto between) -> Coro<int> {
        Server server = co_await start_server(echo, "127.0.0.1", 0);
        int answers = 0;
        {
            auto [reader, writer] = co_await open_connection("127.0.0.1", server.port());
            for (int i = 0; i != rounds; ++i) {
                auto answer = create_task(
                    [](StreamReader& r) -> Coro<std::string> { co_return co_await r.readline(); }(reader));
                co_await sleep(1ms);  // it waits in the kernel, and so does the server
                between();
                co_await writer.send("hello\n");
                const std::string line = co_await answer;
                answers += line == "hello\n" ? 1 : 0;
            }
            writer.close();
            co_await writer.wait_closed();
        }
        server.close();
        co_await server.wait_closed();
        co_return answers;
    };
    const auto fork_once = [&] {
        const Child child;
        if (child.is_me()) {
            RunOptions options;
            options.backend = backend();
            EventLoop own(options);
            const int answers = own.run_until_complete(talk(2, [] {}));
            own.close();
            ::_exit(answers + 4);
        }
        child.expect_exit(6);
    };
    const int answers = run([&]() -> Coro<int> { return talk(3, fork_once); });
    EXPECT_EQ(answers, 3);
}

/// A server that answers one line, and a client of it that waits for the answer.
struct Talk {
    std::optional<Server> server;
    std::optional<Streams> client;
    std::string answer;
    bool waits = false;

    Coro<> run() {
        server = co_await start_server(
            [](StreamReader reader, StreamWriter writer) -> Coro<> {
                const std::string line = co_await reader.readline();
                co_await writer.send(line);
                writer.close();
            },
            "127.0.0.1", 0);
        client = co_await open_connection("127.0.0.1", server->port());
        waits = true;
        answer = co_await client->reader.readline();
        client->writer.close();
        server->close();
        co_await server->wait_closed();
    }
};

TEST_P(ForkOnSocketsTest, TheChildMayDropConnectionsAndServersAndTheirLoop) {
    RunOptions options;
    options.backend = backend();
    auto loop = std::make_unique<EventLoop>(options);
    Talk talk;
    auto task = std::make_unique<Task<>>(loop->create_task(talk.run()));
    while (!talk.waits) loop->poll_once(10ms);
    for (int i = 0; i != 3; ++i) loop->poll_once(1ms);  // the server, its client's task and the client wait
    const Child child;
    if (child.is_me()) {
        talk.client->writer.close();
        talk.client.reset();
        talk.server->close();
        talk.server.reset();
        task.reset();
        loop.reset();
        ::_exit(6);
    }
    child.expect_exit(6);
    talk.client->writer.write("hello\n");
    loop->run_until_complete([](Task<> t) -> Coro<> { co_await t; }(*task));
    EXPECT_EQ(talk.answer, "hello\n");
    talk.client.reset();
    talk.server.reset();
    loop->close();
}

TEST_P(ForkOnSocketsTest, TheChildMayNotWriteToAConnectionOfTheParent) {
    run([]() -> Coro<> {
        const auto swallow = [](StreamReader reader, StreamWriter) -> Coro<> { co_await reader.read(); };
        Server server = co_await start_server(swallow, "127.0.0.1", 0);
        auto [reader, writer] = co_await open_connection("127.0.0.1", server.port());
        const Child child;
        if (child.is_me()) {
            writer.write("from the child");
            ::_exit(0);
        }
        child.expect_refusal();
        writer.close();
        co_await writer.wait_closed();
        server.close();
        co_await server.wait_closed();
    });
}

}}  // namespace asyncio
