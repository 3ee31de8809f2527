// URLs: RFC 3986 with the habits of yarl, the URL type of aiohttp, so that programs that come from there meet
// no surprise in what is encoded, decoded and left alone.
//
// The parser goes through the text once, from left to right, and appends each part in normal form to the text
// of the new Url, noting where it begins. The normal form of a part never depends on a later part.
//
// Two decisions that are about safety and not about grammar:
// 1. What looks like one host to this parser must not look like another to any other parser on the way
//    (proxies, the resolver, filters against requests into private networks). So everything ambiguous before
//    the path is refused: a backslash, white space, %-escapes in a host, IPv4 addresses in any form but four
//    decimal numbers.
// 2. A percent-escape is decoded only if the character is allowed as it is and has no meaning in that part.
//    So `%2F` and `%3F` in a path stay, `%7E` becomes `~`, and a stray `%` becomes `%25`. Parsing a printed
//    URL gives the same URL.

#include "asyncio/proto/url.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "asyncio/base/assert.hpp"
#include "asyncio/proto/errors.hpp"
#include "asyncio/proto/headers.hpp"
#include "proto/characters.hpp"

namespace asyncio { inline namespace v1 { namespace proto {

namespace {

constexpr std::size_t longest_url = 1 << 20;  // Positions are 32 bits, and encoding may triple the text.

constexpr std::string_view always_safe = "!$'()*,";  // The sub-delims that mean nothing in a query either.

// What a part leaves as it is. `reserved` are the characters with a meaning of their own there: written, they
// stay; escaped, they stay escaped.
class Encoding {
  public:
    constexpr Encoding(std::string_view also_safe, std::string_view reserved, bool plus)
        : plus_for_space(plus) {
        for (std::size_t c = 0; c != safe_.size(); ++c) {
            safe_[c] = is(static_cast<char>(c), character::unreserved);
        }
        for (const char c : always_safe) mark(safe_, c);
        for (const char c : also_safe) mark(safe_, c);
        for (const char c : reserved) {
            mark(safe_, c);
            mark(reserved_, c);
        }
    }

    constexpr bool is_safe(char c) const noexcept { return safe_[static_cast<unsigned char>(c)]; }
    constexpr bool is_reserved(char c) const noexcept { return reserved_[static_cast<unsigned char>(c)]; }

    bool plus_for_space;

