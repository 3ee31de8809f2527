// The call sites of the contract's section 7: the client, the server, the blocking call; see tasks_test.cpp.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include <asyncio/asyncio.hpp>
#include <asyncio/http.hpp>

namespace http = asyncio::http;
using namespace std::chrono_literals;

namespace {

const char* const long_text = "a text that is too long for the small buffer of a string";
std::string text(int n) { return long_text + std::to_string(n); }

asyncio::Coro<std::string> fetch_url(http::ClientSession& session, std::string url) {
    auto response = co_await session.get(url);
    co_return co_await response.text();
}
asyncio::Coro<std::vector<asyncio::Outcome<std::string>>> fetch_all(std::vector<std::string> urls) {
    http::ClientSession session{{.timeout = {.total = 30s}}};
    std::vector<asyncio::Coro<std::string>> jobs;
    for (auto& url : urls) jobs.push_back(fetch_url(session, url));
    co_return co_await asyncio::gather(asyncio::return_exceptions, std::move(jobs));
}

asyncio::Coro<http::web::Response> hello(http::web::Request& request) {
    co_await asyncio::sleep(1ms);
    co_return http::web::Response("hello " + std::string(request.match_info("name")) + " " +
                                  std::string(request.query("n", "none")));
}
asyncio::Coro<http::web::Response> echo(http::web::Request& request) {
    std::string body = co_await request.text();
    co_return http::web::Response(body + "|" + std::string(request.headers().get("X-Id").value_or("none")),
                                  {.status = 201, .content_type = "text/plain"});
}
http::web::Application application() {
    http::web::Application app;
    app.add_get("/hello/{name}", hello);
    app.add_post("/echo", echo);
    return app;
}

asyncio::Coro<> uses_the_client(std::string base) {
    std::vector<std::string> urls{base + "/hello/a", base + "/hello/b", base + "/nothing",
                                  "http://127.0.0.1:1/"};
    auto outcomes = co_await fetch_all(urls);
    EXPECT_EQ(outcomes[0].value(), "hello a none");
    EXPECT_EQ(outcomes[1].value(), "hello b none");
    EXPECT_TRUE(outcomes[2]);
    EXPECT_FALSE(outcomes[3]);

    http::ClientSession session;
    auto page = co_await asyncio::with(session.get(base + "/hello/" + text(1)),
                                       [&](http::ClientResponse& r) -> asyncio::Coro<std::string> {
                                           EXPECT_EQ(r.status, 200);
                                           co_return co_await r.text();
                                       });
    EXPECT_EQ(page, "hello " + text(1) + " none");

    const std::string id = text(2);
    auto posted = co_await session.post(
        base + "/echo", http::text(text(3)),
        {.headers = http::headers("Accept", "text/html", "X-Id", id), .timeout = {.total = 3s}});
    EXPECT_EQ(posted.status, 201);
    EXPECT_EQ(co_await posted.text(), text(3) + "|" + id);
    auto temporary = co_await session.post(base + "/echo", http::bytes(text(4)),
                                           {.headers = http::headers("X-Id", text(5))});
    EXPECT_EQ(co_await temporary.text(), text(4) + "|" + text(5));
    auto with_params = co_await session.get(base + "/hello/c", {.params = http::params("n", text(6))});
    EXPECT_EQ(co_await with_params.read(), "hello c " + text(6));
    EXPECT_EQ(co_await (co_await session.get(base + "/hello/d")).text(), "hello d none");
    auto failed = co_await session.get(base + "/nothing");
    EXPECT_EQ(failed.status, 404);
    EXPECT_EQ(failed.reason, "Not Found");
    EXPECT_EQ(failed.url.str(), base + "/nothing");
    EXPECT_EQ(failed.method, "GET");
    if (failed.status == 404 && failed.headers.get("Content-Type", "").starts_with("text/")) failed.release();
    EXPECT_TRUE(failed.closed());
    bool thrown = false;
    try {
        co_await session.get(base + "/nothing", {.raise_for_status = true});
    } catch (const http::ClientResponseError&) {
        thrown = true;
    }
    EXPECT_TRUE(thrown);
    co_await session.close();
}

asyncio::Coro<> serves_and_fetches() {
    auto app = application();
    auto site = co_await http::web::start(app, {.host = "127.0.0.1", .port = 0});
    co_await asyncio::with(site, [&](http::web::Site& s) -> asyncio::Coro<> {
        std::string base = s.url();
        while (base.ends_with('/')) base.pop_back();
        co_await uses_the_client(base);
        auto blocking = co_await asyncio::to_thread([](std::string url) { return http::get_sync(url); },
                                                    base + "/hello/sync");
        EXPECT_EQ(blocking.text, "hello sync none");
        bool refused = false;
        try {
            http::get_sync(base + "/hello/sync");
        } catch (const asyncio::RuntimeError&) {
            refused = true;
        }
        EXPECT_TRUE(refused);
    });
}

}  // namespace

TEST(CallSites, HttpClientAndServer) { asyncio::run(serves_and_fetches()); }
