// The kernel tells of changes through a descriptor (inotify), which is read when it can be. A watch is of one
// folder; for a tree each folder in it gets one, on a thread. A folder that is made while it is watched may
// have something in it before its own watch is there: what is found then is told as created, perhaps for a
// second time.
//
// The kernel's watches are of the folders themselves, whatever their names: a folder that is moved in a tree
// gets its new path in the books, one that is moved out is let go.
#include "asyncio/files/watcher.hpp"

#include <errno.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <deque>
#include <filesystem>
#include <map>
#include <vector>

#include "asyncio/base/error.hpp"
#include "asyncio/core/checkpoint.hpp"
#include "asyncio/core/descriptor.hpp"
#include "asyncio/core/event_loop.hpp"
#include "asyncio/sync/event.hpp"
#include "asyncio/task/to_thread.hpp"
#include "files/file_core.hpp"

namespace asyncio { inline namespace v1 {
namespace detail {

namespace {

constexpr std::uint32_t wanted = IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE |
                                 IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF;
using Kind = FileChange::Kind;

/// A watch that was made.
struct Watch {
    int number;
    std::string path;
    std::vector<FileChange> found;  // in that folder
};

/// What `add_watches` has done, and what has stopped it.
struct Added {
    std::vector<Watch> watches;
    int error = 0;
    std::string failed;  // there
};

std::string subject(const std::string& path) { return "watch '" + path + "'"; }

[[noreturn]] void throw_failure(const Added& added) {
    throw_os_error(added.error, subject(added.failed),
                   added.error == ENOSPC ? "this user may have no more (fs.inotify.max_user_watches)" : "");
}

/// It has gone, or something else has its name, or it is not ours to read. Of a tree such a folder is left
/// out.
bool cannot_be_looked_into(int error) noexcept {
    return error == ENOENT || error == ENOTDIR || error == EACCES;
}

/// Gives 0, or errno.
int add_watch(int descriptor, const std::string& path, std::vector<Watch>& watches) {
    const int number = ::inotify_add_watch(descriptor, path.c_str(), wanted);
    if (number < 0) return errno;
    watches.push_back({number, path, {}});
    return 0;
}

/// Sees what is in this folder, and watches the folders in it. Gives 0, or errno.
int look_into(int descriptor, std::size_t at, Added& added) {
    int error = 0;
    std::error_code gone;
    std::vector<FileChange> found;
    const std::string folder = added.watches[at].path;
    for (std::filesystem::directory_iterator each(folder, gone), end; error == 0 && !gone && each != end;
         each.increment(gone)) {
        std::error_code unknown;
        const bool is_dir = each->symlink_status(unknown).type() == std::filesystem::file_type::directory;
        const std::string& path = each->path().native();
        found.emplace_back(Kind::created, is_dir, 0, path);
        if (is_dir) error = add_watch(descriptor, path, added.watches);
        if (cannot_be_looked_into(error)) error = 0;
        if (error != 0) added.failed = path;
    }
    added.watches[at].found = std::move(found);
    return error;
}

/// On a thread. What it could not do is in its result, for what it has done has to be known.
Added add_watches(int descriptor, const std::string& path, bool recursive) {
    Added added;
    added.failed = path;
    added.error = add_watch(descriptor, path, added.watches);
    if (!recursive) return added;
    for (std::size_t at = 0; at < added.watches.size() && added.error == 0; ++at)
        added.error = look_into(descriptor, at, added);
    return added;
}

/// Or it is this one.
bool is_below(const std::string& path, const std::string& folder) noexcept {
    return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

}  // namespace

struct WatcherState {
    explicit WatcherState(LoopImpl* its_loop) noexcept : loop(its_loop), loop_id(its_loop->loop_id) {
        settled.set();
    }
    WatcherState(const WatcherState&) = delete;
    WatcherState& operator=(const WatcherState&) = delete;
    ~WatcherState() {
        if (descriptor < 0) return;
        LoopCore* const here = running_loop();
        if (here != nullptr && here->loop_id == loop_id) {
            loop->backend->close_descriptor(descriptor);
        } else {
            ::close(descriptor);
        }
    }

    void take(const inotify_event& event);
    void look_again();
    void settle_move(const inotify_event* next);
    void rename_below(const std::string& from, const std::string& to);
    void forget_below(const std::string& folder);

