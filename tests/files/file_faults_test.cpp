// Files that go wrong: what cannot be opened, written or closed, cancels, files that are dropped.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <optional>

#include "asyncio/testing/wait_all_tasks_blocked.hpp"
#include "files/files_fixture.hpp"
#include "support/alloc_failure.hpp"

namespace asyncio::test { namespace {

class FileFaults : public FilesTest {};
ASYNCIO_ON_EVERY_BACKEND(FileFaults);

TEST_P(FileFaults, WhatCannotBeOpenedIsNamedWithTheCause) {
    const std::string missing = folder / "missing";
    const std::string path = folder.put("a", "content");
    run([&]() -> Coro<> {
        std::string text = co_await text_of<FileNotFoundError>(asyncio::open(missing));
        EXPECT_EQ(text, "open '" + missing + "': No such file or directory [Errno 2]");
        text = co_await text_of<IsADirectoryError>(asyncio::open(folder.path()));
        EXPECT_EQ(text, "open '" + folder.path() +
                            "': Is a directory [Errno 21]; os::listdir and os::scandir read folders");
        text = co_await text_of<IsADirectoryError>(asyncio::open(folder.path(), "w"));
        EXPECT_EQ(text.substr(0, 6), "open '");
        text = co_await text_of<NotADirectoryError>(asyncio::open(path + "/b"));
        EXPECT_EQ(text, "open '" + path + "/b': Not a directory [Errno 20]");
        text = co_await text_of<FileNotFoundError>(asyncio::open(""));
        EXPECT_EQ(text, "open '': No such file or directory [Errno 2]");
        const std::string too_long = folder / std::string(300, 'n');
        text = co_await text_of<OSError>(asyncio::open(too_long, "w"));
        EXPECT_EQ(text, "open '" + too_long + "': File name too long [Errno 36]");
        EXPECT_THROW(static_cast<void>(asyncio::open(std::string_view("a\0b", 3))), ValueError);
    });
}

TEST_P(FileFaults, WhatIsNotPermittedIsRefused) {
    const std::string path = folder.put("secret", "content");
    EXPECT_EQ(::chmod(path.c_str(), 0), 0);
    run([&]() -> Coro<> {
        const SomebodyElse nobody;
        std::string text = co_await text_of<PermissionError>(asyncio::open(path));
        EXPECT_EQ(text, "open '" + path + "': Permission denied [Errno 13]");
    });
}

TEST_P(FileFaults, WithoutADescriptorLeftOpenSaysSoAndTheLoopLives) {
    const std::string path = folder.put("a", "content");
    run([&]() -> Coro<> {
        auto first = co_await asyncio::open(path);  // has made what threads and rings need
        rlimit before{};
        EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
        const rlimit none{static_cast<rlim_t>(::dup(0)), before.rlim_max};
        ::close(static_cast<int>(none.rlim_cur));
        EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
        std::string text = co_await text_of<OSError>(asyncio::open(path));
        EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
        EXPECT_EQ(text, "open '" + path +
                            "': Too many open files [Errno 24]; the process has as many descriptors "
                            "open as it may (ulimit -n)");
        std::string content = co_await first.read();
        EXPECT_EQ(content, "content");
        co_await first.close();
    });
}

TEST_P(FileFaults, ADiskThatIsFullShowsInFlushAndInClose) {
    run([&]() -> Coro<> {
        auto file = co_await asyncio::open("/dev/full", "w");
        co_await file.write("waits in the buffer");
        const std::string full = "write '/dev/full': No space left on device [Errno 28]";
        std::string text = co_await text_of<OSError>(file.flush());
        EXPECT_EQ(text, full);
        text = co_await text_of<OSError>(file.fsync());  // it still waits there
        EXPECT_EQ(text, full);
        const std::string more(100'000, 'm');
        text = co_await text_of<OSError>(file.write(more));
        EXPECT_EQ(text, full);
        text = co_await text_of<OSError>(file.close());
        EXPECT_EQ(text, full);
        EXPECT_TRUE(file.closed());
        co_await file.close();
    });
}

TEST_P(FileFaults, WithTellsWhatCloseThrows) {
    run([&]() -> Coro<> {
        std::string text;
        try {
            co_await with(asyncio::open("/dev/full", "w"), [](File& file) { return file.write("x"); });
        } catch (const OSError& error) {
            text = error.what();
        }
        EXPECT_EQ(text, "write '/dev/full': No space left on device [Errno 28]");
        std::string context;
        try {
            co_await with(asyncio::open("/dev/full", "w"), [](File& file) -> Coro<> {
                co_await file.write("x");
                throw ValueError("the body's");
            });
        } catch (const OSError& error) {
            context = describe(error.context());
        }
        EXPECT_EQ(context, "ValueError: the body's");
    });
}

class Warnings {
  public:
    Warnings() {
        set_warning_handler([this](const Warning& warning) {
            const std::lock_guard lock(mutex_);
            all_ += std::string(warning.category) + ": " + std::string(warning.text) + "\n";
        });
    }
    ~Warnings() { set_warning_handler(nullptr); }
    std::string all() {
        const std::lock_guard lock(mutex_);
        return all_;
    }

  private:
    std::mutex mutex_;
    std::string all_;
};

TEST_P(FileFaults, AFileThatIsDroppedIsWrittenAndClosedByAThread) {
    Warnings warnings;
    const std::string path = folder / "dropped";
    run(
        [&]() -> Coro<> {
            auto file = co_await asyncio::open(path, "w");
            co_await file.write("what was not flushed");
        },
        {.debug = true});
    EXPECT_EQ(content_of(path), "what was not flushed");
    const std::string all = warnings.all();
    EXPECT_NE(all.find("ResourceWarning: unclosed file '" + path + "', opened at file_faults_test.cpp:"),
              std::string::npos)
        << all;
}

TEST_P(FileFaults, WhatADroppedFileLosesIsSaid) {
    Warnings warnings;
    run([&]() -> Coro<> {
        auto file = co_await asyncio::open("/dev/full", "w");
        co_await file.write("lost");
    });
    EXPECT_EQ(warnings.all(),
              "RuntimeWarning: file '/dev/full' was dropped without close(), and 4 bytes of it could not be "
              "written: No space left on device; co_await file.close(), which throws this\n");
}

TEST_P(FileFaults, AFileMayOutliveItsLoop) {
    const std::string path = folder / "late";
    std::optional<File> file;
    run([&]() -> Coro<> {
        file.emplace(co_await asyncio::open(path, "w"));
        co_await file->write("written at last");
    });
    EXPECT_EQ(content_of(path), "");
    EXPECT_EQ(file->tell(), 15u);
    EXPECT_GE(file->fileno(), 0);
    run([&]() -> Coro<> {
        std::string text = co_await text_of<RuntimeError>(file->write("x"));
        EXPECT_EQ(text, "write '" + path + "': it belongs to another event loop");
        text = co_await text_of<RuntimeError>(file->close());
        EXPECT_EQ(text, "close '" + path + "': it belongs to another event loop");
    });
    file.reset();
    EXPECT_EQ(content_of(path), "written at last");
}

/// A pipe, so that the test decides when a read ends.
struct Pipe {
    Pipe() { EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0); }
    ~Pipe() {
        if (ends[1] >= 0) ::close(ends[1]);
    }
    void write(std::string_view text) const {
        EXPECT_EQ(::write(ends[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
    }
    void end() { ::close(std::exchange(ends[1], -1)); }
    int ends[2];
};

TEST_P(FileFaults, AFileThatIsDroppedDuringAReadIsClosedAfterIt) {
    run([&]() -> Coro<> {
        Pipe pipe;
        std::optional<File> file(co_await asyncio::open(pipe.ends[0]));
        auto reading = create_task(file->read1());
        co_await sleep(0s);
        file.reset();
        EXPECT_FALSE(reading.done());
        EXPECT_NE(::fcntl(pipe.ends[0], F_GETFD), -1);
        pipe.write("after all");
        std::string got = co_await reading;
        EXPECT_EQ(got, "after all");
    });
}

/// The way in and the way out of a named pipe wait for each other, and meet.
TEST_P(FileFaults, ANamedPipeIsOpenedWhenItsPeerComes) {
    const std::string path = folder / "fifo";
    EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0);
    run([&]() -> Coro<> {
        for (const bool reader_first : {true, false}) {
            auto first = create_task(asyncio::open(path, reader_first ? "r" : "w"));
            for (int i = 0; i < 20; ++i) co_await sleep(0s);
            EXPECT_FALSE(first.done());
            auto second = create_task(asyncio::open(path, reader_first ? "w" : "r"));
            File one = co_await std::move(first);
            File other = co_await std::move(second);
            File& in = reader_first ? one : other;
            File& out = reader_first ? other : one;
            co_await out.write("through");
            co_await out.close();
            std::string all = co_await in.read();
            EXPECT_EQ(all, "through");
            co_await in.close();
        }
    });
}

TEST_P(FileFaults, ANamedPipeWithoutAPeerCanBeCancelledInTheRing) {
    const std::string path = folder / "fifo";
    EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0);
    run([&]() -> Coro<> {
        auto opening = create_task(asyncio::open(path));
        for (int i = 0; i < 20; ++i) co_await sleep(0s);
        opening.cancel();
        // A thread cannot be called back: it needs a peer.
        const int peer = backend() == Backend::io_uring ? -1 : ::open(path.c_str(), O_RDWR | O_CLOEXEC);
        std::exception_ptr error =
            co_await error_of([](Task<File> t) -> Coro<File> { co_return co_await std::move(t); }(opening));
        EXPECT_TRUE(is_cancelled(error));
        if (peer >= 0) ::close(peer);
    });
}

TEST_P(FileFaults, ACancelledReadLosesNothing) {
    if (simulated()) GTEST_SKIP() << "virtual time does not pass while a thread reads";
    run([&]() -> Coro<> {
        Pipe pipe;
        auto file = co_await asyncio::open(pipe.ends[0]);
        auto reading = create_task(file.read(10));
        co_await sleep(1ms);
        pipe.write("12345");
        co_await sleep(1ms);
        reading.cancel();
        co_await sleep(1ms);
        if (!reading.done()) pipe.write("678");  // a thread's read is waited for
        std::exception_ptr error =
            co_await error_of([](Task<std::string> t) -> Coro<> { co_await t; }(reading));
        EXPECT_TRUE(is_cancelled(error));
        pipe.write("90");
        pipe.end();
        std::string all = co_await file.read();
        EXPECT_TRUE(all == "1234567890" || all == "1234590") << all;
        co_await file.close();
    });
}

TEST_P(FileFaults, CloseWaitsForWhatIsUnderWay) {
    const std::string bytes = different_bytes(500'000);
    const std::string path = folder.put("a", bytes);
    run([&]() -> Coro<> {
        auto file = co_await asyncio::open(path);
        std::string into(bytes.size(), '\0');
        auto reading = create_task(file.pread_into(into, 0));
        auto next = create_task(file.read(10));
        auto closing = create_task(file.close());
        auto late = create_task(file.read(10));
        co_await closing;
        EXPECT_TRUE(reading.done() && next.done());
        EXPECT_TRUE(into == bytes);
        EXPECT_EQ(next.result(), bytes.substr(0, 10));
        std::exception_ptr error = co_await error_of([](Task<std::string> t) -> Coro<> { co_await t; }(late));
        EXPECT_EQ(describe(error), "ValueError: read '" + path + "': I/O operation on closed file");
    });
}

TEST_P(FileFaults, ACancelDoesNotKeepAFileFromBeingClosed) {
    const std::string path = folder / "a";
    run([&]() -> Coro<> {
        auto file = co_await asyncio::open(path, "w");
        co_await file.write("content");
        const int descriptor = file.fileno();
        auto closing = create_task(file.close());
        closing.cancel();  // before it begins: then it never does
        co_await error_of([](Task<> t) -> Coro<> { co_await t; }(closing));
        EXPECT_FALSE(file.closed());
        auto again = create_task(file.close());
        co_await sleep(0s);
        again.cancel();
        std::exception_ptr error = co_await error_of([](Task<> t) -> Coro<> { co_await t; }(again));
        EXPECT_TRUE(is_cancelled(error));
        EXPECT_TRUE(file.closed());
        EXPECT_EQ(::fcntl(descriptor, F_GETFD), -1);
        EXPECT_EQ(content_of(path), "content");
    });
}

TEST_P(FileFaults, CloseWritesWhatIsBufferedAlsoWithoutThreads) {
    const std::string path = folder / "a";
    run([&]() -> Coro<> {
        auto file = co_await asyncio::open(path, "w");
        co_await file.write("content");
        auto full = co_await asyncio::open("/dev/full", "w");
        co_await full.write("content");
        co_await get_running_loop().shutdown_default_executor();
        co_await file.close();
        EXPECT_EQ(content_of(path), "content");
        std::string text = co_await text_of<OSError>(full.close());
        EXPECT_EQ(text, "write '/dev/full': No space left on device [Errno 28]");
    });
}

TEST_P(FileFaults, CloseWritesWhatIsBufferedAlsoWithoutMemory) {
    if (!AllocationFailure::works()) GTEST_SKIP() << "nothing is refused here";
    const std::string path = folder / "a";
    for (long at = 1; at < 50; ++at) {
        bool happened = false;
        run([&]() -> Coro<> {
            auto file = co_await asyncio::open(path, "w");
            co_await file.write("content");
            auto closing = file.close();
            std::exception_ptr error;
            {
                const AllocationFailure failure(at);
                try {
                    co_await std::move(closing);
                } catch (...) {
                    error = std::current_exception();
                }
                happened = failure.happened();
            }
            // Without a frame to close with, dropping does it.
            EXPECT_TRUE(error == nullptr || exception_cast<std::bad_alloc>(error) != nullptr);
        });
        EXPECT_EQ(content_of(path), "content") << at;
        if (!happened) break;
    }
}

TEST_P(FileFaults, AnErrorOfACloseThatIsCancelledIsReported) {
    std::string reported;
    run([&]() -> Coro<> {
        get_running_loop().set_exception_handler([&](EventLoop&, const ExceptionContext& context) {
            reported += context.message + ": " + describe(context.exception);
        });
        auto file = co_await asyncio::open("/dev/full", "w");
        co_await file.write("x");
        auto closing = create_task(file.close());
        co_await sleep(0s);
        closing.cancel();
        std::exception_ptr error = co_await error_of([](Task<> t) -> Coro<> { co_await t; }(closing));
        EXPECT_TRUE(is_cancelled(error));
        EXPECT_TRUE(file.closed());
    });
    EXPECT_EQ(
        reported,
        "a file could not be closed well, and its task was cancelled: OSError: write '/dev/full': No space "
        "left on device [Errno 28]");
}

/// What a task that is cancelled meanwhile ends with.
Coro<std::string> end_of_cancelled(Coro<> operation) {
    auto task = create_task(std::move(operation));
    co_await sleep(0s);
    task.cancel();
    std::exception_ptr error = co_await error_of([](Task<> t) -> Coro<> { co_await t; }(task));
    co_return describe(error);
}

TEST_P(FileFaults, ACancelHidesNoError) {
    const std::string path = folder / "there";
    EXPECT_EQ(::mkdir(path.c_str(), 0700), 0);
    run([&]() -> Coro<> {
        Pipe pipe;
        auto in = co_await asyncio::open(pipe.ends[0]);
        auto out = co_await asyncio::open(std::exchange(pipe.ends[1], -1), "w");
        const auto truncated = [](File& file) -> Coro<> { co_await file.truncate(1); };
        // Of what the ring has not begun there is no error.
        const std::string other = backend() == Backend::io_uring ? "CancelledError" : "";
        const std::string invalid = " '" + out.name() + "': Invalid argument [Errno 22]";
        std::string end = co_await end_of_cancelled(out.fsync());
        EXPECT_TRUE(end == "OSError: fsync" + invalid || end == other) << end;
        end = co_await end_of_cancelled(out.fdatasync());
        EXPECT_TRUE(end == "OSError: fdatasync" + invalid || end == other) << end;
        end = co_await end_of_cancelled(truncated(out));
        EXPECT_TRUE(end == "OSError: truncate" + invalid || end == other) << end;
        end = co_await end_of_cancelled(os::mkdir(path));
        EXPECT_TRUE(end == "FileExistsError: mkdir '" + path + "': File exists [Errno 17]" || end == other)
            << end;
        co_await out.close();
        co_await in.close();
    });
}

TEST_P(FileFaults, ALoopThatClosesWaitsForWhatIsUnderWay) {
    const std::string path = folder / "a";
    bool cancelled = false;
    const auto writer = [&](File file) -> Coro<> {
        const std::string much(1 << 20, 'm');
        try {
            for (;;) co_await file.write(much);
        } catch (const CancelledError&) {
            cancelled = true;
        }
        co_await file.close();
    };
    const auto begin = [&]() -> Coro<> {
        auto file = co_await asyncio::open(path, "w");
        create_task(writer, std::move(file));
        for (int i = 0; i < 20; ++i) co_await sleep(0s);
    };
    EventLoop loop({.backend = backend()});
    loop.run_until_complete(begin());
    loop.close();
    EXPECT_TRUE(cancelled);
    EXPECT_EQ(std::filesystem::file_size(path) % 4096, 0u);
}

TEST_P(FileFaults, NoMemoryIsAnErrorLikeOthers) {
    if (!AllocationFailure::works()) GTEST_SKIP();
    const std::string path = folder.put("a", "one\ntwo\n");
    const auto use = [&]() -> Coro<> {
        auto file = co_await asyncio::open(path, "r+");
        std::string line = co_await file.readline();
        EXPECT_EQ(line, "one\n");
        co_await file.write("two\n");
        std::string rest = co_await file.read();
        EXPECT_EQ(rest, "");
        co_await file.close();
    };
    for (long at = 1;; ++at) {
        bool happened = false;
        run([&]() -> Coro<> {
            co_await use();  // once, so that threads and the like are there
            const AllocationFailure failure(at);
            std::exception_ptr error;
            try {
                co_await use();
            } catch (...) {
                error = std::current_exception();
            }
            happened = failure.happened();
            EXPECT_TRUE(error == nullptr || exception_cast<std::bad_alloc>(error) != nullptr)
                << describe(error);
        });
        EXPECT_EQ(content_of(path), "one\ntwo\n");
        if (!happened || at > 200) break;
    }
}

}}  // namespace asyncio::test
