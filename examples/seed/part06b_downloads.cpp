// Part 6, second listing: three downloads at once.
//
// They take 2, 1 and 1.5 seconds. One after another that is 4.5 seconds; at once it is 2, the longest of
// them. The results come in the order of the call, whichever ended first.
#include <asyncio/asyncio.hpp>
#include <cstdio>
#include <string>

using namespace std::chrono_literals;

asyncio::Coro<std::string> download(std::string name, asyncio::Duration time) {
    std::printf("Downloading %s...\n", name.c_str());
    co_await asyncio::sleep(time);
    std::printf("%s is done.\n", name.c_str());
    co_return name + " (" + std::to_string(time.to_chrono() / 1ms) + " ms)";
}

asyncio::Coro<> amain() {
    asyncio::EventLoop& loop = asyncio::get_running_loop();
    const asyncio::TimePoint start = loop.time();

    auto [first, second, third] = co_await asyncio::gather(  // a tuple; range-based calls give a vector
        download("file1", 2s), download("file2", 1s), download("file3", 1500ms));

    std::printf("Results: %s, %s, %s\n", first.c_str(), second.c_str(), third.c_str());
    std::printf("Total time: %.1fs\n", asyncio::Duration(loop.time() - start).seconds());
}

int main() { asyncio::run(amain()); }
