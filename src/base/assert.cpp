#include "asyncio/base/assert.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace asyncio { inline namespace v1 { namespace detail {

constinit AssertContext assert_context = nullptr;

void assert_failed(const char* expression, const char* message, const char* file, unsigned line) noexcept {
    const char* context = assert_context != nullptr ? assert_context() : nullptr;
    char text[1024];
    const int length = std::snprintf(text, sizeof text, "%s:%u: asyncio: assertion failed: %s%s%s%s%s%s\n",
                                     file, line, expression, message != nullptr ? ": " : "",
                                     message != nullptr ? message : "", context != nullptr ? " [in " : "",
                                     context != nullptr ? context : "", context != nullptr ? "]" : "");
    if (length > 0) {
        // One write, and no stdio lock: the failing thread may hold it, and other threads may be printing.
        const auto size = static_cast<std::size_t>(length) < sizeof text ? static_cast<std::size_t>(length)
                                                                         : sizeof text - 1;
        if (::write(STDERR_FILENO, text, size) < 0) {
            // Nobody is left to tell.
        }
    }
    std::abort();
}

}}}  // namespace asyncio::v1::detail
