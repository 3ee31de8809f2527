// An HTTP server that answers "Hello, World!" on 127.0.0.1, one loop; runs until it is killed.
#include <asyncio/http.hpp>

#include "common/ours.hpp"

namespace web = asyncio::http::web;

namespace {

asyncio::Coro<web::Response> hello(web::Request&) {
    co_return web::Response("Hello, World!", {.content_type = "text/plain"});
}

}  // namespace

int main(int argc, char** argv) {
    web::Application app;
    app.add_get("/", hello);
    web::run_app(app, {.host = "127.0.0.1",
                       .port = static_cast<std::uint16_t>(bench_count(argc, argv, "port", 9500)),
                       .on_started = nullptr,
                       .loop = bench::run_options(argc, argv)});
}
