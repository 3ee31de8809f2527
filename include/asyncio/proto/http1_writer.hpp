#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "asyncio/base/config.hpp"
#include "asyncio/proto/headers.hpp"
#include "asyncio/proto/http1.hpp"

// Writing HTTP/1.1: each function appends to `out`, so that head and body may go out in one piece. None of
// them can be made to write a line that was not asked for: control characters are refused everywhere. After
// an exception `out` is as it was.

namespace asyncio { inline namespace v1 { namespace proto {

/// Appends a request line, the header fields and the empty line. Host and framing are the caller's to add.
///
/// Throws  LocalProtocolError  a method that is no token, a target with characters that may not be in one,
///                             both Content-Length and Transfer-Encoding, or a bad field
/// Cost        no allocation but the growth of `out`
/// See         RFC 9112 §3
ASYNCIO_API void write_request_head(std::string& out, std::string_view method, std::string_view target,
                                    const Headers& headers);
ASYNCIO_API void write_request_head(std::string& out, std::string_view method, std::string_view target,
                                    std::span<const HeaderView> headers);

/// Appends a status line, the header fields and the empty line.
///
/// Params      reason  may be empty; proto::reason(status) gives the usual one
/// Throws  LocalProtocolError  a status outside 100-999, a control character in the reason, both
///                             Content-Length and Transfer-Encoding, either of them with 1xx or 204, or a bad
///                             field
/// See         RFC 9112 §4
ASYNCIO_API void write_response_head(std::string& out, int status, std::string_view reason,
                                     const Headers& headers, HttpVersion version = HttpVersion::http_1_1);
ASYNCIO_API void write_response_head(std::string& out, int status, std::string_view reason,
                                     std::span<const HeaderView> headers,
                                     HttpVersion version = HttpVersion::http_1_1);

/// Appends the line before a chunk of `size` bytes; the data and `chunk_end` follow. `size` must not be 0:
/// that would end the body (LocalProtocolError).
ASYNCIO_API void write_chunk_begin(std::string& out, std::size_t size);
inline constexpr std::string_view chunk_end = "\r\n";

/// Appends a whole chunk; nothing if `data` is empty.
ASYNCIO_API void write_chunk(std::string& out, std::string_view data);

/// Appends what ends a chunked body.
///
/// Throws  LocalProtocolError  Content-Length, Transfer-Encoding or Host among the trailers
ASYNCIO_API void write_last_chunk(std::string& out, const Headers& trailers = Headers());

}}}  // namespace asyncio::v1::proto
