// The io_uring backend.
//
// The idea. What has to wait is handed to the kernel through the ring, and one io_uring_enter per poll
// submits, waits with the loop's deadline as its timeout, and brings all completions. What need not wait is
// not handed over: the system call is made first (so a task that sends goes on at once), unless what was seen
// last on the descriptor says that it would block. That is a hint in a table of two bytes each; a wrong one
// (a number that was closed behind our back) costs one system call and nothing else.
//
// A receive without a buffer waits in the ring as a poll, and takes its bytes with recv(2) into the one hot
// buffer of the loop when that fires. With a caller's buffer it is IORING_OP_RECV, which fills it in place.
//
// Measured (loopback echo, server's CPU in µs per message, medians of 5 interleaved runs, Linux 6.18, Zen 5;
// the C programs are an epoll server with one read and one write per message, and multishot accept and
// receive on a ring; the others copy each message once more than C does, as streams must):
//                                       100 × 64 B    1000 × 64 B    100 × 16 KiB
//   C, epoll                                  3.47           4.05            5.15
//   C, io_uring, buffer ring                  3.30           4.97            5.65
//   epoll.cpp                                 3.30           3.83            6.36
//   here, receive through a buffer ring       3.34           4.06            7.46   8 to 64 buffers of 16 KiB
//   here, poll then recv(2)                   3.34           3.91            6.31   <- chosen
//   the same, and send through the ring       3.31           3.79            6.20   but each send suspends
// The buffer ring gains nothing, and loses 15 % where its buffers do not fit into the cache together; without
// it there is no -ENOBUFS, and no kernel newer than 5.13 is needed.
//
// Invariants.
//   1. The user_data of an entry is the address of its operation; its three low bits say if it is something
//      else. `complete` is called on the operation's own completion only, of which there is exactly one. What
//      a cancel request answers is ignored. It cannot hit the same operation submitted anew: the kernel takes
//      entries in order, so the cancel was executed before the new entry was seen.
//   2. Nothing refers to an operation, or to memory that it names, after its completion: iovecs and addresses
//      are read when the entry is taken (IORING_FEAT_SUBMIT_STABLE), buffers until the completion.
//   3. Completions are copied and the queue is advanced before `complete` runs, because a `submit` inside it
//      may flush a full submission queue, whose completions need the place. If the kernel takes no entry all
//      the same (its overflow list is full: before Linux 5.19), operations and cancels wait in lists until
//      the next poll.
//   4. The ring is made where the loop is made, disabled, and enabled by the thread that runs it: from then
//      on it is that thread's alone (IORING_SETUP_SINGLE_ISSUER), and completions are made only while it asks
//      for them (IORING_SETUP_DEFER_TASKRUN).
//   5. Closing needs no more than close(2): the operations have ended, and no multishot request holds the
//      file.
//
// Multishot accept is not used: connections that were accepted and that nobody has asked for yet would have
// to be kept, counted against the descriptor limit, and closed at the end. accept4 until EAGAIN, then one
// accept through the ring, costs the same in a burst and leaves the backlog in the kernel.
//
// The wake descriptor has a multishot poll, and is read when that fires. (A read in the ring would fail at
// once with EAGAIN, as the descriptor is non-blocking.)
#include "asyncio/core/backend.hpp"
#include "backend/io_uring_files.hpp"
#include "detail/backend_io_uring.hpp"

#if defined(ASYNCIO_HAVE_LIBURING)

#include <errno.h>
#include <liburing.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <new>

#include "asyncio/base/assert.hpp"

