// What a session sends and what its responses give.
#include "asyncio/http/client_session.hpp"

#include <string>
#include <vector>

#include "http/client_support.hpp"

namespace {

using namespace asyncio;
using namespace asyncio::test;
using namespace std::chrono_literals;

class ClientSession : public BackendTest {};
ASYNCIO_ON_REAL_BACKENDS(ClientSession);

TEST_P(ClientSession, GetsAPage) {
    run([]() -> Coro<> {
        co_await with_site(answers("HTTP/1.1 200 Fine\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello"),
                           [](Site& site) -> Coro<> {
                               http::ClientSession session;
                               auto response = co_await session.get(site.url("/page?q=1#part"));
                               EXPECT_EQ(response.status, 200);
                               EXPECT_EQ(response.reason, "Fine");
                               EXPECT_TRUE(response.ok());
                               EXPECT_EQ(response.headers.get("x-a", ""), "b");
                               EXPECT_EQ(response.content_length(), 5u);
                               EXPECT_EQ(response.method, "GET");
                               EXPECT_EQ(response.version, http::HttpVersion::http_1_1);
                               EXPECT_EQ(response.url.str(), site.url("/page?q=1#part"));
                               std::string text = co_await response.text();
                               EXPECT_EQ(text, "hello");
                               std::string again = co_await response.read();
                               EXPECT_EQ(again, "hello") << "the body is kept, as in aiohttp";
                           });
    });
}

TEST_P(ClientSession, AsksForTheUrlOfEachCall) {
    run([]() -> Coro<> {
        co_await with_site(answers(hello), [](Site& site) -> Coro<> {
            http::ClientSession session;
            // Again, another, a bad one in between, nothing at all, one with a query added, one that is long.
            const std::string end(2000, 'x');
            const std::vector<std::string> paths = {"/a", "/a", "/b", "/a", "/" + end, "/" + end, "/a"};
            for (const std::string& path : paths) {
                auto response = co_await session.get(site.url(path));
                EXPECT_EQ(response.url.str(), site.url(path));
                co_await response.read();
                EXPECT_THROW(co_await session.get("http://"), http::InvalidURL);
                EXPECT_THROW(co_await session.get(""), http::InvalidURL);
            }
            for (const char* value : {"1", "2"}) {
                auto response = co_await session.get(site.url("/a"), {.params = http::params("q", value)});
                co_await response.read();
                EXPECT_EQ(response.url.str(), site.url("/a?q=") + value);
            }
            EXPECT_EQ(site.requests.size(), paths.size() + 2);
            for (std::size_t i = 0; i != paths.size(); ++i)
                EXPECT_TRUE(site.requests[i].starts_with("GET " + paths[i] + " HTTP/1.1\r\n"));
        });
    });
}

TEST_P(ClientSession, ARequestWithoutFieldsOfItsOwnSendsWhatOneWithThemWould) {
    run([]() -> Coro<> {
        co_await with_site(answers(hello), [](Site& site) -> Coro<> {
            http::ClientSession session{{.headers = http::headers("X-Session", "1")}};
            auto usual = co_await session.get(site.url("/a?b"));
            co_await usual.read();
            auto other = co_await session.get(site.url("/a?b"), {.headers = http::headers("X-Own", "2")});
            co_await other.read();
            EXPECT_EQ(site.requests.size(), 2u);
            std::string expected = site.requests[0];
            expected.insert(expected.size() - 2, "X-Own: 2\r\n");
            EXPECT_EQ(site.requests[1], expected);

            // What a session says of the host or the connection is looked at in each request.
            http::ClientSession closing{{.headers = http::headers("Connection", "close", "Host", "other")}};
            auto last = co_await closing.get(site.url("/a"));
            co_await last.read();
            EXPECT_NE(site.requests[2].find("Host: other\r\n"), std::string::npos);
            EXPECT_EQ(site.requests[2].find("Host: 127"), std::string::npos);
            EXPECT_EQ(closing.connections().idle, 0u);
        });
    });
}

TEST_P(ClientSession, AttributesAreTheResponsesOwn) {
    run([]() -> Coro<> {
        const char* const answer =
            "HTTP/1.1 404 Nothing of this name\r\nX-Long: a value that is not short\r\nContent-Length: "
            "5\r\n\r\nhello";
        co_await with_site(answers(answer), [](Site& site) -> Coro<> {
            http::ClientSession session;
            auto response = co_await session.get(site.url("/page"));
            std::string text = co_await std::move(response).text();
            EXPECT_EQ(text, "hello");
            // The body has been moved out, the rest has not.
            EXPECT_TRUE(response.closed());
            EXPECT_TRUE(response.content().at_eof());
            EXPECT_EQ(response.status, 404);
            EXPECT_EQ(response.reason, "Nothing of this name");
            EXPECT_EQ(response.headers.get("x-long", ""), "a value that is not short");
            EXPECT_EQ(response.url.str(), site.url("/page"));
            EXPECT_EQ(response.content_length(), 5u);
            EXPECT_THROW(response.raise_for_status(), http::ClientResponseError);
            EXPECT_THROW(co_await response.text(), RuntimeError);
            EXPECT_THROW(co_await response.content().read(), RuntimeError);

            // What is moved out stays away, and the body does not need it.
            auto other = co_await session.post(site.url("/other"));
            const http::Headers headers = std::move(other.headers);
            const std::string method = std::move(other.method);
            const http::Url url = std::move(other.url);
            text = co_await other.read();
            EXPECT_EQ(text, "hello");
            EXPECT_EQ(method + " " + url.str(), "POST " + site.url("/other"));
            response = std::move(other);
            EXPECT_EQ(response.status, 404);
            text = co_await response.read();
            EXPECT_EQ(text, "hello");
        });
    });
}

TEST_P(ClientSession, AFailureOfTheBodyNamesTheRequestWhoseUrlWasMovedOut) {
    run([]() -> Coro<> {
        co_await with_site(
            answers("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", 1), [](Site& site) -> Coro<> {
                http::ClientSession session;
                for (const std::size_t size : {std::size_t{0}, std::size_t{100'000}}) {
                    const std::string sent(size, 'x');
                    auto response = co_await session.post(site.url("/page"), http::bytes(sent));
                    const http::Url url = std::move(response.url);
                    std::string failure;
                    try {
                        co_await response.read();
                    } catch (const http::ClientPayloadError& error) {
                        failure = error.what();
                    }
                    EXPECT_TRUE(failure.starts_with("POST " + url.str() + ": ")) << failure;
                }
            });
    });
}

TEST_P(ClientSession, SendsTheUsualHeaders) {
    run([]() -> Coro<> {
        co_await with_site(answers(hello), [](Site& site) -> Coro<> {
            http::ClientSession session;
            auto response = co_await session.get(site.url("/a?b=c#d"));
            EXPECT_EQ(site.requests.at(0),
                      "GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(site.port) +
                          "\r\nAccept: */*\r\nUser-Agent: asyncio-cpp/" ASYNCIO_VERSION_STRING "\r\n\r\n");
        });
    });
}

TEST_P(ClientSession, HeadersOfTheRequestReplaceThoseOfTheSessionAndTheDefaults) {
    run([]() -> Coro<> {
        co_await with_site(answers(hello), [](Site& site) -> Coro<> {
            http::ClientSession session{{.headers = http::headers("X-A", "session", "X-B", "session")}};
            const std::string value = "request";
            auto response = co_await session.get(
                site.url(),
                {.headers = http::headers("x-a", value, "Accept", "text/html", "Host", "elsewhere")});
            const std::string& request = site.requests.at(0);
            EXPECT_NE(request.find("x-a: request\r\n"), std::string::npos);
            EXPECT_EQ(request.find("X-A: session"), std::string::npos);
            EXPECT_NE(request.find("X-B: session\r\n"), std::string::npos);
            EXPECT_NE(request.find("Accept: text/html\r\n"), std::string::npos);
            EXPECT_EQ(request.find("*/*"), std::string::npos);
            EXPECT_NE(request.find("Host: elsewhere\r\n"), std::string::npos);
            EXPECT_EQ(request.find("127.0.0.1"), std::string::npos);
        });
    });
}

TEST_P(ClientSession, AddsParametersToTheQuery) {
    run([]() -> Coro<> {
        co_await with_site(answers(hello), [](Site& site) -> Coro<> {
            http::ClientSession session;
            auto response =
                co_await session.get(site.url("/?x=1"), {.params = http::params("q", "a b", "r", "&")});
            EXPECT_EQ(site.requests.at(0).substr(0, site.requests.at(0).find("\r\n")),
                      "GET /?x=1&q=a+b&r=%26 HTTP/1.1");
        });
    });
}

TEST_P(ClientSession, PostsABody) {
    run([]() -> Coro<> {
        co_await with_site(answers(hello), [](Site& site) -> Coro<> {
            http::ClientSession session;
            auto first = co_await session.post(site.url(), http::text("some text"));
            auto second = co_await session.post(site.url(), http::bytes(std::string_view("\0\1", 2)),
                                                {.headers = http::headers("Content-Type", "x/y")});
            auto third = co_await session.post(site.url());
            EXPECT_NE(
                site.requests.at(0).find("Content-Type: text/plain; charset=utf-8\r\nContent-Length: 9\r\n"),
                std::string::npos);
            EXPECT_TRUE(site.requests.at(0).ends_with("\r\n\r\nsome text"));
            EXPECT_NE(site.requests.at(1).find("Content-Type: x/y\r\n"), std::string::npos);
            EXPECT_EQ(site.requests.at(1).find("octet-stream"), std::string::npos);
            EXPECT_NE(site.requests.at(2).find("Content-Length: 0\r\n"), std::string::npos);
        });
    });
}

TEST_P(ClientSession, CopiesWhatARequestNeedsBeforeItReturns) {
    run([]() -> Coro<> {
        co_await with_site(answers(hello), [](Site& site) -> Coro<> {
            http::ClientSession session;
            auto make = [&](http::ClientSession& s) {
                std::string url = site.url("/gone");
                std::string value = "a value that is too long to be stored inside of a std::string";
                std::string body = "a body that is too long to be stored inside of a std::string";
                return s.post(url, http::text(body), {.headers = http::headers("X-Long", value)});
            };
            Coro<http::ClientResponse> request = make(session);
            auto response = co_await std::move(request);
            EXPECT_NE(site.requests.at(0).find("POST /gone "), std::string::npos);
            EXPECT_NE(site.requests.at(0).find("X-Long: a value that is too long"), std::string::npos);
        });
    });
}

TEST_P(ClientSession, SendsTheOtherMethods) {
    run([]() -> Coro<> {
        co_await with_site(answers("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), [](Site& site) -> Coro<> {
            http::ClientSession session;
            auto a = co_await session.put(site.url(), http::text("x"));
            auto b = co_await session.patch(site.url(), http::text("x"));
            auto c = co_await session.delete_(site.url());
            auto d = co_await session.options(site.url());
            auto e = co_await session.request("PURGE", site.url());
            std::string methods;
            for (const std::string& request : site.requests) methods += request.substr(0, request.find('/'));
            EXPECT_EQ(methods, "PUT PATCH DELETE OPTIONS PURGE ");
            EXPECT_EQ(site.connections, 1);
        });
    });
}

TEST_P(ClientSession, AHeadResponseHasNoBodyWhateverItsLengthSays) {
    run([]() -> Coro<> {
        co_await with_site(answers("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
                           [](Site& site) -> Coro<> {
                               http::ClientSession session;
                               auto response = co_await session.head(site.url());
                               EXPECT_EQ(response.content_length(), 1000u);
                               std::string body = co_await response.read();
                               EXPECT_EQ(body, "");
                               EXPECT_EQ(session.connections().idle, 1u);
                           });
    });
}

TEST_P(ClientSession, ReadsChunkedBodies) {
    run([]() -> Coro<> {
        co_await with_site(answers("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                   "5\r\nhello\r\n1;x=y\r\n \r\n5\r\nworld\r\n0\r\nTrailer: t\r\n\r\n"),
                           [](Site& site) -> Coro<> {
                               http::ClientSession session;
                               for (int i = 0; i < 3; ++i) {
                                   auto response = co_await session.get(site.url());
                                   std::string body = co_await response.text();
                                   EXPECT_EQ(body, "hello world");
                               }
                               EXPECT_EQ(site.connections, 1);
                           });
    });
}

TEST_P(ClientSession, ReadsABodyThatEndsWithTheConnection) {
    run([]() -> Coro<> {
        co_await with_site(answers("HTTP/1.0 200 OK\r\n\r\nall of it", 1), [](Site& site) -> Coro<> {
            http::ClientSession session;
            auto response = co_await session.get(site.url());
            EXPECT_EQ(response.version, http::HttpVersion::http_1_0);
            std::string body = co_await response.text();
            EXPECT_EQ(body, "all of it");
            EXPECT_EQ(session.connections().idle, 0u);
        });
    });
}

TEST_P(ClientSession, SkipsInterimResponses) {
    run([]() -> Coro<> {
        co_await with_site(answers("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
                                   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
                           [](Site& site) -> Coro<> {
                               http::ClientSession session;
                               auto response = co_await session.get(site.url());
                               EXPECT_EQ(response.status, 200);
                               std::string body = co_await response.text();
                               EXPECT_EQ(body, "ok");
                           });
    });
}

TEST_P(ClientSession, AResponseIsAScopeForWith) {
    run([]() -> Coro<> {
        co_await with_site(answers(hello), [](Site& site) -> Coro<> {
            http::ClientSession session;
            std::string page =
                co_await with(session.get(site.url()), [&](http::ClientResponse& r) -> Coro<std::string> {
                    EXPECT_EQ(r.status, 200);
                    co_return co_await r.text();
                });
            EXPECT_EQ(page, "hello");
        });
    });
}

TEST_P(ClientSession, ASessionIsAScopeForWith) {
    run([]() -> Coro<> {
        co_await with_site(answers(hello), [](Site& site) -> Coro<> {
            co_await with(http::ClientSession{{.limit = 3}}, [&](http::ClientSession& session) -> Coro<> {
                auto response = co_await session.get(site.url());
                std::string body = co_await response.text();
                EXPECT_EQ(body, "hello");
            });
        });
    });
}

TEST_P(ClientSession, GetsATemporarysText) {
    run([]() -> Coro<> {
        co_await with_site(answers(hello), [](Site& site) -> Coro<> {
            http::ClientSession session;
            std::string text = co_await (co_await session.get(site.url())).text();
            EXPECT_EQ(text, "hello");
            Coro<std::string> later = (co_await session.get(site.url())).read();
            std::string body = co_await std::move(later);
            EXPECT_EQ(body, "hello");
        });
    });
}

TEST_P(ClientSession, RequestsCanBeGathered) {
    run([]() -> Coro<> {
        co_await with_site(answers(hello), [](Site& site) -> Coro<> {
            http::ClientSession session;
            std::vector<Coro<http::ClientResponse>> requests;
            for (int i = 0; i < 20; ++i) requests.push_back(session.get(site.url()));
            auto responses = co_await gather(std::move(requests));
            EXPECT_EQ(responses.size(), 20u);
            for (auto& response : responses) {
                std::string text = co_await response.text();
                EXPECT_EQ(text, "hello");
            }
        });
    });
}

TEST_P(ClientSession, GivesTheBodyInPieces) {
    run([]() -> Coro<> {
        auto handler = [](Site&, StreamReader& reader, StreamWriter& writer) -> Coro<> {
            co_await read_request(reader);
            co_await writer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n");
            co_await writer.send("9\r\ntwo\nthree\r\n1\r\n\n\r\n4\r\nfour\r\n0\r\n\r\n");
            co_await read_request(reader);
        };
        co_await with_site(handler, [](Site& site) -> Coro<> {
            http::ClientSession session;
            {
                auto response = co_await session.get(site.url());
                std::string all;
                while (auto piece = co_await response.content().read_chunk()) {
                    EXPECT_FALSE(piece->empty());
                    all += *piece;
                }
                EXPECT_EQ(all, "one\ntwo\nthree\nfour");
                EXPECT_TRUE(response.content().at_eof());
                std::string more = co_await response.content().readany();
                EXPECT_EQ(more, "");
                EXPECT_THROW(co_await response.read(), RuntimeError) << "a part was taken";
            }
            auto response = co_await session.get(site.url());
            std::string line = co_await response.content().readline();
            EXPECT_EQ(line, "one\n");
            std::string three = co_await response.content().readexactly(3);
            EXPECT_EQ(three, "two");
            std::string some = co_await response.content().read(1);
            EXPECT_EQ(some, "\n");
            line = co_await response.content().readline();
            EXPECT_EQ(line, "three\n");
            line = co_await response.content().readline();
            EXPECT_EQ(line, "four");
            line = co_await response.content().readline();
            EXPECT_EQ(line, "");
            EXPECT_TRUE(response.content().at_eof());
            EXPECT_THROW(co_await response.content().readexactly(1), IncompleteReadError);
        });
    });
}

TEST_P(ClientSession, StatusesFrom400CountAsFailuresWhenAskedTo) {
    run([]() -> Coro<> {
        co_await with_site(answers("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nX-A: b\r\n\r\ngone"),
                           [](Site& site) -> Coro<> {
                               http::ClientSession session;
                               auto response = co_await session.get(site.url("/x"));
                               EXPECT_FALSE(response.ok());
                               try {
                                   response.raise_for_status();
                                   ADD_FAILURE() << "nothing was thrown";
                               } catch (const http::ClientResponseError& e) {
                                   EXPECT_EQ(e.status(), 404);
                                   EXPECT_EQ(e.message(), "Not Found");
                                   EXPECT_EQ(e.headers()->get("x-a", ""), "b");
                                   EXPECT_EQ(e.what(), "GET " + site.url("/x") + ": 404 Not Found");
                               }
                               std::string body = co_await response.text();
                               EXPECT_EQ(body, "gone") << "the body can still be read";
                               EXPECT_THROW(co_await session.get(site.url(), {.raise_for_status = true}),
                                            http::ClientResponseError);
                               http::ClientSession strict{{.raise_for_status = true}};
                               EXPECT_THROW(co_await strict.get(site.url()), http::ClientResponseError);
                               auto lenient = co_await strict.get(site.url(), {.raise_for_status = false});
                               EXPECT_EQ(lenient.status, 404);
                           });
    });
}

TEST_P(ClientSession, SendsUserNameAndPasswordOfTheUrlAndNamesThemNowhere) {
    run([]() -> Coro<> {
        co_await with_site(answers("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"), [](Site& site) -> Coro<> {
            http::ClientSession session{{.raise_for_status = true}};
            const std::string url = "http://us%20er:secret@127.0.0.1:" + std::to_string(site.port) + "/";
            std::string failure = co_await failure_of(session, url);
            EXPECT_EQ(failure, "GET " + site.url() + ": 401 No");
            EXPECT_NE(site.requests.at(0).find("Authorization: Basic dXMgZXI6c2VjcmV0\r\n"),
                      std::string::npos);
        });
    });
}

TEST_P(ClientSession, UseOfABadUrlFailsWhenAwaitedAndNamesIt) {
    run([]() -> Coro<> {
        http::ClientSession session;
        for (const char* url : {"", "nonsense", "http://", "http://h:99999/", "ftp://h/x", "http://a b/"}) {
            Coro<http::ClientResponse> request = session.get(url);
            EXPECT_THROW(co_await std::move(request), http::InvalidURL) << url;
        }
        std::string failure = co_await failure_of(session, "ftp://h/x");
        EXPECT_EQ(failure,
                  "invalid URL 'ftp://h/x': the scheme is 'ftp', and only http and https are spoken here");
    });
}

TEST_P(ClientSession, RefusesHeadersThatWouldSmuggle) {
    run([]() -> Coro<> {
        http::ClientSession session;
        EXPECT_THROW(co_await session.get("http://h/", {.headers = http::headers("X", "a\r\nB: c")}),
                     ValueError);
        EXPECT_THROW(co_await session.get("http://h/", {.headers = http::headers("X Y", "a")}), ValueError);
        EXPECT_THROW(co_await session.get("http://h/", {.headers = http::headers("Content-Length", "3")}),
                     ValueError);
        EXPECT_THROW(co_await session.get("http://h/", {.headers = http::headers("transfer-encoding", "x")}),
                     ValueError);
        EXPECT_THROW(co_await session.request("GE T", "http://h/"), ValueError);
        EXPECT_THROW(co_await session.request("CONNECT", "http://h/"), ValueError);
        EXPECT_THROW(http::ClientSession({.headers = http::headers("A\n", "b")}), ValueError);
        const auto twice = http::headers("Host", "a", "host", "b");
        EXPECT_THROW(co_await session.get("http://h/", {.headers = twice}), ValueError);
        http::ClientSession of_two({.headers = twice});
        std::string failure = co_await failure_of(of_two, "http://h/");
        EXPECT_EQ(failure, "more than one Host header: a request is for one host");
    });
}

TEST_P(ClientSession, OneThatWasMovedFromIsClosedAndRefusesRequests) {
    run([]() -> Coro<> {
        http::ClientSession session;
        http::ClientSession moved = std::move(session);
        EXPECT_TRUE(session.closed());  // NOLINT(bugprone-use-after-move)
        EXPECT_FALSE(moved.closed());
        EXPECT_EQ(session.connections().idle, 0u);
        std::string failure = co_await failure_of(session, "http://h/");
        EXPECT_EQ(failure, "this ClientSession was moved from: use the one that it was moved into");
        co_await session.close();
        co_await with(session, [] {});
        session = std::move(moved);
        EXPECT_FALSE(session.closed());
    });
}

TEST_P(ClientSession, ALargeBodyGoesBothWays) {
    run([]() -> Coro<> {
        auto echo = [](Site&, StreamReader& reader, StreamWriter& writer) -> Coro<> {
            const std::string request = co_await read_request(reader);
            const std::string body = request.substr(request.find("\r\n\r\n") + 4);
            co_await writer.send(
                "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n", body);
            co_await reader.read(1);
        };
        co_await with_site(echo, [](Site& site) -> Coro<> {
            http::ClientSession session;
            std::string body(8 << 20, ' ');
            for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 31 >> 8);
            auto response = co_await session.post(site.url(), http::bytes(body));
            std::string answer = co_await response.read();
            EXPECT_TRUE(answer == body);
        });
    });
}

TEST_P(ClientSession, AnAnswerThatComesBeforeTheBodyIsSentCounts) {
    run([]() -> Coro<> {
        auto refuse = [](Site&, StreamReader& reader, StreamWriter& writer) -> Coro<> {
            std::string head = co_await reader.readuntil("\r\n\r\n");
            co_await writer.send("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno");
            co_await reader.read(1 << 20);  // of much more
        };
        co_await with_site(refuse, [](Site& site) -> Coro<> {
            http::ClientSession session;
            const std::string body(64 << 20, 'x');
            auto response = co_await session.post(site.url(), http::bytes(body));
            EXPECT_EQ(response.status, 413);
            std::string text = co_await response.text();
            EXPECT_EQ(text, "no");
            EXPECT_EQ(session.connections().idle, 0u) << "half a request is on it";
        });
    });
}

}  // namespace
