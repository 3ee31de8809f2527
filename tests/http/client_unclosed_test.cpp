// Debug mode: sessions and responses that were dropped with what they hold of the network.
#include <gtest/gtest.h>

#include "debug/debug_support.hpp"
#include "http/client_support.hpp"

namespace asyncio::test { namespace {

using debug_test::Warnings;

class ClientUnclosed : public BackendTest {};
ASYNCIO_ON_REAL_BACKENDS(ClientUnclosed);

/// The warnings of `body(site)` in debug mode, of the client alone.
template <class Body>
std::string warnings_of(Backend backend, Body body, std::string_view answer = hello) {
    Warnings warnings;
    run_and_check(with_site(answers(answer), body), {.debug = true, .backend = backend, .watchdog = 0s});
    return warnings.text();
}

TEST_P(ClientUnclosed, ASessionThatWasDroppedWithAConnectionIsNamed) {
    const std::string text = warnings_of(backend(), [](Site& site) -> Coro<> {
        http::ClientSession session;
        auto response = co_await session.get(site.url());
        co_await response.text();
    });
    EXPECT_NE(text.find("ResourceWarning: unclosed ClientSession, connections open: 1"), std::string::npos)
        << text;
}

TEST_P(ClientUnclosed, AResponseThatWasNotReadIsNamed) {
    const auto drops = [](Site& site) -> Coro<> {
        http::ClientSession session;
        { auto response = co_await session.get(site.url("/page")); }
        co_await session.close();
    };
    // (What has come whole needs no connection any more.)
    const std::string text = warnings_of(backend(), drops, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhe");
    EXPECT_NE(text.find("ResourceWarning: unclosed ClientResponse to GET "), std::string::npos) << text;
    EXPECT_NE(text.find("/page: "), std::string::npos) << text;
}

TEST_P(ClientUnclosed, NothingIsSaidOfWhatWasClosedOrUsedInAScope) {
    const std::string text = warnings_of(backend(), [](Site& site) -> Coro<> {
        http::ClientSession unused;
        http::ClientSession closed;
        auto response = co_await closed.get(site.url());
        co_await response.text();
        {
            auto unread = co_await closed.get(site.url());
            unread.close();
        }
        co_await closed.close();
        auto body = [&](http::ClientSession& session) -> Coro<> {
            auto not_looked_at = [](http::ClientResponse&) {};
            co_await with(session.get(site.url()), not_looked_at);
        };
        co_await with(http::ClientSession(), body);
    });
    EXPECT_EQ(text.find("Client"), std::string::npos) << text;
}

}}  // namespace asyncio::test