namespace asyncio { inline namespace v1 { namespace detail {
namespace {

static_assert(sizeof(SendPart) == sizeof(iovec) && offsetof(SendPart, data) == offsetof(iovec, iov_base) &&
                  offsetof(SendPart, bytes) == offsetof(iovec, iov_len),
              "SendPart is handed to the kernel as an iovec");

constexpr std::size_t hot_buffer_bytes = 64 * 1024;
constexpr std::size_t bytes_max = 0x7ffff000;  // MAX_RW_COUNT: what one call moves at most
constexpr unsigned reap_batch = 64;
// ThreadSanitizer puts off signal handlers until a call that it knows, which io_uring_enter is not: there a
// wait is cut into slices, between which the clock is read.
constexpr std::uint64_t tsan_slice_ns = ASYNCIO_TSAN ? 20'000'000 : 0;
constexpr std::int64_t would_block = INT64_MIN;

// The low bits of user_data, which are zero in the address of an operation.
constexpr std::uint64_t tag_mask = 7;
constexpr std::uint64_t tag_operation = 0;
constexpr std::uint64_t tag_cancel = 1;
constexpr std::uint64_t tag_wake = 2;
static_assert(alignof(Operation) > tag_mask);

// `Operation::note` while it is held: which list it is in.
constexpr std::uint8_t in_no_list = 0;
constexpr std::uint8_t in_backlog = 1;
constexpr std::uint8_t in_cancel_backlog = 2;

// What was seen last on a descriptor. Only hints: a wrong one costs a system call.
struct Hints {
    bool may_read = true;
    bool may_write = true;
};

// Linked through Operation::link and ::back.
class OperationList {
  public:
    explicit OperationList(std::uint8_t note) noexcept : note_(note) {}
    Operation* front() const noexcept { return first_; }
    void push_back(Operation& operation) noexcept {
        ASYNCIO_DASSERT(operation.note == in_no_list);
        operation.note = note_;
        operation.link = nullptr;
        operation.back = last_;
        (last_ != nullptr ? last_->link : first_) = &operation;
        last_ = &operation;
    }
    void remove(Operation& operation) noexcept {
        ASYNCIO_DASSERT(operation.note == note_);
        operation.note = in_no_list;
        (operation.back != nullptr ? operation.back->link : first_) = operation.link;
        (operation.link != nullptr ? operation.link->back : last_) = operation.back;
        operation.link = operation.back = nullptr;
    }

  private:
    Operation* first_ = nullptr;
    Operation* last_ = nullptr;
    std::uint8_t note_;
};

std::uint64_t clock_now() noexcept {
    timespec time;
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000u +
           static_cast<std::uint64_t>(time.tv_nsec);
}

// --- the backend ----------------------------------------------------------------------------------

// What was reaped of a completion queue entry.
struct Completion {
    std::uint64_t user_data;
    std::int32_t result;
    std::uint32_t flags;
};

class IoUringBackend final : public KernelBackend {
  public:
    IoUringBackend(int wake, std::uint64_t timer_slack_ns) noexcept
        : wake_(wake), timer_slack_ns_(timer_slack_ns) {}
    ~IoUringBackend() override {
        ASYNCIO_ASSERT(in_flight_ == 0, "a backend was destroyed that still holds operations");
        if (open_) ::io_uring_queue_exit(&ring_);
    }
    bool open(const RingLimits& limits, std::string_view& reason) noexcept;

    Backend kind() const noexcept override { return Backend::io_uring; }
    bool submit(Operation& operation) noexcept override;
    bool takes(FileVerb verb) const noexcept override {
        return (file_verbs_ >> static_cast<unsigned>(verb) & 1) != 0;
    }
    bool cancel(Operation& operation) noexcept override;
    void close_descriptor(int descriptor) noexcept override;
    void poll(std::uint64_t deadline) noexcept override;
    std::uint64_t now() noexcept override { return clock_now(); }
    std::size_t in_flight() const noexcept override { return in_flight_; }
    int descriptor() const noexcept override { return ring_.ring_fd; }
    void flush() noexcept override;
    void enter_thread() noexcept override;

  private:
    static bool end(Operation& operation, std::int64_t result) noexcept {
        operation.result = result;
        return true;
    }
    Hints hints(int descriptor) const noexcept {
        return static_cast<std::size_t>(descriptor) < hint_count_ ? hints_[descriptor] : Hints{};
    }
    Hints* find_or_grow_hints(int descriptor) noexcept;
    void note_reading(int descriptor, bool may_read) noexcept {
        if (Hints* known = find_or_grow_hints(descriptor)) known->may_read = may_read;
    }
    void note_writing(int descriptor, bool may_write) noexcept {
        if (Hints* known = find_or_grow_hints(descriptor)) known->may_write = may_write;
    }
    void forget(int descriptor) noexcept {
        if (static_cast<std::size_t>(descriptor) < hint_count_) hints_[descriptor] = Hints{};
    }

