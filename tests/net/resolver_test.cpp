// The resolver. getaddrinfo is replaced for names that end in ".test": they are answered when the test says
// so.
#include "asyncio/net/resolver.hpp"

#include <dlfcn.h>
#include <netdb.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "net_fixture.hpp"

namespace {

/// The name server of the ".test" names.
struct FakeNames {
    std::mutex mutex;
    std::condition_variable changed;
    bool open = true;  // answers are given
    int asked = 0;
    int waiting = 0;
    std::set<std::thread::id> threads;

    int answer(const char* name, const addrinfo* hints, addrinfo** result) {
        {
            std::unique_lock lock(mutex);
            ++asked;
            ++waiting;
            threads.insert(std::this_thread::get_id());
            changed.notify_all();
            changed.wait(lock, [&] { return open; });
            --waiting;
            changed.notify_all();
        }
        if (std::string_view(name).starts_with("bad")) return EAI_NONAME;
        const auto real = reinterpret_cast<decltype(&::getaddrinfo)>(::dlsym(RTLD_NEXT, "getaddrinfo"));
        return real("127.0.0.1", nullptr, hints, result);
    }
    void set_open(bool now) {
        const std::lock_guard lock(mutex);
        open = now;
        changed.notify_all();
    }
    int count(int& what) {
        const std::lock_guard lock(mutex);
        return what;
    }
    void wait_until(int& what, int value) {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return what == value; });
    }
    void reset() {
        const std::lock_guard lock(mutex);
        open = true;
        asked = 0;
        threads.clear();
    }
};

FakeNames& names() {
    static FakeNames made;
    return made;
}

}  // namespace

extern "C" int getaddrinfo(const char* name, const char* service, const addrinfo* hints, addrinfo** result) {
    if (name != nullptr && std::string_view(name).ends_with(".test"))
        return names().answer(name, hints, result);
    const auto real = reinterpret_cast<decltype(&::getaddrinfo)>(::dlsym(RTLD_NEXT, "getaddrinfo"));
    return real(name, service, hints, result);
}

