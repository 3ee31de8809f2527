// Files: open, and what can be done with an open one. Nothing here blocks the loop.
#pragma once
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "asyncio/base/option.hpp"
#include "asyncio/core/coro.hpp"
#include "asyncio/files/path_view.hpp"
#include "asyncio/task/with.hpp"

namespace asyncio { inline namespace v1 {

/// Options of `open`. All members may be left out.
struct OpenOptions {
    std::size_t buffering = 64 * 1024;  ///< bytes that are read ahead, or collected before they are written
    unsigned permissions = 0666;        ///< of a file that is created; the process's umask takes some away
    int flags = 0;                      ///< more of open(2): O_NOFOLLOW, O_DSYNC …
};
static_assert(OptionStruct<OpenOptions>);

class File;

namespace detail {

struct FileCore;

template <class R>
concept RangeOfText = requires(R& range) { std::string_view(*std::begin(range)); };

/// A share of an open file: its handle has one, and each operation under way.
class FileRef {
  public:
    FileRef() noexcept = default;
    explicit FileRef(FileCore* core) noexcept : core_(core) {}  // takes over the first share
    FileRef(const FileRef& other) noexcept;
    FileRef(FileRef&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
    FileRef& operator=(FileRef other) noexcept {
        std::swap(core_, other.core_);
        return *this;
    }
    ~FileRef();
    FileCore* operator->() const noexcept { return core_; }
    FileCore* get() const noexcept { return core_; }

  private:
    FileCore* core_ = nullptr;
};

Coro<File> open_path(PathView path, std::string_view mode, OpenOptions options, Where where);
Coro<File> open_descriptor(int descriptor, std::string_view mode, OpenOptions options, Where where);

}  // namespace detail

/// An open file, Python's file object. Its bytes are bytes: no decoding, no translation of line ends.
///
///     auto file = co_await asyncio::open("notes.txt");
///     while (auto line = co_await file.next_line()) use(*line);
///     co_await file.close();
///
/// or `co_await with(asyncio::open("notes.txt"), [](File& file) -> Coro<> { … })`, which closes it.
///
/// It reads ahead, and collects what is written. The operations that use its position take turns, in the
/// order in which they were begun; `pread` and `pwrite` do not: any number of them may be under way at once.
///
/// An operation that was begun is waited for, since the kernel uses its memory: a cancel is delivered when it
/// has ended. Of a cancelled read nothing is lost: the position is where it was. A File that is dropped is
/// closed when its last operation has ended; what was not written yet is written then, by a thread, and debug
/// mode says so: `close` it, or errors that only show then are nobody's.
///
/// Throws      ValueError    it is closed, or not open for that direction
///             RuntimeError  it belongs to another event loop
///             OSError       its subclass by errno; the text names the operation and the path
/// Threads     loop thread
/// Cost        an operation takes one frame; what is buffered takes no system call. On the io_uring backend
///             the kernel is asked through the ring; elsewhere reads of cached data are made at once, all
///             else by the threads of the default executor
/// Python      aiofiles, io.BufferedRandom
/// See         docs/guide/files.md
class [[nodiscard("a file that nobody holds is closed again: keep it, or use with(open(…), …)")]] File {
  public:
    static constexpr std::size_t all = ~std::size_t{0};
    /// The constants of `seek`: from the beginning, from here, from the end.
    enum Whence : int { from_start = 0, from_here = 1, from_end = 2 };

    explicit File(detail::FileRef core) noexcept : core_(std::move(core)) {}
    File(File&&) noexcept = default;
    File& operator=(File&& other) noexcept {
        if (this != &other) {
            drop();
            core_ = std::move(other.core_);
        }
        return *this;
    }
    ~File() { drop(); }

    // ---- reading --------------------------------------------------------------------------------

