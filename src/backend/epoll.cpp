// The epoll backend: completions made from readiness.
//
// The idea. An operation is tried first and waited for only if the kernel says EAGAIN; what is known of a
// descriptor is kept in a table indexed by its number, so that a call that must fail is not made. A socket is
// told to epoll once, edge triggered, when an operation on it first has to wait: for reading at first, for
// writing too from the day its buffer was once found full. (Interest in writing from the start would be an
// event for each new connection, and on Unix sockets one for each message that the peer reads.) One echo is
// thus recv, send and a share of an epoll_wait: 3.3 µs of CPU where the plain C server with one read and one
// write takes 3.5 (100 connections, 64 B; the table in io_uring.cpp has the rest).
//
// Invariants.
//   1. `may_read` is false only if the descriptor was found empty and an edge will tell of more: either it is
//      registered, or it will be before anybody waits (EPOLL_CTL_ADD and EPOLL_CTL_MOD report what is ready
//      already). The same holds of `may_write`.
//   2. A stream that gave less than there was room for is empty (epoll(7), question 9), unless its peer has
//      hung up: then the end of the stream, for which no edge will come again, is still to be read. Datagram
//      and seqpacket sockets give one message a call, so the type is asked once, or inherited from the
//      listener.
//   3. An event carries the generation of its registration. It is stale, and dropped, when the slot has
//      another one: descriptors are closed and their numbers given out again while a batch of events is
//      worked off.
//   4. `complete` may submit, and submit may move the table: no reference into it is kept across that call.
//
// wait_readable and wait_writable take descriptors of others (pipes, eventfds, sockets of C libraries), which
// may be closed without a word to us. They are registered with EPOLLONESHOT, so that one which nobody waits
// for makes no events, and what the table says of them is only a guess at which of ADD and MOD will work; the
// kernel corrects it. On a socket of ours, registered edge triggered, EPOLL_CTL_MOD makes the kernel report
// again what is ready now, which is what level triggered means.
//
// The wake descriptor is registered level triggered and read when it fires.
//
// Rejected: one poll or epoll_ctl per wait (0.3 to 0.5 µs each); level triggering with EPOLLIN always on (a
// connection whose reader pauses would spin); closing with EPOLL_CTL_DEL (the kernel does it; a copy of the
// descriptor in a forked child costs an event that invariant 3 drops).
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>

#include "asyncio/base/assert.hpp"
#include "asyncio/core/backend.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

KernelBackend::~KernelBackend() = default;

namespace {

static_assert(sizeof(SendPart) == sizeof(iovec) && offsetof(SendPart, data) == offsetof(iovec, iov_base) &&
                  offsetof(SendPart, bytes) == offsetof(iovec, iov_len),
              "SendPart is handed to the kernel as an iovec");

// One receive at a time, copied out at once: it stays in the second-level cache.
constexpr std::size_t hot_buffer_bytes = 64 * 1024;
constexpr int events_max = 256;
// What has come is worked on while it lies in the cache, before more is fetched.
constexpr std::size_t received_at_once_max = 128 * 1024;
constexpr std::uint64_t wake_tag = ~std::uint64_t{0};
// No system call returns it.
constexpr std::int64_t would_block = INT64_MIN;

constexpr std::uint32_t edge_reading = EPOLLIN | EPOLLRDHUP | EPOLLET;
constexpr std::uint32_t ended = EPOLLHUP | EPOLLERR;

constexpr bool reads(OperationKind kind) noexcept {
    return kind == OperationKind::accept || kind == OperationKind::receive || kind == OperationKind::read ||
           kind == OperationKind::wait_readable;
}

constexpr bool is_now(OperationKind kind) noexcept {
    return kind == OperationKind::send_now || kind == OperationKind::write_now;
}

constexpr bool is_wait(OperationKind kind) noexcept {
    return kind == OperationKind::wait_readable || kind == OperationKind::wait_writable;
}

enum class SocketType : std::uint8_t { unknown, stream, other };

// What is known of one descriptor.
struct Slot {
    Operation* reader = nullptr;  // held: accept, receive, read, wait_readable
    Operation* writer = nullptr;  // held: connect, send, write, wait_writable
    std::uint32_t generation = 0;
    std::uint32_t interest = 0;  // what epoll was told last; 0: (as far as we know) not registered
    bool may_read = true;        // invariant 1
    bool may_write = true;
    bool hung_up = false;  // invariant 2; from then on `may_read` stays true
    SocketType type = SocketType::unknown;

