#include "asyncio-demo/local_server.hpp"

#include <asyncio/http.hpp>

#include "httpbin_app/httpbin_app.hpp"

namespace demo {

namespace web = asyncio::http::web;

asyncio::Coro<> LocalServer::serve(std::promise<Started>& started) {
    auto app = make_httpbin();
    asyncio::Future<> stop;
    co_await asyncio::with(web::start(app, {.host = "127.0.0.1", .port = 0}),
                           [&](web::Site& site) -> asyncio::Coro<> {
                               started.set_value(Started{site.url(), stop.remote()});
                               co_await stop;
                           });
}

LocalServer::LocalServer() {
    const auto started =
        std::make_shared<std::promise<Started>>();  // the thread may outlive this constructor
    thread_ = std::thread([started] {
        try {
            asyncio::run(serve(*started));
        } catch (...) {
            // Before it listens: whoever waits for it is told. Afterwards: the clients see it.
            try {
                started->set_exception(std::current_exception());
            } catch (const std::future_error&) {}
        }
    });
    try {
        Started result = started->get_future().get();
        url_ = std::move(result.url);
        stop_ = std::move(result.stop);
    } catch (...) {
        thread_.join();
        throw;
    }
}

LocalServer::~LocalServer() {
    try {
        if (stop_) stop_->set_result();
    } catch (const std::exception&) {
        // It has stopped by itself.
    }
    thread_.join();
}

}  // namespace demo
