// Tasks that look at what their creator owns, and outlive it: each is named, with the parameter.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "asyncio/asyncio.hpp"
#include "task/task_support.hpp"

namespace asyncio::task_test { namespace {

class BorrowerTest : public SimulatedTest {};

namespace borrowing {
Coro<> bg(std::string_view) { co_await sleep(1h); }
Coro<> by_reference(int, const std::string&) { co_await sleep(1h); }
Coro<> by_value(std::string, int) { co_await sleep(1h); }
}  // namespace borrowing

TEST_F(BorrowerTest, ATaskThatOutlivesItsCreatorAndBorrowsFromItIsNamed) {
    for (bool debug : {true, false}) {
        const std::string text = printed([&] {
            simulate(
                []() -> Coro<> {
                    struct Main {
                        static Coro<> amain() {
                            std::string s = "a text";
                            create_task(borrowing::bg(s), {.name = "bg"});
                            create_task(borrowing::by_value(s, 1));
                            co_await sleep(1s);
                        }
                    };
                    return Main::amain();
                }(),
                {.debug = debug});
        });
        EXPECT_EQ(text.find("asyncio: task 'bg' ("), 0u) << text;
        const std::string what = debug ? "parameter 1 (" : "a parameter (debug mode says which)";
        EXPECT_NE(text.find("amain', which created it, and borrows " + what), std::string::npos) << text;
        EXPECT_NE(text.find("pass it by value, or use a TaskGroup"), std::string::npos) << text;
        EXPECT_NE(text.find("borrower_test.cpp:"), std::string::npos) << text;
        EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
    }
}

TEST_F(BorrowerTest, TheNumberOfTheBorrowedParameterIsTold) {
    const std::string text = printed([&] {
        simulate(
            []() -> Coro<> {
                std::string s = "a text";
                create_task(borrowing::by_reference(1, s), {.name = "bg"});
                co_await sleep(0s);
            }(),
            {.debug = true});
    });
    EXPECT_NE(text.find("borrows parameter 2 (const std::"), std::string::npos) << text;
}

TEST_F(BorrowerTest, InDebugModeEveryCoroutineThatLeavesABorrowerBehindIsNamed) {
    const std::string text = printed([&] {
        run(
            []() -> Coro<> {
                struct Helper {
                    static Coro<Task<>> starts() {
                        std::string s = "a text";
                        auto task = create_task(borrowing::bg(s), {.name = "bg"});
                        co_await sleep(0s);
                        co_return task;
                    }
                };
                Task<> task = co_await Helper::starts();
                task.cancel();
                co_await wait(handles(task));
            },
            {.debug = true});
    });
    EXPECT_NE(text.find("starts', which created it, and borrows parameter 1"), std::string::npos) << text;
}

namespace borrowing {
constexpr int line_before_the_lambda = __LINE__;
Coro<> spawn() {
    int here = 0;
    create_task([&]() -> Coro<> {
        co_await sleep(1h);
        ++here;
    });
    co_return;
}
constexpr int line_behind_the_lambda = __LINE__;
Coro<> keep(int* pointer) {
    co_await sleep(1h);
    ++*pointer;
}
Coro<> spawn_with_pointer() {
    int here = 0;
    create_task(keep, &here);
    co_await sleep(0s);
}
}  // namespace borrowing

TEST_F(BorrowerTest, ABorrowerMadeOfACallableIsNamedByTheCallablesOwnPlace) {
    const auto told = [&](Coro<> (*creates)()) {
        return printed([&] {
            simulate(
                [](Coro<> (*create)()) -> Coro<> {
                    co_await create();
                    co_await sleep(1s);
                }(creates),
                {.debug = true});
        });
    };
    const std::string lambda = told(borrowing::spawn);
    const bool says_lambda = lambda.find("lambda") != std::string::npos;
    const bool says_anonymous_class = lambda.find("(anonymous class)") != std::string::npos;  // clang
    EXPECT_TRUE(says_lambda || says_anonymous_class) << lambda;
    // g++ names the last line of a coroutine, clang the first.
    const auto file = lambda.find("(borrower_test.cpp:");
    ASSERT_NE(file, std::string::npos) << lambda;
    const int line = std::atoi(lambda.c_str() + file + std::strlen("(borrower_test.cpp:"));
    EXPECT_GT(line, borrowing::line_before_the_lambda) << lambda;
    EXPECT_LT(line, borrowing::line_behind_the_lambda) << lambda;
    EXPECT_NE(lambda.find("may borrow by its captures: capture by value"), std::string::npos) << lambda;
    EXPECT_EQ(std::count(lambda.begin(), lambda.end(), '\n'), 1) << lambda;
    const std::string function = told(borrowing::spawn_with_pointer);
    EXPECT_NE(function.find("keep"), std::string::npos) << function;
    EXPECT_NE(function.find("borrows parameter 1 (int"), std::string::npos) << function;
}

TEST_F(BorrowerTest, TasksMadeOfAwaitablesThatBorrowAreNamed) {
    const auto creator = [](int kind) -> Coro<> {
        std::string text = "abc";
        if (kind == 0) create_task(wait_for(borrowing::by_reference(1, text), 20h));
        if (kind == 1) create_task(gather(borrowing::by_value("x", 1), borrowing::by_reference(1, text)));
        if (kind == 2) {
            create_task(with(timeout(20h), [&](Timeout&) -> Coro<> {
                co_await sleep(1ms);
                EXPECT_EQ(text, "abc");
            }));
        }
        co_return;
    };
    for (int kind = 0; kind != 3; ++kind) {
        const std::string text = printed([&] {
            run(
                [&]() -> Coro<> {
                    auto task = create_task(creator, kind);
                    co_await wait(handles(task));
                    std::vector<AnyTask> others = all_tasks();
                    std::erase(others, current_task());
                    for (const AnyTask& each : others) each.cancel();
                    co_await wait(others);
                },
                {.debug = true});
        });
        EXPECT_NE(text.find("which created it, and "), std::string::npos) << kind << ": " << text;
    }
}

TEST_F(BorrowerTest, BorrowersThatEndInTimeOrAreJoinedAreNotNamed) {
    EXPECT_EQ(printed([&] {
                  simulate(
                      []() -> Coro<> {
                          std::string s = "a text";
                          auto task = create_task(borrowing::bg(s));
                          co_await sleep(0s);
                          task.cancel();
                          co_await wait(handles(task));
                          bool late = false;
                          try {
                              co_await with(timeout(1s), [&]() -> Coro<> {
                                  co_await with(TaskGroup{},
                                                [&](TaskGroup& tg) { tg.create_task(borrowing::bg(s)); });
                              });
                          } catch (const TimeoutError&) {
                              late = true;
                          }
                          EXPECT_TRUE(late);
                          auto owned = create_task(borrowing::by_value, s, 1);
                          auto owning = [s]() -> Coro<> { co_await borrowing::by_value(s, 1); };
                          create_task(owning);
                          create_task(borrowing::by_value(s, 1));
                          co_await sleep(1s);
                      }(),
                      {.debug = true});
              }),
              "");
}

}}  // namespace asyncio::task_test
