// HTTP/1 messages, received: a line guard in front of llhttp.
//
// llhttp decides what a message means: grammar of the head, the flags of Connection, lengths, chunk sizes,
// where the message ends. The guard decides what llhttp gets to see. It exists because llhttp forgives things
// that this library must not (bare LF, white space in odd places, by build option and by version), because it
// has no limits on sizes, and because llhttp calls back with fragments wherever a segment happened to end.
// The guard
//
//   1. collects whole lines of head and trailers, straight into the block of the Headers that they will
//      become, so whether the bytes came at once or one by one makes no difference to anything behind it;
//   2. checks each line's end and size, and the grammar of the first line;
//   3. hands llhttp canonical input: lines that end with CRLF, folded lines joined, a chunk's size without
//      extensions. What llhttp 8.1 (in its loose build) and 9.2 treat differently never reaches it;
//   4. after the head, checks the rules between fields (RFC 9112 §6.3 and what smuggling has taught), derives
//      the framing, and refuses the message if llhttp has come to another result;
//   5. cuts the body into pieces that end where llhttp expects a line again.
//
// Messages in which there is nothing to decide do not come here: http1_plain.cpp.
//
// Callbacks run inside C code, so they are noexcept, throw nothing and allocate nothing: the room for the
// fields has been made before llhttp is run. A fault that they find is kept in `fault_` and thrown after
// llhttp has returned.
//
// Not done: feeding llhttp every byte as it comes. It saves the guard's copy of the head, but spans then
// arrive in pieces, each rule has to cope with that, and a folded line cannot be undone.

#include "proto/http1_machine.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "asyncio/base/assert.hpp"
#include "asyncio/proto/errors.hpp"
#include "asyncio/proto/status.hpp"
#include "asyncio/proto/url.hpp"
#include "proto/characters.hpp"
#include "proto/field_names.hpp"
#include "proto/headers_access.hpp"

namespace asyncio { inline namespace v1 { namespace proto {

namespace {

using Access = detail::HeadersAccess;

// RFC 9112 §2.2: "a server [...] SHOULD ignore at least one empty line (CRLF) received prior to the
// request-line".
constexpr unsigned empty_lines_max = 8;
constexpr unsigned interim_max = 32;
// Chunk framing (extensions, above all) may exceed 16 bytes and twice the data of its chunk by this much in
// all.
constexpr std::uint64_t overhead_max_bytes = 16 * 1024;
constexpr std::size_t chunk_digits_max = 16;
constexpr std::string_view crlf = "\r\n";

bool is_blank(char c) noexcept { return c == ' ' || c == '\t'; }

std::string in_field(std::string_view name) { return "header '" + std::string(name) + "'"; }

}  // namespace

/// What llhttp calls. Every function only notes what it is told.
struct Http1Callbacks {
    static Http1Machine& machine(llhttp_t* p) noexcept { return *static_cast<Http1Machine*>(p->data); }

    static int stop(Http1Machine& m, Http1Machine::Fault fault) noexcept {
        m.fault_ = fault;
        return -1;
    }

    static int on_header_field(llhttp_t* p, const char* at, std::size_t size) noexcept {
        Http1Machine& m = machine(p);
        auto& entries = Access::entries(*m.receiving_);
        const char* block = Access::block(*m.receiving_).data();
        const std::string_view name(at, size);
        const auto begin = static_cast<std::uint32_t>(at - block);
        ASYNCIO_ASSERT(entries.size() < entries.capacity());
        entries.push_back({begin, static_cast<std::uint32_t>(size), begin, 0});
        if (!is_token(name)) return stop(m, Http1Machine::Fault::bad_name);
        // The line is whole, so there is a byte behind the name.
        if (at[size] != ':') return stop(m, Http1Machine::Fault::blank_before_colon);
        // RFC 9110 §6.5.1: not fields that are "necessary for message framing [or] routing".
        constexpr unsigned forbidden = once::content_length | once::transfer_encoding | once::host;
        if (m.state_ == Http1Machine::State::trailers && (singleton(name) & forbidden) != 0) {
            return stop(m, Http1Machine::Fault::forbidden_trailer);
        }
        return 0;
    }

