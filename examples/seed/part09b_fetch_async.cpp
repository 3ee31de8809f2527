// Part 9, second listing: the same three URLs at once.
//
// One session keeps the connections; gather runs the three coroutines. While one waits for its answer the
// others send their requests, so that the three waits are one.
#include <asyncio/http.hpp>
#include <cstdio>
#include <string>
#include <vector>

#include "local_server.hpp"
#include "tutorial.hpp"

namespace http = asyncio::http;

asyncio::Coro<std::string> fetch_url(http::ClientSession& session, std::string url) {
    auto response = co_await session.get(url);  // its head is here …
    co_return co_await response.text();         // … and its body
}

asyncio::Coro<std::vector<std::string>> fetch_all(std::vector<std::string> urls) {
    http::ClientSession session;  // lives longer than the coroutines that use it: gather waits for all
    std::vector<asyncio::Coro<std::string>> jobs;
    for (const std::string& url : urls) jobs.push_back(fetch_url(session, url));
    co_return co_await asyncio::gather(std::move(jobs));
}

int main() {
    const tutorial::LocalServer server;
    const std::vector<std::string> urls(3, server.url() + "/delay/" + tutorial::seconds());

    const double start = tutorial::perf_counter();
    const std::vector<std::string> pages = asyncio::run(fetch_all(urls));
    for (const std::string& page : pages) std::printf("Got %zu bytes: %s", page.size(), page.c_str());
    std::printf("Async time: %.2fs\n", tutorial::perf_counter() - start);
}
