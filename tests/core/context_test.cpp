// Context variables: what is set where, and who sees it.
#include "asyncio/core/context.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "asyncio/asyncio.hpp"
#include "support/alloc_failure.hpp"
#include "task/task_support.hpp"

namespace asyncio::task_test { namespace {

const ContextVar<std::string> request("request", "none");
const ContextVar<int> number("number");

/// The thread of a test has variables of its own, so each body runs in an empty context.
template <class F>
void in_empty_context(F&& body) {
    Context().run(std::forward<F>(body));
}

class ContextTest : public test::LoopTest {};

// ---- variables ----------------------------------------------------------------------------------

TEST_F(ContextTest, AVariableHasItsDefaultUntilItIsSet) {
    in_empty_context([] {
        EXPECT_EQ(request.get(), "none");
        request.set("42");
        EXPECT_EQ(request.get(), "42");
        EXPECT_EQ(request.name(), "request");
    });
    EXPECT_EQ(request.get(), "none");
}

TEST_F(ContextTest, AVariableWithoutValueAndDefaultThrowsALookupErrorThatNamesIt) {
    in_empty_context([] {
        const std::string text = thrown<LookupError>([] { number.get(); });
        EXPECT_NE(text.find("'number'"), std::string::npos) << text;
        EXPECT_NE(text.find("use get(default)"), std::string::npos) << text;
    });
}

TEST_F(ContextTest, TheDefaultOfACallComesBeforeThatOfTheVariable) {
    in_empty_context([] {
        EXPECT_EQ(number.get(7), 7);
        EXPECT_EQ(request.get("mine"), "mine");
        request.set("set");
        EXPECT_EQ(request.get("mine"), "set");
    });
}

TEST_F(ContextTest, AResetGoesBackOneSet) {
    in_empty_context([] {
        auto first = number.set(1);
        EXPECT_FALSE(first.old_value().has_value());
        auto second = number.set(2);
        EXPECT_EQ(second.old_value(), 1);
        number.reset(second);
        EXPECT_EQ(number.get(), 1);
        number.reset(std::move(first));
        EXPECT_EQ(number.get(0), 0);
    });
}

TEST_F(ContextTest, ResetsOutOfOrderBringBackWhatEachSetHadReplaced) {
    in_empty_context([] {
        auto first = number.set(1);
        auto second = number.set(2);
        request.set("in between");
        number.reset(first);
        EXPECT_EQ(number.get(0), 0);
        number.reset(second);
        EXPECT_EQ(number.get(), 1);
        EXPECT_EQ(request.get(), "in between");
    });
}

TEST_F(ContextTest, ATokenIsGoodOnce) {
    in_empty_context([] {
        auto token = number.set(1);
        number.reset(token);
        const std::string text = thrown<RuntimeError>([&] { number.reset(token); });
        EXPECT_NE(text.find("used already"), std::string::npos) << text;
        EXPECT_FALSE(token.old_value().has_value());
    });
}

TEST_F(ContextTest, ATokenOfAnotherVariableIsRefusedAndStaysGood) {
    const ContextVar<int> other("other");
    in_empty_context([&] {
        auto token = number.set(1);
        const std::string text = thrown<ValueError>([&] { other.reset(token); });
        EXPECT_NE(text.find("another variable"), std::string::npos) << text;
        number.reset(token);
        EXPECT_EQ(number.get(0), 0);
    });
}

TEST_F(ContextTest, ATokenOfAnotherContextIsRefusedAndStaysGood) {
    in_empty_context([] {
        auto token = number.set(1);
        copy_context().run([&] {
            const std::string text = thrown<ValueError>([&] { number.reset(token); });
            EXPECT_NE(text.find("another Context"), std::string::npos) << text;
        });
        number.reset(token);
        EXPECT_EQ(number.get(0), 0);
    });
}

TEST_F(ContextTest, AScopeSetsBackWhenItGoes) {
    in_empty_context([] {
        {
            auto scope = number.scoped(1);
            EXPECT_EQ(number.get(), 1);
            {
                auto inner = number.scoped(2);
                request.set("stays");
                EXPECT_EQ(number.get(), 2);
            }
            EXPECT_EQ(number.get(), 1);
        }
        EXPECT_EQ(number.get(0), 0);
        EXPECT_EQ(request.get(), "stays");
    });
}

TEST_F(ContextTest, AScopeSetsBackInItsOwnContextWhereverItGoes) {
    Context inside;
    in_empty_context([&] {
        struct Holder {
            ContextVar<int>::Scope scope = number.scoped(1);
        };
        std::unique_ptr<Holder> holder;
        inside.run([&] { holder = std::make_unique<Holder>(); });
        EXPECT_EQ(inside[number], 1);
        number.set(5);
        holder.reset();
        EXPECT_EQ(number.get(), 5);
        EXPECT_FALSE(inside.contains(number));
    });
}

TEST_F(ContextTest, VariablesOfOneNameAreDifferentVariables) {
    const ContextVar<int> one("same", 1);
    const ContextVar<int> two("same", 2);
    in_empty_context([&] {
        one.set(10);
        EXPECT_EQ(one.get(), 10);
        EXPECT_EQ(two.get(), 2);
    });
}

TEST_F(ContextTest, ANewVariableNeverFindsTheValueOfOneThatIsGone) {
    in_empty_context([] {
        for (int i = 0; i < 100; ++i) {
            const ContextVar<int> passing("passing");
            EXPECT_EQ(passing.get(-1), -1);
            passing.set(i);
        }
    });
}

TEST_F(ContextTest, ManySetsOfAVariableKeepFewOfItsValues) {
    const ContextVar<std::shared_ptr<int>> held("held");
    in_empty_context([&] {
        std::vector<std::weak_ptr<int>> all;
        for (int i = 0; i < 1000; ++i) {
            auto value = std::make_shared<int>(i);
            all.push_back(value);
            held.set(std::move(value));
        }
        EXPECT_EQ(*held.get(), 999);
        int alive = 0;
        for (const auto& each : all) alive += each.expired() ? 0 : 1;
        EXPECT_LE(alive, 17);
    });
}

TEST_F(ContextTest, ManyVariablesKeepTheirValues) {
    std::vector<std::unique_ptr<ContextVar<int>>> variables;
    for (int i = 0; i < 100; ++i)
        variables.push_back(std::make_unique<ContextVar<int>>("v" + std::to_string(i)));
    in_empty_context([&] {
        for (int round = 0; round < 5; ++round) {
            for (int i = 0; i < 100; ++i) variables[i]->set(100 * round + i);
            for (int i = 0; i < 100; ++i) EXPECT_EQ(variables[i]->get(), 100 * round + i);
        }
        EXPECT_EQ(copy_context().size(), 100u);
    });
}

TEST_F(ContextTest, AValueThatSetsVariablesWhenItGoesDoesNoHarm) {
    struct SetsWhenItGoes {
        ~SetsWhenItGoes() { number.set(number.get(0) + 1); }
    };
    const ContextVar<std::shared_ptr<SetsWhenItGoes>> held("held");
    in_empty_context([&] {
        auto token = held.set(std::make_shared<SetsWhenItGoes>());
        held.reset(token);
        EXPECT_EQ(number.get(0), 1);
    });
}

// ---- contexts -----------------------------------------------------------------------------------

TEST_F(ContextTest, WhatAContextRunsSetsIsSeenInThatContextOnly) {
    in_empty_context([] {
        number.set(1);
        Context context = copy_context();
        const int result = context.run(
            [](int add) {
                number.set(number.get() + add);
                return number.get();
            },
            41);
        EXPECT_EQ(result, 42);
        EXPECT_EQ(number.get(), 1);
        EXPECT_EQ(context[number], 42);
        context.run([] { EXPECT_EQ(number.get(), 42); });
    });
}

TEST_F(ContextTest, ACopyOfAContextIsASnapshot) {
    in_empty_context([] {
        number.set(1);
        const Context before = copy_context();
        const Context same = before;
        Context copy = before.copy();
        number.set(2);
        copy.run([] { number.set(3); });
        EXPECT_EQ(before[number], 1);
        EXPECT_EQ(copy[number], 3);
        EXPECT_TRUE(same == before);
        EXPECT_FALSE(copy == before);
    });
}

TEST_F(ContextTest, AContextCanBeLookedAt) {
    Context context;
    EXPECT_EQ(context.size(), 0u);
    EXPECT_FALSE(context.contains(request));
    EXPECT_EQ(context.get(request, "fallback"), "fallback");
    EXPECT_EQ(context.get(number), std::nullopt);
    EXPECT_NE(thrown<LookupError>([&] { context[request]; }).find("'request'"), std::string::npos);
    context.run([] {
        request.set("x");
        auto scope = number.scoped(1);
    });
    EXPECT_EQ(context.size(), 1u);
    EXPECT_EQ(context[request], "x");
    EXPECT_EQ(context.get(request), "x");
}

TEST_F(ContextTest, AContextThatSomethingRunsInCannotBeEntered) {
    Context context;
    Context other;
    context.run([&] {
        const std::string text = thrown<RuntimeError>([&] { context.run([] {}); });
        EXPECT_NE(text.find("use a copy()"), std::string::npos) << text;
        other.run([&] {
            thrown<RuntimeError>([&] { context.run([] {}); });
            thrown<RuntimeError>([&] { other.run([] {}); });
        });
    });
    context.run([&] { other.run([] {}); });
}

TEST_F(ContextTest, AnExceptionLeavesTheContext) {
    Context context;
    in_empty_context([&] {
        EXPECT_THROW(context.run([] {
            number.set(9);
            throw ValueError("out");
        }),
                     ValueError);
        EXPECT_EQ(number.get(0), 0);
        EXPECT_EQ(context[number], 9);
        context.run([] {});
    });
}

TEST_F(ContextTest, EachThreadHasAContextOfItsOwn) {
    in_empty_context([] {
        number.set(1);
        auto value = std::make_shared<int>(0);
        std::weak_ptr<int> seen = value;
        const ContextVar<std::shared_ptr<int>> held("held");
        std::thread([&] {
            EXPECT_EQ(number.get(0), 0);
            number.set(2);
            held.set(std::move(value));
            EXPECT_FALSE(seen.expired());
        }).join();
        EXPECT_TRUE(seen.expired()) << "the values of a thread go with it";
        EXPECT_EQ(number.get(), 1);
    });
}

/// Uses context variables when its thread ends.
struct LastWords {
    explicit LastWords(int* seen) : seen_(seen) {}
    LastWords(const LastWords&) = delete;
    LastWords& operator=(const LastWords&) = delete;
    ~LastWords() {
        *seen_ += number.get(0);
        const auto outer = request.scoped("the end");
        {
            const auto scope = number.scoped(20);
            *seen_ += number.get(0);
        }
        number.set(number.get(0) + 3);
        *seen_ += number.get(0);
    }

