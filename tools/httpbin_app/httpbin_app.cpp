// The handlers. Every value that a client may choose is checked, and a bad one is answered with 400 and what
// is wrong.
#include "httpbin_app/httpbin_app.hpp"

#include <asyncio/asyncio.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "httpbin_app/json.hpp"

namespace web = asyncio::http::web;
using asyncio::Coro;
using httpbin::append_json;

namespace {

constexpr double delay_max_seconds = 3600;
constexpr std::uint64_t bytes_max = 100 * 1024 * 1024;
constexpr std::uint64_t stream_lines_max = 1'000'000;
constexpr std::size_t piece_bytes = 64 * 1024;

[[noreturn]] void refuse(std::string_view name, std::string_view value, std::string_view what_it_must_be) {
    throw web::HTTPError(400, std::string(name) + " '" + std::string(value) + "': it must be " +
                                  std::string(what_it_must_be) + "\n");
}

/// The whole text as a number.
template <class Number>
bool parse(std::string_view text, Number& number) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

// ---- JSON ---------------------------------------------------------------------------------------

/// Pairs of one kind as an object: names that occur more than once have an array of values, or (headers) one
/// list.
struct Fields {
    std::vector<std::pair<std::string, std::vector<std::string_view>>> names;

    void add(std::string_view name, std::string_view value) {
        for (auto& [known, values] : names) {
            if (asyncio::proto::equals_ignore_case(known, name)) {
                values.push_back(value);
                return;
            }
        }
        names.emplace_back(std::string(name), std::vector<std::string_view>(1, value));
    }
};

/// Writes one JSON object, a member a line.
class Object {
  public:
    void member(std::string_view name, std::string_view text) {
        begin(name);
        append_json(out_, text);
    }
    void raw_member(std::string_view name, std::string_view json) {
        begin(name);
        out_.append(json);
    }
    void member(std::string_view name, const Fields& fields, bool join) {
        begin(name);
        out_.append("{");
        const char* separator = "\n    ";
        for (const auto& [key, values] : fields.names) {
            out_.append(separator);
            separator = ",\n    ";
            append_json(out_, key);
            out_.append(": ");
            append_values(values, join);
        }
        out_.append(fields.names.empty() ? "}" : "\n  }");
    }
    std::string take() {
        out_.append("\n}\n");
        return std::move(out_);
    }

  private:
    void begin(std::string_view name) {
        out_.append(out_.empty() ? "{\n  " : ",\n  ");
        append_json(out_, name);
        out_.append(": ");
    }
    void append_values(const std::vector<std::string_view>& values, bool join) {
        if (values.size() == 1) return append_json(out_, values[0]);
        std::string text;
        if (!join) out_.append("[");
        for (std::size_t i = 0; i != values.size(); ++i) {
            if (join) {
                text.append(i == 0 ? "" : ",").append(values[i]);
            } else {
                out_.append(i == 0 ? "" : ", ");
                append_json(out_, values[i]);
            }
        }
        if (join) {
            append_json(out_, text);
        } else {
            out_.append("]");
        }
    }
    std::string out_;
};

void describe(const web::Request& request, Object& object) {
    Fields args;
    for (const auto& [name, value] : request.query()) args.add(name, value);
    Fields headers;
    for (const auto field : request.headers()) headers.add(field.name, field.value);
    object.member("args", args, false);
    object.member("headers", headers, true);
    object.member("origin", request.remote());
    object.member("url", request.url());
}

web::Response description(const web::Request& request) {
    Object object;
    describe(request, object);
    return web::json_response(object.take());
}

// ---- the handlers -------------------------------------------------------------------------------

constexpr std::string_view index_text =
    "asyncio-httpbin\n"
    "\n"
    "GET  /                  this page\n"
    "GET  /get               what was asked, as JSON\n"
    "POST /post              the same, with the body\n"
    "GET  /delay/{seconds}   the same as /get, after a while (fractions are allowed)\n"
    "GET  /bytes/{n}         n bytes, always the same; other ones with ?seed=\n"
    "GET  /stream/{n}        n lines of JSON, in chunks\n"
    "ANY  /status/{code}     that status\n";

Coro<web::Response> list_routes(web::Request&) { co_return web::Response(std::string(index_text)); }

Coro<web::Response> get(web::Request& request) { co_return description(request); }

Coro<web::Response> delay(web::Request& request) {
    const std::string_view text = request.match_info("seconds");
    double seconds = 0;
    if (!parse(text, seconds) || !(seconds >= 0 && seconds <= delay_max_seconds)) {
        refuse("delay", text, "a number of seconds from 0 to 3600");
    }
    co_await asyncio::sleep(std::chrono::duration<double>(seconds));
    co_return description(request);
}

Coro<web::Response> post(web::Request& request) {
    const std::string body = co_await request.read();
    const std::string_view type = request.headers().get("Content-Type", "");
    const bool is_form = type.starts_with("application/x-www-form-urlencoded");
    const bool is_json = type.starts_with("application/json") && httpbin::is_json(body);
    Fields form;
    asyncio::proto::QueryPairs pairs;
    if (is_form) pairs = asyncio::proto::parse_query(body);
    for (const auto& [name, value] : pairs) form.add(name, value);
    Object object;
    describe(request, object);
    object.member("data", is_form ? std::string_view() : std::string_view(body));
    object.member("form", form, false);
    object.raw_member("json", is_json ? std::string_view(body) : std::string_view("null"));
    co_return web::json_response(object.take());
}

/// The bytes of /bytes: a sequence that the seed begins (splitmix64), so that a client can tell what it
/// should have got.
class Bytes {
  public:
    explicit Bytes(std::uint64_t seed) : state_(seed) {}
    void fill(std::span<char> out) {
        while (!out.empty()) {
            state_ += 0x9e3779b97f4a7c15;
            std::uint64_t mixed = state_;
            mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
            mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
            mixed ^= mixed >> 31;
            const std::size_t count = std::min(out.size(), sizeof mixed);
            std::memcpy(out.data(), &mixed, count);
            out = out.subspan(count);
        }
    }

