// asyncio-fetch: fetches many URLs at once.
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>
#include <CLI/CLI.hpp>
#include <asyncio/asyncio.hpp>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <optional>

#include "fetch/fetch.hpp"
#include "fetch/progress.hpp"
#include "fetch/report.hpp"
#include "standard_streams/standard_streams.hpp"

namespace {

constexpr int exit_ok = 0;
constexpr int exit_some_failed = 1;
constexpr int exit_usage = 2;
constexpr std::size_t timeline_rows_max = 40;
constexpr std::size_t timeline_columns = 100;
constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
constexpr std::size_t line_bytes_max = 64 * 1024;  // of a list of URLs: a longer line is no URL

struct Arguments {
    std::vector<std::string> urls;
    std::string input;
    std::size_t concurrency = 0;  // 0: what fits
    double seconds = 0;           // 0: no limit
    std::string directory;
    bool sync = false;
    bool json = false;
    bool timeline = false;
    bool no_progress = false;
    std::string ca_file;
    bool insecure = false;
};

std::string cause_of(int error) { return error == EBADF ? "it is closed" : std::strerror(error); }

/// Reads a line of any length but keeps what is allowed and a byte more: a file without line ends, say
/// /dev/zero, may not fill the memory.
bool read_line(std::istream& input, std::string& line) {
    line.clear();
    auto* const buffer = input.rdbuf();
    while (line.size() <= line_bytes_max) {
        const int next = buffer->sbumpc();
        if (next == std::char_traits<char>::eof()) {
            input.setstate(line.empty() ? std::ios::eofbit | std::ios::failbit : std::ios::eofbit);
            return !line.empty();
        }
        if (next == '\n') return true;
        line += static_cast<char>(next);
    }
    return true;
}

/// Adds the URLs of a file ("-": standard input), one a line; empty lines and those that begin with # are
/// skipped, and so is a byte order mark. Gives an error's text, or nothing.
std::string read_urls(const std::string& path, std::vector<std::string>& urls) {
    std::ifstream file;
    if (path != "-") {
        struct stat status{};
        if (::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode))
            return path + ": it is a directory";
        file.open(path);
        if (!file) return path + ": " + std::strerror(errno);
    }
    std::istream& input = path == "-" ? std::cin : file;
    std::string line;
    errno = 0;
    for (std::size_t number = 1; read_line(input, line); ++number) {
        if (line.size() > line_bytes_max) {
            return path + ": line " + std::to_string(number) + " is longer than " +
                   std::to_string(line_bytes_max) + " bytes, so it is no URL";
        }
        if (number == 1 && line.starts_with(byte_order_mark)) line.erase(0, byte_order_mark.size());
        const auto begin = line.find_first_not_of(" \t\r");
        if (begin == std::string::npos || line[begin] == '#') continue;
        const auto end = line.find_last_not_of(" \t\r");
        urls.push_back(line.substr(begin, end - begin + 1));
    }
    // std::cin takes an error for the end.
    if (path == "-" && std::ferror(stdin) != 0) return "standard input: " + cause_of(errno);
    return input.bad() ? path + ": " + std::strerror(errno) : std::string();
}

/// For CLI11: the cause why a text is no limit of time, or nothing.
std::string check_seconds(const std::string& text) {
    char* end = nullptr;
    const double seconds = std::strtod(text.c_str(), &end);
    const bool plain =
        !text.empty() && text.find_first_not_of("0123456789.eE+-") == std::string::npos && *end == '\0';
    // A nanosecond is the least that a limit can be.
    if (plain && std::isfinite(seconds) && seconds >= 1e-9) return {};
    return "'" + fetch::printable(text) + "' is not a number of seconds above 0, such as 2 or 0.5";
}

int usage_error(const std::string& text) {
    std::fprintf(stderr, "asyncio-fetch: %s\nTry 'asyncio-fetch --help'.\n", text.c_str());
    return exit_usage;
}

