#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "asyncio/base/config.hpp"
#include "asyncio/base/error.hpp"

// What can be wrong with a protocol, by whose fault it is. There are two roots, because they are handled in
// opposite ways: a RemoteProtocolError is the peer's doing, so it is met with an answer or a closed
// connection; a LocalProtocolError is a mistake of the caller of this codec.
//
//   Error ─ RemoteProtocolError ─ PayloadEncodingError ┬ ContentLengthError
//         │                                            └ TransferEncodingError
//         ├ LocalProtocolError
//         └ ValueError ─ InvalidURL

namespace asyncio { inline namespace v1 { namespace proto {

/// The peer broke the protocol: the connection cannot be used any further.
///
/// Python      aiohttp's `BadHttpMessage`
class ASYNCIO_API RemoteProtocolError : public Error {
  public:
    /// Params      status  what a server should answer with (a client has no use for it)
    explicit RemoteProtocolError(std::string_view cause, int status = 400) noexcept
        : Error(cause), status_(status) {}
    RemoteProtocolError(const RemoteProtocolError&) noexcept = default;
    RemoteProtocolError& operator=(const RemoteProtocolError&) noexcept = default;
    ~RemoteProtocolError() override;

    /// The status a server should answer with: 400, 414, 431, 501 or 505.
    int status() const noexcept { return status_; }

  private:
    int status_;
};

/// A body that ended too early or is not framed as announced; the head was good.
///
/// Python      aiohttp's `PayloadEncodingError`
class ASYNCIO_API PayloadEncodingError : public RemoteProtocolError {
  public:
    using RemoteProtocolError::RemoteProtocolError;
    PayloadEncodingError(const PayloadEncodingError&) noexcept = default;
    PayloadEncodingError& operator=(const PayloadEncodingError&) noexcept = default;
    ~PayloadEncodingError() override;
};

/// The connection closed before all that Content-Length had announced came.
class ASYNCIO_API ContentLengthError : public PayloadEncodingError {
  public:
    ContentLengthError(std::string_view cause, std::uint64_t received, std::uint64_t expected) noexcept
        : PayloadEncodingError(cause), received_(received), expected_(expected) {}
    ContentLengthError(const ContentLengthError&) noexcept = default;
    ContentLengthError& operator=(const ContentLengthError&) noexcept = default;
    ~ContentLengthError() override;

    std::uint64_t received() const noexcept { return received_; }
    std::uint64_t expected() const noexcept { return expected_; }

  private:
    std::uint64_t received_;
    std::uint64_t expected_;
};

/// A chunked body was cut off, or its framing is malformed.
class ASYNCIO_API TransferEncodingError : public PayloadEncodingError {
  public:
    using PayloadEncodingError::PayloadEncodingError;
    TransferEncodingError(const TransferEncodingError&) noexcept = default;
    TransferEncodingError& operator=(const TransferEncodingError&) noexcept = default;
    ~TransferEncodingError() override;
};

/// This side asked for something that the protocol does not allow; nothing was written or consumed.
class ASYNCIO_API LocalProtocolError : public Error {
  public:
    using Error::Error;
    LocalProtocolError(const LocalProtocolError&) noexcept = default;
    LocalProtocolError& operator=(const LocalProtocolError&) noexcept = default;
    ~LocalProtocolError() override;
};

/// A text that is no URL, or one with a part that nobody should send.
///
/// Python      `aiohttp.InvalidURL`, which is a ValueError as well
class ASYNCIO_API InvalidURL : public ValueError {
  public:
    InvalidURL(std::string_view url, std::string_view cause);
    InvalidURL(const InvalidURL&) noexcept = default;
    InvalidURL& operator=(const InvalidURL&) noexcept = default;
    ~InvalidURL() override;

    /// The URL as it was given, its user name and password left out.
    std::string_view url() const noexcept { return url_.view(); }

  private:
    asyncio::detail::SharedText url_;
};

}}}  // namespace asyncio::v1::proto
