// sendfile: a file to a stream or socket without a copy through the program.
//
// The kernel is asked first, sendfile(2). It refuses what is no regular file (some kernels send more), and is
// not asked for streams that change the bytes (TLS): then the file is read in pieces, on a thread of the
// default executor where that could block (a disk), in turn with the descriptor's readiness where it has no
// positions (a pipe); the pieces are written as everything else.
//
// A stream's descriptor belongs to its Connection, which alone may wait for it. So when sendfile(2) finds no
// room, the next few bytes of the file are written through the stream: they wait in its buffer, `drain` (down
// to nothing) tells when they have gone, and with that there is room again. That is one small copy for each
// time the socket was full.
//
// sendfile(2) may wait for the disk as read(2) does, for what is not in memory. The kernel reads ahead, and
// Python's does the same in the loop's thread.
#include "asyncio/net/sendfile.hpp"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "asyncio/base/error.hpp"
#include "asyncio/core/checkpoint.hpp"
#include "asyncio/core/descriptor.hpp"
#include "asyncio/core/event_loop.hpp"
#include "asyncio/net/sock.hpp"
#include "asyncio/net/streams.hpp"
#include "asyncio/task/sleep.hpp"
#include "asyncio/task/to_thread.hpp"
#include "detail/owned_descriptor.hpp"
#include "net/duplex.hpp"
#include "net/file_source.hpp"
#include "net/sockets.hpp"

namespace asyncio { inline namespace v1 {

namespace detail {

namespace {

// What one call may move: between two of them others have their turn.
constexpr std::size_t piece_max = std::size_t{1} << 22;
constexpr std::size_t read_bytes = 256 * 1024;
constexpr std::size_t nudge_bytes = 16 * 1024;

bool means_not_available(int error) noexcept {
    return error == EINVAL || error == ENOSYS || error == EOPNOTSUPP;
}

std::string file_subject(int file) { return "sendfile of descriptor " + std::to_string(file); }

/// A number of bytes or -errno, like the system call's.
std::int64_t read_at(int file, char* memory, std::size_t bytes,
                     std::optional<std::uint64_t> position) noexcept {
    for (;;) {
        const ssize_t got = position ? ::pread(file, memory, bytes, static_cast<off_t>(*position))
                                     : ::read(file, memory, bytes);
        if (got >= 0) return got;
        if (errno != EINTR) return -errno;
    }
}

}  // namespace

FileSource::FileSource(int file, const SendfileOptions& options)
    : file_(file),
      fallback_(options.fallback),
      position_(options.offset),
      left_(options.count.value_or(~std::uint64_t{0})),
      told_(options.sent) {
    if (told_ != nullptr) *told_ = 0;
    if (::lseek(file, 0, SEEK_CUR) >= 0) return;
    if (errno != ESPIPE) throw_os_error(errno, file_subject(file));
    has_positions_ = false;
    if (options.offset != 0) {
        throw ValueError(file_subject(file) +
                         ": it has no positions (a pipe, a socket, a terminal), so the "
                         "offset must be 0");
    }
}

void FileSource::took(std::size_t bytes) noexcept {
    position_ += bytes;
    left_ -= bytes;
    sent_ += bytes;
    if (told_ != nullptr) *told_ = sent_;
}

FileSource::Moved FileSource::send_to(int target, const std::string& subject) {
    if (!has_positions_) return Moved::not_available;
    for (;;) {
        auto position = static_cast<off_t>(position_);
        const ssize_t moved = ::sendfile(target, file_, &position, wanted(piece_max));
        if (moved > 0) {
            took(static_cast<std::size_t>(moved));
            return Moved::some;
        }
        if (moved == 0) return Moved::end;
        if (errno == EAGAIN || errno == EWOULDBLOCK) return Moved::would_block;
        if (sent_ == 0 && means_not_available(errno)) return Moved::not_available;
        if (errno != EINTR) throw_os_error(errno, subject);
    }
}

void FileSource::require_fallback() const {
    if (fallback_) return;
    throw SendfileNotAvailableError(file_subject(file_) +
                                    ": the kernel cannot send it there by itself, and .fallback is false");
}

std::string_view FileSource::taken(std::int64_t result, std::span<char> memory) const {
    if (result < 0) throw_os_error(static_cast<int>(-result), file_subject(file_));
    return {memory.data(), static_cast<std::size_t>(result)};
}

Coro<std::string_view> FileSource::read(std::span<char> memory) {
    const std::size_t bytes = wanted(memory.size());
    if (has_positions_) {
        const std::int64_t got = co_await to_thread(&read_at, file_, memory.data(), bytes,
                                                    std::optional<std::uint64_t>(position_));
        co_return taken(got, memory);
    }
    try {
        co_await wait_readable(file_);
    } catch (const PermissionError&) {
        // A device that cannot be waited for is always ready.
    }
    co_return taken(read_at(file_, memory.data(), bytes, std::nullopt), memory);
}

std::string_view FileSource::read_now(std::span<char> memory) {
    return taken(read_at(file_, memory.data(), wanted(memory.size()), position_), memory);
}

namespace {

/// A share in a stream.
class StreamShare {
  public:
    explicit StreamShare(Duplex* stream) noexcept : stream_(stream) { stream_->hold(); }
    StreamShare(StreamShare&& other) noexcept : stream_(std::exchange(other.stream_, nullptr)) {}
    StreamShare& operator=(StreamShare&&) = delete;
    ~StreamShare() {
        if (stream_ != nullptr) stream_->drop();
    }
    Duplex& operator*() const noexcept { return *stream_; }
    Duplex* operator->() const noexcept { return stream_; }

