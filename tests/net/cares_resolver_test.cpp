// The resolver on c-ares, against a DNS server of the test's own.
#include "asyncio/net/cares_resolver.hpp"

#include <netdb.h>

#include "net_fixture.hpp"
#include "support/cancel_points.hpp"
#include "support/dns_server.hpp"

namespace asyncio::test { namespace {

class Cares : public NetTest {
  public:
    void SetUp() override {
        if (!has_cares_resolver()) GTEST_SKIP() << "built without c-ares";
        NetTest::SetUp();
    }
};
ASYNCIO_ON_REAL_BACKENDS(Cares);

/// "127.0.0.1:80 [::1]:80", sorted.
std::string text(std::vector<Address> addresses) {
    std::vector<std::string> each;
    for (const Address& address : addresses) each.push_back(address.to_string());
    std::sort(each.begin(), each.end());
    std::string all;
    for (const std::string& one : each) all += (all.empty() ? "" : " ") + one;
    return all;
}

/// c-ares's view of this server alone.
std::shared_ptr<Resolver> resolver_for(const DnsServer& server, Duration timeout = 10s, int tries = 1) {
    return make_cares_resolver({.servers = server.address(),
                                .search = ".",
                                .timeout = timeout,
                                .tries = tries,
                                .hosts_file = false});
}

/// Waits until c-ares's sockets have gone from the kernel, too.
Coro<> settle() {
    for (int i = 0; i < 1000 && get_running_loop().impl().backend->in_flight() != 0; ++i)
        co_await sleep(100us);
}

std::optional<std::string> two_addresses(const DnsQuestion& question) {
    DnsAnswer answer(question);
    answer.address(question.name, question.wants_ipv4() ? "127.0.0.1" : "::1");
    return answer.bytes();
}

template <class F>
Coro<> with_server(F body, DnsServer::Handler handler) {
    auto server = co_await DnsServer::start(std::move(handler));
    std::exception_ptr error;
    try {
        co_await body(*server);
    } catch (...) {
        error = std::current_exception();
    }
    co_await server->stop();
    co_await settle();
    if (error != nullptr) std::rethrow_exception(error);
}

/// What a look-up fails with.
Coro<gaierror> failure(Resolver& resolver, std::string host, AddressFamily family = AddressFamily::any) {
    try {
        co_await resolver.resolve(host, 1, family);
    } catch (const gaierror& error) {
        co_return error;
    }
    ADD_FAILURE() << "no error: " << host;
    co_return gaierror(EAI_FAIL, "none");
}

TEST_P(Cares, ANameHasItsAddresses) {
    run([]() -> Coro<> {
        const auto body = [](DnsServer& server) -> Coro<> {
            set_resolver(get_running_loop(), resolver_for(server));
            const std::vector<Address> both = co_await resolve("a.test", 80);
            EXPECT_EQ(text(both), "127.0.0.1:80 [::1]:80");
            const std::vector<Address> one = co_await resolve("b.test", 81, AddressFamily::ipv4);
            EXPECT_EQ(text(one), "127.0.0.1:81");
            const std::vector<Address> other = co_await resolve("c.test", 82, AddressFamily::ipv6);
            EXPECT_EQ(text(other), "[::1]:82");
            EXPECT_EQ(server.times_asked("b.test A"), 1u);
            EXPECT_EQ(server.times_asked("b.test AAAA"), 0u);
            EXPECT_EQ(server.times_asked("c.test A"), 0u);
        };
        co_await with_server(body, &two_addresses);
    });
}

TEST_P(Cares, AConnectionIsMadeToTheNameByWhicheverAddressAnswers) {
    run([]() -> Coro<> {
        const auto body = [](DnsServer& server) -> Coro<> {
            set_resolver(get_running_loop(), resolver_for(server));
            auto [listener, port] = raw_listener();  // nobody listens on ::1
            auto [reader, writer] = co_await open_connection("www.example.test", port);
            EXPECT_EQ(writer.peername().to_string(), "127.0.0.1:" + std::to_string(port));
            co_await finish(writer);
        };
        co_await with_server(body, &two_addresses);
    });
}

TEST_P(Cares, AnAliasLeadsToTheAddress) {
    run([]() -> Coro<> {
        const auto handler = [](const DnsQuestion& question) -> std::optional<std::string> {
            DnsAnswer answer(question);
            answer.alias(question.name, "middle.test").alias("middle.test", "end.test");
            if (question.wants_ipv4()) answer.address("end.test", "192.0.2.7");
            return answer.bytes();
        };
        const auto body = [](DnsServer& server) -> Coro<> {
            const auto resolver = resolver_for(server);
            const std::vector<Address> found =
                co_await resolver->resolve("alias.test", 1, AddressFamily::any);
            EXPECT_EQ(text(found), "192.0.2.7:1");
        };
        co_await with_server(body, handler);
    });
}

TEST_P(Cares, WhatGoesWrongIsToldApart) {
    run([]() -> Coro<> {
        const auto handler = [](const DnsQuestion& question) -> std::optional<std::string> {
            DnsAnswer answer(question);
            if (question.name == "missing.test") answer.code(DnsAnswer::no_such_name);
            if (question.name == "broken.test") answer.code(DnsAnswer::server_failure);
            return answer.bytes();  // of others: the name is there, but no address
        };
        const auto body = [](DnsServer& server) -> Coro<> {
            const auto resolver = resolver_for(server);
            const gaierror missing = co_await failure(*resolver, "missing.test");
            EXPECT_EQ(missing.code().value(), EAI_NONAME);
            EXPECT_NE(std::string_view(missing.what()).find("resolve 'missing.test'"), std::string_view::npos)
                << missing.what();
            const gaierror broken = co_await failure(*resolver, "broken.test");
            EXPECT_EQ(broken.code().value(), EAI_AGAIN) << broken.what();
            EXPECT_NE(std::string_view(broken.what()).find("no name server gave an answer"),
                      std::string_view::npos)
                << broken.what();
            const gaierror empty = co_await failure(*resolver, "empty.test", AddressFamily::ipv4);
            EXPECT_EQ(empty.code().value(), EAI_NODATA) << empty.what();
            const std::string too_long(300, 'x');
            const gaierror unnamable = co_await failure(*resolver, too_long);
            EXPECT_EQ(unnamable.code().value(), EAI_NONAME) << unnamable.what();
        };
        co_await with_server(body, handler);
    });
}

TEST_P(Cares, ATruncatedAnswerIsAskedForByTcp) {
    run([]() -> Coro<> {
        const auto handler = [](const DnsQuestion& question) -> std::optional<std::string> {
            DnsAnswer answer(question);
            if (!question.by_tcp) return answer.truncated().bytes();
            for (int i = 1; i <= 200; ++i) answer.address(question.name, "192.0.2." + std::to_string(i));
            return answer.bytes();
        };
        const auto body = [](DnsServer& server) -> Coro<> {
            const auto resolver = resolver_for(server);
            const std::vector<Address> found =
                co_await resolver->resolve("many.test", 1, AddressFamily::ipv4);
            EXPECT_EQ(found.size(), 200u);
            EXPECT_EQ(server.times_asked("many.test A tcp"), 1u);
        };
        co_await with_server(body, handler);
    });
}

TEST_P(Cares, AQuestionThatIsLostIsAskedAgain) {
    run([]() -> Coro<> {
        int lost = 0;
        const auto handler = [&lost](const DnsQuestion& question) -> std::optional<std::string> {
            if (++lost <= 2) return std::nullopt;
            return two_addresses(question);
        };
        const auto body = [](DnsServer& server) -> Coro<> {
            const auto resolver = resolver_for(server, 20ms, 4);
            const std::vector<Address> found =
                co_await resolver->resolve("lost.test", 1, AddressFamily::ipv4);
            EXPECT_EQ(text(found), "127.0.0.1:1");
            EXPECT_EQ(server.times_asked("lost.test A"), 3u);
        };
        co_await with_server(body, handler);
    });
}

TEST_P(Cares, AServerThatIsSilentIsGivenUpAfterTheTries) {
    run([]() -> Coro<> {
        const auto silent = [](const DnsQuestion&) -> std::optional<std::string> { return std::nullopt; };
        const auto body = [](DnsServer& server) -> Coro<> {
            const auto resolver = resolver_for(server, 10ms, 2);
            const gaierror late = co_await failure(*resolver, "silent.test", AddressFamily::ipv4);
            EXPECT_EQ(late.code().value(), EAI_AGAIN);
            EXPECT_NE(std::string_view(late.what()).find("Timeout while contacting DNS servers"),
                      std::string_view::npos)
                << late.what();
            EXPECT_EQ(server.times_asked("silent.test A"), 2u);
        };
        co_await with_server(body, silent);
        // Nobody listens there at all.
        const auto [bound, port] = raw_listener(-1);
        const auto nobody = make_cares_resolver({.servers = "127.0.0.1:" + std::to_string(port),
                                                 .search = ".",
                                                 .timeout = 50ms,
                                                 .tries = 1,
                                                 .hosts_file = false});
        const gaierror refused = co_await failure(*nobody, "nobody.test");
        EXPECT_EQ(refused.code().value(), EAI_AGAIN) << refused.what();
        co_await settle();
    });
}

/// An answer that is none, by the name that was asked for.
std::optional<std::string> malformed(const DnsQuestion& question) {
    std::string right = *two_addresses(question);
    const std::string_view kind(question.name.data(), question.name.find('.'));
    if (kind == "empty") return "";
    if (kind == "short") return right.substr(0, 7);
    if (kind == "cut") return right.substr(0, right.size() - 3);
    if (kind == "garbage") return question.id + pattern(500);
    if (kind == "counts") return right.replace(4, 8, std::string(8, '\xff'));
    if (kind == "foreign")
        return *two_addresses(*parse_dns_query(
            question.id + std::string("\1\0\0\1\0\0\0\0\0\0\5other\4test\0\0\1\0\1", 27), false));
    if (kind == "loop") {  // a name that points to itself
        const auto at = static_cast<char>(12 + question.section.size());
        return right.substr(0, 12) + question.section + '\xc0' + at + right.substr(right.size() - 14);
    }
    if (kind == "long") return right + std::string(60'000, 'x');
    return right;
}

TEST_P(Cares, AnAnswerThatIsMalformedIsAFailureAndNoMore) {
    run([]() -> Coro<> {
        const auto body = [](DnsServer& server) -> Coro<> {
            const auto resolver = resolver_for(server, 20ms, 1);
            for (const char* kind : {"empty", "short", "cut", "garbage", "counts", "foreign", "loop"}) {
                const gaierror bad =
                    co_await failure(*resolver, std::string(kind) + ".test", AddressFamily::ipv4);
                EXPECT_NE(std::string_view(bad.what()).find("resolve '" + std::string(kind)),
                          std::string_view::npos)
                    << bad.what();
            }
            const std::vector<Address> good = co_await resolver->resolve("good.test", 1, AddressFamily::ipv4);
            EXPECT_EQ(text(good), "127.0.0.1:1");
        };
        co_await with_server(body, &malformed);
    });
}

TEST_P(Cares, EqualLookupsInFlightAreOne) {
    run([]() -> Coro<> {
        const auto body = [](DnsServer& server) -> Coro<> {
            const auto resolver = resolver_for(server);
            server.open().clear();
            std::vector<Task<std::vector<Address>>> tasks;
            for (std::uint16_t i = 0; i < 5; ++i)
                tasks.push_back(create_task(resolver->resolve("same.test", i, AddressFamily::ipv4)));
            Task<std::vector<Address>> other =
                create_task(resolver->resolve("same.test", 9, AddressFamily::ipv6));
            while (server.asked().empty()) co_await sleep(100us);
            tasks[0].cancel();
            server.open().set();
            for (std::uint16_t i = 1; i < 5; ++i) {
                const std::vector<Address> found = co_await tasks[i];
                EXPECT_EQ(text(found), "127.0.0.1:" + std::to_string(i));
            }
            co_await ended(tasks[0]);
            EXPECT_TRUE(tasks[0].cancelled());
            const std::vector<Address> six = co_await other;
            EXPECT_EQ(text(six), "[::1]:9");
            EXPECT_EQ(server.times_asked("same.test A"), 1u);
            EXPECT_EQ(server.times_asked("same.test AAAA"), 1u);
        };
        co_await with_server(body, &two_addresses);
    });
}

TEST_P(Cares, ALookupThatNobodyWantsAnyMoreIsGivenUp) {
    run([]() -> Coro<> {
        const auto body = [](DnsServer& server) -> Coro<> {
            const auto resolver = resolver_for(server);
            server.open().clear();
            Task<std::vector<Address>> one =
                create_task(resolver->resolve("one.test", 1, AddressFamily::any));
            Task<std::vector<Address>> two =
                create_task(resolver->resolve("two.test", 1, AddressFamily::any));
            while (server.asked().empty()) co_await sleep(100us);
            EXPECT_NE(get_running_loop().impl().timers.size(), 0u);
            one.cancel();
            two.cancel();
            co_await ended(one);
            co_await ended(two);
            co_await settle();
            EXPECT_EQ(get_running_loop().impl().timers.size(), 0u);
            server.open().set();
            // And it can be asked on.
            const std::vector<Address> found = co_await resolver->resolve("one.test", 1, AddressFamily::ipv4);
            EXPECT_EQ(text(found), "127.0.0.1:1");
        };
        co_await with_server(body, &two_addresses);
    });
}

TEST_P(Cares, TwoHundredLookupsAtOnceNeedNoThread) {
    run([]() -> Coro<> {
        const auto body = [](DnsServer& server) -> Coro<> {
            const auto resolver = resolver_for(server, 2s, 5);
            std::vector<Coro<std::vector<Address>>> all;
            for (int i = 0; i < 200; ++i) {
                const std::string name = "n" + std::to_string(i) + ".test";
                const auto ask = [](std::shared_ptr<Resolver> whom,
                                    std::string host) -> Coro<std::vector<Address>> {
                    co_return co_await whom->resolve(host, 1, AddressFamily::ipv4);
                };
                all.push_back(ask(resolver, name));
            }
            const auto found = co_await gather(std::move(all));
            for (const auto& each : found) EXPECT_EQ(text(each), "127.0.0.1:1");
        };
        co_await with_server(body, &two_addresses);
    });
}

TEST_P(Cares, SearchDomainsAreTriedBehindShortNames) {
    run([]() -> Coro<> {
        const auto handler = [](const DnsQuestion& question) -> std::optional<std::string> {
            if (question.name == "host.two.test") return two_addresses(question);
            return DnsAnswer(question).code(DnsAnswer::no_such_name).bytes();
        };
        const auto body = [](DnsServer& server) -> Coro<> {
            const auto resolver = make_cares_resolver({.servers = server.address(),
                                                       .search = "one.test,two.test",
                                                       .timeout = 10s,
                                                       .hosts_file = false});
            const std::vector<Address> found = co_await resolver->resolve("host", 1, AddressFamily::ipv4);
            EXPECT_EQ(text(found), "127.0.0.1:1");
            EXPECT_EQ(server.asked(), (std::vector<std::string>{"host.one.test A", "host.two.test A"}));
        };
        co_await with_server(body, handler);
    });
}

TEST_P(Cares, TheHostsFileIsLookedAtFirst) {
    run([]() -> Coro<> {
        const auto resolver = make_cares_resolver({.servers = "127.0.0.1:9"});
        const std::vector<Address> found = co_await resolver->resolve("localhost", 7, AddressFamily::ipv4);
        EXPECT_EQ(text(found), "127.0.0.1:7");
        co_await settle();
    });
}

TEST_P(Cares, WrongOptionsAreRefused) {
    EXPECT_THROW(make_cares_resolver({.tries = 0}), ValueError);
    EXPECT_THROW(make_cares_resolver({.ndots = -1}), ValueError);
    EXPECT_THROW(make_cares_resolver({.timeout = 0s}), ValueError);
    EXPECT_THROW(make_cares_resolver({.timeout = Duration::none()}), ValueError);
    try {
        make_cares_resolver({.servers = "not a server"});
        ADD_FAILURE() << "no error";
    } catch (const ValueError& error) {
        EXPECT_STREQ(error.what(), "make_cares_resolver: these are no name servers: 'not a server'");
    }
}

TEST_P(Cares, ItBelongsToOneLoopAndMayOutliveIt) {
    const auto resolver =
        make_cares_resolver({.servers = "127.0.0.1:9", .timeout = 60s, .hosts_file = false});
    {
        EventLoop first({.backend = backend()});
        const auto begin = [&]() -> Coro<> {
            const Outcome<std::vector<Address>> none =
                co_await try_wait_for(resolver->resolve("x.test", 1, AddressFamily::any), 1ms);
            EXPECT_FALSE(none.has_value());
        };
        first.run_until_complete(begin());
        run([&]() -> Coro<> {
            EXPECT_THROW(co_await resolver->resolve("x.test", 1, AddressFamily::any), RuntimeError);
        });
        first.close();
    }
    run([&]() -> Coro<> {
        EXPECT_THROW(co_await resolver->resolve("x.test", 1, AddressFamily::any), RuntimeError);
    });
}

TEST_P(Cares, ALookupKeepsItsResolver) {
    run([]() -> Coro<> {
        const auto body = [](DnsServer& server) -> Coro<> {
            for (const bool begun : {false, true}) {
                auto resolver = resolver_for(server);
                Task<std::vector<Address>> task =
                    create_task(resolver->resolve("kept.test", 1, AddressFamily::ipv4));
                if (begun) co_await sleep(0s);
                resolver.reset();
                const std::vector<Address> found = co_await task;
                EXPECT_EQ(text(found), "127.0.0.1:1");
                // And one that is cancelled.
                resolver = resolver_for(server);
                Task<std::vector<Address>> other =
                    create_task(resolver->resolve("other.test", 1, AddressFamily::ipv4));
                if (begun) co_await sleep(0s);
                resolver.reset();
                other.cancel();
                co_await ended(other);
            }
        };
        co_await with_server(body, &two_addresses);
    });
}

// Both families are asked for; one answers, and the other fails in each of its ways.
TEST_P(Cares, OneFamilysAnswerIsEnough) {
    run([]() -> Coro<> {
        const auto handler = [](const DnsQuestion& question) -> std::optional<std::string> {
            const bool good = question.wants_ipv4() == (question.name.find("-a.") != std::string::npos);
            if (good) return two_addresses(question);
            DnsAnswer answer(question);
            if (question.name.starts_with("lost")) return std::nullopt;
            if (question.name.starts_with("broken")) answer.code(DnsAnswer::server_failure);
            if (question.name.starts_with("missing")) answer.code(DnsAnswer::no_such_name);
            return answer.bytes();
        };
        const auto body = [](DnsServer& server) -> Coro<> {
            const auto resolver = resolver_for(server, 50ms, 2);
            for (const char* other : {"empty", "broken", "missing", "lost"}) {
                for (const bool ipv4 : {true, false}) {
                    const std::string name = other + std::string(ipv4 ? "-a.test" : "-aaaa.test");
                    std::string got;
                    try {
                        got = text(co_await resolver->resolve(name, 1, AddressFamily::any));
                    } catch (const gaierror& error) {
                        got = error.what();
                    }
                    EXPECT_EQ(got, ipv4 ? "127.0.0.1:1" : "[::1]:1") << name;
                }
            }
        };
        co_await with_server(body, handler);
    });
}

TEST_P(Cares, CancelledAtAnyPointNothingIsLeft) {
    expect_each_cancel_point(
        []() -> Coro<> {
            const auto handler = [](const DnsQuestion& question) -> std::optional<std::string> {
                if (!question.by_tcp) return DnsAnswer(question).truncated().bytes();
                return two_addresses(question);
            };
            const auto body = [](DnsServer& server) -> Coro<> {
                const auto resolver = resolver_for(server);
                const std::vector<Address> found =
                    co_await resolver->resolve("a.test", 1, AddressFamily::any);
                EXPECT_EQ(text(found), "127.0.0.1:1 [::1]:1");
            };
            co_await with_server(body, handler);
        },
        {.backend = backend(), .simulate = false, .tasks_may_remain = true, .may_report = true});
}

TEST(CaresMissing, IsAnErrorThatNamesTheCure) {
    if (has_cares_resolver()) GTEST_SKIP() << "built with c-ares";
    try {
        make_cares_resolver();
        ADD_FAILURE() << "no error";
    } catch (const RuntimeError& error) {
        EXPECT_NE(std::string_view(error.what()).find("ASYNCIO_WITH_CARES"), std::string_view::npos);
    }
}

}}  // namespace asyncio::test
