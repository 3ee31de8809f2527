// What a session's requests and responses share and keep alive.
#pragma once

#include <cstdint>
#include <string>

#include "asyncio/base/intrusive.hpp"
#include "asyncio/http/client_session.hpp"
#include "http/connector.hpp"
#include "http/exchange.hpp"
#include "http/home_loop.hpp"

namespace asyncio { inline namespace v1 { namespace http { namespace detail {

struct SessionState {
    explicit SessionState(const ClientSessionOptions& options);

    /// Requests that have no response yet fail; idle connections are closed.
    void close() noexcept;
    void abort_requests() noexcept;
    void write_usual_fields();

    std::uint32_t references = 0;
    bool closed = false;
    HomeLoop home;
    ClientTimeout timeout;
    bool raise_for_status;
    std::size_t read_bufsize;
    proto::ParserLimits limits;
    std::shared_ptr<asyncio::detail::TlsProvider> tls;  // For https; null: made when it is first needed.
    Headers headers;                                    // Sent with each request, the defaults included.
    /// These as they are sent; empty if one of them is for the request to say (Host, Content-Type), or about
    /// the connection.
    std::string usual_fields;
    /// The URL that was asked for last, and the text that it was made of: programs that poll ask for it
    /// again.
    std::string last_text;
    Url last_url;
    Connector connector;
    IntrusiveList<Exchange, &Exchange::in_flight> in_flight;
};

}}}}  // namespace asyncio::v1::http::detail
