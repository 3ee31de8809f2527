// asyncio-demo: what `make run` shows. A local server, three URLs one after another and at once (Part 9 of
// the tutorial), then a thousand at once, then a chart of who waited when. No internet; it ends by itself.
#include <unistd.h>
#include <asyncio/asyncio.hpp>
#include <asyncio/http.hpp>
#include <chrono>
#include <cstdio>
#include <cstring>

#include "asyncio-demo/local_server.hpp"
#include "fetch/fetch.hpp"
#include "fetch/progress.hpp"
#include "fetch/report.hpp"
#include "standard_streams/standard_streams.hpp"

namespace {

namespace http = asyncio::http;

constexpr std::size_t urls_wanted = 1000;

double seconds_since(std::chrono::steady_clock::time_point began) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

// ---- Part 9: three URLs of one second each ------------------------------------------------------

void fetch_all_sync(const std::vector<std::string>& urls) {
    for (const std::string& url : urls) {
        const auto response = http::get_sync(url);
        std::printf("  %d %s\n", response.status, url.c_str());
        std::fflush(stdout);
    }
}

asyncio::Coro<int> fetch_url(http::ClientSession& session, std::string url) {
    auto response = co_await session.get(url);
    co_await response.text();
    co_return response.status;
}

asyncio::Coro<> fetch_all_async(const std::vector<std::string>& urls) {
    http::ClientSession session;
    std::vector<asyncio::Coro<int>> jobs;
    for (const std::string& url : urls) jobs.push_back(fetch_url(session, url));
    const std::vector<int> statuses = co_await asyncio::gather(std::move(jobs));
    for (std::size_t i = 0; i != urls.size(); ++i) std::printf("  %d %s\n", statuses[i], urls[i].c_str());
}

void part_nine(const std::string& server) {
    const std::vector<std::string> urls(3, server + "/delay/1");
    std::puts("Three URLs that take a second each, one after another:");
    auto began = std::chrono::steady_clock::now();
    fetch_all_sync(urls);
    std::printf("Sync time: %.2fs\n\n", seconds_since(began));
    std::puts("The same three at once:");
    began = std::chrono::steady_clock::now();
    asyncio::run(fetch_all_async(urls));
    std::printf("Async time: %.2fs\n\n", seconds_since(began));
}

// ---- a thousand URLs at once --------------------------------------------------------------------

bool a_thousand(const std::string& server, std::size_t count) {
    std::vector<std::string> urls;
    for (std::size_t i = 0; i != count; ++i) urls.push_back(server + "/delay/1?n=" + std::to_string(i + 1));
    std::printf("%zu URLs that take a second each, at once:\n", count);
    std::fflush(stdout);
    fetch::Options options;
    options.concurrency = count;
    fetch::Totals totals;
    const auto began = std::chrono::steady_clock::now();
    std::vector<fetch::Result> results;
    {
        fetch::Progress progress(count, ::isatty(STDERR_FILENO) == 1);
        auto on_result = [&](const fetch::Result& result) {
            totals.add(result);
            if (!result.ok()) {
                progress.clear();
                std::printf("  %s\n", fetch::text_line(result).c_str());
            }
            progress.done_one(result.ok());
        };
        results = asyncio::run(fetch::fetch_all(urls, options, on_result));
    }
    totals.seconds = seconds_since(began);
    std::printf("%s\n\n", fetch::summary_line(totals).c_str());
    std::printf("Who waited when (every bar is one of the URLs):\n%s",
                fetch::timeline(results, 16, 100).c_str());
    return totals.failed == 0;
}

}  // namespace

int main(int argc, char** argv) {
    fill_closed_standard_streams();
    if (argc == 2 && std::strcmp(argv[1], "--version") == 0) {
        std::puts("asyncio-demo " ASYNCIO_VERSION_STRING);
        return 0;
    }
    if (argc > 1) {
        const bool help = std::strcmp(argv[1], "--help") == 0 || std::strcmp(argv[1], "-h") == 0;
        std::fputs(
            "usage: asyncio-demo\nFetches from a server of its own: three URLs, then a thousand. Needs no "
            "network.\n",
            help ? stdout : stderr);
        return help ? 0 : 2;
    }
    try {
        // Each fetch takes two descriptors here: the client's and the server's.
        const std::size_t fits = fetch::concurrency_that_fits(fetch::raise_descriptor_limit(), 2);
        const std::size_t count = fits < urls_wanted ? fits : urls_wanted;
        if (count < urls_wanted) {
            std::printf("(The limit of open files allows %zu URLs at once instead of %zu: ulimit -n.)\n",
                        count, urls_wanted);
        }
        const demo::LocalServer server;
        std::printf("asyncio-httpbin listens on %s\n\n", server.url().c_str());
        part_nine(server.url());
        return a_thousand(server.url(), count) ? 0 : 1;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "asyncio-demo: %s\n", error.what());
        return 1;
    }
}
