// How a loop is woken from outside its thread.
#pragma once

namespace asyncio { inline namespace v1 { namespace detail {

/// Throws OSError.
int make_wake_descriptor();
/// Any thread, signal handlers.
void write_wake_descriptor(int descriptor) noexcept;
void close_wake_descriptor(int descriptor) noexcept;

}}}  // namespace asyncio::v1::detail
