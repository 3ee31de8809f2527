// Fuzz target: readuntil and readline with limits. Run with scripts/fuzz.sh SECONDS readuntil_fuzz.
//
// The first byte says how the input is cut into pieces, the second the limit, the third which separators; the
// rest, in a small alphabet so that separators are met often, goes through a pipe. The property: however it
// is cut, what is read is what a few lines of text search find in the whole, up to the first error.

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "asyncio/asyncio.hpp"

namespace {

using Separators = std::vector<std::string_view>;

constexpr std::string_view alphabet = "\nab";
const Separators choices[] = {
    {"\n"},        {"a"},         {"ab"}, {"aa"}, {"aba"}, {"a", "b"}, {"ab", "b"}, {"aab", "ab", "\n"},
    {"b", "bbbb"}, {"aa", "aaa"},
};

struct Plan {
    std::size_t piece;
    std::size_t limit;
    bool lines;  // readline, not readuntil
    Separators separators;
    std::string text;
};

/// What readuntil gives of the text at `from`, and moves on; "overrun" or "rest:…" at the end of all.
std::string expected(const Plan& plan, std::size_t& from) {
    std::size_t end = std::string::npos;
    std::size_t size = 0;
    for (const std::string_view separator : plan.separators) {
        const std::size_t at = plan.text.find(separator, from);
        if (at == std::string::npos) continue;
        const std::size_t its_end = at + separator.size();
        if (its_end > end || (its_end == end && separator.size() > size)) continue;
        end = its_end;
        size = separator.size();
    }
    const std::size_t chunk = (end == std::string::npos ? plan.text.size() : end - size) - from;
    if (end != std::string::npos && chunk > plan.limit) return "overrun";
    if (end == std::string::npos) {
        std::size_t longest = 0;
        for (const std::string_view separator : plan.separators)
            longest = std::max(longest, separator.size());
        // What may be the beginning of a separator does not count yet.
        if (chunk + 1 > plan.limit + longest) return "overrun";
        return "rest:" + plan.text.substr(from);
    }
    const std::size_t begin = std::exchange(from, end);
    return plan.text.substr(begin, end - begin);
}

asyncio::Coro<std::string> read_one(asyncio::StreamReader& reader, const Plan& plan) {
    try {
        std::string got;
        if (plan.lines) {
            got = co_await reader.readline();
            if (got.empty() || got.back() != '\n') co_return "rest:" + got;
            co_return got;
        }
        if (plan.separators.size() == 1) {
            got = co_await reader.readuntil(plan.separators.front());
        } else {
            got = co_await reader.readuntil(std::span(plan.separators));
        }
        co_return got;
    } catch (const asyncio::LimitOverrunError&) {
        co_return "overrun";
    } catch (const asyncio::ValueError&) {
        co_return "overrun";
    } catch (const asyncio::IncompleteReadError& error) {
        co_return "rest:" + std::string(error.partial());
    }
}

asyncio::Coro<> check(const Plan& plan, int descriptor) {
    asyncio::StreamReader reader = co_await asyncio::connect_read_pipe(descriptor, {.limit = plan.limit});
    for (std::size_t at = 0;;) {
        const std::string want = expected(plan, at);
        const std::string got = co_await read_one(reader, plan);
        if (got != want) {
            std::cerr << "property violated: read '" << got << "', expected '" << want << "'\n";
            std::abort();
        }
        if (want == "overrun" || want.starts_with("rest:")) co_return;
    }
}

asyncio::Coro<> feed(const Plan& plan, int descriptor) {
    std::string_view rest = plan.text;
    while (!rest.empty()) {
        const ssize_t written = ::write(descriptor, rest.data(), std::min(rest.size(), plan.piece));
        if (written < 0) break;  // the reader has met its limit
        rest.remove_prefix(static_cast<std::size_t>(written));
        co_await asyncio::sleep(asyncio::Duration::zero());
        co_await asyncio::sleep(asyncio::Duration::zero());
    }
    ::close(descriptor);
}

asyncio::Coro<> scenario(const Plan& plan) {
    int ends[2];
    if (::pipe(ends) != 0) std::abort();
    std::signal(SIGPIPE, SIG_IGN);
    co_await asyncio::gather(check(plan, ends[0]), feed(plan, ends[1]));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 3) return 0;
    Plan plan;
    plan.piece = data[0] % 16 == 0 ? 4096 : data[0] % 16;
    plan.limit = 1 + data[1] % 32;
    plan.lines = data[2] % 4 == 0;
    plan.separators = plan.lines ? choices[0] : choices[data[2] / 4 % std::size(choices)];
    for (std::size_t at = 3; at < size; ++at) plan.text += alphabet[data[at] % alphabet.size()];
    asyncio::run(scenario(plan));
    return 0;
}
