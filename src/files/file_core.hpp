// FileCore: an open file, as its handle and the operations under way share it.
//
// Invariants.
//   1. Of the operations that use position and buffer one at a time has the turn, which is the lock: first
//      come, first served. Positional ones are counted, and `close` waits until there is none.
//   2. `place` is where the kernel reads or writes next: behind what was read ahead, or at the first byte
//      that is not written yet. So the user's position is `place` less the former, or plus the latter. The
//      descriptor's own position is used only where there is no choice: appending, files without one, and
//      descriptors that others may have, too (`shared`). Of these writes go to the descriptor's own position,
//      so that they follow what others wrote; reads go by offset, and `hand_over` moves it behind them.
//   3. What the kernel has given or taken is put into the books before a cancel is thrown. Reads that go into
//      the caller's memory directly are booked as a whole at their end.
//   4. Each operation has a share of the core: the descriptor is open until the last has ended. Whoever lets
//      go last leaves what is unwritten, and the closing, to a thread.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "asyncio/core/coro.hpp"
#include "asyncio/files/file.hpp"
#include "asyncio/sync/event.hpp"
#include "asyncio/sync/lock.hpp"
#include "detail/file_call.hpp"
#include "files/file_buffer.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

/// What a mode says.
struct FileMode {
    bool reads = false;
    bool writes = false;
    bool appends = false;
    int flags = 0;  // of open(2)
    /// Throws ValueError.
    static FileMode parse(std::string_view text);
};

struct FileCore {
    FileCore(std::string_view path, std::string_view mode_text, const OpenOptions& options, Where place);
    FileCore(const FileCore&) = delete;
    FileCore& operator=(const FileCore&) = delete;
    ~FileCore();

    /// Takes over an open descriptor and looks at what it is. Throws OSError; it has the descriptor all the
    /// same.
    void adopt(int descriptor);
    /// Throws OSError
    void append_from_here();

    /// Throws ValueError
    void require_not_closed(const char* doing) const;
    /// After the turn was taken, before anything else.
    /// Throws ValueError, RuntimeError
    void require_open(const char* doing) const;
    void require_reading(const char* doing) const;
    void require_writing(const char* doing) const;
    /// A ring reads from a pipe whatever the offset: what it gave then would be lost.
    /// Throws OSError
    void require_seekable(const char* doing) const;
    std::string subject(const char* doing) const;

    bool is_open() const noexcept { return descriptor >= 0 && !closing; }
    std::size_t unwritten() const noexcept { return dirty ? buffer.size() : 0; }
    std::size_t ahead() const noexcept { return dirty ? 0 : buffer.size(); }
    std::int64_t position() const noexcept {
        const auto buffered = static_cast<std::int64_t>(buffer.size());
        return dirty ? place + buffered : place - buffered;
    }
    /// The position stays; the buffer may be used for something else.
    void forget_ahead() noexcept;
    std::size_t next_read_bytes(std::size_t wanted) noexcept;
    FileRequest request(FileVerb verb, const void* bytes, std::size_t count,
                        std::int64_t offset) const noexcept;
    bool writes_where_it_is() const noexcept { return mode.appends || shared || !seekable; }
    std::int64_t write_offset() const noexcept { return writes_where_it_is() ? -1 : place; }
    /// So many bytes were written at `write_offset`.
    void moved_by_writing(std::int64_t count) noexcept;
    /// What comes is to be written at the position.
    void turn_to_writing() noexcept;
    /// Others who have the descriptor go on where this file is. With nothing unwritten.
    void hand_over() noexcept;

    int refs = 1;
    int descriptor = -1;
    FileMode mode;
    bool seekable = false;
    bool regular = false;
    bool shared = false;  // it was made of a descriptor
    bool closing = false;
    bool removes = false;           // closing removes the file at `path`
    bool dirty = false;             // what the buffer holds is to be written
    std::uint32_t loop_id = 0;      // of the loop whose it is
    std::uint32_t positional = 0;   // operations without a turn that are under way
    std::int64_t size_at_open = 0;  // of a regular file: a hint
    std::int64_t place = 0;
    std::int64_t own_place = 0;  // where we left the descriptor's own position; -1: who knows
    std::size_t buffering;
    std::size_t read_ahead = 0;  // grows while it is read in order
    FileBuffer buffer;
    Lock turn;
    Event quiet;  // no positional operation is under way
    std::string path;
    std::string mode_text;
    Where opened_at;
};

/// An operation that needs no turn is under way: the file is not closed meanwhile.
class UnderWay {
  public:
    explicit UnderWay(FileCore* file) noexcept : file_(file) {
        if (file_->positional++ == 0) file_->quiet.clear();
    }
    UnderWay(const UnderWay&) = delete;
    UnderWay& operator=(const UnderWay&) = delete;
    ~UnderWay() {
        if (--file_->positional == 0) file_->quiet.set();
    }

  private:
    FileCore* file_;
};

/// Throws ValueError for what is no path of the kernel.
std::string checked_path(PathView path, const char* doing);

/// Writes what waits in the buffer. With the turn.
Coro<> write_buffered(FileCore* file);

}}}  // namespace asyncio::v1::detail
