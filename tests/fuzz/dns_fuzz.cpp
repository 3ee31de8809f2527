// Fuzz target: answers of a name server, as the resolver on c-ares gets them. Run with scripts/fuzz.sh
// SECONDS dns_fuzz.
//
// The input is an answer. A server that is in the loop gives it the identification of the query, so that it
// is not dropped unread, and, if the first byte is odd, the question, too; then it sends an answer that is
// right, since a malformed one is waited on from. The properties: the look-up ends, with addresses or a
// gaierror, whatever came; and nothing is left in the loop.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>

#include "asyncio/asyncio.hpp"
#include "asyncio/net/cares_resolver.hpp"

namespace {

using namespace std::chrono_literals;
using asyncio::Coro;

void require(bool condition, const char* what) {
    if (condition) return;
    std::cerr << "property violated: " << what << "\n";
    std::abort();
}

constexpr std::size_t header_bytes = 12;

/// The answer "no such name" to a query.
std::string refusal(std::string_view query) {
    std::string text(query);
    text[2] = static_cast<char>(0x81);
    text[3] = static_cast<char>(0x83);
    return text;
}

Coro<> serve(asyncio::DatagramEndpoint& endpoint, std::string_view input) {
    while (auto got = co_await endpoint.next()) {
        const std::string& query = got->first;
        if (query.size() < header_bytes) continue;
        const bool with_question = !input.empty() && (input[0] & 1) != 0;
        std::string forged(input.substr(input.empty() ? 0 : 1));
        if (with_question && forged.size() >= header_bytes) {
            forged.insert(header_bytes, query.substr(header_bytes));
            forged.replace(4, 2, query.substr(4, 2));
        }
        if (forged.size() >= 2) forged.replace(0, 2, query.substr(0, 2));
        if (forged.size() < 65'000) co_await endpoint.sendto(forged, got->second);
        co_await endpoint.sendto(refusal(query), got->second);
    }
}

Coro<> look_up(std::string_view input) {
    auto endpoint = co_await asyncio::create_datagram_endpoint({.local_addr = {"127.0.0.1", 0}});
    const auto serving = asyncio::create_task(serve(endpoint, input));
    const std::string servers = endpoint.sockname().to_string();
    const auto resolver = asyncio::make_cares_resolver(
        {.servers = servers, .search = ".", .timeout = 100ms, .tries = 1, .hosts_file = false});
    try {
        const auto found = co_await resolver->resolve("fuzz.test", 1, asyncio::AddressFamily::any);
        require(!found.empty(), "a success without an address");
    } catch (const asyncio::gaierror&) {
        // Expected of most inputs.
    }
    endpoint.close();
    co_await serving;
    co_await endpoint.wait_closed();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    asyncio::run(look_up(std::string_view(reinterpret_cast<const char*>(data), size)));
    return 0;
}
