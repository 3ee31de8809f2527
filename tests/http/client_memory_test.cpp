// Requests when memory runs out: they fail or succeed, and nothing is lost but the request.
#include <string>
#include <string_view>

#include "asyncio/http/client_session.hpp"
#include "asyncio/testing/mock_clock.hpp"
#include "asyncio/testing/wait_all_tasks_blocked.hpp"
#include "http/client_support.hpp"
#include "http/session_state.hpp"
#include "support/alloc_failure.hpp"

namespace {

using namespace asyncio;
using namespace asyncio::test;
using namespace std::chrono_literals;

class ClientMemory : public BackendTest {};
ASYNCIO_ON_REAL_BACKENDS(ClientMemory);

constexpr std::string_view long_answer =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Long: a value which is not so short\r\n\r\n"
    "28\r\na body that does not fit into the string\r\n0\r\n\r\n";
constexpr std::string_view long_path = "/a/path/that/does/not/fit/into/a/small/string";

Coro<> ask_thrice(const std::string& url) {
    http::ClientSession session{
        {.headers = http::headers("X-Session", "also not a short value"), .limit = 1}};
    for (int i = 0; i < 2; ++i) {
        auto response = co_await session.get(url, {.params = http::params("q", "two words")});
        std::string text = co_await response.text();
        EXPECT_EQ(text, "a body that does not fit into the string");
    }
    auto response = co_await session.post(url, http::text("something to send that is long enough"));
    while (auto piece = co_await response.content().read_chunk()) EXPECT_FALSE(piece->empty());
    co_await session.close();
}

TEST_P(ClientMemory, EveryAllocationMayFail) {
    if (!AllocationFailure::works()) GTEST_SKIP() << "nothing is refused under this sanitizer";
    const ServerThread server(answers(long_answer));
    const std::string url = server.url(long_path);
    int failed = 0;
    for (long at = 1;; ++at) {
        EventLoop loop({.backend = backend()});
        loop.set_exception_handler([](EventLoop&, const ExceptionContext&) {});
        bool happened = false;
        {
            AllocationFailure failure(at);
            try {
                loop.run_until_complete(ask_thrice(url));
            } catch (const std::exception&) {
                ++failed;
            }
            happened = failure.happened();
        }
        expect_nothing_left(loop);
        loop.close();
        if (!happened) break;
    }
    EXPECT_GT(failed, 20);
}

// The text of a timeout needs memory; that there is none must not leave the response open, its slot taken,
// and every later read told that somebody reads.
TEST_P(ClientMemory, ATimeoutWithoutMemoryForItsTextEndsTheResponse) {
    if (!AllocationFailure::works()) GTEST_SKIP() << "nothing is refused under this sanitizer";
    const ServerThread server([](Site&, StreamReader& reader, StreamWriter& writer) -> Coro<> {
        co_await read_request(reader);
        co_await writer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
        co_await reader.read(1);
    });
    const std::string url = server.url(long_path);
    int failed = 0;
    bool happened = true;
    for (long at = 1; happened; ++at) {
        SCOPED_TRACE("allocation " + std::to_string(at));
        asyncio::testing::MockClock clock;
        const auto time_out = [&]() -> Coro<> {
            const http::ClientSession session{{.timeout = {.sock_read = 1s}}};
            auto response = co_await session.get(url);
            auto read = create_task(response.read());
            co_await asyncio::testing::wait_all_tasks_blocked();
            {
                AllocationFailure failure(at);
                clock.advance(2s);
                for (int i = 0; i < 5; ++i) co_await sleep(0s);
                happened = failure.happened();
            }
            std::string text;
            try {
                co_await std::move(read);
            } catch (const http::SocketTimeoutError& error) {
                text = error.what();
            } catch (const std::bad_alloc&) {
                ++failed;
            }
            if (!happened) {
                EXPECT_NE(text.find("sock_read = 1 s"), std::string::npos) << text;
            }
            EXPECT_TRUE(response.closed());
            EXPECT_EQ(session.connections().in_use, 0u);
            EXPECT_THROW(co_await response.read(), http::ResponseClosedError);
            co_await asyncio::testing::wait_all_tasks_blocked();
        };
        run(time_out, {.clock = &clock});
    }
    EXPECT_GT(failed, 0);
}

// A request may fail for lack of memory just before it waits for a connection.
TEST_P(ClientMemory, AnOriginIsForgottenWhereverMemoryRunsOut) {
    if (!AllocationFailure::works()) GTEST_SKIP() << "nothing is refused under this sanitizer";
    int failed = 0;
    bool happened = true;
    for (long at = 1; happened; ++at) {
        SCOPED_TRACE("allocation " + std::to_string(at));
        const auto wait_in_vain = [&]() -> Coro<> {
            using namespace http::detail;
            const SessionRef session(new SessionState({.limit = 1}));
            const Slot taken = session->connector.try_slot(session->connector.origin("taken:80", nullptr));
            {
                AllocationFailure failure(at);
                try {
                    const ExchangeRef exchange(new Exchange(session));
                    const http::RequestOptions options{.timeout = http::ClientTimeout{.connect = 1ms}};
                    prepare(*exchange, "GET", "http://one.of.many.hosts.test/", {}, options);
                    co_await perform(exchange);
                } catch (const http::ConnectionTimeoutError&) {
                } catch (const std::bad_alloc&) {
                    ++failed;
                }
                happened = failure.happened();
            }
            EXPECT_EQ(session->connector.origins(), 1u) << "taken:80";
        };
        run(wait_in_vain);
    }
    EXPECT_GT(failed, 5);
}

TEST_P(ClientMemory, AReusedConnectionCostsFewAllocations) {
    if (ASYNCIO_ASAN || ASYNCIO_TSAN) GTEST_SKIP() << "frames are not recycled under this sanitizer";
    const ServerThread server(answers(long_answer));
    const std::string url = server.url(long_path);
    run([&]() -> Coro<> {
        http::ClientSession session;
        long cost = 0;
        for (int i = 0; i < 5; ++i) {
            const long before = allocations();
            auto response = co_await session.get(url);
            std::string text = co_await std::move(response).text();
            cost = allocations() - before;
        }
        EXPECT_LE(cost, 12) << "two for the header fields, one for each text, and the exchange";
    });
}

}  // namespace
