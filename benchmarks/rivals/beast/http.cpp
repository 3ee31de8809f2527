// Boost.Beast with Boost.Asio's coroutines: HTTP on 127.0.0.1, one thread. port=…
#include <boost/asio.hpp>
#include <boost/beast.hpp>

#include "common/bench.h"

namespace {

namespace net = boost::asio;
namespace http = boost::beast::http;
using net::awaitable;
using net::use_awaitable;
using net::ip::tcp;

awaitable<void> answer(tcp::socket socket) {
    try {
        socket.set_option(tcp::no_delay(true));
        boost::beast::flat_buffer buffer;
        for (;;) {
            http::request<http::empty_body> request;
            co_await http::async_read(socket, buffer, request, use_awaitable);
            http::response<http::string_body> response{http::status::ok, request.version()};
            response.set(http::field::server, "beast");
            response.set(http::field::content_type, "text/plain");
            response.keep_alive(request.keep_alive());
            response.body() = "Hello, World!";
            response.prepare_payload();
            co_await http::async_write(socket, response, use_awaitable);
        }
    } catch (const std::exception&) {
        // The peer has gone.
    }
}

awaitable<void> serve(tcp::acceptor acceptor) {
    for (;;) {
        tcp::socket socket = co_await acceptor.async_accept(use_awaitable);
        net::co_spawn(acceptor.get_executor(), answer(std::move(socket)), net::detached);
    }
}

}  // namespace

int main(int argc, char** argv) {
    net::io_context context(1);
    const auto port = static_cast<unsigned short>(bench_count(argc, argv, "port", 9500));
    net::co_spawn(context, serve(tcp::acceptor(context, {net::ip::address_v4::loopback(), port})),
                  net::detached);
    context.run();
}
