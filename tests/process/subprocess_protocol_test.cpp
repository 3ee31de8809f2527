// Subprocesses for protocols.
#include "asyncio/process/subprocess_protocol.hpp"

#include <signal.h>
#include <sys/wait.h>

#include <map>
#include <string>
#include <vector>

#include "asyncio/asyncio.hpp"
#include "support/cancel_points.hpp"
#include "support/loop_fixture.hpp"

namespace asyncio::test { namespace {

class Noting : public SubprocessProtocol {
  public:
    void connection_made(SubprocessTransport t) override {
        transport = std::move(t);
        calls.emplace_back("made");
    }
    void pipe_data_received(int number, std::string_view data) override { received[number] += data; }
    void pipe_connection_lost(int number, std::exception_ptr) override {
        calls.push_back("pipe " + std::to_string(number));
    }
    void process_exited() override { calls.emplace_back("exited"); }
    void connection_lost(std::exception_ptr error) override {
        EXPECT_TRUE(error == nullptr);
        calls.emplace_back("lost");
        lost.set_result();
    }
    SubprocessTransport transport;
    std::vector<std::string> calls;
    std::map<int, std::string> received;
    Future<> lost;
};
std::shared_ptr<Noting> make_noting() { return std::make_shared<Noting>(); }

class SubprocessProtocols : public BackendTest {};
ASYNCIO_ON_REAL_BACKENDS(SubprocessProtocols);

TEST_P(SubprocessProtocols, AProtocolIsToldWhatTheProcessWritesAndThatItHasEnded) {
    run([]() -> Coro<> {
        auto [transport, protocol] = co_await subprocess_shell(make_noting, "cat; echo problem >&2; exit 3");
        EXPECT_GT(transport.get_pid(), 0);
        EXPECT_FALSE(transport.get_returncode().has_value());
        transport.get_pipe_transport(0).write("through");
        transport.get_pipe_transport(0).close();
        co_await protocol->lost;
        EXPECT_EQ(protocol->received[1], "through");
        EXPECT_EQ(protocol->received[2], "problem\n");
        EXPECT_EQ(transport.get_returncode(), 3);
        EXPECT_EQ(protocol->calls.front(), "made");
        EXPECT_EQ(protocol->calls.back(), "lost");
        EXPECT_EQ(protocol->calls.size(), 6u) << "made, three pipes, exited, lost";
        EXPECT_THROW(transport.kill(), ProcessLookupError);
    });
}

TEST_P(SubprocessProtocols, AProcessThatReadsNothingEndsAllTheSame) {
    run([]() -> Coro<> {
        auto [transport, protocol] = co_await subprocess_exec(make_noting, {}, "true");
        co_await protocol->lost;
        EXPECT_EQ(protocol->calls.size(), 6u) << "made, three pipes, exited, lost";
        EXPECT_EQ(protocol->calls.back(), "lost");
        EXPECT_EQ(transport.get_protocol(), nullptr);
    });
}

TEST_P(SubprocessProtocols, ClosingEndsTheProcess) {
    run([]() -> Coro<> {
        auto [transport, protocol] =
            co_await subprocess_exec(make_noting, {.stderr_ = DEVNULL}, "sleep", "100");
        EXPECT_FALSE(transport.get_pipe_transport(2).valid());
        transport.close();
        EXPECT_TRUE(transport.is_closing());
        co_await protocol->lost;
        EXPECT_EQ(transport.get_returncode(), -SIGKILL);
    });
}

TEST_P(SubprocessProtocols, ALoopThatClosesEndsTheConnectionAndNotTheProcess) {
    std::shared_ptr<Noting> kept;
    int pid = 0;
    asyncio::run(
        [&]() -> Coro<> {
            auto [transport, protocol] = co_await subprocess_exec(make_noting, {}, "sleep", "100");
            pid = transport.get_pid();
            kept = protocol;
            co_await sleep(std::chrono::seconds(0));
            co_await sleep(std::chrono::seconds(0));
        },
        {.backend = backend()});
    EXPECT_EQ(kept->calls.front(), "made");
    EXPECT_EQ(kept->calls.back(), "lost");
    EXPECT_EQ(::kill(pid, SIGKILL), 0);
    siginfo_t info{};
    EXPECT_EQ(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT), 0);
    run([]() -> Coro<> {
        auto next = co_await create_subprocess_exec("true");  // collects it
        co_await next.wait();
    });
}

TEST_P(SubprocessProtocols, CancelledAtAnyPointNoProcessIsLeft) {
    expect_each_cancel_point(
        []() -> Coro<> {
            auto [transport, protocol] = co_await subprocess_exec(make_noting, {.stderr_ = DEVNULL}, "cat");
            std::exception_ptr cancelled;
            try {
                transport.get_pipe_transport(0).write("through");
                transport.get_pipe_transport(0).close();
                co_await shield(protocol->lost);
                EXPECT_EQ(protocol->received[1], "through");
            } catch (const CancelledError&) {
                cancelled = std::current_exception();
            }
            if (cancelled == nullptr) co_return;
            transport.close();
            co_await protocol->lost;
            std::rethrow_exception(cancelled);
        },
        [] { return ::waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD; },
        {.backend = backend(), .simulate = false, .may_report = true});
}

}}  // namespace asyncio::test
