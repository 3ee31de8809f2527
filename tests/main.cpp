// The main function of every test binary. Names the backends that its tests ran on.
#include <gtest/gtest.h>

#include <csignal>
#include <cstdio>

#include "support/loop_fixture.hpp"

int main(int argc, char** argv) {
    ::testing::InitGoogleTest(&argc, argv);
    // A shell that runs this in the background without job control has it ignored, and that is inherited.
    std::signal(SIGINT, SIG_DFL);
    const int status = RUN_ALL_TESTS();
    const std::string backends = asyncio::test::noted_backends();
    if (!backends.empty()) std::printf("backends: %s\n", backends.c_str());
    return status;
}