  private:
    using Set = std::array<bool, 256>;
    static constexpr void mark(Set& set, char c) { set[static_cast<unsigned char>(c)] = true; }
    Set safe_{};
    Set reserved_{};
};
constexpr Encoding user_info_encoding{"+&=;", "", false};
constexpr Encoding path_encoding{"&=;@:", "/+", false};
constexpr Encoding query_encoding{"?/:@", "=+&;", true};
constexpr Encoding query_part_encoding{"?/:@", "", true};
constexpr Encoding fragment_encoding{"+&=;?/:@", "", false};

struct Default {
    std::string_view scheme;
    std::uint16_t port;
};
// Schemes whose URLs make no sense without a host.
constexpr std::array<Default, 5> known_schemes{
    {{"http", 80}, {"https", 443}, {"ws", 80}, {"wss", 443}, {"ftp", 21}}};

const Default* known(std::string_view scheme) noexcept {
    const auto it = std::find_if(known_schemes.begin(), known_schemes.end(),
                                 [&](const Default& d) { return d.scheme == scheme; });
    return it == known_schemes.end() ? nullptr : &*it;
}

/// Where the first of the characters is that end an authority, or the colon that ends a scheme.
/// (find_first_of makes a call for each character.)
std::size_t find_end(std::string_view text, bool at_colon, std::size_t from = 0) noexcept {
    for (std::size_t i = from; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '/' || c == '?' || c == '#' || (c == ':' && at_colon)) return i;
    }
    return std::string_view::npos;
}

void append_escaped(std::string& out, char c) {
    constexpr char digits[] = "0123456789ABCDEF";
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += digits[byte >> 4];
    out += digits[byte & 15];
}

bool is_escape(std::string_view text, std::size_t i) noexcept {
    return text[i] == '%' && i + 2 < text.size() && is(text[i + 1], character::hex) &&
           is(text[i + 2], character::hex);
}

char escaped_character(std::string_view text, std::size_t i) noexcept {
    return static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
}

// Appends `text`, which may be encoded already, in normal form.
void append_requoted(std::string& out, std::string_view text, const Encoding& encoding) {
    for (std::size_t i = 0; i < text.size();) {
        std::size_t end = i;
        while (end < text.size() && encoding.is_safe(text[end])) ++end;
        out.append(text.substr(i, end - i));
        if (end == text.size()) return;
        i = end + 1;
        if (is_escape(text, end)) {
            const char meant = escaped_character(text, end);
            if (encoding.is_safe(meant) && !encoding.is_reserved(meant)) {
                out += meant;
            } else {
                append_escaped(out, meant);
            }
            i += 2;
        } else if (text[end] == ' ' && encoding.plus_for_space) {
            out += '+';
        } else {
            append_escaped(out, text[end]);
        }
    }
}

// Appends `text`, which stands for itself: a `%` in it is a percent sign.
void append_quoted(std::string& out, std::string_view text, const Encoding& encoding) {
    for (const char c : text) {
        if (encoding.is_safe(c)) {
            out += c;
        } else if (c == ' ' && encoding.plus_for_space) {
            out += '+';
        } else {
            append_escaped(out, c);
        }
    }
}

// RFC 3986 §5.2.4, in place: text[begin..] is a path that begins with a slash.
void remove_dot_segments(std::string& text, std::size_t begin) {
    if (text.find("/.", begin) == std::string::npos) return;
    std::size_t out = begin;
    std::size_t in = begin;
    while (in < text.size()) {
        std::size_t end = text.find('/', in + 1);
        if (end == std::string::npos) end = text.size();
        const std::string_view segment(text.data() + in + 1, end - in - 1);
        const bool last = end == text.size();
        if (segment == "..") {
            while (out > begin && text[--out] != '/') {}
            if (last) text[out++] = '/';
        } else if (segment == ".") {
            if (last) text[out++] = '/';
        } else {
            std::copy(text.begin() + static_cast<std::ptrdiff_t>(in),
                      text.begin() + static_cast<std::ptrdiff_t>(end),
                      text.begin() + static_cast<std::ptrdiff_t>(out));
            out += end - in;
        }
        in = end;
    }
    text.resize(out);
}

using Groups = std::array<std::uint16_t, 8>;

bool parse_ipv4(std::string_view text, std::array<std::uint8_t, 4>& bytes) noexcept {
    for (std::size_t i = 0; i < 4; ++i) {
        const std::size_t end = i < 3 ? text.find('.') : text.size();
        if (end == std::string_view::npos || end == 0 || end > 3) return false;
        const std::string_view number = text.substr(0, end);
        if (!all_are(number, character::digit) || (end > 1 && number[0] == '0')) return false;
        unsigned value = 0;
        for (const char c : number) value = value * 10 + static_cast<unsigned>(c - '0');
        if (value > 255) return false;
        bytes[i] = static_cast<std::uint8_t>(value);
        text.remove_prefix(i < 3 ? end + 1 : end);
    }
    return true;
}

// RFC 4291 §2.2: eight groups of hexadecimal digits, one run of zero groups as `::`, the last two also as
// IPv4.
bool parse_ipv6(std::string_view text, Groups& groups) noexcept {
    std::size_t count = 0;
    constexpr std::size_t nowhere = 9;
    std::size_t gap = nowhere;  // How many groups stand before the `::`.
    if (text.starts_with(':') && !text.starts_with("::")) return false;
    if (text.starts_with("::")) {
        gap = 0;
        text.remove_prefix(2);
    }
    while (!text.empty()) {
        std::array<std::uint8_t, 4> v4{};
        if (count <= 6 && text.find('.') != std::string_view::npos &&
            text.find(':') == std::string_view::npos) {
            if (!parse_ipv4(text, v4)) return false;
            groups[count++] = static_cast<std::uint16_t>(v4[0] << 8 | v4[1]);
            groups[count++] = static_cast<std::uint16_t>(v4[2] << 8 | v4[3]);
            break;
        }
        std::size_t digits = 0;
        unsigned value = 0;
        while (digits < text.size() && is(text[digits], character::hex)) {
            value = value * 16 + static_cast<unsigned>(hex_value(text[digits++]));
            if (digits > 4) return false;
        }
        if (digits == 0 || count == 8) return false;
        groups[count++] = static_cast<std::uint16_t>(value);
        text.remove_prefix(digits);
        if (text.empty()) break;
        if (text[0] != ':' || text.size() == 1) return false;
        text.remove_prefix(1);
        if (text[0] == ':') {
            if (gap != nowhere) return false;
            gap = count;
            text.remove_prefix(1);
        }
    }
    if (gap == nowhere) return count == 8;
    if (count == 8) return false;
    const auto from = groups.begin() + static_cast<std::ptrdiff_t>(gap);
    std::move_backward(from, groups.begin() + static_cast<std::ptrdiff_t>(count), groups.end());
    std::fill(from, from + static_cast<std::ptrdiff_t>(8 - count), std::uint16_t{0});
    return true;
}

// RFC 5952 §4: lower case, no leading zeros, the first longest run of two or more zero groups as `::`.
void append_ipv6(std::string& out, const Groups& groups) {
    std::size_t best = 8;
    std::size_t best_size = 1;
    for (std::size_t i = 0; i < 8;) {
        std::size_t end = i;
        while (end < 8 && groups[end] == 0) ++end;
        if (end - i > best_size) {
            best = i;
            best_size = end - i;
        }
        i = end + 1;
    }
    for (std::size_t i = 0; i < 8; ++i) {
        if (i == best) {
            out += "::";
            i += best_size - 1;
            continue;
        }
        if (i > 0 && i != best + best_size) out += ':';
        std::array<char, 4> digits{};
        const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), groups[i], 16).ptr;
        out.append(digits.data(), end);
    }
}

// Whether the resolver could take this name for an IPv4 address: its last label is a number (as WHATWG has
// it).
bool ends_in_number(std::string_view host) noexcept {
    if (host.ends_with('.')) host.remove_suffix(1);
    const std::string_view label = host.substr(host.rfind('.') + 1);
    if (label.empty()) return false;
    if (all_are(label, character::digit)) return true;
    return label.size() >= 2 && label[0] == '0' && (label[1] | 0x20) == 'x' &&
           all_are(label.substr(2), character::hex);
}

}  // namespace

