// Bodies of requests: values that say what to send and what it is.
#pragma once

#include <string_view>

#include "asyncio/base/config.hpp"

namespace asyncio { inline namespace v1 { namespace http {

/// The body of a request, looked at: made by `text` or `bytes`.
///
/// Lifetime    the call that it is passed to copies the data
class RequestBody {
  public:
    constexpr RequestBody() noexcept = default;
    /// Params      content_type  of the Content-Type field, unless the request's headers have their own
    constexpr RequestBody(std::string_view data, std::string_view content_type) noexcept
        : data_(data), content_type_(content_type) {}

    constexpr std::string_view data() const noexcept { return data_; }
    constexpr std::string_view content_type() const noexcept { return content_type_; }

  private:
    std::string_view data_;
    std::string_view content_type_;
};

/// A body of UTF-8 text: `session.post(url, http::text("hello"))`.
constexpr RequestBody text(std::string_view data ASYNCIO_LIFETIMEBOUND) noexcept {
    return RequestBody(data, "text/plain; charset=utf-8");
}

/// A body of bytes that only its receiver understands.
constexpr RequestBody bytes(std::string_view data ASYNCIO_LIFETIMEBOUND) noexcept {
    return RequestBody(data, "application/octet-stream");
}

}}}  // namespace asyncio::v1::http
