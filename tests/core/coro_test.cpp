// Coro<T>: laziness, lifetimes, exceptions, depth.
#include "asyncio/core/coro.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "asyncio/asyncio.hpp"
#include "detail/loop_impl.hpp"
#include "task/task_support.hpp"

namespace asyncio::task_test { namespace {

class CoroTest : public SimulatedTest {};

Coro<int> seven() { co_return 7; }
Coro<> yield_once() { co_await sleep(0s); }

TEST_F(CoroTest, RunsWhenItIsAwaitedAndGivesItsResult) {
    EXPECT_EQ(run([]() -> Coro<int> {
                  int n = co_await seven();
                  co_return n + 1;
              }),
              8);
}

Coro<> note(Log& log, std::string what) {
    log.push_back(what);
    co_return;
}

TEST_F(CoroTest, CallingItRunsNothing) {
    run([]() -> Coro<> {
        Log log;
        auto later = note(log, "ran");
        EXPECT_TRUE(log.empty());
        co_await std::move(later);
        EXPECT_EQ(log, Log{"ran"});
    });
}

TEST_F(CoroTest, AwaitingOneTakesNoTurnOfTheLoop) {
    run([]() -> Coro<> {
        Log log;
        auto other = create_task(note(log, "other"));
        co_await note(log, "awaited");
        int n = co_await seven();
        EXPECT_EQ(n, 7);
        EXPECT_EQ(log, Log{"awaited"});
        co_await other;
    });
}

// ---- lifetimes ----------------------------------------------------------------------------------

Coro<int> holds(Counted parameter, int* alive) {
    Counted local(alive);
    co_await sleep(0s);
    EXPECT_EQ(*alive, 3);  // the caller's temporary, the parameter, the local
    co_return parameter.value();
}

TEST_F(CoroTest, ParametersAndLocalsDieBeforeTheCallerGoesOn) {
    run([]() -> Coro<> {
        int alive = 0;
        int value = co_await holds(Counted(&alive, 3), &alive);
        EXPECT_EQ(value, 3);
        EXPECT_EQ(alive, 0);
    });
}

Coro<> throws_after_a_turn(Counted, int* alive) {
    Counted local(alive);
    co_await sleep(0s);
    throw ValueError("thrown");
}

TEST_F(CoroTest, ParametersAndLocalsDieBeforeTheCallerSeesTheException) {
    run([]() -> Coro<> {
        int alive = 0;
        int alive_in_handler = -1;
        try {
            co_await throws_after_a_turn(Counted(&alive), &alive);
        } catch (const ValueError&) {
            alive_in_handler = alive;
        }
        EXPECT_EQ(alive_in_handler, 0);
    });
}

TEST_F(CoroTest, DroppingOneThatNeverRanDestroysItsParameters) {
    int alive = 0;
    {
        auto dropped = holds(Counted(&alive), &alive);
        EXPECT_EQ(alive, 1);
    }
    EXPECT_EQ(alive, 0);
    auto first = holds(Counted(&alive), &alive);
    first = holds(Counted(&alive), &alive);
    EXPECT_EQ(alive, 1);
    auto moved = std::move(first);
    EXPECT_FALSE(first.valid());
    EXPECT_TRUE(moved.valid());
    EXPECT_EQ(alive, 1);
}

Coro<Counted> gives_counted(int* alive, int value) { co_return Counted(alive, value); }
Coro<Counted> passes_on(int* alive, int value) { co_return co_await gives_counted(alive, value); }

TEST_F(CoroTest, ResultsAreMovedOutAndDestroyedOnce) {
    run([]() -> Coro<> {
        int alive = 0;
        {
            Counted got = co_await passes_on(&alive, 5);
            EXPECT_EQ(got.value(), 5);
            EXPECT_EQ(alive, 1);
        }
        EXPECT_EQ(alive, 0);
        co_await passes_on(&alive, 6);  // the result is not used
        EXPECT_EQ(alive, 0);
    });
}

struct ThrowsWhenMoved {
    explicit ThrowsWhenMoved(int* n) : moves_left(n) {}
    ThrowsWhenMoved(ThrowsWhenMoved&& other) : moves_left(other.moves_left) {
        if ((*moves_left)-- == 0) throw ValueError("moved too often");
    }
    int* moves_left;
};
Coro<ThrowsWhenMoved> gives_throwing(int* moves) { co_return ThrowsWhenMoved(moves); }

TEST_F(CoroTest, AResultWhoseMoveThrowsGivesThatException) {
    run([]() -> Coro<> {
        for (int moves : {0, 1}) {
            bool thrown = false;
            try {
                [[maybe_unused]] auto got = co_await gives_throwing(&moves);
            } catch (const ValueError&) {
                thrown = true;
            }
            EXPECT_TRUE(thrown);
        }
        auto task_moves = std::make_unique<int>(0);
        auto task = create_task(gives_throwing(task_moves.get()));
        co_await wait(handles(task));
        EXPECT_THROW(task.result(), ValueError);
    });
}

struct BigResult {
    std::string text;
    char bytes[4000];
};
Coro<BigResult> gives_big() {
    co_await sleep(1ms);
    BigResult result;
    result.text.assign(100, 'x');
    result.bytes[3999] = 'y';
    co_return result;
}
Coro<std::string> gives_string(std::string s) { co_return s; }

TEST_F(CoroTest, ResultsOfAllSizesArrive) {
    run([]() -> Coro<> {
        auto big = co_await gives_big();
        EXPECT_EQ(big.text.size(), 100u);
        EXPECT_EQ(big.bytes[3999], 'y');
        auto task = create_task(gives_big());
        auto again = co_await task;
        auto moved = co_await std::move(task);
        EXPECT_EQ(again.text, moved.text);
        auto text = co_await gives_string("short");
        EXPECT_EQ(text, "short");
    });
}

// ---- what was never awaited ---------------------------------------------------------------------

namespace named {
Coro<> fetch_data() { co_return; }  // line number below
constexpr int fetch_data_line = __LINE__ - 1;
struct Session {
    Coro<> get(int) { co_return; }
};
}  // namespace named

TEST_F(CoroTest, OneThatWasNeverAwaitedIsNamedInDebugMode) {
    const std::string warning = printed([] {
        run(
            []() -> Coro<> {
                { auto dropped = named::fetch_data(); }
                co_return;
            },
            {.debug = true});
    });
    EXPECT_EQ(warning.find("RuntimeWarning: coroutine '"), 0u) << warning;
    EXPECT_NE(warning.find("named::fetch_data' was never awaited (coro_test.cpp:"), std::string::npos)
        << warning;
    EXPECT_NE(warning.find("co_await it, or start it with asyncio::create_task"), std::string::npos)
        << warning;
    EXPECT_EQ(std::count(warning.begin(), warning.end(), '\n'), 1) << warning;
    // g++ gives the closing brace's line, clang the name's.
    EXPECT_NE(warning.find(":" + std::to_string(named::fetch_data_line) + ")"), std::string::npos) << warning;
}

TEST_F(CoroTest, MembersAndLambdasAreNamedToo) {
    const std::string warning = printed([] {
        run(
            []() -> Coro<> {
                named::Session session;
                { auto dropped = session.get(3); }
                auto lambda = [](std::vector<std::string>) -> Coro<int> { co_return 1; };
                { auto dropped = lambda({}); }
                co_return;
            },
            {.debug = true});
    });
    EXPECT_NE(warning.find("named::Session::get' was never"), std::string::npos) << warning;
    EXPECT_EQ(std::count(warning.begin(), warning.end(), '\n'), 2) << warning;
}

TEST_F(CoroTest, OutsideOfDebugModeDroppingIsSilent) {
    EXPECT_EQ(printed([] {
                  run([]() -> Coro<> {
                      { auto dropped = named::fetch_data(); }
                      co_return;
                  });
              }),
              "");
}

TEST_F(CoroTest, OneThatWasAwaitedOrHandedOverIsNotWarnedOf) {
    EXPECT_EQ(printed([] {
                  run(
                      []() -> Coro<> {
                          co_await named::fetch_data();
                          co_await create_task(named::fetch_data());
                          co_await gather(named::fetch_data(), named::fetch_data());
                          co_await wait_for(named::fetch_data(), 1s);
                          bool late = false;
                          try {
                              co_await wait_for(named::fetch_data(), 0s);
                          } catch (const TimeoutError&) {
                              late = true;
                          }
                          EXPECT_TRUE(late);
                      },
                      {.debug = true});
              }),
              "");
}

// ---- what its parameters say --------------------------------------------------------------------

template <class F>
void expect_closure(F) {
    static_assert(detail::is_closure<F>);
}
template <class T>
void lambdas_of_a_template() {
    expect_closure([] { return T(); });
    expect_closure([x = T()](T y) mutable { return x = y; });
}

TEST_F(CoroTest, ClosuresAreToldFromOtherTypes) {
    int x = 0;
    expect_closure([] {});
    expect_closure([&](int) { return x; });
    expect_closure([x](auto y) mutable noexcept { return x += y; });
    expect_closure([]<class U>(std::vector<U>) -> std::vector<std::pair<U, int>> { return {}; });
    expect_closure([](int (*)(int), std::string) {});
    lambdas_of_a_template<int>();
    lambdas_of_a_template<std::vector<std::string>>();
    auto lambda = [] {};
    using Lambda = decltype(lambda);
    static_assert(!detail::is_closure<std::vector<Lambda>>);
    static_assert(!detail::is_closure<Owned<Lambda>>);
    static_assert(!detail::is_closure<std::pair<int, Lambda>>);
    static_assert(!detail::is_closure<int>);
    static_assert(!detail::is_closure<std::string>);
    static_assert(!detail::is_closure<void (*)()>);
}

// ---- depth and length ---------------------------------------------------------------------------

TEST_F(CoroTest, AMillionAwaitsOfCoroutinesThatEndAtOnce) {
    EXPECT_EQ(run([]() -> Coro<long> {
                  long sum = 0;
                  for (int i = 0; i < 1'000'000; ++i) sum += co_await seven();
                  co_return sum;
              }),
              7'000'000);
}

Coro<int> recurse(int depth) {
    if (depth == 0) co_return 0;
    int below = co_await recurse(depth - 1);
    co_return below + 1;
}
Coro<int> recurse_then(int depth, Coro<> at_the_bottom) {
    if (depth == 0) {
        co_await std::move(at_the_bottom);
        co_return 0;
    }
    int below = co_await recurse_then(depth - 1, std::move(at_the_bottom));
    co_return below + 1;
}
Coro<> fails() {
    co_await sleep(1ms);
    throw ValueError("from the bottom");
}
constexpr int deep = 100'000;

TEST_F(CoroTest, RecursionIsAsDeepAsMemoryAllows) {
    EXPECT_EQ(run(recurse(deep)), deep);
    EXPECT_EQ(run(recurse_then(deep, yield_once())), deep);
}

TEST_F(CoroTest, AnExceptionRisesFromTheBottomOfADeepRecursion) {
    EXPECT_EQ(thrown<ValueError>([] { run(recurse_then(deep, fails())); }), "from the bottom");
}

TEST_F(CoroTest, ADeepRecursionCanBeCancelled) {
    run([]() -> Coro<> {
        auto task = create_task(recurse_then(deep, []() -> Coro<> { co_await sleep(1h); }()));
        co_await sleep(1s);
        task.cancel();
        co_await wait(handles(task));
        EXPECT_TRUE(task.cancelled());
    });
}

// Debuggers look for records in memory: what is none any more must not look like one. (The recycler keeps the
// memory, so that the test may look, too; with sanitizers it does not.)
TEST_F(CoroTest, AFrameThatIsGoneIsMarkedAsNoRecord) {
    const volatile std::uint16_t* magic = nullptr;
    run([&]() -> Coro<> {
        const auto look = [](const volatile std::uint16_t** mark) -> Coro<> {
            *mark = &get_running_loop().impl().running->magic;
            const int seen = **mark;
            EXPECT_EQ(seen & detail::record_magic_mask, detail::record_magic);
            co_return;
        };
        std::vector<Coro<>> one;  // clang would make its frame a part of this one
        one.push_back(look(&magic));
        co_await std::move(one.front());
#if !ASYNCIO_ASAN && !ASYNCIO_TSAN
        const int left = *magic;
        EXPECT_EQ(left, 0);
#endif
    });
}

}}  // namespace asyncio::task_test