// Builds one Url from one text. See the top of this file.
class UrlParser {
  public:
    UrlParser(std::string_view text, Url& url) : all_(text), rest_(text), url_(url), out_(url.text_) {}

    void parse() {
        check_characters();
        out_.reserve(all_.size() + 1);
        scheme();
        // From here on `rest_` is what has not been read yet.
        if (rest_.starts_with("//")) {
            authority(rest_.substr(2, find_end(rest_, false, 2) - 2));
        } else {
            no_authority();
        }
        path();
        query();
        fragment();
        if (out_.size() > 3 * longest_url) fail("it is too long");
    }

  private:
    [[noreturn]] void fail(std::string_view cause) const { throw InvalidURL(all_, cause); }

    std::uint32_t here() const noexcept { return static_cast<std::uint32_t>(out_.size()); }

    void check_characters() const {
        if (all_.empty()) fail("it is empty");
        if (all_.size() > longest_url) fail("it is longer than 1 MiB");
        const char* const end = all_.data() + all_.size();
        const char* const bad = std::min(find_control(all_.data(), end), std::find(all_.data(), end, '\t'));
        if (bad != end) {
            fail("control character " + quoted({bad, 1}) + " (leave out line ends, or write it as %XX)");
        }
    }

    void scheme() {
        const std::size_t colon = find_end(rest_, true);
        if (colon == std::string_view::npos || rest_[colon] != ':') {
            fail("it has no scheme: did you mean 'http://...'?");
        }
        const std::string_view scheme = rest_.substr(0, colon);
        const std::string_view after = rest_.substr(colon + 1);
        const std::string_view port = after.substr(0, find_end(after, false));
        const bool bracketed = scheme.starts_with('[');  // an IPv6 address, cut at its first colon
        if (bracketed ||
            (!scheme.empty() && !port.empty() && port.size() <= 5 && all_are(port, character::digit))) {
            // `localhost:8080/x`: by the grammar a scheme `localhost`, but nobody means that; nor
            // `127.0.0.1:8080`.
            fail("it has no scheme: did you mean 'http://...'?");
        }
        if (scheme.empty() || !is(scheme[0], character::letter) || !all_are(scheme, character::scheme)) {
            fail("scheme " + quoted(scheme) + " is not made of letters, digits and +-.");
        }
        append_lowered(scheme);
        url_.scheme_end_ = here();
        out_ += ':';
        rest_ = after;
        known_ = known(url_.scheme());
    }

