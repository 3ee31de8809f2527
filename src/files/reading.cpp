// The operations of File that read.
//
// Small reads come from the buffer, which is filled as long as a line or a count asks for more: so what a
// cancelled one has read is there for the next. Reads of at least a buffer's size go into the caller's memory
// directly, by offset, and are booked at their end; where there are no offsets (pipes) they take the first
// way.
#include <algorithm>
#include <limits>
#include <utility>

#include "asyncio/base/error.hpp"
#include "files/file_core.hpp"

namespace asyncio { inline namespace v1 {
namespace detail { namespace {

constexpr std::size_t piece_of_unknown_size = 16 * 1024;

/// What was written is flushed first.
Coro<> turn_to_reading(FileCore* file) {
    co_await write_buffered(file);
    file->dirty = false;
}

/// One read to the end of the buffer. False at the end of the file.
Coro<bool> fill(FileCore* file, std::size_t wanted) {
    file->buffer.make_room(file->next_read_bytes(wanted));
    const std::size_t room =
        file->buffering == 0 ? std::min(wanted, file->buffer.room()) : file->buffer.room();
    FileCall call(file->request(FileVerb::read, file->buffer.end(), room, file->seekable ? file->place : -1));
    const std::int64_t result = co_await call;
    if (result < 0) throw_os_error(static_cast<int>(-result), file->subject("read"));
    file->buffer.put(static_cast<std::size_t>(result));
    file->place += result;
    throw_late_cancel();
    co_return result != 0;
}

/// Reads until `into` is full or the file ends. Books nothing.
Coro<std::size_t> read_at(FileRef file, std::span<char> into, std::int64_t offset, const char* doing) {
    file->require_reading(doing);
    file->require_seekable(doing);
    const UnderWay under_way(file.get());
    std::size_t done = 0;
    while (done < into.size()) {
        const std::int64_t at = offset + static_cast<std::int64_t>(done);
        FileCall call(file->request(FileVerb::read, into.data() + done, into.size() - done, at));
        const std::int64_t result = co_await call;
        if (result < 0) throw_os_error(static_cast<int>(-result), file->subject(doing));
        throw_late_cancel();
        done += static_cast<std::size_t>(result);
        if (result == 0 || call.has_met_end(file->size_at_open)) break;
    }
    co_return done;
}

/// What is to be read next, for a caller who wants this much at most: directly, booked at its end.
Coro<std::string> read_directly(FileRef file, std::size_t most) {
    std::string data(file->buffer.content());
    std::int64_t at = file->place;
    const std::int64_t rest = file->size_at_open - at;
    // One more than there seems to be, so that the end is met by the same read.
    std::size_t piece = rest > 0 ? static_cast<std::size_t>(rest) + 1 : piece_of_unknown_size;
    for (;;) {
        const std::size_t begin = data.size();
        piece = std::min(piece, most - begin);
        data.resize(begin + piece);
        const std::size_t got = co_await read_at(file, std::span(data).subspan(begin), at, "read");
        data.resize(begin + got);
        at += static_cast<std::int64_t>(got);
        if (got < piece || data.size() == most) break;
        piece = std::max(piece, data.size());
    }
    file->buffer.clear(file->buffering);
    file->place = at;
    co_return data;
}

std::string take(FileCore* file, std::size_t most) {
    std::string data(file->buffer.content().substr(0, most));
    file->buffer.take(data.size());
    return data;
}

bool goes_directly(const FileCore* file, std::size_t bytes) noexcept {
    return file->seekable && bytes > file->ahead() &&
           bytes - file->ahead() >= std::max<std::size_t>(file->buffering, 1);
}

Coro<std::string> read_bytes(FileRef ref, std::size_t most) {
    FileCore* const file = ref.get();
    const auto turn = co_await file->turn.scoped();
    file->require_reading("read");
    if (file->dirty) co_await turn_to_reading(file);
    if (goes_directly(file, most)) co_return co_await read_directly(ref, most);
    bool more = true;
    while (more && file->ahead() < most) more = co_await fill(file, most - file->ahead());
    co_return take(file, most);
}

Coro<std::string> read_some(FileRef ref, std::size_t most) {
    FileCore* const file = ref.get();
    const auto turn = co_await file->turn.scoped();
    file->require_reading("read1");
    if (file->dirty) co_await turn_to_reading(file);
    if (file->ahead() == 0 && most != 0) co_await fill(file, most);
    co_return take(file, most);
}

Coro<std::string> peek_bytes(FileRef ref) {
    FileCore* const file = ref.get();
    const auto turn = co_await file->turn.scoped();
    file->require_reading("peek");
    if (file->dirty) co_await turn_to_reading(file);
    if (file->ahead() == 0) co_await fill(file, 1);
    co_return std::string(file->buffer.content());
}

Coro<std::size_t> read_into(FileRef ref, std::span<char> into) {
    FileCore* const file = ref.get();
    const auto turn = co_await file->turn.scoped();
    file->require_reading("readinto");
    if (file->dirty) co_await turn_to_reading(file);
    if (goes_directly(file, into.size())) {
        const std::size_t ahead = file->ahead();
        file->buffer.content().copy(into.data(), ahead);
        const std::size_t got = co_await read_at(ref, into.subspan(ahead), file->place, "readinto");
        file->buffer.clear(file->buffering);
        file->place += static_cast<std::int64_t>(got);
        co_return ahead + got;
    }
    bool more = true;
    while (more && file->ahead() < into.size()) more = co_await fill(file, into.size() - file->ahead());
    const std::size_t count = std::min(into.size(), file->ahead());
    file->buffer.take(file->buffer.content().copy(into.data(), count));
    co_return count;
}

Coro<std::optional<std::string>> read_line(FileRef ref, std::size_t limit) {
    FileCore* const file = ref.get();
    const auto turn = co_await file->turn.scoped();
    file->require_reading("readline");
    if (file->dirty) co_await turn_to_reading(file);
    std::size_t searched = 0;
    for (;;) {
        const std::string_view ahead = file->buffer.content().substr(0, limit);
        const std::size_t found = ahead.find('\n', searched);
        if (found != std::string_view::npos) co_return take(file, found + 1);
        if (ahead.size() == limit) co_return take(file, limit);
        searched = ahead.size();
        const bool more = co_await fill(file, 1);
        if (!more) break;
    }
    if (file->ahead() == 0) co_return std::nullopt;
    co_return take(file, limit);
}

Coro<std::string> line_or_empty(Coro<std::optional<std::string>> reading) {
    std::optional<std::string> line = co_await std::move(reading);
    co_return line ? std::move(*line) : std::string();
}

Coro<std::vector<std::string>> lines_of(Coro<std::string> reading) {
    const std::string text = co_await std::move(reading);
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t found = text.find('\n', at);
        const std::size_t after = found == std::string::npos ? text.size() : found + 1;
        lines.push_back(text.substr(at, after - at));
        at = after;
    }
    co_return lines;
}

std::int64_t checked_offset(std::uint64_t offset) {
    if (offset > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
        throw ValueError("pread: the offset is too large");
    return static_cast<std::int64_t>(offset);
}

Coro<std::string> read_string_at(FileRef file, std::size_t count, std::int64_t offset) {
    std::string data(count, '\0');
    const std::size_t got = co_await read_at(file, data, offset, "pread");
    data.resize(got);
    co_return data;
}

}}  // namespace detail

Coro<std::string> File::read(std::size_t n) { return detail::read_bytes(core("read"), n); }
Coro<std::string> File::readall() { return detail::read_bytes(core("readall"), all); }
Coro<std::string> File::read1(std::size_t n) { return detail::read_some(core("read1"), n); }
Coro<std::string> File::peek() { return detail::peek_bytes(core("peek")); }
Coro<std::size_t> File::readinto(std::span<char> into) { return detail::read_into(core("readinto"), into); }
Coro<std::string> File::readline(std::size_t limit) {
    return detail::line_or_empty(detail::read_line(core("readline"), limit));
}
Coro<std::optional<std::string>> File::next_line() { return detail::read_line(core("next_line"), all); }
Coro<std::vector<std::string>> File::readlines() {
    return detail::lines_of(detail::read_bytes(core("readlines"), all));
}
Coro<std::string> File::pread(std::size_t n, std::uint64_t offset) {
    return detail::read_string_at(core("pread"), n, detail::checked_offset(offset));
}
Coro<std::size_t> File::pread_into(std::span<char> into, std::uint64_t offset) {
    return detail::read_at(core("pread"), into, detail::checked_offset(offset), "pread");
}
}}  // namespace asyncio::v1