    /// The next `n` bytes, fewer only at the end of the file; without `n` all up to there. Empty at the end.
    ///
    /// Suspends    unless it is buffered (or, on threads, cached by the kernel), and once in 128 times
    /// Cancel      the position stays where it was: nothing is lost
    /// Threads     loop thread
    /// Python      read; read(-1) is read()
    Coro<std::string> read(std::size_t n = all);
    /// All up to the end.
    ///
    /// Suspends    as read
    /// Cancel      as read
    /// Threads     loop thread
    Coro<std::string> readall();
    /// What is buffered, or else what one read of the kernel gives: at most `n` bytes, empty at the end
    /// alone. For files that are no files: terminals, pipes.
    ///
    /// Suspends    as read
    /// Cancel      as read
    /// Threads     loop thread
    Coro<std::string> read1(std::size_t n = all);
    /// Fills `into`, less only at the end of the file. Gives the number of bytes.
    ///
    /// Suspends    as read
    /// Cancel      the position stays; what is in `into` may be anything
    /// Threads     loop thread
    /// Lifetime    `into` must live until the await has ended
    Coro<std::size_t> readinto(std::span<char> into);
    /// The next line with its "\n", which only the last may lack; at most `limit` bytes. Empty at the end.
    ///
    /// Suspends    as read
    /// Cancel      as read
    /// Threads     loop thread
    Coro<std::string> readline(std::size_t limit = all);
    /// The same; nothing at the end: `while (auto line = co_await file.next_line())`.
    ///
    /// Suspends    as read
    /// Cancel      as read
    /// Threads     loop thread
    /// Python      async for line in file
    Coro<std::optional<std::string>> next_line();
    /// All lines that are left.
    ///
    /// Suspends    as read
    /// Cancel      as read
    /// Threads     loop thread
    Coro<std::vector<std::string>> readlines();
    /// What is buffered, without moving on; reads some if nothing is. Empty at the end.
    ///
    /// Suspends    as read
    /// Cancel      as read
    /// Threads     loop thread
    Coro<std::string> peek();
    /// Up to `n` bytes from `offset` on, fewer only at the end. Neither uses nor moves the position, and
    /// knows nothing of what was not flushed.
    ///
    /// Throws      OSError  ESPIPE: the file has no position (a pipe)
    /// Suspends    unless the kernel has it cached (threads), and once in 128 times
    /// Cancel      nothing is lost
    /// Threads     loop thread
    /// Python      os.pread
    Coro<std::string> pread(std::size_t n, std::uint64_t offset);
    /// The same into memory of yours; gives the number of bytes.
    ///
    /// Suspends    as pread
    /// Cancel      what is in `into` may be anything
    /// Threads     loop thread
    /// Lifetime    `into` must live until the await has ended
    Coro<std::size_t> pread_into(std::span<char> into, std::uint64_t offset);

    // ---- writing --------------------------------------------------------------------------------

    /// Writes all of `data`; gives its size. It may wait in the buffer: `flush` gives it to the kernel,
    /// `fsync` to the disk.
    ///
    /// Suspends    unless the buffer has room, and once in 128 times
    /// Cancel      what fits into the buffer is written whole or not at all; of more, a part may be: `tell`
    /// Threads     loop thread
    /// Lifetime    `data` must live until the await has ended
    Coro<std::size_t> write(std::string_view data);
    /// The same of each of a range of strings.
    ///
    /// Suspends    as write
    /// Cancel      as write
    /// Threads     loop thread
    template <detail::RangeOfText R>
    Coro<std::size_t> writelines(R&& lines) {
        std::string joined;
        for (auto&& each : lines) joined += std::string_view(each);
        return write_owned(std::move(joined));
    }
    /// Gives the kernel what was written. What could not be written stays for the next flush.
    ///
    /// Suspends    unless there is nothing
    /// Cancel      a part may have been given
    /// Threads     loop thread
    Coro<> flush();
    /// The same, and waits until the disk has it. What it throws the kernel says once: the next may succeed.
    ///
    /// Suspends    always
    /// Cancel      it may have been done; an error wins, and the cancel waits for the next await
    /// Threads     loop thread
    /// Python      os.fsync
    Coro<> fsync();
    /// The same without what reading does not need, such as the time of the change.
    ///
    /// Suspends    always
    /// Cancel      it may have been done
    /// Threads     loop thread
    /// Python      os.fdatasync
    Coro<> fdatasync();
    /// Makes the file `size` bytes long; without `size`, as long as the position says. The position stays.
    /// Gives the size.
    ///
    /// Suspends    always
    /// Cancel      it may have been done
    /// Threads     loop thread
    Coro<std::uint64_t> truncate();
    Coro<std::uint64_t> truncate(std::uint64_t size);
    /// Writes all of `data` at `offset`, at once. Neither uses nor moves the position. To a file that appends
    /// (mode "a") the kernel appends it.
    ///
    /// Throws      OSError  ESPIPE: the file has no position (a pipe)
    /// Suspends    always
    /// Cancel      a part may have been written
    /// Threads     loop thread
    /// Lifetime    `data` must live until the await has ended
    /// Python      os.pwrite
    Coro<std::size_t> pwrite(std::string_view data, std::uint64_t offset);

