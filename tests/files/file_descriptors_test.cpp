// Files that are made of descriptors, which others may have, too.
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <fstream>

#include "files/files_fixture.hpp"

namespace asyncio::test { namespace {

class FilesOfDescriptors : public FilesTest {};
ASYNCIO_ON_EVERY_BACKEND(FilesOfDescriptors);

TEST_P(FilesOfDescriptors, ADescriptorBecomesAFile) {
    run([&]() -> Coro<> {
        int ends[2];
        EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
        auto reader = co_await asyncio::open(ends[0]);
        auto writer = co_await asyncio::open(ends[1], "w");
        EXPECT_FALSE(reader.seekable());
        EXPECT_EQ(reader.name(), "descriptor " + std::to_string(ends[0]));
        co_await writer.write("through a pipe\nand more");
        co_await writer.flush();
        std::string line = co_await reader.readline();
        EXPECT_EQ(line, "through a pipe\n");
        EXPECT_THROW(co_await reader.seek(0), OSError);
        EXPECT_THROW(reader.tell(), OSError);
        co_await writer.close();
        std::string rest = co_await reader.read();
        EXPECT_EQ(rest, "and more");
        co_await reader.close();
        EXPECT_THROW(static_cast<void>(asyncio::open(-1)), OSError);
        EXPECT_THROW(static_cast<void>(asyncio::open(::dup(1), "no mode")), ValueError);  // and closes it
    });
}

TEST_P(FilesOfDescriptors, ADescriptorThatIsOpenedForAppendingAppends) {
    const std::string path = folder.put("log", "before\n");
    run([&]() -> Coro<> {
        const int descriptor = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
        auto file = co_await asyncio::open(descriptor, "a");
        EXPECT_EQ(file.tell(), 7u);
        co_await file.write("mine\n");
        co_await file.flush();
        std::ofstream(path, std::ios::app) << "theirs\n";
        co_await file.write("mine again\n");
        EXPECT_EQ(::lseek(descriptor, 0, SEEK_SET), 0);  // nor does that mislead it
        co_await file.close();
        EXPECT_EQ(content_of(path), "before\nmine\ntheirs\nmine again\n");
        int ends[2];
        EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
        auto pipe = co_await asyncio::open(ends[1], "a");  // has no end to go to
        EXPECT_EQ(::fcntl(ends[1], F_GETFL) & O_APPEND, 0);
        co_await pipe.close();
        ::close(ends[0]);
    });
}

/// As `./program > log` does, whose children write there, too.
TEST_P(FilesOfDescriptors, WhoHasTheDescriptorTooWritesBehindWhatWasFlushed) {
    const std::string path = folder / "log";
    run([&]() -> Coro<> {
        const int theirs = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        for (const std::size_t buffering : {std::size_t{65536}, std::size_t{0}}) {
            EXPECT_EQ(::ftruncate(theirs, 0), 0);
            EXPECT_EQ(::lseek(theirs, 0, SEEK_SET), 0);
            const int descriptor = ::dup(theirs);
            auto file = co_await asyncio::open(descriptor, "w", {.buffering = buffering});
            co_await file.write("mine 1\n");
            co_await file.flush();
            EXPECT_EQ(::write(theirs, "theirs\n", 7), 7);
            co_await file.write("mine 2\n");
            co_await file.flush();
            EXPECT_EQ(file.tell(), 21u);
            EXPECT_EQ(::write(theirs, "theirs\n", 7), 7);
            co_await file.close();  // with nothing to write: leaves the position alone
            EXPECT_EQ(::write(theirs, "the end", 7), 7);
            EXPECT_EQ(content_of(path), "mine 1\ntheirs\nmine 2\ntheirs\nthe end");
        }
        ::close(theirs);
    });
}

TEST_P(FilesOfDescriptors, WhoHasTheDescriptorTooReadsOnWhereTheFileIs) {
    const std::string path = folder.put("in", "one\ntwo\nthree\n");
    run([&]() -> Coro<> {
        const int theirs = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
        const int descriptor = ::dup(theirs);
        auto file = co_await asyncio::open(descriptor, "r+");
        std::string line = co_await file.readline();
        EXPECT_EQ(line, "one\n");
        co_await file.flush();
        EXPECT_EQ(::lseek(theirs, 0, SEEK_CUR), 4);
        line = co_await file.readline();
        EXPECT_EQ(line, "two\n");
        co_await file.write("THREE");  // at the position, not behind what was read ahead
        co_await file.flush();
        EXPECT_EQ(::lseek(theirs, 0, SEEK_CUR), 13);
        co_await file.seek(-10, File::from_end);
        co_await file.write("2");
        co_await file.seek(1, File::from_start);
        co_await file.close();
        EXPECT_EQ(::lseek(theirs, 0, SEEK_CUR), 1);
        EXPECT_EQ(content_of(path), "one\n2wo\nTHREE\n");
        EXPECT_EQ(::lseek(theirs, 0, SEEK_SET), 0);
        const int dropped_descriptor = ::dup(theirs);
        {
            auto dropped = co_await asyncio::open(dropped_descriptor);
            line = co_await dropped.readline();
        }
        EXPECT_EQ(::lseek(theirs, 0, SEEK_CUR), 4);
        ::close(theirs);
    });
}

/// As `./program >> log` does.
TEST_P(FilesOfDescriptors, ADescriptorThatAppendsDoesInEveryMode) {
    const std::string path = folder.put("log", "before\n");
    run([&]() -> Coro<> {
        const int descriptor = ::open(path.c_str(), O_RDWR | O_APPEND | O_CLOEXEC);
        auto file = co_await asyncio::open(descriptor, "r+");
        std::string line = co_await file.read(3);
        EXPECT_EQ(line, "bef");
        co_await file.write("more\n");
        co_await file.flush();
        EXPECT_EQ(file.tell(), 12u);
        co_await file.seek(0);
        std::string all = co_await file.read();
        EXPECT_EQ(all, "before\nmore\n");
        co_await file.close();
    });
}

TEST_P(FilesOfDescriptors, APipeHasNoPlacesToReadAndWrite) {
    run([&]() -> Coro<> {
        int ends[2];
        EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
        auto reader = co_await asyncio::open(ends[0]);
        auto writer = co_await asyncio::open(ends[1], "w");
        co_await writer.write("stays");
        co_await writer.flush();
        std::string text = co_await text_of<OSError>(reader.pread(5, 0));
        EXPECT_EQ(text, "pread '" + reader.name() + "': Illegal seek [Errno 29]");
        std::array<char, 5> into{};
        text = co_await text_of<OSError>(reader.pread_into(into, 3));
        EXPECT_EQ(text, "pread '" + reader.name() + "': Illegal seek [Errno 29]");
        text = co_await text_of<OSError>(writer.pwrite("lost", 0));
        EXPECT_EQ(text, "pwrite '" + writer.name() + "': Illegal seek [Errno 29]");
        co_await writer.close();
        text = co_await reader.read();
        EXPECT_EQ(text, "stays");
        co_await reader.close();
    });
}

}}  // namespace asyncio::test
