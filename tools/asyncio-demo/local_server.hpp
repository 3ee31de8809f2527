// asyncio-httpbin on a free loopback port, on a thread and loop of its own.
#pragma once
#include <asyncio/asyncio.hpp>
#include <future>
#include <optional>
#include <string>
#include <thread>

namespace demo {

class LocalServer {
  public:
    /// Returns when it listens. Throws what starting it throws.
    LocalServer();
    LocalServer(const LocalServer&) = delete;
    LocalServer& operator=(const LocalServer&) = delete;
    /// Stops it and waits for it.
    ~LocalServer();

    /// "http://127.0.0.1:34567"
    const std::string& url() const noexcept { return url_; }

  private:
    struct Started {
        std::string url;
        asyncio::RemoteFuture<> stop;
    };
    static asyncio::Coro<> serve(std::promise<Started>& started);

    std::string url_;
    std::optional<asyncio::RemoteFuture<>> stop_;
    std::thread thread_;
};

}  // namespace demo
