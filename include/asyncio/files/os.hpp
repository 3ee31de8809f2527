// asyncio::os: Python's os, for paths, without blocking the loop. (In a namespace of its own: under `using
// namespace asyncio` a bare `rename` is that of C.)
//
// All: the path is copied before anything waits; relative ones start at the working directory. A call that
// was begun is waited for, since the kernel looks at the path: a cancel is delivered when it has ended, and
// it may have been done; if it has failed, that is thrown, and the cancel waits for the next await. What it
// does is one system call where nothing else is said.
//
// Throws      OSError     its subclass by errno; the text names the call and the path
//             ValueError  the path contains a zero byte
// Suspends    always
// Threads     loop thread
// Python      os, aiofiles.os
#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "asyncio/base/option.hpp"
#include "asyncio/core/coro.hpp"
#include "asyncio/files/path_view.hpp"
#include "asyncio/task/async_generator.hpp"

namespace asyncio { inline namespace v1 { namespace os {

/// A time of a file, in nanoseconds since 1970.
using FileTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::nanoseconds>;

/// What is known of a file. Members are Python's without "st_", since st_mtime and others are macros of C.
struct StatResult {
    std::uint32_t mode = 0;  ///< type and permissions: see inode(7)
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::uint64_t ino = 0;
    std::uint64_t dev = 0;
    std::uint64_t nlink = 0;
    std::uint64_t size = 0;
    std::uint64_t blocks = 0;  ///< of 512 bytes
    FileTime atime;
    FileTime mtime;
    FileTime ctime;
    FileTime birthtime;  ///< 1970 where the file system does not keep it

    bool is_file() const noexcept { return (mode & 0170000) == 0100000; }
    bool is_dir() const noexcept { return (mode & 0170000) == 0040000; }
    bool is_symlink() const noexcept { return (mode & 0170000) == 0120000; }
    /// The permissions alone.
    std::uint32_t permissions() const noexcept { return mode & 07777; }
};

/// Options of `stat`.
struct StatOptions {
    bool follow_symlinks = true;
};
static_assert(OptionStruct<StatOptions>);
/// Options of `mkdir`.
struct MkdirOptions {
    unsigned permissions = 0777;  ///< the process's umask takes some away
};
static_assert(OptionStruct<MkdirOptions>);
/// Options of `makedirs`.
struct MakedirsOptions {
    unsigned permissions = 0777;  ///< of the last folder; those on the way have 0777
    bool exist_ok = false;        ///< it may be there already
};
static_assert(OptionStruct<MakedirsOptions>);
/// Options of `walk`.
struct WalkOptions {
    bool topdown = true;       ///< false: a folder comes after all that is in it
    bool followlinks = false;  ///< into folders that are symbolic links, which may lead in a circle
};
static_assert(OptionStruct<WalkOptions>);

/// An entry of a folder. What it says of its type is from when the folder was read.
class DirEntry {
  public:
    enum class Type : std::uint8_t { file, folder, other };
    DirEntry(std::string name, std::string path, Type type, bool symlink)
        : name_(std::move(name)), path_(std::move(path)), type_(type), symlink_(symlink) {}

    const std::string& name() const noexcept { return name_; }
    /// The folder's path as it was given, "/", and the name.
    const std::string& path() const noexcept { return path_; }
    /// Of a symbolic link these say what it leads to.
    bool is_file() const noexcept { return type_ == Type::file; }
    bool is_dir() const noexcept { return type_ == Type::folder; }
    bool is_symlink() const noexcept { return symlink_; }

