// Calls of the file system on paths: one each, through the ring or on a thread.
#include "asyncio/files/os.hpp"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <utility>

#include "asyncio/base/error.hpp"
#include "files/file_core.hpp"

namespace asyncio { inline namespace v1 {
namespace detail { namespace {

/// The call on these paths: "rename 'a' -> 'b'".
struct PathCall {
    FileRequest request;
    const char* doing;
    std::string path;
    std::string other;

    PathCall(FileVerb verb, const char* what, PathView first)
        : request(verb), doing(what), path(checked_path(first, what)) {}
    PathCall(FileVerb verb, const char* what, PathView first, PathView second)
        : request(verb), doing(what), path(checked_path(first, what)), other(checked_path(second, what)) {}
    PathCall(PathCall&&) noexcept = default;

    std::string subject() const {
        std::string text = std::string(doing) + " '" + path + "'";
        const bool two = request.verb == FileVerb::rename || request.verb == FileVerb::link ||
                         request.verb == FileVerb::symlink;
        return two ? text + " -> '" + other + "'" : text;
    }
};

/// Gives the result, or -errno. A cancel wins.
Coro<std::int64_t> attempt(PathCall call) {
    call.request.path = call.path.c_str();
    call.request.other = call.other.c_str();
    FileCall made(call.request);
    const std::int64_t result = co_await made;
    throw_late_cancel();
    co_return result;
}

Coro<> make(PathCall call) {
    call.request.path = call.path.c_str();
    call.request.other = call.other.c_str();
    FileCall made(call.request);
    const std::int64_t result = co_await made;
    if (result < 0) throw_os_error(static_cast<int>(-result), call.subject());
    throw_late_cancel();
}

os::FileTime time_of(const statx_timestamp& time) noexcept {
    return os::FileTime(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
}

os::StatResult result_of(const struct statx& status) noexcept {
    os::StatResult result;
    result.mode = status.stx_mode;
    result.uid = status.stx_uid;
    result.gid = status.stx_gid;
    result.ino = status.stx_ino;
    result.dev = makedev(status.stx_dev_major, status.stx_dev_minor);
    result.nlink = status.stx_nlink;
    result.size = status.stx_size;
    result.blocks = status.stx_blocks;
    result.atime = time_of(status.stx_atime);
    result.mtime = time_of(status.stx_mtime);
    result.ctime = time_of(status.stx_ctime);
    if ((status.stx_mask & STATX_BTIME) != 0) result.birthtime = time_of(status.stx_btime);
    return result;
}

/// With an error instead of a result, for those who only want to know whether.
struct Asked {
    int error = 0;
    os::StatResult status;
};

Coro<Asked> ask(PathCall call) {
    struct statx status;
    call.request.buffer = &status;
    const std::int64_t result = co_await attempt(std::move(call));
    Asked asked;
    asked.error = result < 0 ? static_cast<int>(-result) : 0;
    if (result >= 0) asked.status = result_of(status);
    co_return asked;
}

PathCall status_call(PathView path, const char* doing, bool follow) {
    PathCall call(FileVerb::status, doing, path);
    call.request.flags = follow ? 0 : AT_SYMLINK_NOFOLLOW;
    return call;
}

Coro<os::StatResult> status_of(PathCall call) {
    const std::string subject = call.subject();
    const Asked asked = co_await ask(std::move(call));
    if (asked.error != 0) throw_os_error(asked.error, subject);
    co_return asked.status;
}

/// What is no path is not there.
Coro<bool> holds(std::string path, bool follow, bool (*wanted)(const os::StatResult&)) {
    if (path.find('\0') != std::string::npos) co_return false;
    const Asked asked = co_await ask(status_call(path, "stat", follow));
    co_return asked.error == 0 && wanted(asked.status);
}

template <class T>
Coro<T> member_of(Coro<os::StatResult> asking, T os::StatResult::* member) {
    const os::StatResult status = co_await std::move(asking);
    co_return status.*member;
}

Coro<bool> same(PathCall ask_one, PathCall ask_other) {
    const os::StatResult one = co_await status_of(std::move(ask_one));
    const os::StatResult other = co_await status_of(std::move(ask_other));
    co_return one.ino == other.ino&& one.dev == other.dev;
}

PathCall unlink_call(const char* doing, PathView path, int flags) {
    PathCall call(FileVerb::unlink, doing, path);
    call.request.flags = flags;
    return call;
}

}}  // namespace detail

namespace os {

using detail::FileVerb;
using detail::make;
using detail::PathCall;

Coro<StatResult> stat(PathView path, StatOptions options) {
    return detail::status_of(detail::status_call(path, "stat", options.follow_symlinks));
}
Coro<StatResult> lstat(PathView path) { return detail::status_of(detail::status_call(path, "lstat", false)); }
Coro<> rename(PathView from, PathView to) { return make(PathCall(FileVerb::rename, "rename", from, to)); }
Coro<> replace(PathView from, PathView to) { return make(PathCall(FileVerb::rename, "replace", from, to)); }
Coro<> remove(PathView path) { return make(detail::unlink_call("remove", path, 0)); }
Coro<> unlink(PathView path) { return make(detail::unlink_call("unlink", path, 0)); }
Coro<> rmdir(PathView path) { return make(detail::unlink_call("rmdir", path, AT_REMOVEDIR)); }
Coro<> link(PathView from, PathView to) { return make(PathCall(FileVerb::link, "link", from, to)); }
Coro<> symlink(PathView target, PathView path) {
    return make(PathCall(FileVerb::symlink, "symlink", target, path));
}
Coro<> mkdir(PathView path, MkdirOptions options) {
    PathCall call(FileVerb::make_folder, "mkdir", path);
    call.request.mode = options.permissions;
    return make(std::move(call));
}

namespace path {

Coro<bool> exists(PathView path) {
    return detail::holds(std::string(path.text()), true, [](const StatResult&) { return true; });
}
Coro<bool> isfile(PathView path) {
    return detail::holds(std::string(path.text()), true,
                         [](const StatResult& status) { return status.is_file(); });
}
Coro<bool> isdir(PathView path) {
    return detail::holds(std::string(path.text()), true,
                         [](const StatResult& status) { return status.is_dir(); });
}
Coro<bool> islink(PathView path) {
    return detail::holds(std::string(path.text()), false,
                         [](const StatResult& status) { return status.is_symlink(); });
}
Coro<std::uint64_t> getsize(PathView path) { return detail::member_of(stat(path), &StatResult::size); }
Coro<FileTime> getmtime(PathView path) { return detail::member_of(stat(path), &StatResult::mtime); }
Coro<FileTime> getatime(PathView path) { return detail::member_of(stat(path), &StatResult::atime); }
Coro<FileTime> getctime(PathView path) { return detail::member_of(stat(path), &StatResult::ctime); }
Coro<bool> samefile(PathView one, PathView other) {
    return detail::same(detail::status_call(one, "stat", true), detail::status_call(other, "stat", true));
}

}  // namespace path
}  // namespace os
}}  // namespace asyncio::v1