    LoopImpl* loop;
    std::uint32_t loop_id;
    int descriptor = -1;
    struct Place {
        std::string path;
        bool recursive = false;
        bool first = false;  // it was asked for by name: nobody else tells of it
    };
    std::map<int, Place> places;      // by the kernel's number
    std::deque<FileChange> changes;   // not told yet
    std::deque<std::string> folders;  // of trees, that are not watched yet, or not all that is in them
    struct Leaving {
        std::uint32_t cookie = 0;  // 0: there is none
        std::string path;
    } leaving;       // a folder that was moved, and where to has not been told yet
    int adding = 0;  // calls of `add` under way
    Event settled;   // there is none
    bool waiting = false;
};

void WatcherState::take(const inotify_event& event) {
    settle_move(&event);
    if ((event.mask & IN_Q_OVERFLOW) != 0) {
        changes.emplace_back(Kind::overflow, false, 0, std::string());
        look_again();
        return;
    }
    const auto found = places.find(event.wd);
    if (found == places.end()) return;
    if ((event.mask & IN_IGNORED) != 0) {
        places.erase(found);
        return;
    }
    const Place& place = found->second;
    const bool is_self = event.len == 0;
    if (is_self && !place.first) return;  // the folder above has told it
    const bool is_dir = (event.mask & IN_ISDIR) != 0;
    const std::string path = is_self ? place.path : place.path + "/" + event.name;
    struct {
        std::uint32_t bit;
        Kind kind;
    } const kinds[] = {
        {IN_CREATE, Kind::created},        {IN_MODIFY, Kind::modified},      {IN_CLOSE_WRITE, Kind::closed},
        {IN_ATTRIB, Kind::attributes},     {IN_DELETE, Kind::removed},       {IN_DELETE_SELF, Kind::removed},
        {IN_MOVED_FROM, Kind::moved_from}, {IN_MOVE_SELF, Kind::moved_from}, {IN_MOVED_TO, Kind::moved_to}};
    for (const auto& each : kinds) {
        if ((event.mask & each.bit) != 0) changes.emplace_back(each.kind, is_dir, event.cookie, path);
    }
    if (!is_dir || !place.recursive) return;
    if ((event.mask & (IN_CREATE | IN_MOVED_TO)) != 0) folders.push_back(path);
    if ((event.mask & IN_MOVED_FROM) != 0) leaving = {event.cookie, path};
}

/// The kernel tells the second half of a move after the first, though not always at once. A folder whose
/// second half is not the next event is taken for one that has left the tree; if it has not, it is found
/// again there.
void WatcherState::settle_move(const inotify_event* next) {
    if (leaving.cookie == 0) return;
    const Leaving left = std::exchange(leaving, Leaving());
    if (next != nullptr && (next->mask & IN_MOVED_TO) != 0 && next->cookie == left.cookie) {
        const auto found = places.find(next->wd);
        if (found != places.end() && found->second.recursive)
            return rename_below(left.path, found->second.path + "/" + next->name);
    }
    forget_below(left.path);
}

void WatcherState::rename_below(const std::string& from, const std::string& to) {
    for (auto& [number, place] : places) {
        if (is_below(place.path, from)) place.path.replace(0, from.size(), to);
    }
    for (std::string& folder : folders) {
        if (is_below(folder, from)) folder.replace(0, from.size(), to);
    }
}

/// What was asked for by name stays watched, wherever it is.
void WatcherState::forget_below(const std::string& folder) {
    std::erase_if(places, [&](const auto& each) {
        const auto& [number, place] = each;
        if (place.first || !is_below(place.path, folder)) return false;
        ::inotify_rm_watch(descriptor, number);
        return true;
    });
}

/// Of folders that were made nobody may have told. Before the overflow is told they are watched.
void WatcherState::look_again() {
    for (const auto& [number, place] : places) {
        if (place.first && place.recursive) folders.push_back(place.path);
    }
}

namespace {

using StatePtr = std::shared_ptr<WatcherState>;

/// Of what is in a folder that was watched already its own events tell.
void note(WatcherState& state, Added& added, bool recursive, bool tells) {
    bool first = !tells;
    for (Watch& each : added.watches) {
        const auto [found, is_new] = state.places.try_emplace(each.number);
        WatcherState::Place& place = found->second;
        place.path = std::move(each.path);
        place.recursive |= recursive;
        place.first |= std::exchange(first, false);
        if (!tells || !is_new) continue;
        for (FileChange& change : each.found) state.changes.push_back(std::move(change));
    }
}

/// The kernel tells of numbers that are not in the books yet: until they are nobody reads what it tells.
class Adding {
  public:
    explicit Adding(WatcherState& state) noexcept : state_(state) {
        if (state_.adding++ == 0) state_.settled.clear();
    }
    Adding(const Adding&) = delete;
    Adding& operator=(const Adding&) = delete;
    ~Adding() {
        if (--state_.adding == 0) state_.settled.set();
    }

