// Fuzz target: URLs. Run with scripts/fuzz.sh SECONDS url_fuzz.
//
// The text up to the first line end is a base, the rest a reference. The properties: nothing but InvalidURL
// comes out, the normal form is a fixed point, its parts put together give it again, and what is sent
// (target, authority) has no character that could forge a line.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>

#include "asyncio/proto/errors.hpp"
#include "asyncio/proto/http1_writer.hpp"
#include "asyncio/proto/url.hpp"

namespace {

namespace proto = asyncio::proto;

void require(bool condition, const char* what, std::string_view text) {
    if (condition) return;
    std::cerr << "property violated: " << what << ": " << text << "\n";
    std::abort();
}

void check(const proto::Url& url) {
    const std::string& text = url.str();
    const proto::Url again(text);
    require(again.str() == text, "the normal form is not a fixed point", text);
    require(again.host() == url.host() && again.port() == url.port() && again.target() == url.target() &&
                again.user() == url.user() && again.password() == url.password() &&
                again.raw_fragment() == url.raw_fragment(),
            "the parts changed", text);
    for (const char c : text) require(c > 0x20 && c < 0x7f, "a character that is not printable ASCII", text);
    require(std::string(url.raw_path()) + (url.raw_query_string().empty() ? "" : "?") +
                    std::string(url.raw_query_string()) ==
                url.target(),
            "path and query are not the target", text);

    if (url.scheme() == "http") {
        require(!url.host().empty() && url.port() != 0, "http without a host or port", text);
        require(url.target().starts_with('/'), "a target without a slash", text);
        std::string out;
        proto::Headers headers;
        headers.add("Host", url.authority());
        proto::write_request_head(out, "GET", url.target(), headers);
        require(url.without_credentials().str() == url.origin() + std::string(url.target()) +
                                                       (url.raw_fragment().empty() ? "" : "#") +
                                                       std::string(url.raw_fragment()),
                "the parts are not the whole", text);
    }
    std::string query;
    for (const auto& [name, value] : url.query()) proto::append_query(query, name, value);
    require(proto::parse_query(query) == url.query(), "a query changed on the way", text);
    require(url.join(url.str()) == url, "a URL joined to itself is another", text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const std::size_t line_end = input.find('\n');
    const std::string_view reference = line_end == std::string_view::npos ? "" : input.substr(line_end + 1);
    try {
        const proto::Url base(input.substr(0, line_end));
        check(base);
        check(base.join(reference));
        check(base.with_query_added(reference, reference));
    } catch (const proto::InvalidURL&) {
        // Expected of most inputs.
    }
    proto::split_target(input);
    return 0;
}
