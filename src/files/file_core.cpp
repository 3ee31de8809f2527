#include "files/file_core.hpp"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "asyncio/base/error.hpp"
#include "detail/loop_impl.hpp"
#include "detail/warnings.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

namespace {

constexpr std::size_t first_read_ahead = 8 * 1024;
constexpr std::size_t unbuffered_read_max = 64 * 1024;

/// What a file that was dropped leaves to do, without a loop.
struct LeftFile {
    int descriptor;
    std::int64_t offset;  // -1: the descriptor's own
    FileBuffer unwritten;
    std::string path;
    bool removes;

    void finish() noexcept {
        std::int64_t result = 0;
        while (!unwritten.empty()) {
            FileRequest request(FileVerb::write);
            request.descriptor = descriptor;
            request.buffer = const_cast<char*>(unwritten.content().data());
            request.bytes = unwritten.size();
            request.offset = offset;
            result = perform(request);
            if (result <= 0) break;
            unwritten.take(static_cast<std::size_t>(result));
            if (offset >= 0) offset += result;
        }
        FileRequest request(FileVerb::close);
        request.descriptor = descriptor;
        const std::int64_t closed = perform(request);
        if (result >= 0 && closed < 0) result = closed;
        if (removes) static_cast<void>(::unlink(path.c_str()));
        if (result >= 0 && unwritten.empty()) return;
        const int error = result < 0 ? static_cast<int>(-result) : EIO;
        warn_with(runtime_warning, "a file was dropped that was not closed, and could not be written", [&] {
            return "file '" + path + "' was dropped without close(), and " +
                   std::to_string(unwritten.size()) +
                   " bytes of it could not be written: " + std::generic_category().message(error) +
                   "; co_await file.close(), which throws this";
        });
    }
};

}  // namespace

// ---- modes --------------------------------------------------------------------------------------

FileMode FileMode::parse(std::string_view text) {
    FileMode mode;
    char kind = 0;
    bool plus = false;
    bool bytes = false;
    bool valid = !text.empty();
    for (const char each : text) {
        bool* const mark = each == '+' ? &plus : each == 'b' || each == 't' ? &bytes : nullptr;
        if (mark != nullptr) {
            valid &= !std::exchange(*mark, true);
        } else {
            valid &= (each == 'r' || each == 'w' || each == 'a' || each == 'x') && kind == 0;
            kind = each;
        }
    }
    if (!valid || kind == 0) {
        throw ValueError("open: '" + std::string(text) +
                         "' is no mode: one of r, w, a, x, then perhaps + for both directions, and b");
    }
    mode.reads = kind == 'r' || plus;
    mode.writes = kind != 'r' || plus;
    mode.appends = kind == 'a';
    mode.flags = mode.reads && mode.writes ? O_RDWR : mode.writes ? O_WRONLY : O_RDONLY;
    if (kind == 'w') mode.flags |= O_CREAT | O_TRUNC;
    if (kind == 'a') mode.flags |= O_CREAT | O_APPEND;
    if (kind == 'x') mode.flags |= O_CREAT | O_EXCL;
    return mode;
}

// ---- the core -----------------------------------------------------------------------------------

FileCore::FileCore(std::string_view its_path, std::string_view its_mode, const OpenOptions& options,
                   Where where)
    : mode(FileMode::parse(its_mode)),
      loop_id(current_loop->loop_id),
      buffering(options.buffering),
      path(its_path),
      mode_text(its_mode),
      opened_at(where) {
    quiet.set();
}

FileCore::~FileCore() {
    if (descriptor < 0) return;
    hand_over();
    LeftFile left{descriptor, write_offset(), dirty ? std::move(buffer) : FileBuffer(), std::move(path),
                  removes};
    try {
        auto job = std::make_shared<LeftFile>(std::move(left));
        call_detached(loop_id, [job] { job->finish(); });
    } catch (const std::bad_alloc&) {
        left.finish();  // it was not moved from: the memory comes first
    }
}

