// Routes: a hash table for paths without names, a list for those with.
//
// A path is compared in a normal form, in which an octet is written in one way only (RFC 3986 §6.2.2):
// escapes that need none are decoded, all others are in upper case. "%2F" stays, so that it never counts as a
// slash; the values of names are decoded after the match. Dot segments are not resolved: a client has done
// that, and nothing here is a file's name.
//
// Regular expressions are three fixed ones. std::regex recurses once for each character, which a client may
// choose.
#include "http/web/router.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "asyncio/base/error.hpp"
#include "asyncio/proto/headers.hpp"
#include "asyncio/proto/url.hpp"

namespace asyncio { inline namespace v1 { namespace http::web::detail {

namespace {

int hex_value(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool is_unreserved(unsigned char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

/// What may not stand in a path as it is.
constexpr bool needs_escape(unsigned char c) noexcept {
    return c <= 0x20 || c >= 0x7f ||
           std::string_view("\"<>\\^`{|}").find(static_cast<char>(c)) != std::string_view::npos;
}

/// Whether an octet is as it is in the normal form of a path.
constexpr std::array<bool, 256> normal_octets = [] {
    std::array<bool, 256> table{};
    for (unsigned c = 0; c != 256; ++c) table[c] = c != '%' && !needs_escape(static_cast<unsigned char>(c));
    return table;
}();

bool is_normal(std::string_view path) noexcept {
    return std::all_of(path.begin(), path.end(),
                       [](char c) { return normal_octets[static_cast<unsigned char>(c)]; });
}

std::string normal_form(std::string_view path) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string normal;
    normal.reserve(path.size());
    for (std::size_t i = 0; i != path.size(); ++i) {
        auto octet = static_cast<unsigned char>(path[i]);
        bool escape = needs_escape(octet);
        if (octet == '%' && path.size() - i > 2 && hex_value(path[i + 1]) >= 0 &&
            hex_value(path[i + 2]) >= 0) {
            octet = static_cast<unsigned char>(hex_value(path[i + 1]) * 16 + hex_value(path[i + 2]));
            escape = !is_unreserved(octet);
            i += 2;
        }
        if (escape) {
            normal.append({'%', digits[octet >> 4], digits[octet & 15]});
        } else {
            normal.push_back(static_cast<char>(octet));
        }
    }
    return normal;
}

bool is_name(std::string_view text) noexcept {
    if (text.empty() || (text[0] >= '0' && text[0] <= '9')) return false;
    return std::all_of(text.begin(), text.end(),
                       [](unsigned char c) { return is_unreserved(c) && c != '-' && c != '.' && c != '~'; });
}

bool all_digits(std::string_view text) noexcept {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

[[noreturn]] void refuse(std::string_view path, std::string_view why) {
    throw ValueError("route '" + std::string(path) + "': " + std::string(why));
}

}  // namespace

// ---- MatchInfo ----------------------------------------------------------------------------------

void MatchInfo::add(std::string_view name, std::string_view raw_value) {
    if (size_ == entries_.size()) entries_.emplace_back();
    entries_[size_].name = name;
    entries_[size_].value.assign(raw_value);
    ++size_;
}

const std::string* MatchInfo::find(std::string_view name) const noexcept {
    for (std::size_t i = 0; i != size_; ++i) {
        if (entries_[i].name == name) return &entries_[i].value;
    }
    return nullptr;
}

void MatchInfo::decode() {
    for (std::size_t i = 0; i != size_; ++i) {
        std::string& value = entries_[i].value;
        if (value.find('%') != std::string::npos) value = proto::percent_decode(value);
    }
}

// ---- adding routes ------------------------------------------------------------------------------

void Router::require_thawed() const {
    if (frozen_)
        throw RuntimeError("the application is being served: add its routes before the server starts");
}

Handler* Router::keep(Handler handler) { return &handlers_.emplace_back(std::move(handler)); }

Router::Segment Router::parse_segment(std::string_view text, std::string_view path, bool last) {
    Segment segment;
    const auto open = text.find('{');
    const auto close = text.find('}');
    if (open == std::string_view::npos && close == std::string_view::npos) {
        segment.prefix = normal_form(text);
        return segment;
    }
    if (open == std::string_view::npos || close == std::string_view::npos || close < open ||
        text.find_first_of("{}", close + 1) != std::string_view::npos ||
        text.substr(open + 1, close - open - 1).find('{') != std::string_view::npos) {
        refuse(path, "between two slashes there may be one {name}, or one {name:pattern}");
    }
    const std::string_view inside = text.substr(open + 1, close - open - 1);
    const auto colon = inside.find(':');
    segment.name = inside.substr(0, colon);
    if (!is_name(segment.name))
        refuse(path, "'" + segment.name + "' is no name: write letters, digits and _");
    segment.prefix = normal_form(text.substr(0, open));
    segment.suffix = normal_form(text.substr(close + 1));
    segment.kind = Kind::segment;
    if (colon == std::string_view::npos) return segment;
    const std::string_view pattern = inside.substr(colon + 1);
    if (pattern == "\\d+" || pattern == "[0-9]+") {
        segment.kind = Kind::digits;
    } else if (pattern == ".*" || pattern == ".+") {
        if (!last || !segment.suffix.empty())
            refuse(path, "{name:.*} takes the rest of the path, so it must be the last");
        segment.kind = pattern == ".*" ? Kind::rest_or_nothing : Kind::rest;
    } else if (pattern != "[^/]+" && pattern != "[^{}/]+") {
        refuse(path, "the pattern '" + std::string(pattern) +
                         "' is not supported: there are \\d+, [^/]+, .+ and .*");
    }
    return segment;
}

std::vector<Router::Segment> Router::parse(std::string_view path) {
    if (path.empty() || path[0] != '/') refuse(path, "a path begins with a slash");
    std::vector<Segment> segments;
    std::string_view left = path.substr(1);
    for (;;) {
        // A slash inside of braces is a part of the pattern.
        std::size_t end = 0;
        for (int depth = 0; end != left.size() && (left[end] != '/' || depth > 0); ++end) {
            depth += left[end] == '{' ? 1 : left[end] == '}' ? -1 : 0;
        }
        const bool last = end == left.size();
        Segment segment = parse_segment(left.substr(0, end), path, last);
        for (const Segment& other : segments) {
            if (segment.kind != Kind::literal && other.name == segment.name) {
                refuse(path, "the name '" + segment.name + "' is used twice");
            }
        }
        segments.push_back(std::move(segment));
        if (last) return segments;
        left.remove_prefix(end + 1);
    }
}

bool Router::has_names(const std::vector<Segment>& segments) noexcept {
    return std::any_of(segments.begin(), segments.end(),
                       [](const Segment& s) { return s.kind != Kind::literal; });
}

/// What two spellings of one route have in common.
static std::string route_key(std::string_view path, bool names) {
    return names ? std::string(path) : normal_form(path);
}

Router::Resource* Router::known(const std::string& normal, const std::vector<Segment>& segments) noexcept {
    for (Resource& resource : resources_) {
        if (resource.path == normal && has_names(resource.segments) == has_names(segments)) return &resource;
    }
    return nullptr;
}

void Router::check(std::string_view method, std::string_view path) const {
    require_thawed();
    if (!proto::is_token(method)) throw ValueError("'" + std::string(method) + "' is no method");
    const std::vector<Segment> segments = parse(path);
    const std::string key = route_key(path, has_names(segments));
    for (const Resource& resource : resources_) {
        if (resource.path != key) continue;
        for (const Route& route : resource.routes) {
            if (route.method == method || route.method == "*" || method == "*") {
                throw ValueError("there is a route for " + route.method + " " + std::string(path) +
                                 " already");
            }
        }
    }
}

void Router::add(std::string_view method, std::string_view path, Handler* handler) {
    check(method, path);
    std::vector<Segment> segments = parse(path);
    const bool names = has_names(segments);
    std::string key = route_key(path, names);
    Resource* resource = known(key, segments);
    if (resource == nullptr) {
        Resource made;
        made.path = std::move(key);
        made.segments = std::move(segments);
        resource = &resources_.emplace_back(std::move(made));
        if (names) {
            dynamic_.push_back(resource);
        } else {
            plain_.add(*resource);
        }
    }
    resource->routes.push_back({std::string(method), handler});
}

// ---- paths without names ------------------------------------------------------------------------

std::size_t Router::PlainPaths::hash(std::string_view path) noexcept {
    constexpr std::uint64_t odd = 0x9e3779b97f4a7c15;  // 2^64 by the golden ratio
    std::uint64_t front = 0;
    std::uint64_t back = 0;
    if (path.size() >= sizeof front) {
        std::memcpy(&front, path.data(), sizeof front);
        std::memcpy(&back, path.data() + path.size() - sizeof back, sizeof back);
    } else {
        for (const char c : path) front = front << 8 | static_cast<unsigned char>(c);
    }
    return static_cast<std::size_t>(((front * odd ^ back) + path.size()) * odd >> 32);
}

void Router::PlainPaths::put(const Resource& resource) noexcept {
    const std::size_t mask = places_.size() - 1;
    std::size_t at = hash(resource.path) & mask;
    while (places_[at] != nullptr) at = (at + 1) & mask;
    places_[at] = &resource;
}

void Router::PlainPaths::add(const Resource& resource) {
    if (2 * (count_ + 1) > places_.size()) {
        std::vector<const Resource*> old(std::max<std::size_t>(8, 2 * places_.size()));
        old.swap(places_);
        for (const Resource* each : old) {
            if (each != nullptr) put(*each);
        }
    }
    put(resource);
    ++count_;
}

const Router::Resource* Router::PlainPaths::find(std::string_view path) const noexcept {
    if (places_.empty()) return nullptr;
    const std::size_t mask = places_.size() - 1;
    for (std::size_t at = hash(path) & mask;; at = (at + 1) & mask) {
        if (places_[at] == nullptr || places_[at]->path == path) return places_[at];
    }
}

// ---- finding ------------------------------------------------------------------------------------

const Handler* Router::Resource::handler_for(std::string_view method) const noexcept {
    for (const Route& route : routes) {
        if (route.method == method || route.method == "*") return route.handler;
    }
    return nullptr;
}

/// `path` is in normal form and begins with a slash.
bool Router::Resource::matches(std::string_view path, MatchInfo& match) const {
    std::string_view left = path;
    for (const Segment& segment : segments) {
        if (left.empty() || left[0] != '/') return false;
        left.remove_prefix(1);
        const std::string_view piece = left.substr(0, left.find('/'));
        if (segment.kind == Kind::literal) {
            if (piece != segment.prefix) return false;
            left.remove_prefix(piece.size());
            continue;
        }
        if (segment.kind == Kind::rest || segment.kind == Kind::rest_or_nothing) {
            if (!left.starts_with(segment.prefix)) return false;
            left.remove_prefix(segment.prefix.size());
            if (left.empty() && segment.kind == Kind::rest) return false;
            match.add(segment.name, left);
            return true;
        }
        if (piece.size() <= segment.prefix.size() + segment.suffix.size() ||
            !piece.starts_with(segment.prefix) || !piece.ends_with(segment.suffix)) {
            return false;
        }
        const std::string_view value =
            piece.substr(segment.prefix.size(), piece.size() - segment.prefix.size() - segment.suffix.size());
        if (segment.kind == Kind::digits && !all_digits(value)) return false;
        match.add(segment.name, value);
        left.remove_prefix(piece.size());
    }
    return left.empty();
}

const Handler* Router::find(std::string_view method, std::string_view raw_path, MatchInfo& match) const {
    if (is_normal(raw_path)) return find_normal(method, raw_path, match);
    return find_normal(method, normal_form(raw_path), match);
}

const Handler* Router::find_normal(std::string_view method, std::string_view path, MatchInfo& match) const {
    match.clear();
    if (const Resource* found = plain_.find(path); found != nullptr) {
        if (const Handler* handler = found->handler_for(method)) return handler;
    }
    for (const Resource* resource : dynamic_) {
        if (resource->matches(path, match)) {
            if (const Handler* handler = resource->handler_for(method)) {
                match.decode();
                return handler;
            }
        }
        match.clear();
    }
    return nullptr;
}

std::string Router::allowed(std::string_view raw_path) const {
    const std::string path = normal_form(raw_path);
    std::vector<std::string_view> methods;
    MatchInfo ignored;
    for (const Resource& resource : resources_) {
        const bool matches =
            has_names(resource.segments) ? resource.matches(path, ignored) : resource.path == path;
        if (!matches) continue;
        for (const Route& route : resource.routes) methods.emplace_back(route.method);
    }
    std::sort(methods.begin(), methods.end());
    methods.erase(std::unique(methods.begin(), methods.end()), methods.end());
    std::string list;
    for (const std::string_view method : methods) {
        if (!list.empty()) list += ", ";
        list += method;
    }
    return list;
}

}}}  // namespace asyncio::v1::http::web::detail

namespace asyncio { inline namespace v1 { namespace http::web {

Application::Application(ApplicationOptions options) : router_(std::make_shared<detail::Router>(options)) {}
Application::Application(Application&&) noexcept = default;
Application& Application::operator=(Application&&) noexcept = default;
Application::~Application() = default;

void Application::add_route(std::string_view method, std::string_view path, Handler handler) {
    router_->check(method, path);
    if (!handler) throw ValueError("route '" + std::string(path) + "': the handler is empty");
    router_->add(method, path, router_->keep(std::move(handler)));
}

void Application::add_get(std::string_view path, Handler handler) {
    router_->check("GET", path);
    router_->check("HEAD", path);
    if (!handler) throw ValueError("route '" + std::string(path) + "': the handler is empty");
    Handler* const kept = router_->keep(std::move(handler));
    router_->add("GET", path, kept);
    router_->add("HEAD", path, kept);
}

}}}  // namespace asyncio::v1::http::web
