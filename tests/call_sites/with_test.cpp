// The call sites of the contract's sections 2 (`with`), 3 (errors) and 5 (the loop); see tasks_test.cpp.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include <asyncio/asyncio.hpp>

using namespace std::chrono_literals;

namespace {

const char* const long_text = "a text that is too long for the small buffer of a string";
std::string text(int n) { return long_text + std::to_string(n); }

template <class C>
auto run_sim(C coro) {
    return asyncio::run(std::move(coro), {.debug = true, .backend = asyncio::Backend::sim});
}

asyncio::Coro<> worker(int n, std::vector<std::string>& out) {
    co_await asyncio::sleep(std::chrono::seconds(n));
    out.push_back(text(n));
}
asyncio::Coro<std::string> download(std::string s) {
    co_await asyncio::sleep(1s);
    co_return s;
}

}  // namespace

namespace {
asyncio::Coro<> groups() {
    std::vector<std::string> out;
    co_await asyncio::with(asyncio::TaskGroup{}, [&](asyncio::TaskGroup& tg) -> asyncio::Coro<> {
        tg.create_task(worker(2, out));
        tg.create_task(worker(1, out), {.name = text(1)});
        co_return;
    });
    EXPECT_EQ(out, (std::vector<std::string>{text(1), text(2)}));

    asyncio::TaskGroup named;
    co_await asyncio::with(named, [&](asyncio::TaskGroup& tg) { tg.create_task(worker(3, out)); });
    EXPECT_EQ(out.size(), 3u);

    auto first = co_await asyncio::with(
        asyncio::TaskGroup{}, [&](asyncio::TaskGroup& tg) -> asyncio::Coro<std::string> {
            auto t = tg.create_task(download(text(4)));
            auto u = tg.create_task(download, text(5));
            auto owning = [s = text(6)]() -> asyncio::Coro<std::string> { co_return s; };
            auto v = tg.create_task(owning);
            auto w =
                tg.create_task([&]() -> asyncio::Coro<std::string> { co_return co_await download(out[0]); });
            co_return co_await t + co_await u + co_await v + co_await w;
        });
    EXPECT_EQ(first, text(4) + text(5) + text(6) + text(1));

    bool failed = false;
    try {
        co_await asyncio::with(asyncio::TaskGroup{}, [&](asyncio::TaskGroup& tg) -> asyncio::Coro<> {
            tg.create_task([]() -> asyncio::Coro<> {
                co_await asyncio::sleep(1ms);
                throw std::runtime_error(text(7));
            });
            tg.create_task(worker(100, out));
            co_return;
        });
    } catch (const asyncio::ExceptionGroup& group) {
        failed = group.exceptions().size() == 1 && group.contains<std::runtime_error>();
        EXPECT_TRUE(group.split<std::runtime_error>().matching);
    }
    EXPECT_TRUE(failed);
    EXPECT_EQ(out.size(), 3u);

    co_await asyncio::with(asyncio::TaskGroup{}, [&](asyncio::TaskGroup& tg) -> asyncio::Coro<> {
        tg.create_task(worker(100, out));
        tg.cancel();
        co_return;
    });
}

asyncio::Coro<> timeouts() {
    auto page =
        co_await asyncio::with(asyncio::timeout(10s), [&](asyncio::Timeout& t) -> asyncio::Coro<std::string> {
            t.reschedule(t.when() + 5s);
            co_return co_await download(text(1));
        });
    EXPECT_EQ(page, text(1));
    const auto deadline = asyncio::get_running_loop().time() + 10ms;
    bool late = false;
    try {
        co_await asyncio::with(asyncio::timeout_at(deadline),
                               [&]() -> asyncio::Coro<> { co_await download(text(2)); });
    } catch (const asyncio::OSError&) {
        late = true;
    }
    EXPECT_TRUE(late);
    const std::string plain = co_await asyncio::with(asyncio::timeout(1s), [] { return text(3); });
    EXPECT_EQ(plain, text(3));
    auto body = [s = text(4)](asyncio::Timeout&) -> asyncio::Coro<std::string> {
        co_return co_await download(s);
    };
    EXPECT_EQ(co_await asyncio::with(asyncio::timeout(2s), body), text(4));
    EXPECT_EQ(co_await asyncio::with(asyncio::timeout(2s), asyncio::own(body)), text(4));
}

/// A user's own manager: a named connection.
class Connection {
  public:
    Connection(std::string name, std::string& log) : name_(std::move(name)), log_(&log) {}
    asyncio::Coro<std::string> aenter() {
        co_await asyncio::sleep(1ms);
        *log_ += "enter ";
        co_return "entered " + name_;
    }
    asyncio::Coro<> aexit(std::exception_ptr error) {
        co_await asyncio::sleep(1ms);
        *log_ += error == nullptr ? "leave " : "leave with an error ";
    }

