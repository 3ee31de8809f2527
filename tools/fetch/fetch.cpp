#include "fetch/fetch.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

namespace fetch {

using asyncio::Coro;
namespace http = asyncio::http;

namespace {

/// A body on its way to a file. Removed again unless it was kept: half a body is no body.
class BodyFile {
  public:
    explicit BodyFile(std::string path) : path_(std::move(path)) {}
    BodyFile(const BodyFile&) = delete;
    BodyFile& operator=(const BodyFile&) = delete;
    ~BodyFile() {
        if (descriptor_ >= 0) ::close(descriptor_);
        if (created_ && !kept_) ::unlink(path_.c_str());
    }

    /// Blocking calls: for a thread.
    void open() {
        descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (descriptor_ < 0) asyncio::throw_os_error(errno, "open " + path_);
        created_ = true;
    }
    void write(std::string_view data) {
        while (!data.empty()) {
            const ssize_t written = ::write(descriptor_, data.data(), data.size());
            if (written < 0 && errno == EINTR) continue;
            if (written < 0) asyncio::throw_os_error(errno, "write " + path_);
            data.remove_prefix(static_cast<std::size_t>(written));
        }
    }
    void keep() {
        // Some filesystems tell of a full disk only now.
        if (::close(std::exchange(descriptor_, -1)) != 0) asyncio::throw_os_error(errno, "close " + path_);
        kept_ = true;
    }

  private:
    std::string path_;
    int descriptor_ = -1;
    bool created_ = false;
    bool kept_ = false;
};

/// The library's advice names its own options: here they are those of the command line.
std::string in_terms_of_the_tool(std::string text) {
    for (const std::string_view option : {"create_default_context({.cafile = …})", "{.cafile = …}"}) {
        const std::size_t at = text.find(option);
        if (at != std::string::npos) return text.replace(at, option.size(), "--cacert FILE");
    }
    return text;
}

double seconds_now() {
    return std::chrono::duration<double>(asyncio::get_running_loop().time().time_since_epoch()).count();
}

/// Fills in what the response says; throws what goes wrong.
Coro<> fetch_body(http::ClientSession& session, const Options& options, std::size_t index, Result& result) {
    auto response = co_await session.get(result.url);
    result.status = response.status;
    result.answered = seconds_now();
    if (options.directory.empty()) {
        while (auto chunk = co_await response.content().read_chunk()) result.bytes += chunk->size();
        co_return;
    }
    BodyFile file(options.directory + "/" + file_name(index, options.index_digits, result.url));
    co_await asyncio::to_thread([&] { file.open(); });
    while (auto chunk = co_await response.content().read_chunk()) {
        result.bytes += chunk->size();
        co_await asyncio::to_thread([&] { file.write(*chunk); });
    }
    co_await asyncio::to_thread([&] { file.keep(); });
}

Coro<> fetch_one(http::ClientSession& session, const Options& options, std::size_t index, Result& result) {
    result.started = seconds_now();
    try {
        co_await asyncio::wait_for(fetch_body(session, options, index, result), options.limit);
        if (result.status >= 400) result.error = "HTTP status " + std::to_string(result.status);
        if (result.status == 101) {
            result.error = "HTTP status 101: the server switches to another protocol, which nobody asked for";
        }
    } catch (const asyncio::TimeoutError& error) {
        // Ours, or one of the connection's own (ETIMEDOUT), which says more.
        const bool ours =
            options.limit.has_value() && seconds_now() - result.started >= options.limit.seconds();
        result.error = ours ? "timed out after " + asyncio::to_string(options.limit) : error.what();
    } catch (const std::exception& error) {
        result.error = in_terms_of_the_tool(error.what());
    }
    if (result.error.empty() && result.status == 0) result.error = "no response";
    result.seconds = seconds_now() - result.started;
}

}  // namespace

Coro<std::vector<Result>> fetch_all(const std::vector<std::string>& urls, const Options& options,
                                    OnResult on_result) {
    std::vector<Result> results(urls.size());
    for (std::size_t i = 0; i != urls.size(); ++i) results[i].url = urls[i];
    // Limits of time are ours; the pool must hold as many connections as there are workers.
    http::ClientSessionOptions session_options;
    session_options.timeout.total = asyncio::Duration::none();
    session_options.limit = std::max<std::size_t>(options.concurrency, 1);
    session_options.ssl = options.ssl;
    http::ClientSession session(session_options);
    std::size_t next = 0;
    auto worker = [&]() -> Coro<> {
        while (next != urls.size()) {
            const std::size_t index = next++;
            co_await fetch_one(session, options, index, results[index]);
            on_result(results[index]);
        }
    };
    std::vector<Coro<>> workers;
    const std::size_t count = std::min(std::max<std::size_t>(options.concurrency, 1), urls.size());
    workers.reserve(count);
    for (std::size_t i = 0; i != count; ++i) workers.push_back(worker());
    co_await asyncio::gather(std::move(workers));
    co_await session.close();
    co_return results;
}

std::size_t raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 256;
    if (limit.rlim_cur != limit.rlim_max) {
        rlimit raised = limit;
        raised.rlim_cur = limit.rlim_max;
        if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
    }
    constexpr rlim_t plenty = 1'000'000;
    return static_cast<std::size_t>(std::min(limit.rlim_cur, plenty));
}

std::size_t concurrency_that_fits(std::size_t descriptor_limit, std::size_t descriptors_each) {
    constexpr std::size_t reserved = 40;  // standard streams, the loop's own, name lookups, files
    if (descriptor_limit <= reserved + descriptors_each) return 1;
    return (descriptor_limit - reserved) / descriptors_each;
}

std::string file_name(std::size_t index, std::size_t digits, std::string_view url) {
    std::string number = std::to_string(index + 1);
    if (number.size() < digits) number.insert(0, digits - number.size(), '0');
    // The last segment of the path, with what is harmless in file names only.
    url = url.substr(0, url.find_first_of("?#"));
    const auto scheme = url.find("://");
    std::string_view rest = scheme == std::string_view::npos ? url : url.substr(scheme + 3);
    while (!rest.empty() && rest.back() == '/') rest.remove_suffix(1);
    const auto slash = rest.rfind('/');
    std::string_view last = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
    std::string name;
    for (const char c : last.substr(0, 100)) {
        const bool harmless = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                              c == '.' || c == '-' || c == '_';
        name += harmless ? c : '_';
    }
    if (name.empty()) name = "index";
    return number + "_" + name;
}

}  // namespace fetch