    void append_lowered(std::string_view text) {
        const std::size_t begin = out_.size();
        out_.append(text);
        for (std::size_t i = begin; i != out_.size(); ++i) out_[i] = to_lower(out_[i]);
    }

    void no_authority() {
        if (known_ != nullptr) fail("'//' and a host must follow '" + std::string(url_.scheme()) + ":'");
        url_.authority_begin_ = url_.host_begin_ = url_.host_end_ = here();
    }

    void authority(std::string_view text) {
        rest_.remove_prefix(2 + text.size());
        out_ += "//";
        url_.authority_begin_ = here();
        for (const char c : text) {
            if (c == ' ' || c == '\\') fail("a space or backslash before the path");
        }

        const std::size_t at = text.rfind('@');
        if (at != std::string_view::npos) {
            user_info(text.substr(0, at));
            text.remove_prefix(at + 1);
        }
        url_.host_begin_ = here();
        std::size_t host_size = text.find(':');
        if (text.starts_with('[')) {
            const std::size_t bracket = text.find(']');
            if (bracket == std::string_view::npos) fail("'[' without ']' in the host");
            host_size = bracket + 1;
        }
        const std::string_view host = text.substr(0, host_size);
        append_host(host);
        url_.host_end_ = here();
        append_port(text.substr(host.size()));
    }

    void user_info(std::string_view text) {
        const std::size_t colon = text.find(':');
        append_requoted(out_, text.substr(0, colon), user_info_encoding);
        if (colon != std::string_view::npos && colon + 1 < text.size()) {
            out_ += ':';
            append_requoted(out_, text.substr(colon + 1), user_info_encoding);
        }
        if (here() > url_.authority_begin_) out_ += '@';
    }

    void append_host(std::string_view host) {
        if (host.empty()) {
            if (known_ != nullptr) fail("it has no host");
            return;
        }
        if (host[0] == '[') {
            append_ipv6_host(host.substr(1, host.size() - 2));
            return;
        }
        for (const char c : host) {
            if (static_cast<unsigned char>(c) >= 0x80) {
                fail("the host is not ASCII; write its punycode form ('xn--...')");
            }
            if (!is(c, character::host)) fail("character " + quoted({&c, 1}) + " in the host");
        }
        std::array<std::uint8_t, 4> bytes{};
        if (ends_in_number(host) && !parse_ipv4(host, bytes)) {
            fail("the host is neither a name nor an IPv4 address of four decimal numbers");
        }
        if (host[0] == '.' || host.find("..") != std::string_view::npos) fail("the host has an empty label");
        append_lowered(host);
    }

