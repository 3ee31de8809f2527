// Which connection a request gets, who waits, and what closing a session does.
#include <sys/resource.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "asyncio/http/client_session.hpp"
#include "asyncio/testing/wait_all_tasks_blocked.hpp"
#include "http/client_support.hpp"

namespace {

using namespace asyncio;
using namespace asyncio::test;
using namespace std::chrono_literals;

class ClientPool : public BackendTest {};
ASYNCIO_ON_REAL_BACKENDS(ClientPool);

/// Notes the paths of the requests in their order, and answers when the gate is open.
auto gated(const Gate& gate) {
    return [&gate](Site& site, StreamReader& reader, StreamWriter& writer) -> Coro<> {
        for (;;) {
            std::string request = co_await read_request(reader);
            if (request.empty()) co_return;
            site.requests.push_back(request.substr(4, request.find(" HTTP") - 4));
            co_await gate.wait(writer);
            co_await writer.send(hello);
        }
    };
}

TEST_P(ClientPool, OneConnectionServesRequestsInTurn) {
    run([]() -> Coro<> {
        co_await with_site(answers(hello), [](Site& site) -> Coro<> {
            http::ClientSession session;
            for (int i = 0; i < 100; ++i) {
                auto response = co_await session.get(site.url());
                std::string text = co_await response.text();
                EXPECT_EQ(text, "hello");
            }
            EXPECT_EQ(site.connections, 1);
            EXPECT_EQ(session.connections().idle, 1u);
        });
    });
}

TEST_P(ClientPool, ASmallResponseFreesItsConnectionBeforeItIsRead) {
    run([]() -> Coro<> {
        co_await with_site(answers(hello), [](Site& site) -> Coro<> {
            http::ClientSession session{{.limit = 1}};
            auto first = co_await session.get(site.url());
            EXPECT_TRUE(first.closed());
            auto second = co_await session.get(site.url());
            std::string text = co_await first.text();
            EXPECT_EQ(text, "hello");
            EXPECT_EQ(site.connections, 1);
        });
    });
}

TEST_P(ClientPool, TheConnectionUsedLastIsUsedNext) {
    run([]() -> Coro<> {
        Gate gate;
        auto handler = [&](Site& site, StreamReader& reader, StreamWriter& writer) -> Coro<> {
            const int me = site.connections;
            for (;;) {
                std::string request = co_await read_request(reader);
                if (request.empty()) co_return;
                site.requests.push_back(std::to_string(me));
                if (me == 1) co_await gate.wait(writer);
                co_await writer.send(hello);
            }
        };
        co_await with_site(handler, [&](Site& site) -> Coro<> {
            http::ClientSession session;
            auto first = create_task(session.get(site.url()));
            co_await until([&] { return site.requests.size() == 1; });
            (void)co_await session.get(site.url());  // on the second connection
            gate.open = true;
            (void)co_await std::move(first);
            EXPECT_EQ(session.connections().idle, 2u);
            (void)co_await session.get(site.url());
            EXPECT_EQ(site.requests.back(), "1");
        });
    });
}

TEST_P(ClientPool, NeitherSideKeepsAConnectionThatEitherWantsClosed) {
    run([]() -> Coro<> {
        co_await with_site(answers("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
                           [](Site& site) -> Coro<> {
                               http::ClientSession session;
                               (void)co_await session.get(site.url());
                               EXPECT_EQ(session.connections().idle, 0u);
                           });
        co_await with_site(answers(hello), [](Site& site) -> Coro<> {
            http::ClientSession session;
            (void)co_await session.get(site.url(), {.headers = http::headers("Connection", "close")});
            EXPECT_EQ(session.connections().idle, 0u);
            http::ClientSession forced{{.force_close = true}};
            (void)co_await forced.get(site.url());
            EXPECT_EQ(forced.connections().idle, 0u);
        });
    });
}

TEST_P(ClientPool, TheLimitHoldsAndWhoWaitsIsServedInOrder) {
    run([]() -> Coro<> {
        Gate gate;
        co_await with_site(gated(gate), [&](Site& site) -> Coro<> {
            http::ClientSession session{{.limit = 2}};
            std::vector<Task<http::ClientResponse>> tasks;
            for (int i = 0; i < 10; ++i)
                tasks.push_back(create_task(session.get(site.url("/" + std::to_string(i)))));
            co_await until([&] { return site.requests.size() == 2; });
            EXPECT_EQ(session.connections().in_use, 2u);
            EXPECT_EQ(session.connections().waiting, 8u);
            gate.open = true;
            for (auto& task : tasks) (void)co_await std::move(task);
            EXPECT_EQ(site.connections, 2);
            std::vector<std::string> in_order;
            for (int i = 0; i < 10; ++i) in_order.push_back("/" + std::to_string(i));
            EXPECT_EQ(site.requests, in_order);
        });
    });
}

TEST_P(ClientPool, TheLimitOfAHostDoesNotHoldUpOtherHosts) {
    run([]() -> Coro<> {
        Gate gate;
        co_await with_site(gated(gate), [&](Site& slow) -> Coro<> {
            co_await with_site(answers(hello), [&](Site& quick) -> Coro<> {
                http::ClientSession session{{.limit = 10, .limit_per_host = 1}};
                auto first = create_task(session.get(slow.url("/1")));
                auto second = create_task(session.get(slow.url("/2")));
                co_await until([&] { return slow.requests.size() == 1; });
                EXPECT_EQ(session.connections().waiting, 1u);
                (void)co_await session.get(quick.url());
                EXPECT_EQ(slow.connections, 1);
                EXPECT_EQ(slow.requests.size(), 1u);
                gate.open = true;
                (void)co_await std::move(first);
                (void)co_await std::move(second);
                EXPECT_EQ(slow.connections, 1);
            });
        });
    });
}

TEST_P(ClientPool, IdleConnectionsMakeRoomForOtherHosts) {
    run([]() -> Coro<> {
        co_await with_site(answers(hello), [&](Site& one) -> Coro<> {
            co_await with_site(answers(hello), [&](Site& other) -> Coro<> {
                http::ClientSession session{{.limit = 1}};
                (void)co_await session.get(one.url());
                EXPECT_EQ(session.connections().idle, 1u);
                (void)co_await session.get(other.url());
                EXPECT_EQ(session.connections().idle, 1u);
                co_await until([&] { return one.open == 0; });
                EXPECT_EQ(other.open, 1);
            });
        });
    });
}

TEST_P(ClientPool, AWaiterThatIsCancelledLosesNobodysTurn) {
    run([]() -> Coro<> {
        Gate gate;
        co_await with_site(gated(gate), [&](Site& site) -> Coro<> {
            http::ClientSession session{{.limit = 1}};
            auto first = create_task(session.get(site.url("/1")));
            auto second = create_task(session.get(site.url("/2")));
            auto third = create_task(session.get(site.url("/3")));
            co_await until([&] { return site.requests.size() == 1 && session.connections().waiting == 2; });
            second.cancel();
            gate.open = true;
            (void)co_await std::move(first);
            (void)co_await std::move(third);
            EXPECT_TRUE(second.cancelled());
            EXPECT_EQ(site.requests, (std::vector<std::string>{"/1", "/3"}));
            EXPECT_EQ(session.connections().in_use, 0u);
        });
    });
}

TEST_P(ClientPool, AWaiterCancelledInTheMomentOfItsTurnPassesItOn) {
    run([]() -> Coro<> {
        Gate gate;
        co_await with_site(gated(gate), [&](Site& site) -> Coro<> {
            http::ClientSession session{{.limit = 1}};
            Task<http::ClientResponse> second{create_task(session.get(site.url("/0")))};
            auto run_first = [&]() -> Coro<> {
                auto response = co_await session.get(site.url("/1"));
                second.cancel();  // its slot was granted when this response was complete
            };
            gate.open = true;
            (void)co_await std::move(second);
            auto first = create_task(run_first);
            co_await sleep(0s);
            second = create_task(session.get(site.url("/2")));
            auto third = create_task(session.get(site.url("/3")));
            co_await first;
            (void)co_await std::move(third);
            EXPECT_TRUE(second.cancelled());
            EXPECT_EQ(site.requests, (std::vector<std::string>{"/0", "/1", "/3"}));
            EXPECT_EQ(session.connections().in_use, 0u);
        });
    });
}

TEST_P(ClientPool, IdleConnectionsAreClosedAfterTheirTime) {
    run([]() -> Coro<> {
        co_await with_site(answers(hello), [&](Site& site) -> Coro<> {
            http::ClientSession session{{.keepalive_timeout = 20ms}};
            (void)co_await session.get(site.url());
            EXPECT_EQ(session.connections().idle, 1u);
            co_await until([&] { return site.open == 0; });
            EXPECT_EQ(session.connections().idle, 0u);
        });
    });
}

TEST_P(ClientPool, DestroyingASessionEndsWhatIsUnderWayAndSparesTheResponses) {
    run([]() -> Coro<> {
        Gate gate;
        auto handler = [&](Site& site, StreamReader& reader, StreamWriter& writer) -> Coro<> {
            std::string request = co_await read_request(reader);
            site.requests.push_back(request);
            if (request.starts_with("GET /half")) {
                co_await writer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
                co_await gate.wait(writer);
                co_await writer.send("later");
            }
            co_await reader.read(1);
        };
        co_await with_site(handler, [&](Site& site) -> Coro<> {
            std::optional<http::ClientSession> session;
            session.emplace(http::ClientSessionOptions{.limit = 2});
            auto half = co_await session->get(site.url("/half"));
            auto in_flight = create_task(session->get(site.url("/silent")));
            auto waiting = create_task(session->get(site.url("/waits")));
            Coro<http::ClientResponse> later = session->get(site.url("/later"));
            co_await until([&] { return site.requests.size() == 2 && session->connections().waiting == 1; });
            session.reset();
            auto handle = in_flight;
            EXPECT_THROW(co_await std::move(in_flight), http::SessionClosedError);
            EXPECT_THROW(co_await std::move(waiting), http::ClientConnectionError);
            EXPECT_THROW(co_await std::move(later), http::ClientConnectionError);
            EXPECT_NE(error_text(handle.exception()).find("/silent: session closed"), std::string::npos);
            gate.open = true;
            std::string text = co_await half.text();
            EXPECT_EQ(text, "firstlater");
        });
    });
}

// The response and the session go in one step: the waiter has been granted the slot, and is in the ready
// queue before what the session tells it.
TEST_P(ClientPool, ARequestThatWaitsFailsWithItsSessionAlsoInTheMomentOfItsTurn) {
    run([]() -> Coro<> {
        const auto half = answers("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
        co_await with_site(half, [](Site& site) -> Coro<> {
            for (const bool says_so : {false, true}) {
                site.requests.clear();
                std::optional<http::ClientSession> session(std::in_place,
                                                           http::ClientSessionOptions{.limit = 1});
                std::optional<http::ClientResponse> first = co_await session->get(site.url("/first"));
                auto second = create_task(session->get(site.url("/second")));
                co_await until([&] { return session->connections().waiting == 1; });
                first.reset();
                EXPECT_EQ(session->connections().in_use, 1u) << "granted";
                if (says_so) {
                    co_await session->close();
                } else {
                    session.reset();
                }
                EXPECT_THROW(co_await std::move(second), http::SessionClosedError);
                EXPECT_EQ(site.requests.size(), 1u) << "the second request was not sent";
            }
        });
        co_await asyncio::testing::wait_all_tasks_blocked();
    });
}

// The end of the session and bytes of the response come in one turn of the loop, in both orders; the bytes
// are a part of the head, so that the request reads on, or all of it.
TEST_P(ClientPool, ARequestUnderWayFailsWithItsSessionWhateverComesInThatTurn) {
    run([]() -> Coro<> {
        for (const std::string_view piece : {hello.substr(0, 30), hello}) {
            for (const bool end_first : {true, false}) {
                StreamWriter* end = nullptr;
                const auto serve = [&](Site&, StreamReader& reader, StreamWriter& writer) -> Coro<> {
                    const std::string request = co_await read_request(reader);
                    if (request.starts_with("GET /end")) {
                        end = &writer;
                    } else {
                        if (end_first) end->write("x");
                        writer.write(piece);
                        if (!end_first) end->write("x");
                    }
                    co_await reader.read(1);
                };
                co_await with_site(serve, [&](Site& site) -> Coro<> {
                    std::optional<http::ClientSession> session(std::in_place);
                    std::optional<Task<http::ClientResponse>> request;
                    bool answered_before = false;
                    const auto end_session = [&]() -> Coro<> {
                        auto [reader, writer] = co_await open_connection("127.0.0.1", site.port);
                        writer.write("GET /end HTTP/1.1\r\n\r\n");
                        co_await reader.read(1);
                        answered_before = request->done();
                        session.reset();
                    };
                    auto ending = create_task(end_session);
                    co_await until([&] { return end != nullptr; });
                    request.emplace(create_task(session->get(
                        site.url(), {.timeout = http::ClientTimeout{.total = 5s, .sock_read = 4s}})));
                    co_await ending;
                    bool answered = false;
                    try {
                        auto response = co_await std::move(*request);
                        answered = true;
                    } catch (const http::SessionClosedError&) {}
                    EXPECT_EQ(answered, answered_before) << piece;
                });
            }
        }
        co_await asyncio::testing::wait_all_tasks_blocked();
    });
}

TEST_P(ClientPool, ClosingASessionClosesItsIdleConnections) {
    run([]() -> Coro<> {
        co_await with_site(answers(hello), [&](Site& site) -> Coro<> {
            http::ClientSession session;
            (void)co_await session.get(site.url());
            EXPECT_EQ(site.open, 1);
            co_await session.close();
            EXPECT_TRUE(session.closed());
            EXPECT_EQ(session.connections().idle, 0u);
            co_await until([&] { return site.open == 0; });
            EXPECT_THROW(co_await session.get(site.url()), http::SessionClosedError);
            co_await session.close();
        });
    });
}

TEST_P(ClientPool, ASessionMayOutliveItsLoop) {
    std::optional<http::ClientSession> session;
    session.emplace();
    run([&]() -> Coro<> {
        co_await with_site(answers(hello), [&](Site& site) -> Coro<> {
            auto response = co_await session->get(site.url());
            std::string text = co_await response.text();
            EXPECT_EQ(text, "hello");
            co_await session->close();
        });
    });
    session.reset();
}

TEST_P(ClientPool, AThousandRequestsAtOnce) {
    run([]() -> Coro<> {
        Gate gate;
        co_await with_site(gated(gate), [&](Site& site) -> Coro<> {
            http::ClientSession session{{.limit = 0}};
            std::vector<Task<http::ClientResponse>> tasks;
            for (int i = 0; i < 1000; ++i) tasks.push_back(create_task(session.get(site.url())));
            co_await until([&] { return site.requests.size() == 1000; });
            EXPECT_EQ(session.connections().in_use, 1000u);
            gate.open = true;
            for (auto& task : tasks) {
                auto response = co_await std::move(task);
                std::string text = co_await response.text();
                EXPECT_EQ(text, "hello");
            }
            EXPECT_EQ(session.connections().idle, 1000u);
        });
    });
}

/// Leaves this process only so many descriptors, for as long as it lives.
class DescriptorLimit {
  public:
    explicit DescriptorLimit(rlim_t limit) {
        getrlimit(RLIMIT_NOFILE, &before_);
        rlimit now = before_;
        now.rlim_cur = limit;
        setrlimit(RLIMIT_NOFILE, &now);
    }
    DescriptorLimit(const DescriptorLimit&) = delete;
    DescriptorLimit& operator=(const DescriptorLimit&) = delete;
    ~DescriptorLimit() { setrlimit(RLIMIT_NOFILE, &before_); }

  private:
    rlimit before_{};
};

TEST_P(ClientPool, WithoutADescriptorLeftTheErrorSaysSo) {
    if (ASYNCIO_ASAN) GTEST_SKIP() << "the sanitizer itself needs descriptors";
    run([]() -> Coro<> {
        co_await with_site(answers(hello), [&](Site& site) -> Coro<> {
            http::ClientSession session;
            std::string failure;
            {
                const DescriptorLimit none(3);
                failure = co_await failure_of(session, site.url());
            }
            EXPECT_TRUE(failure.starts_with("GET " + site.url() + ": ")) << failure;
            EXPECT_TRUE(failure.find("Too many open files") != std::string::npos) << failure;
            EXPECT_EQ(session.connections().in_use, 0u);
            failure = co_await failure_of(session, site.url());
            EXPECT_EQ(failure, "") << "and afterwards all is well";
        });
    });
}

TEST_P(ClientPool, WithoutADescriptorLeftIdleConnectionsMakeRoom) {
    if (ASYNCIO_ASAN) GTEST_SKIP() << "the sanitizer itself needs descriptors";
    run([]() -> Coro<> {
        co_await with_site(answers(hello), [&](Site& one) -> Coro<> {
            co_await with_site(answers(hello), [&](Site& other) -> Coro<> {
                http::ClientSession session;
                (void)co_await session.get(one.url());
                const int spare = ::dup(0);  // for the server, which is in this process, too
                const DescriptorLimit limit(static_cast<rlim_t>(spare) + 1);
                auto task = create_task(session.get(other.url()));
                while (session.connections().idle != 0) co_await sleep(0s);
                ::close(spare);
                auto response = co_await std::move(task);
                EXPECT_EQ(response.status, 200);
                EXPECT_EQ(session.connections().idle, 1u);
            });
        });
    });
}

}  // namespace