  private:
    Duplex* stream_;
};

/// While it lives `drain` waits until nothing is unsent.
class Unbuffered {
  public:
    explicit Unbuffered(Duplex& stream) : stream_(stream), high_(stream.high), low_(stream.low) {
        stream_.set_limits({0, 0});
    }
    Unbuffered(const Unbuffered&) = delete;
    Unbuffered& operator=(const Unbuffered&) = delete;
    ~Unbuffered() { stream_.set_limits({high_, low_}); }  // they are in order: nothing is thrown

  private:
    Duplex& stream_;
    const std::size_t high_;
    const std::size_t low_;
};

void require_open(const Duplex& stream) {
    if (stream.state != Duplex::State::open || stream.write_lost()) stream.throw_lost();
}

/// While it lives nobody goes over to TLS.
class Sending {
  public:
    explicit Sending(Duplex& stream) noexcept : stream_(stream) { ++stream_.files; }
    Sending(const Sending&) = delete;
    Sending& operator=(const Sending&) = delete;
    ~Sending() { --stream_.files; }

  private:
    Duplex& stream_;
};

/// Reads and writes, where the kernel cannot do both.
Coro<> copy_to_stream(Duplex* stream, FileSource* source) {
    source->require_fallback();
    const std::unique_ptr<char[]> memory(new char[read_bytes]);
    const std::span<char> room(memory.get(), read_bytes);
    while (!source->complete()) {
        const std::string_view piece = co_await source->read(room);
        if (piece.empty()) co_return;
        require_open(*stream);
        stream->write(std::span(&piece, 1));
        source->took(piece.size());
        co_await DrainAwaiter(stream);
    }
}

/// There is no room: a few bytes through the buffer. False at the end of the file.
bool nudge(Duplex& stream, FileSource& source) {
    char memory[nudge_bytes];
    const std::string_view piece = source.read_now(memory);
    if (piece.empty()) return false;
    stream.write(std::span(&piece, 1));
    source.took(piece.size());
    return true;
}

/// By the kernel, until the end. False: it cannot.
Coro<bool> send_by_kernel(Duplex* stream, FileSource* source) {
    const Unbuffered unbuffered(*stream);
    const std::string subject = "sendfile to " + stream->name();
    FileSource::Moved moved = FileSource::Moved::some;
    while (moved == FileSource::Moved::some && !source->complete()) {
        co_await DrainAwaiter(stream);
        require_open(*stream);
        moved = source->send_to(stream->sendfile_descriptor(), subject);
        if (moved == FileSource::Moved::would_block && nudge(*stream, *source)) {
            moved = FileSource::Moved::some;
        } else if (moved == FileSource::Moved::some) {
            co_await sleep(Duration::zero());  // `drain` does not wait for a socket that takes everything
        }
    }
    co_await DrainAwaiter(stream);
    co_return moved != FileSource::Moved::not_available;
}

Coro<std::uint64_t> send_file(StreamShare stream, int file, SendfileOptions options) {
    if (stream->loop != current_loop) throw RuntimeError("this stream belongs to another event loop");
    co_await checkpoint();
    FileSource source(file, options);
    if (stream->eof_asked) throw RuntimeError("cannot send a file after write_eof()");
    if (&topmost(*stream) != &*stream)
        throw RuntimeError("sendfile: the stream has gone over to TLS since the call");
    require_open(*stream);
    const Sending sending(*stream);
    bool done = false;
    if (stream->sendfile_descriptor() >= 0) done = co_await send_by_kernel(&*stream, &source);
    if (!done) co_await copy_to_stream(&*stream, &source);
    co_return source.sent();
}

Coro<std::uint64_t> send_path(StreamShare stream, std::string path, SendfileOptions options) {
    const auto open_file = [](std::string name) {
        OwnedDescriptor file(::open(name.c_str(), O_RDONLY | O_CLOEXEC));
        if (file.get() < 0) throw_os_error(errno, "open '" + name + "'");
        return file;
    };
    // If this is cancelled meanwhile, the thread's result goes, and the file with it.
    const OwnedDescriptor file = co_await to_thread(open_file, path);
    co_return co_await send_file(std::move(stream), file.get(), options);
}

/// As above, to a socket of the caller's.
Coro<std::uint64_t> send_file_to_socket(EventLoop* loop, int socket, int file, SendfileOptions options) {
    require_non_blocking("sendfile", socket);
    co_await checkpoint();
    FileSource source(file, options);
    const std::string subject = "sendfile on socket " + std::to_string(socket);
    bool available = true;
    while (available && !source.complete()) {
        const FileSource::Moved moved = source.send_to(socket, subject);
        if (moved == FileSource::Moved::end) co_return source.sent();
        available = moved != FileSource::Moved::not_available;
        if (moved == FileSource::Moved::would_block) {
            co_await wait_writable(socket);
        } else {
            co_await sleep(Duration::zero());
        }
    }
    if (source.complete()) co_return source.sent();
    source.require_fallback();
    const std::unique_ptr<char[]> memory(new char[read_bytes]);
    const std::span<char> room(memory.get(), read_bytes);
    while (!source.complete()) {
        const std::string_view piece = co_await source.read(room);
        if (piece.empty()) break;
        co_await loop->sock_sendall(socket, piece);
        source.took(piece.size());
    }
    co_return source.sent();
}

}  // namespace
}  // namespace detail

Coro<std::uint64_t> StreamWriter::sendfile(int file, SendfileOptions options) {
    return detail::send_file(detail::StreamShare(stream_), file, options);
}
Coro<std::uint64_t> StreamWriter::sendfile(std::string_view path, SendfileOptions options) {
    return detail::send_path(detail::StreamShare(stream_), std::string(path), options);
}

Coro<std::uint64_t> EventLoop::sock_sendfile(int socket, int file, SendfileOptions options) {
    return detail::send_file_to_socket(this, socket, file, options);
}
Coro<std::uint64_t> EventLoop::sock_sendfile(int socket, int file, std::uint64_t offset,
                                             std::optional<std::uint64_t> count) {
    SendfileOptions options;
    options.offset = offset;
    options.count = count;
    return sock_sendfile(socket, file, options);
}

}}  // namespace asyncio::v1
