// A program that runs beside a test: the peers of the interop tests.
#pragma once
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "support/paths.hpp"

extern char** environ;

namespace asyncio::test {

/// A program that runs beside the test; its output comes through a pipe.
class Program {
  public:
    explicit Program(std::vector<std::string> arguments) {
        int ends[2];
        EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
        std::vector<char*> pointers;
        for (std::string& each : arguments) pointers.push_back(each.data());
        pointers.push_back(nullptr);
        EXPECT_EQ(::posix_spawnp(&pid_, pointers[0], &actions, nullptr, pointers.data(), environ), 0)
            << arguments[0];
        posix_spawn_file_actions_destroy(&actions);
        ::close(ends[1]);
        output_ = ::fdopen(ends[0], "r");
    }
    Program(const Program&) = delete;
    ~Program() {
        ::fclose(output_);
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
    }
    /// Blocks: not while the loop has something to do for the program.
    std::string read_line() {
        char line[1000] = "";
        if (std::fgets(line, sizeof line, output_) == nullptr) return "";
        return line;
    }
    int wait_for_end() {
        int status = 0;
        ::waitpid(std::exchange(pid_, -1), &status, 0);
        return status;
    }

  private:
    pid_t pid_ = -1;
    std::FILE* output_ = nullptr;
};

inline std::string peer_script(const char* name) { return std::string(tests_folder) + "/net/peers/" + name; }

}  // namespace asyncio::test
