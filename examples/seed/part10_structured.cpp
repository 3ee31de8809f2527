// Part 10: everything together, well structured.
//
// Small coroutines that each do one thing; one session for all requests, in a scope of its own; a task for
// each URL; and return_exceptions, so that one bad URL costs that URL and nothing else.
#include <asyncio/http.hpp>
#include <cstdio>
#include <string>
#include <vector>

#include "local_server.hpp"

using namespace std::chrono_literals;
namespace http = asyncio::http;

/// Fetches one page. Throws what goes wrong: an unknown host, a refused connection, a timeout, a bad status.
asyncio::Coro<std::string> fetch(http::ClientSession& session, std::string url) {
    co_return co_await asyncio::with(session.get(url),
                                     [](http::ClientResponse& response) -> asyncio::Coro<std::string> {
                                         response.raise_for_status();
                                         co_return co_await response.text();
                                     });
}

/// Fetches all pages at once; an Outcome for each, in the order of the URLs.
asyncio::Coro<std::vector<asyncio::Outcome<std::string>>> fetch_all(std::vector<std::string> urls) {
    http::ClientSession session{{.timeout = {.total = 10s}}};
    std::vector<asyncio::Task<std::string>> tasks;
    for (const std::string& url : urls)
        tasks.push_back(asyncio::create_task(fetch(session, url), {.name = url}));
    co_return co_await asyncio::gather(asyncio::return_exceptions, std::move(tasks));
}

asyncio::Coro<> amain(std::string server) {
    const std::vector<std::string> paths = {"/delay/" + tutorial::seconds(), "/status/404", "/nowhere",
                                            "/delay/" + tutorial::seconds()};
    std::vector<std::string> urls;
    for (const std::string& path : paths) urls.push_back(server + path);
    urls.push_back("http://127.0.0.1:1/");  // nobody listens there

    const auto results = co_await fetch_all(urls);

    std::size_t succeeded = 0;
    for (std::size_t i = 0; i < results.size(); ++i) {
        const char* name = i < paths.size() ? paths[i].c_str() : urls[i].c_str();
        if (results[i].has_value()) {
            ++succeeded;
            std::printf("%s: %zu bytes\n", name, results[i].value().size());
        } else if (results[i].error_as<http::ClientResponseError>() != nullptr) {
            std::printf("%s: failed with status %d\n", name,
                        results[i].error_as<http::ClientResponseError>()->status());
        } else {
            std::printf("%s: failed, %s\n", name, results[i].what().c_str());
        }
    }
    std::printf("%zu of %zu succeeded.\n", succeeded, results.size());
}

int main() {
    const tutorial::LocalServer server;
    asyncio::run(amain(server.url()));
}
