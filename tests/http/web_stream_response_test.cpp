// Responses that are sent while their handler runs.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "http/web_support.hpp"

namespace asyncio::test { namespace {

class WebStreamResponse : public WebTest {};
ASYNCIO_ON_REAL_BACKENDS(WebStreamResponse);

Coro<web::Response> three(web::Request& request) {
    web::StreamResponse response(request, {.status = 202, .content_type = "text/csv"});
    response.headers().set("X-Mine", "yes");
    co_await response.prepare();
    co_await response.write("one,");
    co_await response.write("");
    co_await response.write("two,");
    co_await response.write(std::string(5, '3'));
    co_return response.finish();
}

TEST_P(WebStreamResponse, SendsChunksAndKeepsTheConnection) {
    web::Application app;
    app.add_get("/", three);
    serve(app, [](web::Site& site) -> Coro<> {
        Client client = co_await Client::connect(site.port());
        for (int i = 0; i < 2; ++i) {
            const Reply reply = co_await client.ask(get("/"));
            EXPECT_EQ(reply.fault, "");
            EXPECT_EQ(reply.status, 202);
            EXPECT_EQ(reply.header("Transfer-Encoding"), "chunked");
            EXPECT_FALSE(reply.headers.contains("Content-Length"));
            EXPECT_EQ(reply.header("Content-Type"), "text/csv");
            EXPECT_EQ(reply.header("X-Mine"), "yes");
            EXPECT_EQ(reply.body, "one,two,33333");
            EXPECT_TRUE(reply.keep_alive);
        }
        const Reply head = co_await client.ask("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD");
        EXPECT_EQ(head.status, 202);
        EXPECT_EQ(head.body, "");
        const Reply after = co_await client.ask(get("/"));
        EXPECT_EQ(after.body, "one,two,33333");
    });
}

TEST_P(WebStreamResponse, EndsWithTheConnectionForHttp10) {
    web::Application app;
    app.add_get("/", three);
    serve(app, [](web::Site& site) -> Coro<> {
        Client client = co_await Client::connect(site.port());
        const Reply reply = co_await client.ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        EXPECT_FALSE(reply.headers.contains("Transfer-Encoding"));
        EXPECT_EQ(reply.body, "one,two,33333");
        EXPECT_FALSE(reply.keep_alive);
    });
}

TEST_P(WebStreamResponse, SendsAnAnnouncedLengthAsItIs) {
    web::Application app;
    app.add_get("/", [](web::Request& request) -> Coro<web::Response> {
        web::StreamResponse response(request, {.content_length = 3'000'000});
        co_await response.prepare();
        const std::string piece(100'000, 'x');
        for (int i = 0; i < 30; ++i) co_await response.write(piece);
        co_await response.write_eof();
        co_await response.write_eof();
        co_return response.finish();
    });
    serve(app, [](web::Site& site) -> Coro<> {
        Client client = co_await Client::connect(site.port());
        for (int i = 0; i < 2; ++i) {
            const Reply reply = co_await client.ask(get("/"));
            EXPECT_EQ(reply.fault, "");
            EXPECT_EQ(reply.header("Content-Length"), "3000000");
            EXPECT_EQ(reply.body.size(), 3'000'000u);
            EXPECT_TRUE(reply.keep_alive);
        }
    });
}

TEST_P(WebStreamResponse, ReachesTheClientPieceByPiece) {
    web::Application app;
    Future<>* go_on = nullptr;
    app.add_get("/", [&](web::Request& request) -> Coro<web::Response> {
        web::StreamResponse response(request);
        co_await response.prepare();
        co_await response.write("first");
        co_await *go_on;
        co_await response.write("second");
        co_return response.finish();
    });
    serve(app, [&](web::Site& site) -> Coro<> {
        Future<> seen;
        go_on = &seen;
        Client client = co_await Client::connect(site.port());
        co_await client.send(get("/"));
        std::string got;
        while (got.find("first") == std::string::npos) got += co_await client.some();
        EXPECT_EQ(got.find("second"), std::string::npos);
        seen.set_result();
        while (got.find("\r\n0\r\n\r\n") == std::string::npos) got += co_await client.some();
        EXPECT_TRUE(got.ends_with("5\r\nfirst\r\n6\r\nsecond\r\n0\r\n\r\n")) << got;
    });
}

TEST_P(WebStreamResponse, MayAnswerWhileItReads) {
    web::Application app;
    app.add_post("/", [](web::Request& request) -> Coro<web::Response> {
        web::StreamResponse response(request);
        co_await response.prepare();
        for (;;) {
            const std::string piece = co_await request.content().readany();
            if (piece.empty()) break;
            co_await response.write(piece);
        }
        co_return response.finish();
    });
    serve(app, [](web::Site& site) -> Coro<> {
        Client client = co_await Client::connect(site.port());
        co_await client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nping\r\n");
        std::string got;
        while (got.find("ping") == std::string::npos) got += co_await client.some();
        co_await client.send("4\r\npong\r\n0\r\n\r\n");
        while (got.find("\r\n0\r\n\r\n") == std::string::npos) got += co_await client.some();
        EXPECT_NE(got.find("pong"), std::string::npos);
        const Reply again = co_await client.ask(post("/", "echo"));
        EXPECT_EQ(again.body, "echo");
    });
}

TEST_P(WebStreamResponse, IsCutOffWhenTheHandlerFails) {
    web::Application app;
    app.add_get("/chunks", [](web::Request& request) -> Coro<web::Response> {
        web::StreamResponse response(request);
        co_await response.prepare();
        co_await response.write("begun");
        throw std::runtime_error("in the middle");
    });
    app.add_get("/error", [](web::Request& request) -> Coro<web::Response> {
        web::StreamResponse response(request);
        co_await response.prepare();
        throw web::HTTPError(404);
    });
    app.add_get("/short", [](web::Request& request) -> Coro<web::Response> {
        web::StreamResponse response(request, {.content_length = 10});
        co_await response.prepare();
        co_await response.write("short");
        co_return response.finish();
    });
    app.add_get("/other", [](web::Request& request) -> Coro<web::Response> {
        web::StreamResponse response(request);
        co_await response.prepare();
        co_return web::Response("another one");
    });
    serve(app, [](web::Site& site) -> Coro<> {
        for (const char* path : {"/chunks", "/error", "/short", "/other"}) {
            Client client = co_await Client::connect(site.port());
            const Reply reply = co_await client.ask(get(path));
            EXPECT_EQ(reply.status, 200) << path;  // it was sent already
            EXPECT_NE(reply.fault, "") << path;
        }
    });
    ASSERT_EQ(reported.size(), 4u);
    EXPECT_NE(reported[0].find("in the middle"), std::string::npos);
    EXPECT_NE(reported[2].find("5 bytes before its content_length"), std::string::npos) << reported[2];
    EXPECT_NE(reported[3].find("finish()"), std::string::npos) << reported[3];
}

TEST_P(WebStreamResponse, OneThatIsRefusedWritesNothingIntoTheBodyOfAnother) {
    web::Application app;
    std::vector<std::string> refusals;
    app.add_get("/", [&](web::Request& request) -> Coro<web::Response> {
        const auto refusal = [](Coro<> attempt) -> Coro<std::string> {
            std::string text;
            try {
                co_await std::move(attempt);
            } catch (const RuntimeError& error) {
                text = error.what();
            }
            co_return text;
        };
        web::StreamResponse first(request);
        web::StreamResponse second(request);
        EXPECT_FALSE(first.prepared());
        co_await first.prepare();
        EXPECT_TRUE(first.prepared());
        co_await first.write("one");
        refusals.push_back(co_await refusal(second.prepare()));
        EXPECT_FALSE(second.prepared());
        refusals.push_back(co_await refusal(second.write("TWO")));
        refusals.push_back(co_await refusal(second.write_eof()));
        EXPECT_THROW(second.finish(), RuntimeError);
        co_await first.write(" and only one");
        co_return first.finish();
    });
    serve(app, [](web::Site& site) -> Coro<> {
        Client client = co_await Client::connect(site.port());
        const Reply reply = co_await client.ask(get("/"));
        EXPECT_EQ(reply.fault, "");
        EXPECT_EQ(reply.body, "one and only one");
        EXPECT_TRUE(reply.keep_alive);
    });
    ASSERT_EQ(refusals.size(), 3u);
    EXPECT_EQ(refusals[0], "this request has been answered already");
    EXPECT_EQ(refusals[1], "write was called before prepare: co_await response.prepare() first");
    EXPECT_EQ(refusals[2], "write_eof was called before prepare: co_await response.prepare() first");
}

TEST_P(WebStreamResponse, TellsTheHandlerWhatItDoesWrong) {
    web::Application app;
    std::vector<std::string> refused;
    app.add_get("/", [&](web::Request& request) -> Coro<web::Response> {
        const auto attempt = [&](Coro<> step) -> Coro<> {
            try {
                co_await std::move(step);
                refused.emplace_back("nothing");
            } catch (const RuntimeError& error) {
                refused.emplace_back(error.what());
            }
        };
        web::StreamResponse response(request, {.content_length = 3});
        EXPECT_THROW(response.finish(), RuntimeError);
        co_await attempt(response.write("x"));
        co_await attempt(response.write_eof());
        co_await response.prepare();
        co_await attempt(response.prepare());
        co_await attempt(response.write("too long"));
        co_await attempt(response.write_eof());
        web::StreamResponse second(request);
        co_await attempt(second.prepare());
        co_await response.write("yes");
        co_await response.write_eof();
        co_await attempt(response.write("x"));
        co_return response.finish();
    });
    serve(app, [](web::Site& site) -> Coro<> {
        Client client = co_await Client::connect(site.port());
        const Reply reply = co_await client.ask(get("/"));
        EXPECT_EQ(reply.body, "yes");
        EXPECT_TRUE(reply.keep_alive);
    });
    ASSERT_EQ(refused.size(), 7u);
    for (const std::string& each : refused) EXPECT_NE(each, "nothing");
    EXPECT_THROW(
        [] {
            web::Application other;
            other.add_get("no slash", three);
        }(),
        ValueError);
}

TEST_P(WebStreamResponse, HearsThatTheClientIsGone) {
    web::Application app;
    std::string seen;
    app.add_get("/", [&](web::Request& request) -> Coro<web::Response> {
        web::StreamResponse response(request);
        co_await response.prepare();
        const std::string piece(50'000, 'x');
        try {
            for (;;) {
                co_await response.write(piece);
                co_await sleep(std::chrono::milliseconds(1));
            }
        } catch (const ConnectionError& error) {
            seen = error.what();
            throw;
        }
    });
    serve(app, [&](web::Site& site) -> Coro<> {
        Client client = co_await Client::connect(site.port());
        co_await client.send(get("/"));
        const std::string some = co_await client.some();
        EXPECT_NE(some, "");
        client.abort();
        while (site.connections() != 0) co_await sleep(std::chrono::milliseconds(1));
    });
    EXPECT_NE(seen, "");
    EXPECT_TRUE(reported.empty()) << reported.front();
}

}}  // namespace asyncio::test
