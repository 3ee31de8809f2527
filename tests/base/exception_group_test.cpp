#include "asyncio/base/exception_group.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace asyncio;

template <class E>
std::exception_ptr ptr(E e) {
    return std::make_exception_ptr(std::move(e));
}

/// {ValueError 1, {TimeoutError, ValueError 2}, OSError}
ExceptionGroup nested() {
    ExceptionGroup inner("inner", {ptr(TimeoutError()), ptr(ValueError("2"))});
    return ExceptionGroup("outer", {ptr(ValueError("1")), ptr(inner), ptr(OSError("disk"))});
}

/// The shape of a group on one line: "outer(ValueError: 1, inner(…))".
std::string shape(const ExceptionGroup& group) {
    std::string text(group.message());
    text += "(";
    const char* separator = "";
    for (const std::exception_ptr& member : group.exceptions()) {
        text += separator;
        separator = ", ";
        const auto* inner = exception_cast<ExceptionGroup>(member);
        text += inner != nullptr ? shape(*inner) : describe(member);
    }
    return text + ")";
}

std::string shape(const std::optional<ExceptionGroup>& group) {
    return group.has_value() ? shape(*group) : "none";
}
std::string shape(const std::exception_ptr& error) {
    const auto* group = exception_cast<ExceptionGroup>(error);
    return group != nullptr ? shape(*group) : "none";
}

TEST(ExceptionGroup, HoldsSeveralFailuresAndCountsThemInItsText) {
    ExceptionGroup group("unhandled errors in a TaskGroup", {ptr(ValueError("1")), ptr(OSError("2"))});
    EXPECT_STREQ(group.what(), "unhandled errors in a TaskGroup (2 sub-exceptions)");
    EXPECT_EQ(group.message(), "unhandled errors in a TaskGroup");
    ASSERT_EQ(group.exceptions().size(), 2u);
    EXPECT_EQ(describe(group.exceptions()[0]), "ValueError: 1");
    EXPECT_STREQ(ExceptionGroup("one", {ptr(1)}).what(), "one (1 sub-exception)");
}

TEST(ExceptionGroup, RefusesToBeEmptyOrToHoldNothing) {
    EXPECT_THROW(ExceptionGroup("x", {}), ValueError);
    EXPECT_THROW(ExceptionGroup("x", {nullptr}), ValueError);
}

TEST(ExceptionGroup, CopiesShareTheContents) {
    static_assert(std::is_nothrow_copy_constructible_v<ExceptionGroup>);
    const ExceptionGroup group = nested();
    const ExceptionGroup copy = group;
    EXPECT_EQ(&copy.exceptions(), &group.exceptions());
}

TEST(ExceptionGroup, LeavesAreListedDepthFirst) {
    std::string all;
    for (const std::exception_ptr& leaf : nested().leaves()) all += describe(leaf) + ";";
    EXPECT_EQ(all, "ValueError: 1;TimeoutError: timed out;ValueError: 2;OSError: disk;");
}

TEST(ExceptionGroup, SplitKeepsNestingAndMessagesOnBothSides) {
    auto [matching, rest] = nested().split<ValueError>();
    EXPECT_EQ(shape(matching), "outer(ValueError: 1, inner(ValueError: 2))");
    EXPECT_EQ(shape(rest), "outer(inner(TimeoutError: timed out), OSError: disk)");
}

TEST(ExceptionGroup, SplitByABaseFindsTheDerived) {
    auto [matching, rest] = nested().split<OSError>();
    EXPECT_EQ(shape(matching), "outer(inner(TimeoutError: timed out), OSError: disk)");
    EXPECT_EQ(shape(rest), "outer(ValueError: 1, inner(ValueError: 2))");
}

TEST(ExceptionGroup, SplitOfAllOrNothingSharesTheWholeGroup) {
    const ExceptionGroup group = nested();
    auto all = group.split<std::exception>();
    ASSERT_TRUE(all.matching.has_value());
    EXPECT_EQ(&all.matching->exceptions(), &group.exceptions());
    EXPECT_FALSE(all.rest.has_value());
    auto none = group.split<CancelledError>();
    EXPECT_FALSE(none.matching.has_value());
    ASSERT_TRUE(none.rest.has_value());
    EXPECT_EQ(&none.rest->exceptions(), &group.exceptions());
}

