// FileWatcher: what changes in files and folders, told as it happens.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "asyncio/base/option.hpp"
#include "asyncio/core/coro.hpp"
#include "asyncio/files/path_view.hpp"

namespace asyncio { inline namespace v1 {

namespace detail {
struct WatcherState;
}

/// Options of `watch`.
struct WatchOptions {
    bool recursive = false;  ///< also what is in the folders below, those that come later, too; not in those
                             ///< that this process may not read
};
static_assert(OptionStruct<WatchOptions>);

/// Something that has happened to a file.
struct FileChange {
    enum class Kind : std::uint8_t {
        created,
        modified,    ///< its content; told again and again while somebody writes
        closed,      ///< somebody who has had it open for writing has closed it: it is complete, perhaps
        attributes,  ///< permissions, times, number of names
        removed,
        moved_from,  ///< it had this path; `cookie` tells which `moved_to` belongs to it
        moved_to,    ///< it has this path now
        overflow,    ///< more happened than the kernel keeps: look at everything anew; no path
    };
    Kind kind;
    bool is_dir;
    std::uint32_t cookie;
    std::string path;  ///< as it was given to `watch`, "/", and what is below

    FileChange(Kind k, bool folder, std::uint32_t number, std::string its_path) noexcept
        : kind(k), is_dir(folder), cookie(number), path(std::move(its_path)) {}
};

/// Tells what changes, in order. Made by `watch`.
///
///     auto watcher = co_await asyncio::watch("src", {.recursive = true});
///     while (auto change = co_await watcher.next()) use(change->path);
///
/// Nothing that happens between two calls of `next` is missed, unless the kernel's queue overflows: then
/// `overflow` is told, and trees are watched as a whole again. What network file systems' servers and others
/// there change is not seen.
///
/// In a tree a folder that is moved is watched under its new name; one that is moved out is not watched any
/// more. What is found in a folder that came later is told as created, perhaps for a second time.
///
/// Threads     loop thread
/// Python      watchfiles.awatch
/// See         inotify(7)
class [[nodiscard("it watches only while it is held")]] FileWatcher {
  public:
    explicit FileWatcher(std::shared_ptr<detail::WatcherState> state) noexcept : state_(std::move(state)) {}

    /// Watches one more file or folder. `next` may be under way.
    ///
    /// Throws      OSError     by errno, with the path; ENOSPC: the user has as many watches as allowed
    ///             ValueError  the path contains a zero byte
    /// Suspends    always
    /// Cancel      it may be watched
    /// Threads     loop thread
    Coro<> add(PathView path, WatchOptions options = WatchOptions());
    /// The next change; nothing when all that was watched is gone.
    ///
    /// Throws      RuntimeError  another task waits here; OSError  a new folder of a tree cannot be watched
    ///             (ENOSPC): once, and the rest goes on
    /// Suspends    unless something has happened already
    /// Cancel      nothing is missed
    /// Threads     loop thread
    Coro<std::optional<FileChange>> next();

  private:
    std::shared_ptr<detail::WatcherState> state_;
};

/// Begins to watch a file or folder.
///
/// Throws      as FileWatcher::add; OSError  no more watchers are allowed (EMFILE); RuntimeError  the backend
///             is the simulated one
/// Suspends    always
/// Cancel      nothing is left
/// Threads     loop thread
Coro<FileWatcher> watch(PathView path, WatchOptions options = WatchOptions());

}}  // namespace asyncio::v1
