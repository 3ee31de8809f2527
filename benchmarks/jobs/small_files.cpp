// Small files opened, read whole and closed, so many at once: microseconds a file.
#include <string>

#include "common/ours.hpp"

namespace {

using namespace bench;

asyncio::Coro<std::size_t> read_one(std::string path) {
    auto file = co_await asyncio::open(path);
    const std::string content = co_await file.read();
    co_await file.close();
    co_return content.size();
}

asyncio::Coro<> write_one(std::string path, std::string content) {
    auto file = co_await asyncio::open(path, "w");
    co_await file.write(content);
    co_await file.close();
}

asyncio::Coro<> measure(long n, long bytes, long in_flight) {
    auto folder = co_await asyncio::tempfile::TemporaryDirectory();
    const auto path = [&](long i) { return folder.name() + "/" + std::to_string(i); };
    for (long i = 0; i < n; ++i)
        co_await write_one(path(i), std::string(static_cast<std::size_t>(bytes), 'x'));
    double best = 0;
    for (int round = 0; round < 5; ++round) {
        std::vector<asyncio::Coro<std::size_t>> reads;
        for (long i = 0; i < n; ++i) reads.push_back(read_one(path(i)));
        const std::uint64_t begin = bench_now_ns();
        const auto sizes =
            co_await asyncio::gather({.limit = static_cast<std::size_t>(in_flight)}, std::move(reads));
        const double us = ns_each(begin, n) / 1000;
        for (const std::size_t size : sizes)
            bench_prove(size == static_cast<std::size_t>(bytes), "each came whole");
        if (round == 0 || us < best) best = us;
    }
    co_await folder.cleanup();
    bench_print("small_files", impl, best, "us", nullptr);
}

}  // namespace

int main(int argc, char** argv) {
    asyncio::run(measure(bench_count(argc, argv, "n", 1000), bench_count(argc, argv, "bytes", 1024),
                         bench_count(argc, argv, "in_flight", 64)),
                 run_options(argc, argv));
}
