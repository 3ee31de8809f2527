// A connection of a server: one task from its first byte to its last.
//
// The task reads a head, runs the handler, writes the response, and begins again. Requests that the client
// sends ahead wait in the stream's buffer and in the kernel, so pipelining is bounded by the window of TCP,
// and responses are in order because nothing else is possible. A body is read only as the handler asks for
// it. Of a client that goes away the server learns when it next reads or writes, or by a look at the socket
// with every tick that a handler takes (5); the handler runs to its end.
//
//   1. Whenever the connection waits for the client alone (phases idle, head, lingering, closing) it has a
//      deadline. Time is the site's tick: no timer and no look at the clock for a request. When it is up the
//      task cancels itself, which is what `own_cancel_` says, and the cancel is taken back where it arrives.
//   2. So it has while a handler waits for the body, from piece to piece; and a client that takes nothing of
//      what it is sent for as long is given up, whoever waits for that.
//   3. Nothing is kept of a request when its response has gone, but memory of bounded size.
//   4. A connection that is closed while the client may still be sending is closed in steps: the response,
//      the end of our direction, reading on for `lingering_time`, the close. Else the kernel would answer the
//      client's bytes with a reset, which can overtake the response (RFC 9112 §9.6).
//   5. A client that has closed its end, or reset the connection, while a handler runs for more than a tick
//      and nothing is on its way to it, loses its descriptor at once: a handler that takes an hour must not
//      hold it. The kernel is asked, nothing is read ahead. (Whoever only closes its half and waits for more
//      than a tick is taken for gone, as with aiohttp.)
//   6. A response that was begun and cannot be finished is cut off: without its last chunk, or short of its
//      length.
//
// Why there is no task for each request, as handlers could then be cancelled when the client goes: it is the
// smallest part of the work of a request, but it would be a third of it. The seam for it is `converse`.
#include "http/web/connection.hpp"

#include <charconv>
#include <cstring>

#include "asyncio/base/error.hpp"
#include "asyncio/core/event_loop.hpp"
#include "asyncio/http/web/http_error.hpp"
#include "asyncio/proto/http1_writer.hpp"
#include "asyncio/proto/status.hpp"
#include "detail/at_home.hpp"
#include "http/web/site_state.hpp"
#include "net/quiet.hpp"

namespace asyncio { inline namespace v1 { namespace http::web::detail {

namespace {

using proto::Event;
using proto::Framing;

// A body up to here is copied behind its head, so that one part is sent instead of two.
constexpr std::size_t joined_body_max = 4096;
// So much of an unread body is read and thrown away to keep the connection; more is not worth it.
constexpr std::uint64_t discard_max = 64 * 1024;
constexpr std::size_t kept_output_max = 16 * 1024;
constexpr std::uint64_t never = ~std::uint64_t{0};  // of deadlines

/// Writes into memory that was made large enough.
class Pen {
  public:
    static constexpr std::size_t number_max = 20;
    explicit Pen(char* at) noexcept : at_(at) {}
    Pen& put(std::string_view text) noexcept {
        if (!text.empty()) std::memcpy(at_, text.data(), text.size());
        at_ += text.size();
        return *this;
    }
    Pen& put(std::uint64_t number) noexcept {
        at_ = std::to_chars(at_, at_ + number_max, number).ptr;
        return *this;
    }
    const char* at() const noexcept { return at_; }

