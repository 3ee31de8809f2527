// Kernels and containers that refuse something. A seccomp filter holds for one thread, so each test has one
// of its own.
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <initializer_list>
#include <thread>

#include "asyncio/base/error.hpp"
#include "asyncio/core/event_loop.hpp"
#include "backend_fixture.hpp"

namespace asyncio::backend_test {

namespace {

// From now on the thread's `calls` fail with `error`. False: filters are not to be had here.
bool refuse(std::initializer_list<long> calls, int error) {
    std::vector<sock_filter> program;
    program.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
    for (long call : calls) {
        program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call), 0, 1));
        program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error)));
    }
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

bool io_uring_works() {
    Fd wake(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    std::string_view reason;
    return detail::make_io_uring_backend(wake.get(), detail::BackendOptions(), reason) != nullptr;
}

// Makes a backend on a thread where `calls` fail; what was said when there was none.
template <class Make, class Then>
void on_refusing_thread(std::initializer_list<long> calls, int error, Make make, Then then) {
    std::thread([&] {
        if (!refuse(calls, error)) GTEST_SKIP() << "no seccomp filters here";
        Fd wake(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
        std::string_view reason;
        auto backend = make(wake.get(), reason);
        then(backend.get(), reason);
    }).join();
}

std::unique_ptr<KernelBackend> make_probed_ring(int wake, std::string_view& reason) {
    return detail::make_limited_io_uring_backend(wake, detail::BackendOptions(), detail::RingLimits(),
                                                 reason);
}

std::unique_ptr<KernelBackend> make_epoll(int wake, std::string_view& reason) {
    return detail::make_epoll_backend(wake, detail::BackendOptions(), reason);
}

}  // namespace

TEST(BackendRefusal, ForbiddenIoUringIsNamed) {
    if (!io_uring_works()) GTEST_SKIP() << "io_uring does not work here";
    on_refusing_thread({SYS_io_uring_setup}, EPERM, make_probed_ring,
                       [](KernelBackend* backend, std::string_view reason) {
                           EXPECT_EQ(backend, nullptr);
                           EXPECT_NE(reason.find("seccomp"), std::string_view::npos) << reason;
                       });
    on_refusing_thread({SYS_io_uring_setup}, ENOSYS, make_probed_ring,
                       [](KernelBackend* backend, std::string_view reason) {
                           EXPECT_EQ(backend, nullptr);
                           EXPECT_EQ(reason, "this kernel has no io_uring");
                       });
}

TEST(BackendRefusal, ARingThatCanBeMadeButNotEnteredIsRefused) {
    if (!io_uring_works()) GTEST_SKIP() << "io_uring does not work here";
    for (int error : {EPERM, ENOSYS}) {
        on_refusing_thread(
            {SYS_io_uring_enter}, error, make_probed_ring,
            [](KernelBackend* backend, std::string_view reason) {
                EXPECT_EQ(backend, nullptr);
                EXPECT_NE(reason.find("can be set up but does not work"), std::string_view::npos) << reason;
            });
    }
}

TEST(BackendRefusal, ForbiddenEpollIsNamed) {
    on_refusing_thread({SYS_epoll_create1}, EPERM, make_epoll,
                       [](KernelBackend* backend, std::string_view reason) {
                           EXPECT_EQ(backend, nullptr);
                           EXPECT_EQ(reason, "epoll_create1 was refused");
                       });
}

TEST(BackendRefusal, WithoutDescriptorsTheirLimitIsNamedInsteadOfAnotherBackend) {
    const auto make_loop = [](int, std::string_view&) -> std::unique_ptr<KernelBackend> {
        std::string text;
        try {
            EventLoop loop({.backend = Backend::epoll});
        } catch (const RuntimeError& error) {
            text = error.what();
        }
        EXPECT_NE(text.find("no descriptor is left"), std::string::npos) << text;
        EXPECT_NE(text.find("raise the limit of open files (ulimit -n)"), std::string::npos) << text;
        EXPECT_EQ(text.find("ASYNCIO_BACKEND"), std::string::npos) << text;
        return nullptr;
    };
    on_refusing_thread({SYS_epoll_create1}, EMFILE, make_loop, [](KernelBackend*, std::string_view) {});
}

TEST(BackendRefusal, WithoutEpollPwait2DeadlinesAreRoundedUpAndNeverEarly) {
    for (int error : {ENOSYS, EPERM}) {
        on_refusing_thread(
            {SYS_epoll_pwait2}, error, make_epoll, [](KernelBackend* backend, std::string_view) {
                ASSERT_NE(backend, nullptr);
                backend->enter_thread();
                for (std::uint64_t wait :
                     {std::uint64_t{1}, std::uint64_t{1'000}, 700'000 * std::uint64_t{1}, 3 * ms}) {
                    const std::uint64_t deadline = backend->now() + wait;
                    backend->poll(deadline);
                    EXPECT_GE(backend->now(), deadline);
                    EXPECT_LT(backend->now(), deadline + 2'000 * ms);
                }
            });
    }
}

TEST(BackendRefusal, ManyRingsInARowLeaveNothingBehind) {
    if (!io_uring_works()) GTEST_SKIP() << "io_uring does not work here";
    for (int i = 0; i < 200; ++i) {
        Fd wake(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
        std::string_view reason;
        auto backend = detail::make_io_uring_backend(wake.get(), detail::BackendOptions(), reason);
        ASSERT_NE(backend, nullptr) << reason;
        if (i % 2) {
            // Run by another thread than the one that made it.
            std::thread([&] {
                backend->enter_thread();
                const std::uint64_t deadline = backend->now() + 1'000;
                backend->poll(deadline);
                EXPECT_GE(backend->now(), deadline);
            }).join();
        }
    }
}

TEST(BackendRefusal, AnIoUringWithoutDescriptorsSaysSoAndWorksLater) {
    if (!io_uring_works()) GTEST_SKIP() << "io_uring does not work here";
    Fd wake(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    std::vector<Fd> used;
    for (int fd = ::dup(wake.get()); fd >= 0; fd = ::dup(wake.get())) used.emplace_back(fd);
    std::string_view reason;
    EXPECT_EQ(detail::make_io_uring_backend(wake.get(), detail::BackendOptions(), reason), nullptr);
    const std::string said(reason);
    EXPECT_EQ(detail::make_epoll_backend(wake.get(), detail::BackendOptions(), reason), nullptr);
    const std::string said_by_epoll(reason);
    used.clear();
    EXPECT_NE(said.find("descriptor"), std::string::npos) << said;
    EXPECT_NE(said_by_epoll.find("descriptor"), std::string::npos) << said_by_epoll;
    EXPECT_NE(detail::make_io_uring_backend(wake.get(), detail::BackendOptions(), reason), nullptr);
}

}  // namespace asyncio::backend_test
