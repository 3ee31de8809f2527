#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "asyncio/proto/http1.hpp"
#include "proto/http1_feeding.hpp"

namespace asyncio::proto::test { namespace {

TEST(ResponseParser, ReadsASimpleResponse) {
    ResponseParser parser;
    std::string_view in = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    EXPECT_EQ(parser.parse(in), Event::head);
    EXPECT_EQ(parser.head().status, 200);
    EXPECT_EQ(parser.head().reason, "OK");
    EXPECT_EQ(parser.content_length(), 5U);
    EXPECT_EQ(parser.parse(in), Event::body);
    EXPECT_EQ(parser.body(), "hello");
    EXPECT_EQ(parser.parse(in), Event::complete);
    EXPECT_TRUE(parser.keep_alive());
}

TEST(ResponseParser, TellsTheSameStoryHoweverTheInputIsCut) {
    const Story sized = response("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello");
    EXPECT_EQ(sized.head, "200 OK HTTP/1.1");
    EXPECT_EQ(sized.body, "hello");
    EXPECT_EQ(sized.framing, Framing::content_length);
    EXPECT_TRUE(sized.complete && sized.keep_alive);

    const Story chunked = response(
        "HTTP/1.1 404 Not  Found at all\r\nTransfer-Encoding: "
        "chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\nA: b\r\n\r\n");
    EXPECT_EQ(chunked.head, "404 Not  Found at all HTTP/1.1");
    EXPECT_EQ(chunked.body, "abcde");
    EXPECT_EQ(chunked.trailers.get("a", ""), "b");
    EXPECT_TRUE(chunked.complete && chunked.keep_alive);
}

TEST(ResponseParser, ReadsABodyWithoutLengthUntilTheConnectionCloses) {
    const Story story = response("HTTP/1.1 200 OK\r\nX: y\r\n\r\nall that comes", true);
    EXPECT_EQ(story.body, "all that comes");
    EXPECT_EQ(story.framing, Framing::until_close);
    EXPECT_TRUE(story.complete);
    EXPECT_FALSE(story.keep_alive);
    EXPECT_TRUE(response("HTTP/1.0 200 OK\r\n\r\n", true).complete);
    EXPECT_FALSE(response("HTTP/1.1 200 OK\r\n\r\nmore to come").complete);
}

TEST(ResponseParser, NeedsNoReason) {
    EXPECT_EQ(response("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n").head, "200  HTTP/1.1");
    EXPECT_EQ(response("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n").head, "200  HTTP/1.1");
    EXPECT_EQ(response("HTTP/1.1 999 \xc3\xa9\tx\r\nContent-Length: 0\r\n\r\n").head,
              "999 \xc3\xa9\tx HTTP/1.1");
}

TEST(ResponseParser, KnowsWhichResponsesHaveNoBody) {
    const auto bodiless = [](const std::string& status, const std::string& fields, std::string_view method) {
        const Story story = response("HTTP/1.1 " + status + " R\r\n" + fields + "\r\n", false, method);
        EXPECT_TRUE(story.complete) << status << story.error;
        EXPECT_EQ(story.framing, Framing::none);
        return story;
    };
    EXPECT_TRUE(bodiless("200", "Content-Length: 10\r\n", "HEAD").keep_alive);
    EXPECT_TRUE(bodiless("200", "Transfer-Encoding: chunked\r\n", "HEAD").keep_alive);
    EXPECT_TRUE(bodiless("200", "", "HEAD").keep_alive);
    EXPECT_TRUE(bodiless("204", "", "GET").keep_alive);
    EXPECT_TRUE(bodiless("304", "Content-Length: 10\r\n", "GET").keep_alive);
    EXPECT_TRUE(bodiless("304", "Transfer-Encoding: chunked\r\n", "GET").keep_alive);
    // These must have no body; who announces one may send it, so nothing else is read from there.
    EXPECT_FALSE(bodiless("204", "Content-Length: 10\r\n", "GET").keep_alive);
    EXPECT_FALSE(bodiless("204", "Transfer-Encoding: chunked\r\n", "GET").keep_alive);
}

TEST(ResponseParser, KeepsTheContentLengthOfAnAnswerToHead) {
    ResponseParser parser("HEAD");
    std::string_view in = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n";
    EXPECT_EQ(parser.parse(in), Event::head);
    EXPECT_EQ(parser.content_length(), 10U);
    EXPECT_EQ(parser.parse(in), Event::complete);
    parser.next_message("GET");
    in = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";
    EXPECT_EQ(parser.parse(in), Event::head);
    EXPECT_EQ(parser.parse(in), Event::body);
}

TEST(ResponseParser, SkipsInterimResponses) {
    const Story story = response(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 "
        "Continue\r\nX: y\r\n\r\n"
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    EXPECT_EQ(story.head, "200 OK HTTP/1.1");
    EXPECT_EQ(story.headers.size(), 1U);
    EXPECT_EQ(story.body, "ok");
    EXPECT_TRUE(story.complete);

    std::string many;
    for (int i = 0; i < 40; ++i) many += "HTTP/1.1 102 Processing\r\n\r\n";
    EXPECT_NE(response(many).error.find("interim"), std::string::npos);
}

TEST(ResponseParser, TellsThatTheServerWantsTheBody) {
    ResponseParser parser("POST");
    std::string_view in = "HTTP/1.1 103 Early Hints\r\n\r\n";
    EXPECT_EQ(parser.parse(in), Event::need_data);
    EXPECT_FALSE(parser.continued());
    in = "HTTP/1.1 100 Continue\r\n\r\n";
    EXPECT_EQ(parser.parse(in), Event::need_data);
    EXPECT_TRUE(parser.continued());
    in = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    EXPECT_EQ(parser.parse(in), Event::head);
    EXPECT_TRUE(parser.continued());
    EXPECT_EQ(parser.parse(in), Event::complete);
    parser.next_message("POST");
    EXPECT_FALSE(parser.continued());
}

TEST(ResponseParser, StopsBehindAGrantedUpgrade) {
    const Story upgraded = response(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x01x");
    EXPECT_EQ(upgraded.head, "101 Switching Protocols HTTP/1.1");
    EXPECT_TRUE(upgraded.upgrade && upgraded.complete);
    EXPECT_FALSE(upgraded.keep_alive);
    EXPECT_EQ(upgraded.left, "\x81\x01x");

    const Story tunnel = response("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n\x16\x03", false, "CONNECT");
    EXPECT_TRUE(tunnel.upgrade && tunnel.complete);
    EXPECT_EQ(tunnel.left, "\x16\x03");

    const Story refused = response("HTTP/1.1 403 No\r\nContent-Length: 3\r\n\r\nno!", false, "CONNECT");
    EXPECT_FALSE(refused.upgrade);
    EXPECT_EQ(refused.body, "no!");

    const Story ignored =
        response("HTTP/1.1 200 OK\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\nok");
    EXPECT_FALSE(ignored.upgrade);
    EXPECT_EQ(ignored.body, "ok");
    EXPECT_TRUE(ignored.complete);
}

TEST(ResponseParser, DecidesKeepAliveByVersionAndConnection) {
    const auto keeps = [](const std::string& version, const std::string& fields) {
        const Story story =
            response("HTTP/" + version + " 200 OK\r\n" + fields + "Content-Length: 0\r\n\r\n");
        EXPECT_TRUE(story.complete) << story.error;
        return story.keep_alive;
    };
    EXPECT_TRUE(keeps("1.1", ""));
    EXPECT_FALSE(keeps("1.1", "Connection: close\r\n"));
    EXPECT_FALSE(keeps("1.0", ""));
    EXPECT_TRUE(keeps("1.0", "Connection: keep-alive\r\n"));
    const Story old =
        response("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    EXPECT_TRUE(old.complete);
    EXPECT_FALSE(old.keep_alive) << "RFC 9112 §6.1";
}

TEST(ResponseParser, ForgivesWhatAiohttpForgives) {
    const Story lf = response("HTTP/1.1 200 OK\nA: b\nContent-Length: 2\n\nok");
    EXPECT_EQ(lf.headers.get("a", ""), "b");
    EXPECT_EQ(lf.body, "ok");
    EXPECT_TRUE(lf.complete) << lf.error;

    const Story folded =
        response("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\t\td \r\nB:\r\n e\r\nContent-Length: 0\r\n\r\n");
    EXPECT_EQ(folded.headers.get("a", ""), "b   c  \t\td");
    EXPECT_EQ(folded.headers.get("b", ""), "e");
    EXPECT_TRUE(folded.complete) << folded.error;
    EXPECT_TRUE(response("HTTP/1.1 200 OK\nA: b\n c\nContent-Length: 0\n\n").complete);

    const Story chunked =
        response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2 \r\nok\r\n0\t\r\n\r\n");
    EXPECT_EQ(chunked.body, "ok");
    EXPECT_TRUE(chunked.complete) << chunked.error;

    const Story twice = response("HTTP/1.1 200 OK\r\nServer: a\r\nServer: b\r\nContent-Length: 0\r\n\r\n");
    EXPECT_EQ(twice.headers.get_all("server"), (std::vector<std::string_view>{"a", "b"}));
    EXPECT_TRUE(twice.complete) << twice.error;
}

struct Bad {
    std::string name;
    std::string text;
    std::string because;  // A part of the error.
};

TEST(ResponseParser, NamesWhatIsWrongWithTheAnswer) {
    const std::string ok = "HTTP/1.1 200 OK\r\n";
    const std::string chunked = ok + "Transfer-Encoding: chunked\r\n\r\n";
    std::vector<Bad> cases{
        {"length and chunks", ok + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
         "both a Content-Length and chunks"},
        {"chunks and length", ok + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
         "both a Content-Length and chunks"},
        {"two lengths", ok + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
         "more than one header 'Content-Length'"},
        {"the same length twice", ok + "Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
         "more than one header"},
        {"bad length", ok + "Content-Length: five\r\n\r\n", "Content-Length 'five'"},
        {"negative length", ok + "Content-Length: -1\r\n\r\n", "Content-Length '-1'"},
        {"length over 2^64", ok + "Content-Length: 99999999999999999999\r\n\r\n", "2^64"},
        {"folded length", ok + "Content-Length: 1\r\n 2\r\n\r\n", "Content-Length '1   2'"},
        {"gzip", ok + "Transfer-Encoding: gzip\r\n\r\n", "Transfer-Encoding 'gzip'"},
        {"gzip and chunks", ok + "Transfer-Encoding: gzip, chunked\r\n\r\n",
         "Transfer-Encoding 'gzip, chunked'"},
        {"chunked in two fields", ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
         "more than one header"},
        {"no HTTP", "220 mail.example.org ESMTP\r\n", "begins with '220"},
        {"SSH", "SSH-2.0-OpenSSH_9.2\r\n", "begins with 'SSH-2.0"},
        {"TLS alert", std::string("\x15\x03\x01\x00\x02\x02\x46", 7), "not HTTP/1"},
        {"no line at all", "garbage without an end", "not HTTP/1"},
        {"HTTP/2", "HTTP/2 200\r\n\r\n", "version 'HTTP/2'"},
        {"HTTP/0.9", "HTTP/0.9 200 OK\r\n\r\n", "version 'HTTP/0.9'"},
        {"HTTP/1.10", "HTTP/1.10 200 OK\r\n\r\n", "version 'HTTP/1.10'"},
        {"no status", "HTTP/1.1\r\n\r\n", "no status"},
        {"status of two digits", "HTTP/1.1 20 OK\r\n\r\n", "no status"},
        {"status of four digits", "HTTP/1.1 2000 OK\r\n\r\n", "no status"},
        {"status of letters", "HTTP/1.1 abc OK\r\n\r\n", "no status"},
        {"status 099", "HTTP/1.1 099 OK\r\n\r\n", "no status"},
        {"two spaces", "HTTP/1.1  200 OK\r\n\r\n", "no status"},
        {"tab behind the version", "HTTP/1.1\t200 OK\r\n\r\n", "version"},
        {"NUL in the reason", std::string("HTTP/1.1 200 O\0K\r\n\r\n", 20), "reason"},
        {"CR in the reason", "HTTP/1.1 200 O\rK\r\n\r\n", "reason"},
        {"NUL in a value", ok + std::string("A: b\0c\r\n\r\n", 10), ""},
        {"CR before a name", ok + "\rA: b\r\n\r\n", "a CR without LF"},
        {"CR in a value", ok + "A: b\rc\r\n\r\n", ""},
        {"space before colon", ok + "A : b\r\n\r\n", ""},
        {"space in a name", ok + "A B: c\r\n\r\n", ""},
        {"no colon", ok + "garbage\r\n\r\n", "garbage"},
        {"white space first", ok + " A: b\r\n\r\n", "white space before the first header field"},
        {"chunk size no number", chunked + "xyz\r\n", "chunk size line 'xyz'"},
        {"chunk size with text", chunked + "5 abc\r\n", "chunk size line '5 abc'"},
        {"chunk size huge", chunked + "fffffffffffffffff\r\n", "too large"},
        {"chunk too long", chunked + "2\r\nabc\r\n0\r\n\r\n", "does not end with CRLF"},
        {"chunk ends with LF", chunked + "2\r\nab\n0\r\n\r\n", "does not end with CRLF"},
        {"NUL in a trailer", chunked + std::string("0\r\nA: b\0c\r\n\r\n", 13), ""},
        {"length as a trailer", chunked + "0\r\nContent-Length: 1\r\n\r\n", "not allowed behind the body"},
    };
    for (const Bad& bad : cases) {
        SCOPED_TRACE(bad.name);
        const Story story = response(bad.text);
        EXPECT_NE(story.error, "");
        EXPECT_FALSE(story.complete);
        EXPECT_NE(story.error.find(bad.because), std::string::npos) << story.error;
        EXPECT_TRUE(story.error.starts_with("bad response: ")) << story.error;
    }
}

TEST(ResponseParser, ShowsForeignBytesInErrorsWithoutPassingThemOn) {
    const auto error = [](std::string_view text) {
        ResponseParser parser;
        return feed(parser, {text}, false).error;
    };
    EXPECT_NE(error("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x8d")
                  .find("'caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x8d'"),
              std::string::npos);
    // Cut off, overlong, a surrogate, above U+10FFFF, a control character of Latin-1, a lone continuation.
    EXPECT_NE(error("\xe2\x82 \xc0\x80 \xed\xa0\x80 \xf4\x90\x80\x80 \xc2\x9b \x80 \x1b\x07")
                  .find(R"('\xe2\x82 \xc0\x80 \xed\xa0\x80 \xf4\x90\x80\x80 \xc2\x9b \x80 \x1b\x07')"),
              std::string::npos)
        << error("\xe2\x82 \xc0\x80 \xed\xa0\x80 \xf4\x90\x80\x80 \xc2\x9b \x80 \x1b\x07");
}

TEST(ResponseParser, SaysWhereTheConnectionWasClosed) {
    EXPECT_TRUE(response("", true).closed);
    EXPECT_TRUE(response("HTTP/1.1 100 Continue\r\n\r\n", true).closed);
    EXPECT_NE(response("HTTP/1.1 200 OK\r\nA", true).error.find("closed after 18 bytes of the head"),
              std::string::npos);
    const Story sized = response("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789", true);
    EXPECT_TRUE(sized.length_error);
    EXPECT_EQ(sized.body, "0123456789");
    EXPECT_NE(sized.error.find("closed after 10 of 100 bytes"), std::string::npos) << sized.error;
    const Story chunked = response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01", true);
    EXPECT_TRUE(chunked.transfer_error);
    EXPECT_NE(chunked.error.find("after 2 bytes"), std::string::npos) << chunked.error;
}

TEST(ResponseParser, GivesTheNumbersOfATruncatedBody) {
    ResponseParser parser;
    std::string_view in = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789";
    Story story;
    EXPECT_TRUE(offer(parser, in, story));
    try {
        parser.feed_eof();
        FAIL();
    } catch (const ContentLengthError& e) {
        EXPECT_EQ(e.received(), 10U);
        EXPECT_EQ(e.expected(), 100U);
    }
}

TEST(ResponseParser, CompletesAtTheEndOfInputThoughCompleteWasNotAskedFor) {
    ResponseParser parser;
    std::string_view in = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    EXPECT_EQ(parser.parse(in), Event::head);
    EXPECT_EQ(parser.feed_eof(), Event::complete);
    EXPECT_EQ(parser.feed_eof(), Event::closed);
    EXPECT_THROW(parser.parse(in), LocalProtocolError);
}

TEST(ResponseParser, HoldsTheLimits) {
    const ParserLimits limits{.max_line_size = 40, .max_field_size = 30, .max_headers = 3};
    const auto error = [&](const std::string& text) { return response(text, false, "GET", limits).error; };
    EXPECT_NE(error("HTTP/1.1 200 " + std::string(28, 'r') + "\r\n\r\n")
                  .find("status line is longer than max_line_size = 40"),
              std::string::npos);
    EXPECT_EQ(error("HTTP/1.1 200 " + std::string(27, 'r') + "\r\n\r\n"), "");
    EXPECT_NE(error("HTTP/1.1 200 OK\r\nA: " + std::string(28, 'v') + "\r\n\r\n").find("max_field_size = 30"),
              std::string::npos);
    EXPECT_NE(error("HTTP/1.1 200 OK\r\nA: 0123456789\r\n 0123456789\r\n 0123456789\r\n\r\n")
                  .find("max_field_size"),
              std::string::npos)
        << "folding does not get around it";
    EXPECT_NE(error("HTTP/1.1 200 OK\nA: " + std::string(28, 'v') + "\n\n").find("max_field_size"),
              std::string::npos);
    EXPECT_NE(error("HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n\r\n").find("max_headers = 3"),
              std::string::npos);
}

TEST(ResponseParser, IsOfUseAgainForTheNextConnection) {
    ResponseParser parser;
    std::string_view in = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9\r\n\r\ntrunc";
    Story story;
    EXPECT_TRUE(offer(parser, in, story));
    EXPECT_THROW(parser.next_message("GET"), LocalProtocolError);
    parser.reset("GET");
    EXPECT_TRUE(parser.idle());
    in = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    Story next;
    EXPECT_FALSE(offer(parser, in, next));
    EXPECT_EQ(next.body, "ok");
    ResponseParser moved = std::move(parser);
    EXPECT_EQ(moved.take_head().status, 200);
}

}}  // namespace asyncio::proto::test
