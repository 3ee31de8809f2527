// Every call site of the contract's section 1, written as a user writes it, with temporaries that own memory.
//
// g++ 12 corrupts memory for natural-looking awaits. These must be sound: under the address sanitizer, at -O0
// and -O2, a string that is destroyed twice or read after its end shows here. The strings are too long for
// the small buffer.
#include <gtest/gtest.h>

#include <array>
#include <list>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <asyncio/asyncio.hpp>

using namespace std::chrono_literals;

namespace {

const char* const long_text = "a text that is too long for the small buffer of a string";
std::string text(int n) { return long_text + std::to_string(n); }

asyncio::Coro<std::string> fetch_data() {
    co_await asyncio::sleep(1s);
    co_return "data";
}
asyncio::Coro<std::string> echo(std::string s) {
    co_await asyncio::sleep(1ms);
    co_return s;
}
asyncio::Coro<std::string> echo_now(std::string s) { co_return s; }
asyncio::Coro<std::size_t> length_of(const std::string& s) {
    co_await asyncio::sleep(1ms);
    co_return s.size();
}
asyncio::Coro<std::size_t> length_of_view(std::string_view s) {
    co_await asyncio::sleep(1ms);
    co_return s.size();
}
asyncio::Coro<std::unique_ptr<std::string>> boxed(std::string s) {
    co_await asyncio::sleep(1ms);
    co_return std::make_unique<std::string>(std::move(s));
}
asyncio::Coro<> nothing() { co_await asyncio::sleep(1ms); }
asyncio::Coro<std::string> fails(std::string s) {
    co_await asyncio::sleep(1ms);
    throw std::runtime_error(s);
}

/// In virtual time, with the warnings of debug mode on.
template <class C>
auto run_sim(C coro) {
    return asyncio::run(std::move(coro), {.debug = true, .backend = asyncio::Backend::sim});
}

}  // namespace

// ---- run ----------------------------------------------------------------------------------------

asyncio::Coro<int> amain_of_the_first_page() {
    std::string s = co_await fetch_data();
    auto [a, b] = co_await asyncio::gather(fetch_data(), fetch_data());
    co_return static_cast<int>(s.size() + a.size() + b.size());
}

TEST(CallSites, TheFirstPage) {
    asyncio::VirtualClock clock;
    EXPECT_EQ(asyncio::run(amain_of_the_first_page(), {.clock = &clock}), 12);
    EXPECT_EQ(asyncio::run(amain_of_the_first_page(), {.debug = true, .backend = asyncio::Backend::sim}), 12);
}

TEST(CallSites, RunTakesCoroutinesAndCallables) {
    asyncio::run(nothing());
    EXPECT_EQ(asyncio::run(echo_now(text(1))), text(1));
    const std::string captured = text(2);
    EXPECT_EQ(asyncio::run([captured]() -> asyncio::Coro<std::string> { co_return captured; }), captured);
    EXPECT_EQ(asyncio::run([&]() -> asyncio::Coro<std::string> { co_return captured; }), captured);
    EXPECT_EQ(asyncio::run([] { return echo(text(3)); }), text(3));
    EXPECT_EQ(asyncio::run(fetch_data, {.backend = asyncio::Backend::sim}), "data");
    auto box = asyncio::run(boxed(text(4)));
    EXPECT_EQ(*box, text(4));
}

TEST(CallSites, RunnerRunsManyCoroutinesOnOneLoop) {
    asyncio::Runner runner({.backend = asyncio::Backend::sim});
    EXPECT_EQ(runner.run(echo(text(1))), text(1));
    EXPECT_EQ(runner.run([] { return echo(text(2)); }), text(2));
    EXPECT_FALSE(runner.get_loop().is_running());
    runner.run(nothing());
    runner.close();
    EXPECT_THROW(runner.get_loop(), asyncio::RuntimeError);
}

// ---- arguments of coroutines --------------------------------------------------------------------

