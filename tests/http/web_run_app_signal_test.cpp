// A signal handler of run_app that is slower than the end of run_app.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <optional>
#include <thread>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "http/web_support.hpp"

namespace asyncio::test { namespace {

using namespace std::chrono_literals;

/// A thread that does nothing but take signals, and is held at its next write(2): the kernel asks this
/// process first (seccomp_unotify(2); that the call may then go on, since Linux 5.5).
class HeldThread {
  public:
    HeldThread()
        : thread_([this] {
              listener_ = hold_writes_of_this_thread();
              started_ = true;
              while (!ended_) std::this_thread::sleep_for(1ms);
          }) {
        while (!started_) std::this_thread::yield();
    }
    HeldThread(const HeldThread&) = delete;
    HeldThread& operator=(const HeldThread&) = delete;
    ~HeldThread() {
        ended_ = true;
        thread_.join();
        if (listener_ >= 0) ::close(listener_);
    }

    bool works() const noexcept { return listener_ >= 0; }
    void signal(int number) { ::pthread_kill(thread_.native_handle(), number); }
    /// Returns when the thread has come to a write.
    void wait_until_held() {
        seccomp_notif asked{};
        EXPECT_EQ(::ioctl(listener_, SECCOMP_IOCTL_NOTIF_RECV, &asked), 0);
        held_ = asked.id;
    }
    void let_go() const {
        seccomp_notif_resp answer{};
        answer.id = held_;
        answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
        EXPECT_EQ(::ioctl(listener_, SECCOMP_IOCTL_NOTIF_SEND, &answer), 0);
    }

  private:
    static int hold_writes_of_this_thread() noexcept {
        std::array<sock_filter, 4> code{{
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 0, 1),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        }};
        const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
        if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
        return static_cast<int>(
            ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
    }

    std::atomic<int> listener_{-1};
    std::atomic<bool> started_{false};
    std::atomic<bool> ended_{false};
    std::uint64_t held_ = 0;
    std::thread thread_;
};

/// Sockets that take the numbers of descriptors that have just been closed.
class Squatters {
  public:
    Squatters() {
        for (auto& pair : pairs_)
            EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()), 0);
    }
    Squatters(const Squatters&) = delete;
    Squatters& operator=(const Squatters&) = delete;
    ~Squatters() {
        for (const auto& pair : pairs_) {
            for (const int each : pair) ::close(each);
        }
    }
    /// Somebody has written into one of them.
    bool were_taken_for_another() const {
        char byte = 0;
        for (const auto& pair : pairs_) {
            for (const int each : pair) {
                if (::recv(each, &byte, 1, MSG_DONTWAIT) == 1) return true;
            }
        }
        return false;
    }

  private:
    std::array<std::array<int, 2>, 32> pairs_{};
};

class RunAppSignal : public LoopTest {};

// Another thread's handler has taken the pipe and is held before it writes; then run_app ends for another
// reason. Should it not wait for the handler, the pipe's number is somebody else's by the time of the write.
TEST_F(RunAppSignal, AHandlerThatIsSlowWritesIntoNobodyElsesFile) {
    static std::optional<HeldThread> held;
    held.emplace();
    if (!held->works()) {
        held.reset();
        GTEST_SKIP() << "no seccomp_unotify here";
    }
    std::atomic<bool> returned{false};
    std::thread patient;
    static std::thread* helper;
    static std::atomic<bool>* run_app_has_returned;
    helper = &patient;
    run_app_has_returned = &returned;
    web::Application app;
    EXPECT_THROW(web::run_app(app, {.host = "127.0.0.1",
                                    .port = 0,
                                    .on_started =
                                        [](const web::Site&) {
                                            held->signal(SIGTERM);
                                            held->wait_until_held();
                                            *helper = std::thread([] {
                                                for (int i = 0; i < 100 && !*run_app_has_returned; ++i)
                                                    std::this_thread::sleep_for(1ms);
                                                held->let_go();
                                            });
                                            throw ValueError("the end");
                                        }}),
                 ValueError);
    const Squatters squatters;
    returned = true;
    patient.join();
    held.reset();
    EXPECT_FALSE(squatters.were_taken_for_another());
}

}}  // namespace asyncio::test
