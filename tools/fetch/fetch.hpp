// Fetches many URLs: at once, or one after another.
#pragma once
#include <asyncio/asyncio.hpp>
#include <asyncio/http.hpp>
#include <cstddef>
#include <string>
#include <vector>

#include "fetch/result.hpp"

namespace fetch {

struct Options {
    std::size_t concurrency = 100;                        // fetches in flight at once
    asyncio::Duration limit = asyncio::Duration::none();  // for one URL
    std::string directory;          // where bodies are stored; empty: they are counted and dropped
    std::size_t index_digits = 4;   // of the files' names
    asyncio::SslOption ssl = true;  // for https
};

using OnResult = asyncio::UniqueFunction<void(const Result&)>;

/// Fetches all; calls `on_result` as each ends, and gives the results in the order of the URLs. A URL that
/// fails does so alone: nothing is thrown but CancelledError.
asyncio::Coro<std::vector<Result>> fetch_all(const std::vector<std::string>& urls, const Options& options,
                                             OnResult on_result);

/// Raises the limit of descriptors as far as it goes; gives what it is now.
std::size_t raise_descriptor_limit();
/// How many fetches at once fit below that limit, when each needs `descriptors_each`.
std::size_t concurrency_that_fits(std::size_t descriptor_limit, std::size_t descriptors_each);

/// The file that the body of URL number `index` goes to, inside the directory: "0003_index.html".
std::string file_name(std::size_t index, std::size_t digits, std::string_view url);

}  // namespace fetch
