// The operations of File that write, move the position, or close.
#include <errno.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "asyncio/base/error.hpp"
#include "asyncio/task/to_thread.hpp"
#include "files/file_core.hpp"

namespace asyncio { inline namespace v1 {
namespace detail {

namespace {

/// Throws OSError. A write that takes nothing would be repeated for ever.
std::size_t require_written(const FileCore* file, std::int64_t result, const char* doing) {
    if (result <= 0) throw_os_error(result < 0 ? static_cast<int>(-result) : EIO, file->subject(doing));
    return static_cast<std::size_t>(result);
}

/// What waits in the buffer.
FileRequest request_to_write(const FileCore* file) noexcept {
    const std::string_view data = file->buffer.content();
    return file->request(FileVerb::write, data.data(), data.size(), file->write_offset());
}

void book_written(FileCore* file, std::int64_t count) noexcept {
    file->buffer.take(static_cast<std::size_t>(count));
    file->moved_by_writing(count);
    if (file->buffer.empty()) file->buffer.clear(file->buffering);
}

}  // namespace

Coro<> write_buffered(FileCore* file) {
    while (file->unwritten() != 0) {
        FileCall call(request_to_write(file));
        const std::int64_t result = co_await call;
        require_written(file, result, "write");
        book_written(file, result);
        throw_late_cancel();
    }
}

namespace {

/// More than the buffer holds, past it.
Coro<> write_directly(FileCore* file, std::string_view data) {
    while (!data.empty()) {
        FileCall call(file->request(FileVerb::write, data.data(), data.size(), file->write_offset()));
        const std::int64_t result = co_await call;
        data.remove_prefix(require_written(file, result, "write"));
        file->moved_by_writing(result);
        throw_late_cancel();
    }
}

Coro<std::size_t> write_bytes(FileRef ref, std::string_view data) {
    FileCore* const file = ref.get();
    const auto turn = co_await file->turn.scoped();
    file->require_writing("write");
    file->turn_to_writing();
    if (file->buffer.size() + data.size() > file->buffering) {
        co_await write_buffered(file);
        if (data.size() >= file->buffering) {
            co_await write_directly(file, data);
            co_return data.size();
        }
    }
    file->buffer.append(data);
    co_return data.size();
}

Coro<std::size_t> write_string(FileRef ref, std::string data) { co_return co_await write_bytes(ref, data); }

Coro<> flush_file(FileRef ref) {
    FileCore* const file = ref.get();
    const auto turn = co_await file->turn.scoped();
    file->require_open("flush");
    co_await write_buffered(file);
    file->hand_over();
}

Coro<> sync_file(FileRef ref, bool data_alone) {
    FileCore* const file = ref.get();
    const auto turn = co_await file->turn.scoped();
    const char* const doing = data_alone ? "fdatasync" : "fsync";
    file->require_open(doing);
    co_await write_buffered(file);
    file->hand_over();
    FileRequest request = file->request(FileVerb::sync, nullptr, 0, 0);
    request.flags = data_alone ? 1 : 0;
    FileCall call(request);
    const std::int64_t result = co_await call;
    // Before the cancel: the kernel tells it once.
    if (result < 0) throw_os_error(static_cast<int>(-result), file->subject(doing));
    throw_late_cancel();
}

Coro<std::uint64_t> truncate_file(FileRef ref, std::optional<std::uint64_t> size) {
    FileCore* const file = ref.get();
    const auto turn = co_await file->turn.scoped();
    file->require_writing("truncate");
    co_await write_buffered(file);
    file->forget_ahead();
    const std::uint64_t wanted = size ? *size : static_cast<std::uint64_t>(file->position());
    FileCall call(file->request(FileVerb::truncate, nullptr, 0, static_cast<std::int64_t>(wanted)));
    const std::int64_t result = co_await call;
    if (result < 0) throw_os_error(static_cast<int>(-result), file->subject("truncate"));
    file->size_at_open = 0;  // nothing is known of it any more
    throw_late_cancel();
    co_return wanted;
}

/// With the descriptor's own position. On a thread: a server may be asked.
std::int64_t end_of(int descriptor) noexcept {
    const off_t end = ::lseek(descriptor, 0, SEEK_END);
    return end >= 0 ? end : -errno;
}

Coro<std::uint64_t> seek_file(FileRef ref, std::int64_t offset, int whence) {
    FileCore* const file = ref.get();
    const auto turn = co_await file->turn.scoped();
    file->require_open("seek");
    file->require_seekable("seek");
    if (whence < File::from_start || whence > File::from_end)
        throw ValueError(file->subject("seek") +
                         ": whence is 0, 1 or 2 (from the start, from here, from the end)");
    if (file->unwritten() != 0) co_await write_buffered(file);
    std::int64_t base = whence == File::from_here ? file->position() : 0;
    if (whence == File::from_end) {
        file->own_place = -1;  // also if a cancel comes
        base = co_await to_thread(&end_of, file->descriptor);
        if (base < 0) throw_os_error(static_cast<int>(-base), file->subject("seek"));
    }
    std::int64_t target = 0;
    if (__builtin_add_overflow(base, offset, &target) || target < 0)
        throw ValueError(file->subject("seek") + ": that is before the beginning, or too far");
    const std::int64_t moved = target - file->position();
    if (!file->dirty && moved >= 0 && moved <= static_cast<std::int64_t>(file->ahead())) {
        file->buffer.take(static_cast<std::size_t>(moved));
    } else if (!file->dirty && moved < 0 && -moved <= static_cast<std::int64_t>(file->buffer.behind())) {
        file->buffer.step_back(static_cast<std::size_t>(-moved));
    } else {
        file->forget_ahead();
        file->read_ahead = 0;
        file->place = target;
    }
    co_return static_cast<std::uint64_t>(target);
}

Coro<std::size_t> write_at(FileRef file, std::string_view data, std::uint64_t offset) {
    file->require_writing("pwrite");
    file->require_seekable("pwrite");
    const UnderWay under_way(file.get());
    std::size_t done = 0;
    while (done < data.size()) {
        const auto at = static_cast<std::int64_t>(offset + done);
        if (at < 0) throw ValueError(file->subject("pwrite") + ": the offset is too large");
        FileCall call(file->request(FileVerb::write, data.data() + done, data.size() - done, at));
        const std::int64_t result = co_await call;
        done += require_written(file.get(), result, "pwrite");
        throw_late_cancel();
    }
    co_return done;
}

// ---- closing ------------------------------------------------------------------------------------

/// A cancel does not keep a file from being closed: it is thrown when that is done.
struct Closing {
    std::exception_ptr cancelled;
    std::exception_ptr error;

