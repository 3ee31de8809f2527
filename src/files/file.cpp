// Opening, and what the handle does by itself.
#include "asyncio/files/file.hpp"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "asyncio/base/error.hpp"
#include "asyncio/core/event_loop.hpp"
#include "detail/owned_descriptor.hpp"
#include "detail/warnings.hpp"
#include "files/file_core.hpp"

namespace asyncio { inline namespace v1 {
namespace detail {

namespace {

const char* advice_for(int error) noexcept {
    return error == EMFILE ? "the process has as many descriptors open as it may (ulimit -n)" : "";
}

/// Opened through the ring, which at first behaves as if O_NONBLOCK were set: a pipe is open at once without
/// a peer, or refused, where open(2) waits.
bool has_not_waited(std::int64_t result, int flags) noexcept {
    if ((flags & O_NONBLOCK) != 0 || !impl_of(current_loop)->backend->takes(FileVerb::open)) return false;
    struct stat status;
    return result == -ENXIO ||
           (result >= 0 && ::fstat(static_cast<int>(result), &status) == 0 && S_ISFIFO(status.st_mode));
}

Coro<std::int64_t> open_and_wait(FileRequest request, std::int64_t opened) {
    // Open until there is another, or a peer that has just come would meet nobody.
    const OwnedDescriptor first(static_cast<int>(opened));
    request.waits = true;
    FileCall call(request);
    co_return co_await call;
}

Coro<File> open_file(FileRef file, int flags, unsigned permissions) {
    FileRequest request(FileVerb::open);
    request.path = file->path.c_str();
    request.flags = flags;
    request.mode = permissions;
    FileCall call(request);
    std::int64_t result = co_await call;
    if (has_not_waited(result, flags)) result = co_await open_and_wait(request, result);
    if (result < 0) {
        throw_late_cancel();
        throw_os_error(static_cast<int>(-result), file->subject("open"),
                       advice_for(static_cast<int>(-result)));
    }
    file->adopt(static_cast<int>(result));
    throw_late_cancel();
    co_return File(std::move(file));
}

Coro<File> give(File file) { co_return file; }

}  // namespace

std::string checked_path(PathView path, const char* doing) {
    if (path.text().find('\0') != std::string_view::npos)
        throw ValueError(std::string(doing) + ": the path contains a zero byte");
    return std::string(path.text());
}

Coro<File> open_path(PathView path, std::string_view mode, OpenOptions options, Where where) {
    static_cast<void>(get_running_loop());
    FileRef file(new FileCore(checked_path(path, "open"), mode, options, where));
    const int flags = file->mode.flags | options.flags | O_CLOEXEC;
    return open_file(std::move(file), flags, options.permissions);
}

Coro<File> open_descriptor(int descriptor, std::string_view mode, OpenOptions options, Where where) {
    OwnedDescriptor own(descriptor);
    static_cast<void>(get_running_loop());
    FileRef file(new FileCore("descriptor " + std::to_string(descriptor), mode, options, where));
    if (descriptor < 0) throw_os_error(EBADF, file->subject("open"));
    file->shared = true;
    file->adopt(own.give());
    return give(File(std::move(file)));
}

}  // namespace detail

const detail::FileRef& File::core(const char* doing) const {
    if (core_.get() == nullptr)
        throw ValueError(std::string(doing) + ": this File was moved from: the other one is open");
    return core_;
}

ReadyEnter File::aenter() {
    core("with")->require_not_closed("with");
    return ReadyEnter();
}

bool File::closed() const noexcept { return core_.get() == nullptr || !core_->is_open(); }
bool File::readable() const noexcept { return core_.get() != nullptr && core_->mode.reads; }
bool File::writable() const noexcept { return core_.get() != nullptr && core_->mode.writes; }
bool File::seekable() const noexcept { return core_.get() != nullptr && core_->seekable; }
const std::string& File::name() const { return core("name")->path; }
const std::string& File::mode() const { return core("mode")->mode_text; }

int File::fileno() const {
    core("fileno")->require_not_closed("fileno");
    return core_->descriptor;
}

bool File::isatty() const { return ::isatty(fileno()) == 1; }

std::uint64_t File::tell() const {
    core("tell")->require_not_closed("tell");
    core_->require_seekable("tell");
    return static_cast<std::uint64_t>(core_->position());
}

void File::drop() noexcept {
    if (!closed() && detail::in_debug_mode()) {
        detail::warn_with(detail::resource_warning, "unclosed file", [&] {
            return "unclosed " + core_->subject("file") + ", opened at " +
                   detail::place_text(core_->opened_at) + ": co_await file.close(), or use with(open(…), …)";
        });
    }
    core_ = detail::FileRef();
}

}}  // namespace asyncio::v1
