// Echo or HTTP on `loops` threads, a loop each, that share a port (SO_REUSEPORT); runs until it is killed.
#include <asyncio/http.hpp>
#include <thread>
#include <vector>

#include "common/ours.hpp"

namespace web = asyncio::http::web;

namespace {

using namespace bench;

asyncio::Coro<> echo(asyncio::StreamReader reader, asyncio::StreamWriter writer) {
    try {
        while (true) {
            const std::string data = co_await reader.read(65536);
            if (data.empty()) break;
            co_await writer.send(data);
        }
    } catch (const asyncio::OSError&) {
        // The peer has gone: that is how the load ends.
    }
}

asyncio::Coro<> serve_echo(std::uint16_t port) {
    auto server =
        co_await asyncio::start_server(echo, "127.0.0.1", port, {.backlog = 4096, .reuse_port = true});
    co_await server.serve_forever();
}

asyncio::Coro<web::Response> hello(web::Request&) {
    co_return web::Response("Hello, World!", {.content_type = "text/plain"});
}

asyncio::Coro<> serve_http(std::uint16_t port) {
    web::Application app;
    app.add_get("/", hello);
    const web::Site site =
        co_await web::start(std::move(app), {.host = "127.0.0.1", .port = port, .reuse_port = true});
    co_await asyncio::sleep(1h);
}

}  // namespace

int main(int argc, char** argv) {
    const auto port = static_cast<std::uint16_t>(bench_count(argc, argv, "port", 9600));
    const bool http = bench_is(bench_text(argc, argv, "protocol", "echo"), "http");
    const asyncio::RunOptions options = run_options(argc, argv);
    std::vector<std::jthread> threads;
    for (long i = 0; i < bench_count(argc, argv, "loops", 2); ++i) {
        threads.emplace_back([=] { asyncio::run(http ? serve_http(port) : serve_echo(port), options); });
    }
}
