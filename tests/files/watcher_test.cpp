// FileWatcher: what changes is told.
#include "asyncio/files/watcher.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "files/files_fixture.hpp"

namespace asyncio::test { namespace {

using Kind = FileChange::Kind;

const char* name_of(Kind kind) {
    constexpr const char* names[] = {"created", "modified",   "closed",   "attributes",
                                     "removed", "moved_from", "moved_to", "overflow"};
    return names[static_cast<int>(kind)];
}

/// How many watches the kernel has made for this process.
int watches_of_the_kernel() {
    int count = 0;
    for (const auto& each : std::filesystem::directory_iterator("/proc/self/fdinfo")) {
        std::ifstream in(each.path());
        for (std::string line; std::getline(in, line);) count += line.starts_with("inotify wd:") ? 1 : 0;
    }
    return count;
}

class Watching : public FilesTest {
  protected:
    /// The next change, as "created a/b".
    Coro<std::string> told(FileWatcher& watcher) const {
        auto change = co_await wait_for(watcher.next(), 10s);
        if (!change) co_return "the end";
        const std::size_t root = folder.path().size();
        co_return std::string(name_of(change->kind)) + " " +
            (change->path.size() > root ? change->path.substr(root + 1) : std::string(".")) +
            (change->is_dir ? "/" : "");
    }
};
ASYNCIO_ON_REAL_BACKENDS(Watching);

TEST_P(Watching, AFileIsFollowedFromItsBeginningToItsEnd) {
    run([&]() -> Coro<> {
        auto watcher = co_await asyncio::watch(folder.path());
        auto first = create_task(told(watcher));
        co_await sleep(1ms);
        EXPECT_FALSE(first.done());
        folder.put("a", "content");
        std::filesystem::rename(folder / "a", folder / "b");
        std::filesystem::permissions(folder / "b", std::filesystem::perms::owner_read);
        std::filesystem::create_directory(folder / "c");
        std::filesystem::remove(folder / "b");
        std::string change = co_await first;
        EXPECT_EQ(change, "created a");
        for (const char* wanted : {"modified a", "closed a", "moved_from a", "moved_to b", "attributes b",
                                   "created c/", "removed b"}) {
            change = co_await told(watcher);
            EXPECT_EQ(change, wanted);
        }
    });
}

TEST_P(Watching, AMoveHasOneCookie) {
    folder.put("a", "");
    run([&]() -> Coro<> {
        auto watcher = co_await asyncio::watch(folder.path());
        std::filesystem::rename(folder / "a", folder / "b");
        auto from = co_await watcher.next();
        auto to = co_await watcher.next();
        EXPECT_EQ(from->kind, Kind::moved_from);
        EXPECT_EQ(to->kind, Kind::moved_to);
        EXPECT_EQ(from->cookie, to->cookie);
        EXPECT_NE(from->cookie, 0u);
    });
}

TEST_P(Watching, OneFileIsWatchedUntilItIsGone) {
    const std::string path = folder.put("a", "");
    run([&]() -> Coro<> {
        auto watcher = co_await asyncio::watch(path);
        folder.put("other", "");
        folder.put("a", "more");
        std::vector<std::string> changes;
        std::string change = co_await told(watcher);
        while (change != "closed a") {
            EXPECT_EQ(change, "modified a");
            change = co_await told(watcher);
        }
        std::filesystem::remove(path);
        change = co_await told(watcher);
        EXPECT_EQ(change, "attributes a");  // its number of names
        change = co_await told(watcher);
        EXPECT_EQ(change, "removed a");
        change = co_await told(watcher);
        EXPECT_EQ(change, "the end");
        change = co_await told(watcher);
        EXPECT_EQ(change, "the end");
    });
}

TEST_P(Watching, ATreeIsWatchedWithWhatIsAddedToIt) {
    std::filesystem::create_directories(folder / "a/b");
    run([&]() -> Coro<> {
        auto watcher = co_await asyncio::watch(folder.path(), {.recursive = true});
        folder.put("a/b/deep", "");
        std::string change = co_await told(watcher);
        EXPECT_EQ(change, "created a/b/deep");
        change = co_await told(watcher);
        EXPECT_EQ(change, "closed a/b/deep");
        std::filesystem::create_directories(folder / "new/newer");
        change = co_await told(watcher);
        EXPECT_EQ(change, "created new/");
        // Made before the folder above was watched; found there.
        change = co_await told(watcher);
        EXPECT_EQ(change, "created new/newer/");
        folder.put("new/newer/file", "");
        do change = co_await told(watcher);
        while (change == "created new/newer/");  // seen by both
        EXPECT_EQ(change, "created new/newer/file");
    });
}

TEST_P(Watching, AFolderThatIsMovedIsWatchedWhereItIsIfThatIsInTheTree) {
    std::filesystem::create_directories(folder / "tree/a/deep");
    std::filesystem::create_directories(folder / "tree/b");
    run([&]() -> Coro<> {
        auto watcher = co_await asyncio::watch(folder / "tree", {.recursive = true});
        EXPECT_EQ(watches_of_the_kernel(), 4);
        std::filesystem::rename(folder / "tree/a", folder / "tree/b/c");
        std::filesystem::create_directory(folder / "tree/b/c/deep/new");
        for (const char* wanted :
             {"moved_from tree/a/", "moved_to tree/b/c/", "created tree/b/c/deep/new/"}) {
            std::string change = co_await told(watcher);
            EXPECT_EQ(change, wanted);
        }
        std::filesystem::rename(folder / "tree/b/c", folder / "outside");
        folder.put("outside/deep/unseen", "");
        std::filesystem::create_directory(folder / "tree/last");
        for (const char* wanted : {"moved_from tree/b/c/", "created tree/last/"}) {
            std::string change = co_await told(watcher);
            EXPECT_EQ(change, wanted);
        }
        EXPECT_EQ(watches_of_the_kernel(), 3);
        std::filesystem::rename(folder / "tree/last", folder / "last");
        std::string change = co_await told(watcher);
        EXPECT_EQ(change, "moved_from tree/last/");
        auto next = create_task(told(watcher));
        co_await sleep(1ms);
        EXPECT_EQ(watches_of_the_kernel(), 2);
        std::filesystem::rename(folder / "outside", folder / "tree/back");
        change = co_await next;
        EXPECT_EQ(change, "moved_to tree/back/");
        change = co_await told(watcher);
        EXPECT_EQ(change, "created tree/back/deep/");
    });
}

/// More happens than the kernel's queue holds, and among what it loses is that a folder was made.
TEST_P(Watching, AfterAnOverflowATreeIsWatchedAsAWhole) {
    const std::string files[] = {folder.put("a", ""), folder.put("b", "")};
    std::size_t most = 0;
    std::ifstream("/proc/sys/fs/inotify/max_queued_events") >> most;
    if (most == 0 || most > 100'000) GTEST_SKIP() << "the queue holds too many: " << most;
    run([&]() -> Coro<> {
        auto watcher = co_await asyncio::watch(folder.path(), {.recursive = true});
        // In turns: the kernel tells once what follows itself.
        for (std::size_t i = 0; i < most + 10; ++i) EXPECT_EQ(::chmod(files[i % 2].c_str(), 0600), 0);
        std::filesystem::create_directories(folder / "late/later");
        auto change = co_await watcher.next();
        while (change->kind == Kind::attributes) change = co_await watcher.next();
        EXPECT_EQ(change->kind, Kind::overflow);
        folder.put("late/later/file", "");
        std::string told_now = co_await told(watcher);
        EXPECT_EQ(told_now, "created late/later/");  // found in the new one
        told_now = co_await told(watcher);
        EXPECT_EQ(told_now, "created late/later/file");
    });
}

TEST_P(Watching, FoldersThatMayNotBeReadAreLeftOut) {
    std::filesystem::create_directories(folder / "open");
    std::filesystem::permissions(folder / "open", std::filesystem::perms::all);
    std::filesystem::create_directories(folder / "secret/below");
    std::filesystem::permissions(folder / "secret", std::filesystem::perms::none);
    std::filesystem::permissions(folder.path(), std::filesystem::perms::all);
    run([&]() -> Coro<> {
        const SomebodyElse nobody;
        auto watcher = co_await asyncio::watch(folder.path(), {.recursive = true});
        folder.put("open/file", "");
        std::string change = co_await told(watcher);
        EXPECT_EQ(change, "created open/file");
        change = co_await told(watcher);
        EXPECT_EQ(change, "closed open/file");
        EXPECT_EQ(::mkdir((folder / "secret too").c_str(), 0), 0);
        change = co_await told(watcher);
        EXPECT_EQ(change, "created secret too/");
        std::filesystem::create_directory(folder / "new");
        change = co_await told(watcher);
        EXPECT_EQ(change, "created new/");
        std::string text = co_await text_of<PermissionError>(watcher.add(folder / "secret"));
        EXPECT_EQ(text, "watch '" + (folder / "secret") + "': Permission denied [Errno 13]");
    });
    for (const char* name : {"secret", "secret too"})
        std::filesystem::permissions(folder / name, std::filesystem::perms::all);
}

TEST_P(Watching, MoreMayBeWatchedByOne) {
    const std::string one = folder.put("one", "");
    const std::string other = folder.put("other", "");
    run([&]() -> Coro<> {
        auto watcher = co_await asyncio::watch(one);
        co_await watcher.add(other);
        std::filesystem::permissions(other, std::filesystem::perms::owner_read);
        std::string change = co_await told(watcher);
        EXPECT_EQ(change, "attributes other");
        std::string text = co_await text_of<FileNotFoundError>(watcher.add(folder / "none"));
        EXPECT_EQ(text, "watch '" + (folder / "none") + "': No such file or directory [Errno 2]");
        text = co_await text_of<FileNotFoundError>(asyncio::watch(folder / "none"));
        EXPECT_EQ(text, "watch '" + (folder / "none") + "': No such file or directory [Errno 2]");
        auto waiting = create_task(told(watcher));
        co_await sleep(0s);
        text = co_await text_of<RuntimeError>(watcher.next());
        EXPECT_EQ(text, "FileWatcher.next(): another task waits here already");
        waiting.cancel();
        co_await wait(std::vector<Task<std::string>>(1, waiting));
        std::filesystem::permissions(one, std::filesystem::perms::owner_read);
        change = co_await told(watcher);  // a cancel misses nothing
        EXPECT_EQ(change, "attributes one");
    });
}

/// The kernel watches the tree before the watcher has heard of it, since the thread goes on with what is in
/// it: what happens then is not missed.
TEST_P(Watching, WhatHappensWhileATreeIsAddedIsTold) {
    const bool has_memory = std::filesystem::is_directory("/dev/shm");  // disks are slow to remove so many
    const Folder large(has_memory ? "/dev/shm" : std::filesystem::temp_directory_path());
    for (int i = 0; i < 1000; ++i) std::filesystem::create_directory(large / std::to_string(i));
    run([&]() -> Coro<> {
        auto watcher = co_await asyncio::watch(folder.path());
        auto first = create_task(watcher.next());
        auto adding = create_task(watcher.add(large.path(), {.recursive = true}));
        co_await sleep(0s);
        while (watches_of_the_kernel() < 2) continue;
        std::filesystem::create_directory(large / "early");
        const auto change = co_await wait_for(first, 10s);
        EXPECT_EQ(change->path, large / "early");
        EXPECT_TRUE(adding.done());
        co_await adding;
    });
}

TEST_P(Watching, APartOfATreeMayBeWatchedByNameToo) {
    std::filesystem::create_directories(folder / "tree/a");
    run([&]() -> Coro<> {
        auto watcher = co_await asyncio::watch(folder / "tree", {.recursive = true});
        co_await watcher.add(folder / "tree/a");
        std::filesystem::create_directory(folder / "tree/a/new");
        std::string change = co_await told(watcher);
        EXPECT_EQ(change, "created tree/a/new/");
        folder.put("tree/a/new/file", "");
        change = co_await told(watcher);
        EXPECT_EQ(change, "created tree/a/new/file");
    });
}

TEST(WatchingOnSim, IsRefusedByName) {
    run_and_check(
        []() -> Coro<> {
            EXPECT_THROW(static_cast<void>(asyncio::watch("/tmp")), RuntimeError);
            co_return;
        },
        {.backend = Backend::sim});
}

TEST(WatchingCancels, AtEachPointNothingIsLeft) {
    const Folder folder;
    expect_each_cancel_point(
        [&]() -> Coro<> {
            auto watcher = co_await asyncio::watch(folder.path(), {.recursive = true});
            folder.put("a", "");
            std::filesystem::create_directory(folder / "b");
            auto change = co_await watcher.next();
            EXPECT_EQ(change->kind, Kind::created);
            for (int i = 0; i < 2; ++i) change = co_await watcher.next();
            EXPECT_EQ(change->path, folder / "b");
        },
        [&] {
            std::filesystem::remove(folder / "a");
            std::filesystem::remove(folder / "b");
        },
        {.simulate = false});
}

}}  // namespace asyncio::test
