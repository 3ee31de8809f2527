#include "asyncio/base/context_carrier.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "asyncio/base/exception_group.hpp"

namespace {

using namespace asyncio;
using detail::ContextAccess;
using detail::set_context;

template <class E>
std::exception_ptr ptr(E e) {
    return std::make_exception_ptr(std::move(e));
}

TEST(Context, AnExceptionCarriesTheOneThatItHasReplaced) {
    for (const std::exception_ptr& error :
         {ptr(ValueError("new")), ptr(OSError("new")), ptr(CancelledError()), ptr(TimeoutError())}) {
        EXPECT_EQ(context_of(error), nullptr);
        const std::exception_ptr old = ptr(std::runtime_error("old"));
        EXPECT_TRUE(set_context(error, old));
        EXPECT_EQ(context_of(error), old);
        EXPECT_EQ(exception_cast<ContextCarrier>(error)->context(), old);
    }
    EXPECT_EQ(context_of(nullptr), nullptr);
}

TEST(Context, IsFilledInOnce) {
    const std::exception_ptr error = ptr(ValueError("new"));
    const std::exception_ptr old = ptr(ValueError("old"));
    EXPECT_TRUE(set_context(error, old));
    EXPECT_FALSE(set_context(error, ptr(ValueError("another"))));
    EXPECT_TRUE(set_context(error, old));  // it carries it already
    EXPECT_EQ(context_of(error), old);
}

TEST(Context, IsCopiedWithTheException) {
    const std::exception_ptr error = ptr(ValueError("new"));
    const std::exception_ptr old = ptr(ValueError("old"));
    EXPECT_TRUE(set_context(error, old));
    ValueError copy = *exception_cast<ValueError>(error);
    EXPECT_EQ(copy.context(), old);
    copy = ValueError("fresh");
    EXPECT_EQ(copy.context(), nullptr);
    const ValueError& itself = copy;
    copy = itself;
    EXPECT_STREQ(copy.what(), "fresh");
}

TEST(Context, AnExceptionIsNotItsOwnContextAndMakesNoCircle) {
    const std::exception_ptr a = ptr(ValueError("a"));
    const std::exception_ptr b = ptr(ValueError("b"));
    const std::exception_ptr c = ptr(ValueError("c"));
    EXPECT_TRUE(set_context(a, a));  // nothing is lost
    EXPECT_EQ(context_of(a), nullptr);
    EXPECT_TRUE(set_context(b, a));
    EXPECT_TRUE(set_context(c, b));
    EXPECT_TRUE(set_context(c, a));  // it leads there already
    EXPECT_FALSE(set_context(a, c));
    EXPECT_EQ(context_of(a), nullptr);
    const std::exception_ptr group = ptr(ExceptionGroup("group", {c}));
    EXPECT_TRUE(set_context(group, a));  // a member of it leads there
    EXPECT_EQ(context_of(group), nullptr);
    EXPECT_FALSE(set_context(a, group));
}

TEST(Context, OfAForeignExceptionIsItsNestedOne) {
    const std::exception_ptr plain = ptr(std::runtime_error("new"));
    EXPECT_FALSE(set_context(plain, ptr(ValueError("old"))));
    EXPECT_EQ(context_of(plain), nullptr);
    std::exception_ptr old;
    std::exception_ptr nesting;
    try {
        try {
            throw ValueError("old");
        } catch (...) {
            old = std::current_exception();
            std::throw_with_nested(std::runtime_error("new"));
        }
    } catch (...) {
        nesting = std::current_exception();
    }
    EXPECT_EQ(context_of(nesting), old);
    EXPECT_TRUE(set_context(nesting, old));
    EXPECT_FALSE(set_context(old, nesting));
    EXPECT_EQ(format_exception(nesting).rfind("ValueError: old\nDuring handling", 0), 0u)
        << format_exception(nesting);
}

TEST(Context, AClosedOneStaysEmpty) {
    const ValueError error("from None");
    ContextAccess::close(error);
    const std::exception_ptr thrown = ptr(error);
    EXPECT_TRUE(set_context(thrown, ptr(ValueError("old"))));
    EXPECT_EQ(context_of(thrown), nullptr);
}

TEST(Context, AChainHasAnEnd) {
    std::exception_ptr last = ptr(ValueError("0"));
    int carried = 0;
    for (int i = 1; i <= 5000; ++i) {
        std::exception_ptr next = ptr(ValueError(std::to_string(i)));
        carried += set_context(next, last) ? 1 : 0;
        last = next;
    }
    EXPECT_GT(carried, 4000);
    EXPECT_LT(carried, 5000);
}

TEST(Context, IsShownBeforeTheExceptionAsPythonDoes) {
    const std::exception_ptr error = ptr(ValueError("new"));
    EXPECT_EQ(format_exception(error), "ValueError: new\n");
    EXPECT_TRUE(set_context(error, ptr(std::runtime_error("old"))));
    EXPECT_EQ(format_exception(error, "  "),
              "  runtime_error: old\n"
              "  During handling of the above exception, another exception occurred:\n"
              "  ValueError: new\n");
    EXPECT_EQ(describe(error), "ValueError: new");
    EXPECT_EQ(format_exception(nullptr), "");
}

TEST(Context, IsShownInsideAGroupAndGroupsAsContexts) {
    const std::exception_ptr member = ptr(ValueError("new"));
    EXPECT_TRUE(set_context(member, ptr(ValueError("old"))));
    const std::exception_ptr group = ptr(ExceptionGroup("errors", {member}));
    const std::string tree =
        "  | ExceptionGroup: errors (1 sub-exception)\n"
        "  +-+---------------- 1 ----------------\n"
        "    | ValueError: old\n"
        "    | During handling of the above exception, another exception occurred:\n"
        "    | ValueError: new\n"
        "    +------------------------------------\n";
    EXPECT_EQ(format_exception(group), tree);
    EXPECT_EQ(exception_cast<ExceptionGroup>(group)->format(), tree);
    const std::exception_ptr last = ptr(OSError("close failed"));
    EXPECT_TRUE(set_context(last, group));
    EXPECT_EQ(format_exception(last), tree +
                                          "During handling of the above exception, another exception "
                                          "occurred:\nOSError: close failed\n");
}

TEST(Context, OfAGroupGoesToItsParts) {
    const std::exception_ptr group = ptr(ExceptionGroup("errors", {ptr(ValueError("1")), ptr(OSError("2"))}));
    const std::exception_ptr old = ptr(ValueError("old"));
    EXPECT_TRUE(set_context(group, old));
    const auto [values, rest] = exception_cast<ExceptionGroup>(group)->split<ValueError>();
    EXPECT_EQ(values->context(), old);
    EXPECT_EQ(rest->context(), old);
}

// Several threads look at one exception while its context is filled in, twice at once. Each sees nothing or
// all.
TEST(Context, MayBeLookedAtWhileItIsFilledIn) {
    for (int round = 0; round != 200; ++round) {
        const std::exception_ptr error = ptr(ValueError("new"));
        std::atomic<int> ready{0};
        std::atomic<int> filled{0};
        std::vector<std::thread> threads;
        for (int i = 0; i != 4; ++i) {
            threads.emplace_back([&, i] {
                ready.fetch_add(1);
                while (ready.load() != 4) {}
                if (i < 2) filled += set_context(error, ptr(ValueError("old"))) ? 1 : 0;
                const std::exception_ptr seen = context_of(error);
                EXPECT_TRUE(seen == nullptr || error_text(seen) == "old");
                const ValueError copy = *exception_cast<ValueError>(error);
                EXPECT_STREQ(copy.what(), "new");
            });
        }
        for (std::thread& each : threads) each.join();
        EXPECT_EQ(filled.load(), 1);
        EXPECT_NE(context_of(error), nullptr);
    }
}

}  // namespace