namespace {
asyncio::Coro<> awaits_with_all_kinds_of_arguments() {
    const std::string named = text(1);
    EXPECT_EQ(co_await echo(named), named);
    std::string moved = text(2);
    EXPECT_EQ(co_await echo(std::move(moved)), text(2));
    EXPECT_EQ(co_await echo(text(3)), text(3));
    EXPECT_EQ(co_await echo(long_text), long_text);
    EXPECT_EQ(co_await echo(named + text(4) + "!"), named + text(4) + "!");
    EXPECT_EQ(co_await length_of(text(5)), text(5).size());
    EXPECT_EQ(co_await length_of_view(text(6)), text(6).size());
    EXPECT_EQ(co_await length_of(co_await echo(text(7))), text(7).size());
    EXPECT_EQ(*co_await boxed(text(8)), text(8));
    asyncio::Coro<std::string> later = echo(text(9));
    EXPECT_TRUE(later.valid());
    EXPECT_EQ(co_await std::move(later), text(9));
    EXPECT_FALSE(later.valid());
}
}  // namespace
TEST(CallSites, AwaitingCoroutinesWithTemporaryArguments) { run_sim(awaits_with_all_kinds_of_arguments()); }

namespace {
asyncio::Coro<std::shared_ptr<std::string>> maybe(bool yes) {
    co_await asyncio::sleep(1ms);
    co_return yes ? std::make_shared<std::string>(text(1)) : nullptr;
}
asyncio::Coro<> binds_in_conditions() {
    if (auto found = co_await maybe(true)) {
        EXPECT_EQ(*found, text(1));
    } else {
        ADD_FAILURE() << "the pointer is null";
    }
    if (auto found = co_await maybe(false)) ADD_FAILURE() << *found;
    int left = 3;
    while (auto found = co_await maybe(left > 0)) --left;
    EXPECT_EQ(left, 0);
}
}  // namespace
TEST(CallSites, AwaitsBoundInConditions) { run_sim(binds_in_conditions()); }

// ---- option structs -----------------------------------------------------------------------------

namespace {
struct FetchOptions {
    asyncio::Duration timeout = asyncio::Duration::none();
    std::string_view name = {};
    const std::string* note = nullptr;
    int tries = 1;
};
static_assert(asyncio::OptionStruct<FetchOptions>);
asyncio::Coro<std::string> do_fetch(std::string url, asyncio::Duration timeout, std::string name, int tries) {
    co_await asyncio::sleep(timeout.has_value() ? timeout : asyncio::Duration::zero());
    co_return url + "|" + name + "|" + std::to_string(tries);
}
asyncio::Coro<std::string> fetch(std::string url, FetchOptions options = {}) {
    return do_fetch(std::move(url), options.timeout, std::string(options.name), options.tries);
}
asyncio::Coro<> options_of_all_kinds() {
    const std::string n = text(1);
    EXPECT_EQ(co_await fetch(text(0), {.timeout = 3s, .name = n}), text(0) + "|" + n + "|1");
    EXPECT_EQ(co_await fetch(text(0)), text(0) + "||1");
    EXPECT_EQ(co_await fetch(text(0), {}), text(0) + "||1");
    EXPECT_EQ(co_await fetch(text(0), {.timeout = 1.5s}), text(0) + "||1");
    EXPECT_EQ(co_await fetch(text(0), {.name = text(2), .tries = 7}), text(0) + "|" + text(2) + "|7");
    EXPECT_EQ(co_await fetch(text(0), FetchOptions{.name = n + "x"}), text(0) + "|" + n + "x|1");
    FetchOptions kept{.tries = 3};
    kept.name = n;
    EXPECT_EQ(co_await fetch(text(0), kept), text(0) + "|" + n + "|3");
}
}  // namespace
TEST(CallSites, OptionStructsWrittenInPlace) { run_sim(options_of_all_kinds()); }

// ---- create_task, Task --------------------------------------------------------------------------

