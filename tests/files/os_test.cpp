// asyncio::os: calls on paths, folders, walks.
#include "asyncio/files/os.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <set>

#include "files/files_fixture.hpp"

namespace asyncio::test { namespace {

class Os : public FilesTest {
  protected:
    template <class Range>
    static std::vector<std::string> sorted(Range range) {
        std::vector<std::string> made(range.begin(), range.end());
        std::sort(made.begin(), made.end());
        return made;
    }
};
ASYNCIO_ON_EVERY_BACKEND(Os);

TEST_P(Os, FoldersAreMadeListedAndRemoved) {
    run([&]() -> Coro<> {
        co_await os::mkdir(folder / "one");
        co_await os::makedirs(folder / "one/two/three");
        folder.put("one/file", "content");
        std::vector<std::string> names = co_await os::listdir(folder / "one");
        EXPECT_EQ(sorted(names), (std::vector<std::string>{"file", "two"}));
        co_await os::remove(folder / "one/file");
        co_await os::removedirs(folder / "one/two/three");  // and all above it that is empty then
        EXPECT_FALSE(std::filesystem::exists(folder.path()));
        co_await os::makedirs(folder / "again/", {.permissions = 0700});
        os::StatResult status = co_await os::stat(folder / "again");
        EXPECT_EQ(status.permissions(), 0700u);
        co_await os::rmdir(folder / "again");
    });
}

TEST_P(Os, MakedirsMayFindThemThere) {
    run([&]() -> Coro<> {
        const std::string path = folder / "a/b";
        co_await os::makedirs(path);
        std::string text = co_await text_of<FileExistsError>(os::makedirs(path));
        EXPECT_EQ(text, "makedirs '" + path + "': File exists [Errno 17]");
        co_await os::makedirs(path, {.exist_ok = true});
        const std::string file = folder.put("file", "");
        text = co_await text_of<FileExistsError>(os::makedirs(file, {.exist_ok = true}));
        EXPECT_EQ(text, "makedirs '" + file + "': File exists [Errno 17]");
        text = co_await text_of<NotADirectoryError>(os::makedirs(file + "/below"));
        EXPECT_EQ(text, "makedirs '" + file + "/below': Not a directory [Errno 20]");
        text = co_await text_of<FileNotFoundError>(os::makedirs(""));
        EXPECT_EQ(text, "makedirs '': No such file or directory [Errno 2]");
    });
}

TEST_P(Os, StatTellsWhatAFileIs) {
    const std::string path = folder.put("file", "content");
    EXPECT_EQ(::symlink("file", (folder / "link").c_str()), 0);
    run([&]() -> Coro<> {
        os::StatResult status = co_await os::stat(path);
        EXPECT_TRUE(status.is_file() && !status.is_dir() && !status.is_symlink());
        EXPECT_EQ(status.size, 7u);
        EXPECT_EQ(status.nlink, 1u);
        EXPECT_EQ(status.uid, ::geteuid());
        struct stat native{};
        EXPECT_EQ(::stat(path.c_str(), &native), 0);
        EXPECT_EQ(status.ino, native.st_ino);
        EXPECT_EQ(status.dev, native.st_dev);
        EXPECT_EQ(status.mode, native.st_mode);
        EXPECT_LT(std::chrono::abs(std::chrono::system_clock::now() - status.mtime), 1h);
        os::StatResult link = co_await os::lstat(folder / "link");
        EXPECT_TRUE(link.is_symlink());
        link = co_await os::stat(folder / "link", {.follow_symlinks = false});
        EXPECT_TRUE(link.is_symlink());
        link = co_await os::stat(folder / "link");
        EXPECT_EQ(link.ino, status.ino);
        std::string text = co_await text_of<FileNotFoundError>(os::stat(folder / "none"));
        EXPECT_EQ(text, "stat '" + (folder / "none") + "': No such file or directory [Errno 2]");
    });
}

TEST_P(Os, PathsAreAskedAbout) {
    const std::string file = folder.put("file", "content");
    EXPECT_EQ(::symlink("file", (folder / "link").c_str()), 0);
    EXPECT_EQ(::symlink("nowhere", (folder / "dangling").c_str()), 0);
    run([&]() -> Coro<> {
        struct Question {
            const char* name;
            bool exists, isfile, isdir, islink;
        };
        for (const Question& q :
             {Question{"file", true, true, false, false}, Question{"", true, false, true, false},
              Question{"link", true, true, false, true}, Question{"dangling", false, false, false, true},
              Question{"none", false, false, false, false}}) {
            const std::string path = folder / q.name;
            const bool exists = co_await os::path::exists(path);
            const bool isfile = co_await os::path::isfile(path);
            const bool isdir = co_await os::path::isdir(path);
            const bool islink = co_await os::path::islink(path);
            EXPECT_EQ(exists, q.exists) << path;
            EXPECT_EQ(isfile, q.isfile) << path;
            EXPECT_EQ(isdir, q.isdir) << path;
            EXPECT_EQ(islink, q.islink) << path;
        }
        const bool odd = co_await os::path::exists(std::string_view("a\0b", 3));
        EXPECT_FALSE(odd);
        const std::uint64_t size = co_await os::path::getsize(file);
        EXPECT_EQ(size, 7u);
        const os::FileTime changed = co_await os::path::getmtime(file);
        EXPECT_LT(std::chrono::abs(std::chrono::system_clock::now() - changed), 1h);
        const bool same = co_await os::path::samefile(file, folder / "link");
        EXPECT_TRUE(same);
        const bool may_read = co_await os::access(file, R_OK);
        EXPECT_TRUE(may_read);
        const bool there = co_await os::access(folder / "none", F_OK);
        EXPECT_FALSE(there);
    });
}

TEST_P(Os, LinksAndNames) {
    const std::string path = folder.put("a", "content");
    run([&]() -> Coro<> {
        co_await os::link(path, folder / "b");
        os::StatResult status = co_await os::stat(folder / "b");
        EXPECT_EQ(status.nlink, 2u);
        co_await os::symlink("a", folder / "c");
        std::string says = co_await os::readlink(folder / "c");
        EXPECT_EQ(says, "a");
        co_await os::rename(folder / "b", folder / "d");
        co_await os::unlink(path);
        EXPECT_EQ(content_of(folder / "d"), "content");
        folder.put("e", "replaced");
        co_await os::replace(folder / "d", folder / "e");
        EXPECT_EQ(content_of(folder / "e"), "content");
        co_await os::chmod(folder / "e", 0640);
        status = co_await os::stat(folder / "e");
        EXPECT_EQ(status.permissions(), 0640u);
        const std::string far(300, 'f');
        co_await os::symlink(far, folder / "far");
        says = co_await os::readlink(folder / "far");
        EXPECT_EQ(says, far);
    });
}

TEST_P(Os, ErrorsNameTheCallAndItsPaths) {
    const std::string file = folder.put("file", "content");
    const std::string none = folder / "none";
    run([&]() -> Coro<> {
        const std::string missing = "': No such file or directory [Errno 2]";
        std::string text = co_await text_of<FileNotFoundError>(os::rename(none, file));
        EXPECT_EQ(text, "rename '" + none + "' -> '" + file + missing);
        text = co_await text_of<FileNotFoundError>(os::link(none, file));
        EXPECT_EQ(text, "link '" + none + "' -> '" + file + missing);
        text = co_await text_of<FileExistsError>(os::symlink(none, file));
        EXPECT_EQ(text, "symlink '" + none + "' -> '" + file + "': File exists [Errno 17]");
        text = co_await text_of<IsADirectoryError>(os::remove(folder.path()));
        EXPECT_EQ(text, "remove '" + folder.path() + "': Is a directory [Errno 21]");
        text = co_await text_of<FileNotFoundError>(os::unlink(none));
        EXPECT_EQ(text, "unlink '" + none + missing);
        text = co_await text_of<OSError>(os::rmdir(folder.path()));
        EXPECT_EQ(text, "rmdir '" + folder.path() + "': Directory not empty [Errno 39]");
        text = co_await text_of<FileExistsError>(os::mkdir(file));
        EXPECT_EQ(text, "mkdir '" + file + "': File exists [Errno 17]");
        text = co_await text_of<NotADirectoryError>(os::listdir(file));
        EXPECT_EQ(text, "listdir '" + file + "': Not a directory [Errno 20]");
        text = co_await text_of<OSError>(os::readlink(file));
        EXPECT_EQ(text, "readlink '" + file + "': Invalid argument [Errno 22]");
        text = co_await text_of<FileNotFoundError>(os::chmod(none, 0600));
        EXPECT_EQ(text, "chmod '" + none + missing);
        const std::string_view zero("a\0b", 3);
        EXPECT_THROW(static_cast<void>(os::remove(zero)), ValueError);
        EXPECT_THROW(static_cast<void>(os::rename(file, zero)), ValueError);
        EXPECT_THROW(static_cast<void>(os::listdir(zero)), ValueError);
    });
}

TEST_P(Os, AFolderIsScannedEntryByEntry) {
    std::set<std::string> wanted;
    for (int i = 0; i < 600; ++i) wanted.insert("file" + std::to_string(i));  // more than are read at once
    for (const std::string& name : wanted) folder.put(name, "");
    std::filesystem::create_directory(folder / "folder");
    std::filesystem::create_symlink("folder", folder / "link");
    std::filesystem::create_symlink("nowhere", folder / "dangling");
    run([&]() -> Coro<> {
        std::set<std::string> files;
        auto entries = os::scandir(folder.path());
        while (auto entry = co_await entries.next()) {
            EXPECT_EQ(entry->path(), folder / entry->name());
            if (entry->is_file()) {
                files.insert(entry->name());
            } else if (entry->name() == "folder") {
                EXPECT_TRUE(entry->is_dir() && !entry->is_symlink());
            } else if (entry->name() == "link") {
                EXPECT_TRUE(entry->is_dir() && entry->is_symlink());
            } else {
                EXPECT_EQ(entry->name(), "dangling");
                EXPECT_TRUE(!entry->is_dir() && entry->is_symlink());
            }
        }
        EXPECT_EQ(files, wanted);
        auto missing = os::scandir(folder / "none");
        std::string text;
        try {
            auto entry = co_await missing.next();
            EXPECT_FALSE(entry.has_value());
        } catch (const FileNotFoundError& error) {
            text = error.what();
        }
        EXPECT_EQ(text, "scandir '" + (folder / "none") + "': No such file or directory [Errno 2]");
        auto dropped = os::scandir(folder.path());
        auto first = co_await dropped.next();
        EXPECT_TRUE(first.has_value());
    });
}

TEST_P(Os, ATreeIsWalkedDownOrUp) {
    std::filesystem::create_directories(folder / "a/b");
    std::filesystem::create_directories(folder / "a/skipped/below");
    std::filesystem::create_directories(folder / "c");
    std::filesystem::create_directory_symlink("a", folder / "link");
    folder.put("a/b/file", "");
    folder.put("top", "");
    run([&]() -> Coro<> {
        std::vector<std::string> seen;
        auto down = os::walk(folder.path());
        while (auto entry = co_await down.next()) {
            seen.push_back(entry->path.substr(folder.path().size()));
            std::sort(entry->dirnames.begin(), entry->dirnames.end());
            std::erase(entry->dirnames, "skipped");
            if (seen.back().empty()) {
                EXPECT_EQ(entry->dirnames, (std::vector<std::string>{"a", "c", "link"}));
                EXPECT_EQ(entry->filenames, std::vector<std::string>(1, "top"));
            }
        }
        EXPECT_EQ(seen, (std::vector<std::string>{"", "/a", "/a/b", "/c"}));
        seen.clear();
        auto up = os::walk(folder.path(), {.topdown = false, .followlinks = true});
        while (auto entry = co_await up.next()) seen.push_back(entry->path.substr(folder.path().size()));
        EXPECT_EQ(seen.back(), "");
        const auto place = [&](const char* path) {
            return std::find(seen.begin(), seen.end(), path) - seen.begin();
        };
        EXPECT_LT(place("/a/b"), place("/a"));
        EXPECT_LT(place("/a/skipped/below"), place("/a/skipped"));
        EXPECT_LT(place("/link/b"), place("/link"));
        EXPECT_EQ(seen.size(), 10u);
        auto nothing = os::walk(folder / "none");
        auto entry = co_await nothing.next();
        EXPECT_FALSE(entry.has_value());
    });
}

/// Each is done or not done: what is found afterwards is one of a few states.
TEST(OsCancels, AtEachPointTheCallsAreDoneOrNotDone) {
    const Folder folder;
    const auto begin = [&] {
        folder.put("file", "content");
        std::filesystem::permissions(folder / "file", std::filesystem::perms(0600));
    };
    begin();
    const auto permissions = [&] { return std::filesystem::status(folder / "file").permissions(); };
    expect_each_cancel_point(
        [&]() -> Coro<> {
            co_await os::link(folder / "file", folder / "second");
            co_await os::symlink("file", folder / "link");
            std::string says = co_await os::readlink(folder / "link");
            EXPECT_EQ(says, "file");
            co_await os::chmod(folder / "file", 0640);
            const bool may_read = co_await os::access(folder / "second", R_OK);
            EXPECT_TRUE(may_read);
            std::vector<std::string> names = co_await os::listdir(folder.path());
            EXPECT_EQ(names.size(), 3u);
            const bool same = co_await os::path::samefile(folder / "file", folder / "second");
            EXPECT_TRUE(same);
            co_await os::remove(folder / "second");
            co_await os::unlink(folder / "link");
            co_await os::makedirs(folder / "a/b/c");
            folder.put("a/stays", "");
            co_await os::removedirs(folder / "a/b/c");
            co_await os::remove(folder / "a/stays");
            co_await os::rmdir(folder / "a");
        },
        [&] {
            EXPECT_EQ(content_of(folder / "file"), "content");
            EXPECT_TRUE(permissions() == std::filesystem::perms(0600) ||
                        permissions() == std::filesystem::perms(0640));
            std::error_code none;
            const std::filesystem::path link = std::filesystem::read_symlink(folder / "link", none);
            EXPECT_TRUE(none || link == "file");
            for (const char* each : {"second", "link", "a"}) std::filesystem::remove_all(folder / each);
            begin();
        });
}

TEST(OsCancels, AtEachPointTheLoopLives) {
    const Folder folder;
    folder.put("file", "content");
    expect_each_cancel_point(
        [&]() -> Coro<> {
            co_await os::makedirs(folder / "a/b", {.exist_ok = true});
            const os::StatResult status = co_await os::stat(folder / "file");
            EXPECT_EQ(status.size, 7u);
            co_await os::rename(folder / "file", folder / "a/file");
            co_await os::rename(folder / "a/file", folder / "file");
            auto entries = os::scandir(folder.path());
            while (auto entry = co_await entries.next()) EXPECT_FALSE(entry->name().empty());
            auto folders = os::walk(folder.path());
            while (auto entry = co_await folders.next()) EXPECT_FALSE(entry->path.empty());
        },
        [&] {
            std::error_code ignored;  // a rename may or may not have been done
            std::filesystem::rename(folder / "a/file", folder / "file", ignored);
            return std::filesystem::exists(folder / "file");
        });
}

}}  // namespace asyncio::test
