// HTTPError: a response that is thrown.
#pragma once
#include <string_view>

#include "asyncio/base/config.hpp"
#include "asyncio/base/error.hpp"

namespace asyncio { inline namespace v1 { namespace http::web {

/// Thrown by a handler, or anything that it calls, to answer with this status and text; it is not reported as
/// a failure.
///
/// Python      `aiohttp.web.HTTPException`; one type with a number instead of one for each status
class ASYNCIO_API HTTPError : public Error {
  public:
    /// Params      status  200 to 599
    ///             text    the body, text/plain; empty: "404: Not Found", by the status
    /// Throws      ValueError  a status that cannot be sent
    explicit HTTPError(int status, std::string_view text = {});
    HTTPError(const HTTPError&) noexcept = default;
    HTTPError& operator=(const HTTPError&) noexcept = default;
    ~HTTPError() override;

    int status() const noexcept { return status_; }
    /// The body.
    std::string_view text() const noexcept { return what(); }

  private:
    int status_;
};

}}}  // namespace asyncio::v1::http::web
