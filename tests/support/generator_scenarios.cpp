#include "support/generator_scenarios.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "support/scenarios.hpp"

namespace asyncio::test {

using namespace std::chrono_literals;

namespace {

/// Waits before each item, and in its cleanup.
AsyncGenerator<std::string> texts(int count) {
    const Probe probe;
    std::exception_ptr error;
    try {
        for (int i = 0; i < count; ++i) {
            co_await sleep(1ms);
            co_yield std::to_string(i) + ", yielded in a string that is none of the short ones";
        }
    } catch (...) {
        error = std::current_exception();
    }
    co_await sleep(1ms);
    if (error != nullptr) std::rethrow_exception(error);
}
Coro<int> length_of(std::string text) {
    const Probe probe;
    co_await sleep(2ms);
    co_return static_cast<int>(text.size());
}

}  // namespace

Coro<> async_generator_iterated() {
    // After a cancel it is at its end, or goes on where it was.
    std::exception_ptr cancelled;
    auto gen = texts(2);
    int items = 0;
    for (int round = 0; round < 2; ++round) {
        try {
            while (auto item = co_await gen.next()) ++items;
        } catch (const CancelledError&) {
            cancelled = std::current_exception();
        }
    }
    if (cancelled != nullptr) std::rethrow_exception(cancelled);
    EXPECT_EQ(items, 2);
}
Coro<> async_generator_closed() {
    co_await with(texts(3), [](AsyncGenerator<std::string>& gen) -> Coro<> {
        co_await gen.next();
        co_await sleep(1ms);
    });
}
Coro<> enumerate_of_a_zip() {
    auto all = enumerate(zip(texts(2), texts(3)));
    std::size_t count = 0;
    while (auto item = co_await all.next()) count = item->first + 1;
    EXPECT_EQ(count, 2u);
}
Coro<> merged() {
    co_await with(merge(texts(2), texts(1)), [](Flow<std::string>& items) -> Coro<> {
        int count = 0;
        while (auto item = co_await items.next()) ++count;
        EXPECT_EQ(count, 3);
    });
}
Coro<> mapped() {
    co_await with(map(2, texts(3), length_of), [](Flow<int>& lengths) -> Coro<> {
        int count = 0;
        while (auto length = co_await lengths.next()) ++count;
        EXPECT_EQ(count, 3);
    });
}
Coro<> gathered_with_a_limit() {
    std::vector<Coro<int>> coros;
    for (int i = 0; i < 3; ++i) coros.push_back(length_of("a text that is long enough for the heap"));
    const auto lengths = co_await gather({.limit = 2}, std::move(coros));
    EXPECT_EQ(lengths.size(), 3u);
}
Coro<> retried() {
    int calls = 0;
    const auto fails_once = [&]() -> Coro<int> {
        const Probe probe;
        co_await sleep(1ms);
        if (++calls == 1) throw TimeoutError();
        co_return calls;
    };
    const int result = co_await retry({.delay = 1ms, .retry_if = retry_on<OSError>}, fails_once);
    EXPECT_EQ(result, 2);
}

}  // namespace asyncio::test
