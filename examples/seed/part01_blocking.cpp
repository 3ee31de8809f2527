// Part 1: two calls that block.
//
// An ordinary function does not return before it is done. While it waits for a server or a disk the processor
// has nothing to do, and yet nothing else in this program gets its turn: the waits add up.
#include <cstdio>
#include <string>

#include "tutorial.hpp"

using namespace std::chrono_literals;

std::string fetch_data() {
    std::puts("Fetching data...");
    tutorial::block(2s);  // the network is slow
    std::puts("Data fetched.");
    return "data";
}

std::string read_file() {
    std::puts("Reading file...");
    tutorial::block(1500ms);  // so is the disk
    std::puts("File read.");
    return "file content";
}

int main() {
    const double start = tutorial::perf_counter();

    const std::string data = fetch_data();  // 2 seconds of doing nothing …
    const std::string file = read_file();   // … and only then 1.5 seconds more

    std::printf("Got '%s' and '%s'.\n", data.c_str(), file.c_str());
    std::printf("Total time: %.1fs\n", tutorial::perf_counter() - start);  // 2 + 1.5 = 3.5
}
