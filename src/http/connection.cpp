#include "http/connection.hpp"

#include "asyncio/base/error.hpp"
#include "net/quiet.hpp"

namespace asyncio { inline namespace v1 { namespace http { namespace detail {

Connection::~Connection() { writer.abort(); }

Coro<> wait_closed(StreamWriter& writer) {
    try {
        co_await writer.wait_closed();
    } catch (const OSError&) {
        // How it ended does not matter any more.
    }
}

bool Connection::fresh() const noexcept {
    return !writer.is_closing() && !reader.at_eof() && reader.buffered().empty() &&
           asyncio::detail::is_quiet(writer.fileno());
}

}}}}  // namespace asyncio::v1::http::detail
