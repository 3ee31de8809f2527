// What takes several system calls: on a thread, as one.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "asyncio/base/error.hpp"
#include "asyncio/files/os.hpp"
#include "asyncio/task/to_thread.hpp"
#include "files/file_core.hpp"

namespace asyncio { inline namespace v1 {
namespace detail { namespace {

constexpr std::size_t entries_at_once = 256;

std::string about(const char* doing, const std::string& path) {
    return std::string(doing) + " '" + path + "'";
}

std::string below(const std::string& folder, std::string_view name) {
    std::string path = folder;
    if (!path.empty() && path.back() != '/') path += '/';
    return path += name;
}

// ---- reading folders ----------------------------------------------------------------------------

using Type = os::DirEntry::Type;

Type type_of(mode_t mode) noexcept {
    return S_ISREG(mode) ? Type::file : S_ISDIR(mode) ? Type::folder : Type::other;
}

/// An open folder. Used on one thread at a time.
class FolderReader {
  public:
    FolderReader(const char* doing, std::string path) : doing_(doing), path_(std::move(path)) {}
    FolderReader(const FolderReader&) = delete;
    FolderReader& operator=(const FolderReader&) = delete;
    ~FolderReader() {
        if (folder_ != nullptr) ::closedir(folder_);
    }

    /// The next entries; none at the end. Throws OSError.
    std::vector<os::DirEntry> next(std::size_t most) {
        open();
        std::vector<os::DirEntry> entries;
        while (entries.size() < most) {
            errno = 0;
            const dirent* const each = ::readdir(folder_);
            if (each == nullptr && errno != 0) throw_os_error(errno, about(doing_, path_));
            if (each == nullptr) break;
            const std::string_view name = each->d_name;
            if (name != "." && name != "..") entries.push_back(entry(*each));
        }
        return entries;
    }

  private:
    void open() {
        if (folder_ != nullptr) return;
        folder_ = ::opendir(path_.c_str());  // close-on-exec
        if (folder_ == nullptr) throw_os_error(errno, about(doing_, path_));
    }
    os::DirEntry entry(const dirent& each) const {
        Type type = each.d_type == DT_REG ? Type::file : each.d_type == DT_DIR ? Type::folder : Type::other;
        bool symlink = each.d_type == DT_LNK;
        struct stat status;
        if (each.d_type == DT_UNKNOWN &&
            ::fstatat(::dirfd(folder_), each.d_name, &status, AT_SYMLINK_NOFOLLOW) == 0) {
            symlink = S_ISLNK(status.st_mode);
            type = type_of(status.st_mode);
        }
        if (symlink && ::fstatat(::dirfd(folder_), each.d_name, &status, 0) == 0)
            type = type_of(status.st_mode);
        return os::DirEntry(each.d_name, below(path_, each.d_name), type, symlink);
    }

