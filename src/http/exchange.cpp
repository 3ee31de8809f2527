// One request and its response.
//
// The request (client_request.cpp) and each read of the body (client_response.cpp) are operations: a
// coroutine calls begin(), works in a try block, and calls end() with what was thrown. Between the two a
// Timeout scope stands, set to whichever limit of ClientTimeout comes first in the present phase; end()
// leaves it, gives the failure its name and its text, and closes the connection.
//
//   1. The connection belongs to the exchange until the body's last byte has been parsed; then it goes back
//      to the connector at once, whether or not the user has taken the body.
//   2. Failure of any kind, cancellation included, closes the connection: what the server would still send
//      must not be met by the next request.
//   3. One read of the socket is parsed completely, the beginning of the body with the head. So a small
//      response frees its connection before its user sees it, and no more of the body than such a read has
//      brought is in memory which nobody has asked for.
//   4. An error in the body is kept in `body_error` and thrown when all that came before it has been handed
//      out: a response whose head is good can be looked at.
//   5. No name is given to a failure before end(): below it, errors are those of streams and parser.
#include "http/exchange.hpp"

#include <algorithm>
#include <utility>

#include "asyncio/base/assert.hpp"
#include "asyncio/http/errors.hpp"
#include "asyncio/proto/errors.hpp"
#include "http/session_state.hpp"

