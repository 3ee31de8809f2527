// asyncio-httpbin --tls and asyncio-fetch of https://, as a user runs them.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "support/certificates.hpp"
#include "support/paths.hpp"
#include "tools/program.hpp"

namespace {

using tools_test::read_all;

const std::string httpbin = std::string(asyncio::test::programs_folder) + "/asyncio-httpbin";
const std::string fetch = std::string(asyncio::test::programs_folder) + "/asyncio-fetch";

/// A server that runs while this lives.
class Httpbin {
  public:
    explicit Httpbin(std::vector<std::string> more) {
        std::vector<std::string> arguments = {httpbin, "--quiet", "--port", "0", "--tls"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        child_ = tools_test::start(arguments, directory_);
        while (url_.find('\n') == std::string::npos && ::waitpid(child_, nullptr, WNOHANG) == 0) {
            ::usleep(1000);
            url_ = read_all(directory_ + "/out");
        }
        url_ = url_.substr(0, url_.find('\n'));
    }
    Httpbin(const Httpbin&) = delete;
    Httpbin& operator=(const Httpbin&) = delete;
    ~Httpbin() {
        ::kill(child_, SIGTERM);
        ::waitpid(child_, nullptr, 0);
        std::filesystem::remove_all(directory_);
    }
    const std::string& url() const { return url_; }

  private:
    std::string directory_ = tools_test::temporary_directory();
    pid_t child_ = -1;
    std::string url_;
};

TEST(TlsTools, ACertificateOfItsOwnMakingIsBelievedOnlyWhenAsked) {
    const Httpbin server({});
    ASSERT_EQ(server.url().find("https://127.0.0.1:"), 0u) << server.url();
    const tools_test::Ended refused = tools_test::run(fetch + " " + server.url() + "/get");
    EXPECT_EQ(refused.status, 1);
    EXPECT_NE(refused.out.find("certificate verify failed: self-signed certificate"), std::string::npos)
        << refused.out;
    EXPECT_NE(refused.out.find("if you trust it, say so: --cacert FILE"), std::string::npos) << refused.out;
    const tools_test::Ended believed = tools_test::run(fetch + " --insecure " + server.url() + "/get");
    EXPECT_EQ(believed.status, 0) << believed.out << believed.err;
}

TEST(TlsTools, ACertificateOfAnOwnCaIsTrustedByItsFile) {
    const auto& made = asyncio::test::certificates();
    const Httpbin server({"--cert", made.localhost.certificate, "--key", made.localhost.key});
    const tools_test::Ended trusted =
        tools_test::run(fetch + " --cacert " + made.root.certificate + " " + server.url() + "/get");
    EXPECT_EQ(trusted.status, 0) << trusted.out << trusted.err;
    const tools_test::Ended missing =
        tools_test::run(fetch + " --cacert /nowhere.pem " + server.url() + "/get");
    EXPECT_EQ(missing.status, 2);
    EXPECT_NE(missing.err.find("cannot use --cacert: load_verify_locations '/nowhere.pem'"),
              std::string::npos)
        << missing.err;
}

TEST(TlsTools, ABadCertificateIsNamedAtTheStart) {
    const tools_test::Ended ended = tools_test::run(httpbin + " --tls --cert /nowhere.pem --port 0");
    EXPECT_EQ(ended.status, 1);
    EXPECT_NE(ended.err.find("load_cert_chain '/nowhere.pem': No such file or directory"), std::string::npos)
        << ended.err;
}

}  // namespace
