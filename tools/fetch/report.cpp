#include "fetch/report.hpp"

#include <algorithm>
#include <asyncio/debug/timeline.hpp>
#include <cstdio>

namespace fetch {

namespace {

/// Bytes of the UTF-8 character that begins at `at`; 0 if it is none.
std::size_t utf8_length(std::string_view text, std::size_t at) {
    const auto lead = static_cast<unsigned char>(text[at]);
    const std::size_t length = lead < 0x80                   ? 1
                               : lead >= 0xc2 && lead < 0xe0 ? 2
                               : lead >= 0xe0 && lead < 0xf0 ? 3
                               : lead >= 0xf0 && lead < 0xf5 ? 4
                                                             : 0;
    if (length == 0 || at + length > text.size()) return 0;
    for (std::size_t i = 1; i < length; ++i) {
        if ((static_cast<unsigned char>(text[at + i]) & 0xc0) != 0x80) return 0;
    }
    const auto second = length > 1 ? static_cast<unsigned char>(text[at + 1]) : 0;
    const bool overlong_or_surrogate = (lead == 0xe0 && second < 0xa0) || (lead == 0xed && second >= 0xa0) ||
                                       (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second >= 0x90);
    return overlong_or_surrogate ? 0 : length;
}

void append_formatted(std::string& out, const char* format, double value) {
    char buffer[64];
    std::snprintf(buffer, sizeof buffer, format, value);
    out += buffer;
}

std::string json_string(std::string_view text) {
    std::string out = "\"";
    for (std::size_t at = 0; at < text.size();) {
        const char c = text[at];
        const std::size_t length = utf8_length(text, at);
        if (length == 0) {
            out += "\\ufffd";
            ++at;
        } else if (length > 1) {
            out += text.substr(at, length);
            at += length;
        } else {
            if (c == '"' || c == '\\') {
                out += '\\';
                out += c;
            } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
                char escaped[8];
                std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(c));
                out += escaped;
            } else {
                out += c;
            }
            ++at;
        }
    }
    out += '"';
    return out;
}

}  // namespace

std::string printable(std::string_view text) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = utf8_length(text, at);
        const auto c = static_cast<unsigned char>(text[at]);
        // C1 controls (U+0080 to U+009F) steer terminals, too.
        const bool control = c < 0x20 || c == 0x7f ||
                             (length == 2 && c == 0xc2 && static_cast<unsigned char>(text[at + 1]) < 0xa0);
        if (length == 0 || control) {
            char escaped[8];
            std::snprintf(escaped, sizeof escaped, "\\x%02x", c);
            out += escaped;
            at += 1;
        } else {
            out += text.substr(at, length);
            at += length;
        }
    }
    return out;
}

std::string text_line(const Result& result) {
    std::string line = result.status != 0 ? std::to_string(result.status) : "---";
    line += ' ';
    line += std::to_string(result.bytes);
    append_formatted(line, " %.3f ", result.seconds);
    line += printable(result.url);
    if (!result.ok()) {
        line += " [";
        line += printable(result.error);
        line += ']';
    }
    return line;
}

std::string json_line(const Result& result) {
    std::string line = "{\"url\":" + json_string(result.url);
    line += ",\"status\":";
    line += result.status != 0 ? std::to_string(result.status) : "null";
    line += ",\"bytes\":";
    line += std::to_string(result.bytes);
    append_formatted(line, ",\"seconds\":%.6f", result.seconds);
    if (!result.ok()) {
        line += ",\"error\":";
        line += json_string(result.error);
    }
    line += '}';
    return line;
}

std::string summary_line(const Totals& totals) {
    std::string line = std::to_string(totals.ok);
    line += " ok, ";
    line += std::to_string(totals.failed);
    line += " failed, ";
    line += std::to_string(totals.bytes);
    append_formatted(line, " bytes in %.2f s", totals.seconds);
    return line;
}

std::string timeline(const std::vector<Result>& results, std::size_t rows_max, std::size_t width) {
    using asyncio::TimePoint;
    using asyncio::debug::Activity;
    const auto at = [](double seconds) {
        return TimePoint(asyncio::Duration(std::chrono::duration<double>(seconds)).to_chrono());
    };
    std::vector<const Result*> by_start;
    by_start.reserve(results.size());
    for (const Result& result : results) by_start.push_back(&result);
    // The order of equal starts is that of the URLs, whose results lie in one array.
    std::sort(by_start.begin(), by_start.end(), [](const Result* a, const Result* b) {
        return a->started != b->started ? a->started < b->started : a < b;
    });
    asyncio::debug::Timeline chart;
    for (const Result* result : by_start) {
        const std::size_t row = chart.add_row(printable(result->url));
        const double end = result->started + result->seconds;
        const double answered = result->answered > 0 ? result->answered : end;
        chart.add(row, at(result->started), at(answered), Activity::waits);
        chart.add(row, at(answered), at(end), result->ok() ? Activity::receives : Activity::failed);
    }
    asyncio::debug::TimelineOptions options;
    options.width = static_cast<int>(width);
    options.rows_max = rows_max;
    return chart.render(options);
}

}  // namespace fetch
