// A server, its clients and their scope, cancelled wherever they can be.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "http/web_support.hpp"
#include "support/cancel_points.hpp"

namespace asyncio::test { namespace {

class WebCancel : public WebTest {
  protected:
    testing::CancelPointOptions on_this_backend() const {
        testing::CancelPointOptions options;
        options.backend = backend();
        options.simulate = false;
        return options;
    }
};
ASYNCIO_ON_REAL_BACKENDS(WebCancel);

Coro<web::Response> hello(web::Request&) { co_return web::Response("Hello, World!"); }

Coro<web::Response> echo(web::Request& request) {
    const AtWork at_work;
    std::string body = co_await request.read();
    co_await sleep(std::chrono::seconds(0));
    co_return web::Response(std::move(body));
}

Coro<web::Response> read_in_pieces(web::Request& request) {
    const AtWork at_work;
    std::string body;
    for (;;) {
        const std::string piece = co_await request.content().read(2);
        if (piece.empty()) break;
        body += piece;
        const std::string more = co_await request.content().readany();
        body += more;
    }
    co_return web::Response(std::move(body));
}

Coro<web::Response> stream(web::Request& request) {
    const AtWork at_work;
    web::StreamResponse response(request);
    co_await response.prepare();
    for (int i = 0; i < 3; ++i) co_await response.write("piece");
    co_return response.finish();
}

Coro<web::Response> stream_sized(web::Request& request) {
    const AtWork at_work;
    web::StreamResponse response(request, {.content_length = 10});
    co_await response.prepare();
    co_await response.write("01234");
    co_await sleep(std::chrono::seconds(0));
    co_await response.write("56789");
    co_await response.write_eof();
    co_return response.finish();
}

/// More than the kernel takes for a client that reads nothing.
Coro<web::Response> stream_without_end(web::Request& request) {
    const AtWork at_work;
    const std::string piece(1 << 20, 'x');
    web::StreamResponse response(request);
    co_await response.prepare();
    for (;;) co_await response.write(piece);
}

Coro<web::Response> large(web::Request&) { co_return web::Response(std::string(16 << 20, 'x')); }

/// Takes its time to end when it is cancelled.
Coro<web::Response> tidy(web::Request&) {
    const AtWork at_work;
    std::exception_ptr error;
    try {
        co_await sleep(std::chrono::milliseconds(1));
    } catch (...) {
        error = std::current_exception();
    }
    for (int i = 0; i < 3; ++i) co_await sleep(std::chrono::seconds(0));
    if (error != nullptr) std::rethrow_exception(error);
    co_return web::Response("tidied up");
}

/// Does not care for a cancel.
Coro<web::Response> stubborn(web::Request&) {
    const AtWork at_work;
    try {
        co_await sleep(std::chrono::milliseconds(1));
    } catch (const CancelledError&) {}
    co_await sleep(std::chrono::seconds(0));
    co_return web::Response("all the same");
}

void add_routes(web::Application& app) {
    app.add_get("/", hello);
    app.add_post("/", echo);
    app.add_post("/pieces", read_in_pieces);
    app.add_post("/unread", hello);
    app.add_get("/stream", stream);
    app.add_get("/stream/sized", stream_sized);
    app.add_get("/stream/endless", stream_without_end);
    app.add_get("/large", large);
    app.add_get("/tidy", tidy);
    app.add_get("/stubborn", stubborn);
}

TEST_P(WebCancel, LeavesNothingBehindWhereverItsScopeIsCancelled) {
    const auto scenario = []() -> Coro<> {
        web::Application app;
        add_routes(app);
        const NobodyIsAtWorkAfterwards look;
        co_await with(web::start(app, {.host = "127.0.0.1", .port = 0}), [](web::Site& site) -> Coro<> {
            Client client = co_await Client::connect(site.port());
            const Reply first = co_await client.ask(get("/") + get("/stream"));
            const Reply second = co_await client.reply();
            const Reply third = co_await client.ask(post("/", "body"));
            EXPECT_EQ(first.body + second.body + third.body, "Hello, World!piecepiecepiecebody");
            co_await client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nbod");
        });
        co_await testing::wait_all_tasks_blocked();
    };
    testing::CancelPointOptions options = on_this_backend();
    options.twice = true;  // the second may come while the scope is being left
    const auto points = expect_each_cancel_point(scenario, options);
    EXPECT_GT(points.cancelled, 10u);
}

// What a server's connection may be at when the scope is left. The client sends the parts one by one, each
// when nobody has anything to do any more, and goes.
struct Talk {
    const char* what;
    std::vector<std::string> parts;
};

const std::vector<Talk>& talks() {
    static const std::vector<Talk> all = {
        {"says nothing", {}},
        {"half a head", {"GET / HT"}},
        {"is idle between requests", {get("/"), get("/")}},
        {"a body that comes late", {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nhalf", "half"}},
        {"a body that does not come", {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nhalf"}},
        {"a chunked body in pieces",
         {"POST /pieces HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfo", "ur\r\n",
          "0\r\n\r\n"}},
        {"waits to be told to go on",
         {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n", "body"}},
        {"a body that nobody reads",
         {"POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nfour", "five5"}},
        {"no HTTP", {"nonsense\r\n\r\n", "more of it"}},
        {"an unknown path", {get("/nowhere")}},
        {"a streamed response", {get("/stream")}},
        {"a streamed response of known length", {get("/stream/sized")}},
        {"a streamed response until the connection ends", {"GET /stream HTTP/1.0\r\n\r\n"}},
        {"a streamed response that it does not take", {get("/stream/endless")}},
        {"a large response that it does not take", {get("/large")}},
        {"a handler that tidies up", {get("/tidy")}},
        {"a handler that ignores its cancel", {get("/stubborn")}},
        {"many requests at once",
         {get("/") + get("/stream") + post("/", "body") + get("/tidy") + get("/", "Connection: close\r\n")}},
    };
    return all;
}

TEST_P(WebCancel, EndsWhateverAConnectionIsAt) {
    for (const Talk& talk : talks()) {
        SCOPED_TRACE(talk.what);
        const auto scenario = [&talk]() -> Coro<> {
            web::Application app;
            add_routes(app);
            const NobodyIsAtWorkAfterwards look;
            co_await with(web::start(app, {.host = "127.0.0.1", .port = 0}), [&](web::Site& site) -> Coro<> {
                Client client = co_await Client::connect(site.port());
                for (const std::string& part : talk.parts) {
                    co_await client.send(part);
                    co_await testing::wait_all_tasks_blocked();
                }
            });
            co_await testing::wait_all_tasks_blocked();
        };
        const auto points = expect_each_cancel_point(scenario, on_this_backend());
        EXPECT_GT(points.cancelled, 3u);
    }
}

Coro<> let_go_soon(Future<>& held) {
    for (int i = 0; i < 3; ++i) co_await sleep(std::chrono::seconds(0));
    if (!held.done()) held.set_result();
}

TEST_P(WebCancel, AWaitForTheEndMayBeCancelledAndBegunAgain) {
    const auto scenario = []() -> Coro<> {
        web::Application app;
        Future<> held;
        app.add_get("/", [&held](web::Request&) -> Coro<web::Response> {
            const AtWork at_work;
            co_await held;
            co_return web::Response("held back");
        });
        const NobodyIsAtWorkAfterwards look;
        web::Site site = co_await web::start(app, {.host = "127.0.0.1", .port = 0});
        std::exception_ptr error;
        try {
            Client client = co_await Client::connect(site.port());
            co_await client.send(get("/"));
            co_await testing::wait_all_tasks_blocked();
            EXPECT_EQ(AtWork::count(), 1);
            site.close();
            create_task(let_go_soon, std::ref(held));
            co_await site.wait_closed();
            const Reply reply = co_await client.reply();
            EXPECT_EQ(reply.body, "held back");
        } catch (...) {
            error = std::current_exception();
        }
        site.abort();
        co_await site.wait_closed();
        EXPECT_EQ(site.connections(), 0u);
        co_await testing::wait_all_tasks_blocked();
        if (error != nullptr) std::rethrow_exception(error);
    };
    const auto points = expect_each_cancel_point(scenario, on_this_backend());
    EXPECT_GT(points.cancelled, 10u);
}

TEST_P(WebCancel, AClientThatComesWhileTheSiteClosesIsNotWaitedFor) {
    // Wherever between the kernel's accept and its first step the connection is, when the site closes.
    run([]() -> Coro<> {
        for (int yields = 0; yields < 12; ++yields) {
            web::Application app;
            add_routes(app);
            web::Site site = co_await web::start(app, {.host = "127.0.0.1", .port = 0});
            const Client silent = co_await Client::connect(site.port());
            for (int i = 0; i < yields; ++i) co_await sleep(std::chrono::seconds(0));
            site.close();
            co_await wait_for(site.wait_closed(), std::chrono::seconds(5));
        }
        co_await testing::wait_all_tasks_blocked();
    });
}

TEST_P(WebCancel, AConnectionThatIsCancelledAnywhereEndsAndTheServerGoesOn) {
    // The scenario's own task is the client's; what is cancelled at every step of a fixed number is the
    // server's.
    web::Application app;
    add_routes(app);
    serve(app, [](web::Site& site) -> Coro<> {
        for (int yields = 0; yields < 40; ++yields) {
            Client client = co_await Client::connect(site.port());
            co_await client.send(get("/") + get("/stream") + post("/", "body") +
                                 get("/", "Connection: close\r\n"));
            for (int i = 0; i < yields; ++i) co_await sleep(std::chrono::seconds(0));
            const AnyTask me = current_task();
            for (const AnyTask& task : all_tasks()) {
                if (task != me) task.cancel();
            }
            const std::string rest = co_await client.rest();
            // Cut off somewhere: whole responses, perhaps a part of one; a reset if bytes were left unread.
            EXPECT_TRUE(rest.empty() || rest.starts_with("HTTP/1.1 200 OK\r\n") ||
                        rest.starts_with(" [receive"))
                << rest;
        }
        Client client = co_await Client::connect(site.port());
        const Reply reply = co_await client.ask(get("/"));
        EXPECT_EQ(reply.status, 200);
    });
    EXPECT_TRUE(reported.empty()) << reported.front();
}

}}  // namespace asyncio::test
