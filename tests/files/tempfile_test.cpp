// asyncio::tempfile: what goes when it is done with.
#include "asyncio/files/tempfile.hpp"

#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "files/files_fixture.hpp"

namespace asyncio::test { namespace {

class TempFiles : public FilesTest {
  protected:
    bool folder_is_empty() const { return std::filesystem::is_empty(folder.path()); }
};
ASYNCIO_ON_EVERY_BACKEND(TempFiles);

TEST_P(TempFiles, AFileWithoutANameIsReadBack) {
    run([&]() -> Coro<> {
        const std::string where = folder.path();
        co_await with(tempfile::TemporaryFile({.dir = where}), [&](File& file) -> Coro<> {
            co_await file.write("scratch");
            co_await file.seek(0);
            std::string back = co_await file.read();
            EXPECT_EQ(back, "scratch");
            EXPECT_TRUE(folder_is_empty());
        });
        auto anywhere = co_await tempfile::TemporaryFile();
        co_await anywhere.close();
    });
}

TEST_P(TempFiles, AFileWithANameGoesWhenItIsClosed) {
    run([&]() -> Coro<> {
        const std::string where = folder.path();
        std::set<std::string> names;
        for (int i = 0; i < 20; ++i) {
            auto file =
                co_await tempfile::NamedTemporaryFile({.prefix = "a-", .suffix = ".txt", .dir = where});
            EXPECT_TRUE(file.name().starts_with(where + "/a-") && file.name().ends_with(".txt"))
                << file.name();
            names.insert(file.name());
            co_await file.write("content");
            co_await file.flush();
            EXPECT_EQ(content_of(file.name()), "content");
            os::StatResult status = co_await os::stat(file.name());
            EXPECT_EQ(status.permissions(), 0600u);
            co_await file.close();
            EXPECT_TRUE(folder_is_empty());
        }
        EXPECT_EQ(names.size(), 20u);
    });
}

TEST_P(TempFiles, OneThatWasRenamedStays) {
    run([&]() -> Coro<> {
        const std::string where = folder.path();
        auto file = co_await tempfile::NamedTemporaryFile({.dir = where});
        co_await file.write("complete");
        co_await file.flush();
        co_await os::rename(file.name(), folder / "in place");
        co_await file.close();
        EXPECT_EQ(content_of(folder / "in place"), "complete");
        auto kept = co_await tempfile::NamedTemporaryFile({.mode = "a", .dir = where, .delete_ = false});
        co_await kept.write("kept");
        co_await kept.close();
        EXPECT_EQ(content_of(kept.name()), "kept");
    });
}

TEST_P(TempFiles, AFolderGoesWithAllThatIsInIt) {
    run([&]() -> Coro<> {
        const std::string where = folder.path();
        std::string path;
        co_await with(tempfile::TemporaryDirectory({.dir = where}), [&](tempfile::Directory& made) -> Coro<> {
            path = made.name();
            co_await os::makedirs(path + "/a/b");
            auto file = co_await asyncio::open(path + "/a/file", "w");
            co_await file.close();
            co_await os::symlink("..", path + "/a/up");
            os::StatResult status = co_await os::stat(path);
            EXPECT_EQ(status.permissions(), 0700u);
        });
        EXPECT_TRUE(path.starts_with(where + "/tmp")) << path;
        EXPECT_TRUE(folder_is_empty());
        auto by_hand = co_await tempfile::TemporaryDirectory({.dir = where});
        co_await by_hand.cleanup();
        EXPECT_EQ(by_hand.name(), "");
        EXPECT_TRUE(folder_is_empty());
        co_await by_hand.cleanup();
    });
}

TEST_P(TempFiles, WhatIsDroppedGoesAllTheSame) {
    std::optional<tempfile::Directory> late;
    run([&]() -> Coro<> {
        const std::string where = folder.path();
        auto made = co_await tempfile::TemporaryDirectory({.dir = where});
        auto file = co_await tempfile::NamedTemporaryFile({.dir = made.name()});
        co_await file.write("not flushed");
        auto moved = std::move(made);
        auto other = co_await tempfile::TemporaryDirectory({.dir = where});
        other = std::move(moved);
        late.emplace(co_await tempfile::TemporaryDirectory({.dir = where}));
    });
    late.reset();
    EXPECT_TRUE(folder_is_empty());
}

TEST_P(TempFiles, WhatCannotBeMadeIsNamed) {
    run([&]() -> Coro<> {
        const std::string none = folder / "none";
        std::string text = co_await text_of<FileNotFoundError>(tempfile::NamedTemporaryFile({.dir = none}));
        EXPECT_TRUE(text.starts_with("open '" + none + "/tmp")) << text;
        text = co_await text_of<FileNotFoundError>(tempfile::TemporaryFile({.dir = none}));
        EXPECT_EQ(text, "open a temporary file in '" + none + "': No such file or directory [Errno 2]");
        text = co_await text_of<FileNotFoundError>(tempfile::TemporaryDirectory({.dir = none}));
        EXPECT_TRUE(text.starts_with("mkdir '" + none + "/tmp")) << text;
        EXPECT_THROW(static_cast<void>(tempfile::NamedTemporaryFile({.prefix = "a/b"})), ValueError);
        EXPECT_THROW(static_cast<void>(tempfile::TemporaryDirectory({.suffix = std::string_view("\0", 1)})),
                     ValueError);
        EXPECT_THROW(static_cast<void>(tempfile::TemporaryFile({.mode = "q"})), ValueError);
    });
}

/// Another working directory for a while.
class WorkingDirectory {
  public:
    explicit WorkingDirectory(const std::string& path) : was_(std::filesystem::current_path()) {
        std::filesystem::current_path(path);
    }
    WorkingDirectory(const WorkingDirectory&) = delete;
    WorkingDirectory& operator=(const WorkingDirectory&) = delete;
    ~WorkingDirectory() { std::filesystem::current_path(was_); }

