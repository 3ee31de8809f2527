// `total` GETs over `connections` connections at once: seconds for all. Each answer is checked.
#include <asyncio/http.hpp>
#include <vector>

#include "common/ours.hpp"

namespace http = asyncio::http;

namespace {

using namespace bench;

asyncio::Coro<long> worker(http::ClientSession& session, std::string_view url, long* left) {
    long good = 0;
    while (*left > 0) {
        --*left;
        http::ClientResponse response = co_await session.get(url);
        const std::string body = co_await response.text();
        if (response.status == 200 && body == "Hello, World!") ++good;
    }
    co_return good;
}

asyncio::Coro<> measure(std::string_view url, long total, long connections) {
    const std::uint64_t begin = bench_now_ns();
    long left = total;
    long good = 0;
    {
        http::ClientSession session({.limit = static_cast<std::size_t>(connections)});
        std::vector<asyncio::Coro<long>> workers;
        for (long i = 0; i < connections; ++i) workers.push_back(worker(session, url, &left));
        const std::vector<long> goods = co_await asyncio::gather(std::move(workers));
        for (const long each : goods) good += each;
    }
    const double seconds = ns_each(begin, 1) * 1e-9;
    bench_prove(good == total, "every answer was 200 and Hello, World!");
    bench_print("http_client", impl, seconds, "s", "cpu_s", bench_cpu_s(), "peak_mib", bench_peak() / 1048576,
                nullptr);
}

}  // namespace

int main(int argc, char** argv) {
    asyncio::run(
        measure(bench_text(argc, argv, "url", "http://127.0.0.1:9280/"),
                bench_count(argc, argv, "total", 10'000), bench_count(argc, argv, "connections", 100)),
        run_options(argc, argv));
}