namespace {
asyncio::Coro<> tasks_of_all_kinds() {
    const std::string name = text(1);
    asyncio::Task<std::string> t = asyncio::create_task(echo(text(2)), {.name = name});
    EXPECT_EQ(t.name(), name);
    EXPECT_EQ(co_await t, text(2));
    EXPECT_EQ(co_await t, text(2));
    EXPECT_EQ(co_await std::move(t), text(2));

    auto u = asyncio::create_task(echo(text(3)), {.name = text(4) + "x", .eager_start = true});
    EXPECT_EQ(u.get_name(), text(4) + "x");
    u.set_name(text(5) + "y");
    EXPECT_EQ(u.name(), text(5) + "y");
    EXPECT_FALSE(u.done());
    EXPECT_FALSE(u.get_stack().empty());
    EXPECT_EQ(co_await u, text(3));
    EXPECT_TRUE(u.done());
    EXPECT_FALSE(u.cancelled());
    EXPECT_EQ(u.result(), text(3));
    EXPECT_EQ(u.exception(), nullptr);
    EXPECT_EQ(std::move(u).result(), text(3));

    EXPECT_EQ(co_await asyncio::create_task(echo(text(6))), text(6));
    auto box = co_await asyncio::create_task(boxed(text(7)));
    EXPECT_EQ(*box, text(7));

    // A function or lambda and its arguments: the task owns copies of all.
    EXPECT_EQ(co_await asyncio::create_task(echo, text(8)), text(8));
    EXPECT_EQ(co_await asyncio::create_task([](std::string s) -> asyncio::Coro<std::string> { co_return s; },
                                            text(9)),
              text(9));
    EXPECT_EQ(co_await asyncio::create_task({.name = "named"}, echo, text(8)), text(8));
    auto owning = [s = text(10)]() -> asyncio::Coro<std::string> { co_return co_await echo(s); };
    EXPECT_EQ(co_await asyncio::create_task(owning), text(10));
    EXPECT_EQ(co_await asyncio::create_task(asyncio::own(std::move(owning))), text(10));
    EXPECT_EQ(
        co_await asyncio::create_task([&]() -> asyncio::Coro<std::string> { co_return co_await echo(name); }),
        name);
    EXPECT_EQ(co_await asyncio::create_task(length_of, text(11)), text(11).size());

    // Fire and forget.
    asyncio::create_task(nothing());
    asyncio::create_task(echo(text(12)), {.name = "forgotten"});
}
asyncio::Coro<> cancelling_of_all_kinds() {
    auto t = asyncio::create_task(fetch_data(), {.name = "victim"});
    co_await asyncio::sleep(0s);
    EXPECT_EQ(t.cancelling(), 0);
    EXPECT_TRUE(t.cancel(text(1)));
    EXPECT_EQ(t.cancelling(), 1);
    std::string message;
    try {
        co_await t;
    } catch (const asyncio::CancelledError& e) {
        message = e.what();
    }
    EXPECT_EQ(message, text(1));
    EXPECT_TRUE(t.cancelled());
    EXPECT_FALSE(t.cancel());
    int called = 0;
    auto u = asyncio::create_task(echo(text(2)));
    u.add_done_callback([&](asyncio::AnyTask done) { called += done.done() ? 1 : 100; });
    u.add_done_callback([&] { called += 10; });
    const auto removed = u.add_done_callback([&] { called += 1000; });
    EXPECT_TRUE(u.remove_done_callback(removed));
    u.add_done_callback([&called, owned = text(3)] { called += owned == text(3) ? 100 : 0; });
    co_await u;
    co_await asyncio::sleep(0s);
    EXPECT_EQ(called, 111);
    asyncio::AnyTask any = u;
    EXPECT_EQ(any.as<std::string>().result(), text(2));
    EXPECT_EQ(asyncio::current_task().uncancel(), 0);
    EXPECT_EQ(asyncio::all_tasks().size(), 1u);
    EXPECT_TRUE(asyncio::all_tasks().front() == asyncio::current_task());
    asyncio::current_task().set_name("main");
    asyncio::current_task().print_stack();
}
}  // namespace
TEST(CallSites, TasksOfCoroutinesAndCallables) { run_sim(tasks_of_all_kinds()); }
TEST(CallSites, CancellingTasksAndTheirCallbacks) { run_sim(cancelling_of_all_kinds()); }

// ---- futures ------------------------------------------------------------------------------------

namespace {
asyncio::Coro<> futures_of_all_kinds() {
    asyncio::Future<std::string> f;
    asyncio::EventLoop& loop = asyncio::get_running_loop();
    loop.call_soon([f] { f.set_result(text(1)); });
    EXPECT_EQ(co_await f, text(1));
    EXPECT_EQ(f.result(), text(1));
    EXPECT_EQ(co_await std::move(f), text(1));

    auto g = loop.create_future<std::string>();
    loop.call_later(1s, [g] { g.set_exception(std::runtime_error(text(2))); });
    std::string message;
    try {
        co_await g;
    } catch (const std::runtime_error& e) {
        message = e.what();
    }
    EXPECT_EQ(message, text(2));

    asyncio::Future<> h;
    loop.call_at(
        loop.time() + 1s,
        [](asyncio::Future<> future, std::string owned) {
            EXPECT_EQ(owned, text(3));
            future.set_result();
        },
        h, text(3));
    co_await h;

    asyncio::Future<std::unique_ptr<int>> i;
    i.set_result(std::make_unique<int>(5));
    auto five = co_await std::move(i);
    EXPECT_EQ(*five, 5);

    asyncio::Future<int> j;
    EXPECT_TRUE(j.cancel());
    bool cancelled = false;
    try {
        co_await j;
    } catch (const asyncio::CancelledError&) {
        cancelled = true;
    }
    EXPECT_TRUE(cancelled);
}
}  // namespace
TEST(CallSites, Futures) { run_sim(futures_of_all_kinds()); }

