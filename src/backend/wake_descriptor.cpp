// The descriptor that other threads and signal handlers write to: an eventfd.
#include "detail/wake_descriptor.hpp"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "asyncio/base/error.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

int make_wake_descriptor() {
    const int descriptor = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (descriptor < 0)
        throw_os_error(errno, "eventfd", "a loop needs descriptors of its own: raise the limit (ulimit -n)");
    return descriptor;
}

void write_wake_descriptor(int descriptor) noexcept {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(descriptor, &one, sizeof one);  // full: it is awake already
}

void close_wake_descriptor(int descriptor) noexcept { ::close(descriptor); }

}}}  // namespace asyncio::v1::detail