  private:
    std::string name_;
    std::string* log_;
};
asyncio::Coro<Connection> connect(std::string name, std::string& log) {
    co_await asyncio::sleep(1ms);
    co_return Connection(name, log);
}

asyncio::Coro<> own_managers() {
    std::string log;
    auto got =
        co_await asyncio::with(Connection(text(1), log), [&](std::string& s) -> asyncio::Coro<std::string> {
            log += "body ";
            co_return s + "!";
        });
    EXPECT_EQ(got, "entered " + text(1) + "!");
    EXPECT_EQ(log, "enter body leave ");
    log.clear();
    got = co_await asyncio::with(connect(text(2), log),
                                 [&](std::string& s) -> asyncio::Coro<std::string> { co_return s; });
    EXPECT_EQ(got, "entered " + text(2));
    EXPECT_EQ(log, "enter leave ");
    log.clear();
    Connection named(text(3), log);
    got = co_await asyncio::with(asyncio::timeout(1s), named,
                                 [&](asyncio::Timeout&, std::string& s) -> asyncio::Coro<std::string> {
                                     co_await asyncio::sleep(1ms);
                                     co_return s;
                                 });
    EXPECT_EQ(got, "entered " + text(3));
}
}  // namespace

TEST(CallSites, TaskGroupScopes) { run_sim(groups()); }
TEST(CallSites, TimeoutScopes) { run_sim(timeouts()); }
TEST(CallSites, ScopesOfTheUser) { run_sim(own_managers()); }

// ---- section 5 ----------------------------------------------------------------------------------

TEST(CallSites, TheLoopByHand) {
    asyncio::EventLoop loop({.backend = asyncio::Backend::sim});
    std::string log;
    loop.call_soon([&] { log += "soon "; });
    loop.call_soon([&log](std::string s) { log += s; }, text(1));
    asyncio::Handle handle = loop.call_soon([&] { log += "never"; });
    handle.cancel();
    EXPECT_TRUE(handle.cancelled());
    asyncio::TimerHandle timer = loop.call_later(1s, [&] { log += " later"; });
    EXPECT_EQ(timer.when(), loop.time() + 1s);
    loop.call_at(loop.time() + 2s, [&] { loop.stop(); });
    loop.call_soon_threadsafe([&] { log += " posted"; });
    EXPECT_FALSE(loop.is_running());
    loop.run_forever();
    EXPECT_EQ(log.substr(0, 5), "soon ");
    EXPECT_NE(log.find(" posted"), std::string::npos);
    EXPECT_NE(log.find(" later"), std::string::npos);
    EXPECT_EQ(loop.run_until_complete(download(text(2))), text(2));
    auto task = loop.create_future<int>();
    task.set_result(3);
    loop.set_debug(true);
    EXPECT_TRUE(loop.get_debug());
    loop.set_exception_handler(
        [&](asyncio::EventLoop&, const asyncio::ExceptionContext& context) { log = context.message; });
    loop.call_exception_handler({.message = text(3), .exception = nullptr, .task_name = {}, .place = {}});
    EXPECT_EQ(log, text(3));
    loop.close();
    EXPECT_TRUE(loop.is_closed());
}

namespace {
asyncio::Coro<> the_running_loop() {
    asyncio::EventLoop& loop = asyncio::get_running_loop();
    EXPECT_TRUE(loop.is_running());
    asyncio::Task<std::string> task = loop.create_task(download(text(1)), {.name = text(2)});
    EXPECT_EQ(task.name(), text(2));
    EXPECT_EQ(co_await task, text(1));
    EXPECT_EQ(co_await loop.create_task(download(text(3))), text(3));
    co_await asyncio::ensure_future(loop.create_task(download(text(4))));
}
}  // namespace
TEST(CallSites, TheRunningLoop) { run_sim(the_running_loop()); }
