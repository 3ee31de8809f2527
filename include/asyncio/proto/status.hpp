#pragma once

#include <string_view>

#include "asyncio/base/config.hpp"

namespace asyncio { inline namespace v1 { namespace proto {

/// The reason phrase of a status, such as "Not Found"; empty if the number is not registered.
///
/// Python      `http.HTTPStatus(status).phrase`
ASYNCIO_API std::string_view reason(int status) noexcept;

/// Whether a response with this status never has a body, whatever its headers say: 1xx, 204, 304.
///
/// See         RFC 9112 §6.3
constexpr bool has_no_body(int status) noexcept {
    return status / 100 == 1 || status == 204 || status == 304;
}

}}}  // namespace asyncio::v1::proto
