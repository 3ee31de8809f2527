// Servers made for tests of the HTTP client: they say exactly what a test wants, right or wrong.
#pragma once
#include <gtest/gtest.h>

#include <atomic>
#include <charconv>
#include <exception>
#include <future>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "asyncio/asyncio.hpp"
#include "asyncio/http.hpp"
#include "asyncio/net/server.hpp"
#include "asyncio/net/streams.hpp"
#include "support/loop_fixture.hpp"

namespace asyncio::test {

using namespace std::chrono_literals;

/// What a test server has seen, and where it is.
struct Site {
    std::string url(std::string_view path = "/") const {
        return "http://127.0.0.1:" + std::to_string(port) + std::string(path);
    }
    std::uint16_t port = 0;
    int connections = 0;                // accepted so far
    int open = 0;                       // of them still being served
    std::vector<std::string> requests;  // heads and bodies, in order of arrival
};

/// Holds handlers back until a test lets them go on.
struct Gate {
    bool open = false;

    Coro<> wait(const StreamWriter& client) const {
        while (!open && !client.is_closing()) co_await sleep(1ms);
    }
};

/// Waits until a condition holds that others bring about.
template <class Condition>
Coro<> until(Condition condition) {
    while (!condition()) co_await sleep(1ms);
}

/// The next request on a connection, head and body; empty at the end of the stream.
inline Coro<std::string> read_request(StreamReader& reader) {
    std::string request;
    try {
        request = co_await reader.readuntil("\r\n\r\n");
    } catch (const IncompleteReadError&) {
        co_return std::string();
    }
    const std::size_t at = request.find("Content-Length: ");
    if (at == std::string::npos) co_return request;
    std::ptrdiff_t length = 0;
    std::from_chars(request.data() + at + 16, request.data() + request.size(), length);
    std::string body = co_await reader.readexactly(length);
    co_return request + body;
}

/// Runs `body(site)` while a server hands each connection to `handler(site, reader, writer)`, and closes it
/// then. What the handler throws because its client has gone is forgotten.
template <class Handler, class Body>
Coro<> with_site(Handler handler, Body body) {
    Site site;
    auto on_client = [&](StreamReader reader, StreamWriter writer) -> Coro<> {
        ++site.connections;
        ++site.open;
        struct Left {
            int& open;
            explicit Left(int& o) noexcept : open(o) {}
            ~Left() { --open; }
        } const left(site.open);
        try {
            co_await handler(site, reader, writer);
        } catch (const OSError&) {
        } catch (const IncompleteReadError&) {}
        writer.close();
    };
    Server server = co_await start_server(on_client, "127.0.0.1", 0, {.backlog = 4096});
    site.port = server.port();
    std::exception_ptr error;
    try {
        co_await body(site);
    } catch (...) {
        error = std::current_exception();
    }
    server.abort_clients();
    co_await server.aexit(nullptr);  // waits for the handlers, too
    if (error != nullptr) std::rethrow_exception(error);
}

/// A handler that answers each request with these bytes, and closes after so many answers.
inline auto answers(std::string_view answer, int times = 1'000'000) {
    return [answer, times](Site& site, StreamReader& reader, StreamWriter& writer) -> Coro<> {
        for (int i = 0; i < times; ++i) {
            std::string request = co_await read_request(reader);
            if (request.empty()) co_return;
            site.requests.push_back(std::move(request));
            co_await writer.send(answer);
        }
    };
}

/// A server on a thread of its own, with a loop and memory of its own.
class ServerThread {
  public:
    template <class Handler>
    explicit ServerThread(Handler handler)
        : thread_([this, handler] {
              asyncio::run(with_site(handler, [this](Site& site) -> Coro<> {
                  port_.set_value(site.port);
                  while (!ended_) co_await sleep(1ms);
              }));
          }) {
        site_.port = port_.get_future().get();
    }
    ServerThread(const ServerThread&) = delete;
    ServerThread& operator=(const ServerThread&) = delete;
    ~ServerThread() {
        ended_ = true;
        thread_.join();
    }

    std::string url(std::string_view path = "/") const { return site_.url(path); }

  private:
    std::promise<std::uint16_t> port_;
    std::atomic<bool> ended_{false};
    Site site_;  // where it is, as others see it
    std::thread thread_;
};

inline constexpr std::string_view hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// What a failing request says, or "" if it succeeded, body included.
inline Coro<std::string> failure_of(const http::ClientSession& session, std::string url) {
    try {
        auto response = co_await session.get(url);
        std::string body = co_await response.read();
    } catch (const std::exception& e) {
        co_return std::string(e.what());
    }
    co_return std::string();
}

}  // namespace asyncio::test