  private:
    std::uint64_t state_;
};

Coro<web::Response> bytes(web::Request& request) {
    const std::string_view text = request.match_info("n");
    std::uint64_t left = 0;
    if (!parse(text, left) || left > bytes_max)
        refuse("bytes", text, "a number from 0 to 104857600 (100 MiB)");
    const std::string_view seed_text = request.query("seed", "0");
    std::uint64_t seed = 0;
    if (!parse(seed_text, seed)) refuse("seed", seed_text, "a whole number from 0 to 18446744073709551615");

    web::StreamResponse response(request, {.content_length = left});
    co_await response.prepare();
    Bytes source(seed);
    std::vector<char> piece(std::min<std::uint64_t>(left, piece_bytes));
    while (left != 0 && request.method() != "HEAD") {
        const std::size_t count = std::min<std::uint64_t>(left, piece.size());
        source.fill(std::span(piece).first(count));
        co_await response.write(std::string_view(piece.data(), count));
        left -= count;
    }
    co_return response.finish();
}

Coro<web::Response> stream(web::Request& request) {
    const std::string_view text = request.match_info("n");
    std::uint64_t lines = 0;
    if (!parse(text, lines) || lines > stream_lines_max)
        refuse("stream", text, "a number of lines from 0 to 1000000");
    web::StreamResponse response(request, {.content_type = "application/json"});
    co_await response.prepare();
    std::string line;
    for (std::uint64_t id = 0; id != lines; ++id) {
        line = "{\"id\": " + std::to_string(id) + ", \"url\": ";
        append_json(line, request.url());
        line.append("}\n");
        co_await response.write(line);
    }
    co_return response.finish();
}

Coro<web::Response> status(web::Request& request) {
    const std::string_view text = request.match_info("code");
    int code = 0;
    if (!parse(text, code) || code < 200 || code > 599) refuse("status", text, "a number from 200 to 599");
    web::Response response("", {.status = code});
    if (code / 100 == 3 && code != 304) response.headers().set("Location", "/get");
    co_return response;
}

}  // namespace

web::Application make_httpbin() {
    web::Application app({.client_max_size = bytes_max});
    app.add_get("/", list_routes);
    app.add_get("/get", get);
    app.add_post("/post", post);
    app.add_get("/delay/{seconds}", delay);
    app.add_get("/bytes/{n}", bytes);
    app.add_get("/stream/{n}", stream);
    app.add_route("*", "/status/{code}", status);
    return app;
}
