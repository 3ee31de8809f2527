#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "asyncio/proto/http1.hpp"
#include "proto/http1_feeding.hpp"

namespace asyncio::proto::test { namespace {

const std::string host = "Host: a\r\n";

TEST(RequestParser, ReadsASimpleRequest) {
    RequestParser parser;
    std::string_view in = "GET /hello?x=1 HTTP/1.1\r\nHost: example.org\r\nAccept: */*\r\n\r\n";
    EXPECT_TRUE(parser.idle());
    EXPECT_EQ(parser.parse(in), Event::head);
    EXPECT_EQ(parser.head().method, "GET");
    EXPECT_EQ(parser.head().target, "/hello?x=1");
    EXPECT_EQ(parser.head().headers.get("accept", ""), "*/*");
    EXPECT_TRUE(parser.keep_alive());
    EXPECT_EQ(parser.parse(in), Event::complete);
    EXPECT_TRUE(in.empty());
}

TEST(RequestParser, TellsTheSameStoryHoweverTheInputIsCut) {
    const Story get = request("GET / HTTP/1.1\r\n" + host + "\r\n");
    EXPECT_EQ(get.head, "GET / HTTP/1.1");
    EXPECT_TRUE(get.complete);
    EXPECT_EQ(get.framing, Framing::none);

    const Story sized = request("POST /p HTTP/1.1\r\n" + host + "Content-Length: 5\r\n\r\nhello");
    EXPECT_EQ(sized.body, "hello");
    EXPECT_EQ(sized.framing, Framing::content_length);
    EXPECT_TRUE(sized.complete);

    const Story empty = request("POST /p HTTP/1.1\r\n" + host + "Content-Length: 0\r\n\r\n");
    EXPECT_EQ(empty.body, "");
    EXPECT_TRUE(empty.complete);

    const Story chunked = request("PUT /p HTTP/1.1\r\n" + host +
                                  "Transfer-Encoding: Chunked\r\n\r\n"
                                  "5;name=value;q=\"quoted\"\r\nhello\r\nA\r\n, world!!!\r\n000\r\n"
                                  "Expires: never\r\nX-Sum:1 \r\n\r\n");
    EXPECT_EQ(chunked.body, "hello, world!!!");
    EXPECT_EQ(chunked.framing, Framing::chunked);
    EXPECT_EQ(chunked.trailers.get("expires", ""), "never");
    EXPECT_EQ(chunked.trailers.get("x-sum", ""), "1");
    EXPECT_TRUE(chunked.complete);
}

TEST(RequestParser, TrimsValuesAndKeepsOrderAndSpelling) {
    const Story story =
        request("GET / HTTP/1.1\r\nhOsT:\t a \t\r\nX-A:1\r\nx-a: two words \r\nEmpty:\r\nBlank:  \r\n\r\n");
    ASSERT_EQ(story.headers.size(), 5U);
    EXPECT_EQ(story.headers[0], (HeaderView{"hOsT", "a"}));
    EXPECT_EQ(story.headers[1], (HeaderView{"X-A", "1"}));
    EXPECT_EQ(story.headers[2], (HeaderView{"x-a", "two words"}));
    EXPECT_EQ(story.headers[3], (HeaderView{"Empty", ""}));
    EXPECT_EQ(story.headers[4], (HeaderView{"Blank", ""}));
    EXPECT_EQ(story.headers.get_all("X-a"), (std::vector<std::string_view>{"1", "two words"}));
}

TEST(RequestParser, AcceptsTheFormsOfATarget) {
    for (const std::string target :
         {"/", "/a%20b?c=d&e", "http://a/b", "HTTPS://[::1]:1?q", "/[{\"~'}]", "//x"}) {
        EXPECT_EQ(request("GET " + target + " HTTP/1.1\r\n" + host + "\r\n").head,
                  "GET " + target + " HTTP/1.1");
    }
    EXPECT_EQ(request("OPTIONS * HTTP/1.1\r\n" + host + "\r\n").head, "OPTIONS * HTTP/1.1");
    EXPECT_EQ(request("CONNECT a:443 HTTP/1.1\r\n" + host + "\r\n").head, "CONNECT a:443 HTTP/1.1");
}

TEST(RequestParser, DecidesKeepAliveByVersionAndConnection) {
    const auto keeps = [](const std::string& version, const std::string& fields) {
        const Story story = request("GET / HTTP/" + version + "\r\n" + host + fields + "\r\n");
        EXPECT_TRUE(story.complete) << story.error;
        return story.keep_alive;
    };
    EXPECT_TRUE(keeps("1.1", ""));
    EXPECT_FALSE(keeps("1.1", "Connection: close\r\n"));
    EXPECT_FALSE(keeps("1.1", "Connection: foo, Close\r\n"));
    EXPECT_FALSE(keeps("1.1", "Connection: foo\r\nConnection: close\r\n"));
    EXPECT_FALSE(keeps("1.0", ""));
    EXPECT_TRUE(keeps("1.0", "Connection: Keep-Alive\r\n"));
    EXPECT_FALSE(keeps("1.0", "Connection: keep-alive, close\r\n"));
}

TEST(RequestParser, ReadsPipelinedRequestsFromOneBuffer) {
    RequestParser parser;
    std::string_view in =
        "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
        "POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
        "\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    std::vector<std::string> heads;
    for (int i = 0; i < 3; ++i) {
        Story story;
        EXPECT_FALSE(offer(parser, in, story));
        heads.push_back(story.head);
        parser.next_message();
    }
    EXPECT_EQ(heads, (std::vector<std::string>{"GET /1 HTTP/1.1", "POST /2 HTTP/1.1", "GET /3 HTTP/1.1"}));
    EXPECT_TRUE(in.empty());
    EXPECT_EQ(parser.feed_eof(), Event::closed);
}

TEST(RequestParser, RefusesBytesBehindTheConnectionsLastMessage) {
    RequestParser parser;
    std::string_view in = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /2";
    Story story;
    EXPECT_FALSE(offer(parser, in, story));
    EXPECT_EQ(in, "GET /2");
    parser.next_message();
    EXPECT_THROW(parser.parse(in), RemoteProtocolError);

    parser.reset();  // Another connection.
    EXPECT_EQ(parser.parse(in), Event::need_data);
}

TEST(RequestParser, StopsBehindAnUpgradeAndParsesTheRestOnceAsHttpIfItIsDeclined) {
    RequestParser parser;
    std::string_view in =
        "GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
        "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
    Story story;
    EXPECT_FALSE(offer(parser, in, story));
    EXPECT_TRUE(story.upgrade);
    EXPECT_TRUE(in.starts_with("GET /next"));
    parser.next_message();
    Story next;
    EXPECT_FALSE(offer(parser, in, next));
    EXPECT_EQ(next.head, "GET /next HTTP/1.1");
    EXPECT_FALSE(next.upgrade);
    EXPECT_TRUE(in.empty());
}

TEST(RequestParser, ReadsTheBodyOfAnUpgradeBeforeWhatFollows) {
    const Story sized = request(
        "POST / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 4\r\n\r\nbody");
    EXPECT_TRUE(sized.upgrade);
    EXPECT_EQ(sized.body, "body");
    EXPECT_TRUE(sized.complete);
    const Story chunked = request(
        "POST / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nTransfer-Encoding: "
        "chunked\r\n\r\n"
        "1\r\nx\r\n0\r\n\r\n");
    EXPECT_EQ(chunked.body, "x");
    EXPECT_TRUE(chunked.complete);
    EXPECT_FALSE(request("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n").upgrade);
    EXPECT_TRUE(request("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n").upgrade);
}

struct Bad {
    std::string name;
    std::string text;
    std::string because;  // A part of the error.
    int status = 400;
};

std::vector<Bad> bad_requests() {
    const std::string get = "GET / HTTP/1.1\r\n";
    const std::string post = "POST / HTTP/1.1\r\n" + host;
    const std::string chunked = post + "Transfer-Encoding: chunked\r\n\r\n";
    std::vector<Bad> cases{
        // 1: lengths
        {"length and chunks", post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
         "both a Content-Length and chunks"},
        {"chunks and length", post + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
         "both a Content-Length and chunks"},
        {"chunks and no length", post + "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
         "both a Content-Length and chunks"},
        {"two lengths", post + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
         "more than one header 'Content-Length'"},
        {"the same length twice", post + "Content-Length: 5\r\ncontent-length: 5\r\n\r\n",
         "more than one header"},
        {"lengths in a list", post + "Content-Length: 5, 5\r\n\r\n", "Content-Length '5, 5'"},
        {"length with a plus", post + "Content-Length: +5\r\n\r\n", "Content-Length '+5'"},
        {"length with a minus", post + "Content-Length: -5\r\n\r\n", "Content-Length '-5'"},
        {"length with an underscore", post + "Content-Length: 1_0\r\n\r\n", "Content-Length '1_0'"},
        {"length in other digits", post + "Content-Length: \xd9\xa5\r\n\r\n", "Content-Length"},
        {"length in hex", post + "Content-Length: 0x5\r\n\r\n", "Content-Length '0x5'"},
        {"length with a blank", post + "Content-Length: 1 2\r\n\r\n", "Content-Length '1 2'"},
        {"empty length", post + "Content-Length:\r\n\r\n", "Content-Length ''"},
        {"length over 2^64", post + "Content-Length: 18446744073709551616\r\n\r\n", "2^64"},
        // 2: Transfer-Encoding
        {"chunked twice", post + "Transfer-Encoding: chunked, chunked\r\n\r\n",
         "Transfer-Encoding 'chunked, chunked'"},
        {"chunked in two fields", post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
         "more than one header"},
        {"chunked not last", post + "Transfer-Encoding: chunked, gzip\r\n\r\n",
         "Transfer-Encoding 'chunked, gzip'"},
        {"unknown coding", post + "Transfer-Encoding: gzip\r\n\r\n", "Transfer-Encoding 'gzip'"},
        {"gzip below chunks", post + "Transfer-Encoding: gzip, chunked\r\n\r\n",
         "Transfer-Encoding 'gzip, chunked'", 501},
        {"nearly chunked", post + "Transfer-Encoding: xchunked\r\n\r\n", "Transfer-Encoding 'xchunked'"},
        {"chunked with more", post + "Transfer-Encoding: chunkedx\r\n\r\n", "Transfer-Encoding 'chunkedx'"},
        {"chunked with a vertical tab",
         post + "Transfer-Encoding: \x0b"
                "chunked\r\n\r\n",
         ""},
        {"identity", post + "Transfer-Encoding: identity\r\n\r\n", "Transfer-Encoding 'identity'"},
        {"empty coding", post + "Transfer-Encoding:\r\n\r\n", "Transfer-Encoding ''"},
        {"chunks in HTTP/1.0", "POST / HTTP/1.0\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n",
         "HTTP/1.0"},
        // 4: Host
        {"no host", get + "Accept: */*\r\n\r\n", "no Host"},
        {"no field at all", get + "\r\n", "no Host"},
        {"bad host", get + "Host: a b\r\n\r\n", "Host 'a b'"},
        {"host with a path", get + "Host: a/b\r\n\r\n", "Host 'a/b'"},
        {"host with a user", get + "Host: u@a\r\n\r\n", "Host 'u@a'"},
        {"hosts in a list", get + "Host: a, b\r\n\r\n", "Host 'a, b'"},
        // 5: names and values
        {"space before colon", get + "Host : a\r\n\r\n", ""},
        {"tab before colon", get + "Host\t: a\r\n\r\n", ""},
        {"space in a name", get + host + "A B: c\r\n\r\n", ""},
        {"leading space", get + " Host: a\r\n\r\n", "obs-fold"},
        {"folded", get + host + "A: b\r\n c\r\n\r\n", "obs-fold"},
        {"folded with a tab", get + host + "A: b\r\n\tc\r\n\r\n", "obs-fold"},
        {"a blank line of blanks", get + host + "  \r\n\r\n", "obs-fold"},
        {"empty name", get + host + ": x\r\n\r\n", ""},
        {"no colon", get + host + "garbage\r\n\r\n", "garbage"},
        {"high byte in a name", get + host + "X\xc3\xa9: 1\r\n\r\n", ""},
        {"CR before a name", get + host + "\rA: b\r\n\r\n", "a CR without LF"},
        {"CR in a value", get + host + "A: b\rc\r\n\r\n", ""},
        {"two CRs", get + host + "A: b\r\r\n\r\n", ""},
        // 6: bare LF
        {"LF behind the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", "bare LF"},
        {"LF behind a field", get + "Host: a\nA: b\r\n\r\n", "bare LF"},
        {"LF as the empty line", get + host + "\n", "bare LF"},
        {"LF before all", "\nGET / HTTP/1.1\r\n" + host + "\r\n", ""},
        {"LF behind a chunk size", chunked + "1\nx\r\n0\r\n\r\n", "bare LF"},
        {"LF in a chunk extension", chunked + "1;a=\nb\r\nx\r\n0\r\n\r\n", "bare LF"},
        {"LF behind a chunk", chunked + "1\r\nx\n0\r\n\r\n", "CRLF"},
        {"LF behind the last chunk", chunked + "0\n\r\n", "bare LF"},
        {"LF behind a trailer", chunked + "0\r\nA: b\n\r\n", "bare LF"},
        // 7: chunks
        {"chunk size with a sign", chunked + "+1\r\nx\r\n0\r\n\r\n", "chunk size"},
        {"chunk size negative", chunked + "-1\r\nx\r\n0\r\n\r\n", "chunk size"},
        {"chunk size with an underscore", chunked + "1_0\r\nx\r\n0\r\n\r\n", "chunk size"},
        {"chunk size with 0x", chunked + "0x1\r\nx\r\n0\r\n\r\n", "chunk size"},
        {"chunk size missing", chunked + "\r\nx\r\n0\r\n\r\n", "chunk size"},
        {"chunk size only an extension", chunked + ";a\r\nx\r\n0\r\n\r\n", "chunk size"},
        {"chunk size with a blank", chunked + "1 \r\nx\r\n0\r\n\r\n", "chunk size"},
        {"chunk size with a leading blank", chunked + " 1\r\nx\r\n0\r\n\r\n", "chunk size"},
        {"chunk size over 2^64", chunked + "10000000000000000\r\nx", "chunk size"},
        {"chunk size with many zeros", chunked + "00000000000000001\r\nx", "chunk size"},
        {"NUL in a chunk extension", chunked + std::string("1;a\0b\r\nx\r\n0\r\n\r\n", 15), "extension"},
        {"CR in a chunk extension", chunked + "1;a\rb\r\nx\r\n0\r\n\r\n", "extension"},
        {"chunk longer than told", chunked + "1\r\nxy\r\n0\r\n\r\n", "CRLF"},
        {"chunk end CR CR", chunked + "1\r\nx\r\r\n0\r\n\r\n", "CRLF"},
        {"length behind the body", chunked + "0\r\nContent-Length: 3\r\n\r\n", "not allowed behind the body"},
        {"coding behind the body", chunked + "0\r\nTransfer-Encoding: chunked\r\n\r\n",
         "not allowed behind the body"},
        {"host behind the body", chunked + "0\r\nHost: b\r\n\r\n", "not allowed behind the body"},
        {"folded trailer", chunked + "0\r\nA: b\r\n c\r\n\r\n", "obs-fold"},
        {"trailer without a colon", chunked + "0\r\ngarbage\r\n\r\n", "garbage"},
        // 15: CONNECT
        {"CONNECT with a length", "CONNECT a:1 HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\n", "CONNECT"},
        {"CONNECT with chunks", "CONNECT a:1 HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n",
         "CONNECT"},
        // 20: the request line
        {"lower-case method", "get / HTTP/1.1\r\n" + host + "\r\n", "", 501},
        {"unknown method", "FLY / HTTP/1.1\r\n" + host + "\r\n", "", 501},
        {"method no token", "G[T / HTTP/1.1\r\n" + host + "\r\n", "not HTTP"},
        {"no version", "GET /\r\n" + host + "\r\n", "request line"},
        {"only a method", "GET\r\n" + host + "\r\n", "request line"},
        {"two spaces before the target", "GET  / HTTP/1.1\r\n" + host + "\r\n", "target"},
        {"two spaces before the version", "GET /  HTTP/1.1\r\n" + host + "\r\n", "target"},
        {"space in the target", "GET /a b HTTP/1.1\r\n" + host + "\r\n", "target"},
        {"tab in the request line", "GET\t/\tHTTP/1.1\r\n" + host + "\r\n", ""},
        {"space behind the version", "GET / HTTP/1.1 \r\n" + host + "\r\n", ""},
        {"space before the method", " GET / HTTP/1.1\r\n" + host + "\r\n", ""},
        {"fragment in the target", "GET /a#b HTTP/1.1\r\n" + host + "\r\n", "target"},
        {"high byte in the target", "GET /\xc3\xa9 HTTP/1.1\r\n" + host + "\r\n", "target"},
        {"relative target", "GET a HTTP/1.1\r\n" + host + "\r\n", ""},
        {"absolute target of another scheme", "GET ftp://a/b HTTP/1.1\r\n" + host + "\r\n", "scheme"},
        {"absolute target without a host", "GET http:///b HTTP/1.1\r\n" + host + "\r\n", "host"},
        {"absolute target with a port alone", "GET http://:80/b HTTP/1.1\r\n" + host + "\r\n", "host"},
        {"absolute target with a user", "GET http://u@a/b HTTP/1.1\r\n" + host + "\r\n", "host"},
        {"star for a GET", "GET * HTTP/1.1\r\n" + host + "\r\n", "OPTIONS"},
        {"CONNECT to a path", "CONNECT / HTTP/1.1\r\n" + host + "\r\n", ""},
        {"HTTP/0.9", "GET / HTTP/0.9\r\n\r\n", "HTTP/0.9", 505},
        {"HTTP/2.0", "GET / HTTP/2.0\r\n" + host + "\r\n", "HTTP/2.0", 505},
        {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "", 400},
        {"HTTP/1.2", "GET / HTTP/1.2\r\n" + host + "\r\n", "HTTP/1.2", 505},
        {"HTTP/1", "GET / HTTP/1\r\n" + host + "\r\n", "HTTP/1", 505},
        {"HTTP/11.1", "GET / HTTP/11.1\r\n" + host + "\r\n", "HTTP/11.1", 505},
        {"http in lower case", "GET / http/1.1\r\n" + host + "\r\n", "http/1.1"},
        {"RTSP", "OPTIONS * RTSP/1.0\r\n\r\n", "RTSP/1.0"},
        {"ICE", "SOURCE /x ICE/1.0\r\n\r\n", "ICE/1.0"},
        {"a response", "HTTP/1.1 200 OK\r\n\r\n", ""},
        {"TLS", std::string("\x16\x03\x01\x02\x00\x01", 6), "not HTTP"},
        {"SSH", "SSH-2.0-OpenSSH_9.2\r\n", ""},
        {"too many empty lines", "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n", "empty lines"},
    };
    // 3: singletons
    for (const std::string name : {"Content-Location", "Content-Range", "Content-Type", "ETag",
                                   "Max-Forwards", "Server", "User-Agent"}) {
        cases.push_back({"twice " + name, get + host + name + ": 1\r\n" + name + ": 1\r\n\r\n",
                         "more than one header '" + name});
    }
    cases.push_back({"twice Host", get + host + host + "\r\n", "more than one header 'Host'"});
    // 5: every control character
    for (int c = 0; c < 0x20; ++c) {
        if (c == '\t' || c == '\n') continue;
        const std::string text(1, static_cast<char>(c));
        cases.push_back({"control character " + std::to_string(c) + " in a value",
                         get + host + "A: b" + text + "c\r\n\r\n", ""});
        cases.push_back({"control character " + std::to_string(c) + " in a name",
                         get + host + "A" + text + "B: c\r\n\r\n", ""});
        cases.push_back({"control character " + std::to_string(c) + " in a target",
                         "GET /a" + text + "b HTTP/1.1\r\n" + host + "\r\n", ""});
        cases.push_back({"control character " + std::to_string(c) + " in a trailer",
                         chunked + "0\r\nA: b" + text + "c\r\n\r\n", ""});
    }
    cases.push_back({"DEL in a value",
                     get + host +
                         "A: b\x7f"
                         "c\r\n\r\n",
                     ""});
    return cases;
}

TEST(RequestParser, RefusesEveryKnownWayToBeMisread) {
    for (const Bad& bad : bad_requests()) {
        SCOPED_TRACE(bad.name);
        const Story story = request(bad.text);
        EXPECT_NE(story.error, "");
        EXPECT_FALSE(story.complete);
        EXPECT_EQ(story.status, bad.status) << story.error;
        EXPECT_NE(story.error.find(bad.because), std::string::npos) << story.error;
        EXPECT_TRUE(story.error.starts_with("bad request: ")) << story.error;
    }
}

TEST(RequestParser, AcceptsEveryTokenCharacterInNamesAndEveryTextInValues) {
    std::string value;
    for (int c = 0x20; c < 0x100; ++c) {
        if (c != 0x7f) value += static_cast<char>(c);
    }
    const Story story =
        request("GET / HTTP/1.1\r\n" + host + "!#$%&'*+-.^_`|~azAZ09: x" + value + "\tx\r\n\r\n");
    EXPECT_TRUE(story.complete) << story.error;
    EXPECT_EQ(story.headers.get("!#$%&'*+-.^_`|~azAZ09", ""), "x" + value + "\tx");
}

TEST(RequestParser, HoldsTheLimitOnTheRequestLine) {
    const ParserLimits limits{.max_line_size = 40};
    const auto line = [](std::size_t size) { return "GET /" + std::string(size - 14, 'a') + " HTTP/1.1"; };
    EXPECT_TRUE(request(line(40) + "\r\n" + host + "\r\n", false, limits).complete);
    const Story story = request(line(41) + "\r\n" + host + "\r\n", false, limits);
    EXPECT_EQ(story.status, 414);
    EXPECT_NE(story.error.find("request line is longer than max_line_size = 40"), std::string::npos)
        << story.error;
    // Also if its end never comes.
    EXPECT_EQ(request("GET /" + std::string(100, 'a'), false, limits).status, 414);
}

TEST(RequestParser, HoldsTheLimitOnAField) {
    const ParserLimits limits{.max_field_size = 30};
    const auto field = [](std::size_t size) { return "Name: " + std::string(size - 6, 'v'); };
    EXPECT_TRUE(request("GET / HTTP/1.1\r\n" + host + field(30) + "\r\n\r\n", false, limits).complete);
    const Story story = request("GET / HTTP/1.1\r\n" + host + field(31) + "\r\n\r\n", false, limits);
    EXPECT_EQ(story.status, 431);
    EXPECT_NE(story.error.find("max_field_size = 30"), std::string::npos) << story.error;
    EXPECT_NE(story.error.find("'Name: v"), std::string::npos) << story.error;
    EXPECT_EQ(request("GET / HTTP/1.1\r\n" + host + std::string(100, 'n'), false, limits).status, 431);
}

TEST(RequestParser, HoldsTheLimitOnTheNumberOfFieldsAndTrailers) {
    const ParserLimits limits{.max_headers = 4};
    const std::string chunked =
        "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nA: b\r\n\r\n0\r\n";
    EXPECT_TRUE(request(chunked + "C: d\r\n\r\n", false, limits).complete);
    EXPECT_NE(request(chunked + "C: d\r\nE: f\r\n\r\n", false, limits).error.find("max_headers = 4"),
              std::string::npos);
    EXPECT_EQ(
        request("GET / HTTP/1.1\r\n" + host + "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n\r\n", false, limits).status,
        431);
}

TEST(RequestParser, HoldsTheDefaultLimits) {
    std::string fields;
    for (int i = 0; i < 127; ++i)
        fields.append("X").append(std::to_string(i)).append(": ").append(8000, 'x').append("\r\n");
    RequestParser parser;
    Story story = feed(parser, {"GET / HTTP/1.1\r\n" + host, fields, "\r\n"}, false);
    EXPECT_TRUE(story.complete) << story.error;
    EXPECT_EQ(story.headers.size(), 128U);
    parser.reset();
    story = feed(parser, {"GET / HTTP/1.1\r\n" + host, fields, "One: more\r\n"}, false);
    EXPECT_NE(story.error.find("max_headers = 128"), std::string::npos);
}

TEST(RequestParser, HoldsTheLimitOnChunkFraming) {
    const std::string chunked = "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n";
    const ParserLimits limits{.max_line_size = 60};
    EXPECT_TRUE(
        request(chunked + "1;" + std::string(58, 'e') + "\r\nx\r\n0\r\n\r\n", false, limits).complete);
    const Story line = request(chunked + "1;" + std::string(59, 'e') + "\r\nx\r\n0\r\n\r\n", false, limits);
    EXPECT_TRUE(line.transfer_error);
    EXPECT_NE(line.error.find("max_line_size = 60"), std::string::npos) << line.error;

    // Extensions that each keep to the limit, but are nearly all that comes.
    std::string greedy;
    for (int i = 0; i < 3; ++i) greedy += "1;" + std::string(8000, 'e') + "\r\nx\r\n";
    RequestParser parser;
    EXPECT_NE(feed(parser, {chunked, greedy}, false).error.find("mostly framing"), std::string::npos);

    // Tiny chunks as such are fine.
    std::string tiny;
    for (int i = 0; i < 100'000; ++i) tiny += "1\r\nx\r\n";
    RequestParser patient;
    const Story story = feed(patient, {chunked, tiny, "0\r\n\r\n"}, false);
    EXPECT_EQ(story.body.size(), 100'000U);
    EXPECT_TRUE(story.complete) << story.error;
}

TEST(RequestParser, SaysWhereTheConnectionWasClosed) {
    EXPECT_TRUE(request("", true).closed);
    EXPECT_TRUE(request("\r\n", true).closed);
    const Story line = request("GET / HT", true);
    EXPECT_NE(line.error.find("closed after 8 bytes of the head"), std::string::npos) << line.error;
    EXPECT_NE(request("GET / HTTP/1.1\r\nHost: a\r\n", true).error, "");
    const Story sized = request("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc", true);
    EXPECT_TRUE(sized.length_error);
    EXPECT_NE(sized.error.find("closed after 3 of 10 bytes"), std::string::npos) << sized.error;
    for (const std::string rest :
         {"", "5", "5\r\n", "5\r\nab", "5\r\nabcde", "5\r\nabcde\r\n", "0\r\n", "0\r\nA: b\r\n"}) {
        const Story story =
            request("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + rest, true);
        EXPECT_TRUE(story.transfer_error) << rest;
        EXPECT_NE(story.error.find("chunked body"), std::string::npos) << story.error;
    }
}

TEST(RequestParser, RefusesToBeMisused) {
    RequestParser parser;
    EXPECT_THROW(parser.next_message(), LocalProtocolError);
    std::string_view in = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    EXPECT_EQ(parser.parse(in), Event::head);
    EXPECT_EQ(parser.parse(in), Event::complete);
    EXPECT_THROW(parser.parse(in), LocalProtocolError);
    parser.next_message();
    in = "\x01";
    EXPECT_THROW(parser.parse(in), RemoteProtocolError);
    EXPECT_THROW(parser.parse(in), LocalProtocolError);
    EXPECT_THROW(parser.feed_eof(), LocalProtocolError);
    parser.reset();
    in = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    EXPECT_EQ(parser.parse(in), Event::head);
}

TEST(RequestParser, MayBeDestroyedAtAnyEvent) {
    const std::string text =
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    for (const Event last : {Event::head, Event::body, Event::complete}) {
        auto parser = std::make_unique<RequestParser>();
        std::string_view in = text;
        while (parser->parse(in) != last) {}
        const RequestHead head = parser->take_head();
        const std::string_view piece = parser->body();
        parser.reset();
        EXPECT_EQ(head.headers.get("host", ""), "a");
        EXPECT_EQ(piece, last == Event::head ? "" : "abc") << "the body is in the caller's buffer";
    }
}

TEST(RequestParser, LetsTheHeadBeTakenAndIsUsedAgain) {
    RequestParser parser;
    std::vector<RequestHead> heads;
    for (int i = 0; i < 3; ++i) {
        const std::string text = "POST /" + std::to_string(i) + " HTTP/1.1\r\nHost: host-" +
                                 std::to_string(i) + "\r\nContent-Length: 1\r\n\r\nx";
        std::string_view in = text;
        EXPECT_EQ(parser.parse(in), Event::head);
        heads.push_back(parser.take_head());
        EXPECT_EQ(parser.parse(in), Event::body);
        EXPECT_EQ(parser.parse(in), Event::complete);
        parser.next_message();
    }
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(heads[static_cast<std::size_t>(i)].target, "/" + std::to_string(i));
        EXPECT_EQ(heads[static_cast<std::size_t>(i)].headers.get("host", ""), "host-" + std::to_string(i));
    }
}

}}  // namespace asyncio::proto::test
