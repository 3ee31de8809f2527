// asio's C++20 coroutines: TCP echo on 127.0.0.1, one thread. port=… buffer=…
#include <asio.hpp>
#include <vector>

#include "common/bench.h"

namespace {

using asio::awaitable;
using asio::use_awaitable;
using asio::ip::tcp;

awaitable<void> echo(tcp::socket socket, std::size_t size) {
    try {
        std::vector<char> buffer(size);
        socket.set_option(tcp::no_delay(true));
        for (;;) {
            const std::size_t got = co_await socket.async_read_some(asio::buffer(buffer), use_awaitable);
            co_await asio::async_write(socket, asio::buffer(buffer.data(), got), use_awaitable);
        }
    } catch (const std::exception&) {
        // The peer has gone.
    }
}

awaitable<void> serve(tcp::acceptor acceptor, std::size_t size) {
    for (;;) {
        tcp::socket socket = co_await acceptor.async_accept(use_awaitable);
        asio::co_spawn(acceptor.get_executor(), echo(std::move(socket), size), asio::detached);
    }
}

}  // namespace

int main(int argc, char** argv) {
    asio::io_context context(1);
    const tcp::endpoint endpoint(asio::ip::address_v4::loopback(),
                                 static_cast<unsigned short>(bench_count(argc, argv, "port", 9300)));
    tcp::acceptor acceptor(context);
    acceptor.open(endpoint.protocol());
    acceptor.set_option(tcp::acceptor::reuse_address(true));
    acceptor.bind(endpoint);
    acceptor.listen(4096);
    const auto size = static_cast<std::size_t>(bench_count(argc, argv, "buffer", 4096));
    asio::co_spawn(context, serve(std::move(acceptor), size), asio::detached);
    context.run();
}