namespace asyncio::test { namespace {

class ResolverTest : public NetTest {
  protected:
    ResolverTest() { names().reset(); }
    ~ResolverTest() override {
        names().set_open(true);
        names().wait_until(names().waiting, 0);
    }
};
ASYNCIO_ON_EVERY_BACKEND(ResolverTest);

using Addresses = std::vector<Address>;

TEST_P(ResolverTest, ResolvesAName) {
    run([]() -> Coro<> {
        const Addresses found = co_await resolve("localhost", 80);
        EXPECT_FALSE(found.empty());
        for (const Address& each : found) {
            EXPECT_EQ(each.port(), 80);
            EXPECT_TRUE(each.host() == "127.0.0.1" || each.host() == "::1") << each.to_string();
        }
        const Addresses four = co_await resolve("localhost", 80, AddressFamily::ipv4);
        EXPECT_EQ(four, Addresses(1, *Address::parse("127.0.0.1", 80)));
    });
}

TEST_P(ResolverTest, ANumericHostNeedsNoThread) {
    run([]() -> Coro<> {
        bool other_ran = false;
        get_running_loop().call_soon([&] { other_ran = true; });
        const Addresses four = co_await resolve("10.1.2.3", 5);
        const Addresses six = co_await resolve("::1", 6);
        EXPECT_FALSE(other_ran) << "it suspended";
        EXPECT_EQ(four, Addresses(1, *Address::parse("10.1.2.3", 5)));
        EXPECT_EQ(six, Addresses(1, *Address::parse("::1", 6)));
        EXPECT_THROW(co_await resolve("::1", 6, AddressFamily::ipv4), gaierror);
        co_await sleep(0s);
        EXPECT_TRUE(other_ran);
    });
}

TEST_P(ResolverTest, AFailureNamesTheHost) {
    run([]() -> Coro<> {
        try {
            co_await resolve("bad.test", 80);
            ADD_FAILURE() << "no error";
        } catch (const gaierror& error) {
            EXPECT_EQ(error.code().value(), EAI_NONAME);
            EXPECT_NE(std::string_view(error.what()).find("'bad.test'"), std::string_view::npos)
                << error.what();
        }
        EXPECT_THROW(static_cast<void>(resolve("", 80)), ValueError);
        EXPECT_THROW(static_cast<void>(resolve(std::string_view("a\0b", 3), 80)), ValueError);
    });
}

TEST_P(ResolverTest, GetaddrinfoGivesWhatTheSystemFinds) {
    run([]() -> Coro<> {
        EventLoop& loop = get_running_loop();
        auto found = co_await loop.getaddrinfo("localhost", 80, {.type = SOCK_STREAM, .flags = AI_CANONNAME});
        EXPECT_FALSE(found.empty());
        for (const AddressInfo& each : found) {
            EXPECT_EQ(each.address.port(), 80);
            EXPECT_EQ(each.type, SOCK_STREAM);
            EXPECT_EQ(each.family, each.address.family());
        }
        EXPECT_FALSE(found.front().canonical_name.empty());
        auto wildcard = co_await loop.getaddrinfo(
            "", "80", {.family = AddressFamily::ipv4, .type = SOCK_DGRAM, .flags = AI_PASSIVE});
        EXPECT_EQ(wildcard.size(), 1u);
        EXPECT_EQ(wildcard.front().address, Address::any_host(AddressFamily::ipv4, 80));
        const auto bad = co_await try_wait_for([&]() { return loop.getaddrinfo("bad.test", 80); }, 5s);
        EXPECT_NE(bad.error_as<gaierror>(), nullptr);
        EXPECT_NE(bad.what().find("'bad.test'"), std::string::npos) << bad.what();
        const auto no_service =
            co_await try_wait_for([&]() { return loop.getaddrinfo("127.0.0.1", "no-such-service", {}); }, 5s);
        EXPECT_NE(no_service.error_as<gaierror>(), nullptr);
        EXPECT_THROW(static_cast<void>(loop.getaddrinfo("", "", {})), ValueError);
    });
}

TEST_P(ResolverTest, GetnameinfoGivesTheNameOrTheNumbers) {
    run([]() -> Coro<> {
        EventLoop& loop = get_running_loop();
        const Address address = *Address::parse("127.0.0.1", 80);
        auto [host, service] = co_await loop.getnameinfo(address, NI_NUMERICHOST | NI_NUMERICSERV);
        EXPECT_EQ(host, "127.0.0.1");
        EXPECT_EQ(service, "80");
        auto [name, port] = co_await loop.getnameinfo(address, NI_NUMERICSERV);
        EXPECT_FALSE(name.empty());
        EXPECT_EQ(port, "80");
        EXPECT_THROW(static_cast<void>(loop.getnameinfo(Address(), 0)), ValueError);
        EXPECT_THROW(static_cast<void>(loop.getnameinfo(Address::unix_path("/x"), 0)), ValueError);
    });
}

TEST_P(ResolverTest, ACancelledGetaddrinfoIsAbandoned) {
    run([]() -> Coro<> {
        names().set_open(false);
        auto late = create_task(get_running_loop().getaddrinfo("late.test", 80));
        co_await sleep(0s);
        names().wait_until(names().waiting, 1);
        late.cancel();
        std::vector<Task<std::vector<AddressInfo>>> tasks(1, late);
        co_await wait(tasks);
        EXPECT_TRUE(late.cancelled());
        names().set_open(true);
        names().wait_until(names().waiting, 0);
    });
}

TEST_P(ResolverTest, EqualLookUpsInFlightAreOne) {
    run([]() -> Coro<> {
        names().set_open(false);
        std::vector<Task<Addresses>> tasks;
        for (std::uint16_t port = 1; port <= 5; ++port)
            tasks.push_back(create_task(resolve("shared.test", port)));
        tasks.push_back(create_task(resolve("shared.test", 6, AddressFamily::ipv4)));
        co_await sleep(0s);
        names().wait_until(names().waiting, 2);
        names().set_open(true);
        for (std::uint16_t port = 1; port <= 6; ++port) {
            const Addresses found = co_await tasks[port - 1];
            EXPECT_EQ(found, Addresses(1, *Address::parse("127.0.0.1", port)));
        }
        EXPECT_EQ(names().count(names().asked), 2);
        co_await resolve("shared.test", 1);
        EXPECT_EQ(names().count(names().asked), 3) << "answers are not kept";
    });
}

TEST_P(ResolverTest, TheLoopRunsOnWhileNamesAreLookedUp) {
    run([]() -> Coro<> {
        names().set_open(false);
        Task<Addresses> task = create_task(resolve("slow.test", 1));
        for (int i = 0; i < 100; ++i) co_await sleep(0s);
        names().wait_until(names().waiting, 1);
        EXPECT_FALSE(task.done());
        names().set_open(true);
        const Addresses found = co_await task;
        EXPECT_EQ(found.size(), 1u);
    });
}

TEST_P(ResolverTest, FourThreadsAtMost) {
    run([]() -> Coro<> {
        names().set_open(false);
        std::vector<Task<Addresses>> tasks;
        for (int i = 0; i < 12; ++i)
            tasks.push_back(create_task(resolve("name" + std::to_string(i) + ".test", 1)));
        co_await sleep(0s);
        names().wait_until(names().waiting, 4);
        // They are busy, yet the pool of to_thread is not.
        const int answer = co_await to_thread([] { return 42; });
        EXPECT_EQ(answer, 42);
        EXPECT_EQ(names().count(names().asked), 4);
        names().set_open(true);
        for (const Task<Addresses>& each : tasks) co_await each;
        EXPECT_EQ(names().count(names().asked), 12);
        EXPECT_LE(names().threads.size(), 4u);
    });
}

TEST_P(ResolverTest, ACancelAbandonsTheLookUp) {
    run([]() -> Coro<> {
        names().set_open(false);
        Task<Addresses> given_up = create_task(resolve("slow.test", 1));
        Task<Addresses> kept = create_task(resolve("slow.test", 2));
        co_await sleep(0s);
        names().wait_until(names().waiting, 1);
        given_up.cancel();
        co_await ended(given_up);
        EXPECT_TRUE(given_up.cancelled());
        EXPECT_FALSE(kept.done());
        kept.cancel();
        co_await ended(kept);
        // A third one finds the look-up that nobody waits for, and takes it.
        Task<Addresses> late = create_task(resolve("slow.test", 3));
        co_await sleep(0s);
        names().set_open(true);
        const Addresses found = co_await late;
        EXPECT_EQ(found, Addresses(1, *Address::parse("127.0.0.1", 3)));
        EXPECT_EQ(names().count(names().asked), 1);
    });
}

TEST_P(ResolverTest, AClosingLoopLeavesTheLookUpBehind) {
    const std::size_t descriptors = open_descriptors().size();
    {
        EventLoop loop({.backend = backend()});
        loop.run_until_complete([]() -> Coro<> {
            names().set_open(false);
            for (int i = 0; i < 8; ++i) create_task(resolve("left" + std::to_string(i) + ".test", 1));
            co_await sleep(0s);
            names().wait_until(names().waiting, 4);
        }());
        loop.close();
        EXPECT_EQ(names().count(names().waiting), 4) << "it waited for them";
    }
    EXPECT_EQ(open_descriptors().size(), descriptors) << "they hold on to the loop's wake channel";
    names().set_open(true);
    names().wait_until(names().waiting, 0);
    EXPECT_EQ(names().count(names().asked), 4) << "those that had not begun are dropped";
}

/// Knows one name.
class OneName final : public Resolver {
  public:
    Coro<std::vector<Address>> resolve(std::string_view host, std::uint16_t port, AddressFamily) override {
        ++asked;
        co_await sleep(0s);
        if (host != "my.name") throw gaierror(EAI_NONAME, "resolve '" + std::string(host) + "'");
        co_return std::vector<Address>(1, Address::loopback(AddressFamily::ipv4, port));
    }
    int asked = 0;
};

TEST_P(ResolverTest, AnotherOneCanBeInstalled) {
    run([]() -> Coro<> {
        const auto mine = std::make_shared<OneName>();
        EventLoop& loop = get_running_loop();
        set_resolver(loop, mine);
        EXPECT_EQ(get_resolver(loop), mine);
        const Addresses found = co_await resolve("my.name", 7);
        EXPECT_EQ(found, Addresses(1, *Address::parse("127.0.0.1", 7)));
        EXPECT_THROW(co_await resolve("localhost", 7), gaierror);
        co_await resolve("127.0.0.1", 7);
        EXPECT_EQ(mine->asked, 2) << "numeric hosts are not its business";
        set_resolver(loop, nullptr);
        const Addresses system = co_await resolve("localhost", 7);
        EXPECT_FALSE(system.empty());
    });
}

TEST_P(ResolverTest, OutlivesItsLoopHarmlessly) {
    std::shared_ptr<Resolver> kept;
    {
        EventLoop loop({.backend = backend()});
        kept = get_resolver(loop);
    }
    run([&]() -> Coro<> {
        EXPECT_THROW(co_await kept->resolve("localhost", 1, AddressFamily::any), RuntimeError);
    });
}

}}  // namespace asyncio::test
