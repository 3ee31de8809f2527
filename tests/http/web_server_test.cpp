// What a server does with requests, good and bad, over real sockets.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/web_support.hpp"

namespace asyncio::test { namespace {

class WebServer : public WebTest {};
ASYNCIO_ON_REAL_BACKENDS(WebServer);

Coro<web::Response> hello(web::Request&) { co_return web::Response("Hello, World!"); }

Coro<web::Response> echo(web::Request& request) {
    std::string body = co_await request.read();
    co_return web::Response(std::move(body));
}

Coro<web::Response> path_of(web::Request& request) { co_return web::Response(std::string(request.path())); }

TEST_P(WebServer, AnswersWithWhatTheHandlerReturns) {
    web::Application app;
    app.add_get("/", hello);
    serve(app, [](web::Site& site) -> Coro<> {
        Client client = co_await Client::connect(site.port());
        const Reply reply = co_await client.ask(get("/"));
        EXPECT_EQ(reply.fault, "");
        EXPECT_EQ(reply.status, 200);
        EXPECT_EQ(reply.reason, "OK");
        EXPECT_EQ(reply.body, "Hello, World!");
        EXPECT_EQ(reply.header("Content-Type"), "text/plain; charset=utf-8");
        EXPECT_EQ(reply.header("Content-Length"), "13");
        EXPECT_EQ(reply.header("Date").size(), std::string_view("Sun, 06 Nov 1994 08:49:37 GMT").size());
        EXPECT_TRUE(reply.header("Server").starts_with("asyncio/"));
        EXPECT_FALSE(reply.headers.contains("Connection"));
    });
}

TEST_P(WebServer, ServesManyRequestsOnOneConnectionAndManyConnections) {
    web::Application app;
    app.add_get("/{n}", path_of);
    serve(app, [](web::Site& site) -> Coro<> {
        const auto visit = [](std::uint16_t port, int number) -> Coro<int> {
            Client client = co_await Client::connect(port);
            int answered = 0;
            for (int i = 0; i < 20; ++i) {
                const std::string path = "/" + std::to_string(number * 100 + i);
                const Reply reply = co_await client.ask(get(path));
                answered += reply.body == path && reply.keep_alive;
            }
            co_return answered;
        };
        std::vector<Coro<int>> visits;
        for (int i = 0; i < 50; ++i) visits.push_back(visit(site.port(), i));
        const std::vector<int> answered = co_await gather(std::move(visits));
        for (const int each : answered) EXPECT_EQ(each, 20);
    });
}

TEST_P(WebServer, AnswersPipelinedRequestsInOrder) {
    web::Application app;
    app.add_get("/slow", [](web::Request&) -> Coro<web::Response> {
        for (int i = 0; i < 50; ++i) co_await sleep(std::chrono::seconds(0));
        co_return web::Response("slow");
    });
    app.add_get("/fast", hello);
    app.add_post("/echo", echo);
    serve(app, [](web::Site& site) -> Coro<> {
        Client client = co_await Client::connect(site.port());
        co_await client.send(get("/slow") + get("/fast") + post("/echo", "one") + post("/none", "skipped") +
                             post("/echo", "two") + get("/slow", "Connection: close\r\n"));
        std::vector<std::string> bodies;
        for (int i = 0; i < 6; ++i) {
            const Reply reply = co_await client.reply();
            bodies.push_back(reply.body);
            EXPECT_EQ(reply.keep_alive, i != 5) << i;
        }
        EXPECT_EQ(bodies, (std::vector<std::string>{"slow", "Hello, World!", "one", "404: Not Found", "two",
                                                    "slow"}));
        const std::string rest = co_await client.rest();
        EXPECT_EQ(rest, "");
    });
}

TEST_P(WebServer, ReadsARequestThatComesByteByByte) {
    web::Application app;
    app.add_post("/echo", echo);
    serve(app, [](web::Site& site) -> Coro<> {
        Client client = co_await Client::connect(site.port());
        const std::string request =
            "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
            "chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n";
        for (const char byte : request) {
            co_await client.send(std::string(1, byte));
            co_await sleep(std::chrono::seconds(0));
        }
        const Reply reply = co_await client.reply();
        EXPECT_EQ(reply.body, "hello!");
        EXPECT_TRUE(reply.keep_alive);
    });
}

TEST_P(WebServer, AnswersHeadAsGetWithoutTheBody) {
    web::Application app;
    app.add_get("/", hello);
    app.add_get("/large", [](web::Request&) -> Coro<web::Response> {
        co_return web::Response(std::string(9999, 'x'));
    });
    app.add_route("HEAD", "/told", [](web::Request&) -> Coro<web::Response> {
        web::Response response;
        response.headers().set("Content-Length", "12345");
        co_return response;
    });
    serve(app, [](web::Site& site) -> Coro<> {
        Client client = co_await Client::connect(site.port());
        for (const auto& [path, length] :
             {std::pair("/", "13"), std::pair("/large", "9999"), std::pair("/told", "12345")}) {
            const std::string request = "HEAD " + std::string(path) + " HTTP/1.1\r\nHost: a\r\n\r\n";
            const Reply reply = co_await client.ask(request, "HEAD");
            EXPECT_EQ(reply.status, 200) << path;
            EXPECT_EQ(reply.header("Content-Length"), length);
            EXPECT_EQ(reply.body, "");
        }
        const Reply missing = co_await client.ask("HEAD /none HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD");
        EXPECT_EQ(missing.status, 404);
        const Reply last = co_await client.ask(get("/"));  // no byte too many was sent before
        EXPECT_EQ(last.body, "Hello, World!");
    });
}

// A body that is not to be sent is not sent, whether it is small and would be joined to the head, or large
// and would be a part of its own: what follows the head is the next response.
TEST_P(WebServer, SendsNoBodyWithStatusesThatHaveNone) {
    web::Application app;
    app.add_route("*", "/{status}/{size}", [](web::Request& request) -> Coro<web::Response> {
        const int status = std::stoi(std::string(request.match_info("status")));
        const auto size = static_cast<std::size_t>(std::stoi(std::string(request.match_info("size"))));
        co_return web::Response(std::string(size, 'x'), {.status = status});
    });
    app.add_get("/", hello);
    serve(app, [](web::Site& site) -> Coro<> {
        Client client = co_await Client::connect(site.port());
        for (const char* size : {"4096", "4097"}) {
            for (const auto& [method, status] : {std::pair("GET", "204"), std::pair("GET", "304"),
                                                 std::pair("HEAD", "304"), std::pair("HEAD", "200")}) {
                const std::string path = "/" + std::string(status) + "/" + size;
                const std::string request = method + (" " + path) + " HTTP/1.1\r\nHost: a\r\n\r\n";
                const Reply reply = co_await client.ask(request, method);
                EXPECT_EQ(std::to_string(reply.status), status) << path;
                const Reply next = co_await client.ask(get("/"));
                EXPECT_EQ(next.fault, "") << method << " " << path;
                EXPECT_EQ(next.body, "Hello, World!") << method << " " << path;
                if (!next.keep_alive) client = co_await Client::connect(site.port());
            }
        }
        const Reply whole = co_await client.ask(get("/200/4097"));
        EXPECT_EQ(whole.body.size(), 4097u);
    });
}

TEST_P(WebServer, SpeaksHttp10) {
    web::Application app;
    app.add_get("/", hello);
    serve(app, [](web::Site& site) -> Coro<> {
        Client client = co_await Client::connect(site.port());
        const Reply kept = co_await client.ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        EXPECT_EQ(kept.body, "Hello, World!");
        EXPECT_EQ(kept.header("Connection"), "keep-alive");
        const Reply last = co_await client.ask("GET / HTTP/1.0\r\n\r\n");
        EXPECT_EQ(last.header("Connection"), "close");
        const std::string rest = co_await client.rest();
        EXPECT_EQ(rest, "");
    });
}

TEST_P(WebServer, ClosesWhenEitherSideSaysSo) {
    web::Application app;
    app.add_get("/", hello);
    app.add_get("/last", [](web::Request&) -> Coro<web::Response> {
        web::Response response("bye");
        response.headers().set("Connection", "close");
        co_return response;
    });
    serve(app, [](web::Site& site) -> Coro<> {
        for (const std::string& request : {get("/", "Connection: close\r\n"), get("/last")}) {
            Client client = co_await Client::connect(site.port());
            const Reply reply = co_await client.ask(request);
            EXPECT_EQ(reply.status, 200);
            EXPECT_EQ(reply.headers.get_all("Connection"), std::vector<std::string_view>{"close"});
            const std::string rest = co_await client.rest();
            EXPECT_EQ(rest, "");
        }
        // Half-closed by the client: it still gets its answer.
        Client client = co_await Client::connect(site.port());
        co_await client.send(get("/"));
        client.finish();
        const Reply reply = co_await client.reply();
        EXPECT_EQ(reply.body, "Hello, World!");
    });
}

TEST_P(WebServer, GivesTheHandlerWhatTheClientAsked) {
    web::Application app;
    bool called = false;
    app.add_get("/user/{name}/file-{n}.txt", [&](web::Request& request) -> Coro<web::Response> {
        called = true;
        EXPECT_EQ(request.method(), "GET");
        EXPECT_EQ(request.version(), proto::HttpVersion::http_1_1);
        EXPECT_EQ(request.match_info("name"), "J\xc3\xb6 \xc3\x84/x");
        EXPECT_EQ(request.match_info("n"), "7");
        EXPECT_THROW(request.match_info("other"), ValueError);
        EXPECT_EQ(request.path(), "/user/J\xc3\xb6 \xc3\x84/x/file-7.txt");
        EXPECT_EQ(request.raw_path(), "/user/J%c3%b6%20%C3%84%2Fx/file-7.txt");
        EXPECT_EQ(request.query_string(), "a=1&b=%20x+y&a=2&c");
        EXPECT_EQ(request.query("a"), "1");
        EXPECT_EQ(request.query("b"), " x y");
        EXPECT_EQ(request.query("c"), "");
        EXPECT_EQ(request.query("d"), std::nullopt);
        EXPECT_EQ(request.query("d", "none"), "none");
        EXPECT_EQ(request.query().size(), 4u);
        EXPECT_EQ(request.headers().get("x-custom", ""), "yes");
        EXPECT_EQ(request.host(), "test");
        EXPECT_EQ(request.url(), "http://test" + std::string(request.path_qs()));
        EXPECT_EQ(request.remote(), "127.0.0.1");
        EXPECT_TRUE(request.keep_alive());
        EXPECT_FALSE(request.body_exists());
        const std::string body = co_await request.read();
        EXPECT_EQ(body, "");
        co_return web::Response();
    });
    serve(app, [](web::Site& site) -> Coro<> {
        Client client = co_await Client::connect(site.port());
        const Reply reply = co_await client.ask(
            get("/user/J%c3%b6%20%C3%84%2Fx/file-7.txt?a=1&b=%20x+y&a=2&c", "X-Custom: yes\r\n"));
        EXPECT_EQ(reply.status, 200);
        EXPECT_EQ(reply.header("Content-Length"), "0");
    });
    EXPECT_TRUE(called);
}

TEST_P(WebServer, AnAbsoluteTargetSaysForWhichHostARequestIs) {
    web::Application app;
    app.add_get("/where", [](web::Request& request) -> Coro<web::Response> {
        co_return web::Response(request.host() + " " + request.url() + " " + std::string(request.path()));
    });
    serve(app, [](web::Site& site) -> Coro<> {
        Client client = co_await Client::connect(site.port());
        const Reply plain = co_await client.ask("GET /where HTTP/1.1\r\nHost: evil.example\r\n\r\n");
        EXPECT_EQ(plain.body, "evil.example http://evil.example/where /where");
        // RFC 9112 §3.2.2: the Host is ignored then.
        const Reply absolute =
            co_await client.ask("GET http://good.example:81/where HTTP/1.1\r\nHost: evil.example\r\n\r\n");
        EXPECT_EQ(absolute.body, "good.example:81 http://good.example:81/where /where");
        EXPECT_TRUE(absolute.keep_alive);
        // RFC 9110 §7.4: this connection is not secured.
        const Reply secured =
            co_await client.ask("GET https://good.example/where HTTP/1.1\r\nHost: good.example\r\n\r\n");
        EXPECT_EQ(secured.status, 421);
        EXPECT_TRUE(secured.keep_alive);
        const Reply other =
            co_await client.ask("GET ftp://good.example/where HTTP/1.1\r\nHost: good.example\r\n\r\n");
        EXPECT_EQ(other.status, 400);
        EXPECT_FALSE(other.keep_alive);
    });
}

TEST_P(WebServer, NamesTheMethodsOfAPathThatHasOthers) {
    web::Application app;
    app.add_get("/thing/{id}", hello);
    app.add_put("/thing/{id}", hello);
    app.add_delete("/thing/{id}", hello);
    app.add_patch("/thing/{id}", echo);
    app.add_route("*", "/any", hello);
    serve(app, [](web::Site& site) -> Coro<> {
        Client client = co_await Client::connect(site.port());
        const Reply wrong = co_await client.ask(post("/thing/1", "body"));
        EXPECT_EQ(wrong.status, 405);
        EXPECT_EQ(wrong.header("Allow"), "DELETE, GET, HEAD, PATCH, PUT");
        const Reply patched = co_await client.ask(
            "PATCH /thing/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\npatch", "PATCH");
        EXPECT_EQ(patched.status, 200);
        EXPECT_EQ(patched.body, "patch");
        const Reply missing = co_await client.ask(get("/thing"));
        EXPECT_EQ(missing.status, 404);
        EXPECT_FALSE(missing.headers.contains("Allow"));
        const Reply any = co_await client.ask("PATCH /any HTTP/1.1\r\nHost: a\r\n\r\n");
        EXPECT_EQ(any.status, 200);
    });
}

TEST_P(WebServer, AResponseIsSentWithTheBodyThatItHasInTheEnd) {
    web::Application app;
    app.add_get("/", [](web::Request&) -> Coro<web::Response> {
        web::Response response("a first thought", {.status = 201});
        response.set_body("the second, which is longer");
        co_return response;
    });
    serve(app, [](web::Site& site) -> Coro<> {
        Client client = co_await Client::connect(site.port());
        const Reply reply = co_await client.ask(get("/"));
        EXPECT_EQ(reply.status, 201);
        EXPECT_EQ(reply.body, "the second, which is longer");
        EXPECT_EQ(reply.header("Content-Length"), "27");
    });
}

// ---- bodies -------------------------------------------------------------------------------------

TEST_P(WebServer, AResponseThatWasMovedFromIsAnEmptyOne) {
    web::Response own("text", {.reason = "Fine", .content_type = "text/x-unheard-of"});
    const web::Response first = std::move(own);
    EXPECT_EQ(first.content_type(), "text/x-unheard-of");
    // NOLINTBEGIN(bugprone-use-after-move)
    EXPECT_EQ(own.content_type(), "");
    EXPECT_EQ(own.reason(), "");
    EXPECT_EQ(own.body(), "");
    EXPECT_TRUE(std::as_const(own).headers().empty());
    own.set_content_type("text/x-another");
    const web::Response second = std::move(own);
    EXPECT_EQ(second.content_type(), "text/x-another");
    const web::Response copy = own;
    EXPECT_EQ(copy.content_type(), "");
    // NOLINTEND(bugprone-use-after-move)
}

// A handler that gives away the same response for ever.
TEST_P(WebServer, AHandlerMayReturnAResponseThatItHasMovedFrom) {
    web::Application app;
    static web::Response kept;
    kept = web::Response("once", {.content_type = "text/x-unheard-of"});
    app.add_get("/", [](web::Request&) -> Coro<web::Response> { co_return std::move(kept); });
    serve(app, [](web::Site& site) -> Coro<> {
        Client client = co_await Client::connect(site.port());
        const Reply first = co_await client.ask(get("/"));
        EXPECT_EQ(first.body, "once");
        EXPECT_EQ(first.header("Content-Type"), "text/x-unheard-of");
        const Reply second = co_await client.ask(get("/"));
        EXPECT_EQ(second.fault, "");
        EXPECT_EQ(second.body, "");
        EXPECT_FALSE(second.headers.contains("Content-Type"));
    });
}

TEST_P(WebServer, RefusesABodyThatIsTooLargeAndTheClientHearsOfIt) {
    // Declared, and in chunks that grow beyond it while the client goes on sending: closing at once would
    // reset the connection and with it the answer.
    web::Application app({.client_max_size = 1000});
    app.add_post("/echo", echo);
    serve(app, [](web::Site& site) -> Coro<> {
        Client exact = co_await Client::connect(site.port());
        const Reply fits = co_await exact.ask(post("/echo", std::string(1000, 'x')));
        EXPECT_EQ(fits.body.size(), 1000u);
        // A little too large: read, thrown away, and the connection stays.
        const Reply little = co_await exact.ask(post("/echo", std::string(1001, 'x')));
        EXPECT_EQ(little.status, 413);
        EXPECT_EQ(little.body, "Maximum request body size 1000 exceeded, actual body size 1001");
        EXPECT_TRUE(little.keep_alive);
        const Reply after = co_await exact.ask(post("/echo", "still there"));
        EXPECT_EQ(after.body, "still there");

        Client declared = co_await Client::connect(site.port());
        const Reply large = co_await declared.ask(post("/echo", std::string(3'000'000, 'x')));
        EXPECT_EQ(large.fault, "");
        EXPECT_EQ(large.status, 413);
        EXPECT_FALSE(large.keep_alive);

        Client chunked = co_await Client::connect(site.port());
        co_await chunked.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        const std::string chunk = "10000\r\n" + std::string(0x10000, 'x') + "\r\n";
        for (int i = 0; i < 40; ++i) co_await chunked.send(chunk);
        const Reply endless = co_await chunked.reply();
        EXPECT_EQ(endless.fault, "");
        EXPECT_EQ(endless.status, 413);
        EXPECT_FALSE(endless.keep_alive);
    });
    EXPECT_TRUE(reported.empty());
}

TEST_P(WebServer, ReadsABodyInPieces) {
    web::Application app;
    app.add_post("/pieces", [](web::Request& request) -> Coro<web::Response> {
        std::string all;
        bool small = true;
        for (;;) {
            const std::string piece = co_await request.content().read(7);
            if (piece.empty()) break;
            small = small && piece.size() <= 7;
            all += piece;
        }
        EXPECT_TRUE(small);
        EXPECT_TRUE(request.content().at_eof());
        std::string refused;
        try {
            co_await request.read();
        } catch (const RuntimeError& error) {
            refused = error.what();
        }
        EXPECT_NE(refused.find("content()"), std::string::npos);
        co_return web::Response(all);
    });
    app.add_post("/any", [](web::Request& request) -> Coro<web::Response> {
        std::size_t size = 0;
        while (!request.content().at_eof()) {
            const std::string piece = co_await request.content().readany();
            size += piece.size();
        }
        co_return web::Response(std::to_string(size));
    });
    serve(app, [](web::Site& site) -> Coro<> {
        Client client = co_await Client::connect(site.port());
        const Reply sized = co_await client.ask(post("/pieces", "a body that is longer than seven bytes"));
        EXPECT_EQ(sized.body, "a body that is longer than seven bytes");
        const Reply chunked = co_await client.ask(
            "POST /pieces HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
            "chunked\r\n\r\n3\r\nabc\r\nc\r\ndefghijklmno\r\n0\r\nX: y\r\n\r\n");
        EXPECT_EQ(chunked.body, "abcdefghijklmno");
        const Reply large =
            co_await client.ask(post("/any", std::string(2'000'000, 'x')));  // beyond client_max_size
        EXPECT_EQ(large.body, "2000000");
        const Reply empty = co_await client.ask(post("/any", ""));
        EXPECT_EQ(empty.body, "0");
    });
}

TEST_P(WebServer, ThrowsAwayABodyThatNobodyWantsIfItIsShort) {
    web::Application app;
    app.add_post("/ignore", hello);
    serve(app, [](web::Site& site) -> Coro<> {
        Client client = co_await Client::connect(site.port());
        // The body comes after the response: it is waited for, and the next request is found behind it.
        const Reply first =
            co_await client.ask("POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345");
        EXPECT_EQ(first.body, "Hello, World!");
        EXPECT_TRUE(first.keep_alive);
        const Reply second = co_await client.ask("67890" + post("/ignore", "whole"));
        EXPECT_EQ(second.body, "Hello, World!");
        // A long one costs the connection.
        const Reply last =
            co_await client.ask("POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n12345");
        EXPECT_EQ(last.body, "Hello, World!");
        EXPECT_FALSE(last.keep_alive);
        const std::string rest = co_await client.rest();
        EXPECT_EQ(rest, "");
    });
}

TEST_P(WebServer, SendsContinueWhenTheHandlerReads) {
    web::Application app;
    app.add_post("/echo", echo);
    app.add_post("/ignore", hello);
    serve(app, [](web::Site& site) -> Coro<> {
        Client client = co_await Client::connect(site.port());
        const std::string head = " HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-Continue\r\n\r\n";
        co_await client.send("POST /echo" + head);
        const std::string interim = co_await client.some();
        EXPECT_EQ(interim, "HTTP/1.1 100 Continue\r\n\r\n");
        const Reply reply = co_await client.ask("body");
        EXPECT_EQ(reply.body, "body");
        EXPECT_TRUE(reply.keep_alive);

        // The body came with the head: nothing to ask for.
        const Reply at_once = co_await client.ask("POST /echo" + head + "body");
        EXPECT_EQ(at_once.body, "body");

        // Not read: the final answer alone, and no more requests, since the body may or may not come.
        co_await client.send("POST /ignore" + head);
        const std::string answer = co_await client.rest();
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
        EXPECT_NE(answer.find("Connection: close\r\n"), std::string::npos);

        Client other = co_await Client::connect(site.port());
        const Reply unknown = co_await other.ask(post("/echo", "body", "Expect: a miracle\r\n"));
        EXPECT_EQ(unknown.status, 417);
    });
}

// ---- what clients do wrong ----------------------------------------------------------------------

TEST_P(WebServer, RefusesWhatIsNoRequestWithTheRightStatusAndCloses) {
    web::Application app;
    app.add_get("/", hello);
    app.add_post("/", echo);
    struct Case {
        std::string bytes;
        int status;
    };
    const std::string start = "GET / HTTP/1.1\r\nHost: a\r\n";
    const std::string body = "POST / HTTP/1.1\r\nHost: a\r\n";
    const std::vector<Case> cases = {
        {"this is no request\r\n\r\n", 400},
        {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400},  // a TLS hello
        {"GET / HTTP/1.1\r\n\r\n", 400},                                // no Host
        {start + "Host: b\r\n\r\n", 400},
        {"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501},  // no method that is known
        {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
        {"GET / HTTP/1.1\nHost: a\n\n", 400},
        {start + "Bad Name: x\r\n\r\n", 400},
        {start + "Name : x\r\n\r\n", 400},
        {start + "X: a\x01"
                 "b\r\n\r\n",
         400},
        {start + " folded\r\n\r\n", 400},
        {"GET /" + std::string(9000, 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n", 414},
        {start + "X: " + std::string(9000, 'x') + "\r\n\r\n", 431},
        {body + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        {body + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nx", 400},
        {body + "Content-Length: +1\r\n\r\nx", 400},
        {body + "Content-Length: 1_0\r\n\r\nx", 400},
        {body + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400},
        {body + "Transfer-Encoding: chunked\r\n\r\n0x1\r\nx\r\n0\r\n\r\n", 400},
        {body + "Transfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n", 400},
        {body + "Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n", 400},
        {body + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nx", 400},
    };
    std::string many = start;
    for (int i = 0; i < 200; ++i) many += "X-" + std::to_string(i) + ": y\r\n";
    serve(app, [&](web::Site& site) -> Coro<> {
        for (const Case& each : cases) {
            Client client = co_await Client::connect(site.port());
            const Reply reply = co_await client.ask(each.bytes);
            EXPECT_EQ(reply.status, each.status) << each.bytes.substr(0, 200) << "\n" << reply.body;
            EXPECT_FALSE(reply.keep_alive) << each.bytes.substr(0, 200);
            EXPECT_EQ(reply.headers.get("Connection", ""), "close");
            EXPECT_NE(reply.body, "");
            client.finish();
            const std::string rest = co_await client.rest();
            EXPECT_EQ(rest, "") << each.bytes.substr(0, 200);
        }
        Client client = co_await Client::connect(site.port());
        const Reply reply = co_await client.ask(many + "\r\n");
        EXPECT_EQ(reply.status, 431);
        // The good request before a bad one is answered; so is the bad one.
        Client pair = co_await Client::connect(site.port());
        const Reply good = co_await pair.ask(get("/") + "garbage\r\n\r\n");
        EXPECT_EQ(good.status, 200);
        const Reply bad = co_await pair.reply();
        EXPECT_EQ(bad.status, 400);
    });
    EXPECT_TRUE(reported.empty()) << reported.front();
}

TEST_P(WebServer, SurvivesClientsThatLeaveAtAnyPoint) {
    web::Application app;
    int finished = 0;
    std::vector<std::string> seen;
    app.add_post("/read", [&](web::Request& request) -> Coro<web::Response> {
        try {
            co_await request.read();
        } catch (const proto::PayloadEncodingError& error) {
            seen.emplace_back(error.what());
            throw;
        } catch (const OSError& error) {
            seen.emplace_back(error.what());
            throw;
        }
        co_return web::Response();
    });
    Future<>* gone = nullptr;
    Future<>* called = nullptr;
    app.add_get("/slow", [&](web::Request&) -> Coro<web::Response> {
        called->set_result();
        co_await *gone;
        ++finished;
        co_return web::Response(std::string(10'000'000, 'x'));
    });
    serve(app, [&](web::Site& site) -> Coro<> {
        const std::string whole = post("/read", "0123456789", "X: y\r\n");
        for (std::size_t cut = 0; cut < whole.size(); cut += 9) {
            Client client = co_await Client::connect(site.port());
            co_await client.send(whole.substr(0, cut));
            client.close();
        }
        Client rude = co_await Client::connect(site.port());
        co_await rude.send(whole.substr(0, whole.size() - 5));
        rude.abort();
        // The handler is not cancelled by a client that goes away meanwhile.
        Future<> client_gone;
        Future<> handler_called;
        gone = &client_gone;
        called = &handler_called;
        Client impatient = co_await Client::connect(site.port());
        co_await impatient.send(get("/slow"));
        co_await handler_called;
        impatient.abort();
        co_await testing::wait_all_tasks_blocked();
        client_gone.set_result();
        while (site.connections() != 0) co_await sleep(std::chrono::milliseconds(1));
    });
    EXPECT_EQ(finished, 1);
    EXPECT_FALSE(seen.empty());
    EXPECT_TRUE(reported.empty()) << reported.front();
}

// ---- what handlers do wrong ---------------------------------------------------------------------

TEST_P(WebServer, TurnsAnHttpErrorIntoItsResponse) {
    web::Application app;
    app.add_get("/{status}", [](web::Request& request) -> Coro<web::Response> {
        const int status = std::stoi(std::string(request.match_info("status")));
        co_await sleep(std::chrono::seconds(0));
        if (status == 403) throw web::HTTPError(403);
        throw web::HTTPError(status, "because");
    });
    serve(app, [](web::Site& site) -> Coro<> {
        Client client = co_await Client::connect(site.port());
        const Reply teapot = co_await client.ask(get("/418"));
        EXPECT_EQ(teapot.status, 418);
        EXPECT_EQ(teapot.body, "because");
        const Reply forbidden = co_await client.ask(get("/403"));
        EXPECT_EQ(forbidden.status, 403);
        EXPECT_EQ(forbidden.body, "403: Forbidden");
        EXPECT_TRUE(forbidden.keep_alive);
    });
    EXPECT_TRUE(reported.empty());
    EXPECT_THROW(web::HTTPError(100), ValueError);
    EXPECT_THROW(web::Response("", {.status = 700}), ValueError);
    EXPECT_THROW(web::Response("", {.content_type = "text\r\nX: y"}), ValueError);
    EXPECT_THROW(web::Response("", {.reason = "O\nK"}), ValueError);
}

TEST_P(WebServer, AnswersAFailedHandlerWith500AndReportsIt) {
    web::Application app;
    app.add_get("/bad", [](web::Request&) -> Coro<web::Response> {
        throw std::runtime_error("secret of the handler");
    });
    app.add_get("/odd", [](web::Request&) -> Coro<web::Response> { throw 42; });
    app.add_get("/os", [](web::Request&) -> Coro<web::Response> {
        throw ConnectionRefusedError(111, "the database");  // not this connection's own
    });
    app.add_get("/", hello);
    serve(app, [](web::Site& site) -> Coro<> {
        Client client = co_await Client::connect(site.port());
        for (const char* path : {"/bad?x=1", "/odd", "/os"}) {
            const Reply reply = co_await client.ask(get(path));
            EXPECT_EQ(reply.status, 500) << path;
            EXPECT_EQ(reply.body.find("secret"), std::string::npos);
            EXPECT_TRUE(reply.keep_alive);
        }
        const Reply reply = co_await client.ask(get("/"));
        EXPECT_EQ(reply.status, 200);
    });
    ASSERT_EQ(reported.size(), 3u);
    EXPECT_NE(reported[0].find("GET /bad: "), std::string::npos) << reported[0];
    EXPECT_NE(reported[0].find("secret of the handler"), std::string::npos) << reported[0];
    EXPECT_NE(reported[2].find("the database"), std::string::npos) << reported[2];
}

TEST_P(WebServer, SendsTheHeadersOfTheHandlerAndItsOwnOnce) {
    web::Application app;
    app.add_get("/", [](web::Request&) -> Coro<web::Response> {
        web::Response response("{}",
                               {.status = 201, .reason = "Made Up", .content_type = "application/x-mine"});
        response.headers().add("Set-Cookie", "a=1");
        response.headers().add("Set-Cookie", "b=2");
        response.headers().add("Date", "today");
        response.headers().add("Content-Length", "77");
        response.headers().add("Transfer-Encoding", "chunked");
        co_return response;
    });
    app.add_get("/none", [](web::Request&) -> Coro<web::Response> {
        co_return web::Response("not sent", {.status = 204});
    });
    app.add_get("/json", [](web::Request&) -> Coro<web::Response> { co_return web::json_response("[]"); });
    serve(app, [](web::Site& site) -> Coro<> {
        Client client = co_await Client::connect(site.port());
        const Reply reply = co_await client.ask(get("/"));
        EXPECT_EQ(reply.status, 201);
        EXPECT_EQ(reply.reason, "Made Up");
        EXPECT_EQ(reply.body, "{}");
        EXPECT_EQ(reply.headers.get_all("Set-Cookie").size(), 2u);
        EXPECT_EQ(reply.headers.get_all("Date"), std::vector<std::string_view>{"today"});
        EXPECT_EQ(reply.headers.get_all("Content-Length"), std::vector<std::string_view>{"2"});
        EXPECT_EQ(reply.headers.get_all("Content-Type"), std::vector<std::string_view>{"application/x-mine"});
        EXPECT_FALSE(reply.headers.contains("Transfer-Encoding"));
        const Reply none = co_await client.ask(get("/none"));
        EXPECT_EQ(none.status, 204);
        EXPECT_FALSE(none.headers.contains("Content-Length"));
        const Reply json = co_await client.ask(get("/json"));
        EXPECT_EQ(json.header("Content-Type"), "application/json");
        EXPECT_EQ(json.body, "[]");
    });
}

}}  // namespace asyncio::test