/// Prints a line to standard output; remembers if that failed (a full disk, a closed pipe).
class Output {
  public:
    void line(const std::string& text) {
        if (failed_ != 0) return;
        errno = 0;
        const bool written = std::fputs((text + "\n").c_str(), stdout) >= 0 && std::fflush(stdout) == 0;
        if (!written) failed_ = errno != 0 ? errno : EIO;
    }
    int error() const noexcept { return failed_; }

  private:
    int failed_ = 0;
};

/// SIGTERM ends it in order, as Ctrl-C does: half a body is no file.
class Termination {
  public:
    /// Inside the main task.
    void cancels(asyncio::AnyTask task) {
        asyncio::get_running_loop().add_signal_handler(SIGTERM, [this, task] {
            asked_ = true;
            task.cancel();
        });
    }
    bool asked() const noexcept { return asked_; }
    /// When the loop has closed, so that the signal does what it did before.
    static void end_program() {
        std::fflush(nullptr);
        ::raise(SIGTERM);
    }

  private:
    bool asked_ = false;
};

asyncio::Coro<int> fetch_and_report(const Arguments& arguments, const fetch::Options& options, Output& output,
                                    Termination& termination) {
    termination.cancels(asyncio::current_task());
    fetch::Totals totals;
    std::vector<fetch::Result> results;
    std::vector<fetch::Result> finished;  // for the chart of an interrupted run
    const auto began = asyncio::get_running_loop().time();
    const auto summary = [&] {
        totals.seconds = std::chrono::duration<double>(asyncio::get_running_loop().time() - began).count();
        const std::string text = fetch::summary_line(totals);
        // With --json standard output holds objects only.
        if (arguments.json) {
            std::fprintf(stderr, "%s\n", text.c_str());
        } else {
            output.line(text);
        }
    };
    fetch::Progress progress(arguments.urls.size(), !arguments.no_progress && ::isatty(STDERR_FILENO) == 1);
    auto on_result = [&](const fetch::Result& result) {
        totals.add(result);
        progress.clear();
        output.line(arguments.json ? fetch::json_line(result) : fetch::text_line(result));
        progress.done_one(result.ok());
        if (arguments.timeline) finished.push_back(result);
    };
    bool interrupted = false;
    try {
        results = co_await fetch::fetch_all(arguments.urls, options, on_result);
    } catch (const asyncio::CancelledError&) {
        interrupted = true;
    }
    progress.clear();
    summary();
    if (arguments.timeline) {
        const std::string chart =
            fetch::timeline(interrupted ? finished : results, timeline_rows_max, timeline_columns);
        if (arguments.json) {
            std::fprintf(stderr, "%s", chart.c_str());
        } else {
            output.line(chart);
        }
    }
    if (interrupted) {
        std::fprintf(stderr, "asyncio-fetch: interrupted, %zu of %zu URLs were not fetched\n",
                     arguments.urls.size() - static_cast<std::size_t>(totals.ok + totals.failed),
                     arguments.urls.size());
        throw asyncio::CancelledError();
    }
    co_return totals.failed == 0 ? exit_ok : exit_some_failed;
}