// ---- gather -------------------------------------------------------------------------------------

namespace {
asyncio::Coro<> gathers_of_all_kinds() {
    auto [a, b, none] = co_await asyncio::gather(echo(text(1)), echo(text(2)), nothing());
    EXPECT_EQ(a, text(1));
    EXPECT_EQ(b, text(2));
    static_assert(std::is_same_v<decltype(none), std::monostate>);

    auto all = co_await asyncio::gather(echo(text(1)), boxed(text(2)));
    EXPECT_EQ(*std::get<1>(all), text(2));

    std::vector<asyncio::Coro<std::string>> jobs;
    for (int i = 0; i < 3; ++i) jobs.push_back(echo(text(i)));
    std::vector<std::string> results = co_await asyncio::gather(std::move(jobs));
    EXPECT_EQ(results, (std::vector<std::string>{text(0), text(1), text(2)}));
    EXPECT_TRUE((co_await asyncio::gather(std::vector<asyncio::Coro<std::string>>())).empty());

    std::list<asyncio::Coro<>> list;
    list.push_back(nothing());
    EXPECT_EQ((co_await asyncio::gather(std::move(list))).size(), 1u);
    std::array<asyncio::Coro<std::string>, 2> pair{echo(text(1)), echo(text(2))};
    EXPECT_EQ((co_await asyncio::gather(pair)).back(), text(2));

    std::vector<asyncio::Task<std::string>> tasks;
    tasks.push_back(asyncio::create_task(echo(text(5))));
    tasks.push_back(asyncio::create_task(echo(text(6))));
    EXPECT_EQ((co_await asyncio::gather(tasks)).front(), text(5));

    const std::string named = text(7);
    auto owning = [s = text(8)]() -> asyncio::Coro<std::string> { co_return co_await echo(s); };
    auto mixed = co_await asyncio::gather(
        echo(text(1)), tasks[0], [] { return echo(text(3)); },
        [&]() -> asyncio::Coro<std::string> { co_return named; }, owning, asyncio::own(owning),
        asyncio::create_task(boxed(text(9))), fetch_data);
    EXPECT_EQ(std::get<0>(mixed), text(1));
    EXPECT_EQ(std::get<1>(mixed), text(5));
    EXPECT_EQ(std::get<2>(mixed), text(3));
    EXPECT_EQ(std::get<3>(mixed), named);
    EXPECT_EQ(std::get<4>(mixed), text(8));
    EXPECT_EQ(std::get<5>(mixed), text(8));
    EXPECT_EQ(*std::get<6>(mixed), text(9));
    EXPECT_EQ(std::get<7>(mixed), "data");

    auto later = asyncio::gather(echo(text(1)), echo(text(2)));
    auto [c, d] = co_await later;
    EXPECT_EQ(c + d, text(1) + text(2));
    auto single = co_await asyncio::gather(echo(text(4)));
    EXPECT_EQ(std::get<0>(single), text(4));
    [[maybe_unused]] std::tuple<> empty = co_await asyncio::gather();
}
asyncio::Coro<> gathers_outcomes() {
    auto [ok, bad, done] =
        co_await asyncio::gather(asyncio::return_exceptions, echo(text(1)), fails(text(2)), nothing());
    EXPECT_TRUE(ok);
    EXPECT_TRUE(ok.has_value());
    EXPECT_EQ(ok.value(), text(1));
    EXPECT_FALSE(bad);
    EXPECT_EQ(bad.what(), text(2));
    EXPECT_NE(bad.error(), nullptr);
    EXPECT_THROW(bad.value(), std::runtime_error);
    EXPECT_TRUE(done);

    std::vector<asyncio::Coro<std::string>> jobs;
    jobs.push_back(echo(text(3)));
    jobs.push_back(fails(text(4)));
    std::vector<asyncio::Outcome<std::string>> outcomes =
        co_await asyncio::gather(asyncio::return_exceptions, std::move(jobs));
    EXPECT_EQ(*outcomes[0], text(3));
    EXPECT_EQ(outcomes[1].what(), text(4));
}
}  // namespace
TEST(CallSites, Gather) { run_sim(gathers_of_all_kinds()); }
TEST(CallSites, GatherWithOutcomes) { run_sim(gathers_outcomes()); }

