#include <gtest/gtest.h>

#include <cstddef>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "asyncio/proto/errors.hpp"
#include "asyncio/proto/http1.hpp"
#include "asyncio/proto/http1_writer.hpp"
#include "asyncio/proto/url.hpp"
#include "support/alloc_failure.hpp"

// Memory runs out at the first, the second, the third ... allocation, until there is no further one. Each
// time the exception must come out through the C parser, nothing may leak (the sanitizers look), and the
// object must work again.

namespace asyncio::proto { namespace {

// Runs `attempt` with memory running out one allocation later each time; `recover` follows each failure.
template <class Attempt, class Recover>
void for_each_failing_allocation(Attempt attempt, Recover recover) {
    for (long n = 0;; ++n) {
        ASSERT_LT(n, 10'000);
        bool failed = false;
        {
            test::AllocationFailure failure(n + 1, test::AllocationFailure::Mode::from_then_on);
            try {
                attempt();
            } catch (const std::bad_alloc&) {
                failed = true;
            }
        }
        if (!failed) {
            if (test::AllocationFailure::works()) {
                EXPECT_GT(n, 0) << "nothing was allocated, so nothing was tested";
            }
            return;
        }
        recover();
    }
}

const std::string request_text =
    "POST /a/target/that/is/longer/than/a/short/string HTTP/1.1\r\nHost: example.org\r\nTransfer-Encoding: "
    "chunked\r\n"
    "X-One: 1\r\nX-Two: 22222222222222222222222222222222222222222222\r\n\r\n"
    "5;with=an-extension-that-is-longer-than-a-short-string\r\nhello\r\n0\r\nX-Trailer-That-Is-Long: "
    "yes\r\n\r\n";

const std::string response_text =
    "HTTP/1.1 100 Continue\r\nX-Interim-Response: with a field that is long enough\r\n\r\n"
    "HTTP/1.1 200 A reason that is longer than a short string\r\nContent-Length: 5\r\nX-Folded: a\n "
    "b\n\nhello";

template <class Parser>
void parse_in_pieces(Parser& parser, std::string_view text, std::size_t piece) {
    bool complete = false;
    for (std::size_t i = 0; i < text.size(); i += piece) {
        std::string_view in = text.substr(i, piece);
        Event event = Event::head;
        while (!complete && event != Event::need_data) {
            event = parser.parse(in);
            complete = event == Event::complete;
        }
    }
    ASSERT_TRUE(complete);
}

TEST(OutOfMemory, LeavesARequestParserThatCanBeReset) {
    for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, request_text.size()}) {
        for_each_failing_allocation(
            [&] {
                RequestParser parser;
                parse_in_pieces(parser, request_text, piece);
            },
            [] {});
        RequestParser parser;
        for_each_failing_allocation(
            [&] {
                const RequestHead taken = parser.take_head();  // So that every round allocates anew.
                parser.reset();
                parse_in_pieces(parser, request_text, piece);
            },
            [&] {
                std::string_view in = request_text;
                EXPECT_THROW(parser.parse(in), LocalProtocolError);
                parser.reset();
                parse_in_pieces(parser, request_text, piece);
                EXPECT_EQ(parser.head().headers.size(), 4U);
                EXPECT_EQ(parser.trailers().get("X-Trailer-That-Is-Long", ""), "yes");
            });
    }
}

TEST(OutOfMemory, LeavesAResponseParserThatCanBeReset) {
    for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, response_text.size()}) {
        ResponseParser parser;
        for_each_failing_allocation(
            [&] {
                const ResponseHead taken = parser.take_head();
                parser.reset();
                parse_in_pieces(parser, response_text, piece);
            },
            [&] {
                parser.reset();
                parse_in_pieces(parser, response_text, piece);
                EXPECT_EQ(parser.head().headers.size(), 2U);
            });
    }
}

TEST(OutOfMemory, MayStrikeWhileAnErrorIsBeingMade) {
    RequestParser parser;
    for_each_failing_allocation(
        [&] {
            parser.reset();
            std::string_view in =
                "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n";
            EXPECT_THROW(
                try { parser.parse(in); } catch (const std::bad_alloc&) {
                    throw;
                } catch (const RemoteProtocolError&) { throw 1; },
                int);
        },
        [] {});
}

TEST(OutOfMemory, LeavesHeadersAndOutputAsTheyWere) {
    Headers headers;
    for_each_failing_allocation(
        [&] {
            for (int i = 0; i < 40; ++i) headers.add("Name-" + std::to_string(i), std::string(50, 'v'));
            headers.set("Name-0", std::string(5000, 'w'));
        },
        [&] {
            for (const HeaderView field : headers) EXPECT_TRUE(field.name.starts_with("Name-"));
            headers = Headers();
        });
    std::string out = "kept";
    for_each_failing_allocation([&] { write_response_head(out, 200, "OK", headers); },
                                [&] {
                                    EXPECT_EQ(out, "kept");
                                    out.shrink_to_fit();
                                });
}

TEST(OutOfMemory, PassesThroughTheUrlParser) {
    for_each_failing_allocation(
        [] {
            const Url url(
                "http://user:password@example.org:8080/a/long/path/with spaces?and=a&query=too#fragment");
            EXPECT_EQ(url.join("../another/path?x=y").str(),
                      "http://user:password@example.org:8080/a/long/another/path?x=y");
            EXPECT_EQ(url.with_query_added("name", "value").query().size(), 3U);
        },
        [] {});
}

TEST(Allocations, AreNoneForAnotherMessageOnTheSameConnection) {
    RequestParser parser;
    parse_in_pieces(parser, request_text, request_text.size());
    const long before = test::allocations();
    for (int i = 0; i < 10; ++i) {
        parser.next_message();
        parse_in_pieces(parser, request_text, request_text.size());
    }
    EXPECT_EQ(test::allocations() - before, 0);
}

}}  // namespace asyncio::proto
