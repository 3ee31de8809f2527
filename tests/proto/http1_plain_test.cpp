// Plain messages are read in one pass if they come whole, and by the guard and llhttp if they come in pieces.
// Here messages that are plain, or nearly so, are fed both ways.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "asyncio/proto/http1.hpp"
#include "proto/http1_feeding.hpp"

namespace asyncio::proto::test { namespace {

/// Feeds `text` whole and byte by byte; gives the story that both must tell.
template <class Make>
Story both_ways(Make make, const std::string& text) {
    SCOPED_TRACE(text);
    auto whole_parser = make();
    const Story whole = feed(whole_parser, {text}, true);
    std::vector<std::string_view> bytes;
    for (std::size_t i = 0; i < text.size(); ++i) bytes.push_back(std::string_view(text).substr(i, 1));
    auto slow_parser = make();
    const Story slow = feed(slow_parser, bytes, true);
    EXPECT_EQ(whole.summary(), slow.summary());
    EXPECT_EQ(static_cast<int>(whole.framing), static_cast<int>(slow.framing));
    return whole;
}

const std::vector<std::string> fields = {
    "",
    "Host: a\r\n",
    "hOST:\ta.example:80 \t\r\n",
    "Host: a b\r\n",
    "Host:\r\n",
    "Accept: */*\r\n",
    "Accept:\r\n",
    "Accept: \t \r\n",
    "X-Long: eight123, then a\ttab and more of it\r\n",
    "X-High: \x80\xff\r\n",
    "X-Control: eight123\x01\r\n",
    "X-Delete: \x7f\r\n",
    "X-Return: a\rb\r\n",
    "X-Bare: a\n",
    "Server: one\r\n",
    "User-Agent: one\r\n",
    "No colon\r\n",
    "Blank : 1\r\n",
    ": nameless\r\n",
    " folded\r\n",
    "Connection: keep-alive\r\n",
    "Connection: Keep-Alive\r\n",
    "Connection: close\r\n",
    "Connection: keep-alive, close\r\n",
    "Proxy-Connection: close\r\n",
    "Upgrade: websocket\r\n",
    "Content-Length: 3\r\n",
    "content-length: 03 \r\n",
    "Content-Length: 0\r\n",
    "Content-Length: +3\r\n",
    "Content-Length: 99999999999999999999\r\n",
    "Content-Length:\r\n",
    "Transfer-Encoding: chunked\r\n",
};

TEST(PlainMessages, RequestsAreReadAsTheyAreInPieces) {
    for (const std::string line :
         {"GET / HTTP/1.1\r\n", "GET /a?b=%20c HTTP/1.1\r\n", "GET /a#b HTTP/1.1\r\n", "GET  / HTTP/1.1\r\n",
          "GET / HTTP/1.0\r\n", "GET http://b/ HTTP/1.1\r\n", "GET / HTTP/1.1\n", "get / HTTP/1.1\r\n",
          "HEAD / HTTP/1.1\r\n", "\r\nGET / HTTP/1.1\r\n"}) {
        for (const std::string& first : fields) {
            for (const std::string& second : fields)
                both_ways([] { return RequestParser(); }, line + first + second + "\r\nabc");
        }
    }
}

TEST(PlainMessages, ResponsesAreReadAsTheyAreInPieces) {
    for (const std::string line :
         {"HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 \r\n", "HTTP/1.1 200\r\n", "HTTP/1.1 404 Not\tFound\r\n",
          "HTTP/1.1 204 No Content\r\n", "HTTP/1.1 304 Not Modified\r\n", "HTTP/1.1 099 X\r\n",
          "HTTP/1.1 200 \x01\r\n", "HTTP/1.0 200 OK\r\n", "HTTP/1.1 200 OK\n",
          "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"}) {
        for (const std::string& first : fields) {
            for (const std::string& second : fields)
                both_ways([] { return ResponseParser(); }, line + first + second + "\r\nabc");
        }
    }
}

TEST(PlainMessages, TheAnswerToAHeadIsNotMistakenForOneWithABody) {
    const std::string text = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n";
    for (const std::string method : {"HEAD", "GET"}) {
        const Story story = both_ways([&] { return ResponseParser(method); }, text);
        EXPECT_EQ(story.complete, method == "HEAD");
        EXPECT_EQ(story.length_error, method == "GET");
    }
}

TEST(PlainMessages, EachByteOfAValueIsLookedAt) {
    for (std::size_t at = 0; at < 20; ++at) {
        for (int c = 0; c < 256; ++c) {
            std::string value(20, 'v');
            value[at] = static_cast<char>(c);
            const std::string text = "GET / HTTP/1.1\r\nHost: a\r\nX: " + value + "\r\n\r\n";
            RequestParser parser;
            const Story story = feed(parser, {text}, true);
            const bool control = (c < 0x20 && c != '\t') || c == 0x7f;
            EXPECT_EQ(story.complete, !control) << "byte " << c << " at " << at;
        }
    }
}

TEST(PlainMessages, TheLimitsAreTheSame) {
    const ParserLimits limits{.max_line_size = 20, .max_field_size = 10, .max_headers = 3};
    const auto make = [&] { return RequestParser(limits); };
    for (std::size_t size = 1; size < 16; ++size) {
        const std::string name(size, 'n');
        both_ways(make, "GET /" + name + " HTTP/1.1\r\nHost: a\r\n\r\n");
        both_ways(make, "GET / HTTP/1.1\r\nHost: a\r\n" + name + ":\r\n\r\n");
    }
    std::string text = "GET / HTTP/1.1\r\nHost: a\r\n";
    for (int count = 2; count < 6; ++count) {
        text += "X: 1\r\n";
        const Story story = both_ways(make, text + "\r\n");
        EXPECT_EQ(story.complete, count <= 3);
    }
}

}}  // namespace asyncio::proto::test