TEST(ExceptionGroup, SubgroupAndContainsLookAtLeavesOnly) {
    EXPECT_EQ(shape(nested().subgroup<TimeoutError>()), "outer(inner(TimeoutError: timed out))");
    EXPECT_EQ(nested().subgroup<CancelledError>(), std::nullopt);
    EXPECT_TRUE(nested().contains<TimeoutError>());
    EXPECT_FALSE(nested().contains<CancelledError>());
    EXPECT_FALSE(nested().contains<ExceptionGroup>());
}

TEST(ExceptionGroup, HandleCallsForEachLeafOfTheTypeAndTheRestIsRethrown) {
    std::string seen;
    try {
        try {
            throw nested();
        } catch (const ExceptionGroup& group) {
            group.handle<ValueError>([&](const ValueError& e) { seen += e.what(); }).rethrow_rest();
            FAIL() << "the rest was lost";
        }
    } catch (const ExceptionGroup& rest) {
        EXPECT_EQ(shape(rest), "outer(inner(TimeoutError: timed out), OSError: disk)");
    }
    EXPECT_EQ(seen, "12");
}

TEST(ExceptionGroup, EachLeafGoesToTheFirstHandlerThatTakesIt) {
    std::string seen;
    const ExceptionGroup group = nested();
    group.handle<TimeoutError>([&](const TimeoutError&) { seen += "timeout "; })
        .handle<OSError>([&](const OSError& e) { seen += std::string(e.what()) + " "; })
        .handle<std::exception>([&](const std::exception& e) { seen += std::string(e.what()) + " "; })
        .rethrow_rest();
    EXPECT_EQ(seen, "timeout disk 1 2 ");
}

TEST(ExceptionGroup, AHandlerMayBeKeptAndAskedForTheRest) {
    const ExceptionGroup group = nested();
    GroupHandler left = group.handle<ValueError>([](const ValueError&) {});
    EXPECT_EQ(shape(left.rest()), "outer(inner(TimeoutError: timed out), OSError: disk)");
    left.handle<OSError>([](const OSError&) {});
    EXPECT_EQ(left.rest(), nullptr);
    left.handle<OSError>([](const OSError&) { FAIL() << "handled twice"; });
    EXPECT_NO_THROW(left.rethrow_rest());
}

TEST(ExceptionGroup, HandlingLeavesTheGroupAsItWas) {
    const ExceptionGroup group = nested();
    for (int time = 0; time < 2; ++time) {
        int count = 0;
        static_cast<void>(group.handle<ValueError>([&](const ValueError&) { ++count; }));
        EXPECT_EQ(count, 2);
    }
    EXPECT_THROW(group.rethrow_rest(), ExceptionGroup);
}

TEST(ExceptionGroup, WhatAHandlerThrowsIsKeptBesideTheRest) {
    const ExceptionGroup group = nested();
    int calls = 0;
    GroupHandler left = group.handle<ValueError>([&](const ValueError& e) {
        ++calls;
        throw RuntimeError(std::string("while handling ") + e.what());
    });
    EXPECT_EQ(calls, 2) << "the second leaf gets its call although the first one threw";
    EXPECT_EQ(
        shape(left.rest()),
        "failures while a group was handled(RuntimeError: while handling 1, RuntimeError: while handling 2, "
        "outer(inner(TimeoutError: timed out), OSError: disk))");
}

TEST(ExceptionGroup, CancellationsAreLeavesLikeOthers) {
    const ExceptionGroup group("g", {ptr(CancelledError("stop")), ptr(42)});
    std::string message;
    GroupHandler left =
        group.handle<CancelledError>([&](const CancelledError& e) { message = std::string(e.message()); });
    EXPECT_EQ(message, "stop");
    EXPECT_EQ(shape(left.rest()), "g(unknown exception of type int)");
}