    const char* doing_;
    std::string path_;
    DIR* folder_ = nullptr;
};

std::vector<os::DirEntry> read_some_entries(FolderReader* reader) { return reader->next(entries_at_once); }

AsyncGenerator<os::DirEntry> scan(std::string path) {
    FolderReader reader("scandir", std::move(path));
    for (;;) {
        std::vector<os::DirEntry> entries = co_await to_thread(&read_some_entries, &reader);
        if (entries.empty()) break;
        for (os::DirEntry& each : entries) co_yield std::move(each);
    }
}

std::vector<std::string> names_in(const std::string& path) {
    FolderReader reader("listdir", path);
    std::vector<std::string> names;
    for (const os::DirEntry& each : reader.next(~std::size_t{0})) names.push_back(each.name());
    return names;
}

Coro<std::vector<std::string>> list(std::string path) {
    co_return co_await to_thread(&names_in, std::move(path));
}

// ---- walking ------------------------------------------------------------------------------------

/// A folder on the way down.
struct Level {
    os::WalkEntry entry;
    std::vector<std::string> links;  // those of its folders that are symbolic links
    std::size_t next = 0;            // of its folders, the one to go into
};

/// False: it cannot be read.
bool read_level(Level* level) {
    try {
        FolderReader reader("walk", level->entry.path);
        for (const os::DirEntry& each : reader.next(~std::size_t{0})) {
            (each.is_dir() ? level->entry.dirnames : level->entry.filenames).push_back(each.name());
            if (each.is_dir() && each.is_symlink()) level->links.push_back(each.name());
        }
    } catch (const OSError&) {
        return false;
    }
    return true;
}

/// The next folder to go into; empty if there is none left.
std::string next_below(Level& level, bool follow) {
    while (level.next < level.entry.dirnames.size()) {
        const std::string& name = level.entry.dirnames[level.next++];
        const bool link = std::find(level.links.begin(), level.links.end(), name) != level.links.end();
        if (!link || follow) return below(level.entry.path, name);
    }
    return {};
}

AsyncGenerator<os::WalkEntry&> walk_from(std::string path, os::WalkOptions options) {
    std::vector<std::unique_ptr<Level>> levels;  // where they are they stay: the caller looks at the last
    for (;;) {
        auto level = std::make_unique<Level>();
        level->entry.path = std::move(path);
        const bool read = co_await to_thread(&read_level, level.get());
        if (read) {
            levels.push_back(std::move(level));
            if (options.topdown) co_yield levels.back()->entry;
        }
        path.clear();
        while (!levels.empty() && path.empty()) {
            path = next_below(*levels.back(), options.followlinks);
            if (!path.empty()) break;
            if (!options.topdown) co_yield levels.back()->entry;
            levels.pop_back();
        }
        if (levels.empty()) break;
    }
}

// ---- making and removing ------------------------------------------------------------------------

bool is_folder(const std::string& path) noexcept {
    struct stat status;
    return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

/// "a/b" of "a/b/c" and of "a/b//c/"; empty if there is nothing above.
std::string above(const std::string& path) {
    const std::size_t last = path.find_last_not_of('/');
    const std::size_t slash = last == std::string::npos ? last : path.find_last_of('/', last);
    const std::size_t end = slash == std::string::npos ? slash : path.find_last_not_of('/', slash);
    return end == std::string::npos ? std::string() : path.substr(0, end + 1);
}

void make_folders(const std::string& path, os::MakedirsOptions options) {
    if (::mkdir(path.c_str(), options.permissions) == 0) return;
    if (errno == ENOENT && !above(path).empty()) {
        os::MakedirsOptions on_the_way;
        on_the_way.exist_ok = true;
        make_folders(above(path), on_the_way);
        if (::mkdir(path.c_str(), options.permissions) == 0) return;
    }
    const int error = errno;
    if (!options.exist_ok || !is_folder(path)) throw_os_error(error, about("makedirs", path));
}

void remove_folders(std::string path) {
    if (::rmdir(path.c_str()) != 0) throw_os_error(errno, about("removedirs", path));
    do {
        path = above(path);
    } while (!path.empty() && ::rmdir(path.c_str()) == 0);
}

std::string link_content(const std::string& path) {
    std::string content(128, '\0');
    for (;;) {
        const ssize_t bytes = ::readlink(path.c_str(), content.data(), content.size());
        if (bytes < 0) throw_os_error(errno, about("readlink", path));
        if (static_cast<std::size_t>(bytes) < content.size()) {
            content.resize(static_cast<std::size_t>(bytes));
            return content;
        }
        content.resize(content.size() * 2);
    }
}

void set_permissions(const std::string& path, unsigned permissions) {
    if (::chmod(path.c_str(), permissions) != 0) throw_os_error(errno, about("chmod", path));
}

bool may(const std::string& path, int mode) noexcept { return ::access(path.c_str(), mode) == 0; }

// ---- on threads ---------------------------------------------------------------------------------

Coro<> make_on_thread(std::string path, os::MakedirsOptions options) {
    co_await to_thread(&make_folders, std::move(path), options);
}
Coro<> remove_on_thread(std::string path) { co_await to_thread(&remove_folders, std::move(path)); }
Coro<> chmod_on_thread(std::string path, unsigned permissions) {
    co_await to_thread(&set_permissions, std::move(path), permissions);
}
Coro<std::string> readlink_on_thread(std::string path) {
    co_return co_await to_thread(&link_content, std::move(path));
}
Coro<bool> access_on_thread(std::string path, int mode) {
    co_return co_await to_thread(&may, std::move(path), mode);
}

}}  // namespace detail

namespace os {

using detail::checked_path;

Coro<> makedirs(PathView path, MakedirsOptions options) {
    return detail::make_on_thread(checked_path(path, "makedirs"), options);
}
Coro<> removedirs(PathView path) { return detail::remove_on_thread(checked_path(path, "removedirs")); }
Coro<> chmod(PathView path, unsigned permissions) {
    return detail::chmod_on_thread(checked_path(path, "chmod"), permissions);
}
Coro<std::string> readlink(PathView path) {
    return detail::readlink_on_thread(checked_path(path, "readlink"));
}
Coro<bool> access(PathView path, int mode) {
    return detail::access_on_thread(checked_path(path, "access"), mode);
}
Coro<std::vector<std::string>> listdir(PathView path) { return detail::list(checked_path(path, "listdir")); }
AsyncGenerator<DirEntry> scandir(PathView path) { return detail::scan(checked_path(path, "scandir")); }
AsyncGenerator<WalkEntry&> walk(PathView top, WalkOptions options) {
    return detail::walk_from(checked_path(top, "walk"), options);
}

}  // namespace os
}}  // namespace asyncio::v1
