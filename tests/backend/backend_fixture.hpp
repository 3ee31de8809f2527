// What the tests of the contract share: a backend of each kind, operations that remember how they ended,
// sockets that close themselves. There is no loop here: the tests submit and poll by hand.
#pragma once
#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "asyncio/core/backend.hpp"
#include "detail/backend_io_uring.hpp"

namespace asyncio::backend_test {

using detail::KernelBackend;
using detail::Operation;
using detail::OperationKind;
using detail::SendPart;

constexpr std::uint64_t ms = 1'000'000;

/// A descriptor that closes itself, for what the backend does not own.
class Fd {
  public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept {
        reset(std::exchange(other.fd_, -1));
        return *this;
    }
    ~Fd() { reset(); }
    int get() const { return fd_; }
    int release() { return std::exchange(fd_, -1); }
    void reset(int fd = -1) {
        if (fd_ >= 0) ::close(fd_);
        fd_ = fd;
    }

  private:
    int fd_ = -1;
};

/// An operation that remembers how it ended.
struct Op : Operation {
    explicit Op(OperationKind kind, int fd = -1) : Operation(kind, fd, &Op::on_complete) {}

    int calls = 0;
    bool at_once = false;
    bool ended = false;
    bool keep_bytes = true;
    std::string bytes_got;  // what a receive brought, wherever it was put
    std::function<void(Op&)> then;

    void finish() {
        ended = true;
        if (kind == OperationKind::receive && result > 0 && keep_bytes) {
            bytes_got.assign(buffer != nullptr ? static_cast<const char*>(buffer) : data,
                             static_cast<std::size_t>(result));
        }
        if (then) then(*this);
    }
    static void on_complete(Operation* operation) noexcept {
        auto& self = static_cast<Op&>(*operation);
        self.calls += 1;
        self.finish();
    }
};

struct Accept : Op {
    explicit Accept(int fd) : Op(OperationKind::accept, fd) {}
};

struct Receive : Op {
    /// Into the backend's own buffer; 0: as much as that holds.
    explicit Receive(int fd, std::size_t limit = 0) : Op(OperationKind::receive, fd) { bytes = limit; }
    Receive(int fd, void* into, std::size_t room) : Op(OperationKind::receive, fd) {
        buffer = into;
        bytes = room;
    }
};

struct Send : Op {
    Send(int fd, std::string_view text) : Op(OperationKind::send, fd), part{text.data(), text.size()} {
        parts = &part;
        part_count = 1;
    }
    SendPart part;
};

struct Address {
    sockaddr_storage storage{};
    socklen_t size = sizeof(sockaddr_storage);
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
    sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

struct Connect : Op {
    Connect(int fd, const Address& to) : Op(OperationKind::connect, fd) {
        address = to.get();
        address_bytes = to.size;
    }
};

struct Readable : Op {
    explicit Readable(int fd) : Op(OperationKind::wait_readable, fd) {}
};

struct Writable : Op {
    explicit Writable(int fd) : Op(OperationKind::wait_writable, fd) {}
};

/// A backend as the loop makes it, or one that is held back as on an older kernel.
struct Variant {
    const char* name;
    Backend kind;
    detail::RingLimits limits;
    bool limited = false;
};

inline const Variant variants[] = {
    {"epoll", Backend::epoll, {}},
    {"io_uring", Backend::io_uring, {}},
    {"io_uring_linux_6_0", Backend::io_uring, {.no_defer_taskrun = true}, true},
    {"io_uring_linux_5_19", Backend::io_uring, {.no_defer_taskrun = true, .no_single_issuer = true}, true},
    {"io_uring_linux_5_13",
     Backend::io_uring,
     {.no_defer_taskrun = true, .no_single_issuer = true, .no_coop_taskrun = true},
     true},
    // Each few operations fill the submission queue and overflow the completion queue.
    {"io_uring_tiny", Backend::io_uring, {.sq_entries = 2, .cq_entries = 4}, true},
};

class BackendTest : public testing::TestWithParam<Variant> {
  protected:
    void SetUp() override {
        wake_ = Fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
        open_before_ = open_descriptors();
        std::string_view reason;
        backend_ = make(reason);
        if (!backend_) GTEST_SKIP() << "not available here: " << reason;
        backend_->enter_thread();
    }
    void TearDown() override {
        if (!backend_) return;
        EXPECT_EQ(backend_->in_flight(), 0u);
        backend_.reset();
        EXPECT_EQ(open_descriptors(), open_before_) << "descriptors leaked";
    }

