// Plain messages: those that came whole and leave nothing to decide.
//
// Nearly all are. A request: a GET without body, without a word about the connection but that it stays. A
// response: its body has a Content-Length and nothing else to say where it ends. What is left to do is to
// find the ends of words and to see that each character may stand where it stands, so one pass does it, for a
// fifth of what the guard and llhttp take between them (a request of 41 bytes: 530 instructions instead of
// 2,600).
//
// It takes only what is right beyond doubt, else nothing at all; then the guard begins from the beginning,
// and says what is wrong if anything is. So each rule of the guard that such a message could break is here
// too, or the message is not plain. That both read the same out of the same bytes is what the tests and the
// fuzzer ask: they feed every message whole, which comes here, and in pieces, which goes to the guard and
// llhttp.

#include <charconv>
#include <cstring>
#include <string>
#include <string_view>

#include "asyncio/proto/status.hpp"
#include "proto/characters.hpp"
#include "proto/field_names.hpp"
#include "proto/headers_access.hpp"
#include "proto/http1_machine.hpp"

namespace asyncio { inline namespace v1 { namespace proto {

namespace {

using Access = detail::HeadersAccess;

constexpr std::string_view get = "GET ";
constexpr std::string_view version = "HTTP/1.1 ";
constexpr std::string_view request_end = " HTTP/1.1\r\n";
constexpr std::string_view crlf = "\r\n";
constexpr std::size_t usual_fields = 16;
constexpr std::size_t length_digits_max = 18;  // cannot overflow

std::string_view between(const char* begin, const char* end) noexcept {
    return {begin, static_cast<std::size_t>(end - begin)};
}

bool begins_with(const char* at, const char* end, std::string_view text) noexcept {
    return static_cast<std::size_t>(end - at) >= text.size() &&
           std::memcmp(at, text.data(), text.size()) == 0;
}

/// assign() is twice the work, since the text might be a part of the string.
void replace(std::string& string, std::string_view text) {
    string.clear();
    string.append(text.data(), text.size());
}

/// What is left of a field that decides about the message: it is plain all the same if it says what goes
/// without saying.
bool is_decisive(std::string_view name, std::string_view value) noexcept {
    switch (name.size()) {
        case 7: return is_named(name, "upgrade");
        case 10: return is_named(name, "connection") && !is_named(value, "keep-alive");
        case 16: return is_named(name, "proxy-connection");
        case 17: return is_named(name, "transfer-encoding");
        default: return false;
    }
}

}  // namespace

bool Http1Machine::take_plain_message(std::string_view& in) {
    if (last_was_final_ || in.size() < version.size()) return false;
    const std::size_t last = in.rfind('\n');
    if (last == std::string_view::npos) return false;
    // No class of characters has LF, so nothing that stops at the end of a class goes beyond this one.
    const char* const end = in.data() + last + 1;
    const char* const head_end =
        strict() ? take_plain_request(in.data(), end) : take_plain_response(in.data(), end);
    if (head_end == nullptr) {
        Access::entries(fields()).clear();
        has_length_ = false;
        length_ = 0;
        return false;
    }
    const std::string_view head = between(in.data(), head_end);
    replace(Access::block(fields()), head);
    in.remove_prefix(head.size());
    plain_ = keep_alive = true;
    left_ = length_;
    state_ = length_ != 0 ? State::sized : State::finish;
    return true;
}

/// Gives the end of the head; null: it is not plain.
const char* Http1Machine::take_plain_request(const char* begin, const char* end) {
    if (!begins_with(begin, end, get)) return nullptr;
    const char* const target = begin + get.size();
    if (*target != '/') return nullptr;
    const char* at = target;
    while (is(*at, character::target)) ++at;
    const char* const target_end = at;
    if (!begins_with(at, end, request_end)) return nullptr;
    at += request_end.size();
    if (static_cast<std::size_t>(at - begin) > limits_.max_line_size) return nullptr;

    unsigned seen = 0;
    at = take_plain_fields(begin, at, end, seen);
    if (at == nullptr || (seen & once::host) == 0) return nullptr;
    replace(request.method, get.substr(0, get.size() - 1));
    replace(request.target, between(target, target_end));
    request.version = HttpVersion::http_1_1;
    framing = Framing::none;
    return at;
}

/// Likewise.
const char* Http1Machine::take_plain_response(const char* begin, const char* end) {
    if (!begins_with(begin, end, version) || answers_head_ || answers_connect_) return nullptr;
    const char* const code = begin + version.size();
    if (!is(code[0], character::digit) || !is(code[1], character::digit) || !is(code[2], character::digit))
        return nullptr;
    const int status = (code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0');
    if (status < 200 || has_no_body(status) || code[3] != ' ') return nullptr;
    const char* const reason = code + 4;
    const char* at = find_control(reason, end);
    const char* const reason_end = at;
    if (!begins_with(at, end, crlf)) return nullptr;
    at += crlf.size();
    if (static_cast<std::size_t>(at - begin) > limits_.max_line_size) return nullptr;

    unsigned seen = 0;
    at = take_plain_fields(begin, at, end, seen);
    if (at == nullptr || !has_length_) return nullptr;
    response.status = status;
    replace(response.reason, between(reason, reason_end));
    response.version = HttpVersion::http_1_1;
    framing = Framing::content_length;
    return at;
}

/// The fields of the head that begins at `begin`; gives its end. Null: something is odd, or not there yet.
const char* Http1Machine::take_plain_fields(const char* begin, const char* at, const char* end,
                                            unsigned& seen) {
    auto& entries = Access::entries(fields());
    if (entries.capacity() == 0) entries.reserve(usual_fields);
    const auto position = [&](const char* p) { return static_cast<std::uint32_t>(p - begin); };
    while (at != end && *at != '\r') {
        const char* const name_begin = at;
        while (is(*at, character::token)) ++at;
        const std::string_view name = between(name_begin, at);
        if (name.empty() || *at != ':') return nullptr;
        const char* const value_begin = at + 1;
        at = find_control(value_begin, end);
        const std::string_view value = trimmed(between(value_begin, at));
        if (!begins_with(at, end, crlf)) return nullptr;
        if (static_cast<std::size_t>(at - name_begin) > limits_.max_field_size) return nullptr;
        at += crlf.size();

        if (is_decisive(name, value)) return nullptr;
        const unsigned which = singleton(name);
        if ((seen & which) != 0) return nullptr;
        seen |= which;
        if (which == once::host && strict() && !all_are(value, character::authority)) return nullptr;
        if (which == once::content_length && (strict() || !take_plain_length(value))) return nullptr;
        entries.push_back({position(name_begin), static_cast<std::uint32_t>(name.size()),
                           position(value.data()), static_cast<std::uint32_t>(value.size())});
        if (entries.size() > limits_.max_headers) return nullptr;
    }
    return begins_with(at, end, crlf) ? at + crlf.size() : nullptr;
}

bool Http1Machine::take_plain_length(std::string_view value) noexcept {
    if (value.empty() || value.size() > length_digits_max || !all_are(value, character::digit)) return false;
    std::from_chars(value.data(), value.data() + value.size(), length_);
    has_length_ = true;
    return true;
}

}}}  // namespace asyncio::v1::proto
