// A server and raw clients in one loop, for the tests of http::web.
#pragma once
#include <asyncio/asyncio.hpp>
#include <asyncio/http/web.hpp>
#include <asyncio/net/server.hpp>
#include <asyncio/net/streams.hpp>
#include <asyncio/proto/http1.hpp>
#include <asyncio/testing/wait_all_tasks_blocked.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/loop_fixture.hpp"

namespace asyncio::test {

namespace web = http::web;

/// A response as it came.
struct Reply {
    int status = 0;  // 0: the connection ended instead
    std::string reason;
    proto::Headers headers;
    std::string body;
    bool keep_alive = false;
    std::string fault;  // what the parser or the connection has to say against it

    std::string header(std::string_view name) const { return std::string(headers.get(name, "")); }
};

/// Sends bytes as they are, reads responses.
class Client {
  public:
    explicit Client(Streams streams) noexcept : streams_(std::move(streams)) {}
    Client(Client&&) noexcept = default;
    Client& operator=(Client&&) noexcept = default;

    static Coro<Client> connect(std::uint16_t port) {
        Streams streams = co_await open_connection("127.0.0.1", port);
        co_return Client(std::move(streams));
    }

    Coro<> send(std::string bytes) { co_await streams_.writer.send(bytes); }

    /// The next response, to a request of this method. Interim responses are counted in `interim`.
    Coro<Reply> reply(std::string method = "GET") {
        Reply reply;
        proto::ResponseParser parser(method);
        try {
            for (bool complete = false; !complete;) {
                std::string_view in = input_;
                const proto::Event event = parser.parse(in);
                if (event == proto::Event::head) {
                    reply.status = parser.head().status;
                    reply.reason = parser.head().reason;
                    reply.headers = parser.head().headers;
                }
                if (event == proto::Event::body) reply.body.append(parser.body());
                complete = event == proto::Event::complete;
                input_.erase(0, input_.size() - in.size());
                if (event != proto::Event::need_data) continue;
                const std::string more = co_await streams_.reader.read(1 << 16);
                input_ += more;
                if (!more.empty()) continue;
                const proto::Event last = parser.feed_eof();
                complete = last == proto::Event::complete || last == proto::Event::closed;
            }
            reply.keep_alive = parser.keep_alive();
        } catch (const std::exception& error) {
            reply.fault = error.what();
        }
        co_return reply;
    }

    Coro<Reply> ask(std::string request, std::string method = "GET") {
        co_await send(std::move(request));
        co_return co_await reply(std::move(method));
    }

    /// Whatever comes until the server closes.
    Coro<std::string> rest() {
        std::string all = std::exchange(input_, std::string());
        try {
            for (;;) {
                const std::string more = co_await streams_.reader.read(1 << 16);
                if (more.empty()) break;
                all += more;
            }
        } catch (const OSError& error) {
            all += std::string(" [") + error.what() + "]";
        }
        co_return all;
    }

    /// Some bytes, as they come.
    Coro<std::string> some() {
        std::string bytes = std::exchange(input_, std::string());
        if (bytes.empty()) bytes = co_await streams_.reader.read(1 << 16);
        co_return bytes;
    }

    void finish() { streams_.writer.write_eof(); }
    void close() { streams_.writer.close(); }
    void abort() { streams_.writer.abort(); }
    StreamReader& reader() { return streams_.reader; }
    StreamWriter& writer() { return streams_.writer; }

  private:
    Streams streams_;
    std::string input_;
};

inline std::string get(std::string_view path, std::string_view more = "") {
    return "GET " + std::string(path) + " HTTP/1.1\r\nHost: test\r\n" + std::string(more) + "\r\n";
}
inline std::string post(std::string_view path, std::string_view body, std::string_view more = "") {
    return "POST " + std::string(path) +
           " HTTP/1.1\r\nHost: test\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
           std::string(more) + "\r\n" + std::string(body);
}

/// Counts the handlers that have begun and not ended.
class AtWork {
  public:
    AtWork() noexcept { ++count_; }
    AtWork(const AtWork&) = delete;
    AtWork& operator=(const AtWork&) = delete;
    ~AtWork() { --count_; }
    static int count() noexcept { return count_; }

  private:
    static inline int count_ = 0;
};

/// Stands outside a server's scope: when that is left, however it is, no handler may be at work.
struct NobodyIsAtWorkAfterwards {
    NobodyIsAtWorkAfterwards() = default;
    NobodyIsAtWorkAfterwards(const NobodyIsAtWorkAfterwards&) = delete;
    NobodyIsAtWorkAfterwards& operator=(const NobodyIsAtWorkAfterwards&) = delete;
    ~NobodyIsAtWorkAfterwards() {
        EXPECT_EQ(AtWork::count(), 0) << "a handler has outlived its server's scope";
    }
};

class WebTest : public BackendTest {
  protected:
    /// Serves the application on a loopback port while the body runs; nothing may be left afterwards.
    template <class Body>
    void serve(web::Application& app, Body body, web::SiteOptions options = web::SiteOptions(),
               RunOptions run_options = RunOptions()) {
        options.host = "127.0.0.1";
        options.port = 0;
        run(
            [&]() -> Coro<> {
                get_running_loop().set_exception_handler(
                    [this](EventLoop&, const ExceptionContext& context) { note(context); });
                co_await with(web::start(app, options), body);
                co_await testing::wait_all_tasks_blocked();  // the clients' sockets have closed, too
            },
            run_options);
    }

    /// "message: exception", of what the loop's exception handler was told.
    std::vector<std::string> reported;

  private:
    void note(const ExceptionContext& context) {
        reported.push_back(context.message + ": " + (context.exception ? describe(context.exception) : ""));
    }
};

}  // namespace asyncio::test
