// Requests that are cancelled, at every point: nothing leaks, no connection with a half-read response is
// kept.
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "asyncio/http/client_session.hpp"
#include "asyncio/testing/for_each_cancel_point.hpp"
#include "http/client_support.hpp"

namespace {

using namespace asyncio;
using namespace asyncio::test;
using namespace std::chrono_literals;

class ClientCancel : public BackendTest {};
ASYNCIO_ON_REAL_BACKENDS(ClientCancel);

/// The body in two pieces.
Coro<> in_pieces(Site& site, StreamReader& reader, StreamWriter& writer) {
    for (;;) {
        std::string request = co_await read_request(reader);
        if (request.empty()) co_return;
        site.requests.push_back(std::move(request));
        co_await writer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
        co_await sleep(0s);
        co_await writer.send("later");
    }
}

TEST_P(ClientCancel, AtEveryPointOfARequestAndItsBody) {
    const auto scenario = []() -> Coro<> {
        co_await with_site(in_pieces, [](Site& site) -> Coro<> {
            http::ClientSession session{{.limit = 1}};
            for (int i = 0; i < 2; ++i) {
                auto response = co_await session.get(site.url());
                std::string text = co_await response.text();
                EXPECT_EQ(text, "firstlater");
            }
            co_await session.close();
        });
    };
    const auto points =
        asyncio::testing::for_each_cancel_point(scenario, {.backend = backend(), .simulate = false});
    EXPECT_GT(points.cancelled, 10u);
}

TEST_P(ClientCancel, AtEveryPointOfTheWaitForAConnection) {
    const auto scenario = []() -> Coro<> {
        co_await with_site(in_pieces, [](Site& site) -> Coro<> {
            http::ClientSession session{{.limit = 1}};
            co_await gather(session.get(site.url("/1")), session.get(site.url("/2")),
                            session.get(site.url("/3")));
        });
    };
    const auto points =
        asyncio::testing::for_each_cancel_point(scenario, {.backend = backend(), .simulate = false});
    EXPECT_GT(points.cancelled, 10u);
}

TEST_P(ClientCancel, TheSessionIsAsGoodAsBefore) {
    // Whenever a request is cancelled, the next one on the same session gets its own response, not the rest
    // of the other's.
    const auto scenario = []() -> Coro<> {
        co_await with_site(in_pieces, [](Site& site) -> Coro<> {
            http::ClientSession session{{.limit = 1}};
            for (int steps = 0; steps < 12; ++steps) {
                auto victim = create_task(
                    [](http::ClientSession& s, std::string url) -> Coro<> {
                        auto response = co_await s.get(url);
                        std::string text = co_await response.text();
                    },
                    std::ref(session), site.url("/victim"));
                for (int i = 0; i < steps; ++i) co_await sleep(100us);
                victim.cancel();
                auto response = co_await session.get(site.url("/next"));
                std::string text = co_await response.text();
                EXPECT_EQ(text, "firstlater");
                EXPECT_LE(session.connections().in_use, 1u);
            }
        });
    };
    run(scenario);
}

TEST_P(ClientCancel, AHalfReadResponseIsNotKept) {
    run([]() -> Coro<> {
        Gate gate;
        auto handler = [&](Site&, StreamReader& reader, StreamWriter& writer) -> Coro<> {
            std::string request = co_await read_request(reader);
            co_await writer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
            co_await gate.wait(writer);
            co_await reader.read(1);
        };
        co_await with_site(handler, [&](Site& site) -> Coro<> {
            http::ClientSession session;
            auto response = co_await session.get(site.url());
            auto reading = create_task(response.text());
            co_await sleep(1ms);
            EXPECT_FALSE(reading.done());
            reading.cancel();
            EXPECT_THROW(co_await std::move(reading), CancelledError);
            EXPECT_TRUE(response.closed());
            EXPECT_EQ(session.connections().in_use, 0u);
            EXPECT_EQ(session.connections().idle, 0u);
            EXPECT_THROW(co_await response.text(), http::ResponseClosedError);
            gate.open = true;
        });
    });
}

TEST_P(ClientCancel, TwoReadersOfOneResponseAreRefused) {
    run([]() -> Coro<> {
        Gate gate;
        auto handler = [&](Site&, StreamReader& reader, StreamWriter& writer) -> Coro<> {
            std::string request = co_await read_request(reader);
            co_await writer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
            co_await gate.wait(writer);
            co_await writer.send("later");
            co_await reader.read(1);
        };
        co_await with_site(handler, [&](Site& site) -> Coro<> {
            http::ClientSession session;
            auto response = co_await session.get(site.url());
            auto reading = create_task(response.text());
            co_await sleep(1ms);
            EXPECT_THROW(co_await response.text(), RuntimeError);
            gate.open = true;
            std::string text = co_await reading;
            EXPECT_EQ(text, "firstlater") << "the first one is unharmed";
        });
    });
}

TEST_P(ClientCancel, ClosingAResponseEndsItsRead) {
    run([]() -> Coro<> {
        auto handler = [](Site&, StreamReader& reader, StreamWriter& writer) -> Coro<> {
            std::string request = co_await read_request(reader);
            co_await writer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
            co_await reader.read(1);
        };
        co_await with_site(handler, [&](Site& site) -> Coro<> {
            http::ClientSession session;
            std::optional<http::ClientResponse> response;
            response.emplace(co_await session.get(site.url()));
            auto reading = create_task(response->text());
            co_await sleep(1ms);
            response.reset();
            EXPECT_THROW(co_await reading, http::ResponseClosedError);
        });
    });
}

}  // namespace
