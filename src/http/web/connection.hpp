// One connection of a server. Private to src/http/web.
#pragma once
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>

#include "asyncio/base/intrusive.hpp"
#include "asyncio/core/coro.hpp"
#include "asyncio/http/web/request.hpp"
#include "asyncio/http/web/response.hpp"
#include "asyncio/net/streams.hpp"
#include "asyncio/proto/errors.hpp"
#include "asyncio/proto/http1.hpp"
#include "asyncio/task/any_task.hpp"
#include "http/web/router.hpp"

namespace asyncio { inline namespace v1 { namespace http::web::detail {

struct SiteState;

/// Reads requests, runs their handlers, writes the responses, one after another: the head of connection.cpp
/// tells how.
class Connection {
  public:
    /// To be made in the task that serves it.
    Connection(SiteState& site, StreamReader reader, StreamWriter writer);
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection();

    /// The whole life of the connection.
    Coro<> serve();

    // ---- what the site asks for -----------------------------------------------------------------
    /// Closes it now, or after the request that it is at.
    void retire() noexcept;
    /// Cancels whatever it is at.
    void abort() noexcept;
    /// Whether it is at a request, or still sends what one was answered.
    bool answers() const noexcept;
    /// A tick has passed.
    void look_at_clock(std::uint64_t now) noexcept;

    // ---- what the handler's objects ask for -----------------------------------------------------
    /// The next bytes of the body, at most `most`; empty at its end. Valid until the next turn of the loop.
    Coro<std::string_view> next_piece(std::size_t most);
    bool body_ended() const noexcept { return parser_.complete(); }
    const proto::RequestParser& parser() const noexcept { return parser_; }
    const StreamWriter& writer() const noexcept { return writer_; }
    const MatchInfo& match() const noexcept { return match_; }
    std::size_t client_max_size() const noexcept;

    void open_stream(const Response& head, std::optional<std::uint64_t> length);
    Coro<> send_stream_head();
    Coro<> write_stream(std::string_view data);
    Coro<> end_stream();

    ListHook hook;  // among the site's connections

  private:
    // idle → head (its first byte) → handling (its last) → idle, or → lingering → closing. Only in `idle`,
    // `head`, `lingering` and `closing` does the connection wait for the client alone; then it has a
    // deadline.
    enum class Phase : std::uint8_t { idle, head, handling, lingering, closing };
    // How the body of a streamed response is framed. none: there is no streamed response. bodiless: to HEAD,
    // 204, 304.
    enum class Stream : std::uint8_t { none, bodiless, sized, chunked, until_close, ended };

    Coro<bool> run_step(Coro<> step);
    /// Also inside another loop: sites may be closed and destroyed there.
    void cancel_task(std::string_view why) noexcept;
    bool take_back_cancel() noexcept;
    Coro<> converse();
    Coro<> refuse(int status, std::string_view text);
    Coro<> finish_stream(bool whole, bool said_so);
    Coro<> discard_rest();
    Coro<> linger();
    Coro<> close();

    std::string_view input() const noexcept { return reader_.buffered().substr(consumed_); }
    void release_input() {
        if (consumed_ != 0) reader_.consume(std::exchange(consumed_, 0));
    }
    proto::Event offer(std::size_t most);
    void enter(Phase phase, std::uint64_t patience) noexcept;
    const Handler* begin_request(Response& response);
    void end_request();
    bool meets_expectation() noexcept;
    void route_missing(Response& response);
    bool explain(const std::exception_ptr& error, Response& response);
    void report(const std::exception_ptr& error) noexcept;
    bool keeps_alive(const Response& response);
    bool body_is_manageable();
    bool compose(const Response& response, bool keep);
    void append_fields(const proto::Headers& headers, bool& has_type, std::string_view& length);
    void append_head(const Response& response, bool keep, Stream framing, std::uint64_t length,
                     std::string_view body);

    SiteState& site_;
    StreamReader reader_;
    StreamWriter writer_;
    AnyTask task_;
    proto::RequestParser parser_;
    Request request_;
    MatchInfo match_;
    std::string out_;
    std::size_t consumed_ = 0;  // bytes of the reader's buffer that were parsed and are still there
    std::uint64_t deadline_ = ~std::uint64_t{0};  // a tick
    std::uint64_t handling_since_ = 0;            // the tick in which the request's head was there
    std::uint64_t stalled_ = 0;                   // ticks since the client has last taken bytes
    std::size_t unsent_ = 0;                      // as seen in the last tick
    std::uint64_t stream_left_ = 0;               // bytes that a sized stream still owes
    std::exception_ptr body_error_;               // why the body cannot be read
    std::exception_ptr failure_;                  // what ends the connection's task
    Phase phase_ = Phase::idle;
    Stream stream_ = Stream::none;
    bool to_head_ = false;           // the request is a HEAD
    bool stream_keeps_ = false;      // the streamed response's head has said so
    bool continue_pending_ = false;  // the client waits for "100 Continue" before it sends the body
    bool reading_ = false;           // a next_piece is going on
    // The cancel under way is this connection's own: time is up, or it is to retire.
    bool own_cancel_ = false;
    bool timed_out_ = false;  // it was, and has arrived
    bool linger_ = false;     // more may come that nobody will read
    bool cut_ = false;        // the client must see that the response is not whole
};

}}}  // namespace asyncio::v1::http::web::detail
