#include "support/dns_server.hpp"

#include <algorithm>
#include <cstring>

namespace asyncio::test {

namespace {

std::string number(std::uint32_t value, int bytes) {
    std::string text;
    while (bytes-- > 0) text += static_cast<char>(value >> (8 * bytes));
    return text;
}

/// "\3www\7example\4test\0"
std::string labels(std::string_view name) {
    std::string text;
    while (!name.empty()) {
        const std::size_t dot = std::min(name.find('.'), name.size());
        text += static_cast<char>(dot);
        text += name.substr(0, dot);
        name.remove_prefix(std::min(dot + 1, name.size()));
    }
    return text + '\0';
}

constexpr std::size_t header_bytes = 12;

}  // namespace

std::optional<DnsQuestion> parse_dns_query(std::string_view message, bool by_tcp) {
    DnsQuestion question;
    question.by_tcp = by_tcp;
    if (message.size() < header_bytes) return std::nullopt;
    question.id = message.substr(0, 2);
    std::size_t at = header_bytes;
    while (at < message.size() && message[at] != 0) {
        const auto length = static_cast<std::size_t>(message[at]);
        if (at + 1 + length > message.size()) return std::nullopt;
        question.name += (question.name.empty() ? "" : ".") + std::string(message.substr(at + 1, length));
        at += 1 + length;
    }
    if (at + 5 > message.size()) return std::nullopt;
    question.type = static_cast<std::uint16_t>(static_cast<unsigned char>(message[at + 1]) << 8 |
                                               static_cast<unsigned char>(message[at + 2]));
    question.section = message.substr(header_bytes, at + 5 - header_bytes);
    return question;
}

void DnsAnswer::record(std::string_view name, std::uint16_t type, std::string_view data) {
    constexpr std::uint32_t seconds_to_live = 60;
    answers_ += labels(name) + number(type, 2) + number(1, 2) + number(seconds_to_live, 4) +
                number(static_cast<std::uint32_t>(data.size()), 2) + std::string(data);
    ++records_;
}

DnsAnswer& DnsAnswer::address(std::string_view name, std::string_view numeric) {
    const Address address = *Address::parse(numeric, 0);
    const auto* const native = static_cast<const char*>(address.data());
    // Where sockaddr_in and sockaddr_in6 have the address.
    if (address.family() == AddressFamily::ipv4) {
        record(name, 1, std::string_view(native + 4, 4));
    } else {
        record(name, 28, std::string_view(native + 8, 16));
    }
    return *this;
}

DnsAnswer& DnsAnswer::alias(std::string_view name, std::string_view target) {
    record(name, 5, labels(target));
    return *this;
}

std::string DnsAnswer::bytes() const {
    const std::uint32_t flags = 0x8180u | (truncated_ ? 0x0200u : 0u) | static_cast<std::uint32_t>(code_);
    return question_.id + number(flags, 2) + number(1, 2) + number(records_, 2) + number(0, 4) +
           question_.section + answers_;
}

DnsServer::DnsServer(Handler handler, DatagramEndpoint datagrams)
    : handler_(std::move(handler)), datagrams_(std::move(datagrams)) {
    open_.set();
}

Coro<std::unique_ptr<DnsServer>> DnsServer::start(Handler handler) {
    std::unique_ptr<DnsServer> server;
    while (server == nullptr || !server->streams_) {  // the port may be another's for TCP
        auto datagrams = co_await create_datagram_endpoint({.local_addr = {"127.0.0.1", 0}});
        const Address address = datagrams.sockname();
        server = std::make_unique<DnsServer>(handler, std::move(datagrams));
        DnsServer* const made = server.get();
        const auto on_client = [made](StreamReader reader, StreamWriter writer) {
            return made->serve_stream(std::move(reader), std::move(writer));
        };
        try {
            auto streams = co_await start_server(on_client, address);
            made->streams_.emplace(std::move(streams));
        } catch (const OSError&) {
            continue;
        }
    }
    server->serving_ = create_task({.name = "DNS"}, &DnsServer::serve_datagrams, server.get());
    co_return server;
}

Coro<> DnsServer::stop() {
    open_.set();
    datagrams_.close();
    co_await *serving_;
    co_await datagrams_.wait_closed();
    streams_->close();
    streams_->abort_clients();
    co_await streams_->wait_finished();
}

std::size_t DnsServer::times_asked(std::string_view what) const {
    return static_cast<std::size_t>(std::count(asked_.begin(), asked_.end(), what));
}

std::optional<std::string> DnsServer::answer(std::string_view message, bool by_tcp) {
    const std::optional<DnsQuestion> question = parse_dns_query(message, by_tcp);
    if (!question) return std::nullopt;
    asked_.push_back(question->name + (question->wants_ipv4() ? " A" : " AAAA") + (by_tcp ? " tcp" : ""));
    return handler_(*question);
}

Coro<> DnsServer::serve_datagrams() {
    while (auto got = co_await datagrams_.next()) {
        const std::optional<std::string> text = answer(got->first, false);
        co_await open_.wait();
        if (!text || datagrams_.is_closing()) continue;
        co_await datagrams_.sendto(*text, got->second);
    }
}

Coro<> DnsServer::serve_stream(StreamReader reader, StreamWriter writer) {
    for (;;) {
        std::string head;
        try {
            head = co_await reader.readexactly(2);
        } catch (const IncompleteReadError&) {
            break;
        }
        const auto length = static_cast<std::ptrdiff_t>(static_cast<unsigned char>(head[0]) << 8 |
                                                        static_cast<unsigned char>(head[1]));
        const std::string message = co_await reader.readexactly(length);
        const std::optional<std::string> text = answer(message, true);
        co_await open_.wait();
        if (!text) break;
        co_await writer.send(number(static_cast<std::uint32_t>(text->size()), 2), *text);
    }
    writer.close();
}

}  // namespace asyncio::test