    // ---- the position ---------------------------------------------------------------------------

    /// Moves the position; gives it.
    ///
    /// Throws      ValueError  before the beginning; OSError  the file has no position (a pipe)
    /// Suspends    if there is something to flush, or the end is asked for
    /// Cancel      the position stays
    /// Threads     loop thread
    /// Python      seek; whence is SEEK_SET …, or the names above
    Coro<std::uint64_t> seek(std::int64_t offset, int whence = from_start);
    /// Where the next byte is read or written.
    /// Throws      OSError  the file has no position
    std::uint64_t tell() const;

    // ---- the end --------------------------------------------------------------------------------

    /// Waits for the operations that are under way, writes what is buffered and closes. Closing a closed file
    /// does nothing.
    ///
    /// Throws      OSError  something could not be written: it is lost, and the file closed all the same
    /// Suspends    always, unless it is closed
    /// Cancel      delivered when it is closed; an error that nobody gets then goes to the exception handler
    /// Threads     loop thread
    Coro<> close();
    /// For `with`.
    ReadyEnter aenter();
    /// Suspends    as close
    /// Cancel      as close
    /// Threads     loop thread
    Coro<> aexit(const std::exception_ptr&) { return close(); }

    // ---- what it is -----------------------------------------------------------------------------

    bool closed() const noexcept;
    bool readable() const noexcept;
    bool writable() const noexcept;
    bool seekable() const noexcept;
    bool isatty() const;
    /// The path that it was opened by; "descriptor 7".
    const std::string& name() const;
    /// As it was given to `open`.
    const std::string& mode() const;
    /// It stays the file's.
    /// Throws      ValueError  it is closed
    int fileno() const;

  private:
    Coro<std::size_t> write_owned(std::string data);
    void drop() noexcept;
    const detail::FileRef& core(const char* doing) const;

    detail::FileRef core_;
};

/// Opens a file. Modes are Python's: one of "r" (the default), "w" (made, or emptied), "a" (made; all that is
/// written goes to the end), "x" (made; it must not exist), with "+" for both directions; "b" and "t" say
/// nothing here, since text is bytes.
///
/// Throws      FileNotFoundError, FileExistsError, IsADirectoryError, PermissionError, OSError by errno
///             ValueError  no such mode; the path contains a zero byte
/// Suspends    always
/// Cancel      what was opened is closed. (A pipe without a peer holds its thread until there is one)
/// Threads     loop thread
/// Python      aiofiles.open; open
inline Coro<File> open(PathView path, std::string_view mode = "r", OpenOptions options = OpenOptions(),
                       detail::Where where = detail::where_here()) {
    return detail::open_path(path, mode, options, where);
}
/// Makes a File of a descriptor, which belongs to it from here on, also if this throws.
///
/// Nothing is made or emptied. "a" sets O_APPEND, for all that have the descriptor; where that is set, all
/// that is written goes to the end in the other modes, too. What was written or read is where the
/// descriptor's own position is after `flush` and `close`: a duplicate or a child goes on from there.
///
/// Throws      OSError  it is none, or a folder's; ValueError  no such mode
/// Suspends    never
/// Cancel      it is closed
/// Threads     loop thread
/// Python      open(fd, …, closefd=True)
inline Coro<File> open(int descriptor, std::string_view mode = "r", OpenOptions options = OpenOptions(),
                       detail::Where where = detail::where_here()) {
    return detail::open_descriptor(descriptor, mode, options, where);
}

}}  // namespace asyncio::v1
