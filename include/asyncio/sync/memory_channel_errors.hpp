// What the operations of a memory channel end with when there is nobody, or nothing, at the other end.
#pragma once
#include "asyncio/base/error.hpp"

namespace asyncio { inline namespace v1 {

/// All sending ends of the channel are closed, and it is empty.
class ASYNCIO_API EndOfChannel : public Error {
  public:
    EndOfChannel() noexcept : Error("all sending ends of the channel are closed") {}
    EndOfChannel(const EndOfChannel&) noexcept = default;
    EndOfChannel& operator=(const EndOfChannel&) noexcept = default;
    ~EndOfChannel() override;
};

/// All receiving ends of the channel are closed: nobody will ever take what is sent.
class ASYNCIO_API BrokenResourceError : public Error {
  public:
    BrokenResourceError() noexcept : Error("all receiving ends of the channel are closed") {}
    BrokenResourceError(const BrokenResourceError&) noexcept = default;
    BrokenResourceError& operator=(const BrokenResourceError&) noexcept = default;
    ~BrokenResourceError() override;
};

/// This end of the channel was closed, or moved from, and then used.
class ASYNCIO_API ClosedResourceError : public RuntimeError {
  public:
    ClosedResourceError() noexcept
        : RuntimeError(
              "this end of the channel is closed: each task that goes on needs an end of its own, "
              "made by clone()") {}
    ClosedResourceError(const ClosedResourceError&) noexcept = default;
    ClosedResourceError& operator=(const ClosedResourceError&) noexcept = default;
    ~ClosedResourceError() override;
};

/// `send_nowait` or `receive_nowait` would have to wait.
class ASYNCIO_API WouldBlock : public Error {
  public:
    WouldBlock() noexcept : Error("this would have to wait") {}
    WouldBlock(const WouldBlock&) noexcept = default;
    WouldBlock& operator=(const WouldBlock&) noexcept = default;
    ~WouldBlock() override;
};

}}  // namespace asyncio::v1
