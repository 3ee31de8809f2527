// Requests when memory runs out: they fail or succeed, and nothing is lost but the request.
#include <string>
#include <string_view>

#include "asyncio/http/client_session.hpp"
#include "http/client_support.hpp"
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
