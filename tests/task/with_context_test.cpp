// with: two errors at once, the body's and aexit's. None is dropped.
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "task/task_support.hpp"

namespace asyncio::task_test { namespace {

class WithContextTest : public SimulatedTest {};

/// A scope that throws what it is given when it is left.
class Failing {
  public:
    explicit Failing(std::exception_ptr thrown, bool at_once = false)
        : thrown_(std::move(thrown)), at_once_(at_once) {}
    Coro<> aenter() { co_return; }
    Coro<> aexit(const std::exception_ptr&) {
        if (at_once_) std::rethrow_exception(thrown_);  // no coroutine yet
        return leave();
    }

  private:
    Coro<> leave() {
        co_await sleep(1ms);
        std::rethrow_exception(thrown_);
    }
    std::exception_ptr thrown_;
    bool at_once_;
};

/// What the loop's exception handler was told: message and exception.
struct Reports {
    Reports() {
        get_running_loop().set_exception_handler([this](EventLoop&, const ExceptionContext& context) {
            messages.push_back(context.message);
            exceptions.push_back(context.exception);
        });
    }
    Reports(const Reports&) = delete;
    Reports& operator=(const Reports&) = delete;
    ~Reports() { get_running_loop().set_exception_handler({}); }

    std::vector<std::string> messages;
    std::vector<std::exception_ptr> exceptions;
};

/// The error of a scope whose body fails with `of_body`, and whose end with `of_exit`.
Coro<std::exception_ptr> fail_twice(std::exception_ptr of_body, std::exception_ptr of_exit,
                                    bool at_once = false) {
    Failing scope(of_exit, at_once);
    std::exception_ptr caught;
    try {
        co_await with(scope, [&]() -> Coro<> {
            co_await sleep(1ms);
            std::rethrow_exception(of_body);
        });
    } catch (...) {
        caught = std::current_exception();
    }
    co_return caught;
}

TEST_F(WithContextTest, AnErrorOfAexitCarriesTheBodys) {
    run([]() -> Coro<> {
        const Reports reports;
        for (const bool at_once : {false, true}) {
            const auto of_body = std::make_exception_ptr(std::runtime_error("of the body"));
            const auto of_exit = std::make_exception_ptr(OSError("of aexit"));
            const std::exception_ptr caught = co_await fail_twice(of_body, of_exit, at_once);
            EXPECT_EQ(caught, of_exit);
            EXPECT_EQ(context_of(caught), of_body);
            EXPECT_EQ(exception_cast<OSError>(caught)->context(), of_body);
        }
        EXPECT_TRUE(reports.messages.empty());
    });
}

TEST_F(WithContextTest, AForeignErrorOfAexitWinsAndTheHandlerHearsOfTheBodys) {
    run([]() -> Coro<> {
        const Reports reports;
        const auto of_body = std::make_exception_ptr(ValueError("of the body"));
        const auto of_exit = std::make_exception_ptr(std::runtime_error("of aexit"));
        const std::exception_ptr caught = co_await fail_twice(of_body, of_exit);
        EXPECT_EQ(caught, of_exit);
        EXPECT_EQ(reports.exceptions, std::vector<std::exception_ptr>{of_body});
        EXPECT_NE(reports.messages.at(0).find("aexit"), std::string::npos) << reports.messages.at(0);
    });
}

TEST_F(WithContextTest, AnErrorThatCarriesAnotherOneAlreadyKeepsItAndTheHandlerHearsOfTheBodys) {
    run([]() -> Coro<> {
        const Reports reports;
        const auto first = std::make_exception_ptr(ValueError("the first"));
        const auto second = std::make_exception_ptr(ValueError("the second"));
        const auto of_exit = std::make_exception_ptr(OSError("shared by both scopes"));
        co_await fail_twice(first, of_exit);
        co_await fail_twice(second, of_exit);
        EXPECT_EQ(context_of(of_exit), first);
        EXPECT_EQ(reports.exceptions, std::vector<std::exception_ptr>{second});
    });
}

TEST_F(WithContextTest, TheBodysErrorThatAexitThrowsAgainIsNoContext) {
    run([]() -> Coro<> {
        const Reports reports;
        const auto error = std::make_exception_ptr(ValueError("again"));
        const std::exception_ptr caught = co_await fail_twice(error, error);
        EXPECT_EQ(caught, error);
        EXPECT_EQ(context_of(caught), nullptr);
        // Out of a group: what else was in it is not lost.
        const auto group = std::make_exception_ptr(ExceptionGroup("errors", {error}));
        co_await fail_twice(group, error);
        EXPECT_EQ(reports.exceptions, std::vector<std::exception_ptr>{group});
    });
}

TEST_F(WithContextTest, ScopesInScopesMakeAChain) {
    run([]() -> Coro<> {
        const auto inner = std::make_exception_ptr(ValueError("inner"));
        const auto outer = std::make_exception_ptr(ValueError("outer"));
        Failing outer_scope(outer);
        Failing inner_scope(inner);
        std::string shown;
        try {
            co_await with(outer_scope, inner_scope, [](Failing&, Failing&) -> Coro<> {
                throw ValueError("body");
                co_return;
            });
        } catch (...) {
            shown = format_exception(std::current_exception());
        }
        EXPECT_EQ(shown,
                  "ValueError: body\n"
                  "During handling of the above exception, another exception occurred:\n"
                  "ValueError: inner\n"
                  "During handling of the above exception, another exception occurred:\n"
                  "ValueError: outer\n");
    });
}

TEST_F(WithContextTest, ACancelDuringAexitCarriesTheBodysError) {
    run([]() -> Coro<> {
        struct Slow {
            Coro<> aenter() { co_return; }
            Coro<> aexit(std::exception_ptr) { co_await sleep(1h); }
        };
        const Reports reports;
        const auto of_body = std::make_exception_ptr(ValueError("of the body"));
        auto task = create_task([](std::exception_ptr error) -> Coro<> {
            Slow slow;
            co_await with(slow, [&] { std::rethrow_exception(error); });
        }(of_body));
        co_await sleep(1s);
        task.cancel();
        std::exception_ptr caught;
        try {
            co_await task;
        } catch (...) {
            caught = std::current_exception();
        }
        EXPECT_TRUE(is_cancelled(caught));
        EXPECT_EQ(context_of(caught), of_body);
    });
}

TEST_F(WithContextTest, ACancelOfTheBodyThatAexitReplacesIsItsContextAndNoReport) {
    run([]() -> Coro<> {
        const Reports reports;
        for (const bool foreign : {false, true}) {
            const auto of_exit = foreign ? std::make_exception_ptr(std::runtime_error("of aexit"))
                                         : std::make_exception_ptr(OSError("of aexit"));
            auto task = create_task(fail_twice(std::make_exception_ptr(CancelledError("enough")), of_exit));
            const std::exception_ptr caught = co_await task;
            EXPECT_EQ(caught, of_exit);
            EXPECT_EQ(is_cancelled(context_of(caught)), !foreign);
        }
        EXPECT_TRUE(reports.messages.empty());
    });
}

TEST_F(WithContextTest, TheCancelOfATimeoutOrGroupIsItsOwnAndNoContext) {
    run([]() -> Coro<> {
        const Reports reports;
        std::exception_ptr caught;
        try {
            co_await with(timeout(1s), [](Timeout&) -> Coro<> { co_await sleep(1h); });
        } catch (const TimeoutError&) {
            caught = std::current_exception();
        }
        EXPECT_NE(caught, nullptr);
        EXPECT_EQ(context_of(caught), nullptr);
        caught = nullptr;
        try {
            co_await with(TaskGroup(), [](TaskGroup& group) -> Coro<> {
                group.create_task([]() -> Coro<> {
                    co_await sleep(1s);
                    throw ValueError("a child's");
                });
                co_await sleep(1h);
            });
        } catch (const ExceptionGroup& group) {
            caught = std::current_exception();
            EXPECT_EQ(group.exceptions().size(), 1u);
        }
        EXPECT_NE(caught, nullptr);
        EXPECT_EQ(context_of(caught), nullptr);
        EXPECT_TRUE(reports.messages.empty());
    });
}

TEST_F(WithContextTest, AHandledErrorIsTheContextOfAMissingValue) {
    run([]() -> Coro<> {
        struct Handles {
            Coro<> aenter() { co_return; }
            Coro<bool> aexit(std::exception_ptr) { co_return true; }
        };
        Handles scope;
        std::exception_ptr caught;
        try {
            co_await with(scope, []() -> Coro<int> {
                throw ValueError("handled");
                co_return 1;
            });
        } catch (const InvalidStateError&) {
            caught = std::current_exception();
        }
        EXPECT_EQ(describe(context_of(caught)), "ValueError: handled");
    });
}

TEST_F(WithContextTest, AReportShowsTheContext) {
    const std::string shown = printed([] {
        run([]() -> Coro<> {
            create_task([]() -> Coro<> {
                Failing scope(std::make_exception_ptr(OSError("close failed")));
                co_await with(scope, [] { throw ValueError("of the body"); });
            });
            co_await sleep(1s);
        });
    });
    EXPECT_NE(shown.find("  ValueError: of the body\n"
                         "  During handling of the above exception, another exception occurred:\n"
                         "  OSError: close failed\n"),
              std::string::npos)
        << shown;
}

}}  // namespace asyncio::task_test