TEST(ExceptionGroup, OneGroupMayBeHandledByManyThreads) {
    const std::exception_ptr shared = ptr(nested());
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([shared] {
            for (int round = 0; round < 200; ++round) {
                int count = 0;
                exception_cast<ExceptionGroup>(shared)
                    ->handle<ValueError>([&](const ValueError&) { ++count; })
                    .handle<OSError>([&](const OSError&) { ++count; })
                    .rethrow_rest();
                if (count != 4) std::abort();
            }
        });
    }
    for (auto& thread : threads) thread.join();
}

// The expected texts below are what CPython 3.13 prints for the same trees.

TEST(ExceptionGroup, FormatDrawsPythonsTree) {
    const ExceptionGroup flat("eg", {ptr(ValueError("1")), ptr(OSError("2"))});
    EXPECT_EQ(flat.format(),
              "  | ExceptionGroup: eg (2 sub-exceptions)\n"
              "  +-+---------------- 1 ----------------\n"
              "    | ValueError: 1\n"
              "    +---------------- 2 ----------------\n"
              "    | OSError: 2\n"
              "    +------------------------------------\n");
}

TEST(ExceptionGroup, FormatIndentsInnerGroupsAndTextsOfSeveralLines) {
    const ExceptionGroup inner("in", {ptr(OSError("a")), ptr(ValueError(""))});
    EXPECT_EQ(ExceptionGroup("eg", {ptr(ValueError("1\nx")), ptr(inner)}).format(),
              "  | ExceptionGroup: eg (2 sub-exceptions)\n"
              "  +-+---------------- 1 ----------------\n"
              "    | ValueError: 1\n"
              "    | x\n"
              "    +---------------- 2 ----------------\n"
              "    | ExceptionGroup: in (2 sub-exceptions)\n"
              "    +-+---------------- 1 ----------------\n"
              "      | OSError: a\n"
              "      +---------------- 2 ----------------\n"
              "      | ValueError\n"
              "      +------------------------------------\n");
    EXPECT_EQ(
        ExceptionGroup("eg", {ptr(ExceptionGroup("in", {ptr(OSError("a"))})), ptr(ValueError("1"))}).format(),
        "  | ExceptionGroup: eg (2 sub-exceptions)\n"
        "  +-+---------------- 1 ----------------\n"
        "    | ExceptionGroup: in (1 sub-exception)\n"
        "    +-+---------------- 1 ----------------\n"
        "      | OSError: a\n"
        "      +------------------------------------\n"
        "    +---------------- 2 ----------------\n"
        "    | ValueError: 1\n"
        "    +------------------------------------\n");
}

TEST(ExceptionGroup, FormatStopsAtFifteenMembersAndTenLevels) {
    std::vector<std::exception_ptr> many;
    for (int i = 0; i < 17; ++i) many.push_back(ptr(ValueError(std::to_string(i))));
    EXPECT_TRUE(std::string_view(ExceptionGroup("eg", many).format())
                    .ends_with("    +---------------- 15 ----------------\n"
                               "    | ValueError: 14\n"
                               "    +---------------- ... ----------------\n"
                               "    | and 2 more exceptions\n"
                               "    +------------------------------------\n"));
    many.resize(16);
    EXPECT_NE(ExceptionGroup("eg", many).format().find("    | and 1 more exception\n"), std::string::npos);

    std::exception_ptr deep = ptr(ValueError("x"));
    for (int i = 0; i < 12; ++i)
        deep = ptr(ExceptionGroup(std::string("d").append(std::to_string(i)), {deep}));
    EXPECT_TRUE(std::string_view(exception_cast<ExceptionGroup>(deep)->format())
                    .ends_with("                    | ExceptionGroup: d2 (1 sub-exception)\n"
                               "                    +-+---------------- 1 ----------------\n"
                               "                      | ... (max_group_depth is 10)\n"
                               "                      +------------------------------------\n"));
}

}  // namespace
