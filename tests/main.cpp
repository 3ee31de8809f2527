// The main function of every test binary. Names the backends that its tests ran on.
#include <gtest/gtest.h>

#include <cstdio>

#include "support/loop_fixture.hpp"

int main(int argc, char** argv) {
    ::testing::InitGoogleTest(&argc, argv);
    const int status = RUN_ALL_TESTS();
    const std::string backends = asyncio::test::noted_backends();
    if (!backends.empty()) std::printf("backends: %s\n", backends.c_str());
    return status;
}