  private:
    WatcherState& state_;
};

Coro<> add_to(StatePtr state, std::string path, bool recursive) {
    if (current_loop->loop_id != state->loop_id)
        throw RuntimeError(subject(path) + ": the watcher belongs to another event loop");
    const Adding adding(*state);
    Added added = co_await to_thread(&add_watches, state->descriptor, std::move(path), recursive);
    note(*state, added, recursive, false);
    if (added.error != 0) throw_failure(added);
}

/// Watches what is new in trees.
Coro<> follow(WatcherState* state) {
    while (!state->folders.empty()) {
        Added added = co_await to_thread(&add_watches, state->descriptor, state->folders.front(), true);
        state->folders.pop_front();  // not before, for a cancel; but then whatever has happened
        note(*state, added, true, true);
        if (added.error != 0 && !cannot_be_looked_into(added.error)) throw_failure(added);
    }
}

/// What the kernel has, as much as there is room for; waits for nothing.
void drain(WatcherState& state) {
    alignas(inotify_event) char buffer[16 * 1024];
    ssize_t bytes;
    do {
        bytes = ::read(state.descriptor, buffer, sizeof buffer);
    } while (bytes < 0 && errno == EINTR);
    if (bytes < 0 && errno != EAGAIN) throw_os_error(errno, "reading what has changed");
    if (bytes <= 0) state.settle_move(nullptr);
    for (const char* at = buffer; at < buffer + bytes;) {
        const auto* const event = reinterpret_cast<const inotify_event*>(at);
        state.take(*event);
        at += sizeof(inotify_event) + event->len;
    }
}

class Waiting {
  public:
    explicit Waiting(WatcherState& state) : state_(state) {
        if (std::exchange(state_.waiting, true))
            throw RuntimeError("FileWatcher.next(): another task waits here already");
    }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;
    ~Waiting() { state_.waiting = false; }

  private:
    WatcherState& state_;
};

Coro<std::optional<FileChange>> next_change(StatePtr state) {
    if (current_loop->loop_id != state->loop_id)
        throw RuntimeError("FileWatcher.next(): it belongs to another event loop");
    const Waiting waiting(*state);
    co_await checkpoint();
    for (;;) {
        if (!state->folders.empty()) co_await follow(state.get());
        if (!state->changes.empty()) break;
        while (state->adding != 0) co_await state->settled.wait();
        drain(*state);
        if (!state->changes.empty() || !state->folders.empty()) continue;
        if (state->places.empty()) co_return std::nullopt;
        co_await wait_readable(state->descriptor);
    }
    std::optional<FileChange> change(std::move(state->changes.front()));
    state->changes.pop_front();
    co_return change;
}

Coro<FileWatcher> begin(StatePtr state, std::string path, bool recursive) {
    state->descriptor = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (state->descriptor < 0)
        throw_os_error(errno, subject(path),
                       "this user or process may have no more (fs.inotify.max_user_instances)");
    co_await add_to(state, std::move(path), recursive);
    co_return FileWatcher(std::move(state));
}

}  // namespace
}  // namespace detail

Coro<> FileWatcher::add(PathView path, WatchOptions options) {
    return detail::add_to(state_, detail::checked_path(path, "watch"), options.recursive);
}

Coro<std::optional<FileChange>> FileWatcher::next() { return detail::next_change(state_); }

Coro<FileWatcher> watch(PathView path, WatchOptions options) {
    detail::LoopImpl* const loop = &get_running_loop().impl();
    if (loop->backend->kind() == Backend::sim) {
        throw RuntimeError(
            "watch: the backend 'sim' sees no files change: choose another with ASYNCIO_BACKEND= (epoll, "
            "io_uring) or "
            "{.backend = …}");
    }
    return detail::begin(std::make_shared<detail::WatcherState>(loop), detail::checked_path(path, "watch"),
                         options.recursive);
}

}}  // namespace asyncio::v1
