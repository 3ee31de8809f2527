// The end of a server, graceful and otherwise, and its patience: with a clock that the tests move.
#include <gtest/gtest.h>

#include <asyncio/testing/mock_clock.hpp>
#include <csignal>
#include <filesystem>
#include <iterator>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/web_support.hpp"

namespace asyncio::test { namespace {

using std::chrono::seconds;
using testing::MockClock;
using testing::wait_all_tasks_blocked;

class WebSite : public WebTest {};
ASYNCIO_ON_REAL_BACKENDS(WebSite);

Coro<web::Response> hello(web::Request&) { co_return web::Response("Hello, World!"); }

TEST_P(WebSite, TellsWhereItListens) {
    web::Application app;
    serve(app, [](web::Site& site) -> Coro<> {
        EXPECT_NE(site.port(), 0);
        EXPECT_EQ(site.url(), "http://127.0.0.1:" + std::to_string(site.port()));
        EXPECT_FALSE(site.closed());
        EXPECT_EQ(site.connections(), 0u);
        std::string refused;
        try {
            co_await site.wait_closed();
        } catch (const RuntimeError& error) {
            refused = error.what();
        }
        EXPECT_NE(refused.find("close()"), std::string::npos);
    });
}

TEST_P(WebSite, AnAddressInUseIsAnError) {
    web::Application app;
    serve(app, [&](web::Site& site) -> Coro<> {
        std::string text;
        try {
            web::Site second = co_await web::start(app, {.host = "127.0.0.1", .port = site.port()});
        } catch (const OSError& error) {
            text = error.what();
        }
        EXPECT_NE(text.find(std::to_string(site.port())), std::string::npos) << text;
    });
}

TEST_P(WebSite, NothingIsAddedToAnApplicationThatIsServed) {
    web::Application app;
    app.add_get("/", hello);
    serve(app, [&](web::Site&) -> Coro<> {
        EXPECT_THROW(app.add_get("/late", hello), RuntimeError);
        co_return;
    });
}

TEST_P(WebSite, OutlivesItsApplication) {
    run([]() -> Coro<> {
        web::Application app;
        std::string text = "owned by the handler, and longer than what fits into a string itself";
        app.add_get("/", [text](web::Request&) -> Coro<web::Response> { co_return web::Response(text); });
        web::Site site = co_await web::start(std::move(app), {.host = "127.0.0.1", .port = 0});
        {
            Client client = co_await Client::connect(site.port());
            const Reply reply = co_await client.ask(get("/"));
            EXPECT_EQ(reply.body, text);
        }
        site.close();
        co_await site.wait_closed();
    });
}

TEST_P(WebSite, IsEnteredOnce) {
    web::Application app;
    run([&]() -> Coro<> {
        web::Site site = co_await web::start(app, {.host = "127.0.0.1", .port = 0});
        co_await with(site, [](web::Site& entered) -> Coro<> {
            EXPECT_FALSE(entered.closed());
            co_return;
        });
        EXPECT_TRUE(site.closed());
        const auto nothing = [](web::Site&) -> Coro<> { co_return; };
        EXPECT_THROW(co_await with(site, nothing), RuntimeError);
    });
}

TEST_P(WebSite, ClosesIdleConnectionsAtOnceAndLetsHandlersFinish) {
    web::Application app;
    Future<>* called = nullptr;
    Future<>* go_on = nullptr;
    app.add_get("/slow", [&](web::Request&) -> Coro<web::Response> {
        called->set_result();
        co_await *go_on;
        co_return web::Response("finished");
    });
    app.add_get("/", hello);
    serve(app, [&](web::Site& site) -> Coro<> {
        Future<> handler_called;
        Future<> handler_may_go_on;
        called = &handler_called;
        go_on = &handler_may_go_on;
        Client fresh = co_await Client::connect(site.port());
        Client idle = co_await Client::connect(site.port());
        const Reply first = co_await idle.ask(get("/"));
        EXPECT_EQ(first.status, 200);
        Client busy = co_await Client::connect(site.port());
        co_await busy.send(get("/slow") + get("/"));
        co_await handler_called;
        while (site.connections() != 3) co_await sleep(std::chrono::milliseconds(1));

        site.close();
        EXPECT_TRUE(site.closed());
        const std::string from_fresh = co_await fresh.rest();
        const std::string from_idle = co_await idle.rest();
        EXPECT_EQ(from_fresh + from_idle, "");
        std::string refused;
        try {
            Client late = co_await Client::connect(site.port());
        } catch (const OSError& error) {
            refused = error.what();
        }
        EXPECT_NE(refused, "");

        auto closed = create_task([](web::Site& s) -> Coro<> { co_await s.wait_closed(); }, std::ref(site));
        co_await wait_all_tasks_blocked();
        EXPECT_FALSE(closed.done());
        handler_may_go_on.set_result();
        const Reply last = co_await busy.reply();
        EXPECT_EQ(last.body, "finished");
        EXPECT_FALSE(last.keep_alive);
        const std::string rest = co_await busy.rest();  // the second request is not begun
        EXPECT_EQ(rest, "");
        co_await closed;
    });
}

TEST_P(WebSite, CancelsHandlersThatRunBeyondTheShutdownTimeout) {
    MockClock clock;
    web::Application app;
    Future<>* called = nullptr;
    bool cancelled = false;
    app.add_get("/endless", [&](web::Request&) -> Coro<web::Response> {
        called->set_result();
        try {
            co_await sleep(std::chrono::hours(1));
        } catch (const CancelledError&) {
            cancelled = true;
            throw;
        }
        co_return web::Response();
    });
    serve(app,
          [&](web::Site& site) -> Coro<> {
              Future<> handler_called;
              called = &handler_called;
              Client client = co_await Client::connect(site.port());
              co_await client.send(get("/endless"));
              co_await handler_called;
              site.close();
              auto closed =
                  create_task([](web::Site& s) -> Coro<> { co_await s.wait_closed(); }, std::ref(site));
              co_await clock.elapse(seconds(59));
              EXPECT_FALSE(cancelled);
              EXPECT_FALSE(closed.done());
              co_await clock.elapse(seconds(2));
              EXPECT_TRUE(cancelled);
              co_await closed;
              const std::string rest = co_await client.rest();
              EXPECT_EQ(rest, "");
          },
          web::SiteOptions(), {.clock = &clock});
}

TEST_P(WebSite, CancelsTheHandlersWhenItsScopeIsLeftByAnException) {
    web::Application app;
    Future<>* called = nullptr;
    bool cancelled = false;
    app.add_get("/endless", [&](web::Request&) -> Coro<web::Response> {
        called->set_result();
        try {
            co_await sleep(std::chrono::hours(1));
        } catch (const CancelledError&) {
            cancelled = true;
            throw;
        }
        co_return web::Response();
    });
    run([&]() -> Coro<> {
        Future<> handler_called;
        called = &handler_called;
        std::string thrown;
        try {
            co_await with(web::start(app, {.host = "127.0.0.1", .port = 0}), [&](web::Site& site) -> Coro<> {
                Client client = co_await Client::connect(site.port());
                co_await client.send(get("/endless"));
                co_await handler_called;
                throw RuntimeError("the body has failed");
            });
        } catch (const RuntimeError& error) {
            thrown = error.what();
        }
        EXPECT_EQ(thrown, "the body has failed");
        EXPECT_TRUE(cancelled);
    });
}

TEST_P(WebSite, StopsWhenItIsDropped) {
    web::Application app;
    app.add_get("/", hello);
    run([&]() -> Coro<> {
        Client client = co_await [](web::Application& a) -> Coro<Client> {
            web::Site site = co_await web::start(a, {.host = "127.0.0.1", .port = 0});
            Client c = co_await Client::connect(site.port());
            const Reply reply = co_await c.ask(get("/"));
            EXPECT_EQ(reply.status, 200);
            co_return c;
        }(app);
        const std::string rest = co_await client.rest();
        EXPECT_EQ(rest, "");
    });
}

// ---- patience -----------------------------------------------------------------------------------

TEST_P(WebSite, ClosesAConnectionThatIsIdleForTooLong) {
    MockClock clock;
    web::Application app;
    app.add_get("/", hello);
    serve(app,
          [&](web::Site& site) -> Coro<> {
              Client silent = co_await Client::connect(site.port());
              Client client = co_await Client::connect(site.port());
              const Reply reply = co_await client.ask(get("/"));
              EXPECT_EQ(reply.status, 200);
              while (site.connections() != 2) co_await wait_all_tasks_blocked();
              co_await clock.elapse(seconds(58));
              EXPECT_EQ(site.connections(), 2u);
              co_await clock.elapse(seconds(4));
              const std::string nothing = co_await silent.rest();  // it never began a request
              EXPECT_EQ(nothing, "");
              EXPECT_EQ(site.connections(), 1u);
              co_await clock.elapse(seconds(12));
              EXPECT_EQ(site.connections(), 1u);
              co_await clock.elapse(seconds(4));
              const std::string rest = co_await client.rest();
              EXPECT_EQ(rest, "");
          },
          {.keepalive_timeout = seconds(75)}, {.clock = &clock});
}

TEST_P(WebSite, AHeadThatNeverEndsGets408) {
    // The slow head comes behind a whole request, so that its first bytes are known to have been seen.
    MockClock clock;
    web::Application app;
    app.add_get("/", hello);
    serve(app,
          [&](web::Site& site) -> Coro<> {
              Client client = co_await Client::connect(site.port());
              const Reply good = co_await client.ask(get("/") + "GET / HTTP/1.1\r\n");
              EXPECT_EQ(good.status, 200);
              for (int i = 0; i < 6; ++i) {
                  co_await wait_all_tasks_blocked();
                  co_await clock.elapse(seconds(9));
                  co_await client.send("X-" + std::to_string(i) + ": a trickle does not help\r\n");
              }
              co_await wait_all_tasks_blocked();
              EXPECT_EQ(site.connections(), 1u);
              co_await clock.elapse(seconds(9));
              const Reply reply = co_await client.reply();
              EXPECT_EQ(reply.status, 408);
              EXPECT_FALSE(reply.keep_alive);
              client.close();
          },
          web::SiteOptions(), {.clock = &clock});
}

TEST_P(WebSite, ABodyThatStopsGets408) {
    MockClock clock;
    web::Application app;
    std::string seen;
    app.add_post("/", [&](web::Request& request) -> Coro<web::Response> {
        try {
            co_await request.read();
        } catch (const web::HTTPError& error) {
            seen = error.text();
            throw;
        }
        co_return web::Response();
    });
    app.add_get("/", hello);
    serve(app,
          [&](web::Site& site) -> Coro<> {
              Client client = co_await Client::connect(site.port());
              const Reply good = co_await client.ask(
                  get("/") + "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx");
              EXPECT_EQ(good.status, 200);
              co_await wait_all_tasks_blocked();
              co_await clock.elapse(seconds(50));
              co_await client.send("y");  // each piece may take as long
              co_await wait_all_tasks_blocked();
              co_await clock.elapse(seconds(50));
              EXPECT_EQ(seen, "");
              co_await clock.elapse(seconds(15));
              EXPECT_NE(seen, "");
              const Reply reply = co_await client.reply();
              EXPECT_EQ(reply.status, 408);
              EXPECT_FALSE(reply.keep_alive);
              // It lingers for a while, then it is gone, whatever the client does.
              co_await wait_all_tasks_blocked();
              EXPECT_EQ(site.connections(), 1u);
              co_await clock.elapse(seconds(13));
              const std::string rest = co_await client.rest();
              EXPECT_EQ(rest, "");
          },
          web::SiteOptions(), {.clock = &clock});
    EXPECT_TRUE(reported.empty());
}

TEST_P(WebSite, GivesUpAClientThatDoesNotReadWhatItIsSent) {
    MockClock clock;
    web::Application app;
    std::string seen;
    std::size_t written = 0;
    app.add_get("/endless", [&](web::Request& request) -> Coro<web::Response> {
        web::StreamResponse response(request);
        co_await response.prepare();
        const std::string piece(100'000, 'x');
        try {
            for (;;) {
                co_await response.write(piece);
                written += piece.size();
            }
        } catch (const OSError& error) {
            seen = error.what();
            throw;
        }
    });
    serve(app,
          [&](web::Site& site) -> Coro<> {
              Client client = co_await Client::connect(site.port());
              co_await client.send(get("/endless"));
              std::size_t before = 1;
              while (before != written) {  // until neither side's kernel takes more
                  before = written;
                  co_await wait_all_tasks_blocked();
              }
              EXPECT_GT(written, 0u);
              co_await clock.elapse(seconds(50));
              EXPECT_EQ(seen, "");
              co_await clock.elapse(seconds(20));
              EXPECT_NE(seen, "");
              EXPECT_EQ(site.connections(), 0u);
          },
          web::SiteOptions(), {.clock = &clock});
    EXPECT_TRUE(reported.empty()) << reported.front();
}

std::size_t open_descriptors() {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

TEST_P(WebSite, GivesBackTheSocketOfAClientThatHasGoneAndLetsItsHandlerFinish) {
    MockClock clock;
    web::Application app;
    Future<>* called = nullptr;
    Future<>* go_on = nullptr;
    int finished = 0;
    app.add_get("/slow", [&](web::Request&) -> Coro<web::Response> {
        called->set_result();
        co_await *go_on;
        ++finished;
        co_return web::Response("nobody reads this");
    });
    serve(app,
          [&](web::Site& site) -> Coro<> {
              for (int round = 0; round != 2; ++round) {
                  Future<> handler_called;
                  Future<> handler_may_go_on;
                  called = &handler_called;
                  go_on = &handler_may_go_on;
                  const std::size_t before = open_descriptors();
                  Client client = co_await Client::connect(site.port());
                  co_await client.send(get("/slow") + get("/slow"));  // the second one is never read
                  co_await handler_called;
                  EXPECT_EQ(site.requests(), 1u);
                  const bool reset = round == 1;
                  const linger at_once{1, 0};
                  if (reset) {
                      ::setsockopt(client.writer().fileno(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
                  }
                  client.abort();
                  co_await clock.elapse(seconds(3));
                  EXPECT_EQ(open_descriptors(), before) << "reset: " << reset;
                  EXPECT_EQ(finished, round) << "the handler was cancelled, or did not wait";
                  EXPECT_EQ(site.requests(), 1u);
                  handler_may_go_on.set_result();
                  co_await wait_all_tasks_blocked();
                  EXPECT_EQ(finished, round + 1);
                  EXPECT_EQ(site.connections(), 0u);
              }
          },
          web::SiteOptions(), {.clock = &clock});
    EXPECT_TRUE(reported.empty()) << reported.front();
}

TEST_P(WebSite, AClientThatWaitsForASlowHandlerGetsItsAnswer) {
    MockClock clock;
    web::Application app;
    app.add_get("/slow", [](web::Request&) -> Coro<web::Response> {
        co_await sleep(seconds(100));
        co_return web::Response("late");
    });
    serve(app,
          [&](web::Site& site) -> Coro<> {
              Client client = co_await Client::connect(site.port());
              co_await client.send(get("/slow") + get("/slow"));
              co_await clock.elapse(seconds(101));
              const Reply first = co_await client.reply();
              EXPECT_EQ(first.body, "late");
              co_await clock.elapse(seconds(101));
              const Reply second = co_await client.reply();
              EXPECT_EQ(second.body, "late");
          },
          web::SiteOptions(), {.clock = &clock});
}

// ---- another loop -------------------------------------------------------------------------------

// Neither a destructor nor close() can refuse: they work for the loop that the site belongs to.
TEST_P(WebSite, IsClosedAndDestroyedInsideAnotherLoop) {
    const NobodyIsAtWorkAfterwards check;
    web::Application app;
    app.add_get("/", [](web::Request&) -> Coro<web::Response> {
        const AtWork at_work;
        co_await sleep(std::chrono::hours(1));
        co_return web::Response();
    });
    for (const bool closed_first : {false, true}) {
        EventLoop loop({.backend = backend()});
        std::optional<web::Site> site;
        std::optional<Client> idle;
        std::optional<Client> busy;
        loop.run_until_complete(detail::call_owned([&]() -> Coro<> {
            site.emplace(co_await web::start(app, {.host = "127.0.0.1", .port = 0}));
            idle.emplace(co_await Client::connect(site->port()));
            busy.emplace(co_await Client::connect(site->port()));
            co_await busy->send(get("/"));
            while (AtWork::count() == 0 || site->connections() < 2)
                co_await sleep(std::chrono::milliseconds(1));
        }));
        run([&]() -> Coro<> {
            if (closed_first) {
                site->close();
                EXPECT_TRUE(site->closed());
            }
            site.reset();
            co_return;
        });
        EXPECT_EQ(AtWork::count(), 1) << "it ends in a step of its own loop";
        loop.run_until_complete(detail::call_owned([&]() -> Coro<> {
            const std::string nothing = co_await idle->rest();
            const std::string no_answer = co_await busy->rest();
            EXPECT_EQ(nothing + no_answer, "");
            idle.reset();
            busy.reset();
            co_await testing::wait_all_tasks_blocked();
        }));
        expect_nothing_left(loop);
        loop.close();
    }
}

// ---- run_app ------------------------------------------------------------------------------------

void run_app_until(int signal_number) {
    static int number;
    number = signal_number;
    static std::string answer;
    answer.clear();
    web::Application app;
    app.add_get("/", hello);
    std::thread client;
    static std::uint16_t port;
    port = 0;
    // The client runs on a loop of its own; its last word is the signal, sent while its connection is open
    // and idle.
    static std::thread* started;
    started = &client;
    web::run_app(app, {.host = "127.0.0.1", .port = 0, .on_started = [](const web::Site& site) {
                           port = site.port();
                           *started = std::thread([] {
                               asyncio::run([]() -> Coro<> {
                                   Client c = co_await Client::connect(port);
                                   const Reply reply = co_await c.ask(get("/"));
                                   answer = reply.body;
                                   ::kill(::getpid(), number);
                                   answer += co_await c.rest();
                               });
                           });
                       }});
    client.join();
    EXPECT_EQ(answer, "Hello, World!");
}

class RunApp : public LoopTest {};

TEST_F(RunApp, EndsGracefullyOnSigterm) { run_app_until(SIGTERM); }

TEST_F(RunApp, EndsGracefullyOnSigint) {
    // A shell that starts this in the background may have it ignored.
    const auto before = std::signal(SIGINT, SIG_DFL);
    run_app_until(SIGINT);
    EXPECT_EQ(std::signal(SIGINT, before), SIG_DFL) << "the default action is back";
}

TEST_F(RunApp, SaysForWhatItWaitsWhenItIsToEnd) {
    web::Application app;
    app.add_get("/endless", [](web::Request&) -> Coro<web::Response> {
        ::kill(::getpid(), SIGTERM);
        co_await sleep(std::chrono::hours(1));
        co_return web::Response();
    });
    static std::thread client;
    ::testing::internal::CaptureStderr();
    web::run_app(app, {.host = "127.0.0.1",
                       .port = 0,
                       .shutdown_timeout = std::chrono::milliseconds(50),
                       .on_started = [](const web::Site& site) {
                           client = std::thread([port = site.port()] {
                               const auto ask = [](std::uint16_t at) -> Coro<> {
                                   Client c = co_await Client::connect(at);
                                   co_await c.send(get("/endless"));
                                   co_await c.rest();
                               };
                               asyncio::run(ask(port));
                           });
                       }});
    client.join();
    EXPECT_EQ(::testing::internal::GetCapturedStderr(),
              "stopping: waiting up to 0.05 s for 1 request; Ctrl-C again ends at once\n");
}

}}  // namespace asyncio::test