    /// In a handler.
    void note() noexcept {
        std::exception_ptr now = std::current_exception();
        if (is_cancelled(now)) {
            cancelled = std::move(now);
        } else if (error == nullptr) {
            error = std::move(now);
        }
    }
    void note(int failure, const std::string& subject) {
        if (error == nullptr) error = make_os_error(failure, subject);
    }
    void finish() {
        if (cancelled == nullptr && error != nullptr) std::rethrow_exception(error);
        if (cancelled == nullptr) return;
        if (error != nullptr)
            report_exception(impl_of(current_loop),
                             "a file could not be closed well, and its task was cancelled", error,
                             current_loop->current);
        std::rethrow_exception(cancelled);
    }
};

/// Makes the call, cancelled or not. Gives what it gave.
Coro<std::int64_t> call_surely(FileRequest request, Closing& closing) {
    std::int64_t result = -ECANCELED;
    while (result == -ECANCELED) {
        try {
            FileCall call(request);
            result = co_await call;
        } catch (const CancelledError&) {
            closing.note();
        } catch (...) {
            result = perform(request);  // no thread, no memory: here, then
        }
    }
    co_return result;
}

/// Writes what waits in the buffer, and holds up the loop meanwhile.
void write_here(FileCore* file, Closing& closing) {
    while (file->unwritten() != 0 && closing.error == nullptr) {
        const std::int64_t result = perform(request_to_write(file));
        if (result > 0) {
            book_written(file, result);
        } else {
            closing.note(result < 0 ? static_cast<int>(-result) : EIO, file->subject("write"));
        }
    }
}

Coro<> close_descriptor(FileCore* file, Closing& closing) {
    FileRequest request(FileVerb::close);
    request.descriptor = file->descriptor;
    std::int64_t result = co_await call_surely(request, closing);
    file->descriptor = -1;  // not before: without memory for that coroutine it would be nobody's
    if (result < 0) closing.note(static_cast<int>(-result), file->subject("close"));
    if (!file->removes) co_return;
    FileRequest removal(FileVerb::unlink);
    removal.path = file->path.c_str();
    result = co_await call_surely(removal, closing);
    // It may have been renamed, as files are that are complete, or removed.
    if (result < 0 && result != -ENOENT) closing.note(static_cast<int>(-result), file->subject("remove"));
}

Coro<> close_file(FileRef ref) {
    FileCore* const file = ref.get();
    if (file == nullptr || file->descriptor < 0) co_return;
    if (current_loop->loop_id != file->loop_id)
        throw RuntimeError(file->subject("close") + ": it belongs to another event loop");
    Closing closing;
    bool mine = false;
    while (!mine) {
        try {
            co_await file->turn.acquire();
            mine = true;
        } catch (const CancelledError&) {
            closing.note();
        }
    }
    const Held<Lock> turn(file->turn);
    if (file->descriptor < 0) co_return closing.finish();  // somebody else was faster
    file->closing = true;
    while (file->positional != 0 || (file->unwritten() != 0 && closing.error == nullptr)) {
        try {
            co_await file->quiet.wait();
            co_await write_buffered(file);
        } catch (const CancelledError&) {
            closing.note();
        } catch (const OSError&) {
            closing.note();
        } catch (...) {
            write_here(file, closing);  // no thread, no memory: here, then
        }
    }
    file->hand_over();
    file->buffer.clear(0);
    file->dirty = false;
    co_await close_descriptor(file, closing);
    closing.finish();
}

}  // namespace
}  // namespace detail

Coro<std::size_t> File::write(std::string_view data) { return detail::write_bytes(core("write"), data); }
Coro<std::size_t> File::write_owned(std::string data) {
    return detail::write_string(core("writelines"), std::move(data));
}
Coro<> File::flush() { return detail::flush_file(core("flush")); }
Coro<> File::fsync() { return detail::sync_file(core("fsync"), false); }
Coro<> File::fdatasync() { return detail::sync_file(core("fdatasync"), true); }
Coro<std::uint64_t> File::truncate() { return detail::truncate_file(core("truncate"), std::nullopt); }
Coro<std::uint64_t> File::truncate(std::uint64_t size) {
    return detail::truncate_file(core("truncate"), size);
}
Coro<std::size_t> File::pwrite(std::string_view data, std::uint64_t offset) {
    return detail::write_at(core("pwrite"), data, offset);
}
Coro<std::uint64_t> File::seek(std::int64_t offset, int whence) {
    return detail::seek_file(core("seek"), offset, whence);
}
Coro<> File::close() { return detail::close_file(core_); }

}}  // namespace asyncio::v1
