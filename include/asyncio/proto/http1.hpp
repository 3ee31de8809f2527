#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "asyncio/base/config.hpp"
#include "asyncio/proto/headers.hpp"

namespace asyncio { inline namespace v1 { namespace proto {

/// The versions that are spoken; any other is refused.
enum class HttpVersion : std::uint8_t { http_1_0, http_1_1 };

/// How the end of a body is found (RFC 9112 §6.3).
enum class Framing : std::uint8_t { none, content_length, chunked, until_close };

/// What a parser has found; each value says which accessors are of use then.
enum class Event : std::uint8_t {
    need_data,  ///< All input is consumed and more is needed.
    head,       ///< The head is there: head(), framing(), content_length(), keep_alive(), upgrade().
    body,       ///< body() is the next piece of the body, as it came: in the caller's buffer.
    complete,   ///< The message is over: trailers(). What is left of the input belongs to what follows it.
    closed      ///< Only from feed_eof(): the connection ended between two messages.
};

/// What a head may not exceed. The names and values are aiohttp's.
struct ParserLimits {
    std::size_t max_line_size = 8190;   ///< Bytes of a request line, a status line, or a chunk's size line.
    std::size_t max_field_size = 8190;  ///< Bytes of one header field, folded lines joined.
    std::size_t max_headers = 128;      ///< Header fields and trailers in one message.
};

/// The head of a request.
struct RequestHead {
    std::string method;
    std::string target;  ///< As it stood in the request line; split_target() takes it apart.
    HttpVersion version = HttpVersion::http_1_1;
    Headers headers;
};

/// The head of a response.
struct ResponseHead {
    int status = 0;
    std::string reason;
    HttpVersion version = HttpVersion::http_1_1;
    Headers headers;
};

class Http1Machine;

/// What RequestParser and ResponseParser have in common: bytes in, events out, no I/O.
///
/// The caller offers its input to parse() until it answers `need_data`, reads more, and goes on:
///
///     while (true) {
///         switch (parser.parse(input)) {
///             case Event::need_data: input = co_await read_more(); break;       // empty: parser.feed_eof()
///             case Event::head: start(parser.head()); break;
///             case Event::body: sink(parser.body()); break;
///             case Event::complete: finish(parser.keep_alive(), input); return;
///         }
///     }
///
/// To hold the peer back, stop reading and calling; nothing is queued inside. A parser that has thrown is of
/// no use until reset(). Its buffers are kept from message to message.
///
/// Threads     one thread at a time
/// Python      aiohttp's `HttpParser`
/// See         RFC 9112
class ASYNCIO_API MessageParser {
  public:
    /// Consumes a part of `input`, from its front, and tells what it was.
    ///
    /// Each call gives one event. Partial heads are kept inside, bodies never are.
    ///
    /// Throws  RemoteProtocolError  the peer broke the protocol or a limit
    ///         LocalProtocolError   called after `complete`, after `closed` or after an error
    Event parse(std::string_view& input);

    /// The peer has sent its last byte. Gives `complete` for a body that ends with the connection, or if all
    /// had come; `closed` if no message had begun.
    ///
    /// Throws  ContentLengthError     bytes of a Content-Length are missing
    ///         TransferEncodingError  in the middle of a chunked body
    ///         RemoteProtocolError    in the middle of a head
    ///         LocalProtocolError     called after `closed` or after an error
    Event feed_eof();

    /// The piece of the body that the last `body` event announced; valid as long as that input, until the
    /// next call.
    std::string_view body() const noexcept;

    /// Bytes of the body so far, without chunk framing.
    std::uint64_t body_received() const noexcept;

    Framing framing() const noexcept;

    /// The value of Content-Length, if there was one; also where there is no body, as in the answer to a
    /// HEAD.
    std::optional<std::uint64_t> content_length() const noexcept;

    /// Whether another message may follow on this connection.
    bool keep_alive() const noexcept;

    /// Whether what follows this message is, if both sides agree, another protocol: a request that asks for
    /// it (Upgrade or CONNECT), a response that grants it (101, or 2xx to CONNECT). To decline, a server
    /// calls next_message() and goes on: what is left of the input is then parsed as HTTP.
    bool upgrade() const noexcept;

    /// The fields behind a chunked body.
    const Headers& trailers() const noexcept;

    /// Whether no byte of a message has been seen since the beginning or next_message().
    bool idle() const noexcept;

    /// Whether `complete` has been given.
    bool complete() const noexcept;

  protected:
    explicit MessageParser(std::unique_ptr<Http1Machine> machine) noexcept;
    MessageParser(MessageParser&&) noexcept;
    MessageParser& operator=(MessageParser&&) noexcept;
    ~MessageParser();

    std::unique_ptr<Http1Machine> machine_;
};

/// Parses what a client sends. It is strict in all that request smuggling has been built on.
class ASYNCIO_API RequestParser : public MessageParser {
  public:
    explicit RequestParser(const ParserLimits& limits = ParserLimits());

    /// Valid from the event `head` to next_message() or reset().
    const RequestHead& head() const noexcept;

    /// Moves the head out, for one who keeps it beyond that.
    RequestHead take_head() noexcept;

    /// Goes on to the next message of this connection. If the last one was to be the connection's last, any
    /// further byte is an error.
    ///
    /// Throws  LocalProtocolError  the message is not complete
    void next_message();

    /// Forgets everything but the limits: for the next connection.
    void reset() noexcept;
};

/// Parses what a server sends. Forgives what aiohttp forgives: bare LF and folded lines in the head, blanks
/// behind a chunk's size, repeated header fields. Interim responses (100, 103) are skipped; 101 is not.
class ASYNCIO_API ResponseParser : public MessageParser {
  public:
    /// Params      method  of the request that is being answered: HEAD and CONNECT change what a response
    ///             looks like
    explicit ResponseParser(std::string_view method = "GET", const ParserLimits& limits = ParserLimits());

    /// Valid from the event `head` to next_message() or reset().
    const ResponseHead& head() const noexcept;

    /// Moves the head out, for one who keeps it beyond that.
    ResponseHead take_head() noexcept;

    /// Whether a `100 Continue` came for this request: the body may be sent.
    bool continued() const noexcept;

    /// Goes on to the response to the next request on this connection.
    ///
    /// Throws  LocalProtocolError  the message is not complete
    void next_message(std::string_view method = "GET");

    /// Forgets everything but the limits: for the next connection.
    void reset(std::string_view method = "GET") noexcept;
};

}}}  // namespace asyncio::v1::proto