    std::unique_ptr<KernelBackend> make(std::string_view& reason,
                                        detail::BackendOptions options = detail::BackendOptions()) {
        const Variant& variant = GetParam();
        if (variant.kind == Backend::epoll) return detail::make_epoll_backend(wake_.get(), options, reason);
        if (variant.limited) {
            return detail::make_limited_io_uring_backend(wake_.get(), options, variant.limits, reason);
        }
        return detail::make_io_uring_backend(wake_.get(), options, reason);
    }

    static int open_descriptors() {
        int count = 0;
        for (int fd = 0; fd < 4096; ++fd) count += ::fcntl(fd, F_GETFD) >= 0;
        return count;
    }

    void start(Op& op) {
        op.ended = op.at_once = false;
        if (backend_->submit(op)) {
            EXPECT_FALSE(op.held);
            op.at_once = true;
            op.finish();
        }
    }
    /// Polls until `condition`, or for at most ten seconds.
    template <class Condition>
    bool poll_until(Condition condition) {
        const std::uint64_t limit = backend_->now() + 10'000 * ms;
        while (!condition() && backend_->now() < limit) backend_->poll(backend_->now() + 100 * ms);
        return condition();
    }
    std::int64_t finish(Op& op) {
        EXPECT_TRUE(poll_until([&] { return op.ended; })) << "the operation did not end";
        return op.result;
    }
    std::int64_t run(Op& op) {
        start(op);
        return finish(op);
    }
    void cancel(Op& op) {
        if (backend_->cancel(op)) {
            EXPECT_EQ(op.result, -ECANCELED);
            op.finish();
        }
    }
    /// What the kernel has to say now, without waiting.
    void settle() {
        for (int i = 0; i < 3; ++i) backend_->poll(0);
    }

    std::string receive(int fd, std::size_t limit = 0) {
        Receive op(fd, limit);
        const std::int64_t result = run(op);
        return result < 0 ? std::string("error: ") + std::strerror(static_cast<int>(-result)) : op.bytes_got;
    }
    std::int64_t send(int fd, std::string_view text) {
        Send op(fd, text);
        return run(op);
    }
    void close(int fd) { backend_->close_descriptor(fd); }

    std::pair<int, int> socket_pair(int type = SOCK_STREAM) {
        int fds[2];
        EXPECT_EQ(::socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
        return {fds[0], fds[1]};
    }

    static int tcp_socket(int family = AF_INET) {
        return ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    }
    static Address loopback(int family, std::uint16_t port = 0) {
        Address address;
        if (family == AF_INET) {
            auto& in = reinterpret_cast<sockaddr_in&>(address.storage);
            in.sin_family = AF_INET;
            in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            in.sin_port = htons(port);
            address.size = sizeof in;
        } else {
            auto& in6 = reinterpret_cast<sockaddr_in6&>(address.storage);
            in6.sin6_family = AF_INET6;
            in6.sin6_addr = in6addr_loopback;
            in6.sin6_port = htons(port);
            address.size = sizeof in6;
        }
        return address;
    }
    /// A listening socket and where it listens.
    std::pair<int, Address> listener(int family = AF_INET, int backlog = 1024) {
        const int fd = tcp_socket(family);
        Address address = loopback(family);
        EXPECT_EQ(::bind(fd, address.get(), address.size), 0) << std::strerror(errno);
        EXPECT_EQ(::listen(fd, backlog), 0);
        EXPECT_EQ(::getsockname(fd, address.get(), &address.size), 0);
        return {fd, address};
    }
    /// Both ends of a TCP connection, made through the backend.
    std::pair<int, int> tcp_pair(int family = AF_INET) {
        auto [listening, address] = listener(family);
        const int client = tcp_socket(family);
        Accept accept(listening);
        Connect connect(client, address);
        start(accept);
        start(connect);
        EXPECT_EQ(finish(connect), 0);
        const auto server = static_cast<int>(finish(accept));
        EXPECT_GE(server, 0);
        close(listening);
        return {client, server};
    }

    Fd wake_;
    std::unique_ptr<KernelBackend> backend_;
    int open_before_ = 0;
};

inline std::string name_of(const testing::TestParamInfo<Variant>& info) { return info.param.name; }
inline void PrintTo(const Variant& variant, std::ostream* out) { *out << variant.name; }

}  // namespace asyncio::backend_test
