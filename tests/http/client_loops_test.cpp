// A session and the loops that it meets: made before them, left by them, destroyed while they rest.
#include <optional>
#include <string>
#include <vector>

#include "asyncio/http/client_session.hpp"
#include "asyncio/testing/wait_all_tasks_blocked.hpp"
#include "http/client_support.hpp"

namespace {

using namespace asyncio;
using namespace asyncio::test;
using namespace std::chrono_literals;

class ClientLoops : public BackendTest {
  protected:
    RunOptions options() const {
        RunOptions made;
        made.backend = backend();
        return made;
    }
};
ASYNCIO_ON_REAL_BACKENDS(ClientLoops);

/// Two requests' worth of a page; at /half, a half of it.
Coro<> serve_pages(Site&, StreamReader& reader, StreamWriter& writer) {
    for (;;) {
        const std::string request = co_await read_request(reader);
        if (request.empty()) co_return;
        if (request.starts_with("GET /half")) {
            co_await writer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
            co_await reader.read(1);
            co_return;
        }
        if (request.starts_with("GET /never")) {
            co_await reader.read(1);
            co_return;
        }
        co_await writer.send(hello);
    }
}

Coro<std::string> fetch(const http::ClientSession& session, std::string url) {
    auto response = co_await session.get(url);
    co_return co_await response.text();
}

/// What was closed is closed, as far as the kernel is concerned, too.
Coro<> settle() { co_await asyncio::testing::wait_all_tasks_blocked(); }

/// What the coroutine throws as a RuntimeError, when run in a loop of its own; "" if nothing.
std::string refusal_of(Coro<std::string> coro, RunOptions options) {
    try {
        asyncio::run(std::move(coro), options);
    } catch (const RuntimeError& error) {
        return error.what();
    }
    return "";
}

TEST_P(ClientLoops, ASessionMadeBeforeAnyLoopServesOneRunAndIsRefusedInTheNext) {
    const ServerThread server(serve_pages);
    ::testing::internal::CaptureStderr();
    {
        const http::ClientSession session;
        EXPECT_EQ(asyncio::run(fetch(session, server.url()), options()), "hello");
        EXPECT_EQ(session.connections().idle, 1u);
        // The next loop may well lie where the last one was, and be taken for it.
        for (int i = 0; i < 3; ++i) {
            const std::string refused = refusal_of(fetch(session, server.url()), options());
            EXPECT_NE(refused.find("GET " + server.url()), std::string::npos) << refused;
            EXPECT_NE(refused.find("event loop of this ClientSession has been closed"), std::string::npos)
                << refused;
        }
    }
    EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST_P(ClientLoops, ASessionMadeForEachRunIsTheCure) {
    const ServerThread server(serve_pages);
    std::optional<http::ClientSession> session;
    for (int i = 0; i < 3; ++i) {
        session.emplace();
        EXPECT_EQ(asyncio::run(fetch(*session, server.url()), options()), "hello");
    }
}

TEST_P(ClientLoops, ASessionThatOutlivesItsLoopCanBeClosedInAnother) {
    const ServerThread server(serve_pages);
    http::ClientSession session;
    asyncio::run(fetch(session, server.url()), options());
    run([&]() -> Coro<> { co_await session.close(); });
    EXPECT_TRUE(session.closed());
    EXPECT_EQ(session.connections().idle, 0u);
}

TEST_P(ClientLoops, WhatOutlivesItsLoopIsDestroyedInAnyOrderWithoutAWord) {
    // A half read response, an idle connection with its timer, and a response that was read.
    const ServerThread server(serve_pages);
    ::testing::internal::CaptureStderr();
    for (const bool session_first : {false, true}) {
        std::optional<http::ClientSession> session(std::in_place);
        std::vector<http::ClientResponse> responses;
        asyncio::run(
            [&]() -> Coro<> {
                for (const char* path : {"/", "/half", "/"}) {
                    auto response = co_await session->get(server.url(path));
                    responses.push_back(std::move(response));
                }
            },
            options());
        EXPECT_EQ(session->connections().in_use, 1u);
        const std::string refused = refusal_of(responses[1].text(), options());
        EXPECT_NE(refused.find("/half"), std::string::npos) << refused;
        EXPECT_NE(refused.find("has been closed"), std::string::npos) << refused;
        EXPECT_EQ(asyncio::run(responses[2].text(), options()), "hello") << "it is in memory";
        EXPECT_EQ(responses[2].status, 200);
        if (session_first) session.reset();
        responses.clear();
    }
    EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST_P(ClientLoops, ASessionBelongsToTheLoopOfItsFirstRequest) {
    const ServerThread server(serve_pages);
    EventLoop first(options());
    std::optional<http::ClientSession> session(std::in_place);
    EXPECT_EQ(first.run_until_complete(fetch(*session, server.url())), "hello");
    const std::string refused = refusal_of(fetch(*session, server.url()), options());
    EXPECT_NE(refused.find("belongs to another event loop"), std::string::npos) << refused;
    run([&]() -> Coro<> { EXPECT_THROW(co_await session->close(), RuntimeError); });
    EXPECT_EQ(first.run_until_complete(fetch(*session, server.url())), "hello") << "it is unharmed";
    session.reset();
    first.run_until_complete(settle());
    expect_nothing_left(first);
    first.close();
}

TEST_P(ClientLoops, DestroyedWhileItsLoopRestsASessionFailsItsRequests) {
    const ServerThread server(serve_pages);
    EventLoop loop(options());
    std::optional<http::ClientSession> session(std::in_place, http::ClientSessionOptions{.limit = 1});
    std::optional<Task<std::string>> unanswered;
    std::optional<Task<std::string>> waiting;
    const auto start = [&]() -> Coro<> {
        unanswered.emplace(create_task(fetch(*session, server.url("/never"))));
        waiting.emplace(create_task(fetch(*session, server.url())));
        co_await until([&] { return session->connections().waiting == 1; });
    };
    loop.run_until_complete(start());
    session.reset();
    const auto finish = [&]() -> Coro<> {
        EXPECT_THROW(co_await *unanswered, http::SessionClosedError);
        EXPECT_THROW(co_await *waiting, http::SessionClosedError);
    };
    loop.run_until_complete(finish());
    loop.run_until_complete(settle());
    expect_nothing_left(loop);
    loop.close();
}

/// A loop that rests; one response of its session is half read, and another request waits for that one's
/// slot.
struct HalfRead {
    const ServerThread server{serve_pages};
    EventLoop loop;
    const http::ClientSession session{{.limit = 1}};
    std::optional<http::ClientResponse> half;
    std::optional<Task<std::string>> waiting;

    explicit HalfRead(const RunOptions& options) : loop(options) { loop.run_until_complete(start()); }
    void expect_that_the_next_is_served() {
        EXPECT_EQ(loop.run_until_complete(*waiting), "hello");
        loop.close();
    }

  private:
    Coro<> start() {
        half.emplace(co_await session.get(server.url("/half")));
        waiting.emplace(create_task(fetch(session, server.url())));
        co_await until([&] { return session.connections().waiting == 1; });
    }
};

TEST_P(ClientLoops, AResponseDestroyedWhileTheLoopRestsMakesRoomForTheNext) {
    HalfRead at(options());
    at.half.reset();
    at.expect_that_the_next_is_served();
}

// A destructor cannot refuse: it works for the loop that the response belongs to.
TEST_P(ClientLoops, AResponseDestroyedInsideAnotherLoopMakesRoomForTheNext) {
    HalfRead at(options());
    run([&]() -> Coro<> {
        at.half.reset();
        co_return;
    });
    EXPECT_EQ(at.session.connections().waiting, 0u);
    at.expect_that_the_next_is_served();
}

// A line, as everything else, is read from memory without a loop's help.
TEST_P(ClientLoops, WhatIsInMemoryOfABodyIsReadInAnyLoop) {
    const ServerThread server(
        answers("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\none\ntwo\nthree\nfour--"));
    const http::ClientSession session;
    std::optional<http::ClientResponse> response;
    asyncio::run([&]() -> Coro<> { response.emplace(co_await session.get(server.url())); }, options());
    run([&]() -> Coro<> {
        const std::string one = co_await response->content().readline();
        EXPECT_EQ(one, "one\n");
        const std::string two = co_await response->content().readexactly(4);
        EXPECT_EQ(two, "two\n");
        const std::string three = co_await response->content().readline();
        EXPECT_EQ(three, "three\n");
        const std::string last = co_await response->content().readline();
        EXPECT_EQ(last, "four--");
        const std::string none = co_await response->content().readline();
        EXPECT_EQ(none, "");
    });
}

}  // namespace
