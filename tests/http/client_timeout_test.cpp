// Each limit of ClientTimeout: what it covers, and what its error says.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "asyncio/http/client_session.hpp"
#include "http/client_support.hpp"

namespace {

using namespace asyncio;
using namespace asyncio::test;
using namespace std::chrono_literals;

class ClientTimeout : public BackendTest {};
ASYNCIO_ON_REAL_BACKENDS(ClientTimeout);

/// Never answers; or, asked for "/half", stops in the middle of the body.
Coro<> silent(Site& site, StreamReader& reader, StreamWriter& writer) {
    std::string request = co_await read_request(reader);
    if (request.starts_with("GET /half"))
        co_await writer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
    site.requests.push_back(std::move(request));
    co_await reader.read(1);
}

/// What awaiting `request` (and reading the body) fails with: the error's type and text.
template <class Error>
Coro<std::string> failed_as(Coro<http::ClientResponse> request) {
    try {
        auto response = co_await std::move(request);
        std::string body = co_await response.read();
    } catch (const Error& e) {
        EXPECT_NE(dynamic_cast<const TimeoutError*>(&e), nullptr);
        co_return std::string(e.what());
    } catch (const std::exception& e) {
        co_return "another error: " + std::string(e.what());
    }
    co_return std::string("no error");
}

TEST_P(ClientTimeout, TotalLimitsTheWaitForTheResponse) {
    run([]() -> Coro<> {
        co_await with_site(silent, [](Site& site) -> Coro<> {
            http::ClientSession session{{.timeout = {.total = 20ms}}};
            std::string failure = co_await failed_as<http::ServerTimeoutError>(session.get(site.url()));
            EXPECT_EQ(failure,
                      "GET " + site.url() + ": timed out while waiting for the response (total = 20 ms)");
            EXPECT_EQ(session.connections().in_use, 0u);
            EXPECT_EQ(session.connections().idle, 0u);
            co_await until([&] { return site.open == 0; });
        });
    });
}

TEST_P(ClientTimeout, TotalLimitsTheReadingOfTheBodyToo) {
    run([]() -> Coro<> {
        co_await with_site(silent, [](Site& site) -> Coro<> {
            http::ClientSession session;
            const TimePoint begin = get_running_loop().time();
            std::string failure = co_await failed_as<http::ServerTimeoutError>(
                session.get(site.url("/half"), {.timeout = {.total = 30ms}}));
            EXPECT_EQ(failure,
                      "GET " + site.url("/half") + ": timed out while reading the body (total = 30 ms)");
            EXPECT_GE(get_running_loop().time() - begin, 30ms);
            EXPECT_EQ(session.connections().in_use, 0u);
        });
    });
}

TEST_P(ClientTimeout, TotalCountsFromTheRequestNotFromTheRead) {
    run([]() -> Coro<> {
        co_await with_site(silent, [](Site& site) -> Coro<> {
            http::ClientSession session;
            auto response = co_await session.get(site.url("/half"), {.timeout = {.total = 30ms}});
            co_await sleep(40ms);
            const TimePoint begin = get_running_loop().time();
            EXPECT_THROW(co_await response.read(), TimeoutError);
            EXPECT_LT(get_running_loop().time() - begin, 20ms) << "it was up before";
        });
    });
}

TEST_P(ClientTimeout, SockReadLimitsEachSilence) {
    run([]() -> Coro<> {
        auto slow = [](Site&, StreamReader& reader, StreamWriter& writer) -> Coro<> {
            std::string request = co_await read_request(reader);
            co_await writer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
            for (int i = 0; i < 8; ++i) {
                co_await sleep(10ms);
                co_await writer.send("x");
            }
            co_await reader.read(1);
        };
        co_await with_site(slow, [](Site& site) -> Coro<> {
            http::ClientSession session{{.timeout = {.sock_read = 60ms}}};
            auto response = co_await session.get(site.url());
            std::string eight = co_await response.content().readexactly(8);
            EXPECT_EQ(eight, "xxxxxxxx") << "80 ms in all, but never 60 ms of silence";
            std::string failure;
            try {
                co_await response.content().readany();
            } catch (const http::SocketTimeoutError& e) {
                failure = e.what();
            }
            EXPECT_EQ(failure,
                      "GET " + site.url() + ": timed out while reading the body (sock_read = 60 ms)");
        });
    });
}

TEST_P(ClientTimeout, ConnectLimitsTheWaitForAFreeConnection) {
    run([]() -> Coro<> {
        co_await with_site(silent, [](Site& site) -> Coro<> {
            http::ClientSession session{{.limit = 1}};
            auto first = create_task(session.get(site.url()));
            co_await until([&] { return site.requests.size() == 1; });
            std::string failure = co_await failed_as<http::ConnectionTimeoutError>(
                session.get(site.url(), {.timeout = {.connect = 20ms}}));
            EXPECT_EQ(failure, "GET " + site.url() +
                                   ": timed out while waiting for a free connection (connect = 20 ms)");
            EXPECT_EQ(session.connections().waiting, 0u);
            first.cancel();
            EXPECT_THROW(co_await std::move(first), CancelledError);
        });
    });
}

TEST_P(ClientTimeout, ConnectDoesNotLimitTheResponse) {
    run([]() -> Coro<> {
        auto late = [](Site&, StreamReader& reader, StreamWriter& writer) -> Coro<> {
            std::string request = co_await read_request(reader);
            co_await sleep(50ms);
            co_await writer.send(hello);
        };
        co_await with_site(late, [](Site& site) -> Coro<> {
            http::ClientSession session;
            auto response =
                co_await session.get(site.url(), {.timeout = {.connect = 20ms, .sock_connect = 20ms}});
            EXPECT_EQ(response.status, 200);
        });
    });
}

/// A port that listens but whose queue is full: Linux leaves further SYNs unanswered.
class FullPort {
  public:
    FullPort() {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* const name = reinterpret_cast<sockaddr*>(&address);
        const int listener = add();
        EXPECT_EQ(::bind(listener, name, size), 0);
        EXPECT_EQ(::listen(listener, 0), 0);
        EXPECT_EQ(::getsockname(listener, name, &size), 0);
        port = ntohs(address.sin_port);
        for (int i = 0; i < 4; ++i) static_cast<void>(::connect(add(), name, size));
    }
    FullPort(const FullPort&) = delete;
    FullPort& operator=(const FullPort&) = delete;
    ~FullPort() {
        for (const int each : sockets_) ::close(each);
    }

