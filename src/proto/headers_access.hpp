#pragma once

#include <string>
#include <vector>

#include "asyncio/proto/headers.hpp"

namespace asyncio { inline namespace v1 { namespace proto { namespace detail {

/// Lets the parser receive a head straight into the block of a Headers, and note where the fields are in it.
struct HeadersAccess {
    using Entry = Headers::Entry;
    static std::string& block(Headers& headers) noexcept { return headers.block_; }
    static const std::string& block(const Headers& headers) noexcept { return headers.block_; }
    static std::vector<Entry>& entries(Headers& headers) noexcept { return headers.entries_; }
};

}}}}  // namespace asyncio::v1::proto::detail
