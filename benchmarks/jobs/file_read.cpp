// Reads of 4 KiB from one file that the kernel has in memory, in an order made of random numbers, so many
// under way at once: nanoseconds a read.
#include <array>
#include <string>

#include "common/ours.hpp"

namespace {

using namespace bench;

struct Work {
    long left;
    long blocks;
    std::uint64_t random = 1;
    std::uint64_t sum = 0;
};

constexpr std::size_t block_bytes = 4096;

asyncio::Coro<> read_blocks(asyncio::File& file, Work& work) {
    std::array<char, block_bytes> buffer;
    while (work.left > 0) {
        --work.left;
        const std::uint64_t block = bench_random(&work.random) % static_cast<std::uint64_t>(work.blocks);
        const std::size_t got = co_await file.pread_into(buffer, block * block_bytes);
        std::uint64_t number = 0;
        memcpy(&number, buffer.data(), sizeof number);
        bench_prove(got == block_bytes && number == block, "each block came whole");
        work.sum += number;
    }
}

asyncio::Coro<> measure(long n, long in_flight, long blocks) {
    auto file = co_await asyncio::tempfile::TemporaryFile();
    for (long i = 0; i < blocks; ++i) {
        std::string block(block_bytes, 'b');
        const auto number = static_cast<std::uint64_t>(i);
        memcpy(block.data(), &number, sizeof number);
        co_await file.write(block);
    }
    co_await file.flush();
    double best = 0;
    for (int round = 0; round < 5; ++round) {
        Work work{n, blocks};
        std::vector<asyncio::Coro<>> readers;
        for (long i = 0; i < in_flight; ++i) readers.push_back(read_blocks(file, work));
        const std::uint64_t begin = bench_now_ns();
        co_await asyncio::gather(std::move(readers));
        const double ns = ns_each(begin, n);
        if (round == 0 || ns < best) best = ns;
    }
    co_await file.close();
    bench_print("file_read", impl, best, "ns", nullptr);
}

}  // namespace

int main(int argc, char** argv) {
    asyncio::run(measure(bench_count(argc, argv, "n", 10'000), bench_count(argc, argv, "in_flight", 64),
                         bench_count(argc, argv, "blocks", 4096)),
                 run_options(argc, argv));
}
