// asyncio-httpbin as a user runs it: how it ends.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <chrono>
#include <filesystem>

#include "support/paths.hpp"
#include "tools/program.hpp"

namespace {

using tools_test::read_all;

const std::string program = std::string(asyncio::test::programs_folder) + "/asyncio-httpbin";

/// A client that asks for a hundred megabytes and takes one byte.
class SlowClient {
  public:
    explicit SlowClient(int port) : descriptor_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(port));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const std::string request = "GET /bytes/100000000 HTTP/1.1\r\nHost: x\r\n\r\n";
        char byte = 0;
        answered_ = ::connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
                    ::send(descriptor_, request.data(), request.size(), 0) > 0 &&
                    ::recv(descriptor_, &byte, 1, 0) == 1;
    }
    SlowClient(const SlowClient&) = delete;
    SlowClient& operator=(const SlowClient&) = delete;
    ~SlowClient() { ::close(descriptor_); }
    bool answered() const noexcept { return answered_; }

  private:
    int descriptor_;
    bool answered_ = false;
};

TEST(AsyncioHttpbin, CtrlCSaysForWhatItWaitsAndThatIsShort) {
    const std::string directory = tools_test::temporary_directory();
    const pid_t child = tools_test::start({program, "--port", "0"}, directory);
    ASSERT_GT(child, 0);
    std::string line;
    while (line.find('\n') == std::string::npos) {
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, WNOHANG), 0) << read_all(directory + "/err");
        ::usleep(1000);
        line = read_all(directory + "/out");
    }
    const auto colon = line.find(':', line.find("//"));
    ASSERT_NE(colon, std::string::npos) << line;
    const SlowClient client(std::atoi(line.c_str() + colon + 1));
    EXPECT_TRUE(client.answered());
    const auto began = std::chrono::steady_clock::now();
    ::kill(child, SIGINT);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(40));
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
    EXPECT_EQ(read_all(directory + "/err"),
              "stopping: waiting up to 2 s for 1 request; Ctrl-C again ends at once\n");
    std::filesystem::remove_all(directory);
}

TEST(AsyncioHttpbin, TheSimulatedBackendIsRefusedAtOnce) {
    const tools_test::Ended ended = tools_test::run("ASYNCIO_BACKEND=sim " + program + " --port 0");
    EXPECT_EQ(ended.status, 1);
    EXPECT_EQ(ended.out, "");
    EXPECT_NE(ended.err.find("the backend 'sim' has no sockets"), std::string::npos) << ended.err;
    EXPECT_NE(ended.err.find("ASYNCIO_BACKEND="), std::string::npos) << ended.err;
}

}  // namespace