    static int on_header_value(llhttp_t* p, const char* at, std::size_t size) noexcept {
        Http1Machine& m = machine(p);
        auto& entries = Access::entries(*m.receiving_);
        ASYNCIO_ASSERT(!entries.empty());
        const std::string_view value = trimmed({at, size});
        entries.back().value_begin =
            static_cast<std::uint32_t>(value.data() - Access::block(*m.receiving_).data());
        entries.back().value_size = static_cast<std::uint32_t>(value.size());
        return 0;
    }

    static int on_headers_complete(llhttp_t* p) noexcept {
        Http1Machine& m = machine(p);
        m.head_done_ = true;
        m.llhttp_flags_ = p->flags;
        m.llhttp_length_ = p->content_length;
        if (m.strict()) return 0;
        const int status = m.response.status;
        if (status == 101 || (m.answers_connect_ && status / 100 == 2))
            return 2;                                          // No body, another protocol.
        if (m.answers_head_ || has_no_body(status)) return 1;  // No body.
        return 0;
    }

    static int on_chunk_header(llhttp_t* p) noexcept {
        machine(p).llhttp_length_ = p->content_length;
        return 0;
    }

    static int on_message_complete(llhttp_t* p) noexcept {
        machine(p).message_done_ = true;
        return 0;
    }

