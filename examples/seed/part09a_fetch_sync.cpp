// Part 9, first listing: three URLs, one after another.
//
// Each answer takes the server a second. http::get_sync is what Python's requests.get is: it blocks until the
// answer is there. Three requests, three seconds, nearly all of them spent waiting.
#include <asyncio/http.hpp>
#include <cstdio>
#include <string>
#include <vector>

#include "local_server.hpp"
#include "tutorial.hpp"

namespace http = asyncio::http;

std::string fetch_url(const std::string& url) {
    const http::SyncResponse response = http::get_sync(url);
    return response.text;
}

int main() {
    const tutorial::LocalServer server;
    const std::vector<std::string> urls(3, server.url() + "/delay/" + tutorial::seconds());

    const double start = tutorial::perf_counter();
    for (const std::string& url : urls) {
        const std::string page = fetch_url(url);
        std::printf("Got %zu bytes: %s", page.size(), page.c_str());
    }
    std::printf("Sync time: %.2fs\n", tutorial::perf_counter() - start);
}
