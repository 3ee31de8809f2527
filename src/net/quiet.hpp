// A look at a connection that nobody reads from.
#pragma once

namespace asyncio { inline namespace v1 { namespace detail {

/// Whether the peer has neither sent anything nor closed its end, as far as this machine knows. Takes no
/// bytes, does not wait.
bool is_quiet(int descriptor) noexcept;

/// Whether the peer has closed its end, or the connection is broken, as far as this machine knows; also if
/// bytes that came before are unread. Takes no bytes, does not wait.
bool peer_has_gone(int descriptor) noexcept;

}}}  // namespace asyncio::v1::detail
