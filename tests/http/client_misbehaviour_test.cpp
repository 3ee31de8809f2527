// Servers that do not keep their side: each failure is named, belongs to its request alone, and costs its
// connection.
#include <string>
#include <vector>

#include "asyncio/http/client_session.hpp"
#include "http/client_support.hpp"

namespace {

using namespace asyncio;
using namespace asyncio::test;
using namespace std::chrono_literals;

class ClientMisbehaviour : public BackendTest {};
ASYNCIO_ON_REAL_BACKENDS(ClientMisbehaviour);

/// What a GET of "/" says when the server answers with these bytes and closes.
Coro<std::string> failure_with(std::string_view answer) {
    std::string failure;
    co_await with_site(answers(answer, 1), [&](Site& site) -> Coro<> {
        http::ClientSession session;
        failure = co_await failure_of(session, site.url());
        EXPECT_EQ(session.connections().idle, 0u) << "a connection that has failed is not kept";
        EXPECT_EQ(session.connections().in_use, 0u);
        const std::string about = "GET " + site.url() + ": ";
        EXPECT_TRUE(failure.starts_with(about)) << failure;
        if (failure.starts_with(about)) failure.erase(0, about.size());
    });
    co_return failure;
}

TEST_P(ClientMisbehaviour, EachCauseIsNamed) {
    struct Case {
        std::string_view answer;
        const char* failure;
    };
    run([]() -> Coro<> {
        const std::vector<Case> cases = {
            {"", "the server closed the connection without an answer"},
            {"HTTP/1.1 200 OK\r\nContent-Le", "the connection was closed after 27 bytes of the head"},
            {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789",
             "the server closed the connection after 10 of 100 bytes"},
            {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n",
             "the server closed the connection after 0 of 100 bytes"},
            {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
             "the connection was closed in the middle of a chunked body, after 3 bytes of it"},
        };
        for (const Case& each : cases) {
            std::string failure = co_await failure_with(each.answer);
            EXPECT_EQ(failure, each.failure);
        }
    });
}

TEST_P(ClientMisbehaviour, GarbageIsNoHttp) {
    run([]() -> Coro<> {
        for (std::string_view answer :
             {std::string_view("SSH-2.0-OpenSSH_9.2\r\n"), std::string_view("\x16\x03\x01\x02\0\1", 6),
              std::string_view("<html>hello</html>\n\n"), std::string_view("HTTP/9.9 200 OK\r\n\r\n"),
              std::string_view("HTTP/1.1 abc OK\r\n\r\n"),
              std::string_view("HTTP/1.1 200 OK\r\nbad header\r\n\r\n")}) {
            std::string failure = co_await failure_with(answer);
            EXPECT_TRUE(failure.starts_with("bad response: ")) << failure;
        }
    });
}

TEST_P(ClientMisbehaviour, BothALengthAndChunksIsCalledWhatItIs) {
    run([]() -> Coro<> {
        std::string failure = co_await failure_with(
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: "
            "chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
        EXPECT_EQ(failure, "bad response: it has both a Content-Length and chunks (Transfer-Encoding)");
    });
}

TEST_P(ClientMisbehaviour, TwoLengthsThatDifferAreRefused) {
    run([]() -> Coro<> {
        std::string failure =
            co_await failure_with("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!");
        EXPECT_TRUE(failure.starts_with("bad response: ")) << failure;
    });
}

TEST_P(ClientMisbehaviour, AnErrorInTheBodyLeavesTheHeadAndWhatCameBeforeIt) {
    run([]() -> Coro<> {
        co_await with_site(
            answers("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n", 1),
            [](Site& site) -> Coro<> {
                http::ClientSession session;
                auto response = co_await session.get(site.url());
                EXPECT_EQ(response.status, 200);
                std::string piece = co_await response.content().readany();
                EXPECT_EQ(piece, "hello");
                EXPECT_THROW(co_await response.content().readany(), http::ClientPayloadError);
                EXPECT_THROW(co_await response.content().readany(), http::ClientPayloadError) << "again";
            });
    });
}

TEST_P(ClientMisbehaviour, MoreBytesThanAnnouncedAreNotTheNextResponse) {
    run([]() -> Coro<> {
        co_await with_site(answers("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 "
                                   "OK\r\nContent-Length: 4\r\n\r\nevil"),
                           [](Site& site) -> Coro<> {
                               http::ClientSession session;
                               for (int i = 0; i < 3; ++i) {
                                   auto response = co_await session.get(site.url());
                                   std::string text = co_await response.text();
                                   EXPECT_EQ(text, "hello");
                               }
                               EXPECT_EQ(site.connections, 3);
                           });
    });
}

TEST_P(ClientMisbehaviour, BytesThatComeWhileAConnectionIsIdleCostItsLife) {
    run([]() -> Coro<> {
        auto handler = [](Site& site, StreamReader& reader, StreamWriter& writer) -> Coro<> {
            for (;;) {
                std::string request = co_await read_request(reader);
                if (request.empty()) co_return;
                site.requests.push_back(std::move(request));
                co_await writer.send(hello);
                if (site.connections == 1) {
                    co_await sleep(1ms);
                    co_await writer.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
                }
            }
        };
        co_await with_site(handler, [](Site& site) -> Coro<> {
            http::ClientSession session;
            (void)co_await session.get(site.url());
            EXPECT_EQ(session.connections().idle, 1u);
            co_await sleep(20ms);
            std::string text = co_await (co_await session.get(site.url())).text();
            EXPECT_EQ(text, "hello");
            EXPECT_EQ(site.connections, 2);
        });
    });
}

TEST_P(ClientMisbehaviour, HeadsBeyondTheLimitsAreRefused) {
    run([]() -> Coro<> {
        std::string long_field = "HTTP/1.1 200 OK\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n";
        std::string failure = co_await failure_with(long_field);
        EXPECT_NE(failure.find("header field"), std::string::npos) << failure;
        std::string many = "HTTP/1.1 200 OK\r\n";
        for (int i = 0; i < 200; ++i) many += "X" + std::to_string(i) + ": y\r\n";
        failure = co_await failure_with(many + "\r\n");
        EXPECT_NE(failure.find("max_headers = 128"), std::string::npos) << failure;
        std::string endless(1 << 20, 'x');
        failure = co_await failure_with("HTTP/1.1 200 " + endless);
        EXPECT_NE(failure.find("status line"), std::string::npos) << failure;
    });
}

TEST_P(ClientMisbehaviour, LimitsCanBeRaised) {
    run([]() -> Coro<> {
        const std::string answer =
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n";
        co_await with_site(answers(answer), [](Site& site) -> Coro<> {
            http::ClientSession session{{.max_field_size = 30'000}};
            auto response = co_await session.get(site.url());
            EXPECT_EQ(response.headers.get("x", "").size(), 20'000u);
        });
    });
}

TEST_P(ClientMisbehaviour, ABodyInDripsArrivesWhole) {
    run([]() -> Coro<> {
        auto drip = [](Site&, StreamReader& reader, StreamWriter& writer) -> Coro<> {
            for (;;) {
                std::string request = co_await read_request(reader);
                if (request.empty()) co_return;
                const std::string answer =
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
                for (char c : answer) {
                    co_await writer.send(std::string_view(&c, 1));
                    co_await sleep(0s);
                }
            }
        };
        co_await with_site(drip, [](Site& site) -> Coro<> {
            http::ClientSession session;
            for (int i = 0; i < 3; ++i) {
                auto response = co_await session.get(site.url());
                std::string text = co_await response.text();
                EXPECT_EQ(text, "abcde");
            }
            EXPECT_EQ(site.connections, 1);
        });
    });
}

TEST_P(ClientMisbehaviour, AKeptConnectionThatDiesUnansweredIsReplacedOnce) {
    // The server closes each connection that it gets a second request on, without a word: the moment at which
    // a server's own keep-alive limit strikes.
    auto handler = [](Site& site, StreamReader& reader, StreamWriter& writer) -> Coro<> {
        site.requests.push_back(co_await read_request(reader));
        co_await writer.send(hello);
        std::string second = co_await read_request(reader);
        if (!second.empty()) site.requests.push_back(std::move(second));
    };
    run([handler]() -> Coro<> {
        co_await with_site(handler, [](Site& site) -> Coro<> {
            http::ClientSession session;
            for (int i = 0; i < 3; ++i) {
                auto response = co_await session.get(site.url());
                std::string text = co_await response.text();
                EXPECT_EQ(text, "hello");
            }
            EXPECT_EQ(site.connections, 3);
            EXPECT_EQ(site.requests.size(), 5u) << "the second and third were sent twice";
        });
    });
}

TEST_P(ClientMisbehaviour, APostIsNeverSentTwice) {
    auto handler = [](Site& site, StreamReader& reader, StreamWriter& writer) -> Coro<> {
        site.requests.push_back(co_await read_request(reader));
        co_await writer.send(hello);
        site.requests.push_back(co_await read_request(reader));
    };
    run([handler]() -> Coro<> {
        co_await with_site(handler, [](Site& site) -> Coro<> {
            http::ClientSession session;
            (void)co_await session.get(site.url());
            EXPECT_THROW(co_await session.post(site.url(), http::text("x")), http::ServerDisconnectedError);
            EXPECT_EQ(site.requests.size(), 2u);
        });
    });
}

TEST_P(ClientMisbehaviour, ANewConnectionThatDiesUnansweredIsNotTriedAgain) {
    auto handler = [](Site& site, StreamReader& reader, StreamWriter&) -> Coro<> {
        site.requests.push_back(co_await read_request(reader));
    };
    run([handler]() -> Coro<> {
        co_await with_site(handler, [](Site& site) -> Coro<> {
            http::ClientSession session;
            EXPECT_THROW(co_await session.get(site.url()), http::ServerDisconnectedError);
            EXPECT_EQ(site.requests.size(), 1u);
        });
    });
}

TEST_P(ClientMisbehaviour, AKeptConnectionThatItsServerHasClosedIsNotUsed) {
    run([]() -> Coro<> {
        co_await with_site(answers(hello, 1), [](Site& site) -> Coro<> {
            http::ClientSession session;
            (void)co_await session.get(site.url());
            EXPECT_EQ(session.connections().idle, 1u);
            while (site.open != 0) co_await sleep(1ms);
            // A POST would not be repeated, so it must not be sent there in the first place.
            auto response = co_await session.post(site.url(), http::text("x"));
            EXPECT_EQ(response.status, 200);
            EXPECT_EQ(site.connections, 2);
        });
    });
}

TEST_P(ClientMisbehaviour, ARefusedConnectionIsNamed) {
    run([]() -> Coro<> {
        std::uint16_t port = 0;
        co_await with_site(answers(hello), [&](Site& site) -> Coro<> {
            port = site.port;
            co_return;
        });
        http::ClientSession session;
        const std::string where = "127.0.0.1:" + std::to_string(port);
        std::string failure = co_await failure_of(session, "http://" + where + "/");
        EXPECT_EQ(failure,
                  "GET http://" + where + "/: connect " + where + ": Connection refused [Errno 111]");
        EXPECT_THROW(co_await session.get("http://" + where + "/"), http::ClientConnectorError);
        EXPECT_EQ(session.connections().in_use, 0u);
    });
}

TEST_P(ClientMisbehaviour, ANameThatDoesNotResolveIsNamed) {
    run([]() -> Coro<> {
        http::ClientSession session;
        std::string failure = co_await failure_of(session, "http://no-such-host.invalid/x");
        EXPECT_TRUE(failure.starts_with("GET http://no-such-host.invalid/x: name does not resolve: "))
            << failure;
        EXPECT_THROW(co_await session.get("http://no-such-host.invalid/"), http::ClientConnectorDNSError);
    });
}

TEST_P(ClientMisbehaviour, FailuresLeaveTheOtherRequestsAlone) {
    auto handler = [](Site&, StreamReader& reader, StreamWriter& writer) -> Coro<> {
        for (;;) {
            std::string request = co_await read_request(reader);
            if (request.empty() || request.starts_with("GET /bad")) co_return;
            co_await writer.send(hello);
        }
    };
    run([handler]() -> Coro<> {
        co_await with_site(handler, [](Site& site) -> Coro<> {
            http::ClientSession session;
            std::vector<Coro<http::ClientResponse>> requests;
            for (int i = 0; i < 30; ++i)
                requests.push_back(session.get(site.url(i % 3 == 0 ? "/bad" : "/good")));
            auto outcomes = co_await gather(return_exceptions, std::move(requests));
            for (int i = 0; i < 30; ++i) {
                const auto& outcome = outcomes[static_cast<std::size_t>(i)];
                EXPECT_EQ(outcome.has_value(), i % 3 != 0) << i;
                if (!outcome.has_value()) {
                    EXPECT_NE(outcome.template error_as<http::ServerDisconnectedError>(), nullptr);
                }
            }
        });
    });
}

TEST_P(ClientMisbehaviour, AResponseDestroyedWithUnreadBodyClosesItsConnection) {
    run([]() -> Coro<> {
        auto endless = [](Site&, StreamReader& reader, StreamWriter& writer) -> Coro<> {
            co_await read_request(reader);
            co_await writer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            for (;;) co_await writer.send("4\r\nmore\r\n");
        };
        co_await with_site(endless, [](Site& site) -> Coro<> {
            http::ClientSession session{{.limit = 1}};
            {
                auto response = co_await session.get(site.url());
                EXPECT_EQ(session.connections().in_use, 1u);
                std::string piece = co_await response.content().readany();
                EXPECT_FALSE(piece.empty());
            }
            EXPECT_EQ(session.connections().in_use, 0u);
            EXPECT_EQ(session.connections().idle, 0u);
            while (site.open != 0) co_await sleep(1ms);  // the server has noticed
            auto response = co_await session.get(site.url());
            response.close();
            EXPECT_TRUE(response.closed());
            EXPECT_THROW(co_await response.read(), http::ClientConnectionError);
        });
    });
}

}  // namespace
