// SendfileOptions: what StreamWriter::sendfile and EventLoop::sock_sendfile are told.
#pragma once
#include <cstdint>
#include <optional>

#include "asyncio/base/option.hpp"

namespace asyncio { inline namespace v1 {

/// Options of `sendfile`. All members may be left out.
struct SendfileOptions {
    std::uint64_t offset = 0;                           ///< where in the file to begin
    std::optional<std::uint64_t> count = std::nullopt;  ///< how many bytes at most; none: up to its end
    /// Where the kernel cannot send the file by itself (no regular file, a stream that changes the bytes) it
    /// is read and written; false: SendfileNotAvailableError.
    bool fallback = true;
    /// Counts the bytes as they go: how far it has got when it fails or is cancelled.
    std::uint64_t* sent = nullptr;
};
static_assert(OptionStruct<SendfileOptions>);

}}  // namespace asyncio::v1