  private:
    int* seen_;
};

TEST_F(ContextTest, DestructorsMayUseItWhenTheThreadEnds) {
    int seen = 0;
    std::thread([&seen] {
        // The first dies after the thread's own context, the second before that.
        static thread_local const LastWords late(&seen);
        number.set(100);
        static thread_local const LastWords early(&seen);
        EXPECT_NE(&late, &early);
    }).join();
    EXPECT_EQ(seen, (100 + 20 + 103) + (0 + 20 + 3));
}

TEST_F(ContextTest, AValueMaySetVariablesWhenItsThreadEnds) {
    struct Setter {
        ~Setter() { request.set("too late for anybody"); }
    };
    const ContextVar<std::shared_ptr<Setter>> held("held");
    std::thread([&] { held.set(std::make_shared<Setter>()); }).join();
}

TEST_F(ContextTest, AContextMayGoToAnotherThread) {
    Context context;
    context.run([] { number.set(1); });
    std::thread([context]() mutable { context.run([] { number.set(number.get() + 1); }); }).join();
    EXPECT_EQ(context[number], 2);
}

TEST_F(ContextTest, WithoutMemoryNothingChanges) {
    if (!test::AllocationFailure::works()) GTEST_SKIP() << "this sanitizer's operator new cannot be replaced";
    for (long at = 1;; ++at) {
        bool refused = false;
        Context context;
        std::exception_ptr error;
        {
            test::AllocationFailure failure(at);
            try {
                context.run([] {
                    auto outer = number.scoped(1);
                    for (int i = 0; i < 20; ++i) request.set("a text that is too long for its own object");
                    auto token = number.set(2);
                    request.set("b");
                    copy_context().run([] { number.set(3); });
                    number.reset(token);
                    auto inner = number.scoped(4);
                    request.set("c");
                });
            } catch (const std::bad_alloc&) {
                error = std::current_exception();
            }
            failure.stop();
            refused = failure.happened();
        }
        EXPECT_FALSE(context.contains(number)) << "a scope has not set back, allocation " << at;
        EXPECT_EQ(error != nullptr, refused);
        context.run([] {
            number.set(5);
            EXPECT_EQ(number.get(), 5);
        });
        if (!refused) break;
        ASSERT_LT(at, 1000);
    }
}

TEST_F(ContextTest, AScopeSetsBackAlsoWithoutMemory) {
    if (!test::AllocationFailure::works()) GTEST_SKIP() << "this sanitizer's operator new cannot be replaced";
    in_empty_context([] {
        struct Holder {
            ContextVar<int>::Scope scope = number.scoped(2);
        };
        number.set(1);
        auto holder = std::make_unique<Holder>();
        request.set("after it");
        const Context shared = copy_context();
        {
            test::AllocationFailure failure(1, test::AllocationFailure::Mode::from_then_on);
            holder.reset();
        }
        EXPECT_EQ(number.get(), 1);
        EXPECT_EQ(request.get(), "after it");
        EXPECT_EQ(shared[number], 2);
    });
}

}}  // namespace asyncio::task_test