// ---- wait, wait_for, shield, as_completed -------------------------------------------------------

namespace {
asyncio::Coro<> waits_of_all_kinds() {
    std::vector<asyncio::Task<std::string>> tasks;
    tasks.push_back(asyncio::create_task(echo(text(1)), {.name = text(2)}));
    tasks.push_back(asyncio::create_task(fetch_data()));
    auto first = co_await asyncio::wait(tasks, {.timeout = 10s, .return_when = asyncio::FIRST_COMPLETED});
    EXPECT_EQ(first.done.size(), 1u);
    EXPECT_EQ(first.pending.size(), 1u);
    EXPECT_EQ(first.done[0].result(), text(1));
    auto [done, pending] = co_await asyncio::wait(tasks, {.timeout = 1ms});
    EXPECT_EQ(pending.size(), 1u);
    auto all = co_await asyncio::wait(tasks);
    EXPECT_EQ(all.done.size(), 2u);
    std::vector<asyncio::AnyTask> any(tasks.begin(), tasks.end());
    any.push_back(asyncio::create_task(nothing()));
    EXPECT_EQ((co_await asyncio::wait(any, {.return_when = asyncio::FIRST_EXCEPTION})).done.size(), 3u);

    EXPECT_EQ(co_await asyncio::wait_for(echo(text(3)), 2s), text(3));
    EXPECT_EQ(co_await asyncio::wait_for(echo(text(3) + "!"), 1.5s), text(3) + "!");
    EXPECT_EQ(co_await asyncio::wait_for([] { return echo(text(4)); }, 2s), text(4));
    EXPECT_EQ(co_await asyncio::wait_for(tasks[0], 2s), text(1));
    EXPECT_EQ(co_await asyncio::wait_for(asyncio::create_task(echo(text(5))), 2s), text(5));
    auto box = co_await asyncio::wait_for(boxed(text(6)), 2s);
    EXPECT_EQ(*box, text(6));
    bool late = false;
    try {
        co_await asyncio::wait_for(fetch_data(), 10ms);
    } catch (const asyncio::TimeoutError&) {
        late = true;
    }
    EXPECT_TRUE(late);

    auto t = asyncio::create_task(echo(text(7)));
    EXPECT_EQ(co_await asyncio::shield(t), text(7));
    EXPECT_EQ(co_await asyncio::shield(std::move(t)), text(7));
    EXPECT_EQ(co_await asyncio::shield(echo, text(8)), text(8));
    EXPECT_EQ(co_await asyncio::shield([](std::string s) { return echo(s); }, text(9)), text(9));
    EXPECT_EQ(co_await asyncio::shield(asyncio::create_task(echo(text(10)))), text(10));
}
asyncio::Coro<std::string> after(asyncio::Duration delay, std::string s) {
    co_await asyncio::sleep(delay);
    co_return s;
}
asyncio::Coro<> completes_in_order() {
    std::vector<asyncio::Coro<std::string>> jobs;
    jobs.push_back(after(3s, text(3)));
    jobs.push_back(after(1s, text(1)));
    jobs.push_back(after(2s, text(2)));
    std::string order;
    co_await asyncio::with(asyncio::as_completed(std::move(jobs)),
                           [&](asyncio::AsCompleted<std::string>& it) -> asyncio::Coro<> {
                               while (auto done = co_await it.next()) order += co_await *done + ";";
                           });
    EXPECT_EQ(order, text(1) + ";" + text(2) + ";" + text(3) + ";");

    std::vector<asyncio::Task<std::string>> tasks;
    tasks.push_back(asyncio::create_task(after(2s, text(2))));
    tasks.push_back(asyncio::create_task(after(1s, text(1))));
    auto it = asyncio::as_completed(tasks, {.timeout = 10s});
    order.clear();
    while (auto done = co_await it.next()) order += done->result() + ";";
    EXPECT_EQ(order, text(1) + ";" + text(2) + ";");
}
}  // namespace
TEST(CallSites, WaitWaitForShield) { run_sim(waits_of_all_kinds()); }
TEST(CallSites, AsCompleted) { run_sim(completes_in_order()); }

