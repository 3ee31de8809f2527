// How the library's own parts give warnings.
#pragma once
#include <string_view>

#include "asyncio/base/config.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

inline constexpr std::string_view runtime_warning = "RuntimeWarning";
inline constexpr std::string_view resource_warning = "ResourceWarning";
inline constexpr std::string_view remark;  // no fault as such

/// To the handler, or to stderr. Without memory to copy the text for the handler it is printed.
ASYNCIO_COLD void warn(std::string_view category, std::string_view text) noexcept;

/// What `make` gives is the text; should there be no memory for it, `short_text` is.
template <class F>
void warn_with(std::string_view category, std::string_view short_text, F&& make) noexcept {
    try {
        warn(category, make());
    } catch (...) {
        warn(category, short_text);
    }
}

/// In a child process: another thread of the parent may have been giving one.
void forget_warning_lock() noexcept;

/// The running loop is in debug mode; outside of one, ASYNCIO_DEBUG decides.
bool in_debug_mode() noexcept;

}}}  // namespace asyncio::v1::detail