int run(const Arguments& given) {
    Arguments arguments = given;
    if (!arguments.input.empty()) {
        const std::string error = read_urls(arguments.input, arguments.urls);
        if (!error.empty()) return usage_error("cannot read the list of URLs: " + error);
    }
    if (arguments.urls.empty()) return usage_error("no URL: name some, or a file of them with -i");
    if (!arguments.directory.empty()) {
        struct stat status{};
        if (::mkdir(arguments.directory.c_str(), 0777) != 0 && errno != EEXIST) {
            return usage_error("cannot make the directory " + arguments.directory + ": " +
                               std::strerror(errno));
        }
        if (::stat(arguments.directory.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) {
            return usage_error(arguments.directory + " is no directory");
        }
    }
    fetch::Options options;
    std::optional<asyncio::SslContext> ssl;
    if (arguments.insecure) {
        options.ssl = false;
    } else if (!arguments.ca_file.empty()) {
        try {
            ssl = asyncio::create_default_context({.cafile = arguments.ca_file});
        } catch (const asyncio::OSError& error) {
            return usage_error(std::string("cannot use --cacert: ") + error.what());
        }
        options.ssl = *ssl;
    }
    const std::size_t fits =
        fetch::concurrency_that_fits(fetch::raise_descriptor_limit(), arguments.directory.empty() ? 1 : 2);
    options.concurrency = arguments.sync               ? 1
                          : arguments.concurrency != 0 ? std::min(arguments.concurrency, fits)
                                                       : fits;
    if (arguments.concurrency > fits) {
        std::fprintf(stderr,
                     "asyncio-fetch: the limit of open files allows %zu at once, not %zu (ulimit -n)\n", fits,
                     arguments.concurrency);
    }
    if (arguments.seconds > 0) options.limit = std::chrono::duration<double>(arguments.seconds);
    options.directory = arguments.directory;
    options.index_digits = std::to_string(arguments.urls.size()).size();

    Output output;
    Termination termination;
    int status = exit_some_failed;
    try {
        status = asyncio::run(fetch_and_report(arguments, options, output, termination));
    } catch (const asyncio::CancelledError&) {
        if (!termination.asked()) throw;
        Termination::end_program();
    }
    if (output.error() != 0) {
        std::fprintf(stderr, "asyncio-fetch: writing to standard output: %s\n",
                     cause_of(output.error()).c_str());
        status = exit_some_failed;
    }
    return status;
}

}  // namespace

int main(int argc, char** argv) {
    fill_closed_standard_streams();
    Arguments arguments;
    CLI::App app(
        "Fetches many URLs at once. Prints a line for each as it ends, STATUS BYTES SECONDS URL [cause], and "
        "a summary.\n"
        "Exit status: 0 all succeeded, 1 some failed (a status of 400 or more counts), 2 wrong usage.",
        "asyncio-fetch");
    app.add_option("URL", arguments.urls, "what to fetch");
    app.add_option("-i,--input", arguments.input, "a file of URLs, one a line; - is standard input")
        ->type_name("FILE|-");
    app.add_option("-c,--concurrency", arguments.concurrency,
                   "how many at once; the default is what the limit of descriptors allows")
        ->type_name("N")
        ->check(CLI::Range(std::size_t{1}, std::size_t{1'000'000}));
    app.add_option("-t,--timeout", arguments.seconds, "limit for one URL")
        ->type_name("SECONDS")
        ->check(CLI::Validator([](std::string& text) { return check_seconds(text); }, ""));
    app.add_option("-o,--output", arguments.directory, "store the bodies there, as NUMBER_NAME")
        ->type_name("DIR");
    app.add_flag("--sync", arguments.sync, "one after another");
    app.add_flag("--json", arguments.json, "print one JSON object per line instead");
    app.add_flag("--timeline", arguments.timeline, "draw who waited when");
    app.add_option("--cacert", arguments.ca_file, "of https: trust the certificates of this PEM file alone")
        ->type_name("FILE");
    app.add_flag("-k,--insecure", arguments.insecure, "of https: believe any certificate");
    app.add_flag("--no-progress", arguments.no_progress, "no progress bar");
    app.set_version_flag("--version", "asyncio-fetch " ASYNCIO_VERSION_STRING);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        const int status = app.exit(error) == 0 ? exit_ok : exit_usage;
        if (std::cout.flush()) return status;
        std::fputs("asyncio-fetch: cannot write to standard output\n", stderr);
        return exit_some_failed;
    }
    try {
        return run(arguments);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "asyncio-fetch: %s\n", error.what());
        return exit_some_failed;
    }
}
