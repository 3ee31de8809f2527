// A server when memory runs out: a request may fail, and nothing is lost but it.
#include <atomic>
#include <string>
#include <thread>

#include "asyncio/http/client_session.hpp"
#include "asyncio/testing/mock_clock.hpp"
#include "http/web_support.hpp"
#include "support/alloc_failure.hpp"

namespace asyncio::test { namespace {

using namespace std::chrono_literals;

class WebMemory : public WebTest {};
ASYNCIO_ON_REAL_BACKENDS(WebMemory);

constexpr const char* long_text = "a text that does not fit into the small buffer of a string";

Coro<web::Response> greet(web::Request& request) {
    web::Response response("Hello, " + std::string(request.match_info("name")) + "! " +
                           std::string(request.query("q", "")));
    response.headers().set("X-Long", long_text);
    co_return response;
}

Coro<web::Response> echo(web::Request& request) {
    std::string body = co_await request.read();
    co_return web::Response(std::move(body), {.status = 201, .content_type = "text/x-unheard-of"});
}

Coro<web::Response> stream(web::Request& request) {
    web::StreamResponse response(request);
    co_await response.prepare();
    for (int i = 0; i < 3; ++i) co_await response.write(long_text);
    co_return response.finish();
}

void add_routes(web::Application& app) {
    app.add_get("/hello/{name}", greet);
    app.add_post("/echo", echo);
    app.add_get("/stream", stream);
}

/// Everything that the server does, once.
Coro<> ask_for_everything(std::string url) {
    http::ClientSession session{{.timeout = {.total = 10s}, .raise_for_status = true}};
    auto greeting =
        co_await session.get(url + "/hello/somebody%20with%20a%20long%20name?q=" + std::string(100, 'q'));
    const std::string text = co_await greeting.text();
    if (text != "Hello, somebody with a long name! " + std::string(100, 'q'))
        throw RuntimeError("wrong: " + text);
    if (greeting.headers.get("X-Long") != long_text) throw RuntimeError("a header field is missing");
    auto echoed = co_await session.post(url + "/echo", http::bytes(std::string(10'000, 'b')));
    const std::string echo_text = co_await echoed.text();
    if (echo_text != std::string(10'000, 'b')) throw RuntimeError("wrong: " + echo_text);
    auto streamed = co_await session.get(url + "/stream");
    const std::string stream_text = co_await streamed.text();
    if (stream_text.size() != 3 * std::string_view(long_text).size())
        throw RuntimeError("wrong: " + stream_text);
    auto unknown = co_await session.get(url + "/nowhere", {.raise_for_status = false});
    if (unknown.status != 404) throw RuntimeError("404 is missing");
}

/// A client on a thread of its own, which has its memory. One who is let down asks once more.
class ClientThread {
  public:
    ClientThread() = default;
    ClientThread(const ClientThread&) = delete;
    ClientThread& operator=(const ClientThread&) = delete;
    ~ClientThread() { join(); }

    void start(const std::string& url) {
        thread_ = std::thread([this, url] {
            failure = attempt(url);
            if (!failure.empty()) second_failure = attempt(url);
            done = true;
        });
    }
    void join() {
        if (thread_.joinable()) thread_.join();
    }

    std::atomic<bool> done{false};
    std::string failure;  // valid when it is done
    std::string second_failure;

  private:
    static std::string attempt(const std::string& url) {
        try {
            asyncio::run(ask_for_everything(url));
        } catch (const std::exception& error) {
            return error.what();
        }
        return "";
    }

    std::thread thread_;
};

Coro<> serve_a_client(ClientThread& client) {
    web::Application app;
    add_routes(app);
    co_await with(web::start(app, {.host = "127.0.0.1", .port = 0}), [&](web::Site& site) -> Coro<> {
        {
            const AllocationsUncounted not_the_servers;
            client.start(site.url());
        }
        while (!client.done) co_await sleep(1ms);
    });
}

// Every allocation of the server's thread is refused in turn. A program that fails to start fails; a server
// that runs lets down one client once, and never with a wrong answer.
TEST_P(WebMemory, EveryAllocationMayFail) {
    if (!AllocationFailure::works()) GTEST_SKIP() << "nothing is refused under this sanitizer";
    int ended = 0;
    int let_down = 0;
    int unharmed = 0;
    for (long at = 1;; ++at) {
        SCOPED_TRACE("allocation " + std::to_string(at));
        ClientThread client;
        EventLoop loop({.backend = backend()});
        loop.set_exception_handler([](EventLoop&, const ExceptionContext&) {});
        bool happened = false;
        bool survived = false;
        {
            AllocationFailure failure(at);
            try {
                loop.run_until_complete(serve_a_client(client));
                survived = true;
            } catch (const std::bad_alloc&) {}
            happened = failure.happened();
        }
        expect_nothing_left(loop);
        loop.close();
        client.join();
        if (!survived) {
            ++ended;
        } else if (client.failure.empty()) {
            ++unharmed;
        } else {
            ++let_down;
            EXPECT_EQ(client.failure.find("wrong"), std::string::npos) << client.failure;
            EXPECT_EQ(client.second_failure, "");
        }
        if (!happened) {
            EXPECT_EQ(client.failure, "");
            break;
        }
    }
    EXPECT_GT(ended, 5);
    EXPECT_GT(let_down, 10);
    EXPECT_GT(unharmed, 0);
    RecordProperty("let_down", let_down);
}

/// Ends with two awaits more when it is cancelled.
Coro<web::Response> tidy(web::Request&) {
    const AtWork at_work;
    std::exception_ptr error;
    try {
        co_await sleep(5ms);
    } catch (...) {
        error = std::current_exception();
    }
    co_await sleep(0s);
    co_await sleep(0s);
    if (error != nullptr) std::rethrow_exception(error);
    co_return web::Response("done");
}

Coro<> leave_a_handler_at_work() {
    web::Application app;
    app.add_get("/", tidy);
    const NobodyIsAtWorkAfterwards look;
    co_await with(web::start(app, {.host = "127.0.0.1", .port = 0}), [](web::Site& site) -> Coro<> {
        Client client = co_await Client::connect(site.port());
        co_await client.send(get("/"));
        for (int i = 0; i < 3; ++i) co_await sleep(1ms);
    });
}

// From some allocation on, all are refused, until the loop has nothing to do any more: the scope is left all
// the same, and its handlers have ended by then.
TEST_P(WebMemory, AScopeIsLeftInGoodOrderWithoutMemory) {
    if (!AllocationFailure::works()) GTEST_SKIP() << "nothing is refused under this sanitizer";
    int failed = 0;
    for (long at = 1;; ++at) {
        SCOPED_TRACE("from allocation " + std::to_string(at) + " on");
        EventLoop loop({.backend = backend()});
        loop.set_exception_handler([](EventLoop&, const ExceptionContext&) {});
        bool happened = false;
        {
            Coro<> leaving = leave_a_handler_at_work();
            AllocationFailure failure(at, AllocationFailure::Mode::from_then_on);
            try {
                loop.run_until_complete(std::move(leaving));
            } catch (const std::bad_alloc&) {
                ++failed;
            }
            happened = failure.happened();
        }
        expect_nothing_left(loop);
        loop.close();
        if (!happened) break;
    }
    EXPECT_GT(failed, 5);
}

TEST_P(WebMemory, ATickForWhichThereIsNoMemoryIsMadeUpFor) {
    if (!AllocationFailure::works()) GTEST_SKIP() << "nothing is refused under this sanitizer";
    testing::MockClock clock;
    web::Application app;
    add_routes(app);
    serve(app,
          [&](web::Site& site) -> Coro<> {
              Client idle = co_await Client::connect(site.port());
              const Reply first = co_await idle.ask(get("/nowhere"));
              EXPECT_EQ(first.status, 404);
              {
                  AllocationFailure failure(1, AllocationFailure::Mode::from_then_on);
                  clock.advance(1s);
                  for (int i = 0; i < 3; ++i) co_await sleep(0s);
                  EXPECT_TRUE(failure.happened()) << "there was no tick";
              }
              // The next request sets the clock going again, for the others, too.
              Client other = co_await Client::connect(site.port());
              const Reply second = co_await other.ask(get("/nowhere"));
              EXPECT_EQ(second.status, 404);
              EXPECT_FALSE(second.header("Date").empty());
              for (int i = 0; i < 12; ++i) co_await clock.elapse(1s);
              const std::string rest = co_await idle.rest();
              EXPECT_EQ(rest, "");
          },
          {.keepalive_timeout = 10s}, {.clock = &clock});
    EXPECT_TRUE(reported.empty()) << reported.front();
}

TEST_P(WebMemory, HeadersOfAStreamForWhichThereIsNoMemoryFailTheirHandlerAlone) {
    if (!AllocationFailure::works()) GTEST_SKIP() << "nothing is refused under this sanitizer";
    static bool refuse;
    refuse = true;
    web::Application app;
    app.add_get("/", [](web::Request& request) -> Coro<web::Response> {
        web::StreamResponse response(request);
        {
            const AllocationFailure failure(refuse ? 1 : 1'000'000);
            response.headers();
        }
        response.headers().set("X-Long", long_text);
        co_await response.prepare();
        co_return response.finish();
    });
    serve(app, [](web::Site& site) -> Coro<> {
        Client client = co_await Client::connect(site.port());
        const Reply failed = co_await client.ask(get("/"));
        EXPECT_EQ(failed.status, 500);
        refuse = false;
        const Reply second = co_await client.ask(get("/"));
        EXPECT_EQ(second.status, 200);
        EXPECT_EQ(second.header("X-Long"), long_text);
    });
    EXPECT_EQ(reported.size(), 1u);
}

TEST_P(WebMemory, AKeptConnectionCostsFewAllocations) {
    if (ASYNCIO_ASAN || ASYNCIO_TSAN) GTEST_SKIP() << "frames are not recycled under this sanitizer";
    web::Application app;
    app.add_get("/", [](web::Request&) -> Coro<web::Response> { co_return web::Response("short"); });
    serve(app, [](web::Site& site) -> Coro<> {
        Client client = co_await Client::connect(site.port());
        long cost = 0;
        for (int i = 0; i < 5; ++i) {
            co_await client.send(get("/"));
            const long before = allocations();
            std::string bytes = co_await client.some();
            cost = allocations() - before;
            EXPECT_TRUE(bytes.ends_with("short"));
        }
        EXPECT_LE(cost, 4) << "the client's own among them";
    });
}

}}  // namespace asyncio::test
