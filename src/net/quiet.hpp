// Whether a connection that lies idle can still be used.
#pragma once

namespace asyncio { inline namespace v1 { namespace detail {

/// Whether the peer has neither sent anything nor closed its end, as far as this machine knows. Takes no
/// bytes, does not wait.
bool is_quiet(int descriptor) noexcept;

}}}  // namespace asyncio::v1::detail
