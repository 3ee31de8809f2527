#include "http/connection.hpp"

#include "asyncio/base/error.hpp"
#include "net/quiet.hpp"

namespace asyncio { inline namespace v1 { namespace http { namespace detail {

Connection::~Connection() {
    // Over TLS, closing is to say goodbye; what has not been sent is lost in any case.
    if (writer.get_write_buffer_size() != 0) {
        writer.abort();
    } else {
        writer.close();
    }
}

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