    std::int64_t accept_directly(Operation& operation) noexcept;
    std::int64_t receive_directly(Operation& operation) noexcept;
    std::int64_t send_directly(Operation& operation) noexcept;

    io_uring_sqe* next_sqe() noexcept;
    void hand_over(Operation& operation) noexcept;
    void prepare(Operation& operation, io_uring_sqe* sqe) noexcept;
    void prepare_cancel(Operation& operation, io_uring_sqe* sqe) noexcept;
    void work_off_backlogs() noexcept;

    bool idle() noexcept;
    void enter(std::uint64_t deadline) noexcept;
    bool reap() noexcept;
    bool dispatch(const Completion& completion) noexcept;

    io_uring ring_{};
    bool open_ = false;
    bool disabled_ = false;
    bool wake_armed_ = false;
    int wake_;
    std::uint64_t timer_slack_ns_;
    std::size_t in_flight_ = 0;
    std::unique_ptr<Hints[]> hints_;
    std::size_t hint_count_ = 0;
    OperationList backlog_{in_backlog};
    OperationList cancel_backlog_{in_cancel_backlog};
    // One for each submission queue entry: the kernel reads it when it takes the entry.
    std::unique_ptr<msghdr[]> messages_;
    bool poll_first_ = false;
    std::uint32_t file_verbs_ = 0;  // see file_verbs_of
    alignas(64) char hot_buffer_[hot_buffer_bytes];
};

// The best ring that this kernel makes; 0 or -errno. `flags`: what it was made with.
// `idle` relies on IORING_SETUP_TASKRUN_FLAG wherever completions wait for us to ask.
int set_up(io_uring& ring, const RingLimits& limits, unsigned sq_entries, unsigned left_out,
           unsigned& flags) noexcept {
    const unsigned coop = limits.no_coop_taskrun ? 0 : IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
    const unsigned single =
        limits.no_single_issuer ? 0 : IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_R_DISABLED;
    const unsigned defer =
        limits.no_defer_taskrun || single == 0 || coop == 0 ? 0 : IORING_SETUP_DEFER_TASKRUN;
    int error = 0;
    for (unsigned extra : {coop | single | defer, coop | single, coop, 0u}) {
        io_uring_params params{};
        params.flags = (IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE | extra) & ~left_out;
        params.cq_entries = std::max(limits.cq_entries, sq_entries);
        error = ::io_uring_queue_init_params(sq_entries, &ring, &params);
        flags = params.flags;
        if (error != -EINVAL) break;
    }
    return error;
}

const char* why_refused(int error) noexcept {
    switch (-error) {
        case ENOSYS: return "this kernel has no io_uring";
        case EPERM:
        case EACCES:
            return "io_uring is forbidden here (kernel.io_uring_disabled, or a container's seccomp filter)";
        case ENOMEM: return "no memory for an io_uring (is the limit of locked memory too low?)";
        case EMFILE:
        case ENFILE: return "no descriptor is left for an io_uring";
        default: return "io_uring_setup was refused";
    }
}

// --- the probe ------------------------------------------------------------------------------------

// A filter may allow io_uring_setup and refuse io_uring_enter, and old kernels fail receives on non-blocking
// sockets that find nothing. So the probe does on a small ring what the backend will do: a receive that has
// to wait, and is cancelled; a multishot poll; a wait with a timeout.
class Probe {
  public:
    explicit Probe(const RingLimits& limits) noexcept : limits_(limits) {}
    ~Probe() {
        if (open_) ::io_uring_queue_exit(&ring_);
        for (int fd : sockets_) {
            if (fd >= 0) ::close(fd);
        }
    }

    // Null: all is well. `transient` is set if it may be different next time.
    const char* run(bool& transient) noexcept {
        unsigned flags = 0;
        const int error = set_up(ring_, limits_, 4, IORING_SETUP_R_DISABLED, flags);
        transient = error == -ENOMEM || error == -EMFILE || error == -ENFILE;
        if (error != 0) return why_refused(error);
        open_ = true;
        constexpr unsigned needed =
            IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_FAST_POLL | IORING_FEAT_EXT_ARG;
        if ((ring_.features & needed) != needed)
            return "this kernel's io_uring is too old (needs Linux 5.13)";
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sockets_) != 0) {
            transient = true;
            return "no descriptor is left for the io_uring probe";
        }
        if (!wait_and_expect({})) return refused_;

