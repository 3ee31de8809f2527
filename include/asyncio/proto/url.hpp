#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "asyncio/base/config.hpp"

namespace asyncio { inline namespace v1 { namespace proto {

/// The name-value pairs of a query, decoded, in order.
using QueryPairs = std::vector<std::pair<std::string, std::string>>;

/// An absolute URL in normal form, kept as one string; the parts are views into it.
///
/// Parsing lowers scheme and host, drops the scheme's default port, removes dot segments, gives an empty path
/// of a URL with a host the value "/", and percent-encodes what may not stand as it is (space, non-ASCII,
/// `"<>[\]^{|}`), but never twice: a valid `%2F` stays. An IPv6 address stands in brackets and is compressed.
/// Refused are: a missing scheme, control characters, a backslash, space or non-ASCII character before the
/// path (write the punycode form, `xn--...`), a port outside 1-65535, an http, https, ws, wss or ftp URL
/// without a host, and IPv4 addresses in disguise (`127.1`, `0x7f000001`). Other schemes are parsed; whether
/// they can be used is for others to say.
///
/// Threads     const methods any thread
/// Python      `yarl.URL`; the names are its own. Differences: always absolute, host never decoded to
///             Unicode, default port not printed
/// See         RFC 3986
class ASYNCIO_API Url {
  public:
    /// The empty URL: all parts empty.
    Url() noexcept = default;

    /// Throws  InvalidURL  with what is wrong and where
    explicit Url(std::string_view text);

    bool empty() const noexcept { return text_.empty(); }

    /// The whole URL in normal form.
    const std::string& str() const noexcept { return text_; }

    /// In lower case, without the colon.
    std::string_view scheme() const noexcept { return part(0, scheme_end_); }

    /// Decoded; empty if there is none.
    std::string user() const;
    std::string password() const;
    /// Whether the URL has a user name or password.
    bool has_credentials() const noexcept { return host_begin_ > authority_begin_; }

    /// In lower case; an IPv6 address without its brackets.
    std::string_view host() const noexcept;
    bool is_ipv6() const noexcept { return host_end_ > host_begin_ && text_[host_begin_] == '['; }

    /// The port to connect to: as given, else the scheme's default, else 0.
    std::uint16_t port() const noexcept { return port_; }
    /// The port if the text named one, the default one too.
    std::optional<std::uint16_t> explicit_port() const noexcept;

    /// What a Host header says: host, brackets included, and port unless it is the default.
    std::string_view authority() const noexcept { return part(host_begin_, path_begin_); }

    /// Path, query and fragment as they are sent: encoded. The last two without their `?` and `#`.
    std::string_view raw_path() const noexcept { return part(path_begin_, path_end_); }
    std::string_view raw_query_string() const noexcept;
    std::string_view raw_fragment() const noexcept;

    /// The same, decoded. A decoded path cannot be taken apart at its slashes any more: use raw_path() for
    /// that.
    std::string path() const;
    std::string fragment() const;
    QueryPairs query() const;

    /// Path and query, as a request line has them (RFC 9112 §3.2.1, origin-form).
    std::string_view target() const noexcept { return part(path_begin_, query_end_); }

    /// Scheme, host and port: what has to be equal for credentials to be passed on.
    std::string origin() const;

    /// What `reference` means when it is met in the resource at this URL, such as the Location of a redirect.
    ///
    /// Throws  InvalidURL  the result is none
    /// See         RFC 3986 §5.2
    Url join(std::string_view reference) const;

    /// The same URL with `name=value` added to its query; both are encoded.
    Url with_query_added(std::string_view name, std::string_view value) const;

    Url without_fragment() const;
    Url without_credentials() const;

    friend bool operator==(const Url& a, const Url& b) noexcept { return a.text_ == b.text_; }

  private:
    friend class UrlParser;

    std::string_view part(std::uint32_t begin, std::uint32_t end) const noexcept {
        return {text_.data() + begin, end - begin};
    }

    // text_ is: scheme ':' ['//' [user-info '@'] host [':' port]] path ['?' query] ['#' fragment].
    // Positions ascend in this order; a part that is missing is empty.
    std::string text_;
    std::uint32_t scheme_end_ = 0;
    std::uint32_t authority_begin_ = 0;
    std::uint32_t host_begin_ = 0;
    std::uint32_t host_end_ = 0;
    std::uint32_t path_begin_ = 0;
    std::uint32_t path_end_ = 0;
    std::uint32_t query_end_ = 0;
    std::uint16_t port_ = 0;
    bool explicit_port_ = false;
};

/// Decodes `%XX`; what is not a valid escape stays as it is.
///
/// Params      plus_is_space  true in queries and forms, false in paths
ASYNCIO_API std::string percent_decode(std::string_view text, bool plus_is_space = false);

/// Takes `a=1&b=2` apart and decodes it. Members without `=` have an empty value, empty members are skipped.
///
/// Python      `urllib.parse.parse_qsl(keep_blank_values=True)`
ASYNCIO_API QueryPairs parse_query(std::string_view query);

/// The encoded form of `name=value`, for queries and urlencoded bodies, appended with a `&` if `out` is not
/// empty.
ASYNCIO_API void append_query(std::string& out, std::string_view name, std::string_view value);

/// The parts of a request's target.
struct Target {
    std::string_view raw_path;
    std::string_view raw_query_string;
    std::string_view scheme;     ///< Of the absolute-form, as it was sent; empty in any other.
    std::string_view authority;  ///< Host and port of the absolute-form.
};

/// Takes the target of a request line apart: origin-form `/p?q` and absolute-form `http://host/p?q`. Any
/// other form (`*`, `host:443`) is all path. The parts are views into `target`.
///
/// See         RFC 9112 §3.2
ASYNCIO_API Target split_target(std::string_view target ASYNCIO_LIFETIMEBOUND) noexcept;

}}}  // namespace asyncio::v1::proto