  private:
    char* at_;
};

void append_status_line(std::string& out, int status, std::string_view reason) {
    out.append("HTTP/1.1 ").append(std::to_string(status)).append(1, ' ');
    out.append(reason.empty() ? proto::reason(status) : reason).append("\r\n");
}

std::string short_stream(std::uint64_t missing) {
    return "the response ends " + std::to_string(missing) + " bytes before its content_length";
}

}  // namespace

Connection::Connection(SiteState& site, StreamReader reader, StreamWriter writer)
    : site_(site),
      reader_(std::move(reader)),
      writer_(std::move(writer)),
      task_(current_task()),
      request_(*this) {
    site_.joined(*this);
    enter(Phase::idle, site_.patience.client);
}

Connection::~Connection() {
    if (!writer_.is_closing()) writer_.abort();
    site_.left(*this);
}

// ---- its life -----------------------------------------------------------------------------------

Coro<> Connection::serve() {
    bool well = co_await run_step(converse());
    if (!well && timed_out_ && phase_ == Phase::head && !site_.closing) {
        well = co_await run_step(refuse(408, "the head of the request did not come in time"));
    }
    if (well && linger_ && !cut_) well = co_await run_step(linger());
    if (well) well = co_await run_step(close());
    if (!well) writer_.abort();
    if (failure_ == nullptr) co_return;
    if (is_cancelled(failure_)) std::rethrow_exception(failure_);
    report(failure_);
}

/// Runs a part of the connection's life; false: it has ended before its end, by an error that is in
/// `failure_` if anybody should know of it.
Coro<bool> Connection::run_step(Coro<> step) {
    try {
        co_await std::move(step);
        co_return true;
    } catch (const OSError&) {
        // The client is gone.
    } catch (...) {
        failure_ = std::current_exception();
    }
    if (is_cancelled(failure_) && take_back_cancel()) failure_ = nullptr;
    co_return false;
}

/// Of a CancelledError that has arrived: whether it was this connection's own, and nobody else wants the task
/// to end.
bool Connection::take_back_cancel() noexcept {
    if (!own_cancel_) return false;
    own_cancel_ = false;
    timed_out_ = task_.uncancel() == 0;
    return timed_out_;
}

Coro<> Connection::converse() {
    bool keep = true;
    while (keep) {
        // The head.
        std::optional<proto::RemoteProtocolError> fault;
        Event event = Event::need_data;
        try {
            if (!input().empty()) event = offer(std::string_view::npos);
            while (event == Event::need_data) {
                if (phase_ == Phase::idle && !parser_.idle()) enter(Phase::head, site_.patience.client);
                release_input();
                const bool more = co_await reader_.read_more();
                event = more ? offer(std::string_view::npos) : parser_.feed_eof();
            }
        } catch (const proto::RemoteProtocolError& error) {
            fault = error;
        }
        if (fault) {
            co_await refuse(fault->status(), fault->what());
            co_return;
        }
        if (event == Event::closed) co_return;
        Response response;
        const Handler* const handler = begin_request(response);
        std::exception_ptr error;
        if (handler != nullptr) {
            try {
                response = co_await (*handler)(request_);
            } catch (...) {
                error = std::current_exception();
            }
        }
        const bool answer = error == nullptr || explain(error, response);

        // The response.
        if (stream_ != Stream::none) {
            co_await finish_stream(error == nullptr, response.streamed());
            keep = stream_keeps_ && body_is_manageable() && !cut_;
            stream_ = Stream::none;
        } else if (answer) {
            keep = keeps_alive(response);
            const bool body_follows = compose(response, keep);
            if (body_follows) {
                co_await writer_.send(out_, response.body());
            } else {
                co_await writer_.send(out_);
            }
        } else {
            cut_ = true;
        }
        if (cut_) writer_.abort();
        if (!keep || cut_) {
            linger_ = linger_ || !parser_.complete();
            co_return;
        }
        if (!parser_.complete()) [[unlikely]] {
            co_await discard_rest();
            if (!parser_.complete()) co_return;
        }
        end_request();
    }
}

/// A head has come. Gives the handler, or none and the response.
const Handler* Connection::begin_request(Response& response) {
    phase_ = Phase::handling;
    handling_since_ = site_.ticks;
    deadline_ = never;
    continue_pending_ = false;
    body_error_ = nullptr;
    request_.begin(parser_.head());
    to_head_ = request_.method() == "HEAD";
    if (parser_.framing() == Framing::none) {
        std::string_view nothing;
        const Event event = parser_.parse(nothing);
        ASYNCIO_ASSERT(event == Event::complete);
    } else if (!meets_expectation()) {
        response = Response("417: the only expectation that is known here is 100-continue", {.status = 417});
        return nullptr;
    }
    // RFC 9110 §7.4: 'a request for an "https" resource MUST be rejected unless it has been received over a
    // connection that has been secured'.
    if (!site_.secure && proto::equals_ignore_case(request_.target_.scheme, "https")) {
        response = Response("421: this connection is not secured", {.status = 421});
        return nullptr;
    }
    const Handler* const handler = site_.router->find(request_.method(), request_.raw_path(), match_);
    if (handler == nullptr) route_missing(response);
    return handler;
}

/// The request was read and answered. Gives back what was large of it.
void Connection::end_request() {
    request_.end();
    if (out_.capacity() > kept_output_max) std::string().swap(out_);
    parser_.next_message();
    enter(Phase::idle, site_.patience.keepalive);
}

/// Answers what is no request, and ends the conversation.
Coro<> Connection::refuse(int status, std::string_view text) {
    Response response(std::to_string(status) + ": " + std::string(text), {.status = status});
    phase_ = Phase::lingering;
    linger_ = true;
    to_head_ = false;
    const bool body_follows = compose(response, false);
    if (body_follows) {
        co_await writer_.send(out_, response.body());
    } else {
        co_await writer_.send(out_);
    }
}

/// Reads the rest of a body that no handler wanted.
Coro<> Connection::discard_rest() {
    enter(Phase::lingering, site_.patience.lingering);
    linger_ = true;
    try {
        while (!parser_.complete()) co_await next_piece(std::string_view::npos);
        linger_ = false;
    } catch (const proto::RemoteProtocolError&) {
        // Nothing can be said any more, its request was answered.
    }
}

Coro<> Connection::linger() {
    if (!writer_.can_write_eof()) co_return;  // TLS: close() itself drops what still comes
    writer_.write_eof();
    enter(Phase::lingering, site_.patience.lingering);
    for (;;) {
        consumed_ = 0;
        reader_.consume(reader_.buffered().size());
        const bool more = co_await reader_.read_more();
        if (!more) co_return;
    }
}

Coro<> Connection::close() {
    enter(Phase::closing, site_.patience.client);
    writer_.close();
    co_await writer_.wait_closed();
}

// ---- time ---------------------------------------------------------------------------------------

void Connection::enter(Phase phase, std::uint64_t patience) noexcept {
    site_.keep_ticking();
    phase_ = phase;
    deadline_ = site_.tick_after(patience);
}

void Connection::look_at_clock(std::uint64_t now) noexcept {
    if (now >= deadline_ && !own_cancel_) {
        own_cancel_ = true;
        cancel_task("the client took too long");
        return;
    }
    const std::size_t unsent = writer_.get_write_buffer_size();
    stalled_ = unsent != 0 && unsent == unsent_ ? stalled_ + 1 : 0;
    unsent_ = unsent;
    if (stalled_ > site_.patience.client) writer_.abort();  // who waits for it is told
    // A read that is going on learns of the end itself; so does a write.
    const bool handler_takes_its_time = phase_ == Phase::handling && now > handling_since_ + 1;
    if (handler_takes_its_time && unsent == 0 && !reading_ && writer_.fileno() >= 0 &&
        asyncio::detail::peer_has_gone(writer_.fileno())) {
        writer_.abort();
    }
}

bool Connection::answers() const noexcept { return phase_ != Phase::idle && phase_ != Phase::head; }

void Connection::retire() noexcept {
    if ((phase_ != Phase::idle && phase_ != Phase::head) || own_cancel_) return;
    own_cancel_ = true;
    cancel_task("the server is closing");
}

void Connection::abort() noexcept { cancel_task("the server was stopped"); }

void Connection::cancel_task(std::string_view why) noexcept {
    const asyncio::detail::AtHome at_home(task_.record());
    task_.cancel(why);
}

// ---- the request --------------------------------------------------------------------------------

/// Lets the parser have what is buffered, at most so many bytes of it.
Event Connection::offer(std::size_t most) {
    std::string_view in = input().substr(0, most);
    const std::size_t before = in.size();
    const Event event = parser_.parse(in);
    consumed_ += before - in.size();
    return event;
}

/// Looks at Expect. RFC 9110 §10.1.1: an expectation that comes with HTTP/1.0 or without a body is ignored.
bool Connection::meets_expectation() noexcept {
    if (request_.version() == proto::HttpVersion::http_1_0) return true;
    const auto expect = request_.headers().get("Expect");
    if (!expect) return true;
    continue_pending_ = proto::equals_ignore_case(*expect, "100-continue");
    return continue_pending_;
}

std::size_t Connection::client_max_size() const noexcept { return site_.router->options().client_max_size; }

Coro<std::string_view> Connection::next_piece(std::size_t most) {
    if (reading_) throw RuntimeError("two tasks read the body of one request");
    struct Guard {
        bool& flag;
        explicit Guard(bool& f) noexcept : flag(f) { flag = true; }
        ~Guard() { flag = false; }
    } const guard(reading_);
    while (!parser_.complete()) {
        if (body_error_ != nullptr) std::rethrow_exception(body_error_);
        Event event = Event::need_data;
        try {
            event = offer(most);
            if (event == Event::need_data && input().empty()) {
                release_input();
                if (continue_pending_ && stream_ == Stream::none) {
                    continue_pending_ = false;
                    co_await writer_.send("HTTP/1.1 100 Continue\r\n\r\n");
                }
                if (phase_ == Phase::handling) deadline_ = site_.tick_after(site_.patience.client);
                const bool more = co_await reader_.read_more();
                if (!more) parser_.feed_eof();
            }
        } catch (const proto::RemoteProtocolError&) {
            body_error_ = std::current_exception();
        } catch (const CancelledError&) {
            if (phase_ != Phase::handling || !take_back_cancel()) throw;
            body_error_ =
                std::make_exception_ptr(HTTPError(408, "408: the body of the request did not come in time"));
        }
        if (phase_ == Phase::handling) deadline_ = never;
        if (event == Event::body) {
            continue_pending_ = false;
            co_return parser_.body();
        }
    }
    co_return std::string_view();
}

void Connection::route_missing(Response& response) {
    const std::string allowed = site_.router->allowed(request_.raw_path());
    if (allowed.empty()) {
        response = Response("404: Not Found", {.status = 404});
        return;
    }
    response = Response("405: Method Not Allowed", {.status = 405});
    response.headers().set("Allow", allowed);
}

// ---- what went wrong ----------------------------------------------------------------------------

/// The response to what a handler has thrown; false: there is none that could be sent. A cancel passes.
bool Connection::explain(const std::exception_ptr& error, Response& response) {
    if (is_cancelled(error)) std::rethrow_exception(error);
    const bool begun = stream_ != Stream::none;
    if (const auto* thrown = exception_cast<HTTPError>(error); thrown != nullptr && !begun) {
        response = Response(std::string(thrown->text()), {.status = thrown->status()});
        return true;
    }
    if (body_error_ != nullptr) {
        if (const auto* fault = exception_cast<proto::RemoteProtocolError>(error); fault != nullptr) {
            if (begun) return false;
            response =
                Response(std::to_string(fault->status()) + ": " + fault->what(), {.status = fault->status()});
            return true;
        }
    }
    if (exception_cast<OSError>(error) != nullptr && writer_.is_closing())
        return false;  // the client is gone
    report(error);
    if (!begun) {
        response = Response("500 Internal Server Error\n\nServer got itself in trouble", {.status = 500});
    }
    return !begun;
}

void Connection::report(const std::exception_ptr& error) noexcept {
    try {
        ExceptionContext context;
        context.message = "Error handling request";
        if (request_.begun()) {
            context.message.append(1, ' ').append(request_.method());
            context.message.append(1, ' ').append(request_.raw_path());
        }
        context.exception = error;
        context.task_name = task_.name();
        get_running_loop().call_exception_handler(context);
    } catch (...) {
        // No memory even for the report: the response still says 500.
    }
}

// ---- the response -------------------------------------------------------------------------------

/// Whether the connection can go on after this request's body: it was read, or the rest of it is short.
bool Connection::body_is_manageable() {
    if (parser_.complete()) return true;
    if (body_error_ != nullptr || continue_pending_) return false;
    // What has come already costs nothing.
    try {
        for (Event event = offer(std::string_view::npos); event == Event::body;)
            event = offer(std::string_view::npos);
    } catch (const proto::RemoteProtocolError&) {
        body_error_ = std::current_exception();
        return false;
    }
    if (parser_.complete()) return true;
    const auto length = parser_.content_length();
    return length && *length - parser_.body_received() <= discard_max;
}

bool Connection::keeps_alive(const Response& response) {
    if (!parser_.keep_alive() || site_.closing || request_.method() == "CONNECT") {
        body_is_manageable();  // so that closing need not linger
        return false;
    }
    if (!response.is_plain()) {
        if (const auto connection = response.headers().get("Connection")) {
            if (proto::list_contains(*connection, "close")) return false;
        }
    }
    return parser_.complete() || body_is_manageable();
}

/// Fills `out_`. True: the body is to be sent behind it; false: it lies in there, or none may be sent.
bool Connection::compose(const Response& response, bool keep) {
    const bool bodiless = proto::has_no_body(response.status());
    const std::string_view body = bodiless || to_head_ ? std::string_view() : response.body();
    const bool joined = body.size() <= joined_body_max;
    append_head(response, keep, bodiless ? Stream::bodiless : Stream::sized, response.body().size(),
                joined ? body : std::string_view());
    return !joined;
}

/// Fills `out_` with a head, and a body that goes with it. The fields of `headers()` are valid as they are:
/// proto::Headers lets in no others.
void Connection::append_head(const Response& response, bool keep, Stream framing, std::uint64_t length,
                             std::string_view body) {
    bool has_type = response.status() == 204 || response.status() == 304;
    std::string_view own_length;
    if (response.is_plain()) {
        out_.assign(site_.usual_head);
    } else {
        out_.clear();
        append_status_line(out_, response.status(), response.reason());
        append_fields(response.headers(), has_type, own_length);
    }
    // A handler may say how long the body would be that it does not make for a HEAD.
    if (!to_head_ || length != 0) own_length = {};
    const std::string_view type = has_type ? std::string_view() : response.content_type();

    // The rest in one go: growing a string word by word would be a third of all that a response costs here.
    constexpr std::size_t names_and_numbers_max = 100;
    const std::size_t begun = out_.size();
    out_.resize(begun + names_and_numbers_max + type.size() + own_length.size() + body.size());
    Pen pen(out_.data() + begun);
    if (!type.empty()) pen.put("Content-Type: ").put(type).put("\r\n");
    if (framing == Stream::sized) {
        pen.put("Content-Length: ");
        if (own_length.empty()) {
            pen.put(length);
        } else {
            pen.put(own_length);
        }
        pen.put("\r\n");
    } else if (framing == Stream::chunked) {
        pen.put("Transfer-Encoding: chunked\r\n");
    }
    if (!keep) {
        pen.put("Connection: close\r\n");
    } else if (parser_.head().version == proto::HttpVersion::http_1_0) {
        pen.put("Connection: keep-alive\r\n");
    }
    pen.put("\r\n").put(body);
    out_.resize(static_cast<std::size_t>(pen.at() - out_.data()));
}

/// The fields of a response that are not ours to say, and Date and Server if they are not among them.
void Connection::append_fields(const proto::Headers& headers, bool& has_type, std::string_view& length) {
    bool has_common = false;
    for (const proto::HeaderView field : headers) {
        if (proto::equals_ignore_case(field.name, "Connection") ||
            proto::equals_ignore_case(field.name, "Transfer-Encoding")) {
            continue;
        }
        if (proto::equals_ignore_case(field.name, "Content-Length")) {
            length = field.value;
            continue;
        }
        has_type = has_type || proto::equals_ignore_case(field.name, "Content-Type");
        has_common = has_common || proto::equals_ignore_case(field.name, "Date") ||
                     proto::equals_ignore_case(field.name, "Server");
        out_.append(field.name).append(": ").append(field.value).append("\r\n");
    }
    if (!has_common) out_.append(std::string_view(site_.usual_head).substr(SiteState::usual_status.size()));
}

// ---- the streamed response ----------------------------------------------------------------------

/// Everything about the head of a streamed response that can fail; then nothing has changed.
void Connection::open_stream(const Response& head, std::optional<std::uint64_t> length) {
    if (stream_ != Stream::none) throw RuntimeError("this request has been answered already");
    bool keep =
        parser_.keep_alive() && !site_.closing && !continue_pending_ && request_.method() != "CONNECT";
    if (const auto connection = head.headers().get("Connection")) {
        keep = keep && !proto::list_contains(*connection, "close");
    }
    Stream framing = Stream::chunked;
    if (length) {
        framing = Stream::sized;
    } else if (request_.version() == proto::HttpVersion::http_1_0) {
        framing = Stream::until_close;
        keep = false;
    }
    if (proto::has_no_body(head.status())) framing = Stream::bodiless;
    append_head(head, keep, framing, length.value_or(0), {});
    stream_left_ = length.value_or(0);
    stream_ = to_head_ ? Stream::bodiless : framing;
    stream_keeps_ = keep;
}

Coro<> Connection::send_stream_head() { co_await writer_.send(out_); }

Coro<> Connection::write_stream(std::string_view data) {
    if (stream_ == Stream::ended) throw RuntimeError("the response was ended already");
    if (data.empty() || stream_ == Stream::bodiless) co_return;
    if (stream_ == Stream::sized) {
        if (data.size() > stream_left_)
            throw RuntimeError("more was written than the response's content_length");
        stream_left_ -= data.size();
    }
    if (stream_ == Stream::chunked) {
        std::string& out = out_;
        out.clear();
        proto::write_chunk_begin(out, data.size());
        co_await writer_.send(out, data, proto::chunk_end);
    } else {
        co_await writer_.send(data);
    }
}

Coro<> Connection::end_stream() {
    if (stream_ == Stream::ended) co_return;
    if (stream_ == Stream::sized && stream_left_ != 0) {
        throw RuntimeError(short_stream(stream_left_));
    }
    const bool chunked = stream_ == Stream::chunked;
    stream_ = Stream::ended;
    if (chunked) co_await writer_.send("0\r\n\r\n");
}

/// After the handler: ends the body, or cuts it off. `whole`: it has not failed; `said_so`: it has returned
/// what `finish` gave it.
Coro<> Connection::finish_stream(bool whole, bool said_so) {
    std::string fault;
    if (whole && !said_so)
        fault = "the handler has begun a StreamResponse: it must co_return response.finish()";
    if (whole && stream_ == Stream::sized && stream_left_ != 0) fault = short_stream(stream_left_);
    if (!fault.empty()) report(std::make_exception_ptr(RuntimeError(fault)));
    if (whole && fault.empty()) {
        co_await end_stream();
    } else if (stream_ != Stream::ended) {
        cut_ = true;
    }
}

}}}  // namespace asyncio::v1::http::web::detail
