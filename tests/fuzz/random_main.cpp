// Runs a fuzz target without libFuzzer: PROGRAM SECONDS [SEED]. Random inputs, not guided by what they reach;
// so that no target rots, and the plain mistakes are found by every build. scripts/fuzz.sh is the real one.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int argc, char** argv) {
    const double seconds = argc > 1 ? std::atof(argv[1]) : 1;
    const unsigned seed = argc > 2 ? static_cast<unsigned>(std::atoi(argv[2])) : std::random_device{}();
    std::printf("seed %u\n", seed);
    std::fflush(stdout);
    std::mt19937 random(seed);
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    long runs = 0;
    for (; std::chrono::steady_clock::now() < end; ++runs) {
        // Half of them are text: what parsers let through the longest.
        std::vector<std::uint8_t> input(random() % (runs % 8 == 0 ? 2048 : 64));
        const bool text = random() % 2 == 0;
        for (std::uint8_t& byte : input)
            byte = static_cast<std::uint8_t>(text && random() % 16 != 0 ? 32 + random() % 95 : random());
        LLVMFuzzerTestOneInput(input.data(), input.size());
    }
    std::printf("%ld runs\n", runs);
}
