// What stands behind the handles of a stream.
#pragma once
#include "asyncio/net/streams.hpp"
#include "net/duplex.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

struct StreamAccess {
    static Inlet* inlet(const StreamReader& reader) noexcept { return reader.inlet_; }
    static Duplex* duplex(const StreamWriter& writer) noexcept { return writer.stream_; }
};

}}}  // namespace asyncio::v1::detail