    void append_ipv6_host(std::string_view address) {
        if (address.find('%') != std::string_view::npos) fail("zones of IPv6 addresses are not supported");
        Groups groups{};
        if (!parse_ipv6(address, groups)) fail("'[" + std::string(address) + "]' is not an IPv6 address");
        out_ += '[';
        append_ipv6(out_, groups);
        out_ += ']';
    }

    void append_port(std::string_view text) {
        const std::uint16_t default_port = known_ != nullptr ? known_->port : std::uint16_t{0};
        url_.port_ = default_port;
        if (text.empty() || text == ":") return;
        const std::string_view digits = text.substr(1);
        unsigned value = 0;
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
        if (text[0] != ':' || error != std::errc{} || end != digits.data() + digits.size() || value == 0 ||
            value > 65535) {
            fail("port " + quoted(text[0] == ':' ? digits : text) + " is not a number from 1 to 65535");
        }
        if (url_.host_end_ == url_.host_begin_) fail("it has a port but no host");
        url_.port_ = static_cast<std::uint16_t>(value);
        url_.explicit_port_ = true;
        if (url_.port_ == default_port) return;
        std::array<char, 5> buffer{};
        out_ += ':';
        out_.append(buffer.data(), std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr);
    }

    void path() {
        const std::string_view text = rest_.substr(0, std::min(rest_.find('?'), rest_.find('#')));
        rest_.remove_prefix(text.size());
        url_.path_begin_ = here();
        const bool has_host = url_.host_end_ > url_.host_begin_;
        if (text.empty() && has_host) out_ += '/';
        append_requoted(out_, text, path_encoding);
        // After decoding: `%2e%2e` is a dot segment as well.
        if (has_host) remove_dot_segments(out_, url_.path_begin_);
        url_.path_end_ = here();
    }

    void query() {
        url_.query_end_ = here();
        if (!rest_.starts_with('?')) return;
        const std::string_view text = rest_.substr(1, rest_.find('#') - 1);
        rest_.remove_prefix(1 + text.size());
        if (text.empty()) return;
        out_ += '?';
        append_requoted(out_, text, query_encoding);
        url_.query_end_ = here();
    }

    void fragment() {
        if (rest_.size() <= 1) return;
        ASYNCIO_ASSERT(rest_[0] == '#');
        out_ += '#';
        append_requoted(out_, rest_.substr(1), fragment_encoding);
    }

    const std::string_view all_;
    std::string_view rest_;
    Url& url_;
    std::string& out_;
    const Default* known_ = nullptr;
};

Url::Url(std::string_view text) { UrlParser(text, *this).parse(); }

std::string Url::user() const {
    const std::string_view info = part(authority_begin_, host_begin_);
    return percent_decode(info.substr(0, info.find_first_of(":@")));
}

std::string Url::password() const {
    const std::string_view info = part(authority_begin_, host_begin_);
    const std::size_t colon = info.find(':');
    if (colon == std::string_view::npos) return {};
    return percent_decode(info.substr(colon + 1, info.size() - colon - 2));  // Without the `@`.
}

std::string_view Url::host() const noexcept {
    return is_ipv6() ? part(host_begin_ + 1, host_end_ - 1) : part(host_begin_, host_end_);
}

std::optional<std::uint16_t> Url::explicit_port() const noexcept {
    if (!explicit_port_) return std::nullopt;
    return port_;
}

std::string_view Url::raw_query_string() const noexcept {
    return query_end_ == path_end_ ? std::string_view() : part(path_end_ + 1, query_end_);
}

std::string_view Url::raw_fragment() const noexcept {
    return query_end_ == text_.size() ? std::string_view() : std::string_view(text_).substr(query_end_ + 1);
}

std::string Url::path() const { return percent_decode(raw_path()); }
std::string Url::fragment() const { return percent_decode(raw_fragment()); }
QueryPairs Url::query() const { return parse_query(raw_query_string()); }

