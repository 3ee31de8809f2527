// Operations of kind `file`: what a backend takes it does as the system call would, and a cancel waits for
// the kernel.
#include <fcntl.h>
#include <stdlib.h>

#include "backend_fixture.hpp"

namespace asyncio::backend_test {

using detail::FileRequest;
using detail::FileVerb;

/// A call that remembers how it ended.
struct Call : Op {
    explicit Call(FileVerb verb) : Op(OperationKind::file), request(verb) { file = &request; }
    FileRequest request;
};

class BackendFile : public BackendTest {
  protected:
    void SetUp() override {
        BackendTest::SetUp();
        if (backend_ == nullptr) return;
        if (!backend_->takes(FileVerb::read)) GTEST_SKIP() << "threads make these calls here";
    }
    /// A file without a name.
    static Fd scratch(std::string_view content) {
        char name[] = "/tmp/asyncio-backend-XXXXXX";
        Fd fd(::mkostemp(name, O_CLOEXEC));
        ::unlink(name);
        EXPECT_EQ(::write(fd.get(), content.data(), content.size()), static_cast<ssize_t>(content.size()));
        return fd;
    }
    static void aim(Call& call, int fd, void* buffer, std::size_t bytes, std::int64_t offset) {
        call.request.descriptor = fd;
        call.request.buffer = buffer;
        call.request.bytes = bytes;
        call.request.offset = offset;
    }
};
INSTANTIATE_TEST_SUITE_P(Each, BackendFile, testing::ValuesIn(variants), name_of);

TEST_P(BackendFile, ReadsAndWritesAtAnOffset) {
    const Fd fd = scratch("0123456789");
    char buffer[4] = {};
    Call read(FileVerb::read);
    aim(read, fd.get(), buffer, 4, 3);
    EXPECT_EQ(run(read), 4);
    EXPECT_EQ(std::string_view(buffer, 4), "3456");
    Call write(FileVerb::write);
    aim(write, fd.get(), buffer, 4, 8);
    EXPECT_EQ(run(write), 4);
    Call again(FileVerb::read);
    aim(again, fd.get(), buffer, 4, 10);
    EXPECT_EQ(run(again), 2);
    EXPECT_EQ(std::string_view(buffer, 2), "56");
    EXPECT_EQ(again.calls + again.at_once, 1);
}

TEST_P(BackendFile, TheDescriptorsOwnPositionIsUsedOnDemand) {
    const Fd fd = scratch("0123456789");
    EXPECT_EQ(::lseek(fd.get(), 2, SEEK_SET), 2);
    char buffer[4] = {};
    Call read(FileVerb::read);
    aim(read, fd.get(), buffer, 4, -1);
    EXPECT_EQ(run(read), 4);
    EXPECT_EQ(std::string_view(buffer, 4), "2345");
    EXPECT_EQ(::lseek(fd.get(), 0, SEEK_CUR), 6);
}

TEST_P(BackendFile, ErrorsAreErrnoValues) {
    char buffer[4];
    Call read(FileVerb::read);
    aim(read, 9999, buffer, 4, 0);
    EXPECT_EQ(run(read), -EBADF);
    Call open(FileVerb::open);
    open.request.path = "/nowhere/at/all";
    EXPECT_EQ(run(open), -ENOENT);
}

TEST_P(BackendFile, MoreThanTheQueuesHoldAreAllMade) {
    const Fd fd = scratch("0123456789");
    std::vector<std::unique_ptr<Call>> reads;
    char buffers[100];
    for (int i = 0; i < 100; ++i) {
        reads.push_back(std::make_unique<Call>(FileVerb::read));
        aim(*reads.back(), fd.get(), &buffers[i], 1, i % 10);
        start(*reads.back());
    }
    EXPECT_TRUE(poll_until([&] { return backend_->in_flight() == 0; }));
    for (int i = 0; i < 100; ++i) {
        EXPECT_EQ(reads[static_cast<std::size_t>(i)]->result, 1);
        EXPECT_EQ(buffers[i], '0' + i % 10);
    }
}

TEST_P(BackendFile, ACancelledReadOfAnEmptyPipeEndsAndTakesNothing) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const Fd out(ends[0]);
    const Fd in(ends[1]);
    char buffer[4] = {};
    Call read(FileVerb::read);
    aim(read, out.get(), buffer, 4, -1);
    start(read);
    settle();
    EXPECT_TRUE(read.held && !read.ended);
    cancel(read);
    EXPECT_EQ(finish(read), -ECANCELED);
    EXPECT_EQ(::write(in.get(), "late", 4), 4);
    settle();
    EXPECT_EQ(buffer[0], 0);
    Call again(FileVerb::read);
    aim(again, out.get(), buffer, 4, -1);
    EXPECT_EQ(run(again), 4);
}

}  // namespace asyncio::backend_test