namespace asyncio { inline namespace v1 { namespace http { namespace detail {

namespace {

/// A request that was longer gives its memory back when it has been answered.
constexpr std::size_t kept_wire_max = 2048;

}  // namespace

// ---- references ---------------------------------------------------------------------------------

ExchangeRef::ExchangeRef(Exchange* exchange) noexcept : exchange_(exchange) { ++exchange_->references; }
ExchangeRef::ExchangeRef(const ExchangeRef& other) noexcept : exchange_(other.exchange_) {
    if (exchange_ != nullptr) ++exchange_->references;
}
ExchangeRef::~ExchangeRef() {
    if (exchange_ != nullptr && --exchange_->references == 0) delete exchange_;
}

Exchange::~Exchange() {
    in_flight.unlink_if_linked();
    close_connection();
}

// ---- operations ---------------------------------------------------------------------------------

void Exchange::begin(Phase first) {
    session->home.settle();
    if (const char* const refusal = session->home.refusal()) throw RuntimeError(subject() + ": " + refusal);
    if (limit) {
        throw RuntimeError(subject() + ": another task is reading this response already");
    }
    phase = first;
    limit.emplace(TimePoint::max());
    limit->aenter();
    try {
        arm();
    } catch (...) {
        limit.reset();
        throw;
    }
}

void Exchange::enter(Phase next) {
    require_session();
    phase = next;
    arm();
}

void Exchange::require_session() const {
    if (session->closed) throw SessionClosedError(subject() + ": session closed");
}

/// Sets the scope to the limit that comes first.
void Exchange::arm() {
    if (session_gone) return;  // the scope's time is up, and must stay so until its alarm has had its turn
    TimePoint when = total_at;
    limit_name = "total";
    limit_value = timeout.total;
    const auto consider = [&](TimePoint at, const char* name, Duration value) {
        if (at >= when) return;
        when = at;
        limit_name = name;
        limit_value = value;
    };
    const auto from_now = [](Duration delay) {
        return delay.is_infinite() ? TimePoint::max() : get_running_loop().time() + delay;
    };
    switch (phase) {
        case Phase::idle: break;
        case Phase::waiting_for_connection: consider(connect_at, "connect", timeout.connect); break;
        case Phase::connecting:
            consider(connect_at, "connect", timeout.connect);
            consider(from_now(timeout.sock_connect), "sock_connect", timeout.sock_connect);
            break;
        case Phase::waiting_for_response:
        case Phase::reading_body:
            consider(from_now(timeout.sock_read), "sock_read", timeout.sock_read);
            break;
    }
    // A scope that has expired keeps its deadline: its cancel is on the way, or was overtaken by what it
    // waited for.
    if (when == limit->when() || limit->expired()) return;
    limit->reschedule(when);
}

void Exchange::end(std::exception_ptr error) {
    bool timed_out = false;
    try {
        limit->aexit(error);
    } catch (const TimeoutError&) {
        timed_out = true;
    } catch (...) {
        error = std::current_exception();
    }
    limit.reset();
    if (error == nullptr) {
        phase = Phase::idle;
        return;
    }
    // Before anything is made that needs memory: nothing may stay open, or taken, if there is none.
    close_connection();
    if (timed_out) error = timeout_error();
    fail(error);
}

void Exchange::abort_request() noexcept {
    session_gone = true;
    if (!limit || limit->expired()) return;
    try {
        limit->reschedule(TimePoint(std::chrono::nanoseconds(0)));
    } catch (const std::bad_alloc&) {
        // Whoever waits for the response learns it from the connection; the others when that wait has ended.
        if (connection != nullptr) connection->writer.abort();
    }
}

// ---- input --------------------------------------------------------------------------------------

Coro<> Exchange::receive() {
    if (connection == nullptr) throw ResponseClosedError(subject() + ": the response is closed");
    if (timeout.sock_read.has_value()) arm();
    bool more = false;
    bool cut_off = false;
    try {
        more = co_await connection->reader.read_more();
    } catch (const SslEofError&) {
        cut_off = true;
    }
    if (connection == nullptr)
        throw ResponseClosedError(subject() + ": the response was closed while it was read");
    if (more) {
        answered = true;
        parse_input();
    } else {
        parse_end(cut_off);
    }
}

void Exchange::parse_input() {
    proto::ResponseParser& parser = connection->parser;
    std::string_view input = connection->reader.buffered();
    const std::size_t size = input.size();
    try {
        for (bool more = true; more;) {
            switch (parser.parse(input)) {
                case proto::Event::need_data: more = false; break;
                case proto::Event::head:
                    head = parser.take_head();
                    has_announced_length = parser.content_length().has_value();
                    announced_length = parser.content_length().value_or(0);
                    head_complete = true;
                    break;
                case proto::Event::body: body.append(parser.body()); break;
                case proto::Event::complete:
                    body_complete = true;
                    more = false;
                    break;
                case proto::Event::closed: ASYNCIO_ASSERT(false, "parse() never gives `closed`");
            }
        }
    } catch (const proto::RemoteProtocolError&) {
        if (!head_complete) throw;
        body_error = std::current_exception();
        return close_connection();
    }
    connection->reader.consume(size - input.size());
    if (body_complete) release_connection();
}

/// `cut_off`: the connection has ended without TLS's goodbye (RFC 9112 §9.8).
void Exchange::parse_end(bool cut_off) {
    proto::ResponseParser& parser = connection->parser;
    const bool silent = parser.idle();
    try {
        parser.feed_eof();
    } catch (const proto::RemoteProtocolError& e) {
        if (!head_complete) throw ServerDisconnectedError(subject() + ": " + e.what());
        body_error = std::current_exception();
        return close_connection();
    }
    if (silent || !head_complete) {
        throw ServerDisconnectedError(subject() + ": the server closed the connection without an answer");
    }
    if (cut_off) {
        // It had no length: nobody can tell whether this is all.
        body_error = std::make_exception_ptr(ClientPayloadError(
            subject() + ": the connection ended without TLS's closing message: the body may be cut off"));
    } else {
        body_complete = true;
    }
    close_connection();
}

// ---- connection ---------------------------------------------------------------------------------

void Exchange::close_connection() noexcept {
    connection.reset();
    slot.give_back();
}

/// The response is complete: the connection is kept if both sides want it, and nothing else has come.
void Exchange::release_connection() noexcept {
    const proto::ResponseParser& parser = connection->parser;
    const StreamWriter& writer = connection->writer;
    const bool keep = may_keep && !session->closed && parser.keep_alive() && !parser.upgrade() &&
                      connection->reader.buffered().empty() && !writer.is_closing() &&
                      writer.get_write_buffer_size() == 0;
    if (!keep) return close_connection();
    session->connector.give_back(std::move(connection), std::move(slot));
}

// ---- errors -------------------------------------------------------------------------------------

void append_subject(std::string& out, std::string_view method, const Url& url) {
    out.append(method).append(1, ' ');
    if (!url.empty() && url.has_credentials()) {
        out.append(url.without_credentials().str());
    } else {
        out.append(url.str());
    }
}

std::string Exchange::subject() const {
    if (subject_kept) return wire;
    std::string text;
    append_subject(text, method, url);
    return text;
}

void Exchange::keep_subject() {
    // The request has been sent, so its memory serves: as a rule there is room enough in it.
    if (wire.capacity() > kept_wire_max) std::string().swap(wire);
    wire.clear();
    append_subject(wire, method, url);
    subject_kept = true;
}

namespace {

std::string seconds_text(Duration value) {
    const std::int64_t ms = value.count_ns() / 1'000'000;
    if (ms % 1000 == 0) return std::to_string(ms / 1000) + " s";
    return std::to_string(ms) + " ms";
}

const char* what_phase(Phase phase) {
    switch (phase) {
        case Phase::idle: break;
        case Phase::waiting_for_connection: return "while waiting for a free connection";
        case Phase::connecting: return "while connecting";
        case Phase::waiting_for_response: return "while waiting for the response";
        case Phase::reading_body: return "while reading the body";
    }
    return "";
}

}  // namespace

std::exception_ptr Exchange::timeout_error() const {
    if (session_gone) {
        return std::make_exception_ptr(SessionClosedError(subject() + ": session closed"));
    }
    const std::string text = subject() + ": timed out " + what_phase(phase) + " (" + limit_name + " = " +
                             seconds_text(limit_value) + ")";
    const std::string_view name = limit_name;
    if (name == "connect" || name == "sock_connect")
        return std::make_exception_ptr(ConnectionTimeoutError(text));
    if (name == "sock_read") return std::make_exception_ptr(SocketTimeoutError(text));
    return std::make_exception_ptr(ServerTimeoutError(text));
}

/// Throws what the user is to see instead of `error`.
void Exchange::fail(const std::exception_ptr& error) {
    if (is_cancelled(error) || exception_cast<ClientError>(error) != nullptr) std::rethrow_exception(error);
    const std::string about = subject() + ": ";
    if (const auto* cut = exception_cast<proto::ContentLengthError>(error)) {
        throw ClientPayloadError(about + "the server closed the connection after " +
                                 std::to_string(cut->received()) + " of " + std::to_string(cut->expected()) +
                                 " bytes");
    }
    if (const auto* bad = exception_cast<proto::RemoteProtocolError>(error)) {
        if (head_complete) throw ClientPayloadError(about + bad->what());
        throw ClientResponseError(about + bad->what(), bad->status(), bad->what());
    }
    if (const auto* system = exception_cast<OSError>(error)) {
        const bool connecting = phase == Phase::connecting;
        if (exception_cast<gaierror>(error) != nullptr) {
            throw ClientConnectorDNSError(system->code(), about + "name does not resolve: " + system->what(),
                                          url.host(), url.port());
        }
        if (connecting && exception_cast<SslCertVerificationError>(error) != nullptr) {
            throw ClientConnectorCertificateError(system->code(), about + system->what(), url.host(),
                                                  url.port());
        }
        if (connecting && exception_cast<SslError>(error) != nullptr) {
            throw ClientConnectorSSLError(system->code(), about + system->what(), url.host(), url.port());
        }
        if (connecting) {
            throw ClientConnectorError(system->code(), about + system->what(), url.host(), url.port());
        }
        throw ClientOSError(system->code(), about + system->what());
    }
    std::rethrow_exception(error);
}

}}}}  // namespace asyncio::v1::http::detail
