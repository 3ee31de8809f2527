#include "asyncio/proto/http1_writer.hpp"

#include <array>
#include <charconv>

#include "asyncio/proto/errors.hpp"
#include "asyncio/proto/status.hpp"
#include "proto/characters.hpp"

namespace asyncio { inline namespace v1 { namespace proto {

namespace {

// Takes back what was appended, unless told that all went well.
class Rollback {
  public:
    explicit Rollback(std::string& out) noexcept : out_(out), size_(out.size()) {}
    Rollback(const Rollback&) = delete;
    Rollback& operator=(const Rollback&) = delete;
    ~Rollback() {
        if (!done_) out_.resize(size_);
    }
    void done() noexcept { done_ = true; }

  private:
    std::string& out_;
    std::size_t size_;
    bool done_ = false;
};

bool is_length(std::string_view name) noexcept {
    return name.size() == 14 && equals_ignore_case(name, "Content-Length");
}
bool is_encoding(std::string_view name) noexcept {
    return name.size() == 17 && equals_ignore_case(name, "Transfer-Encoding");
}

void check_field(HeaderView field) {
    if (!is_token(field.name))
        throw LocalProtocolError("header name " + quoted(field.name) + " is not a token");
    if (!is_field_value(field.value)) {
        throw LocalProtocolError("control character in the value of header '" + std::string(field.name) +
                                 "'");
    }
}

// A Headers has checked its fields when they were added; views may be anything.
constexpr bool needs_check(const Headers&) noexcept { return false; }
constexpr bool needs_check(std::span<const HeaderView>) noexcept { return true; }

// Appends the fields and the empty line.
template <class Fields>
void append_fields(std::string& out, const Fields& fields, bool may_have_body) {
    bool has_length = false;
    bool has_encoding = false;
    for (const HeaderView field : fields) {
        if (needs_check(fields)) check_field(field);
        if (is_length(field.name)) {
            if (has_length) throw LocalProtocolError("more than one Content-Length");
            has_length = true;
        }
        has_encoding = has_encoding || is_encoding(field.name);
        out.append(field.name).append(": ").append(field.value).append("\r\n");
    }
    // RFC 9112 §6.2: "A sender MUST NOT send a Content-Length header field in any message that contains a
    // Transfer-Encoding header field".
    if (has_length && has_encoding) throw LocalProtocolError("both a Content-Length and a Transfer-Encoding");
    if (!may_have_body && (has_length || has_encoding)) {
        throw LocalProtocolError(
            "a Content-Length or Transfer-Encoding in a response 1xx or 204, which has no body");
    }
    out.append("\r\n");
}

template <class Fields>
void append_request_head(std::string& out, std::string_view method, std::string_view target,
                         const Fields& fields) {
    if (!is_token(method)) throw LocalProtocolError("the method " + quoted(method) + " is not a token");
    if (target.empty() || !all_are(target, character::target)) {
        throw LocalProtocolError("the target " + quoted(target) +
                                 " is empty or has characters that must be percent-encoded");
    }
    Rollback rollback(out);
    out.append(method).append(" ").append(target).append(" HTTP/1.1\r\n");
    append_fields(out, fields, true);
    rollback.done();
}

template <class Fields>
void append_response_head(std::string& out, int status, std::string_view reason, const Fields& fields,
                          HttpVersion version) {
    if (status < 100 || status > 999)
        throw LocalProtocolError("the status " + std::to_string(status) + " is not 100-999");
    if (!is_field_value(reason))
        throw LocalProtocolError("control character in the reason " + quoted(reason));
    Rollback rollback(out);
    const std::array<char, 5> code{' ', static_cast<char>('0' + status / 100),
                                   static_cast<char>('0' + status / 10 % 10),
                                   static_cast<char>('0' + status % 10), ' '};
    out.append(version == HttpVersion::http_1_1 ? "HTTP/1.1" : "HTTP/1.0");
    // The space behind the status is there even if there is no reason (RFC 9112 §4).
    out.append(code.data(), code.size()).append(reason).append("\r\n");
    append_fields(out, fields, status / 100 != 1 && status != 204);
    rollback.done();
}

}  // namespace

void write_request_head(std::string& out, std::string_view method, std::string_view target,
                        const Headers& headers) {
    append_request_head(out, method, target, headers);
}

void write_request_head(std::string& out, std::string_view method, std::string_view target,
                        std::span<const HeaderView> headers) {
    append_request_head(out, method, target, headers);
}

void write_response_head(std::string& out, int status, std::string_view reason, const Headers& headers,
                         HttpVersion version) {
    append_response_head(out, status, reason, headers, version);
}

void write_response_head(std::string& out, int status, std::string_view reason,
                         std::span<const HeaderView> headers, HttpVersion version) {
    append_response_head(out, status, reason, headers, version);
}

void write_chunk_begin(std::string& out, std::size_t size) {
    if (size == 0) throw LocalProtocolError("a chunk of size 0 would end the body: use write_last_chunk()");
    std::array<char, 2 * sizeof(size) + 2> line{};
    char* end = std::to_chars(line.data(), line.data() + line.size(), size, 16).ptr;
    *end++ = '\r';
    *end++ = '\n';
    out.append(line.data(), end);
}

void write_chunk(std::string& out, std::string_view data) {
    if (data.empty()) return;
    Rollback rollback(out);
    write_chunk_begin(out, data.size());
    out.append(data).append(chunk_end);
    rollback.done();
}

void write_last_chunk(std::string& out, const Headers& trailers) {
    for (const HeaderView field : trailers) {
        if (is_length(field.name) || is_encoding(field.name) || equals_ignore_case(field.name, "Host")) {
            throw LocalProtocolError("header '" + std::string(field.name) +
                                     "' is not allowed behind the body");
        }
    }
    Rollback rollback(out);
    out.append("0\r\n");
    append_fields(out, trailers, true);
    rollback.done();
}

}}}  // namespace asyncio::v1::proto
