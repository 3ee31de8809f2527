// Files under cancels at every point: what was read is not lost, what was written is what tell() says.
#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "files/files_fixture.hpp"

namespace asyncio::test { namespace {

class FileCancels : public LoopTest {};

TEST_F(FileCancels, AtEachPointNoReadLosesAnything) {
    const Folder folder;
    const std::string bytes = different_bytes(100'000);
    const std::string path = folder.put("a", bytes);
    // The next read goes on where the last that was not cancelled ended.
    const auto expect_to_go_on = [&](File& file) -> Coro<> {
        const std::uint64_t here = file.tell();
        std::string next = co_await file.read(2000);
        EXPECT_TRUE(next == bytes.substr(here, 2000));
    };
    expect_each_cancel_point([&]() -> Coro<> {
        co_await with(asyncio::open(path, "r", {.buffering = 1000}), [&](File& file) -> Coro<> {
            std::exception_ptr cancelled;
            try {
                std::string some = co_await file.read(5000);
                EXPECT_TRUE(some == bytes.substr(0, 5000));
                std::string line = co_await file.readline();
                std::string at = co_await file.pread(300, 500);
                EXPECT_TRUE(at == bytes.substr(500, 300));
                std::uint64_t here = file.tell();
                some = co_await file.read1(400);
                EXPECT_TRUE(some == bytes.substr(here, some.size()));
                here = file.tell();
                std::string into(3000, '\0');
                std::size_t got = co_await file.readinto(into);
                EXPECT_EQ(got, into.size());
                EXPECT_TRUE(into == bytes.substr(here, 3000));
                got = co_await file.pread_into(into, 7);
                EXPECT_EQ(got, into.size());
                EXPECT_TRUE(into == bytes.substr(7, 3000));
                std::vector<std::string> lines = co_await file.readlines();
                EXPECT_FALSE(lines.empty());
                EXPECT_EQ(file.tell(), bytes.size());
                co_await file.seek(77);
                some = co_await file.peek();
                EXPECT_TRUE(some == bytes.substr(77, some.size()));
            } catch (const CancelledError&) {
                cancelled = std::current_exception();
            }
            co_await expect_to_go_on(file);
            if (cancelled != nullptr) std::rethrow_exception(cancelled);
        });
    });
}

/// Writes, and keeps what the file should have in it as far as the File has said so: of a write that is
/// cancelled, what `tell` says was written.
class Promised {
  public:
    Promised(File& file, std::string& content) : file_(file), content_(content) {}
    Coro<> write(std::string_view data) { return keep(file_.write(data), data); }
    Coro<> writelines(const std::vector<std::string>& lines, std::string_view joined) {
        return keep(file_.writelines(lines), joined);
    }

  private:
    Coro<> keep(Coro<std::size_t> writing, std::string_view data) {
        const std::uint64_t begin = file_.tell();
        std::exception_ptr cancelled;
        try {
            co_await std::move(writing);
        } catch (const CancelledError&) {
            cancelled = std::current_exception();
        }
        const std::size_t taken = file_.tell() - begin;
        EXPECT_LE(taken, data.size());
        EXPECT_TRUE(cancelled != nullptr || taken == data.size());
        content_.resize(std::max(content_.size(), begin + taken));
        content_.replace(begin, taken, data.substr(0, taken));
        if (cancelled != nullptr) std::rethrow_exception(cancelled);
    }

    File& file_;
    std::string& content_;
};

TEST_F(FileCancels, AtEachPointWhatTellSaysWasWrittenIsWritten) {
    const Folder folder;
    const std::string all = different_bytes(20'000);
    const std::string_view bytes = all;
    const std::string path = folder.put("a", "");
    std::string promised;
    const auto write = [&](File& file) -> Coro<> {
        Promised promise(file, promised);
        std::exception_ptr cancelled;
        try {
            co_await promise.write(bytes.substr(0, 300));  // into the buffer
            co_await promise.write(bytes.substr(300, 900));
            co_await file.flush();
            co_await promise.write(bytes.substr(1200, 5000));  // past the buffer
            co_await file.fdatasync();
            const std::vector<std::string> lines(3, "a line\n");
            co_await promise.writelines(lines, "a line\na line\na line\n");
            co_await file.seek(100);
            co_await promise.write(bytes.substr(9000, 500));
            co_await file.fsync();
        } catch (const CancelledError&) {
            cancelled = std::current_exception();
        }
        co_await promise.write("the end of it");  // where it is now, whatever was cancelled
        if (cancelled != nullptr) std::rethrow_exception(cancelled);
    };
    expect_each_cancel_point(
        [&]() -> Coro<> { co_await with(asyncio::open(path, "w", {.buffering = 1000}), write); },
        [&] {
            const bool kept = content_of(path) == std::exchange(promised, std::string());
            folder.put("a", "");  // for the next
            return kept;
        });
}

TEST_F(FileCancels, AtEachPointAppendingAppendsOnce) {
    const Folder folder;
    const std::string path = folder.put("log", "begin");
    const std::string line = different_bytes(700) + "!";
    std::string promised = "begin";
    const auto append = [&](File& file) -> Coro<> {
        Promised promise(file, promised);
        for (int i = 0; i < 4; ++i) co_await promise.write(line);
        co_await file.flush();
        co_await promise.write(line);
    };
    expect_each_cancel_point(
        [&]() -> Coro<> { co_await with(asyncio::open(path, "a", {.buffering = 1000}), append); },
        [&] {
            const bool kept = content_of(path) == std::exchange(promised, "begin");
            folder.put("log", promised);  // for the next
            return kept;
        });
}

/// These may have been done or not, and that as a whole or in part, but nothing else.
TEST_F(FileCancels, AtEachPointPwriteAndTruncateDoWhatTheyWereAskedOrLess) {
    const Folder folder;
    const std::string before = different_bytes(10'000);
    const std::string path = folder.put("a", before);
    const auto check = [&] {
        std::string content = content_of(path);
        const bool whole = content.size() == before.size();
        EXPECT_TRUE(whole || content.size() == 8'000) << content.size();
        const std::size_t stars = content.find_first_not_of('*', 2'000) - 2'000;
        EXPECT_LE(stars, 3'000u);
        EXPECT_TRUE(whole || stars == 3'000u) << stars;  // they came first
        content.replace(2'000, stars, before, 2'000, stars);
        EXPECT_TRUE(before.starts_with(content));
        folder.put("a", before);  // for the next
        return true;
    };
    expect_each_cancel_point(
        [&]() -> Coro<> {
            co_await with(asyncio::open(path, "r+"), [&](File& file) -> Coro<> {
                const std::string stars(3'000, '*');
                co_await file.pwrite(stars, 2'000);
                co_await file.truncate(8'000);
                EXPECT_EQ(file.tell(), 0u);
            });
        },
        check);
}

}}  // namespace asyncio::test
