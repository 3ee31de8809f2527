// A DNS server on the loopback, whose answers a test decides on (RFC 1035).
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "asyncio/asyncio.hpp"

namespace asyncio::test {

struct DnsQuestion {
    std::string id;       // two bytes
    std::string section;  // as it stands in the message
    std::string name;     // "www.example.test"
    std::uint16_t type = 0;
    bool by_tcp = false;

    bool wants_ipv4() const { return type == 1; }
    bool wants_ipv6() const { return type == 28; }
};

/// The question of a query; nothing if it is none.
std::optional<DnsQuestion> parse_dns_query(std::string_view message, bool by_tcp);

/// Builds an answer, record by record.
class DnsAnswer {
  public:
    static constexpr int server_failure = 2;
    static constexpr int no_such_name = 3;

    explicit DnsAnswer(const DnsQuestion& question) : question_(question) {}
    DnsAnswer& code(int rcode) {
        code_ = rcode;
        return *this;
    }
    /// The rest is to be asked for by TCP.
    DnsAnswer& truncated() {
        truncated_ = true;
        return *this;
    }
    /// An A or AAAA record.
    DnsAnswer& address(std::string_view name, std::string_view numeric);
    DnsAnswer& alias(std::string_view name, std::string_view target);
    std::string bytes() const;

  private:
    void record(std::string_view name, std::uint16_t type, std::string_view data);

    const DnsQuestion& question_;
    int code_ = 0;
    bool truncated_ = false;
    std::uint16_t records_ = 0;
    std::string answers_;
};

/// Listens on UDP and TCP, on one port of 127.0.0.1.
class DnsServer {
  public:
    /// Gives the answer's bytes, or nothing: then none is sent.
    using Handler = std::function<std::optional<std::string>(const DnsQuestion&)>;

    static Coro<std::unique_ptr<DnsServer>> start(Handler handler);
    Coro<> stop();

    /// "127.0.0.1:53535"
    std::string address() const { return datagrams_.sockname().to_string(); }
    /// What was asked, in order: "a.test A", "a.test AAAA tcp".
    const std::vector<std::string>& asked() const { return asked_; }
    std::size_t times_asked(std::string_view what) const;
    /// While it is not set no answer is sent.
    Event& open() { return open_; }

    /// For `start`.
    DnsServer(Handler handler, DatagramEndpoint datagrams);

  private:
    Coro<> serve_datagrams();
    Coro<> serve_stream(StreamReader reader, StreamWriter writer);
    std::optional<std::string> answer(std::string_view message, bool by_tcp);

    Handler handler_;
    DatagramEndpoint datagrams_;
    std::optional<Server> streams_;
    std::optional<Task<>> serving_;
    std::vector<std::string> asked_;
    Event open_;
};

}  // namespace asyncio::test