    static constexpr llhttp_settings_t make_settings() noexcept {
        llhttp_settings_t settings{};
        settings.on_header_field = on_header_field;
        settings.on_header_value = on_header_value;
        settings.on_headers_complete = on_headers_complete;
        settings.on_chunk_header = on_chunk_header;
        settings.on_message_complete = on_message_complete;
        return settings;
    }
};

namespace {
constexpr llhttp_settings_t settings = Http1Callbacks::make_settings();
}

Http1Machine::Http1Machine(Kind kind, const ParserLimits& limits) noexcept : limits_(limits), kind_(kind) {
    // Positions in a block are 32 bits wide; no sensible limit comes near.
    limits_.max_line_size = std::min<std::size_t>(limits.max_line_size, 1 << 20);
    limits_.max_field_size = std::min<std::size_t>(limits.max_field_size, 1 << 20);
    limits_.max_headers = std::min<std::size_t>(limits.max_headers, 2048);
    begin("GET");
}

void Http1Machine::reset(std::string_view method) noexcept {
    last_was_final_ = false;
    begin(method);
}

void Http1Machine::next_message(std::string_view method) {
    if (state_ != State::done) {
        throw LocalProtocolError(
            "next_message() before the event 'complete': read the message to its end, or reset()");
    }
    last_was_final_ = !keep_alive;
    begin(method);
}

void Http1Machine::begin(std::string_view method) noexcept {
    answers_head_ = method == "HEAD";
    answers_connect_ = method == "CONNECT";
    continued = false;
    interim_ = 0;
    restart();
}

void Http1Machine::restart() noexcept {
    state_ = State::start_line;
    fault_ = Fault::none;
    plain_ = head_done_ = message_done_ = has_length_ = has_chunks_ = false;
    empty_lines_ = 0;
    line_begin_ = field_begin_ = start_size_ = field_count_ = trailer_count_ = 0;
    receiving_ = nullptr;
    length_ = left_ = overhead_ = llhttp_length_ = 0;
    llhttp_flags_ = 0;
    line_.clear();
    fields().clear();
    trailers.clear();
    body = {};
    body_received = 0;
    framing = Framing::none;
    keep_alive = upgrade = false;
}

bool Http1Machine::idle() const noexcept {
    return state_ == State::start_line &&
           Access::block(strict() ? request.headers : response.headers).empty();
}

std::optional<std::uint64_t> Http1Machine::content_length() const noexcept {
    if (!has_length_) return std::nullopt;
    return length_;
}

Event Http1Machine::parse(std::string_view& in) {
    if (state_ == State::done) {
        throw LocalProtocolError("parse() after the event 'complete': call next_message() first");
    }
    if (state_ == State::ended || state_ == State::failed) {
        throw LocalProtocolError("parse() after an error or the end of the connection: call reset() first");
    }
    try {
        return step(in);
    } catch (...) {
        state_ = State::failed;
        throw;
    }
}

// Goes on until there is an event. Every turn consumes input or changes the state.
Event Http1Machine::step(std::string_view& in) {
    while (true) {
        switch (state_) {
            case State::start_line:
                if (idle() && take_plain_message(in)) return Event::head;
                if (!take_start_line(in)) return Event::need_data;
                state_ = State::fields;
                break;
            case State::fields:
                if (!take_field_lines(in, fields())) return Event::need_data;
                if (finish_head() == Event::head) return Event::head;
                break;
            case State::sized:
            case State::until_close:
            case State::chunk_data:
                if (in.empty()) return Event::need_data;
                return take_body(in);
            case State::chunk_size:
                if (!take_chunk_size(in)) return Event::need_data;
                break;
            case State::chunk_end:
                if (!take_chunk_end(in)) return Event::need_data;
                break;
            case State::trailers:
                if (!take_field_lines(in, trailers)) return Event::need_data;
                run_fields(trailers, 0);
                if (!message_done_) fail_chunk("the trailers do not end the message");
                state_ = State::finish;
                break;
            case State::finish: state_ = State::done; return Event::complete;
            case State::done:
            case State::ended:
            case State::failed: ASYNCIO_ASSERT(false, "parse() has refused these states");
        }
    }
}

Event Http1Machine::feed_eof() {
    const std::string so_far = std::to_string(body_received);
    switch (state_) {
        case State::start_line:
            if (idle()) {
                state_ = State::ended;
                return Event::closed;
            }
            [[fallthrough]];
        case State::fields: {
            const std::size_t size = Access::block(fields()).size();
            state_ = State::failed;
            throw RemoteProtocolError("the connection was closed after " + std::to_string(size) +
                                      " bytes of the head");
        }
        case State::sized:
            state_ = State::failed;
            throw ContentLengthError("the connection was closed after " + so_far + " of " +
                                         std::to_string(length_) + " bytes of the body",
                                     body_received, length_);
        case State::chunk_size:
        case State::chunk_data:
        case State::chunk_end:
        case State::trailers:
            state_ = State::failed;
            throw TransferEncodingError("the connection was closed in the middle of a chunked body, after " +
                                        so_far + " bytes of it");
        case State::until_close:
            state_ = State::failed;  // Unless llhttp agrees.
            if (llhttp_finish(&llhttp_) != HPE_OK || !message_done_) fail("the body ended where it must not");
            state_ = State::done;
            return Event::complete;
        case State::finish: state_ = State::done; return Event::complete;
        case State::done: state_ = State::ended; return Event::closed;
        case State::ended:
        case State::failed: break;
    }
    throw LocalProtocolError("feed_eof() after an error or the end of the connection: call reset() first");
}

// ---------------------------------------------------------------------------------------------------------
// The head

bool Http1Machine::take_start_line(std::string_view& in) {
    if (last_was_final_ && !in.empty()) fail("bytes follow a message that said it was the connection's last");
    std::string& text = Access::block(fields());
    while (true) {
        const bool whole =
            take_line(text, 0, in, limits_.max_line_size, strict() ? "request line" : "status line");
        if (!whole) {
            check_beginning(text);
            return false;
        }
        if (text != crlf) break;
        text.clear();
        if (++empty_lines_ > empty_lines_max) fail("it begins with too many empty lines");
    }
    const std::string_view line(text.data(), text.size() - crlf.size());
    check_beginning(line);
    if (strict()) {
        read_request_line(line);
    } else {
        read_status_line(line);
    }
    start_size_ = line_begin_ = field_begin_ = text.size();
    llhttp_init(&llhttp_, strict() ? HTTP_REQUEST : HTTP_RESPONSE, &settings);
    llhttp_.data = this;
    const llhttp_errno_t error = run(text.data(), text.size());
    if (error != HPE_OK) fail_as_llhttp(fields(), 0, error);
    return true;
}

// Moves one line, or what there is of it, from `in` to `text`, where it begins at `begin`. True once the line
// is whole; it then ends with CRLF. The limit holds for the line without its end, however many segments it
// comes in.
bool Http1Machine::take_line(std::string& text, std::size_t begin, std::string_view& in, std::size_t limit,
                             const char* what) {
    if (in.empty()) return false;
    const void* newline = std::memchr(in.data(), '\n', in.size());
    const std::size_t size =
        newline == nullptr ? in.size()
                           : static_cast<std::size_t>(static_cast<const char*>(newline) - in.data()) + 1;
    const std::size_t before = text.size() - begin;
    if (before + size > limit + crlf.size()) {
        text.append(in.substr(0, std::min<std::size_t>(size, 64)));
        fail_too_long(what, limit, std::string_view(text).substr(begin));
    }
    text.append(in.data(), size);
    in.remove_prefix(size);

    std::size_t content = text.size() - begin;
    if (newline != nullptr) --content;
    const bool has_cr = content > 0 && text[begin + content - 1] == '\r';
    if (has_cr) --content;
    if (content > limit) fail_too_long(what, limit, std::string_view(text).substr(begin));
    if (newline == nullptr) return false;
    if (!has_cr) {
        // RFC 9112 §2.2: "a recipient MAY recognize a single LF as a line terminator". Requests: never.
        if (strict()) fail(std::string("a ") + what + " ends with a bare LF instead of CRLF");
        text.back() = '\r';
        text += '\n';
    }
    return true;
}

// Garbage is to be called garbage when its first bytes come, not when a line end comes, which may be never.
void Http1Machine::check_beginning(std::string_view line) const {
    if (strict()) {
        const std::size_t size = std::min(line.find(' '), line.size());
        for (const char c : line.substr(0, size)) {
            // The CR of an empty line may stand alone for a while.
            if (!is(c, character::token) && line != "\r")
                fail("it begins with " + quoted(line) + ", which is not HTTP");
        }
        return;
    }
    constexpr std::string_view wanted = "HTTP/";
    const std::size_t size = std::min(line.size(), wanted.size());
    if (line.substr(0, size) != wanted.substr(0, size) && line != "\r") {
        fail("it begins with " + quoted(line) + ", which is not HTTP/1");
    }
}

// RFC 9112 §3: request-line = method SP request-target SP HTTP-version
void Http1Machine::read_request_line(std::string_view line) {
    const std::size_t first = line.find(' ');
    const std::size_t last = line.rfind(' ');
    if (first == std::string_view::npos || first == last) {
        fail("the request line " + quoted(line) + " is not made of method, target and version");
    }
    const std::string_view method = line.substr(0, first);
    const std::string_view target = line.substr(first + 1, last - first - 1);
    if (!is_token(method)) fail("the method " + quoted(method) + " is not a token");
    if (target.empty() || !all_are(target, character::target)) {
        fail("the target " + quoted(target) + " has characters that may not be in one");
    }
    if (target[0] != '/' || method == "CONNECT") check_form(method, target);
    read_version(line.substr(last + 1));
    request.method.assign(method);
    request.target.assign(target);
}

// Anything but a path.
void Http1Machine::check_form(std::string_view method, std::string_view target) const {
    // RFC 9112 §3.2.3: CONNECT takes a host and a port, and nothing else.
    const bool is_authority =
        all_are(target, character::authority) && target.find(':') != std::string_view::npos;
    if (method == "CONNECT" && !is_authority)
        fail("the target " + quoted(target) + " of a CONNECT is not 'host:port'");
    if (target == "*" && method != "OPTIONS") fail("the target '*' is for OPTIONS only");
    if (method != "CONNECT") check_absolute_form(target);
}

// RFC 9112 §3.2.2, absolute-form. What comes here is HTTP, and it is for a host: RFC 9110 §4.2.1, "A
// recipient that processes such a URI reference MUST reject it as invalid" of one without; §4.2.4 of user
// information.
void Http1Machine::check_absolute_form(std::string_view target) const {
    const Target parts = split_target(target);
    if (parts.scheme.empty()) return;
    if (!equals_ignore_case(parts.scheme, "http") && !equals_ignore_case(parts.scheme, "https"))
        fail("the scheme of the target " + quoted(target) + " is not http");
    if (parts.authority.empty() || parts.authority.starts_with(':') ||
        !all_are(parts.authority, character::authority)) {
        fail("the target " + quoted(target) + " names no host");
    }
}

// RFC 9112 §4: status-line = HTTP-version SP status-code SP [ reason-phrase ]
void Http1Machine::read_status_line(std::string_view line) {
    const std::size_t space = line.find(' ');
    read_version(line.substr(0, space));
    const std::string_view rest =
        space == std::string_view::npos ? std::string_view() : line.substr(space + 1);
    const std::string_view code = rest.substr(0, 3);
    // The space is there even if the reason is not; many servers leave it out then.
    if (code.size() != 3 || !all_are(code, character::digit) || code[0] == '0' ||
        (rest.size() > 3 && rest[3] != ' ')) {
        fail("the status line " + quoted(line) + " has no status of three digits");
    }
    const std::string_view phrase = rest.size() > 4 ? rest.substr(4) : std::string_view();
    if (!is_field_value(phrase)) fail("control character in the reason " + quoted(phrase));
    response.status = (code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0');
    response.reason.assign(phrase);
}

void Http1Machine::read_version(std::string_view text) {
    HttpVersion& version = strict() ? request.version : response.version;
    if (text == "HTTP/1.1") {
        version = HttpVersion::http_1_1;
    } else if (text == "HTTP/1.0") {
        version = HttpVersion::http_1_0;
    } else {
        const bool other = text.size() >= 6 && text.starts_with("HTTP/") && is(text[5], character::digit);
        fail("version " + quoted(text) + " is neither HTTP/1.0 nor HTTP/1.1", other ? 505 : 400);
    }
}

// Takes lines of the head, or the trailers, up to the empty one. False: it has not come yet.
bool Http1Machine::take_field_lines(std::string_view& in, Headers& into) {
    std::string& text = Access::block(into);
    while (take_line(text, line_begin_, in, limits_.max_field_size, "header field")) {
        if (text.size() - line_begin_ == crlf.size()) return true;
        add_field_line(text);
        line_begin_ = text.size();
    }
    return false;
}

void Http1Machine::add_field_line(std::string& text) {
    // llhttp 8.1 would take a CR at the beginning of a line for the end of the head, whatever follows.
    const std::size_t size_of_content = text.size() - crlf.size() - line_begin_;
    if (std::memchr(text.data() + line_begin_, '\r', size_of_content) != nullptr) {
        fail("a CR without LF in the header field " + quoted({text.data() + line_begin_, size_of_content}));
    }
    if (!is_blank(text[line_begin_])) {
        field_begin_ = line_begin_;
        ++field_count_;
        if (state_ == State::trailers) ++trailer_count_;
        if (field_count_ > limits_.max_headers) {
            fail("it has more than max_headers = " + std::to_string(limits_.max_headers) + " header fields",
                 431);
        }
        return;
    }
    // RFC 9112 §5.2: a server "MUST either reject the message [...] or replace each received obs-fold with
    // one or more SP octets"; a user agent must replace.
    if (strict()) fail("a header field is continued on a second line (obs-fold)");
    if (field_begin_ == line_begin_) fail("white space before the first header field");
    text.replace(line_begin_ - crlf.size(), crlf.size(), "  ");
    const std::size_t size = text.size() - crlf.size() - field_begin_;
    if (size > limits_.max_field_size) {
        fail_too_long("header field", limits_.max_field_size, std::string_view(text).substr(field_begin_));
    }
}

// Lets llhttp take the fields in `into`, whose lines begin at `begin` and end with the empty one, apart.
void Http1Machine::run_fields(Headers& into, std::size_t begin) {
    const std::string& text = Access::block(into);
    Access::entries(into).reserve(state_ == State::trailers ? trailer_count_
                                                            : std::max<std::size_t>(field_count_, 16));
    receiving_ = &into;
    const llhttp_errno_t error = run(text.data() + begin, text.size() - begin);
    switch (fault_) {
        case Fault::none: break;
        case Fault::bad_name: fail("header name " + quoted(into[into.size() - 1].name) + " is not a token");
        case Fault::blank_before_colon:
            fail("white space before the colon of " + in_field(into[into.size() - 1].name));
        case Fault::forbidden_trailer:
            fail_chunk(in_field(into[into.size() - 1].name) + " is not allowed behind the body");
    }
    if (error != HPE_OK) fail_as_llhttp(into, begin, error);
}

// The head is whole. Gives `head`, or `need_data` if it was an interim response.
Event Http1Machine::finish_head() {
    run_fields(fields(), start_size_);
    if (!head_done_) fail("the head does not end at its empty line");
    check_fields();
    if (strict()) check_request_fields();
    decide_framing();
    if (!strict() && response.status / 100 == 1 && !upgrade) {
        continued = continued || response.status == 100;
        if (++interim_ > interim_max) fail("more than " + std::to_string(interim_max) + " interim responses");
        restart();
        return Event::need_data;
    }
    return Event::head;
}

// The rules between header fields that both kinds of messages obey.
void Http1Machine::check_fields() {
    unsigned seen = 0;
    for (const HeaderView field : fields()) {
        const unsigned which = singleton(field.name);
        if (which == 0) continue;
        const unsigned unforgiven = strict() ? ~0U : once::content_length | once::transfer_encoding;
        if ((seen & which & unforgiven) != 0) fail("more than one " + in_field(field.name));
        seen |= which;
        if (which == once::content_length) {
            const auto [end, error] =
                std::from_chars(field.value.data(), field.value.data() + field.value.size(), length_);
            if (field.value.empty() || !all_are(field.value, character::digit) || error != std::errc{}) {
                fail("the Content-Length " + quoted(field.value) + " is not a decimal number below 2^64");
            }
            has_length_ = true;
        } else if (which == once::transfer_encoding) {
            has_chunks_ = true;
        }
    }
    // RFC 9112 §6.3: "Such a message might indicate an attempt to perform request smuggling or response
    // splitting".
    if (has_length_ && has_chunks_) fail("it has both a Content-Length and chunks (Transfer-Encoding)");
    if (has_chunks_) check_transfer_encoding(fields().get("Transfer-Encoding", {}));
}

void Http1Machine::check_transfer_encoding(std::string_view value) {
    if (equals_ignore_case(value, "chunked")) return;
    const std::size_t comma = value.rfind(',');
    const bool is_last =
        comma != std::string_view::npos && equals_ignore_case(trimmed(value.substr(comma + 1)), "chunked");
    const bool is_earlier =
        comma != std::string_view::npos && list_contains(value.substr(0, comma), "chunked");
    // RFC 9112 §6.1: a server that does not understand a transfer coding "SHOULD respond with 501".
    fail("the Transfer-Encoding " + quoted(value) + " is not 'chunked'", is_last && !is_earlier ? 501 : 400);
}

void Http1Machine::check_request_fields() {
    // RFC 9112 §3.2: "A server MUST respond with a 400 [...] to any HTTP/1.1 request message that lacks a
    // Host header field and to any request message that contains more than one Host header field line or
    // [...] an invalid field value".
    const std::optional<std::string_view> name = fields().get("Host");
    if (!name && request.version == HttpVersion::http_1_1) fail("there is no Host header");
    if (name && !all_are(*name, character::authority)) fail("the Host " + quoted(*name) + " is not a host");
    if (has_chunks_ && request.version == HttpVersion::http_1_0)
        fail("chunks (Transfer-Encoding) in HTTP/1.0");
    if (request.method == "CONNECT" && (has_chunks_ || length_ > 0)) fail("a CONNECT with a body");
}

// RFC 9112 §6.3, and §9.3 for keep_alive.
void Http1Machine::decide_framing() {
    const HttpVersion version = strict() ? request.version : response.version;
    const int status = response.status;
    bool bodiless = false;
    if (!strict()) {
        upgrade = status == 101 || (answers_connect_ && status / 100 == 2);
        bodiless = upgrade || answers_head_ || has_no_body(status);
    } else {
        upgrade = llhttp_.upgrade != 0;
    }
    if (bodiless) {
        framing = Framing::none;
    } else if (has_chunks_) {
        framing = Framing::chunked;
        state_ = State::chunk_size;
    } else if (has_length_) {
        framing = Framing::content_length;
        left_ = length_;
        state_ = State::sized;
    } else if (!strict()) {
        framing = Framing::until_close;
        state_ = State::until_close;
    }
    const bool no_body = framing == Framing::none || (framing == Framing::content_length && length_ == 0);
    if (no_body) state_ = State::finish;

    // Two readings of one message are how smuggling works, so this one is not read at all.
    const bool llhttp_agrees = message_done_ == no_body &&
                               has_chunks_ == ((llhttp_flags_ & F_CHUNKED) != 0) &&
                               has_length_ == ((llhttp_flags_ & F_CONTENT_LENGTH) != 0) &&
                               (!has_length_ || length_ == llhttp_length_);
    if (!llhttp_agrees) fail("its framing is ambiguous");

    const bool wants_close = (llhttp_flags_ & F_CONNECTION_CLOSE) != 0;
    const bool wants_more =
        version == HttpVersion::http_1_1 || (llhttp_flags_ & F_CONNECTION_KEEP_ALIVE) != 0;
    keep_alive = wants_more && !wants_close && framing != Framing::until_close;
    if (strict()) return;
    // A peer that announces a body where there cannot be one may send it all the same.
    const bool liar = (status / 100 == 1 || status == 204) && (has_chunks_ || length_ > 0);
    if (upgrade || liar || (has_chunks_ && version == HttpVersion::http_1_0)) keep_alive = false;
}

// ---------------------------------------------------------------------------------------------------------
// The body

Event Http1Machine::take_body(std::string_view& in) {
    std::size_t size = in.size();
    if (state_ != State::until_close) size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, size));
    ASYNCIO_ASSERT(size > 0);
    const llhttp_errno_t error = plain_ ? HPE_OK : run(in.data(), size);
    if (error != HPE_OK) fail(std::string("its body: ") + llhttp_get_error_reason(&llhttp_));
    body = in.substr(0, size);
    in.remove_prefix(size);
    body_received += size;
    if (state_ == State::until_close) return Event::body;