    bool edge_triggered() const noexcept { return (interest & EPOLLET) != 0; }
    void forget() noexcept {
        generation += 1;
        interest = 0;
        may_read = may_write = true;
        hung_up = false;
        type = SocketType::unknown;
    }
};

class EpollBackend final : public KernelBackend {
  public:
    EpollBackend(int epoll, int wake, std::uint64_t timer_slack_ns) noexcept
        : epoll_(epoll), wake_(wake), timer_slack_ns_(timer_slack_ns) {}
    ~EpollBackend() override {
        ASYNCIO_ASSERT(in_flight_ == 0, "a backend was destroyed that still holds operations");
        ::close(epoll_);
    }

    Backend kind() const noexcept override { return Backend::epoll; }
    bool submit(Operation& operation) noexcept override;
    bool cancel(Operation& operation) noexcept override;
    void close_descriptor(int descriptor) noexcept override;
    void poll(std::uint64_t deadline) noexcept override;
    std::uint64_t now() noexcept override;
    std::size_t in_flight() const noexcept override { return in_flight_; }
    bool has_more() const noexcept override { return next_event_ != event_count_; }
    int descriptor() const noexcept override { return epoll_; }
    void enter_thread() noexcept override {
        if (timer_slack_ns_ != 0) ::prctl(PR_SET_TIMERSLACK, timer_slack_ns_, 0, 0, 0);
    }

  private:
    Slot* find(int descriptor) noexcept {
        return static_cast<std::size_t>(descriptor) < slot_count_ ? &slots_[descriptor] : nullptr;
    }
    Slot* find_or_grow(int descriptor) noexcept;
    int arm(int descriptor, Slot& slot, std::uint32_t interest) noexcept;
    bool submit_connect(Operation& operation) noexcept;
    bool submit_wait(Operation& operation) noexcept;
    bool hold(Operation& operation) noexcept;
    static bool end(Operation& operation, std::int64_t result) noexcept {
        operation.result = result;
        return true;
    }

    std::int64_t attempt(Operation& operation, Slot* slot) noexcept;
    std::int64_t attempt_accept(Operation& operation, Slot* slot) noexcept;
    std::int64_t attempt_receive(Operation& operation, Slot* slot) noexcept;
    std::int64_t attempt_send(Operation& operation, Slot* slot) noexcept;
    static std::int64_t attempt_connect(Operation& operation) noexcept;
    static bool is_stream(int descriptor, Slot& slot) noexcept;

    int wait(std::uint64_t deadline) noexcept;
    bool dispatch(std::uint64_t tag, std::uint32_t events) noexcept;
    bool advance(Operation& operation, Slot& slot, std::uint32_t events) noexcept;

