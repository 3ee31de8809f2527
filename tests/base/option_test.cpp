#include "asyncio/base/option.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "asyncio/base/duration.hpp"

namespace {

struct Good {
    asyncio::Duration timeout = asyncio::Duration::none();
    std::string_view name = {};
    int backlog = 100;
};
struct OwnsMemory {
    std::string name = {};
};
struct HasAConstructor {
    HasAConstructor() {}
    int backlog = 100;
};

TEST(OptionStruct, IsAnAggregateThatOwnsNothing) {
    static_assert(asyncio::OptionStruct<Good>);
    static_assert(!asyncio::OptionStruct<OwnsMemory>);
    static_assert(!asyncio::OptionStruct<HasAConstructor>);
    static_assert(!asyncio::OptionStruct<std::string>);
    const Good options{.name = "x"};
    EXPECT_EQ(options.backlog, 100);
}

}  // namespace
