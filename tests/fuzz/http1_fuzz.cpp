// Fuzz target: the HTTP/1 parsers. Run with scripts/fuzz.sh SECONDS http1_fuzz; a few seconds do for a short
// check.
//
// The first byte says which parser, the second how the input is cut. The properties: the parser ends, nothing
// but its error types comes out, the story does not depend on the cuts, a message that was accepted can be
// written and read back to the same thing, and what is accepted as a request has one framing only.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "asyncio/proto/errors.hpp"
#include "asyncio/proto/http1.hpp"
#include "asyncio/proto/http1_writer.hpp"

namespace {

namespace proto = asyncio::proto;

void require(bool condition, const char* what) {
    if (condition) return;
    std::cerr << "property violated: " << what << "\n";
    std::abort();
}

// All that a parser made of one input, as text.
template <class Parser>
struct Reading {
    std::string heads;
    std::string body;
    std::string trailers;
    std::string end;
    std::vector<std::pair<decltype(std::declval<Parser&>().take_head()), std::string>> messages;

    std::string text() const { return heads + "|" + body + "|" + trailers + "|" + end; }
};

void append_fields(std::string& out, const proto::Headers& headers) {
    for (const proto::HeaderView field : headers) {
        require(proto::is_token(field.name), "a name that is no token");
        require(proto::is_field_value(field.value), "a value with a control character");
        out.append(field.name).append("=").append(field.value).append(";");
    }
}

void append_head(std::string& out, const proto::RequestHead& head) {
    out += head.method + " " + head.target + "\n";
    append_fields(out, head.headers);
    require(
        head.headers.get_all("Content-Length").size() + head.headers.get_all("Transfer-Encoding").size() <= 1,
        "a request with more than one framing");
    require(head.headers.get_all("Host").size() <= 1, "a request with two hosts");
}

void append_head(std::string& out, const proto::ResponseHead& head) {
    out += std::to_string(head.status) + " " + head.reason + "\n";
    append_fields(out, head.headers);
}

// Parses `input` in pieces of `piece` bytes, each in a buffer of its own, message after message.
template <class Parser>
Reading<Parser> read(Parser& parser, std::string_view input, std::size_t piece) {
    Reading<Parser> reading;
    try {
        while (!input.empty()) {
            const std::string buffer(input.substr(0, piece));
            input.remove_prefix(buffer.size());
            std::string_view in = buffer;
            proto::Event event = proto::Event::head;
            while (event != proto::Event::need_data) {
                const std::size_t before = in.size();
                event = parser.parse(in);
                require(in.size() <= before, "input grew");
                if (event == proto::Event::head) {
                    append_head(reading.heads, parser.head());
                    reading.messages.emplace_back(parser.head(), "");
                } else if (event == proto::Event::body) {
                    require(!parser.body().empty(), "an empty piece of body");
                    reading.body += parser.body();
                    reading.messages.back().second += parser.body();
                } else if (event == proto::Event::complete) {
                    append_fields(reading.trailers, parser.trailers());
                    if (parser.upgrade()) {
                        reading.end = "upgrade";
                        return reading;
                    }
                    parser.next_message();
                } else {
                    require(in.empty(), "need_data with input left");
                }
            }
        }
        reading.end = parser.feed_eof() == proto::Event::closed ? "closed" : "complete";
    } catch (const proto::RemoteProtocolError& e) {
        require(e.status() >= 400 && e.status() <= 505, "a status that is none");
        reading.end = "error";
    }
    return reading;
}

void write_head(std::string& out, const proto::RequestHead& head) {
    proto::write_request_head(out, head.method, head.target, head.headers);
}
void write_head(std::string& out, const proto::ResponseHead& head) {
    proto::write_response_head(out, head.status, head.reason, head.headers, head.version);
}

template <class Parser>
void check(std::string_view input, std::size_t piece) {
    Parser whole;
    const Reading<Parser> all = read(whole, input, input.size() + 1);
    Parser cut;
    const Reading<Parser> pieces = read(cut, input, piece);
    require(all.text() == pieces.text(), "the story depends on the cuts");

    for (const auto& [head, body] : all.messages) {
        std::string out;
        try {
            write_head(out, head);
        } catch (const proto::LocalProtocolError&) {
            continue;  // A response 204 with a length, for one, is read but not written.
        }
        if (head.headers.contains("Transfer-Encoding")) {
            proto::write_chunk(out, body);
            proto::write_last_chunk(out);
        } else {
            out += body;
        }
        Parser again;
        const Reading<Parser> second = read(again, out, out.size());
        if (second.messages.empty()) continue;  // A request HTTP/1.0 without Host is written as HTTP/1.1.
        require(second.messages.front().first.headers == head.headers, "the headers changed on the way");
        require(all.end == "error" || second.messages.front().second == body, "the body changed on the way");
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
    const std::size_t piece = data[1] % 32 + 1;
    if (data[0] % 2 == 0) {
        check<proto::RequestParser>(input, piece);
    } else {
        check<proto::ResponseParser>(input, piece);
    }
    return 0;
}
