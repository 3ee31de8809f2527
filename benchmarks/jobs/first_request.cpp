// The first request of a process: milliseconds from main to the checked answer. The driver times the whole
// process.
#include <asyncio/http.hpp>

#include "common/ours.hpp"

namespace http = asyncio::http;

namespace {

using namespace bench;

asyncio::Coro<bool> fetch(std::string_view url) {
    http::ClientSession session;
    http::ClientResponse response = co_await session.get(url);
    const std::string body = co_await response.text();
    co_return response.status == 200 && body == "Hello, World!";
}

}  // namespace

int main(int argc, char** argv) {
    const std::uint64_t begin = bench_now_ns();
    const bool good = asyncio::run(fetch(bench_text(argc, argv, "url", "http://127.0.0.1:9280/")),
                                   bench::run_options(argc, argv));
    bench_prove(good, "the answer was 200 and Hello, World!");
    bench_print("first_request", bench::impl, bench::ns_each(begin, 1) * 1e-6, "ms", nullptr);
}