        char byte = 0;
        io_uring_sqe* sqe = ::io_uring_get_sqe(&ring_);
        ::io_uring_prep_recv(sqe, sockets_[0], &byte, 1, 0);
        ::io_uring_sqe_set_data64(sqe, 1);
        if (!wait_and_expect({})) return refused_;
        if (::send(sockets_[1], "x", 1, MSG_NOSIGNAL) != 1 || !wait_and_expect({{1, 1}})) return refused_;

        sqe = ::io_uring_get_sqe(&ring_);
        ::io_uring_prep_poll_multishot(sqe, sockets_[0], POLLIN);
        ::io_uring_sqe_set_data64(sqe, 2);
        if (!wait_and_expect({})) return refused_;
        sqe = ::io_uring_get_sqe(&ring_);
        ::io_uring_prep_cancel64(sqe, 2, 0);
        ::io_uring_sqe_set_data64(sqe, 3);
        if (!wait_and_expect({{2, -ECANCELED}, {3, 0}})) return refused_;
        return nullptr;
    }

  private:
    struct Expected {
        std::uint64_t user_data;
        int result;
    };
    bool wait_and_expect(std::initializer_list<Expected> expected) noexcept {
        __kernel_timespec timeout{expected.size() == 0 ? 0 : 1, 0};
        std::size_t seen = 0;
        for (;;) {
            io_uring_cqe* entry = nullptr;
            const int error = ::io_uring_submit_and_wait_timeout(&ring_, &entry, 1, &timeout, nullptr);
            if (error == -EINTR) continue;
            if (entry == nullptr) return seen == expected.size() && (error >= 0 || error == -ETIME);
            const auto found = std::find_if(expected.begin(), expected.end(), [&](const Expected& e) {
                return e.user_data == entry->user_data && e.result == entry->res;
            });
            ::io_uring_cqe_seen(&ring_, entry);
            if (found == expected.end()) return false;
            if (++seen == expected.size()) return true;
        }
    }