  private:
    std::filesystem::path was_;
};

TEST_P(TempFiles, TheWorkingDirectoryMayChangeMeanwhile) {
    std::filesystem::create_directories(folder / "here/below");
    run([&]() -> Coro<> {
        std::optional<WorkingDirectory> here(folder / "here");
        auto made = co_await tempfile::TemporaryDirectory({.dir = "below"});
        EXPECT_TRUE(made.name().starts_with(folder / "here/below/tmp")) << made.name();
        auto file = co_await tempfile::NamedTemporaryFile({.dir = "."});
        EXPECT_TRUE(file.name().starts_with(folder / "here/")) << file.name();
        here.reset();
        co_await file.close();
        co_await made.cleanup();
        EXPECT_TRUE(std::filesystem::is_empty(folder / "here/below"));
        EXPECT_EQ(std::filesystem::remove_all(folder / "here"), 2u);
    });
}

TEST_P(TempFiles, AFolderThatCouldNotBeRemovedKeepsItsName) {
    run([&]() -> Coro<> {
        const std::string where = folder.path();
        auto made = co_await tempfile::TemporaryDirectory({.dir = where});
        const std::string path = made.name();
        std::filesystem::permissions(where, std::filesystem::perms(0500));
        std::string text;
        {
            const SomebodyElse nobody;
            text = co_await text_of<PermissionError>(made.cleanup());
        }
        std::filesystem::permissions(where, std::filesystem::perms(0700));
        EXPECT_TRUE(text.starts_with("removing '" + path + "' and what is in it: ")) << text;
        EXPECT_EQ(made.name(), path);
        co_await made.cleanup();
        EXPECT_EQ(made.name(), "");
        EXPECT_TRUE(folder_is_empty());
    });
}

TEST_P(TempFiles, AFolderGoesAlsoWithoutThreads) {
    run([&]() -> Coro<> {
        const std::string where = folder.path();
        auto made = co_await tempfile::TemporaryDirectory({.dir = where});
        std::filesystem::create_directory(made.name() + "/below");
        co_await get_running_loop().shutdown_default_executor();
        co_await made.cleanup();
        EXPECT_TRUE(folder_is_empty());
    });
}

TEST_P(TempFiles, WhatGoesFromAFolderWhileItIsRemovedIsNoError) {
    run([&]() -> Coro<> {
        const std::string where = folder.path();
        auto made = co_await tempfile::TemporaryDirectory({.dir = where});
        std::vector<std::string> names;
        for (int i = 0; i < 2'000; ++i) {
            names.push_back(made.name() + "/" + std::to_string(i));
            std::ofstream(names.back()) << i;
        }
        std::jthread other([&] {
            for (const std::string& name : names) std::filesystem::remove(name);
        });
        co_await made.cleanup();
        EXPECT_TRUE(folder_is_empty());
    });
}

TEST(TempFileCancels, AtEachPointNothingIsLeft) {
    const Folder folder;
    expect_each_cancel_point(
        [&]() -> Coro<> {
            const std::string where = folder.path();
            co_await with(tempfile::TemporaryDirectory({.dir = where}),
                          [&](tempfile::Directory& made) -> Coro<> {
                              const std::string below = made.name();
                              auto file = co_await tempfile::NamedTemporaryFile({.dir = below});
                              co_await file.write("x");
                              co_await file.close();
                              auto nameless = co_await tempfile::TemporaryFile({.dir = where});
                              co_await nameless.close();
                          });
        },
        [&] { return std::filesystem::is_empty(folder.path()); });
}

}}  // namespace asyncio::test
