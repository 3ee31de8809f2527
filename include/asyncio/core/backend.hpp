// THE contract between the loop and the kernel. Three implementations (io_uring, epoll, sim) under one test
// suite.
//
// It is completion based: the loop hands over an operation and is told once when it has ended. Until then the
// operation and the memory it names belong to the backend, whatever happens to the task that wants it:
// nothing is freed early.
//
//   1. An operation is submitted by `submit`. true: it ended at once, `result` is set and `complete` will not
//      be called. false: the backend holds it and will call `complete` exactly once, from within `poll`.
//   2. `result` is what the system call returned, or -errno. A cancelled operation ends with -ECANCELED,
//      unless it was faster: then with its result, and nothing is lost.
//   3. `cancel` may be called while the backend holds the operation. true: it has ended now, with -ECANCELED,
//      and `complete` will not be called. false: `complete` will be called as in 1, soon.
//   4. `complete` runs inside `poll`, is noexcept, and may submit, cancel and close_descriptor; it does not
//      run coroutines.
//   5. `poll` submits what has been queued, waits until something completes, the wake descriptor was written,
//      or the clock reaches `deadline`, and calls `complete` for all that has ended. It does not return
//      before one of the three. It may be called with operations in flight or without, and never from inside
//      a `complete`.
//   6. Nothing here may be called from other threads. They write to the wake descriptor (an eventfd that the
//      loop shares with its remote handles; signal handlers may, too): the current or next `poll` returns,
//      having read it empty.
//   7. A descriptor belongs to one loop; sockets are non-blocking. It is closed through `close_descriptor`,
//      after its operations have ended: the backend forgets what it knows of it first, since the number will
//      be used again.
//   8. Two operations of the same direction on one descriptor may not be held at once; one of each may.
//   9. The backend's memory grows in `submit` at the latest (an operation that finds none ends with -ENOMEM);
//      `poll`, `cancel` never fail.
//  10. `send_now` ends in `submit`, so that the memory it names may be anybody's. It is not submitted while a
//      `send` is held.
//  11. `file` is submitted only where `takes` its verb: a call of the file system. It goes on to its end if
//  the
//      kernel has begun it, cancelled or not.
//  12. Somebody else may do the waiting: `descriptor` can be read (poll(2)) as soon as `poll` has something
//      to tell, provided that `flush` has passed on what was queued since the last one.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "asyncio/core/detail/file_request.hpp"

namespace asyncio { inline namespace v1 {

/// The choice of how the loop talks to the kernel.
enum class Backend : std::uint8_t {
    automatic,  ///< what ASYNCIO_BACKEND names, else the best that a probe finds
    io_uring,
    epoll,
    sim,  ///< no kernel: a virtual clock that jumps to the next deadline when all tasks wait
};

namespace detail {

enum class OperationKind : std::uint8_t {
    accept,    // result: the new descriptor (non-blocking, close-on-exec)
    connect,   // `address`, `address_bytes`
    receive,   // into `buffer`; with a null buffer into the backend's own, where `data` then points (`bytes`
               // 0: as much as that holds)
    send,      // all or a part of `parts`; never raises SIGPIPE
    send_now,  // the same, but it is never held: -EAGAIN where `send` would have to wait
    read,   // `receive`, `send` and `send_now` for what is no socket: pipes, terminals (non-blocking), files;
    write,  // whether SIGPIPE is raised is the process's matter
    write_now,
    wait_readable,  // until `descriptor` can be read (or has an error or hang-up); level triggered, any
                    // pollable file; result: poll(2)'s events (more than 0), -EPERM for what is always ready
                    // (files, folders)
    wait_writable,  // the same for writing
    file,           // the call that `file` tells of
};

/// One piece of memory to send (the layout of struct iovec).
struct SendPart {
    const void* data;
    std::size_t bytes;
};

struct Operation {
    OperationKind kind;
    bool held = false;  // the backend has it
    bool cancel_asked = false;
    std::uint8_t note = 0;  // the backend's own
    int descriptor = -1;
    std::int64_t result = 0;
    void (*complete)(Operation*) noexcept;

    union {
        void* buffer;             // receive
        const SendPart* parts;    // send, send_now
        const void* address;      // connect: a sockaddr
        const FileRequest* file;  // file
    };
    union {
        std::size_t bytes;          // receive: room in `buffer`, or the most that is wanted
        std::size_t part_count;     // send
        std::size_t address_bytes;  // connect
    };
    const char* data = nullptr;  // receive without a buffer: the bytes, valid until `complete` (or, after a
                                 // `submit` that returned true, the next call of the backend) returns
    Operation* link = nullptr;   // the backend's own while it is held
    Operation* back = nullptr;

    Operation(OperationKind k, int fd, void (*on_complete)(Operation*) noexcept) noexcept
        : kind(k), descriptor(fd), complete(on_complete), buffer(nullptr), bytes(0) {}
    Operation(const Operation&) = delete;
    Operation& operator=(const Operation&) = delete;
};

inline constexpr std::uint64_t no_deadline = ~std::uint64_t{0};

/// What a backend is told when it is made.
struct BackendOptions {
    std::uint64_t timer_slack_ns = 0;  // 0: the kernel's default
    std::uint64_t seed = 0;            // sim
    explicit constexpr BackendOptions() noexcept = default;
};

class KernelBackend {
  public:
    KernelBackend() = default;
    KernelBackend(const KernelBackend&) = delete;
    KernelBackend& operator=(const KernelBackend&) = delete;
    /// No operation is held any more.
    virtual ~KernelBackend();

    virtual Backend kind() const noexcept = 0;
    virtual bool submit(Operation& operation) noexcept = 0;
    /// Whether such a call of the file system may be submitted; elsewhere threads make them.
    virtual bool takes(FileVerb) const noexcept { return false; }
    virtual bool cancel(Operation& operation) noexcept = 0;
    virtual void close_descriptor(int descriptor) noexcept = 0;
    /// `deadline`: ns of `now`'s clock; 0: do not wait; no_deadline: only for completions and `wake`.
    virtual void poll(std::uint64_t deadline) noexcept = 0;
    /// The last `poll` has left some of what it has learnt to the next one, which will not wait.
    virtual bool has_more() const noexcept { return false; }
    virtual std::uint64_t now() noexcept = 0;
    /// Operations held.
    virtual std::size_t in_flight() const noexcept = 0;
    /// Not to be read, written or closed; -1: there is nothing to wait for but time.
    virtual int descriptor() const noexcept = 0;
    /// Gives the kernel what is queued, as `poll` would first. Waits for nothing, completes nothing.
    virtual void flush() noexcept {}
    /// Called once on the thread that runs the loop, before the first `submit` or `poll` on it.
    virtual void enter_thread() noexcept {}
};

/// Each gives null if the kernel (or a container's seccomp filter) refuses it; `reason` then says what it
/// refused. They watch `wake_descriptor` (an eventfd): a write to it makes `poll` return; `poll` reads it
/// empty.
std::unique_ptr<KernelBackend> make_io_uring_backend(int wake_descriptor, const BackendOptions& options,
                                                     std::string_view& reason);
std::unique_ptr<KernelBackend> make_epoll_backend(int wake_descriptor, const BackendOptions& options,
                                                  std::string_view& reason);
std::unique_ptr<KernelBackend> make_sim_backend(int wake_descriptor, const BackendOptions& options,
                                                std::string_view& reason);

}  // namespace detail
}}  // namespace asyncio::v1