  private:
    std::string name_;
    std::string path_;
    Type type_;
    bool symlink_;
};

/// What `walk` tells of a folder.
struct WalkEntry {
    std::string path;
    std::vector<std::string> dirnames;
    std::vector<std::string> filenames;
};

/// What the kernel knows of a file; of the link itself with `{.follow_symlinks = false}`.
///
/// Suspends    always
/// Cancel      no effect
/// Threads     loop thread
Coro<StatResult> stat(PathView path, StatOptions options = StatOptions());
/// The same; of a symbolic link, of the link itself.
///
/// Suspends    always
/// Cancel      no effect
/// Threads     loop thread
Coro<StatResult> lstat(PathView path);

/// Gives a file another name, in one step. What has that name is replaced, unless it is a folder that is not
/// empty. Both names are on one file system.
///
/// Suspends    always
/// Cancel      it may have been done
/// Threads     loop thread
Coro<> rename(PathView from, PathView to);
/// The same.
///
/// Suspends    always
/// Cancel      it may have been done
/// Threads     loop thread
Coro<> replace(PathView from, PathView to);

/// Removes a file, or a symbolic link. A folder: IsADirectoryError.
///
/// Suspends    always
/// Cancel      it may have been done
/// Threads     loop thread
Coro<> remove(PathView path);
/// The same.
///
/// Suspends    always
/// Cancel      it may have been done
/// Threads     loop thread
Coro<> unlink(PathView path);

/// Makes a folder.
///
/// Suspends    always
/// Cancel      it may have been done
/// Threads     loop thread
Coro<> mkdir(PathView path, MkdirOptions options = MkdirOptions());
/// Makes a folder, and those on the way to it that are missing.
///
/// Suspends    always
/// Cancel      it may have been done
/// Threads     loop thread
/// Cost        a thread, several system calls
Coro<> makedirs(PathView path, MakedirsOptions options = MakedirsOptions());
/// Removes an empty folder.
///
/// Suspends    always
/// Cancel      it may have been done
/// Threads     loop thread
Coro<> rmdir(PathView path);
/// The same, then those above it that are empty then.
///
/// Suspends    always
/// Cancel      it may have been done
/// Threads     loop thread
/// Cost        a thread, several system calls
Coro<> removedirs(PathView path);

/// Gives a file a second name.
///
/// Suspends    always
/// Cancel      it may have been done
/// Threads     loop thread
Coro<> link(PathView from, PathView to);
/// Makes a symbolic link at `path` that says `target`.
///
/// Suspends    always
/// Cancel      it may have been done
/// Threads     loop thread
Coro<> symlink(PathView target, PathView path);
/// What a symbolic link says.
///
/// Suspends    always
/// Cancel      no effect
/// Threads     loop thread
Coro<std::string> readlink(PathView path);

/// Sets the permissions.
///
/// Suspends    always
/// Cancel      it may have been done
/// Threads     loop thread
Coro<> chmod(PathView path, unsigned permissions);
/// Whether this process may do that: `mode` is of access(2), F_OK, R_OK, W_OK, X_OK. False for every error.
///
/// Suspends    always
/// Cancel      no effect
/// Threads     loop thread
Coro<bool> access(PathView path, int mode);

/// The names in a folder, in no order, without "." and "..".
///
/// Suspends    always
/// Cancel      no effect
/// Threads     loop thread
/// Cost        a thread, until all are read
Coro<std::vector<std::string>> listdir(PathView path = ".");
/// The entries of a folder, read as they are asked for, a few hundred at a time:
///
///     auto entries = os::scandir("src");
///     while (auto entry = co_await entries.next()) use(entry->name());
///
/// Suspends    now and then
/// Cancel      it ends, as a generator does that throws, and `next` gives nothing from then on: that is not
///             the end of the folder. Begin anew
/// Threads     loop thread
/// Cost        a descriptor until it ends or is dropped
AsyncGenerator<DirEntry> scandir(PathView path = ".");
/// A folder and all below it, one after another: what is taken out of `dirnames` meanwhile is not gone into
/// (if `topdown`). Folders that cannot be read are left out.
///
///     auto folders = os::walk("src");
///     while (auto folder = co_await folders.next()) use(folder->path, folder->filenames);
///
/// Suspends    at each folder
/// Cancel      it ends, as a generator does that throws, and `next` gives nothing from then on: that is not
///             the end of the tree. Begin anew
/// Threads     loop thread
/// Python      os.walk, without onerror
AsyncGenerator<WalkEntry&> walk(PathView top, WalkOptions options = WalkOptions());

/// Python's os.path, as far as it asks the kernel.
namespace path {

/// Whether there is such a thing: of links, where they lead. Errors are false.
///
/// Suspends    always
/// Cancel      no effect
/// Threads     loop thread
Coro<bool> exists(PathView path);
/// Whether it is a file: of links, where they lead.
///
/// Suspends    always
/// Cancel      no effect
/// Threads     loop thread
Coro<bool> isfile(PathView path);
/// Whether it is a folder: of links, where they lead.
///
/// Suspends    always
/// Cancel      no effect
/// Threads     loop thread
Coro<bool> isdir(PathView path);
/// Whether it is a symbolic link.
///
/// Suspends    always
/// Cancel      no effect
/// Threads     loop thread
Coro<bool> islink(PathView path);
/// How many bytes it has.
///
/// Suspends    always
/// Cancel      no effect
/// Threads     loop thread
Coro<std::uint64_t> getsize(PathView path);
/// When its content was changed last.
///
/// Suspends    always
/// Cancel      no effect
/// Threads     loop thread
Coro<FileTime> getmtime(PathView path);
/// When it was read last, more or less: see mount(8), relatime.
///
/// Suspends    always
/// Cancel      no effect
/// Threads     loop thread
Coro<FileTime> getatime(PathView path);
/// When anything about it was changed last.
///
/// Suspends    always
/// Cancel      no effect
/// Threads     loop thread
Coro<FileTime> getctime(PathView path);
/// Whether both names are of one file.
///
/// Suspends    always
/// Cancel      no effect
/// Threads     loop thread
Coro<bool> samefile(PathView one, PathView other);

}  // namespace path
}}}  // namespace asyncio::v1::os
