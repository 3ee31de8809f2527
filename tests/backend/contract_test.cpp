// The contract of core/backend.hpp, rule by rule, against each backend, with no loop above it.
#include "backend_fixture.hpp"
#include "support/alloc_failure.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <thread>

namespace asyncio::backend_test {

class BackendContract : public BackendTest {};
INSTANTIATE_TEST_SUITE_P(Each, BackendContract, testing::ValuesIn(variants), name_of);

TEST_P(BackendContract, WhatOneEndSendsTheOtherReceives) {
    auto [a, b] = tcp_pair();
    EXPECT_EQ(send(a, "hello"), 5);
    EXPECT_EQ(receive(b), "hello");
    close(a);
    close(b);
}

TEST_P(BackendContract, SaysWhichKindItIs) { EXPECT_EQ(backend_->kind(), GetParam().kind); }

// Rule 1.
TEST_P(BackendContract, CompleteIsCalledOnceAndOnlyFromWithinPoll) {
    auto [a, b] = socket_pair();
    Receive op(b);
    start(op);
    EXPECT_FALSE(op.at_once);
    EXPECT_EQ(backend_->in_flight(), 1u);
    EXPECT_EQ(::write(a, "x", 1), 1);
    EXPECT_EQ(op.calls, 0);
    EXPECT_EQ(finish(op), 1);
    settle();
    EXPECT_EQ(op.calls, 1);
    EXPECT_FALSE(op.held);
    EXPECT_EQ(backend_->in_flight(), 0u);
    close(a);
    close(b);
}

TEST_P(BackendContract, AnOperationMayBeSubmittedAgainFromItsOwnComplete) {
    auto [a, b] = socket_pair();
    Receive op(b, 1);
    std::string all;
    op.then = [&](Op& self) {
        all += self.bytes_got;
        if (all.size() < 5) start(self);
    };
    start(op);
    EXPECT_EQ(::write(a, "abcde", 5), 5);
    EXPECT_TRUE(poll_until([&] { return all.size() == 5; }));
    EXPECT_EQ(all, "abcde");
    close(a);
    close(b);
}

TEST_P(BackendContract, BytesAreValidInsideCompleteEvenIfManyReceivesEndTogether) {
    std::vector<std::pair<int, int>> pairs;
    std::vector<std::unique_ptr<Receive>> ops;
    for (int i = 0; i < 100; ++i) {
        pairs.push_back(socket_pair());
        ops.push_back(std::make_unique<Receive>(pairs.back().second));
        start(*ops.back());
    }
    std::vector<std::string> texts;
    for (int i = 0; i < 100; ++i) {
        texts.push_back("number " + std::to_string(i) + std::string(static_cast<std::size_t>(i) * 50, '.'));
        ASSERT_EQ(::write(pairs[i].first, texts[i].data(), texts[i].size()),
                  static_cast<ssize_t>(texts[i].size()));
    }
    for (int i = 0; i < 100; ++i) {
        finish(*ops[i]);
        EXPECT_EQ(ops[i]->bytes_got, texts[i]);
        EXPECT_EQ(ops[i]->calls, 1);
    }
    for (auto [a, b] : pairs) close(a), close(b);
}

// Rule 2 and 3.
TEST_P(BackendContract, ACancelledReceiveEndsOnceAndTakesNothing) {
    auto [a, b] = tcp_pair();
    Receive op(b);
    start(op);
    settle();
    cancel(op);
    EXPECT_EQ(finish(op), -ECANCELED);
    EXPECT_EQ(backend_->in_flight(), 0u);
    EXPECT_EQ(send(a, "later"), 5);
    EXPECT_EQ(receive(b), "later");
    EXPECT_LE(op.calls, 1);
    close(a);
    close(b);
}

TEST_P(BackendContract, ACancelBeforeTheKernelHasHeardOfTheOperationEndsIt) {
    auto [a, b] = tcp_pair();
    Receive op(b);
    start(op);
    cancel(op);
    EXPECT_EQ(finish(op), -ECANCELED);
    start(op);
    EXPECT_EQ(send(a, "x"), 1);
    EXPECT_EQ(finish(op), 1);
    close(a);
    close(b);
}

TEST_P(BackendContract, ACancelThatComesTooLateLosesNothing) {
    auto [a, b] = tcp_pair();
    for (int i = 0; i < 200; ++i) {
        Receive op(b);
        start(op);
        if (i % 2) settle();
        EXPECT_EQ(send(a, "x"), 1);
        if (op.held) cancel(op);
        finish(op);
        if (op.result == -ECANCELED) {
            EXPECT_EQ(receive(b), "x");
        } else {
            EXPECT_EQ(op.result, 1);
            EXPECT_EQ(op.bytes_got, "x");
        }
    }
    close(a);
    close(b);
}

TEST_P(BackendContract, EveryKindOfOperationCanBeCancelled) {
    auto [listening, address] = listener();
    auto [a, b] = socket_pair();
    while (::write(a, std::string(65536, 'x').data(), 65536) > 0) {}
    Accept accept(listening);
    Receive nothing(a);
    Readable readable(b);
    Writable writable(a);
    start(accept);
    start(nothing);
    start(writable);
    settle();
    for (Op* op : {static_cast<Op*>(&accept), static_cast<Op*>(&nothing), static_cast<Op*>(&writable)}) {
        ASSERT_TRUE(op->held);
        cancel(*op);
        EXPECT_EQ(finish(*op), -ECANCELED);
    }
    Send full(a, "more");
    start(full);
    settle();
    ASSERT_TRUE(full.held);
    cancel(full);
    EXPECT_EQ(finish(full), -ECANCELED);
    close(listening);
    close(a);
    close(b);
}

TEST_P(BackendContract, AConnectCanBeCancelled) {
    // A listener whose backlog is full leaves the next SYN unanswered.
    auto [listening, address] = listener(AF_INET, 0);
    std::vector<int> fill;
    std::vector<std::unique_ptr<Connect>> connects;
    for (int i = 0; i < 8; ++i) {
        fill.push_back(tcp_socket());
        connects.push_back(std::make_unique<Connect>(fill.back(), address));
        start(*connects.back());
    }
    settle();
    int cancelled = 0;
    for (auto& connect : connects) {
        if (!connect->held) continue;
        cancel(*connect);
        cancelled += finish(*connect) == -ECANCELED;
    }
    EXPECT_GT(cancelled, 0);
    for (int fd : fill) close(fd);
    close(listening);
}

TEST_P(BackendContract, CancellingOneDirectionLeavesTheOther) {
    auto [a, b] = socket_pair();
    while (::write(a, std::string(65536, 'x').data(), 65536) > 0) {}
    Receive receiving(a);
    Send sending(a, "end");
    start(receiving);
    start(sending);
    settle();
    ASSERT_TRUE(receiving.held && sending.held);
    cancel(sending);
    EXPECT_EQ(finish(sending), -ECANCELED);
    EXPECT_TRUE(receiving.held);
    EXPECT_EQ(::write(b, "hi", 2), 2);
    EXPECT_EQ(finish(receiving), 2);
    close(a);
    close(b);
}

// Rule 4.
TEST_P(BackendContract, CompleteMayCancelAnotherOperationWhoseEventIsInTheSameBatch) {
    auto [a, b] = socket_pair();
    auto [c, d] = socket_pair();
    Receive first(b), second(d);
    const auto cancel_other = [&](Op& other) {
        if (other.held) cancel(other);
    };
    first.then = [&](Op&) { cancel_other(second); };
    second.then = [&](Op&) { cancel_other(first); };
    start(first);
    start(second);
    settle();
    EXPECT_EQ(::write(a, "1", 1), 1);
    EXPECT_EQ(::write(c, "2", 1), 1);
    EXPECT_TRUE(poll_until([&] { return first.ended && second.ended; }));
    EXPECT_TRUE(first.result == 1 || second.result == 1);
    for (auto [op, fd, text] : {std::tuple<Op*, int, const char*>{&first, b, "1"}, {&second, d, "2"}}) {
        EXPECT_EQ(op->result == 1 ? op->bytes_got : receive(fd), text);
    }
    for (int fd : {a, b, c, d}) close(fd);
}

// Rules 4 and 7: a number that is closed and given out again while events for it are still in the batch.
TEST_P(BackendContract, ADescriptorClosedInsideABatchIsNotMistakenForTheNextOneOfItsNumber) {
    for (int round = 0; round < 50; ++round) {
        auto [a, b] = socket_pair();
        auto [c, d] = socket_pair();
        Receive first(b), second(d);
        int reused = -1, reused_peer = -1;
        std::unique_ptr<Receive> fresh;
        const auto replace = [&](Op& other, int fd) {
            if (fresh) return;
            if (other.held) cancel(other);
            if (other.held) return;  // it ends later; its descriptor may not be closed before
            close(fd);
            int fds[2];
            ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
            reused = fds[0];
            reused_peer = fds[1];
            EXPECT_EQ(reused, fd);
            fresh = std::make_unique<Receive>(reused);
            start(*fresh);
        };
        bool closed_b = false, closed_d = false;
        first.then = [&](Op&) {
            if (!fresh) replace(second, d), closed_d = fresh != nullptr;
        };
        second.then = [&](Op& self) {
            if (self.result > 0 && !fresh) replace(first, b), closed_b = fresh != nullptr;
        };
        start(first);
        start(second);
        settle();
        EXPECT_EQ(::write(a, "1", 1), 1);
        EXPECT_EQ(::write(c, "2", 1), 1);
        EXPECT_TRUE(poll_until([&] { return first.ended && second.ended; }));
        if (fresh) {
            settle();
            EXPECT_TRUE(fresh->held) << "an event of the old descriptor ended the new one's operation";
            EXPECT_EQ(::write(reused_peer, "new", 3), 3);
            EXPECT_EQ(finish(*fresh), 3);
            EXPECT_EQ(fresh->bytes_got, "new");
            close(reused);
            close(reused_peer);
        }
        close(a);
        close(c);
        if (!closed_b) close(b);
        if (!closed_d) close(d);
    }
}

TEST_P(BackendContract, ANumberThatIsUsedAgainStartsAfresh) {
    for (int round = 0; round < 20; ++round) {
        auto [a, b] = tcp_pair();
        Receive op(b);
        start(op);
        settle();
        EXPECT_EQ(send(a, "to be forgotten"), 15);
        EXPECT_EQ(finish(op), 15);
        ::shutdown(a, SHUT_WR);
        settle();
        close(b);
        auto [c, d] = socket_pair();
        EXPECT_EQ(::write(d, "c", 1), 1);
        EXPECT_EQ(receive(c), "c");
        EXPECT_EQ(::write(c, "d", 1), 1);
        EXPECT_EQ(receive(d), "d");
        for (int fd : {a, c, d}) close(fd);
    }
}

TEST_P(BackendContract, ADescriptorIsReallyClosed) {
    auto [a, b] = socket_pair();
    Receive op(b);
    start(op);
    settle();
    cancel(op);
    finish(op);
    close(b);
    EXPECT_EQ(::fcntl(b, F_GETFD), -1);
    char byte;
    EXPECT_EQ(::read(a, &byte, 1), 0) << "something still holds the other end open";
    close(a);
}

// The old descriptor's event said "writable" too; the new one, which has its number, is not.
TEST_P(BackendContract, OneEventForBothDirectionsDoesNotReachADescriptorThatReplacedItsOwnInBetween) {
    auto [a, b] = socket_pair();
    while (::send(b, "fill", 4, MSG_DONTWAIT) > 0) {}
    Send full(b, "x");
    start(full);  // from now on writing is watched as well
    settle();
    cancel(full);
    finish(full);
    Receive op(b);
    int fresh = -1, peer = -1;
    std::unique_ptr<Writable> waiting;
    op.then = [&](Op&) {
        close(b);
        std::tie(peer, fresh) = socket_pair();
        EXPECT_EQ(fresh, b);
        while (::send(fresh, "fill", 4, MSG_DONTWAIT) > 0) {}
        waiting = std::make_unique<Writable>(fresh);
        start(*waiting);
    };
    start(op);
    settle();
    close(a);
    finish(op);
    settle();
    EXPECT_TRUE(waiting->held) << "an event of the old descriptor ended the new one's operation";
    if (waiting->held) {
        cancel(*waiting);
        finish(*waiting);
    }
    close(fresh);
    close(peer);
}

// Rule 5.
TEST_P(BackendContract, PollNeverReturnsBeforeTheDeadlineWithoutNews) {
    for (std::uint64_t wait :
         {std::uint64_t{1}, 1000 * std::uint64_t{1}, 300'000 * std::uint64_t{1}, 2 * ms, 15 * ms}) {
        const std::uint64_t deadline = backend_->now() + wait;
        backend_->poll(deadline);
        const std::uint64_t now = backend_->now();
        EXPECT_GE(now, deadline);
        EXPECT_LT(now, deadline + 2'000 * ms);
    }
}

TEST_P(BackendContract, ADeadlineThatHasPassedDoesNotWait) {
    const std::uint64_t start = backend_->now();
    backend_->poll(1);
    backend_->poll(start - 1);
    backend_->poll(0);
    EXPECT_LT(backend_->now(), start + 1'000 * ms);
}

TEST_P(BackendContract, AnEventEndsTheWaitBeforeItsDeadline) {
    auto [a, b] = socket_pair();
    Receive op(b);
    start(op);
    EXPECT_EQ(::write(a, "x", 1), 1);
    const std::uint64_t begun = backend_->now();
    backend_->poll(begun + 20'000 * ms);
    EXPECT_TRUE(op.ended);
    EXPECT_LT(backend_->now(), begun + 10'000 * ms);
    close(a);
    close(b);
}

TEST_P(BackendContract, PollWithAnOperationInFlightStillObeysTheDeadline) {
    auto [a, b] = socket_pair();
    Receive op(b);
    start(op);
    const std::uint64_t deadline = backend_->now() + 5 * ms;
    backend_->poll(deadline);
    EXPECT_GE(backend_->now(), deadline);
    EXPECT_FALSE(op.ended);
    cancel(op);
    finish(op);
    close(a);
    close(b);
}

TEST_P(BackendContract, AnEventThatEndsNothingDoesNotShortenTheWait) {
    auto [a, b] = tcp_pair();
    Receive op(b);
    start(op);
    settle();
    cancel(op);
    finish(op);
    EXPECT_EQ(::send(a, "nobody reads", 12, 0), 12);
    for (int i = 0; i < 3; ++i) {
        const std::uint64_t deadline = backend_->now() + 3 * ms;
        backend_->poll(deadline);
        EXPECT_GE(backend_->now(), deadline);
    }
    EXPECT_EQ(receive(b), "nobody reads");
    close(a);
    close(b);
}

// Rule 6.
TEST_P(BackendContract, AWriteToTheWakeDescriptorEndsTheNextPollAndIsReadAway) {
    const std::uint64_t one = 1;
    for (int i = 0; i < 3; ++i) {
        ASSERT_EQ(::write(wake_.get(), &one, sizeof one), 8);
        backend_->poll(detail::no_deadline);
        std::uint64_t left;
        EXPECT_EQ(::read(wake_.get(), &left, sizeof left), -1) << "the wake descriptor was not read empty";
    }
    const std::uint64_t deadline = backend_->now() + 2 * ms;
    backend_->poll(deadline);
    EXPECT_GE(backend_->now(), deadline);
}

TEST_P(BackendContract, AWakeAmongMoreCompletionsThanTheQueueHoldsIsNotTheLast) {
    std::vector<std::pair<int, int>> pairs;
    std::vector<std::unique_ptr<Receive>> ops;
    const std::uint64_t one = 1;
    for (int i = 0; i < 30; ++i) {
        pairs.push_back(socket_pair());
        ops.push_back(std::make_unique<Receive>(pairs.back().second));
    }
    for (int round = 0; round < 5; ++round) {
        for (auto& op : ops) start(*op);
        settle();
        for (std::size_t i = 0; i < pairs.size(); ++i) {
            EXPECT_EQ(::write(pairs[i].first, "x", 1), 1);
            if (i % 3 == 0) {
                EXPECT_EQ(::write(wake_.get(), &one, sizeof one), 8);
            }
        }
        for (auto& op : ops) EXPECT_EQ(finish(*op), 1);
        settle();
        EXPECT_EQ(::write(wake_.get(), &one, sizeof one), 8);
        const std::uint64_t deadline = backend_->now() + 10'000 * ms;
        backend_->poll(deadline);
        ASSERT_LT(backend_->now(), deadline) << "the wake descriptor is not watched any more";
    }
    for (auto [a, b] : pairs) close(a), close(b);
}

TEST_P(BackendContract, AnotherThreadWakesThePollThatIsWaiting) {
    for (int i = 0; i < 50; ++i) {
        std::atomic<bool> written{false};
        std::thread other([&] {
            const std::uint64_t one = 1;
            written.store(true, std::memory_order_relaxed);
            EXPECT_EQ(::write(wake_.get(), &one, sizeof one), 8);
        });
        backend_->poll(detail::no_deadline);
        EXPECT_TRUE(written.load(std::memory_order_relaxed));
        other.join();
    }
}

TEST_P(BackendContract, WakesFromManyThreadsAreNeverLost) {
    constexpr int threads = 4, each = 2'000;
    std::atomic<int> posted{0};
    int seen = 0;
    std::vector<std::thread> others;
    for (int t = 0; t < threads; ++t) {
        others.emplace_back([&] {
            const std::uint64_t one = 1;
            for (int i = 0; i < each; ++i) {
                posted.fetch_add(1);
                EXPECT_EQ(::write(wake_.get(), &one, sizeof one), 8);
            }
        });
    }
    bool lost = false;
    while (seen < threads * each && !lost) {
        const std::uint64_t deadline = backend_->now() + 10'000 * ms;
        backend_->poll(deadline);
        seen = posted.load();
        lost = backend_->now() >= deadline;
    }
    EXPECT_FALSE(lost) << "poll slept although the wake descriptor was written";
    for (auto& other : others) other.join();
    settle();
}

namespace {
int signal_wake = -1;
void on_alarm(int) {
    const std::uint64_t one = 1;
    const int saved = errno;
    (void)!::write(signal_wake, &one, sizeof one);
    errno = saved;
}
void on_alarm_silent(int) {}

struct Alarm {
    explicit Alarm(void (*handler)(int), std::uint64_t after_ns, std::uint64_t interval_ns = 0) {
        struct sigaction action{};
        action.sa_handler = handler;
        ::sigaction(SIGALRM, &action, &before);
        itimerval timer{};
        timer.it_value.tv_usec = static_cast<suseconds_t>(after_ns / 1000);
        timer.it_interval.tv_usec = static_cast<suseconds_t>(interval_ns / 1000);
        ::setitimer(ITIMER_REAL, &timer, nullptr);
    }
    ~Alarm() {
        itimerval off{};
        ::setitimer(ITIMER_REAL, &off, nullptr);
        ::sigaction(SIGALRM, &before, nullptr);
    }
    struct sigaction before{};
};
}  // namespace

TEST_P(BackendContract, ASignalHandlerWakesThePollThatIsWaiting) {
    signal_wake = wake_.get();
    Alarm alarm(on_alarm, 3 * ms);
    backend_->poll(detail::no_deadline);
}

TEST_P(BackendContract, SignalsThatDoNotWakeDoNotShortenTheWait) {
    Alarm alarm(on_alarm_silent, 1 * ms, 1 * ms);
    const std::uint64_t deadline = backend_->now() + 25 * ms;
    backend_->poll(deadline);
    EXPECT_GE(backend_->now(), deadline);
}

TEST_P(BackendContract, AnOperationSurvivesSignals) {
    Alarm alarm(on_alarm_silent, 1 * ms, 1 * ms);
    auto [a, b] = tcp_pair();
    for (int i = 0; i < 50; ++i) {
        Receive op(b);
        start(op);
        backend_->poll(backend_->now() + ms / 2);
        EXPECT_EQ(send(a, "x"), 1);
        EXPECT_EQ(finish(op), 1);
    }
    close(a);
    close(b);
}

// Rule 9 and bad descriptors.
TEST_P(BackendContract, ABadDescriptorGivesEBADF) {
    const int never = 1'900'000'000;
    auto [a, b] = socket_pair();
    close(a);
    close(b);
    for (int fd : {-1, a, never}) {
        Accept accept(fd);
        Receive receiving(fd);
        Send sending(fd, "x");
        Readable readable(fd);
        Writable writable(fd);
        const Address nowhere = loopback(AF_INET, 1);
        Connect connect(fd, nowhere);
        for (Op* op :
             {static_cast<Op*>(&accept), static_cast<Op*>(&receiving), static_cast<Op*>(&sending),
              static_cast<Op*>(&readable), static_cast<Op*>(&writable), static_cast<Op*>(&connect)}) {
            EXPECT_EQ(run(*op), -EBADF) << static_cast<int>(op->kind) << " on " << fd;
        }
    }
}

TEST_P(BackendContract, WhatIsNoSocketGivesENOTSOCK) {
    int fds[2];
    ASSERT_EQ(::pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    Receive receiving(fds[0]);
    EXPECT_EQ(run(receiving), -ENOTSOCK);
    EXPECT_EQ(send(fds[1], "x"), -ENOTSOCK);
    close(fds[0]);
    close(fds[1]);
}

// Each allocation from the making of the backend to its last operation fails once.
TEST_P(BackendContract, WithoutMemoryAnOperationEndsWithENOMEMAndTheNextOneWorks) {
    auto [a, b] = socket_pair();
    const int high = ::fcntl(b, F_DUPFD_CLOEXEC, 3000);  // far outside of the first table
    ASSERT_GE(high, 3000);
    for (long at = 1;; ++at) {
        ASSERT_LT(at, 50);
        Fd wake(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
        std::string_view reason;
        test::AllocationFailure failure(at);
        std::unique_ptr<KernelBackend> backend = std::exchange(backend_, nullptr);
        std::swap(wake, wake_);
        backend_ = make(reason);
        const bool made = backend_ != nullptr;
        if (made) {
            backend_->enter_thread();
            Readable readable(a);
            Receive receiving(high);
            for (Op* op : {static_cast<Op*>(&readable), static_cast<Op*>(&receiving)}) {
                start(*op);
                if (op->at_once) {
                    EXPECT_EQ(op->result, -ENOMEM);
                    EXPECT_TRUE(failure.happened());
                    start(*op);
                }
                EXPECT_TRUE(op->held);
                settle();
                cancel(*op);
                EXPECT_EQ(finish(*op), -ECANCELED);
            }
        }
        const bool happened = failure.happened();
        failure.stop();
        if (!made) {
            EXPECT_TRUE(happened);
            EXPECT_NE(reason.find("no memory"), std::string_view::npos) << reason;
        }
        backend_ = std::move(backend);
        std::swap(wake, wake_);
        if (!happened) break;
    }
    ::close(high);
    close(a);
    close(b);
}

TEST_P(BackendContract, InFlightCountsWhatIsHeld) {
    std::vector<std::pair<int, int>> pairs;
    std::vector<std::unique_ptr<Receive>> ops;
    for (std::size_t i = 0; i < 10; ++i) {
        pairs.push_back(socket_pair());
        ops.push_back(std::make_unique<Receive>(pairs.back().second));
        start(*ops.back());
        EXPECT_EQ(backend_->in_flight(), i + 1);
    }
    EXPECT_EQ(::write(pairs[3].first, "x", 1), 1);
    finish(*ops[3]);
    EXPECT_EQ(backend_->in_flight(), 9u);
    for (auto& op : ops) {
        if (op->held) cancel(*op);
    }
    EXPECT_TRUE(poll_until([&] { return backend_->in_flight() == 0; }));
    for (auto [a, b] : pairs) close(a), close(b);
}

TEST_P(BackendContract, TheTimerSlackIsSetForTheThread) {
    std::thread([&] {
        std::string_view reason;
        detail::BackendOptions options;
        options.timer_slack_ns = 1'000;
        Fd wake(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
        auto backend = make(reason, options);
        ASSERT_TRUE(backend);
        backend->enter_thread();
        const std::uint64_t deadline = backend->now() + 2 * ms;
        backend->poll(deadline);
        EXPECT_GE(backend->now(), deadline);
        EXPECT_EQ(::prctl(PR_GET_TIMERSLACK), 1'000);
    }).join();
}

}  // namespace asyncio::backend_test