void FileCore::adopt(int its_descriptor) {
    descriptor = its_descriptor;
    struct stat status;
    if (::fstat(descriptor, &status) != 0) throw_os_error(errno, subject("open"));
    if (S_ISDIR(status.st_mode))
        throw_os_error(EISDIR, subject("open"), "os::listdir and os::scandir read folders");
    regular = S_ISREG(status.st_mode);
    size_at_open = regular ? status.st_size : 0;
    const off_t at = ::lseek(descriptor, 0, SEEK_CUR);
    seekable = at >= 0;
    if (seekable) place = own_place = at;
    if (seekable && mode.appends) append_from_here();
    // With that flag there is no other way to write (`>> log`), whatever the mode says.
    if (seekable && mode.writes && (::fcntl(descriptor, F_GETFL) & O_APPEND) != 0) mode.appends = true;
    if (!seekable && mode.reads && mode.writes)
        throw_os_error(ESPIPE, subject("open"),
                       "what has no position is opened for one direction: \"r\" or \"w\"");
}

/// Whoever else has the descriptor appends from now on, too: without the flag a write at the end is two
/// steps, between which others may write there.
void FileCore::append_from_here() {
    const int flags = ::fcntl(descriptor, F_GETFL);
    if ((flags & O_APPEND) == 0 && ::fcntl(descriptor, F_SETFL, flags | O_APPEND) != 0)
        throw_os_error(errno, subject("open"), "O_APPEND cannot be set");
    const off_t end = ::lseek(descriptor, 0, SEEK_END);
    if (end < 0) throw_os_error(errno, subject("open"));
    place = own_place = end;
}

std::string FileCore::subject(const char* doing) const { return std::string(doing) + " '" + path + "'"; }

void FileCore::require_not_closed(const char* doing) const {
    if (!is_open()) throw ValueError(subject(doing) + ": I/O operation on closed file");
}

void FileCore::require_open(const char* doing) const {
    if (current_loop->loop_id != loop_id)
        throw RuntimeError(subject(doing) + ": it belongs to another event loop");
    require_not_closed(doing);
}

void FileCore::require_reading(const char* doing) const {
    require_open(doing);
    if (!mode.reads)
        throw ValueError(subject(doing) + ": it is open for writing alone (mode \"" + mode_text +
                         "\"): add a +");
}

void FileCore::require_writing(const char* doing) const {
    require_open(doing);
    if (!mode.writes)
        throw ValueError(subject(doing) + ": it is open for reading alone (mode \"" + mode_text +
                         "\"): add a +");
}

void FileCore::require_seekable(const char* doing) const {
    if (!seekable) throw_os_error(ESPIPE, subject(doing));
}

void FileCore::forget_ahead() noexcept {
    ASYNCIO_ASSERT(unwritten() == 0);
    if (seekable) place -= static_cast<std::int64_t>(ahead());
    buffer.clear(buffering);
    dirty = false;
}

/// Read in order, each read ahead is larger than the one before.
std::size_t FileCore::next_read_bytes(std::size_t wanted) noexcept {
    if (buffering == 0) return std::clamp<std::size_t>(wanted, 1, unbuffered_read_max);
    read_ahead = std::min(read_ahead == 0 ? first_read_ahead : read_ahead * 4, buffering);
    return read_ahead;
}

FileRequest FileCore::request(FileVerb verb, const void* bytes, std::size_t count,
                              std::int64_t offset) const noexcept {
    FileRequest made(verb);
    made.descriptor = descriptor;
    made.buffer = const_cast<void*>(bytes);
    made.bytes = count;
    made.offset = offset;
    return made;
}

void FileCore::moved_by_writing(std::int64_t count) noexcept {
    if (seekable && writes_where_it_is()) {
        place = own_place = ::lseek(descriptor, 0, SEEK_CUR);  // others may have written there, too
    } else {
        place += count;
    }
}

void FileCore::turn_to_writing() noexcept {
    if (dirty) return;
    forget_ahead();
    hand_over();
    dirty = true;
}

void FileCore::hand_over() noexcept {
    // If we did not move, it is left where others have put it meanwhile; so it is behind what we wrote.
    if (!shared || !seekable || dirty || position() == own_place) return;
    own_place = ::lseek(descriptor, position(), SEEK_SET);
}

// ---- shares -------------------------------------------------------------------------------------

FileRef::FileRef(const FileRef& other) noexcept : core_(other.core_) {
    if (core_ != nullptr) ++core_->refs;
}
FileRef::~FileRef() {
    if (core_ != nullptr && --core_->refs == 0) delete core_;
}

}}}  // namespace asyncio::v1::detail