    std::uint16_t port = 0;

  private:
    int add() {
        sockets_.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        return sockets_.back();
    }
    std::vector<int> sockets_;
};

TEST_P(ClientTimeout, SockConnectAndConnectLimitTheMakingOfAConnection) {
    run([]() -> Coro<> {
        const FullPort full;
        const std::string url = "http://127.0.0.1:" + std::to_string(full.port) + "/";
        http::ClientSession session{{.timeout = {.sock_connect = 30ms}}};
        std::string failure = co_await failed_as<http::ConnectionTimeoutError>(session.get(url));
        EXPECT_EQ(failure, "GET " + url + ": timed out while connecting (sock_connect = 30 ms)");
        failure = co_await failed_as<http::ConnectionTimeoutError>(
            session.get(url, {.timeout = {.connect = 30ms}}));
        EXPECT_EQ(failure, "GET " + url + ": timed out while connecting (connect = 30 ms)");
        failure =
            co_await failed_as<http::ServerTimeoutError>(session.get(url, {.timeout = {.total = 30ms}}));
        EXPECT_EQ(failure, "GET " + url + ": timed out while connecting (total = 30 ms)");
        EXPECT_EQ(session.connections().in_use, 0u);
        co_await sleep(1ms);  // the kernel lets go of the sockets
    });
}

TEST_P(ClientTimeout, ZeroIsNoLimit) {
    run([]() -> Coro<> {
        co_await with_site(answers(hello), [](Site& site) -> Coro<> {
            http::ClientSession session{
                {.timeout = {.total = 0s, .connect = 0s, .sock_connect = 0s, .sock_read = 0s}}};
            auto response = co_await session.get(site.url());
            EXPECT_EQ(response.status, 200);
        });
    });
}

TEST_P(ClientTimeout, ATimeoutFromOutsideStaysWhatItIs) {
    run([]() -> Coro<> {
        co_await with_site(silent, [](Site& site) -> Coro<> {
            http::ClientSession session;
            bool outer = false;
            try {
                co_await with(timeout(20ms),
                              [&](Timeout&) -> Coro<> { (void)co_await session.get(site.url()); });
            } catch (const http::ClientError&) {
                ADD_FAILURE() << "it was not the client's";
            } catch (const TimeoutError&) {
                outer = true;
            }
            EXPECT_TRUE(outer);
            EXPECT_THROW(co_await wait_for(session.get(site.url()), 10ms), TimeoutError);
            EXPECT_EQ(session.connections().in_use, 0u);
        });
    });
}

}  // namespace
