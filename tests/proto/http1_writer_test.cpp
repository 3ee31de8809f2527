#include "asyncio/proto/http1_writer.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "asyncio/proto/errors.hpp"
#include "asyncio/proto/status.hpp"
#include "proto/http1_feeding.hpp"

namespace asyncio::proto::test { namespace {

Headers fields(std::string_view name, std::string_view value) {
    Headers headers;
    headers.add(name, value);
    return headers;
}

TEST(Writer, WritesARequestHead) {
    Headers headers = fields("Host", "example.org");
    headers.add("Accept", "*/*");
    std::string out;
    write_request_head(out, "GET", "/a?b=c", headers);
    EXPECT_EQ(out, "GET /a?b=c HTTP/1.1\r\nHost: example.org\r\nAccept: */*\r\n\r\n");
}

TEST(Writer, WritesAResponseHead) {
    std::string out;
    write_response_head(out, 404, reason(404), fields("Content-Length", "0"));
    EXPECT_EQ(out, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    out.clear();
    write_response_head(out, 299, "", Headers(), HttpVersion::http_1_0);
    EXPECT_EQ(out, "HTTP/1.0 299 \r\n\r\n");
}

TEST(Writer, WritesViewsWithoutCopyingThemFirst) {
    const std::array<HeaderView, 2> views{{{"Host", "a"}, {"X", "y"}}};
    std::string out = "before";
    write_request_head(out, "M-SEARCH", "*", views);
    EXPECT_EQ(out, "beforeM-SEARCH * HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n");
    out.clear();
    write_response_head(out, 200, "OK", views);
    EXPECT_EQ(out, "HTTP/1.1 200 OK\r\nHost: a\r\nX: y\r\n\r\n");
}

TEST(Writer, WritesChunks) {
    std::string out;
    write_chunk(out, "hello");
    write_chunk(out, "");
    write_chunk_begin(out, 0xabcdef);
    write_last_chunk(out);
    EXPECT_EQ(out, "5\r\nhello\r\nabcdef\r\n0\r\n\r\n");
    out.clear();
    write_last_chunk(out, fields("X-Sum", "1"));
    EXPECT_EQ(out, "0\r\nX-Sum: 1\r\n\r\n");
    EXPECT_THROW(write_chunk_begin(out, 0), LocalProtocolError);
}

TEST(Writer, RefusesWhatWouldForgeALineAndLeavesTheOutputAlone) {
    std::string out = "kept";
    const Headers none;
    for (const std::string bad : {"", "GET /x HTTP/1.1\r\nA: b\r\n\r\nGET", "G T", "GET\t", "G\xc3\xa9T"}) {
        EXPECT_THROW(write_request_head(out, bad, "/", none), LocalProtocolError) << bad;
    }
    for (const std::string& bad :
         std::vector<std::string>{"", "/a b", "/a\r\nX: y", "/a\nb", "/\xc3\xa9", "/a#b", "/a\tb",
                                  std::string("/a\0", 3), "/\x7f"}) {
        EXPECT_THROW(write_request_head(out, "GET", bad, none), LocalProtocolError) << bad;
    }
    for (const std::string& bad : std::vector<std::string>{"a\rb", "a\nb", std::string("a\0", 2), "\x1b"}) {
        EXPECT_THROW(write_response_head(out, 200, bad, none), LocalProtocolError);
        const std::array<HeaderView, 2> value{{{"Good", "g"}, {"A", bad}}};
        EXPECT_THROW(write_request_head(out, "GET", "/", value), LocalProtocolError);
        const std::array<HeaderView, 2> name{{{"Good", "g"}, {bad, "v"}}};
        EXPECT_THROW(write_response_head(out, 200, "OK", name), LocalProtocolError);
    }
    const std::array<HeaderView, 1> colon{{{"A:", "b"}}};
    EXPECT_THROW(write_response_head(out, 200, "OK", colon), LocalProtocolError);
    for (const int status : {-1, 0, 99, 1000, 10000}) {
        EXPECT_THROW(write_response_head(out, status, "R", none), LocalProtocolError);
    }
    EXPECT_EQ(out, "kept");
}

TEST(Writer, NeverSendsALengthAndChunksNorEitherWhereThereIsNoBody) {
    std::string out;
    Headers both = fields("content-length", "1");
    both.add("TRANSFER-ENCODING", "chunked");
    EXPECT_THROW(write_request_head(out, "POST", "/", both), LocalProtocolError);
    EXPECT_THROW(write_response_head(out, 200, "OK", both), LocalProtocolError);
    Headers twice = fields("Content-Length", "1");
    twice.add("content-length", "1");
    EXPECT_THROW(write_response_head(out, 200, "OK", twice), LocalProtocolError);
    for (const int status : {100, 101, 204}) {
        EXPECT_THROW(write_response_head(out, status, "R", fields("Content-Length", "0")),
                     LocalProtocolError);
        EXPECT_THROW(write_response_head(out, status, "R", fields("Transfer-Encoding", "chunked")),
                     LocalProtocolError);
    }
    for (const std::string name : {"Content-Length", "Transfer-Encoding", "Host"}) {
        EXPECT_THROW(write_last_chunk(out, fields(name, "1")), LocalProtocolError);
    }
    EXPECT_EQ(out, "");
    write_response_head(out, 304, "Not Modified", fields("Content-Length", "10"));
    EXPECT_NE(out, "");
}

TEST(Writer, WritesWhatTheParsersReadBack) {
    Headers headers = fields("Host", "example.org:81");
    headers.add("Transfer-Encoding", "chunked");
    headers.add("X-Text", "caf\xc3\xa9\t\"quoted\"");
    std::string out;
    write_request_head(out, "POST", "/p?q=%20", headers);
    write_chunk(out, "hello ");
    write_chunk(out, "world");
    write_last_chunk(out, fields("X-Sum", "7"));
    const Story request_story = request(out);
    EXPECT_EQ(request_story.head, "POST /p?q=%20 HTTP/1.1");
    EXPECT_EQ(request_story.headers, headers);
    EXPECT_EQ(request_story.body, "hello world");
    EXPECT_EQ(request_story.trailers, fields("X-Sum", "7"));
    EXPECT_TRUE(request_story.complete);

    out.clear();
    write_response_head(out, 201, reason(201), fields("Content-Length", "2"));
    out += "ok";
    const Story response_story = response(out);
    EXPECT_EQ(response_story.head, "201 Created HTTP/1.1");
    EXPECT_EQ(response_story.body, "ok");
    EXPECT_TRUE(response_story.complete);
}

TEST(Status, HasTheUsualPhraseOrNone) {
    EXPECT_EQ(reason(200), "OK");
    EXPECT_EQ(reason(418), "I'm a Teapot");
    EXPECT_EQ(reason(299), "");
    EXPECT_EQ(reason(-1), "");
    EXPECT_TRUE(has_no_body(100) && has_no_body(204) && has_no_body(304));
    EXPECT_FALSE(has_no_body(200) || has_no_body(205));
}

}}  // namespace asyncio::proto::test
