// Options of one request, and the limits on its time.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "asyncio/base/config.hpp"
#include "asyncio/base/duration.hpp"
#include "asyncio/base/option.hpp"
#include "asyncio/http/headers.hpp"
#include "asyncio/net/ssl_object.hpp"

namespace asyncio { inline namespace v1 { namespace http {

/// How long a request may take. All members may be left out; Duration::none() is no limit.
///
/// Python      `aiohttp.ClientTimeout`; left-out members have the session's defaults there and here, but a
///             bare `ClientTimeout()` does not turn all limits off
struct ClientTimeout {
    Duration total = std::chrono::seconds(300);  ///< the whole, from the await to the body's last byte
    Duration connect = Duration::none();  ///< until a connection is there, waiting for a free one included
    Duration sock_connect = std::chrono::seconds(30);  ///< looking up the name and connecting
    Duration sock_read = Duration::none();             ///< between two arrivals of bytes

    /// What RequestOptions begin with: the session's limits.
    static constexpr ClientTimeout from_session() noexcept {
        return {Duration::min(), Duration::min(), Duration::min(), Duration::min()};
    }
    constexpr bool is_from_session() const noexcept { return total == Duration::min(); }
};
static_assert(OptionStruct<ClientTimeout>);

/// Options of one request. All members may be left out.
struct RequestOptions {
    PairsView params = {};                                  ///< added to the URL's query, encoded
    PairsView headers = {};                                 ///< replace the session's of the same name
    ClientTimeout timeout = ClientTimeout::from_session();  ///< replaces the session's as a whole
    std::optional<bool> raise_for_status =
        std::nullopt;  ///< throw for statuses from 400; else as the session
    /// For `https`: a context; `true`, the usual checks; `false`, none: whoever answers is believed. Else as
    /// the session.
    SslOption ssl = {};
};
static_assert(OptionStruct<RequestOptions>);

/// A URL as a call takes it: text, or one that was parsed before.
///
/// Lifetime    the call that it is passed to copies it
class UrlArgument {
  public:
    constexpr UrlArgument(const char* text) noexcept : text_(text) {}
    constexpr UrlArgument(std::string_view text) noexcept : text_(text) {}
    UrlArgument(const std::string& text) noexcept : text_(text) {}
    constexpr UrlArgument(const Url& url) noexcept : url_(&url) {}

    /// The parsed URL it was made of, or null.
    constexpr const Url* url() const noexcept { return url_; }
    constexpr std::string_view text() const noexcept { return text_; }

  private:
    std::string_view text_;
    const Url* url_ = nullptr;
};

}}}  // namespace asyncio::v1::http
