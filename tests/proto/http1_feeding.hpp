#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "asyncio/proto/errors.hpp"
#include "asyncio/proto/http1.hpp"

// Drives a parser with one input cut up in many ways. Whatever the cuts, the story must be the same.
namespace asyncio::proto::test {

/// What a parser made of its input.
struct Story {
    std::string head;  // "POST /x HTTP/1.1" or "200 OK HTTP/1.1"; empty: there was none.
    Headers headers;
    std::string body;
    Headers trailers;
    std::string error;  // Empty: there was none.
    int status = 0;     // The status that the error suggests.
    bool transfer_error = false;
    bool length_error = false;
    bool complete = false;
    bool closed = false;
    bool keep_alive = false;
    bool upgrade = false;
    Framing framing = Framing::none;
    std::string left;  // What the parser did not consume.

    /// All that may not depend on where the input was cut.
    std::string summary() const {
        std::string text = head + "\n";
        for (const HeaderView field : headers)
            text += std::string(field.name) + "=" + std::string(field.value) + "\n";
        text += "[" + body + "]\n";
        for (const HeaderView field : trailers)
            text += std::string(field.name) + "=" + std::string(field.value) + "\n";
        text += complete ? "complete " : "";
        text += closed ? "closed " : "";
        text += keep_alive ? "keep-alive " : "";
        text += upgrade ? "upgrade " : "";
        return text + "left=" + left + " status=" + std::to_string(status) + (error.empty() ? "" : " error");
    }
};

inline std::string head_line(const RequestHead& head) {
    return head.method + " " + head.target +
           (head.version == HttpVersion::http_1_1 ? " HTTP/1.1" : " HTTP/1.0");
}
inline std::string head_line(const ResponseHead& head) {
    return std::to_string(head.status) + " " + head.reason +
           (head.version == HttpVersion::http_1_1 ? " HTTP/1.1" : " HTTP/1.0");
}

/// Offers `in` until the message is complete or more is needed; false once there is nothing more to do.
template <class Parser>
bool offer(Parser& parser, std::string_view& in, Story& story) {
    while (true) {
        switch (parser.parse(in)) {
            case Event::need_data: EXPECT_TRUE(in.empty()); return true;
            case Event::head:
                EXPECT_EQ(story.head, "") << "two heads";
                story.head = head_line(parser.head());
                story.headers = parser.head().headers;
                story.keep_alive = parser.keep_alive();
                story.upgrade = parser.upgrade();
                story.framing = parser.framing();
                break;
            case Event::body:
                EXPECT_FALSE(parser.body().empty());
                story.body += parser.body();
                break;
            case Event::complete:
                EXPECT_TRUE(parser.complete());
                EXPECT_EQ(story.body.size(), parser.body_received());
                story.complete = true;
                story.trailers = parser.trailers();
                return false;
            case Event::closed: ADD_FAILURE() << "closed from parse()"; return false;
        }
    }
}

/// Feeds `pieces`, each from a buffer of its own size, so that the sanitizers see a read beyond it; then the
/// end.
template <class Parser>
Story feed(Parser& parser, const std::vector<std::string_view>& pieces, bool eof) {
    Story story;
    bool going_on = true;
    try {
        for (const std::string_view piece : pieces) {
            const std::vector<char> buffer(piece.begin(), piece.end());
            std::string_view in(buffer.data(), buffer.size());
            if (going_on) going_on = offer(parser, in, story);
            story.left += in;
        }
        if (going_on && eof) {
            const Event last = parser.feed_eof();
            story.complete = last == Event::complete;
            story.closed = last == Event::closed;
        }
    } catch (const RemoteProtocolError& e) {
        story.error = e.what();
        story.status = e.status();
        story.transfer_error = dynamic_cast<const TransferEncodingError*>(&e) != nullptr;
        story.length_error = dynamic_cast<const ContentLengthError*>(&e) != nullptr;
        story.left.clear();  // Of no use after an error.
    }
    return story;
}

/// Feeds `text` whole, byte by byte, cut once at every place, and with three bytes behind it; gives the one
/// story that all of these must tell. `make` makes a new parser.
template <class Make>
Story feed_all_ways(Make make, std::string_view text, bool eof = false) {
    auto whole_parser = make();
    const Story whole = feed(whole_parser, {text}, eof);
    SCOPED_TRACE("input: " + std::string(text.substr(0, 200)));

    std::vector<std::string_view> bytes;
    for (std::size_t i = 0; i < text.size(); ++i) bytes.push_back(text.substr(i, 1));
    auto slow_parser = make();
    EXPECT_EQ(feed(slow_parser, bytes, eof).summary(), whole.summary()) << "byte by byte";

    const std::size_t step = text.size() > 2000 ? text.size() / 97 : 1;
    for (std::size_t cut = 0; cut <= text.size(); cut += step) {
        auto parser = make();
        EXPECT_EQ(feed(parser, {text.substr(0, cut), text.substr(cut)}, eof).summary(), whole.summary())
            << "cut at " << cut;
    }
    if (whole.complete && !eof) {
        const std::string longer = std::string(text) + "XYZ";
        auto parser = make();
        Story story = feed(parser, {longer}, eof);
        EXPECT_EQ(story.left, whole.left + "XYZ") << "with trailing bytes";
        story.left = whole.left;
        EXPECT_EQ(story.summary(), whole.summary()) << "with trailing bytes";
    }
    return whole;
}

inline Story request(std::string_view text, bool eof = false, ParserLimits limits = {}) {
    return feed_all_ways([&] { return RequestParser(limits); }, text, eof);
}
inline Story response(std::string_view text, bool eof = false, std::string_view method = "GET",
                      ParserLimits limits = {}) {
    return feed_all_ways([&] { return ResponseParser(method, limits); }, text, eof);
}

}  // namespace asyncio::proto::test