std::string Url::origin() const {
    std::string out(scheme());
    return out.append("://").append(authority());
}

// RFC 3986 §5.2.2. Each branch builds the text of the target and has it parsed, so there is one normal form.
Url Url::join(std::string_view reference) const {
    if (empty()) return Url(reference);
    const std::size_t mark = reference.find_first_of(":/?#");
    if (mark != std::string_view::npos && mark > 0 && reference[mark] == ':' &&
        is(reference[0], character::letter) && all_are(reference.substr(0, mark), character::scheme)) {
        return Url(reference);
    }
    std::string target;
    target.reserve(text_.size() + reference.size());
    if (reference.starts_with("//")) {
        target.append(scheme()).append(":");
    } else if (reference.empty()) {
        target.append(text_, 0, query_end_);
    } else if (reference[0] == '#') {
        target.append(text_, 0, query_end_);
    } else if (reference[0] == '?') {
        target.append(text_, 0, path_end_);
    } else if (reference[0] == '/') {
        target.append(text_, 0, path_begin_);
    } else {
        const std::size_t slash = raw_path().rfind('/');
        target.append(text_, 0, slash == std::string_view::npos ? path_begin_ : path_begin_ + slash + 1);
    }
    return Url(target.append(reference));
}

Url Url::with_query_added(std::string_view name, std::string_view value) const {
    std::string query(raw_query_string());
    append_query(query, name, value);
    std::string text(text_, 0, path_end_);
    text.append("?").append(query).append(text_, query_end_);
    return Url(text);
}

Url Url::without_fragment() const {
    Url copy(*this);
    copy.text_.resize(query_end_);
    return copy;
}

Url Url::without_credentials() const {
    if (!has_credentials()) return *this;
    std::string text(text_, 0, authority_begin_);
    Url copy(text.append(text_, host_begin_));
    copy.explicit_port_ = explicit_port_;
    return copy;
}

std::string percent_decode(std::string_view text, bool plus_is_space) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (is_escape(text, i)) {
            out += escaped_character(text, i);
            i += 2;
        } else {
            out += text[i] == '+' && plus_is_space ? ' ' : text[i];
        }
    }
    return out;
}

QueryPairs parse_query(std::string_view query) {
    QueryPairs pairs;
    while (!query.empty()) {
        const std::size_t ampersand = query.find('&');
        const std::string_view member = query.substr(0, ampersand);
        query.remove_prefix(ampersand == std::string_view::npos ? query.size() : ampersand + 1);
        if (member.empty()) continue;
        const std::size_t equals = member.find('=');
        pairs.emplace_back(percent_decode(member.substr(0, equals), true),
                           equals == std::string_view::npos
                               ? std::string()
                               : percent_decode(member.substr(equals + 1), true));
    }
    return pairs;
}

void append_query(std::string& out, std::string_view name, std::string_view value) {
    if (!out.empty()) out += '&';
    append_quoted(out, name, query_part_encoding);
    out += '=';
    append_quoted(out, value, query_part_encoding);
}

Target split_target(std::string_view target) noexcept {
    Target parts;
    if (!target.starts_with('/')) {
        const std::size_t scheme_end = target.find("://");
        if (scheme_end != std::string_view::npos &&
            all_are(target.substr(0, scheme_end), character::scheme)) {
            parts.scheme = target.substr(0, scheme_end);
            target.remove_prefix(scheme_end + 3);
            parts.authority = target.substr(0, target.find_first_of("/?"));
            target.remove_prefix(parts.authority.size());
        }
    }
    const std::size_t mark = target.find('?');
    parts.raw_path = target.substr(0, mark);
    if (mark != std::string_view::npos) parts.raw_query_string = target.substr(mark + 1);
    if (parts.raw_path.empty() && !parts.scheme.empty()) parts.raw_path = "/";
    return parts;
}

}}}  // namespace asyncio::v1::proto
