// The web server that parts 9 and 10 fetch from, so that they need no internet. It runs a loop of its own on
// a thread of its own, and stops when it goes out of scope.
//   /delay/{seconds}   answers after so many seconds
//   /status/{code}     answers with that status
#pragma once
#include <asyncio/asyncio.hpp>
#include <asyncio/http.hpp>
#include <cstdlib>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <utility>

namespace tutorial {

namespace web = asyncio::http::web;

inline asyncio::Coro<web::Response> answer_late(web::Request& request) {
    const std::string seconds(request.match_info("seconds"));
    co_await asyncio::sleep(std::chrono::duration<double>(std::strtod(seconds.c_str(), nullptr)));
    co_return web::Response("This took me " + seconds + " seconds.\n");
}

inline asyncio::Coro<web::Response> answer_status(web::Request& request) {
    const std::string code(request.match_info("code"));
    co_return web::Response("You asked for it.\n", {.status = std::atoi(code.c_str())});
}

class LocalServer {
  public:
    LocalServer() : thread_([this] { asyncio::run(serve(started_)); }) {
        std::tie(url_, stop_) = started_.get_future().get();
    }
    LocalServer(const LocalServer&) = delete;
    ~LocalServer() {
        stop_->set_result();
        thread_.join();
    }

    /// "http://127.0.0.1:12345"
    const std::string& url() const { return url_; }

  private:
    using Stop = std::optional<asyncio::RemoteFuture<>>;
    using Started = std::promise<std::pair<std::string, Stop>>;

    static asyncio::Coro<> serve(Started& started) {
        web::Application app;
        app.add_get("/delay/{seconds}", answer_late);
        app.add_get("/status/{code}", answer_status);
        asyncio::Future<> stop;
        auto site = co_await web::start(app, {.host = "127.0.0.1", .port = 0});
        co_await asyncio::with(site, [&]() -> asyncio::Coro<> {
            started.set_value({site.url(), stop.remote()});
            co_await stop;
        });
    }

    Started started_;
    std::string url_;
    Stop stop_;
    std::thread thread_;  // the last: it uses the others
};

/// How long one answer takes: a second. (TUTORIAL_SECONDS=0.1 makes it shorter.)
inline std::string seconds() {
    const char* value = std::getenv("TUTORIAL_SECONDS");
    return value != nullptr ? value : "1";
}

}  // namespace tutorial