    static constexpr const char* refused_ =
        "io_uring can be set up but does not work (an old kernel, or a seccomp filter that refuses "
        "io_uring_enter)";
    const RingLimits& limits_;
    io_uring ring_{};
    bool open_ = false;
    int sockets_[2] = {-1, -1};
};

bool IoUringBackend::open(const RingLimits& limits, std::string_view& reason) noexcept {
    unsigned flags = 0;
    if (const int error = set_up(ring_, limits, limits.sq_entries, 0, flags); error != 0) {
        reason = why_refused(error);
        return false;
    }
    open_ = true;
    disabled_ = (flags & IORING_SETUP_R_DISABLED) != 0;
    poll_first_ = (flags & IORING_SETUP_COOP_TASKRUN) != 0;  // both since Linux 5.19
    file_verbs_ = file_verbs_of(ring_);
    messages_.reset(new (std::nothrow) msghdr[ring_.sq.ring_entries]);
    if (messages_ == nullptr) reason = "no memory for the io_uring backend";
    return messages_ != nullptr;
}

void IoUringBackend::enter_thread() noexcept {
    if (disabled_) {
        // liburing 2.3 declares io_uring_enable_rings and forgets to export it.
        const int error = ::io_uring_register(static_cast<unsigned>(ring_.ring_fd),
                                              IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
        ASYNCIO_ASSERT(error == 0, "io_uring_enable_rings failed");
        disabled_ = false;
    }
    if (timer_slack_ns_ != 0) ::prctl(PR_SET_TIMERSLACK, timer_slack_ns_, 0, 0, 0);
}

Hints* IoUringBackend::find_or_grow_hints(int descriptor) noexcept {
    const auto index = static_cast<std::size_t>(descriptor);
    if (index >= hint_count_) {
        const std::size_t count = std::max({std::size_t{256}, hint_count_ * 2, index + 1});
        std::unique_ptr<Hints[]> grown(new (std::nothrow) Hints[count]);
        if (grown == nullptr) return nullptr;
        std::copy_n(hints_.get(), hint_count_, grown.get());
        hints_ = std::move(grown);
        hint_count_ = count;
    }
    return &hints_[index];
}

// --- submitting -----------------------------------------------------------------------------------

bool IoUringBackend::submit(Operation& operation) noexcept {
    ASYNCIO_DASSERT(!operation.held);
    std::int64_t result = would_block;
    switch (operation.kind) {
        case OperationKind::accept:
            if (hints(operation.descriptor).may_read) result = accept_directly(operation);
            break;
        case OperationKind::receive:
        case OperationKind::read:
            if (hints(operation.descriptor).may_read) result = receive_directly(operation);
            break;
        case OperationKind::send:
        case OperationKind::write:
            if (hints(operation.descriptor).may_write) result = send_directly(operation);
            break;
        case OperationKind::send_now:
        case OperationKind::write_now:  // whatever the hint: nothing would ever correct it
            result = send_directly(operation);
            if (result == would_block) result = -EAGAIN;
            break;
        case OperationKind::connect: forget(operation.descriptor); break;
        case OperationKind::wait_readable:
        case OperationKind::wait_writable: {
            // The ring would call a file always ready; epoll refuses it, and the two must not differ.
            struct stat status;
            if (::fstat(operation.descriptor, &status) != 0) return end(operation, -errno);
            if (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode)) return end(operation, -EPERM);
            break;
        }
        case OperationKind::file: ASYNCIO_DASSERT(takes(operation.file->verb)); break;
    }
    if (result != would_block) return end(operation, result);
    operation.held = true;
    operation.cancel_asked = false;
    operation.note = in_no_list;
    in_flight_ += 1;
    hand_over(operation);
    return false;
}

bool IoUringBackend::cancel(Operation& operation) noexcept {
    ASYNCIO_ASSERT(operation.held, "an operation was cancelled that the backend does not hold");
    if (operation.cancel_asked) return false;
    if (operation.note == in_backlog) {
        backlog_.remove(operation);
        operation.held = false;
        in_flight_ -= 1;
        return end(operation, -ECANCELED);
    }
    operation.cancel_asked = true;
    if (io_uring_sqe* sqe = next_sqe()) {
        prepare_cancel(operation, sqe);
    } else {
        cancel_backlog_.push_back(operation);
    }
    return false;
}

void IoUringBackend::close_descriptor(int descriptor) noexcept {
    forget(descriptor);
    ::close(descriptor);
}

std::int64_t IoUringBackend::accept_directly(Operation& operation) noexcept {
    int accepted;
    do {
        accepted = ::accept4(operation.descriptor, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (accepted < 0 && errno == EINTR);
    if (accepted >= 0) {
        forget(accepted);
        return accepted;
    }
    if (errno != EAGAIN) return -errno;
    note_reading(operation.descriptor, false);
    return would_block;
}

std::int64_t IoUringBackend::receive_directly(Operation& operation) noexcept {
    char* into = static_cast<char*>(operation.buffer);
    std::size_t room = operation.bytes;
    if (into == nullptr) {
        into = hot_buffer_;
        room = room == 0 ? hot_buffer_bytes : std::min(room, hot_buffer_bytes);
        operation.data = into;
    }
    ssize_t got;
    do {
        got = operation.kind == OperationKind::receive
                  ? ::recv(operation.descriptor, into, room, MSG_DONTWAIT)
                  : ::read(operation.descriptor, into, room);
    } while (got < 0 && errno == EINTR);
    if (got < 0 && errno != EAGAIN) return -errno;
    if (got < static_cast<ssize_t>(room)) note_reading(operation.descriptor, false);
    return got < 0 ? would_block : got;
}

std::int64_t IoUringBackend::send_directly(Operation& operation) noexcept {
    constexpr int flags = MSG_NOSIGNAL | MSG_DONTWAIT;
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
            sent = ::send(operation.descriptor, operation.parts[0].data, bytes, flags);
        } else {
            msghdr message{};
            message.msg_iov = reinterpret_cast<iovec*>(const_cast<SendPart*>(operation.parts));
            message.msg_iovlen = parts;
            sent = ::sendmsg(operation.descriptor, &message, flags);
        }
    } while (sent < 0 && errno == EINTR);
    if (sent < 0 && errno != EAGAIN) return -errno;
    if (sent < static_cast<ssize_t>(bytes)) note_writing(operation.descriptor, false);
    return sent < 0 ? would_block : sent;
}

// --- the submission queue -------------------------------------------------------------------------

// Null only if the queue is full and the kernel takes nothing, because the completion queue has overflowed.
io_uring_sqe* IoUringBackend::next_sqe() noexcept {
    io_uring_sqe* sqe = ::io_uring_get_sqe(&ring_);
    if (sqe != nullptr) return sqe;
    ::io_uring_submit(&ring_);
    return ::io_uring_get_sqe(&ring_);
}

void IoUringBackend::hand_over(Operation& operation) noexcept {
    if (io_uring_sqe* sqe = next_sqe()) {
        prepare(operation, sqe);
    } else {
        backlog_.push_back(operation);
    }
}

void IoUringBackend::prepare(Operation& operation, io_uring_sqe* sqe) noexcept {
    const int descriptor = operation.descriptor;
    switch (operation.kind) {
        case OperationKind::accept:
            ::io_uring_prep_accept(sqe, descriptor, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
            break;
        case OperationKind::connect:
            ::io_uring_prep_connect(sqe, descriptor, static_cast<const sockaddr*>(operation.address),
                                    static_cast<socklen_t>(operation.address_bytes));
            break;
        case OperationKind::receive:
            if (operation.buffer == nullptr) {
                ::io_uring_prep_poll_add(sqe, descriptor, POLLIN);
                break;
            }
            ::io_uring_prep_recv(sqe, descriptor, operation.buffer, std::min(operation.bytes, bytes_max), 0);
            if (poll_first_ && !hints(descriptor).may_read) {
                sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
            }
            break;
        case OperationKind::send: {
            if (operation.part_count == 1) {
                ::io_uring_prep_send(sqe, descriptor, operation.parts[0].data,
                                     std::min(operation.parts[0].bytes, bytes_max), MSG_NOSIGNAL);
            } else {
                msghdr& message = messages_[sqe - ring_.sq.sqes];
                message = msghdr{};
                message.msg_iov = reinterpret_cast<iovec*>(const_cast<SendPart*>(operation.parts));
                message.msg_iovlen = std::min<std::size_t>(operation.part_count, IOV_MAX);
                ::io_uring_prep_sendmsg(sqe, descriptor, &message, MSG_NOSIGNAL);
            }
            if (poll_first_ && !hints(descriptor).may_write) {
                sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
            }
            break;
        }
        case OperationKind::send_now:
        case OperationKind::write_now: ASYNCIO_ASSERT(false, "it is never held"); break;
        case OperationKind::read:
        case OperationKind::wait_readable: ::io_uring_prep_poll_add(sqe, descriptor, POLLIN); break;
        case OperationKind::write:
        case OperationKind::wait_writable: ::io_uring_prep_poll_add(sqe, descriptor, POLLOUT); break;
        case OperationKind::file: prepare_file(*operation.file, sqe); break;
    }
    ::io_uring_sqe_set_data64(sqe, reinterpret_cast<std::uintptr_t>(&operation) | tag_operation);
}

void IoUringBackend::prepare_cancel(Operation& operation, io_uring_sqe* sqe) noexcept {
    ::io_uring_prep_cancel64(sqe, reinterpret_cast<std::uintptr_t>(&operation) | tag_operation, 0);
    ::io_uring_sqe_set_data64(sqe, tag_cancel);
}

void IoUringBackend::work_off_backlogs() noexcept {
    while (Operation* operation = cancel_backlog_.front()) {
        io_uring_sqe* sqe = next_sqe();
        if (sqe == nullptr) return;
        cancel_backlog_.remove(*operation);
        prepare_cancel(*operation, sqe);
    }
    while (Operation* operation = backlog_.front()) {
        io_uring_sqe* sqe = next_sqe();
        if (sqe == nullptr) return;
        backlog_.remove(*operation);
        prepare(*operation, sqe);
    }
    if (!wake_armed_) {
        io_uring_sqe* sqe = next_sqe();
        if (sqe == nullptr) return;
        ::io_uring_prep_poll_multishot(sqe, wake_, POLLIN);
        ::io_uring_sqe_set_data64(sqe, tag_wake);
        wake_armed_ = true;
    }
}

// --- waiting --------------------------------------------------------------------------------------

// Nothing to submit, and the kernel does not ask for a visit: a poll that does not wait needs no call.
bool IoUringBackend::idle() noexcept {
    // Relaxed: what the flags announce is fetched by a system call, which orders.
    const unsigned flags = __atomic_load_n(ring_.sq.kflags, __ATOMIC_RELAXED);
    return ::io_uring_sq_ready(&ring_) == 0 && (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) == 0;
}

void IoUringBackend::enter(std::uint64_t deadline) noexcept {
    int error;
    if (deadline == 0 || ::io_uring_cq_ready(&ring_) != 0) {
        if (idle()) return;
        error = ::io_uring_submit_and_get_events(&ring_);
    } else {
        io_uring_cqe* first = nullptr;
        std::uint64_t rest = no_deadline;
        if (deadline != no_deadline) {
            const std::uint64_t time = clock_now();
            rest = deadline > time ? deadline - time : 0;
        }
        if (tsan_slice_ns != 0) rest = std::min(rest, tsan_slice_ns);
        __kernel_timespec timeout;
        timeout.tv_sec = static_cast<std::int64_t>(rest / 1'000'000'000u);
        timeout.tv_nsec = static_cast<long long>(rest % 1'000'000'000u);
        error = ::io_uring_submit_and_wait_timeout(&ring_, &first, 1,
                                                   rest == no_deadline ? nullptr : &timeout, nullptr);
    }
    if (error >= 0 || error == -ETIME || error == -EINTR) return;
    // The completion queue has overflowed, or the kernel is short of memory: reap what is there, then again.
    ASYNCIO_ASSERT(error == -EBUSY || error == -EAGAIN || error == -ENOMEM,
                   "io_uring_enter failed (on another thread than enter_thread?)");
    if (::io_uring_cq_ready(&ring_) == 0) ::sched_yield();
}

void IoUringBackend::poll(std::uint64_t deadline) noexcept {
    for (;;) {
        work_off_backlogs();
        enter(deadline);
        if (reap() || deadline == 0) return;
        if ((deadline != no_deadline || tsan_slice_ns != 0) && clock_now() >= deadline) return;
    }
}

void IoUringBackend::flush() noexcept {
    work_off_backlogs();
    // What it refuses now, for want of memory or room for completions, goes with the next poll.
    if (::io_uring_sq_ready(&ring_) != 0) ::io_uring_submit(&ring_);
}

// True if an operation has ended or the wake descriptor was written.
bool IoUringBackend::reap() noexcept {
    bool news = false;
    // No more than there are now: an operation submitted in each of its completions must not keep us here.
    unsigned left = ::io_uring_cq_ready(&ring_);
    while (left > 0) {
        io_uring_cqe* entries[reap_batch];
        Completion completions[reap_batch];
        const unsigned count = ::io_uring_peek_batch_cqe(&ring_, entries, std::min(left, reap_batch));
        if (count == 0) break;
        for (unsigned i = 0; i < count; ++i) {
            completions[i] = {entries[i]->user_data, entries[i]->res, entries[i]->flags};
        }
        // Before `complete` may submit: see invariant 3.
        ::io_uring_cq_advance(&ring_, count);
        for (unsigned i = 0; i < count; ++i) news |= dispatch(completions[i]);
        left -= count;
    }
    return news;
}

bool IoUringBackend::dispatch(const Completion& completion) noexcept {
    const std::uint64_t tag = completion.user_data & tag_mask;
    if (tag == tag_cancel) return false;
    if (tag == tag_wake) {
        ASYNCIO_ASSERT(completion.result > 0, "the wake descriptor cannot be watched");
        std::uint64_t written;
        (void)!::read(wake_, &written, sizeof written);
        if ((completion.flags & IORING_CQE_F_MORE) == 0) wake_armed_ = false;
        return true;
    }
    auto& operation = *reinterpret_cast<Operation*>(static_cast<std::uintptr_t>(completion.user_data));
    ASYNCIO_DASSERT(operation.held);
    std::int64_t result = completion.result;
    if (operation.kind == OperationKind::receive) {
        if (operation.buffer != nullptr) {
            const bool more = (completion.flags & IORING_CQE_F_SOCK_NONEMPTY) != 0 ||
                              result == static_cast<std::int64_t>(operation.bytes);
            note_reading(operation.descriptor, more);
        } else if (result > 0) {  // what poll saw; a cancel that came in time leaves it in the socket
            result = operation.cancel_asked ? -ECANCELED : receive_directly(operation);
            if (result == would_block) {
                hand_over(operation);
                return false;
            }
        }
    } else if (operation.kind == OperationKind::accept) {
        if (result >= 0) {
            forget(static_cast<int>(result));
            note_reading(operation.descriptor, true);
        }
    } else if (operation.kind == OperationKind::send) {
        if (result > 0) note_writing(operation.descriptor, true);
    } else if (result > 0 &&
               (operation.kind == OperationKind::read || operation.kind == OperationKind::write)) {
        // A non-blocking file ends at once in the ring, with -EAGAIN: so it was a poll.
        const bool reading = operation.kind == OperationKind::read;
        if (reading) {
            note_reading(operation.descriptor, true);
        } else {
            note_writing(operation.descriptor, true);
        }
        result = operation.cancel_asked ? -ECANCELED
                 : reading              ? receive_directly(operation)
                                        : send_directly(operation);
        if (result == would_block) {
            hand_over(operation);
            return false;
        }
    }
    if (result == -EINTR && operation.cancel_asked) result = -ECANCELED;

    if (operation.note == in_cancel_backlog) cancel_backlog_.remove(operation);
    operation.held = false;
    in_flight_ -= 1;
    operation.result = result;
    operation.complete(&operation);
    return true;
}

std::unique_ptr<KernelBackend> open_backend(int wake, const BackendOptions& options, const RingLimits& limits,
                                            std::string_view& reason) {
    std::unique_ptr<IoUringBackend> backend(new (std::nothrow) IoUringBackend(wake, options.timer_slack_ns));
    if (backend == nullptr) {
        reason = "no memory for the io_uring backend";
        return nullptr;
    }
    if (!backend->open(limits, reason)) return nullptr;
    return backend;
}

}  // namespace

std::unique_ptr<KernelBackend> make_limited_io_uring_backend(int wake_descriptor,
                                                             const BackendOptions& options,
                                                             const RingLimits& limits,
                                                             std::string_view& reason) {
    bool transient = false;
    if (const char* refused = Probe(limits).run(transient)) {
        reason = refused;
        return nullptr;
    }
    return open_backend(wake_descriptor, options, limits, reason);
}

std::unique_ptr<KernelBackend> make_io_uring_backend(int wake_descriptor, const BackendOptions& options,
                                                     std::string_view& reason) {
    // Asked once per process: a probe costs about 0.1 ms.
    static std::atomic<bool> asked{false};
    static std::atomic<const char*> answer{nullptr};
    const RingLimits limits;
    if (!asked.load(std::memory_order_acquire)) {  // pairs with the release below
        bool transient = false;
        const char* refused = Probe(limits).run(transient);
        if (transient) {
            reason = refused;
            return nullptr;
        }
        answer.store(refused, std::memory_order_relaxed);
        asked.store(true, std::memory_order_release);
    }
    if (const char* refused = answer.load(std::memory_order_relaxed)) {
        reason = refused;
        return nullptr;
    }
    return open_backend(wake_descriptor, options, limits, reason);
}

}}}  // namespace asyncio::v1::detail

#else

namespace asyncio { inline namespace v1 { namespace detail {

std::unique_ptr<KernelBackend> make_io_uring_backend(int, const BackendOptions&, std::string_view& reason) {
    reason = "this library was built without liburing";
    return nullptr;
}

std::unique_ptr<KernelBackend> make_limited_io_uring_backend(int, const BackendOptions&, const RingLimits&,
                                                             std::string_view& reason) {
    reason = "this library was built without liburing";
    return nullptr;
}

}}}  // namespace asyncio::v1::detail

#endif
