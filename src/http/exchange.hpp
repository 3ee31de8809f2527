// Exchange: one request and its response, from the call to the body's last byte.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "asyncio/base/intrusive.hpp"
#include "asyncio/core/event_loop.hpp"
#include "asyncio/http/client_session.hpp"
#include "asyncio/net/tls.hpp"
#include "asyncio/proto/http1.hpp"
#include "asyncio/task/timeout.hpp"
#include "http/connector.hpp"

namespace asyncio { inline namespace v1 { namespace http { namespace detail {

/// What an exchange is doing; says which limits hold, and what a failure is called.
enum class Phase : std::uint8_t {
    idle,
    waiting_for_connection,
    connecting,
    waiting_for_response,
    reading_body
};

/// See exchange.cpp.
struct Exchange {
    explicit Exchange(SessionRef of) noexcept : session(std::move(of)) {}
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;
    ~Exchange();
    static void* operator new(std::size_t bytes) { return asyncio::detail::take_block(bytes); }
    static void operator delete(void* block, std::size_t bytes) noexcept {
        asyncio::detail::give_block(block, bytes);
    }

    // ---- an operation: the request, or a read of the body ---------------------------------------
    /// Sets the clock. Throws RuntimeError if another task's operation is under way.
    void begin(Phase phase);
    void enter(Phase phase);
    /// Ends the operation. If it failed, closes the connection and throws what the user is to see.
    void end(std::exception_ptr error);
    /// The session is being closed while the request is under way.
    void abort_request() noexcept;
    /// To be called between the steps of a request: it ends with its session, even if its own task had its
    /// turn before the news.
    /// Throws  SessionClosedError  the session was closed
    void require_session() const;

    // ---- input ----------------------------------------------------------------------------------
    /// Waits for input and parses it.
    Coro<> receive();
    /// Whether body has come that nobody has taken, or there is no more.
    bool has_body_or_end() const noexcept { return !body.empty() || body_complete || body_error != nullptr; }

    // ---- connection -----------------------------------------------------------------------------
    void close_connection() noexcept;
    void release_connection() noexcept;

    /// What errors are about: "GET http://h/x", without user name and password.
    std::string subject() const;
    /// Remembers the subject: URL and method are about to be moved into the response.
    void keep_subject();

    std::uint32_t references = 0;
    Phase phase = Phase::idle;
    bool raise_for_status = false;
    bool idempotent = false;  // May be sent once more when a kept connection dies unanswered.
    bool may_keep = true;     // The request did not ask for the connection to be closed.
    bool answered = false;    // A byte has come in return.
    bool head_complete = false;
    bool body_complete = false;  // Its last byte is in `body`, or was.
    bool body_kept = false;      // read() has been called: `body` is the whole of it and stays.
    bool body_touched = false;   // A part was handed out through content().
    bool session_gone = false;   // Closed under the request.
    bool has_announced_length = false;
    bool subject_kept = false;  // `wire` is the subject.

    SessionRef session;
    Url url;                     // Until there is a response,
    std::string method;          // which takes them over.
    std::string wire;            // Head and body of the request, as they are sent. Then: its subject.
    std::exception_ptr refusal;  // Why this cannot be asked for: thrown by the await.
    ClientTimeout timeout;

    // Limits. The scope exists while an operation is under way.
    TimePoint total_at = TimePoint::max();
    TimePoint connect_at = TimePoint::max();
    std::optional<Timeout> limit;
    const char* limit_name = "";  // Of ClientTimeout's member that `limit` stands for.
    Duration limit_value = Duration::none();

    std::shared_ptr<asyncio::detail::TlsProvider> tls;  // of https
    Slot slot;
    std::unique_ptr<Connection> connection;
    ListHook in_flight;  // In the session's list until there is a response.

    proto::ResponseHead head;
    std::uint64_t announced_length = 0;
    std::string body;               // What has come and was not handed out.
    std::exception_ptr body_error;  // What comes after `body`.

  private:
    void parse_input();
    void parse_end(bool cut_off);
    void arm();
    [[noreturn]] void fail(const std::exception_ptr& error);
    std::exception_ptr timeout_error() const;
};

/// "GET http://h/x", without user name and password, appended.
void append_subject(std::string& out, std::string_view method, const Url& url);

/// The rules that an option stands for.
/// Throws  RuntimeError  there is no TLS in this library
std::shared_ptr<asyncio::detail::TlsProvider> context_of(const SslOption& ssl);

/// Writes the request into `exchange.wire`, or what is wrong with it into `refusal`.
void prepare(Exchange& exchange, std::string_view method, const UrlArgument& url, const RequestBody& body,
             const RequestOptions& options);

/// Sends the request and waits for the head of the response.
Coro<ClientResponse> perform(ExchangeRef exchange);

}}}}  // namespace asyncio::v1::http::detail