    int epoll_;
    int wake_;
    std::uint64_t timer_slack_ns_;
    std::size_t in_flight_ = 0;
    std::unique_ptr<Slot[]> slots_;
    std::size_t slot_count_ = 0;
    // ThreadSanitizer puts off signal handlers until a call that it knows, which epoll_pwait2 is not.
    bool has_pwait2_ = !ASYNCIO_TSAN;
    epoll_event events_[events_max];
    int next_event_ = 0;  // those from here to `event_count_` are still to be worked off
    int event_count_ = 0;
    std::size_t received_ = 0;  // bytes, in this call of poll()
    alignas(64) char hot_buffer_[hot_buffer_bytes];
};

// --- the table ----------------------------------------------------------------------------------

// The caller has seen that the descriptor is open: a wild number must not make a table of its size.
Slot* EpollBackend::find_or_grow(int descriptor) noexcept {
    if (Slot* slot = find(descriptor)) return slot;
    const std::size_t count =
        std::max({std::size_t{64}, slot_count_ * 2, static_cast<std::size_t>(descriptor) + 1});
    std::unique_ptr<Slot[]> grown(new (std::nothrow) Slot[count]);
    if (!grown) return nullptr;
    std::copy_n(slots_.get(), slot_count_, grown.get());
    slots_ = std::move(grown);
    slot_count_ = count;
    return &slots_[descriptor];
}

// Tells epoll; 0 or -errno. Whether it knows the descriptor already is a guess: the kernel has the last word.
int EpollBackend::arm(int descriptor, Slot& slot, std::uint32_t interest) noexcept {
    const auto control = [&](int what) {
        epoll_event event{};
        event.events = interest;
        event.data.u64 = static_cast<std::uint32_t>(descriptor) | static_cast<std::uint64_t>(slot.generation)
                                                                      << 32;
        return ::epoll_ctl(epoll_, what, descriptor, &event) == 0 ? 0 : -errno;
    };
    int error = -ENOENT;
    if (slot.interest != 0) error = control(EPOLL_CTL_MOD);
    if (error == -ENOENT) {
        slot.generation += 1;
        error = control(EPOLL_CTL_ADD);
        if (error == -EEXIST) error = control(EPOLL_CTL_MOD);
    }
    if (error == 0) {
        slot.interest = interest;
    } else {
        slot.interest = 0;
    }
    return error;
}

// --- submitting ---------------------------------------------------------------------------------

bool EpollBackend::submit(Operation& operation) noexcept {
    ASYNCIO_DASSERT(!operation.held);
    switch (operation.kind) {
        case OperationKind::connect: return submit_connect(operation);
        case OperationKind::wait_readable:
        case OperationKind::wait_writable: return submit_wait(operation);
        default: break;
    }
    Slot* slot = find(operation.descriptor);
    // What is never held does not arm the edge that would tell of room: where there is none, it must look
    // itself.
    const bool look = slot == nullptr || (is_now(operation.kind) &&
                                          (slot->interest & (EPOLLET | EPOLLOUT)) != (EPOLLET | EPOLLOUT));
    if (look || (reads(operation.kind) ? slot->may_read : slot->may_write)) {
        const std::int64_t result = attempt(operation, slot);
        if (result != would_block) return end(operation, result);
    }
    if (is_now(operation.kind)) return end(operation, -EAGAIN);
    return hold(operation);
}

bool EpollBackend::submit_connect(Operation& operation) noexcept {
    const int descriptor = operation.descriptor;
    if (Slot* slot = find(descriptor);
        slot != nullptr && slot->reader == nullptr && slot->writer == nullptr) {
        // A connection's life begins here: nothing that is known of the number can be true of it.
        slot->may_read = slot->may_write = true;
        slot->hung_up = false;
        slot->type = SocketType::unknown;
    }
    if (::connect(descriptor, static_cast<const sockaddr*>(operation.address),
                  static_cast<socklen_t>(operation.address_bytes)) == 0) {
        return end(operation, 0);
    }
    // EAGAIN (a Unix listener whose backlog is full) has no event to wait for: the caller's matter.
    if (errno != EINPROGRESS && errno != EINTR) return end(operation, -errno);
    return hold(operation);
}

bool EpollBackend::submit_wait(Operation& operation) noexcept {
    const int descriptor = operation.descriptor;
    Slot* slot = find(descriptor);
    if (slot == nullptr) {
        if (::fcntl(descriptor, F_GETFD) < 0) return end(operation, -errno);
        slot = find_or_grow(descriptor);
        if (slot == nullptr) return end(operation, -ENOMEM);
    }
    Operation*& place = reads(operation.kind) ? slot->reader : slot->writer;
    ASYNCIO_ASSERT(place == nullptr, "two operations of one direction on one descriptor");

    const std::uint32_t wanted = reads(operation.kind) ? EPOLLIN : EPOLLOUT;
    int error = -ENOENT;
    if (slot->edge_triggered()) {
        // Asked again although nothing changes: so the kernel looks, and reports what is ready now.
        epoll_event event{};
        event.events = slot->interest | wanted;
        event.data.u64 = static_cast<std::uint32_t>(descriptor) | static_cast<std::uint64_t>(slot->generation)
                                                                      << 32;
        error = ::epoll_ctl(epoll_, EPOLL_CTL_MOD, descriptor, &event) == 0 ? 0 : -errno;
        if (error == 0) slot->interest = event.events;
        if (error == -ENOENT && slot->reader == nullptr && slot->writer == nullptr) slot->forget();
    }
    if (error == -ENOENT) {
        std::uint32_t interest = EPOLLONESHOT | wanted;
        if (slot->reader != nullptr) interest |= EPOLLIN;
        if (slot->writer != nullptr) interest |= EPOLLOUT;
        error = arm(descriptor, *slot, interest);
    }
    if (error != 0) return end(operation, error);
    place = &operation;
    operation.held = true;
    in_flight_ += 1;
    return false;
}

// The operation would block: it is kept until an edge says that it may not.
bool EpollBackend::hold(Operation& operation) noexcept {
    Slot* slot = find_or_grow(operation.descriptor);
    if (slot == nullptr) return end(operation, -ENOMEM);
    Operation*& place = reads(operation.kind) ? slot->reader : slot->writer;
    ASYNCIO_ASSERT(place == nullptr, "two operations of one direction on one descriptor");

    std::uint32_t interest = edge_reading;
    if (slot->edge_triggered()) interest |= slot->interest;
    if (!reads(operation.kind) || slot->writer != nullptr) interest |= EPOLLOUT;
    if (interest != slot->interest) {
        const int error = arm(operation.descriptor, *slot, interest);
        if (error != 0) return end(operation, error);
    }
    place = &operation;
    operation.held = true;
    in_flight_ += 1;
    return false;
}

bool EpollBackend::cancel(Operation& operation) noexcept {
    ASYNCIO_ASSERT(operation.held, "an operation was cancelled that the backend does not hold");
    Slot& slot = slots_[operation.descriptor];
    Operation*& place = reads(operation.kind) ? slot.reader : slot.writer;
    ASYNCIO_ASSERT(place == &operation);
    place = nullptr;
    operation.held = false;
    in_flight_ -= 1;
    return end(operation, -ECANCELED);
}

void EpollBackend::close_descriptor(int descriptor) noexcept {
    if (Slot* slot = find(descriptor)) {
        ASYNCIO_ASSERT(slot->reader == nullptr && slot->writer == nullptr,
                       "a descriptor was closed while operations on it were held");
        slot->forget();
    }
    ::close(descriptor);
}

// --- the system calls ---------------------------------------------------------------------------

// recv and send are points at which pthread_cancel may end a thread. To say where they begin and end takes
// glibc two locked instructions each in a process that has threads, which is some percent of a small message.
ssize_t receive_bytes(int descriptor, void* into, std::size_t room) noexcept {
#if defined(SYS_recvfrom) && !ASYNCIO_ASAN && !ASYNCIO_TSAN
    return ::syscall(SYS_recvfrom, descriptor, into, room, MSG_DONTWAIT, nullptr, nullptr);
#else
    return ::recv(descriptor, into, room, MSG_DONTWAIT);
#endif
}

ssize_t send_bytes(int descriptor, const void* from, std::size_t bytes) noexcept {
    constexpr int flags = MSG_NOSIGNAL | MSG_DONTWAIT;
#if defined(SYS_sendto) && !ASYNCIO_ASAN && !ASYNCIO_TSAN
    return ::syscall(SYS_sendto, descriptor, from, bytes, flags, nullptr, 0);
#else
    return ::send(descriptor, from, bytes, flags);
#endif
}

std::int64_t EpollBackend::attempt(Operation& operation, Slot* slot) noexcept {
    switch (operation.kind) {
        case OperationKind::accept: return attempt_accept(operation, slot);
        case OperationKind::receive:
        case OperationKind::read: return attempt_receive(operation, slot);
        case OperationKind::send:
        case OperationKind::send_now:
        case OperationKind::write:
        case OperationKind::write_now: return attempt_send(operation, slot);
        case OperationKind::connect: return attempt_connect(operation);
        default: break;
    }
    ASYNCIO_ASSERT(false, "an operation of unknown kind");
    return -EINVAL;
}

std::int64_t EpollBackend::attempt_accept(Operation& operation, Slot* slot) noexcept {
    int accepted;
    do {
        accepted = ::accept4(operation.descriptor, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (accepted < 0 && errno == EINTR);
    if (accepted < 0) {
        if (errno != EAGAIN) return -errno;
        if (slot != nullptr) slot->may_read = false;
        return would_block;
    }
    if (Slot* fresh = find(accepted)) {
        ASYNCIO_DASSERT(fresh->reader == nullptr && fresh->writer == nullptr);
        fresh->forget();
        if (slot != nullptr) {
            is_stream(operation.descriptor, *slot);
            fresh->type = slot->type;
        }
    }
    return accepted;
}

std::int64_t EpollBackend::attempt_receive(Operation& operation, Slot* slot) noexcept {
    char* into = static_cast<char*>(operation.buffer);
    std::size_t room = operation.bytes;
    if (into == nullptr) {
        into = hot_buffer_;
        room = room == 0 ? hot_buffer_bytes : std::min(room, hot_buffer_bytes);
        operation.data = into;
    }
    ssize_t got;
    do {
        got = operation.kind == OperationKind::receive ? receive_bytes(operation.descriptor, into, room)
                                                       : ::read(operation.descriptor, into, room);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        if (errno != EAGAIN) return -errno;
        if (slot != nullptr) slot->may_read = false;
        return would_block;
    }
    received_ += static_cast<std::size_t>(got);
    if (slot != nullptr && got > 0 && static_cast<std::size_t>(got) < room && !slot->hung_up &&
        is_stream(operation.descriptor, *slot)) {
        slot->may_read = false;
    }
    return got;
}

std::int64_t EpollBackend::attempt_send(Operation& operation, Slot* slot) noexcept {
    const std::size_t parts = std::min<std::size_t>(operation.part_count, IOV_MAX);
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < parts; ++i) bytes += operation.parts[i].bytes;
    const bool socket = operation.kind == OperationKind::send || operation.kind == OperationKind::send_now;
    ssize_t sent;
    do {
        if (!socket) {
            sent = ::writev(operation.descriptor, reinterpret_cast<const iovec*>(operation.parts),
                            static_cast<int>(parts));
        } else if (parts == 1) {
            sent = send_bytes(operation.descriptor, operation.parts[0].data, bytes);
        } else {
            msghdr message{};
            // The kernel only reads it; `const` is lost in C's msghdr.
            message.msg_iov = reinterpret_cast<iovec*>(const_cast<SendPart*>(operation.parts));
            message.msg_iovlen = parts;
            sent = ::sendmsg(operation.descriptor, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        }
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) {
        if (errno != EAGAIN) return -errno;
        if (slot != nullptr) slot->may_write = false;
        return would_block;
    }
    // A stream that took less than it was given is full, and the kernel has noted that it owes an edge.
    if (slot != nullptr && static_cast<std::size_t>(sent) < bytes && !slot->hung_up &&
        is_stream(operation.descriptor, *slot)) {
        slot->may_write = false;
    }
    return sent;
}

// Only after an event: how did it end? SO_ERROR is 0 for "done", for "not yet", and after an event that was
// older than the connect; a second connect tells.
std::int64_t EpollBackend::attempt_connect(Operation& operation) noexcept {
    int error = 0;
    socklen_t size = sizeof error;
    if (::getsockopt(operation.descriptor, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return -errno;
    if (error != 0) return -error;
    if (::connect(operation.descriptor, static_cast<const sockaddr*>(operation.address),
                  static_cast<socklen_t>(operation.address_bytes)) == 0 ||
        errno == EISCONN) {
        return 0;
    }
    if (errno == EALREADY || errno == EINPROGRESS || errno == EINTR) return would_block;
    return -errno;
}

bool EpollBackend::is_stream(int descriptor, Slot& slot) noexcept {
    if (slot.type == SocketType::unknown) {
        int type = 0;
        socklen_t size = sizeof type;
        const bool told = ::getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &size) == 0;
        struct stat status{};
        const bool pipe = !told && ::fstat(descriptor, &status) == 0 && S_ISFIFO(status.st_mode);
        slot.type = pipe || (told && type == SOCK_STREAM) ? SocketType::stream : SocketType::other;
    }
    return slot.type == SocketType::stream;
}

// --- waiting ------------------------------------------------------------------------------------

std::uint64_t EpollBackend::now() noexcept {
    timespec time;
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000u +
           static_cast<std::uint64_t>(time.tv_nsec);
}

// The number of events; 0 when the deadline has come, which may not be before the clock has reached it.
int EpollBackend::wait(std::uint64_t deadline) noexcept {
    for (;;) {
        int count;
        std::uint64_t rest = 0;
        if (deadline == 0 || deadline == no_deadline) {
            count = ::epoll_wait(epoll_, events_, events_max, deadline == 0 ? 0 : -1);
        } else {
            const std::uint64_t time = now();
            rest = deadline > time ? deadline - time : 0;
            if (has_pwait2_) {  // since Linux 5.11
                timespec timeout;
                timeout.tv_sec = static_cast<time_t>(rest / 1'000'000'000u);
                timeout.tv_nsec = static_cast<long>(rest % 1'000'000'000u);
                count = static_cast<int>(::syscall(SYS_epoll_pwait2, epoll_, events_, events_max, &timeout,
                                                   nullptr, std::size_t{0}));
                if (count < 0 && errno != EINTR) {
                    has_pwait2_ = false;  // ENOSYS, or EPERM from a filter that does not know it
                    continue;
                }
            } else {
                // Whole milliseconds, rounded up: late by up to one, never early.
                const std::uint64_t ms = rest / 1'000'000u + (rest % 1'000'000u != 0);
                count = ::epoll_wait(epoll_, events_, events_max,
                                     static_cast<int>(std::min<std::uint64_t>(ms, INT_MAX)));
                if (count == 0 && ms > INT_MAX) continue;
            }
        }
        if (count >= 0) return count;
        ASYNCIO_ASSERT(errno == EINTR, "epoll_wait failed");
        // A signal handler with something to say has written to the wake descriptor.
    }
}

void EpollBackend::poll(std::uint64_t deadline) noexcept {
    bool news = false;
    received_ = 0;
    do {
        if (next_event_ == event_count_) {
            next_event_ = 0;
            event_count_ = wait(deadline);
            if (event_count_ == 0) return;
        }
        while (next_event_ != event_count_ && received_ < received_at_once_max) {
            const epoll_event event = events_[next_event_++];
            if (event.data.u64 == wake_tag) {
                std::uint64_t written;
                (void)!::read(wake_, &written, sizeof written);
                news = true;
            } else {
                news |= dispatch(event.data.u64, event.events);
            }
        }
        // Events of which nothing came (a stale one, an edge that nobody waits for) are no reason to return.
    } while (!news && deadline != 0);
}

// True if an operation has ended.
bool EpollBackend::dispatch(std::uint64_t tag, std::uint32_t events) noexcept {
    const int descriptor = static_cast<int>(static_cast<std::uint32_t>(tag));
    const auto generation = static_cast<std::uint32_t>(tag >> 32);
    Slot* slot = &slots_[descriptor];
    if (slot->generation != generation) return false;  // invariant 3

    if (slot->edge_triggered()) {
        if (events & (EPOLLIN | EPOLLRDHUP | ended)) slot->may_read = true;
        if (events & (EPOLLRDHUP | ended)) slot->hung_up = true;
        if (events & (EPOLLOUT | ended)) slot->may_write = true;
    } else {
        slot->interest = EPOLLONESHOT;  // disarmed by this event
    }
    bool news = false;
    if ((events & (EPOLLIN | EPOLLRDHUP | ended)) && slot->reader != nullptr) {
        news |= advance(*slot->reader, *slot, events);
        slot = &slots_[descriptor];
        if (slot->generation != generation) return news;
    }
    if ((events & (EPOLLOUT | ended)) && slot->writer != nullptr) {
        news |= advance(*slot->writer, *slot, events);
        slot = &slots_[descriptor];
        if (slot->generation != generation) return news;
    }
    if (slot->interest == EPOLLONESHOT && (slot->reader != nullptr || slot->writer != nullptr)) {
        const std::uint32_t rest =
            (slot->reader != nullptr ? EPOLLIN : 0u) | (slot->writer != nullptr ? EPOLLOUT : 0u);
        const int error = arm(descriptor, *slot, EPOLLONESHOT | rest);
        // It worked a moment ago, and MOD allocates nothing; a descriptor closed under a wait ends it.
        while (error != 0 && (slot->reader != nullptr || slot->writer != nullptr)) {
            Operation& lost = slot->reader != nullptr ? *slot->reader : *slot->writer;
            cancel(lost);
            lost.result = error;
            lost.complete(&lost);
            slot = &slots_[descriptor];
            news = true;
        }
    }
    return news;
}

// An event came for a held operation: ends it, or finds that it must wait on. True if it has ended.
bool EpollBackend::advance(Operation& operation, Slot& slot, std::uint32_t events) noexcept {
    const std::int64_t result =
        is_wait(operation.kind) ? static_cast<std::int64_t>(events & 0xffff) : attempt(operation, &slot);
    if (result == would_block) return false;
    (reads(operation.kind) ? slot.reader : slot.writer) = nullptr;
    operation.held = false;
    in_flight_ -= 1;
    operation.result = result;
    operation.complete(&operation);
    return true;
}

}  // namespace

std::unique_ptr<KernelBackend> make_epoll_backend(int wake_descriptor, const BackendOptions& options,
                                                  std::string_view& reason) {
    const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) {
        reason = errno == EMFILE || errno == ENFILE ? "no descriptor is left for epoll_create1"
                                                    : "epoll_create1 was refused";
        return nullptr;
    }
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = wake_tag;
    if (::epoll_ctl(epoll, EPOLL_CTL_ADD, wake_descriptor, &event) != 0) {
        reason = "epoll_ctl refused the wake descriptor";
        ::close(epoll);
        return nullptr;
    }
    std::unique_ptr<KernelBackend> backend(new (std::nothrow)
                                               EpollBackend(epoll, wake_descriptor, options.timer_slack_ns));
    if (backend == nullptr) {
        reason = "no memory for the epoll backend";
        ::close(epoll);
    }
    return backend;
}

}}}  // namespace asyncio::v1::detail
