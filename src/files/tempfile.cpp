#include "asyncio/files/tempfile.hpp"

#include <errno.h>
#include <fcntl.h>

#include <cstdlib>
#include <filesystem>
#include <utility>

#include "asyncio/base/error.hpp"
#include "asyncio/core/event_loop.hpp"
#include "asyncio/task/to_thread.hpp"
#include "detail/loop_impl.hpp"
#include "detail/warnings.hpp"
#include "files/file_core.hpp"

namespace asyncio { inline namespace v1 {
namespace detail { namespace {

constexpr int names_tried_max = 1000;
constexpr unsigned own_folder = 0700;
constexpr unsigned own_file = 0600;

/// Whoever removes it later may have changed the working directory. Throws OSError.
std::string absolute(std::string folder) {
    if (folder.starts_with('/')) return folder;
    std::error_code error;
    const std::filesystem::path here = std::filesystem::current_path(error);
    if (error) throw_os_error(error.value(), "tempfile '" + folder + "': the working directory");
    return folder == "." ? here.string() : (here / folder).lexically_normal().string();
}

/// What the names are made of.
struct Naming {
    std::string folder;
    std::string prefix;
    std::string suffix;

    explicit Naming(const tempfile::TemporaryOptions& options)
        : folder(
              absolute(options.dir.empty() ? tempfile::gettempdir() : checked_path(options.dir, "tempfile"))),
          prefix(checked_path(options.prefix, "tempfile")),
          suffix(checked_path(options.suffix, "tempfile")) {
        if ((prefix + suffix).find('/') != std::string::npos)
            throw ValueError("tempfile: prefix and suffix are parts of a name: the folder is told by .dir");
    }
    /// Others may guess it: whoever uses it makes the file anew, or takes the next.
    std::string next() const {
        static constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz0123456789_-";
        std::string path = folder + "/" + prefix;
        std::uint64_t bits = random_bits(current_loop);
        for (int i = 0; i < 10; ++i, bits /= letters.size()) path += letters[bits % letters.size()];
        return path += suffix;
    }
};

Coro<File> named_file(Naming naming, FileRef file, bool removes) {
    std::int64_t result = -EEXIST;
    for (int tried = 0; result == -EEXIST && tried < names_tried_max; ++tried) {
        file->path = naming.next();
        FileRequest request(FileVerb::open);
        request.path = file->path.c_str();
        request.flags = file->mode.flags | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
        request.mode = own_file;
        FileCall call(request);
        result = co_await call;
        if (result >= 0) {
            file->removes = true;  // also if it comes to nothing here
            file->adopt(static_cast<int>(result));
        }
        throw_late_cancel();
    }
    if (result < 0) throw_os_error(static_cast<int>(-result), file->subject("open"));
    file->removes = removes;
    co_return File(std::move(file));
}

Coro<File> nameless_file(Naming naming, FileRef file) {
    FileRequest request(FileVerb::open);
    request.path = naming.folder.c_str();
    request.flags = O_TMPFILE | O_RDWR | (file->mode.flags & O_APPEND) | O_CLOEXEC;
    request.mode = own_file;
    FileCall call(request);
    const std::int64_t result = co_await call;
    if (result >= 0) file->adopt(static_cast<int>(result));
    throw_late_cancel();
    if (result >= 0) co_return File(std::move(file));
    if (result != -EOPNOTSUPP && result != -EISDIR && result != -EINVAL)
        throw_os_error(static_cast<int>(-result), file->subject("open a temporary file in"));
    // Not every file system can do that: then one with a name, for a moment.
    File named = co_await named_file(std::move(naming), file, true);
    FileRequest removal(FileVerb::unlink);
    removal.path = file->path.c_str();
    FileCall removing(removal);
    const std::int64_t removed = co_await removing;
    if (removed >= 0) file->removes = false;
    throw_late_cancel();
    co_return named;
}

FileRef temporary_core(const tempfile::TemporaryOptions& options, std::string_view path) {
    static_cast<void>(get_running_loop());
    FileRef file(new FileCore(path, options.mode, OpenOptions(), nullptr));
    file->mode.flags &= O_ACCMODE | O_APPEND;
    return file;
}

Coro<tempfile::Directory> make_folder(Naming naming) {
    for (int tried = 1;; ++tried) {
        std::string path = naming.next();
        FileRequest request(FileVerb::make_folder);
        request.path = path.c_str();
        request.mode = own_folder;
        FileCall call(request);
        const std::int64_t result = co_await call;
        if (result >= 0) {
            tempfile::Directory made(std::move(path), current_loop->loop_id);
            throw_late_cancel();
            co_return made;
        }
        throw_late_cancel();
        if (result != -EEXIST || tried == names_tried_max)
            throw_os_error(static_cast<int>(-result), "mkdir '" + path + "'");
    }
}

/// What somebody else removes meanwhile (a temporary file in it that was dropped) is gone as well. Throws
/// OSError.
void remove_tree(const std::string& path) {
    std::error_code error;
    do {
        std::filesystem::remove_all(path, error);
    } while (error == std::errc::no_such_file_or_directory);
    if (error) throw_os_error(error.value(), "removing '" + path + "' and what is in it");
}

void remove_left_tree(const std::string& path) noexcept {
    try {
        remove_tree(path);
    } catch (const std::exception& error) {
        warn_with(runtime_warning, "a temporary folder could not be removed",
                  [&] { return std::string("a temporary folder was dropped, and ") + error.what(); });
    }
}

}}  // namespace detail

namespace tempfile {

std::string gettempdir() {
    for (const char* name : {"TMPDIR", "TEMP", "TMP"}) {
        const char* const value = std::getenv(name);
        if (value != nullptr && *value != '\0') return value;
    }
    return "/tmp";
}

Coro<File> TemporaryFile(TemporaryOptions options) {
    detail::Naming naming(options);
    detail::FileRef file = detail::temporary_core(options, naming.folder);
    return detail::nameless_file(std::move(naming), std::move(file));
}

Coro<File> NamedTemporaryFile(TemporaryOptions options) {
    detail::Naming naming(options);
    detail::FileRef file = detail::temporary_core(options, naming.folder);
    return detail::named_file(std::move(naming), std::move(file), options.delete_);
}

Coro<Directory> TemporaryDirectory(TemporaryOptions options) {
    static_cast<void>(get_running_loop());
    return detail::make_folder(detail::Naming(options));
}

Coro<> Directory::cleanup() {
    const std::string path = path_;
    std::exception_ptr cancelled;
    for (bool removed = path.empty(); !removed;) {
        try {
            co_await to_thread(&detail::remove_tree, path);
            removed = true;
        } catch (const CancelledError&) {
            // Before it began, or after it has ended: then there is nothing more.
            cancelled = std::current_exception();
        } catch (const OSError&) {
            if (cancelled == nullptr) throw;
            detail::report_exception(detail::impl_of(detail::current_loop),
                                     "a temporary folder could not be removed, and its task was cancelled",
                                     std::current_exception(), detail::current_loop->current);
            std::rethrow_exception(cancelled);
        } catch (...) {
            detail::remove_tree(path);  // no thread, no memory: here, then
            removed = true;
        }
    }
    path_.clear();
    if (cancelled != nullptr) std::rethrow_exception(cancelled);
}

void Directory::drop() noexcept {
    if (path_.empty()) return;
    if (detail::in_debug_mode()) {
        detail::warn_with(detail::resource_warning, "a temporary folder was dropped", [&] {
            return "temporary folder '" + path_ + "' was dropped: co_await cleanup(), or use with(…)";
        });
    }
    try {
        detail::call_detached(loop_id_, [path = path_] { detail::remove_left_tree(path); });
    } catch (const std::bad_alloc&) {
        detail::remove_left_tree(path_);
    }
    path_.clear();
}

}  // namespace tempfile
}}  // namespace asyncio::v1
