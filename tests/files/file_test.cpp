// Files: opening, reading, writing, the position, closing.
#include "asyncio/files/file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <list>

#include "files/files_fixture.hpp"

namespace asyncio::test { namespace {

class Files : public FilesTest {};
ASYNCIO_ON_EVERY_BACKEND(Files);

TEST_P(Files, WhatWasWrittenIsReadBack) {
    const std::string path = folder / "notes.txt";
    run([&]() -> Coro<> {
        auto out = co_await asyncio::open(path, "w");
        const std::size_t written = co_await out.write("one\ntwo\nthree");
        EXPECT_EQ(written, 13u);
        co_await out.close();
        EXPECT_TRUE(out.closed());
        EXPECT_EQ(content_of(path), "one\ntwo\nthree");

        auto in = co_await asyncio::open(path);
        std::string line = co_await in.readline();
        EXPECT_EQ(line, "one\n");
        std::string rest = co_await in.read();
        EXPECT_EQ(rest, "two\nthree");
        std::string end = co_await in.read();
        EXPECT_EQ(end, "");
        co_await in.close();
    });
}

TEST_P(Files, WithClosesIt) {
    const std::string path = folder.put("a", "content");
    run([&]() -> Coro<> {
        std::string text = co_await with(asyncio::open(path), [](File& file) { return file.read(); });
        EXPECT_EQ(text, "content");
        int descriptor = -1;
        co_await with(asyncio::open(path, "r+"), [&](File& file) -> Coro<> {
            descriptor = file.fileno();
            co_await file.write("C");
        });
        EXPECT_EQ(::fcntl(descriptor, F_GETFD), -1);
        EXPECT_EQ(content_of(path), "Content");
    });
}

TEST_P(Files, LinesAreIterated) {
    const std::string path = folder.put("lines", "first\n\nthird, without an end");
    run([&]() -> Coro<> {
        auto file = co_await asyncio::open(path);
        std::vector<std::string> lines;
        while (auto line = co_await file.next_line()) lines.push_back(*line);
        EXPECT_EQ(lines, (std::vector<std::string>{"first\n", "\n", "third, without an end"}));
        co_await file.seek(0);
        std::vector<std::string> again = co_await file.readlines();
        EXPECT_EQ(again, lines);
        co_await file.seek(0);
        std::string part = co_await file.readline(3);
        EXPECT_EQ(part, "fir");
        co_await file.close();
    });
}

TEST_P(Files, ALineMayBeLongerThanTheBuffer) {
    const std::string long_line = std::string(300'000, 'x') + "\n";
    const std::string path = folder.put("long", long_line + "short\n" + long_line);
    run([&]() -> Coro<> {
        auto file = co_await asyncio::open(path, "r", {.buffering = 1000});
        for (const std::string& wanted : {long_line, std::string("short\n"), long_line, std::string()}) {
            std::string line = co_await file.readline();
            EXPECT_TRUE(line == wanted) << line.size();
        }
        co_await file.close();
    });
}

/// Every way to read, in pieces of every size around those of the buffer, gives the same bytes.
TEST_P(Files, ReadsOfAllSizesGiveTheSameBytes) {
    const std::string bytes = different_bytes(200'000);
    const std::string path = folder.put("bytes", bytes);
    run([&]() -> Coro<> {
        for (const std::size_t buffering :
             {std::size_t{0}, std::size_t{1}, std::size_t{4096}, std::size_t{65536}}) {
            for (const std::size_t piece : {1000u, 4096u, 4097u, 70'000u, 300'000u}) {
                auto file = co_await asyncio::open(path, "rb", {.buffering = buffering});
                std::string got;
                for (;;) {
                    std::string some = co_await file.read(piece);
                    got += some;
                    EXPECT_EQ(file.tell(), got.size());
                    if (some.size() < piece) break;
                }
                EXPECT_TRUE(got == bytes) << buffering << " " << piece;
                co_await file.seek(7);
                std::string into(piece, '\0');
                const std::size_t filled = co_await file.readinto(into);
                EXPECT_EQ(filled, std::min(piece, bytes.size() - 7));
                EXPECT_TRUE(into.substr(0, filled) == bytes.substr(7, filled));
                co_await file.close();
            }
        }
    });
}

TEST_P(Files, Read1AndPeekGiveWhatIsThere) {
    const std::string path = folder.put("a", "0123456789");
    run([&]() -> Coro<> {
        auto file = co_await asyncio::open(path);
        std::string seen = co_await file.peek();
        EXPECT_EQ(seen, "0123456789");
        EXPECT_EQ(file.tell(), 0u);
        std::string some = co_await file.read1(4);
        EXPECT_EQ(some, "0123");
        some = co_await file.read1();
        EXPECT_EQ(some, "456789");
        some = co_await file.read1();
        EXPECT_EQ(some, "");
        co_await file.close();
    });
}

TEST_P(Files, ThePositionIsPythons) {
    const std::string path = folder.put("a", "0123456789");
    run([&]() -> Coro<> {
        auto file = co_await asyncio::open(path, "r+");
        std::string some = co_await file.read(3);
        EXPECT_EQ(file.tell(), 3u);
        std::uint64_t at = co_await file.seek(-2, File::from_end);
        EXPECT_EQ(at, 8u);
        some = co_await file.read();
        EXPECT_EQ(some, "89");
        at = co_await file.seek(-6, File::from_here);
        EXPECT_EQ(at, 4u);
        co_await file.write("xy");  // where it was read to, not where it was read ahead to
        EXPECT_EQ(file.tell(), 6u);
        some = co_await file.read(2);
        EXPECT_EQ(some, "67");
        at = co_await file.seek(2, SEEK_SET);
        some = co_await file.read(4);
        EXPECT_EQ(some, "23xy");
        EXPECT_THROW(co_await file.seek(-1), ValueError);
        EXPECT_THROW(co_await file.seek(0, 7), ValueError);
        EXPECT_EQ(file.tell(), 6u);
        co_await file.seek(20);  // behind the end: a hole, if it is written to
        some = co_await file.read();
        EXPECT_EQ(some, "");
        co_await file.write("end");
        co_await file.close();
        EXPECT_EQ(content_of(path), std::string("0123xy6789") + std::string(10, '\0') + "end");
    });
}

TEST_P(Files, AppendingGoesToTheEndWhereverThatIs) {
    const std::string path = folder.put("log", "begin\n");
    run([&]() -> Coro<> {
        auto file = co_await asyncio::open(path, "a+");
        EXPECT_EQ(file.tell(), 6u);
        co_await file.write("mine\n");
        co_await file.flush();
        std::ofstream(path, std::ios::app) << "theirs\n";
        co_await file.seek(0);
        std::string all = co_await file.read();
        EXPECT_EQ(all, "begin\nmine\ntheirs\n");
        co_await file.seek(2);
        co_await file.write("mine again\n");
        co_await file.flush();
        EXPECT_EQ(file.tell(), 29u);
        co_await file.close();
        EXPECT_EQ(content_of(path), "begin\nmine\ntheirs\nmine again\n");
    });
}

TEST_P(Files, WritesOfAllSizesArriveInOrder) {
    const std::string path = folder / "out";
    const std::string bytes = different_bytes(300'000);
    run([&]() -> Coro<> {
        for (const std::size_t buffering : {std::size_t{0}, std::size_t{10}, std::size_t{65536}}) {
            auto file = co_await asyncio::open(path, "wb", {.buffering = buffering});
            std::size_t at = 0;
            for (std::size_t piece = 1; at < bytes.size(); piece = piece * 3 + 1) {
                at += co_await file.write(std::string_view(bytes).substr(at, piece));
                EXPECT_EQ(file.tell(), at);
            }
            co_await file.close();
            EXPECT_TRUE(content_of(path) == bytes) << buffering;
        }
        auto file = co_await asyncio::open(path, "w");
        std::list<std::string_view> lines{"a\n", "b\n"};
        co_await file.writelines(lines);
        std::vector<std::string> more(1, "c\n");
        const std::size_t count = co_await file.writelines(more);
        EXPECT_EQ(count, 2u);
        co_await file.close();
        EXPECT_EQ(content_of(path), "a\nb\nc\n");
    });
}

TEST_P(Files, FlushSyncAndTruncate) {
    const std::string path = folder / "a";
    run([&]() -> Coro<> {
        auto file = co_await asyncio::open(path, "w+");
        co_await file.write("0123456789");
        EXPECT_EQ(content_of(path), "");
        co_await file.flush();
        EXPECT_EQ(content_of(path), "0123456789");
        co_await file.write("abc");
        co_await file.fsync();
        EXPECT_EQ(content_of(path), "0123456789abc");
        co_await file.fdatasync();
        co_await file.seek(5);
        std::uint64_t size = co_await file.truncate();
        EXPECT_EQ(size, 5u);
        size = co_await file.truncate(8);
        EXPECT_EQ(size, 8u);
        EXPECT_EQ(file.tell(), 5u);
        std::string rest = co_await file.read();
        EXPECT_EQ(rest, std::string(3, '\0'));
        co_await file.close();
        EXPECT_EQ(content_of(path), std::string("01234") + std::string(3, '\0'));
    });
}

TEST_P(Files, ManyPositionalReadsAndWritesAreUnderWayAtOnce) {
    const std::string bytes = different_bytes(64 * 4096);
    const std::string path = folder.put("a", bytes);
    run([&]() -> Coro<> {
        auto file = co_await asyncio::open(path, "r+");
        std::vector<Coro<std::string>> reads;
        for (std::uint64_t i = 0; i < 64; ++i) reads.push_back(file.pread(4096, i * 4096));
        std::vector<std::string> pieces = co_await gather(std::move(reads));
        std::string all;
        for (const std::string& piece : pieces) all += piece;
        EXPECT_TRUE(all == bytes);
        std::vector<Coro<std::size_t>> writes;
        for (std::uint64_t i = 0; i < 64; ++i) writes.push_back(file.pwrite(pieces[63 - i], i * 4096));
        co_await gather(std::move(writes));
        std::string beyond = co_await file.pread(100, bytes.size() - 10);
        EXPECT_EQ(beyond.size(), 10u);
        EXPECT_EQ(file.tell(), 0u);
        std::array<char, 8> into{};
        const std::size_t got = co_await file.pread_into(into, 4096);
        EXPECT_EQ(got, 8u);
        EXPECT_EQ(std::string(into.data(), 8), pieces[62].substr(0, 8));
        co_await file.close();
    });
    EXPECT_TRUE(content_of(path).substr(0, 4096) == bytes.substr(63 * 4096));
}

TEST_P(Files, ModesAreChecked) {
    const std::string path = folder.put("a", "content");
    run([&]() -> Coro<> {
        for (const char* mode : {"", "q", "rw", "r++", "bb", "+", "rbt"}) {
            EXPECT_THROW(static_cast<void>(asyncio::open(path, mode)), ValueError) << mode;
        }
        std::string text = co_await text_of<FileExistsError>(asyncio::open(path, "x"));
        EXPECT_EQ(text, "open '" + path + "': File exists [Errno 17]");
        auto made = co_await asyncio::open(folder / "new", "xb");
        std::string wrong = co_await text_of<ValueError>(made.read());
        EXPECT_EQ(wrong,
                  "read '" + (folder / "new") + "': it is open for writing alone (mode \"xb\"): add a +");
        co_await made.close();
        auto read_only = co_await asyncio::open(path);
        wrong = co_await text_of<ValueError>(read_only.write("x"));
        EXPECT_EQ(wrong, "write '" + path + "': it is open for reading alone (mode \"r\"): add a +");
        EXPECT_TRUE(read_only.readable() && !read_only.writable() && read_only.seekable() &&
                    !read_only.isatty());
        EXPECT_EQ(read_only.name(), path);
        EXPECT_EQ(read_only.mode(), "r");
        co_await read_only.close();
        auto emptied = co_await asyncio::open(std::filesystem::path(path), "w", {.permissions = 0600});
        co_await emptied.close();
        EXPECT_EQ(content_of(path), "");
    });
}

TEST_P(Files, AClosedFileSaysSo) {
    const std::string path = folder.put("a", "content");
    run([&]() -> Coro<> {
        auto file = co_await asyncio::open(path, "r+");
        co_await file.close();
        co_await file.close();  // once more does nothing
        const std::string closed = "'" + path + "': I/O operation on closed file";
        std::string text = co_await text_of<ValueError>(file.read());
        EXPECT_EQ(text, "read " + closed);
        text = co_await text_of<ValueError>(file.write("x"));
        EXPECT_EQ(text, "write " + closed);
        text = co_await text_of<ValueError>(file.pread(1, 0));
        EXPECT_EQ(text, "pread " + closed);
        for (auto make : {&File::flush, &File::fsync, &File::fdatasync}) {
            text = co_await text_of<ValueError>((file.*make)());
            EXPECT_TRUE(text.ends_with(closed)) << text;
        }
        text = co_await text_of<ValueError>(file.truncate(1));
        EXPECT_EQ(text, "truncate " + closed);
        text = co_await text_of<ValueError>(file.seek(1));
        EXPECT_EQ(text, "seek " + closed);
        EXPECT_THROW(file.tell(), ValueError);
        EXPECT_THROW(file.fileno(), ValueError);
        File other = std::move(file);
        EXPECT_TRUE(other.closed());
        EXPECT_THROW(static_cast<void>(file.read()), ValueError);  // NOLINT(bugprone-use-after-move)
    });
}

TEST_P(Files, WhatHasNoPositionIsOpenedForOneDirection) {
    const std::string path = folder / "fifo";
    EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0);
    run([&]() -> Coro<> {
        std::string text = co_await text_of<OSError>(asyncio::open(path, "r+"));
        EXPECT_EQ(text, "open '" + path +
                            "': Illegal seek [Errno 29]; what has no position is opened for one "
                            "direction: \"r\" or \"w\"");
    });
}

TEST_P(Files, TasksTakeTurnsInTheOrderInWhichTheyCame) {
    const std::string path = folder / "log";
    run([&]() -> Coro<> {
        auto file = co_await asyncio::open(path, "w", {.buffering = 100});
        std::vector<Coro<std::size_t>> writes;
        std::vector<std::string> lines;
        for (int i = 0; i < 50; ++i) lines.push_back(std::string(90, static_cast<char>('A' + i)) + "\n");
        for (const std::string& line : lines) writes.push_back(file.write(line));
        co_await gather(std::move(writes));
        co_await file.close();
        std::string wanted;
        for (const std::string& line : lines) wanted += line;
        EXPECT_EQ(content_of(path), wanted);
    });
}

TEST_P(Files, ManyFilesAtOnce) {
    run([&]() -> Coro<> {
        const auto copy = [](std::string from, std::string to) -> Coro<> {
            auto in = co_await asyncio::open(from);
            auto out = co_await asyncio::open(to, "w");
            std::string all = co_await in.read();
            co_await out.write(all);
            co_await out.close();
            co_await in.close();
        };
        std::vector<Coro<>> copies;
        for (int i = 0; i < 100; ++i) {
            const std::string name = std::to_string(i);
            copies.push_back(copy(folder.put(name, different_bytes(static_cast<std::size_t>(i) * 137)),
                                  folder / ("to" + name)));
        }
        co_await gather(std::move(copies));
        for (int i = 0; i < 100; ++i)
            EXPECT_TRUE(content_of(folder / ("to" + std::to_string(i))) ==
                        different_bytes(static_cast<std::size_t>(i) * 137));
    });
}

}}  // namespace asyncio::test
