#pragma once

#include <llhttp.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "asyncio/proto/headers.hpp"
#include "asyncio/proto/http1.hpp"

namespace asyncio { inline namespace v1 { namespace proto {

/// The state of one HTTP/1 message being received. How it works: see http1_machine.cpp.
class Http1Machine {
  public:
    enum class Kind : std::uint8_t { request, response };

    Http1Machine(Kind kind, const ParserLimits& limits) noexcept;
    Http1Machine(const Http1Machine&) = delete;
    Http1Machine& operator=(const Http1Machine&) = delete;

    Event parse(std::string_view& in);
    Event feed_eof();

    /// `method` is that of the request being answered; of no use to a request parser.
    void next_message(std::string_view method);
    void reset(std::string_view method) noexcept;

    std::optional<std::uint64_t> content_length() const noexcept;
    bool idle() const noexcept;
    bool complete() const noexcept { return state_ == State::done; }

    // Results, to be read by the parsers' accessors.
    RequestHead request;
    ResponseHead response;
    Headers trailers;
    std::string_view body;
    std::uint64_t body_received = 0;
    Framing framing = Framing::none;
    bool keep_alive = false;
    bool upgrade = false;
    bool continued = false;

  private:
    friend struct Http1Callbacks;

    // start_line -> fields -> sized | until_close | chunk_size | finish;  finish -> done;
    // chunk_size -> chunk_data -> chunk_end -> chunk_size; chunk_size -> trailers -> finish;
    // next_message(): done -> start_line; feed_eof(): start_line -> ended, until_close -> done;
    // an exception: any -> failed; reset(): any -> start_line.
    enum class State : std::uint8_t {
        start_line,   // Nothing, or a part of the first line, has come.
        fields,       // Lines of the head.
        sized,        // `left_` bytes of a body with a Content-Length are missing.
        until_close,  // All that comes is body.
        chunk_size,   // A part of a chunk's first line may be in `line_`.
        chunk_data,   // `left_` bytes of this chunk are missing.
        chunk_end,    // The CRLF behind a chunk's data.
        trailers,     // Lines behind the last chunk.
        finish,       // All has come; `complete` has not been given yet.
        done,         // `complete` has been given.
        ended,        // `closed` has been given.
        failed        // An exception was thrown.
    };

    // What a callback found wrong. It cannot throw through C, so it leaves a mark and makes llhttp stop.
    enum class Fault : std::uint8_t { none, bad_name, blank_before_colon, forbidden_trailer };

    bool strict() const noexcept { return kind_ == Kind::request; }
    Headers& fields() noexcept { return strict() ? request.headers : response.headers; }

    void begin(std::string_view method) noexcept;
    void restart() noexcept;
    Event step(std::string_view& in);

    // Plain messages (http1_plain.cpp). False: it is none, and nothing has changed.
    bool take_plain_message(std::string_view& in);
    const char* take_plain_request(const char* begin, const char* end);
    const char* take_plain_response(const char* begin, const char* end);
    const char* take_plain_fields(const char* begin, const char* at, const char* end, unsigned& seen);
    bool take_plain_length(std::string_view value) noexcept;

    // Head and trailers.
    bool take_start_line(std::string_view& in);
    bool take_field_lines(std::string_view& in, Headers& into);
    bool take_line(std::string& text, std::size_t begin, std::string_view& in, std::size_t limit,
                   const char* what);
    void add_field_line(std::string& text);
    void check_beginning(std::string_view line) const;
    void check_form(std::string_view method, std::string_view target) const;
    void check_absolute_form(std::string_view target) const;
    void read_request_line(std::string_view line);
    void read_status_line(std::string_view line);
    void read_version(std::string_view text);
    void run_fields(Headers& into, std::size_t begin);
    Event finish_head();
    void check_fields();
    void check_request_fields();
    void check_transfer_encoding(std::string_view value);
    void decide_framing();

    // Body.
    bool take_chunk_size(std::string_view& in);
    void read_chunk_size(std::string_view line);
    bool take_chunk_end(std::string_view& in);
    Event take_body(std::string_view& in);

    llhttp_errno_t run(const char* data, std::size_t size) noexcept;
    [[noreturn]] void fail(const std::string& cause, int status = 400) const;
    [[noreturn]] void fail_chunk(const std::string& cause) const;
    [[noreturn]] void fail_too_long(const char* what, std::size_t limit, std::string_view beginning) const;
    [[noreturn]] void fail_as_llhttp(Headers& into, std::size_t begin, llhttp_errno_t error);

    llhttp_t llhttp_;
    ParserLimits limits_;
    Kind kind_;
    State state_ = State::start_line;
    Fault fault_ = Fault::none;
    bool answers_head_ = false;     // The request was a HEAD.
    bool answers_connect_ = false;  // The request was a CONNECT.
    bool last_was_final_ = false;   // The message before said that the connection would be closed.
    bool plain_ = false;            // llhttp was not asked.
    bool head_done_ = false;        // llhttp has called on_headers_complete.
    bool message_done_ = false;     // llhttp has called on_message_complete.
    bool has_length_ = false;       // There is a Content-Length.
    bool has_chunks_ = false;       // There is a Transfer-Encoding: chunked.
    unsigned empty_lines_ = 0;      // Before the first line.
    unsigned interim_ = 0;          // Responses 1xx skipped.

    std::size_t line_begin_ = 0;   // Of the line being received, in the block that receives.
    std::size_t field_begin_ = 0;  // Of the field it belongs to; they differ for a folded line.
    std::size_t start_size_ = 0;   // Of the first line.
    std::size_t field_count_ = 0;  // Header fields and trailers.
    std::size_t trailer_count_ = 0;
    Headers* receiving_ = nullptr;  // Where the callbacks put fields.

    std::uint64_t length_ = 0;    // The Content-Length.
    std::uint64_t left_ = 0;      // Bytes missing of the body or chunk.
    std::uint64_t overhead_ = 0;  // Bytes of chunk framing beyond what its data excuses.
    std::uint32_t llhttp_flags_ = 0;
    std::uint64_t llhttp_length_ = 0;  // What llhttp makes of the length of body or chunk.
    std::string line_;                 // A chunk's size line that came in pieces.
};

}}}  // namespace asyncio::v1::proto
