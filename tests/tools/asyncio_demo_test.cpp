// asyncio-demo, the program behind `make run`: also where the shell's limit of open files is low.
#include <gtest/gtest.h>

#include "support/paths.hpp"
#include "tools/program.hpp"

namespace {

TEST(AsyncioDemoSlow, ShowsPartNineAThousandUrlsAndTheTimelineWithALowSoftLimitOfFiles) {
    const tools_test::Ended ended =
        tools_test::run("ulimit -Sn 256; " + std::string(asyncio::test::programs_folder) + "/asyncio-demo");
    EXPECT_EQ(ended.status, 0) << ended.err;
    const auto sync = ended.out.find("Sync time: 3.");
    const auto async = ended.out.find("Async time: 1.");
    const auto thousand = ended.out.find("1000 ok, 0 failed, ");
    const auto chart = ended.out.find("waits");
    EXPECT_NE(sync, std::string::npos) << ended.out;
    EXPECT_LT(sync, async) << ended.out;
    EXPECT_LT(async, thousand) << ended.out;
    EXPECT_LT(thousand, chart) << ended.out;
    EXPECT_NE(chart, std::string::npos) << ended.out;
}

}  // namespace
