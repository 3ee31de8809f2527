#include "asyncio/proto/http1.hpp"

#include <utility>

#include "proto/http1_machine.hpp"

namespace asyncio { inline namespace v1 { namespace proto {

MessageParser::MessageParser(std::unique_ptr<Http1Machine> machine) noexcept : machine_(std::move(machine)) {}
MessageParser::MessageParser(MessageParser&&) noexcept = default;
MessageParser& MessageParser::operator=(MessageParser&&) noexcept = default;
MessageParser::~MessageParser() = default;

Event MessageParser::parse(std::string_view& input) { return machine_->parse(input); }
Event MessageParser::feed_eof() { return machine_->feed_eof(); }
std::string_view MessageParser::body() const noexcept { return machine_->body; }
std::uint64_t MessageParser::body_received() const noexcept { return machine_->body_received; }
Framing MessageParser::framing() const noexcept { return machine_->framing; }
std::optional<std::uint64_t> MessageParser::content_length() const noexcept {
    return machine_->content_length();
}
bool MessageParser::keep_alive() const noexcept { return machine_->keep_alive; }
bool MessageParser::upgrade() const noexcept { return machine_->upgrade; }
const Headers& MessageParser::trailers() const noexcept { return machine_->trailers; }
bool MessageParser::idle() const noexcept { return machine_->idle(); }
bool MessageParser::complete() const noexcept { return machine_->complete(); }

RequestParser::RequestParser(const ParserLimits& limits)
    : MessageParser(std::make_unique<Http1Machine>(Http1Machine::Kind::request, limits)) {}
const RequestHead& RequestParser::head() const noexcept { return machine_->request; }
RequestHead RequestParser::take_head() noexcept { return std::exchange(machine_->request, RequestHead()); }
void RequestParser::next_message() { machine_->next_message({}); }
void RequestParser::reset() noexcept { machine_->reset({}); }

ResponseParser::ResponseParser(std::string_view method, const ParserLimits& limits)
    : MessageParser(std::make_unique<Http1Machine>(Http1Machine::Kind::response, limits)) {
    machine_->reset(method);
}
const ResponseHead& ResponseParser::head() const noexcept { return machine_->response; }
ResponseHead ResponseParser::take_head() noexcept {
    return std::exchange(machine_->response, ResponseHead());
}
bool ResponseParser::continued() const noexcept { return machine_->continued; }
void ResponseParser::next_message(std::string_view method) { machine_->next_message(method); }
void ResponseParser::reset(std::string_view method) noexcept { machine_->reset(method); }

}}}  // namespace asyncio::v1::proto
