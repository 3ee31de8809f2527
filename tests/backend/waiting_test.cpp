// wait_readable and wait_writable: descriptors of any kind, which their owners may close without telling us.
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "backend_fixture.hpp"

namespace asyncio::backend_test {

class BackendWaiting : public BackendTest {
  protected:
    std::pair<Fd, Fd> pipe() {
        int fds[2];
        EXPECT_EQ(::pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
        return {Fd(fds[0]), Fd(fds[1])};
    }
    static void fill(int fd) {
        const std::string block(4096, 'f');
        while (::write(fd, block.data(), block.size()) > 0) {}
    }
    static void drain(int fd) {
        char block[4096];
        while (::read(fd, block, sizeof block) > 0) {}
    }
    // Still waiting after all that the kernel has to say was heard.
    bool waits(Op& op) {
        settle();
        return op.held && !op.ended;
    }
};
INSTANTIATE_TEST_SUITE_P(Each, BackendWaiting, testing::ValuesIn(variants), name_of);

TEST_P(BackendWaiting, APipeBecomesReadableWhenItIsWrittenTo) {
    auto [out, in] = pipe();
    Readable op(out.get());
    start(op);
    EXPECT_TRUE(waits(op));
    EXPECT_EQ(::write(in.get(), "x", 1), 1);
    EXPECT_GT(finish(op), 0);
    EXPECT_EQ(op.calls + op.at_once, 1);
}

TEST_P(BackendWaiting, WhatIsReadyAlreadyEndsTheWait) {
    auto [out, in] = pipe();
    EXPECT_EQ(::write(in.get(), "x", 1), 1);
    for (int i = 0; i < 3; ++i) {  // nobody reads: level triggered
        Readable readable(out.get());
        EXPECT_GT(run(readable), 0);
        Writable writable(in.get());
        EXPECT_GT(run(writable), 0);
    }
}

TEST_P(BackendWaiting, TheSameDescriptorIsWaitedForAgainAndAgain) {
    auto [out, in] = pipe();
    for (int i = 0; i < 20; ++i) {
        Readable op(out.get());
        start(op);
        EXPECT_TRUE(waits(op));
        EXPECT_EQ(::write(in.get(), "x", 1), 1);
        EXPECT_GT(finish(op), 0);
        drain(out.get());
    }
}

TEST_P(BackendWaiting, AFullPipeBecomesWritableWhenItIsRead) {
    auto [out, in] = pipe();
    fill(in.get());
    Writable op(in.get());
    start(op);
    EXPECT_TRUE(waits(op));
    drain(out.get());
    EXPECT_GT(finish(op), 0);
}

TEST_P(BackendWaiting, AHangUpAndAnErrorEndTheWait) {
    {
        auto [out, in] = pipe();
        Readable op(out.get());
        start(op);
        EXPECT_TRUE(waits(op));
        in.reset();
        EXPECT_GT(finish(op), 0);
    }
    auto [out, in] = pipe();
    fill(in.get());
    Writable op(in.get());
    start(op);
    EXPECT_TRUE(waits(op));
    out.reset();
    EXPECT_GT(finish(op), 0);
}

TEST_P(BackendWaiting, EventfdsAndTimersCanBeWaitedFor) {
    Fd event(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    Readable on_event(event.get());
    start(on_event);
    EXPECT_TRUE(waits(on_event));
    const std::uint64_t one = 1;
    EXPECT_EQ(::write(event.get(), &one, sizeof one), 8);
    EXPECT_GT(finish(on_event), 0);

    Fd timer(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
    itimerspec soon{};
    soon.it_value.tv_nsec = 1'000'000;
    EXPECT_EQ(::timerfd_settime(timer.get(), 0, &soon, nullptr), 0);
    Readable on_timer(timer.get());
    EXPECT_GT(run(on_timer), 0);
}

TEST_P(BackendWaiting, AFileIsRefusedWithEPERM) {
    Fd file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    ASSERT_GE(file.get(), 0);
    Readable readable(file.get());
    EXPECT_EQ(run(readable), -EPERM);
    Writable writable(file.get());
    EXPECT_EQ(run(writable), -EPERM);
    Fd folder(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    Readable on_folder(folder.get());
    EXPECT_EQ(run(on_folder), -EPERM);
}

TEST_P(BackendWaiting, BothDirectionsOfOneDescriptorCanBeWaitedForAtOnce) {
    auto [a, b] = socket_pair();
    fill(a);
    Readable readable(a);
    Writable writable(a);
    start(readable);
    start(writable);
    EXPECT_TRUE(waits(readable));
    EXPECT_TRUE(waits(writable));
    EXPECT_EQ(::write(b, "x", 1), 1);
    EXPECT_GT(finish(readable), 0);
    EXPECT_TRUE(waits(writable)) << "the other direction must go on waiting";
    drain(b);
    EXPECT_GT(finish(writable), 0);

    drain(a);
    fill(a);
    start(writable);
    start(readable);
    EXPECT_TRUE(waits(writable));
    drain(b);
    EXPECT_GT(finish(writable), 0);
    EXPECT_TRUE(waits(readable));
    EXPECT_EQ(::write(b, "x", 1), 1);
    EXPECT_GT(finish(readable), 0);
    close(a);
    close(b);
}

TEST_P(BackendWaiting, ACancelledWaitIsForgotten) {
    auto [out, in] = pipe();
    for (int i = 0; i < 5; ++i) {
        Readable op(out.get());
        start(op);
        if (i % 2) settle();
        cancel(op);
        EXPECT_EQ(finish(op), -ECANCELED);
    }
    EXPECT_EQ(::write(in.get(), "x", 1), 1);
    settle();
    Readable op(out.get());
    EXPECT_GT(run(op), 0);
}

// The owner closes the descriptor between two waits and the number goes to something else, of another kind.
TEST_P(BackendWaiting, ANumberThatItsOwnerClosedAndReusedIsWaitedForAsNew) {
    for (int round = 0; round < 10; ++round) {
        auto [out, in] = pipe();
        const int number = out.get();
        Readable first(number);
        start(first);
        if (round % 2) {
            EXPECT_EQ(::write(in.get(), "x", 1), 1);
            EXPECT_GT(finish(first), 0);
        } else {
            settle();
            cancel(first);
            finish(first);
        }
        Fd keep;
        if (round % 3 == 0)
            keep = Fd(::dup(number));  // the old file lives on, and with it what the kernel knows of it
        out.reset();

        Fd event(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
        ASSERT_EQ(event.get(), number);
        Readable second(number);
        start(second);
        EXPECT_TRUE(waits(second));
        if (keep.get() >= 0) {
            EXPECT_EQ(::write(in.get(), "y", 1), 1);
        }
        EXPECT_TRUE(waits(second)) << "an event of the old file ended the wait for the new one";
        const std::uint64_t one = 1;
        EXPECT_EQ(::write(event.get(), &one, sizeof one), 8);
        EXPECT_GT(finish(second), 0);
    }
}

TEST_P(BackendWaiting, ANumberOnceWaitedForServesASocketOfOurs) {
    for (int round = 0; round < 5; ++round) {
        auto [out, in] = pipe();
        const int number = out.get();
        Readable first(number);
        start(first);
        settle();
        cancel(first);
        finish(first);
        out.reset();
        auto [a, b] = socket_pair();
        ASSERT_EQ(a, number);
        Receive receiving(a);
        start(receiving);
        settle();
        EXPECT_EQ(::write(b, "x", 1), 1);
        EXPECT_EQ(finish(receiving), 1);
        close(a);
        close(b);
        in.reset();
        // And back again.
        std::tie(out, in) = pipe();
        Readable again(out.get());
        start(again);
        EXPECT_TRUE(waits(again));
        EXPECT_EQ(::write(in.get(), "x", 1), 1);
        EXPECT_GT(finish(again), 0);
    }
}

TEST_P(BackendWaiting, ASocketOfOursCanBeWaitedForBetweenItsReceives) {
    auto [a, b] = tcp_pair();
    for (int round = 0; round < 5; ++round) {
        Receive receiving(b);
        start(receiving);
        settle();
        EXPECT_EQ(send(a, "x"), 1);
        EXPECT_EQ(finish(receiving), 1);

        Readable readable(b);
        start(readable);
        EXPECT_TRUE(waits(readable));
        EXPECT_EQ(send(a, "y"), 1);
        EXPECT_GT(finish(readable), 0);
        Readable still(b);
        EXPECT_GT(run(still), 0) << "nobody has read: it is still readable";
        EXPECT_EQ(receive(b), "y");
        Readable empty(b);
        start(empty);
        EXPECT_TRUE(waits(empty));
        cancel(empty);
        finish(empty);
        Writable writable(b);
        EXPECT_GT(run(writable), 0);
    }
    close(a);
    close(b);
}

TEST_P(BackendWaiting, AReadIsWaitedForWhileASendOfOursIsHeld) {
    auto [a, b] = socket_pair();
    fill(a);
    Readable readable(a);
    start(readable);
    EXPECT_TRUE(waits(readable));
    Send sending(a, "end");
    start(sending);
    EXPECT_TRUE(waits(readable));
    EXPECT_TRUE(sending.held);
    EXPECT_EQ(::write(b, "x", 1), 1);
    EXPECT_GT(finish(readable), 0);
    EXPECT_TRUE(sending.held);
    drain(b);
    EXPECT_EQ(finish(sending), 3);
    close(a);
    close(b);
}

TEST_P(BackendWaiting, TheDescriptorOfAnotherPollerCanBeWaitedFor) {
    Fd poller(::epoll_create1(EPOLL_CLOEXEC));
    auto [out, in] = pipe();
    epoll_event event{};
    event.events = EPOLLIN;
    ASSERT_EQ(::epoll_ctl(poller.get(), EPOLL_CTL_ADD, out.get(), &event), 0);
    Readable op(poller.get());
    start(op);
    EXPECT_TRUE(waits(op));
    EXPECT_EQ(::write(in.get(), "x", 1), 1);
    EXPECT_GT(finish(op), 0);
}

}  // namespace asyncio::backend_test