    left_ -= size;
    if (left_ > 0) return Event::body;
    if (state_ == State::chunk_data) {
        state_ = State::chunk_end;
    } else {
        ASYNCIO_ASSERT(plain_ || message_done_);
        state_ = State::finish;
    }
    return Event::body;
}

bool Http1Machine::take_chunk_size(std::string_view& in) {
    if (!take_line(line_, 0, in, limits_.max_line_size, "chunk's size line")) return false;
    line_.resize(line_.size() - crlf.size());
    read_chunk_size(line_);
    line_.clear();
    return true;
}

// RFC 9112 §7.1: chunk-size = 1*HEXDIG, then extensions, which everybody ignores.
void Http1Machine::read_chunk_size(std::string_view line) {
    std::size_t size = 0;
    while (size < line.size() && is(line[size], character::hex)) ++size;
    const std::string_view digits = line.substr(0, size);
    std::string_view rest = line.substr(size);
    if (!strict()) {
        while (!rest.empty() && is_blank(rest[0])) rest.remove_prefix(1);
    }
    if (digits.empty() || (!rest.empty() && rest[0] != ';')) {
        fail_chunk("the chunk size line " + quoted(line) + " is not a hexadecimal number");
    }
    if (digits.size() > chunk_digits_max) fail_chunk("the chunk size " + quoted(digits) + " is too large");
    if (!is_field_value(rest)) fail_chunk("control character in the chunk extension " + quoted(rest));

    char canonical[chunk_digits_max + crlf.size()];
    std::copy(digits.begin(), digits.end(), canonical);
    std::copy(crlf.begin(), crlf.end(), canonical + size);
    llhttp_length_ = ~std::uint64_t{0};
    const llhttp_errno_t error = run(canonical, size + crlf.size());
    if (error != HPE_OK)
        fail_chunk(std::string("chunk size ") + quoted(digits) + ": " + llhttp_get_error_reason(&llhttp_));
    std::uint64_t value = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (value != llhttp_length_) fail_chunk("the chunk size " + quoted(digits) + " is ambiguous");

    overhead_ += line.size() + crlf.size();
    const std::uint64_t excused = value > overhead_max_bytes ? overhead_ : 16 + 2 * value;
    overhead_ -= std::min(overhead_, excused);
    if (overhead_ > overhead_max_bytes) fail_chunk("its chunks are mostly framing");

    left_ = value;
    state_ = value > 0 ? State::chunk_data : State::trailers;
    line_begin_ = field_begin_ = 0;
}

bool Http1Machine::take_chunk_end(std::string_view& in) {
    while (!in.empty()) {
        const char wanted = crlf[line_.size()];
        if (in[0] != wanted) fail_chunk("a chunk's data does not end with CRLF");
        line_ += wanted;
        in.remove_prefix(1);
        if (line_ != crlf) continue;
        const llhttp_errno_t error = run(crlf.data(), crlf.size());
        if (error != HPE_OK) fail_chunk(llhttp_get_error_reason(&llhttp_));
        line_.clear();
        state_ = State::chunk_size;
        return true;
    }
    return false;
}

// ---------------------------------------------------------------------------------------------------------
// Errors

llhttp_errno_t Http1Machine::run(const char* data, std::size_t size) noexcept {
    const llhttp_errno_t error = llhttp_execute(&llhttp_, data, size);
    // It pauses behind a message that asks for another protocol. Since it is never given more than one
    // message, it is at its end already.
    return error == HPE_PAUSED_UPGRADE ? HPE_OK : error;
}

void Http1Machine::fail(const std::string& cause, int status) const {
    throw RemoteProtocolError((strict() ? "bad request: " : "bad response: ") + cause, status);
}

void Http1Machine::fail_chunk(const std::string& cause) const {
    throw TransferEncodingError((strict() ? "bad request: " : "bad response: ") + cause);
}

void Http1Machine::fail_too_long(const char* what, std::size_t limit, std::string_view beginning) const {
    const bool is_field = state_ == State::fields || state_ == State::trailers;
    const std::string cause =
        std::string("a ") + what + " is longer than " + (is_field ? "max_field_size" : "max_line_size") +
        " = " + std::to_string(limit) + " bytes; it begins with " + quoted(beginning.substr(0, 40));
    if (state_ == State::chunk_size || state_ == State::trailers) fail_chunk(cause);
    fail(cause, is_field ? 431 : strict() ? 414 : 400);
}

// llhttp has refused lines of the head. It knows the byte, but not the trouble: the rules between fields may
// tell.
void Http1Machine::fail_as_llhttp(Headers& into, std::size_t begin, llhttp_errno_t error) {
    const std::string& text = Access::block(into);
    auto& entries = Access::entries(into);
    const char* position = llhttp_get_error_pos(&llhttp_);
    std::string_view culprit;
    entries.clear();
    std::size_t line = begin;
    while (line < text.size()) {
        const std::size_t end = text.find(crlf, line);
        ASYNCIO_ASSERT(end != std::string::npos);
        const std::string_view content(text.data() + line, end - line);
        const std::size_t colon = content.find(':');
        if (colon != std::string_view::npos && line >= start_size_) {
            const std::string_view value = trimmed(content.substr(colon + 1));
            entries.push_back({static_cast<std::uint32_t>(line), static_cast<std::uint32_t>(colon),
                               static_cast<std::uint32_t>(value.data() - text.data()),
                               static_cast<std::uint32_t>(value.size())});
        }
        if (position != nullptr && position >= text.data() + line && position <= text.data() + end + 1)
            culprit = content;
        line = end + crlf.size();
    }
    if (state_ == State::fields) check_fields();  // Throws if it finds the reason.

    const char* why = llhttp_get_error_reason(&llhttp_);
    std::string cause = why != nullptr && *why != '\0' ? why : llhttp_errno_name(error);
    if (!culprit.empty()) cause += " in " + quoted(culprit);
    fail(cause, error == HPE_INVALID_METHOD ? 501 : 400);
}

}}}  // namespace asyncio::v1::proto
