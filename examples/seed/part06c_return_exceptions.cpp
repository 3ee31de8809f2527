// Part 6, third listing: one of them fails.
//
// With return_exceptions a failure is a result like any other: gather waits for all and gives an Outcome for
// each, a value or an exception. (Without it, the first failure cancels the others and is thrown.)
#include <asyncio/asyncio.hpp>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;

asyncio::Coro<std::string> success(std::string what) {
    co_await asyncio::sleep(500ms);
    co_return what;
}

asyncio::Coro<std::string> failure() {
    co_await asyncio::sleep(200ms);
    throw std::runtime_error("Something went wrong!");
}

asyncio::Coro<> amain() {
    std::vector<asyncio::Coro<std::string>> jobs;
    jobs.push_back(success("first"));
    jobs.push_back(failure());
    jobs.push_back(success("third"));

    const std::vector<asyncio::Outcome<std::string>> results =
        co_await asyncio::gather(asyncio::return_exceptions, std::move(jobs));

    for (std::size_t i = 0; i < results.size(); ++i) {
        if (results[i].has_value()) {
            std::printf("Task %zu succeeded: %s\n", i + 1, results[i].value().c_str());
        } else {
            std::printf("Task %zu failed: %s\n", i + 1, results[i].what().c_str());
        }
    }
}

int main() { asyncio::run(amain()); }