// ---- sleep, to_thread, other threads ------------------------------------------------------------

namespace {
asyncio::Coro<> sleeps_of_all_kinds() {
    co_await asyncio::sleep(0s);
    co_await asyncio::sleep(1.5ms);
    co_await asyncio::sleep(std::chrono::microseconds(3));
    EXPECT_EQ(co_await asyncio::sleep(1s, text(1)), text(1));
    EXPECT_EQ(co_await asyncio::sleep(1s, 7), 7);
    auto box = co_await asyncio::sleep(1s, std::make_unique<std::string>(text(2)));
    EXPECT_EQ(*box, text(2));
    co_await asyncio::sleep_until(asyncio::get_running_loop().time() + 1s);
}

std::string blocking_call(const std::string& s, int n) { return s + std::to_string(n); }

asyncio::Coro<> threads_of_all_kinds() {
    EXPECT_EQ(co_await asyncio::to_thread(blocking_call, text(1), 5), text(1) + "5");
    EXPECT_EQ(co_await asyncio::to_thread([] { return text(2); }), text(2));
    EXPECT_EQ(co_await asyncio::to_thread([](std::string s) { return s + "!"; }, text(3)), text(3) + "!");
    EXPECT_EQ(
        co_await asyncio::to_thread(
            [](std::stop_token token, std::string s) { return token.stop_requested() ? std::string() : s; },
            text(4)),
        text(4));
    std::string named = text(5);
    EXPECT_EQ(co_await asyncio::to_thread([&] { return named; }), named);
    auto owning = [s = text(6)] { return s; };
    EXPECT_EQ(co_await asyncio::to_thread(owning), text(6));
    EXPECT_EQ(co_await asyncio::to_thread(asyncio::own(std::move(owning))), text(6));
    EXPECT_EQ(co_await asyncio::to_thread(asyncio::abandon_on_cancel, blocking_call, text(7), 8),
              text(7) + "8");
    EXPECT_EQ(co_await asyncio::to_thread(
                  asyncio::abandon_on_cancel, [](std::string s) { return s; }, text(8)),
              text(8));
    co_await asyncio::to_thread([] {});
    auto box = co_await asyncio::to_thread([] { return std::make_unique<std::string>(text(9)); });
    EXPECT_EQ(*box, text(9));
    std::string message;
    try {
        co_await asyncio::to_thread([]() -> int { throw std::runtime_error(text(10)); });
    } catch (const std::runtime_error& e) {
        message = e.what();
    }
    EXPECT_EQ(message, text(10));
}
asyncio::Coro<> other_threads() {
    asyncio::EventLoop& loop = asyncio::get_running_loop();
    asyncio::Future<std::string> future;
    std::thread setter([remote = future.remote()] { remote.set_result(text(1)); });
    EXPECT_EQ(co_await future, text(1));
    setter.join();

    std::string seen;
    asyncio::Future<> called;
    std::thread poster([handle = loop.remote(), &seen, &called] {
        handle.call_soon_threadsafe([&seen](std::string s) { seen = s; }, text(2));
        handle.call_soon_threadsafe([&called] { called.set_result(); });
    });
    co_await called;
    poster.join();
    EXPECT_EQ(seen, text(2));

    auto victim = asyncio::create_task(fetch_data());
    std::thread canceller([remote = victim.remote()] { remote.cancel(); });
    canceller.join();
    bool cancelled = false;
    try {
        co_await victim;
    } catch (const asyncio::CancelledError&) {
        cancelled = true;
    }
    EXPECT_TRUE(cancelled);

    std::string result;
    asyncio::Future<> finished;
    std::thread runner([handle = loop.remote(), &result, remote = finished.remote()] {
        result = asyncio::run_coroutine_threadsafe(echo(text(3)), handle).get();
        remote.set_result();
    });
    co_await finished;
    runner.join();
    EXPECT_EQ(result, text(3));
    loop.call_soon_threadsafe([] {});
}
}  // namespace
TEST(CallSites, Sleep) { run_sim(sleeps_of_all_kinds()); }
TEST(CallSites, ToThread) { asyncio::run(threads_of_all_kinds(), {.debug = true}); }
TEST(CallSites, OtherThreads) { asyncio::run(other_threads(), {.debug = true}); }
