// Runs a program of ours as a user does, and a Python peer beside it.
#pragma once
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

namespace tools_test {

struct Ended {
    int status = -1;  // exit status; 128 + n: died by signal n
    std::string out;
    std::string err;
};

inline std::string read_all(const std::string& path) {
    std::string text;
    if (FILE* file = std::fopen(path.c_str(), "rb")) {
        char buffer[4096];
        for (std::size_t n; (n = std::fread(buffer, 1, sizeof buffer, file)) > 0;) text.append(buffer, n);
        std::fclose(file);
    }
    return text;
}

inline std::string temporary_directory() {
    char path[] = "/tmp/asyncio-tools-test-XXXXXX";
    if (::mkdtemp(path) == nullptr) return "/tmp";
    return path;
}

/// Runs `command` by the shell with its streams in files; waits for it.
inline Ended run(const std::string& command) {
    const std::string directory = temporary_directory();
    const std::string full = "{ " + command + "\n} >" + directory + "/out 2>" + directory + "/err </dev/null";
    const int status = std::system(full.c_str());
    Ended ended;
    ended.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    ended.out = read_all(directory + "/out");
    ended.err = read_all(directory + "/err");
    [[maybe_unused]] const int removed = std::system(("rm -rf '" + directory + "'").c_str());
    return ended;
}

/// Starts a program with its streams in files of `directory` and SIGINT at its default.
inline pid_t start(std::vector<std::string> arguments, const std::string& directory) {
    const pid_t child = ::fork();
    if (child != 0) return child;
    ::signal(SIGINT, SIG_DFL);
    ::dup2(::open((directory + "/out").c_str(), O_WRONLY | O_CREAT, 0600), STDOUT_FILENO);
    ::dup2(::open((directory + "/err").c_str(), O_WRONLY | O_CREAT, 0600), STDERR_FILENO);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    ::execvp(argv[0], argv.data());
    ::_exit(127);
}

/// A program that prints a line when it is ready; killed at the end.
class Peer {
  public:
    explicit Peer(std::vector<std::string> arguments) {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) return;
        pid_ = ::fork();
        if (pid_ == 0) {
            ::dup2(ends[1], STDOUT_FILENO);
            std::vector<char*> argv;
            for (std::string& argument : arguments) argv.push_back(argument.data());
            argv.push_back(nullptr);
            ::execvp(argv[0], argv.data());
            ::_exit(127);
        }
        ::close(ends[1]);
        for (char c; ::read(ends[0], &c, 1) == 1 && c != '\n';) first_line_ += c;
        ::close(ends[0]);
    }
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;
    ~Peer() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    const std::string& first_line() const noexcept { return first_line_; }

  private:
    pid_t pid_ = -1;
    std::string first_line_;
};

}  // namespace tools_test
