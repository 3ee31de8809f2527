// How the end of a process is noticed, and its exit status collected.
//
// A pidfd (Linux 5.3) can be read when its process has ended: the loop waits for that as for anything else,
// and waitid(2) is asked for this process alone. Where pidfds are refused, SIGCHLD makes the loop look at
// each of them.
//
// The loop's part holds a Child from its start until its status was collected, whoever has dropped the
// Process meanwhile: so no zombie is left. A process that still runs when its loop closes runs on; it waits
// in a list of this program and is collected when the next one is started or another loop closes.
//
// Somebody else may collect a status first (waitpid(-1), or SIGCHLD ignored): then it is lost, and 255 as in
// Python, with a warning.
#include "process/child.hpp"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <mutex>

#include "asyncio/base/error.hpp"
#include "asyncio/core/event_loop.hpp"
#include "detail/warnings.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

bool pidfds_are_refused = false;

namespace {

constexpr int lost_status = 255;
constexpr int lost = INT_MIN;                        // no status that a process can have
constexpr auto by_pidfd = static_cast<idtype_t>(3);  // P_PIDFD, since Linux 5.4

int open_pidfd(int pid) noexcept {
#if defined(SYS_pidfd_open)
    if (!pidfds_are_refused) return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));  // close-on-exec
#endif
    static_cast<void>(pid);
    errno = ENOSYS;
    return -1;
}

/// What waitid says of a process, without waiting. False: it runs. `pidfd` may be -1.
bool ask(int pid, int pidfd, int& status) noexcept {
    for (;;) {
        siginfo_t info{};
        int result = -1;
        errno = EINVAL;
        if (pidfd >= 0) result = ::waitid(by_pidfd, static_cast<id_t>(pidfd), &info, WEXITED | WNOHANG);
        if (result != 0 && errno == EINVAL)
            result = ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG);
        if (result != 0 && errno == EINTR) continue;
        if (result != 0) {
            status = lost;
            return true;
        }
        if (info.si_pid == 0) return false;
        status = info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
        return true;
    }
}

/// Processes whose loops have closed before they ended.
class Orphans {
  public:
    void add(int pid, int pidfd) noexcept {
        const std::lock_guard lock(mutex_);
        try {
            list_.push_back({pid, pidfd});
        } catch (const std::bad_alloc&) {
            if (pidfd >= 0) ::close(pidfd);  // a zombie, until this program ends
        }
    }
    void collect() noexcept {
        const std::lock_guard lock(mutex_);
        std::erase_if(list_, [](const Orphan& each) {
            int status = 0;
            if (!ask(each.pid, each.pidfd, status)) return false;
            if (each.pidfd >= 0) ::close(each.pidfd);
            return true;
        });
    }

  private:
    struct Orphan {
        int pid;
        int pidfd;
    };
    std::mutex mutex_;
    std::vector<Orphan> list_;  // guarded by `mutex_`
};

Orphans& orphans() {
    static auto* const all = new Orphans;  // loops in globals close late
    return *all;
}

}  // namespace

// ---- one process --------------------------------------------------------------------------------

Child::Child(ProcessPart& p, std::string program) noexcept
    : Operation(OperationKind::wait_readable, -1, &readable), part(&p), name(std::move(program)) {}

Child::~Child() { ASYNCIO_ASSERT(!held && descriptor < 0); }

void Child::watch(int its_pid) {
    pid = its_pid;
    part->running.push_back(shared_from_this());  // there is room: see Process
    descriptor = open_pidfd(pid);
    try {
        arm();
    } catch (...) {
        // Nothing would tell of its end: so it ends now.
        signal(SIGKILL);
        siginfo_t info{};
        while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) != 0 && errno == EINTR) {}
        look();
        throw;
    }
}

void Child::arm() {
    if (descriptor >= 0) {
        if (!part->loop->backend->submit(*this)) return;
        if (result > 0) return look();
        part->loop->backend->close_descriptor(std::exchange(descriptor, -1));
    }
    part->watch_signals();
    look();
}

void Child::readable(Operation* operation) noexcept {
    auto* const me = static_cast<Child*>(operation);
    const auto hold = me->shared_from_this();
    if (me->result == -ECANCELED) return me->abandon();
    me->look();
    if (me->has_ended() || me->held) return;
    try {
        me->arm();
    } catch (...) {
        report_exception(me->part->loop, "Exception while watching a subprocess", std::current_exception(),
                         nullptr);
    }
}

void Child::look() noexcept {
    if (has_ended() || held) return;
    const auto hold = shared_from_this();
    int status = 0;
    if (!ask(pid, descriptor, status)) return;
    if (status == lost) {
        warn_with(runtime_warning, "the exit status of a subprocess was lost", [this] {
            return "the exit status of subprocess " + std::to_string(pid) + " ('" + name +
                   "') was lost: did somebody else call waitpid, or is SIGCHLD ignored?";
        });
    }
    returncode = status == lost ? lost_status : status;
    if (descriptor >= 0) part->loop->backend->close_descriptor(std::exchange(descriptor, -1));
    part->remove(this);
    part = nullptr;
    ended.set();
}

int Child::signal(int number) noexcept {
    // Once its loop has closed anybody may collect it, and its number may be another's by now.
    if (has_ended() || part == nullptr) return ESRCH;
    int result_of = -1;
    errno = ENOSYS;
#if defined(SYS_pidfd_send_signal)
    if (descriptor >= 0) {
        result_of = static_cast<int>(::syscall(SYS_pidfd_send_signal, descriptor, number, nullptr, 0));
    }
#endif
    // Its number is its own until its status was collected.
    if (result_of != 0 && (errno == ENOSYS || errno == EPERM)) result_of = ::kill(pid, number);
    return result_of == 0 ? 0 : errno;
}

void Child::leave() noexcept {
    if (held && !part->loop->backend->cancel(*this)) return;  // `readable` will be called
    abandon();
}

void Child::abandon() noexcept {
    const auto hold = shared_from_this();
    orphans().add(pid, std::exchange(descriptor, -1));
    part->remove(this);
    part = nullptr;
    ended.set();
}

void signal_child(Child& child, int number) {
    const int error = child.signal(number);
    if (error == 0) return;
    const std::string subject = "signal " + std::to_string(number) + " to subprocess " +
                                std::to_string(child.pid) + " ('" + child.name + "')";
    if (error == EINVAL) throw ValueError(subject + ": there is no such signal");
    throw_os_error(error, subject + (child.has_ended()       ? ", which has ended"
                                     : child.part == nullptr ? ", whose event loop has closed"
                                                             : ""));
}

// ---- those of a loop ----------------------------------------------------------------------------

void ProcessPart::watch_signals() {
    if (signals != nullptr) return;
    auto subscriber = std::make_shared<SignalSubscriber>([this] { look_at_all(); });
    signal_hub_of(*loop).subscribe(SIGCHLD, subscriber);
    signals = std::move(subscriber);
}

void ProcessPart::look_at_all() noexcept {
    for (std::size_t i = running.size(); i-- > 0;) {
        const std::size_t before = running.size();
        running[i]->look();
        if (running.size() != before) i = std::min(i, running.size());
    }
}

void ProcessPart::remove(const Child* child) noexcept {
    const auto found =
        std::find_if(running.begin(), running.end(), [&](const auto& each) { return each.get() == child; });
    ASYNCIO_ASSERT(found != running.end());
    const auto gone = std::move(*found);
    running.erase(found);
}

void ProcessPart::shut_down() noexcept {
    if (signals != nullptr && loop->signals != nullptr) loop->signals->unsubscribe(SIGCHLD, signals.get());
    signals.reset();
    for (std::size_t i = running.size(); i-- > 0;) running[i]->leave();
    orphans().collect();
}

ProcessPart& running_process_part() {
    static_cast<void>(get_running_loop());
    LoopImpl* const loop = impl_of(current_loop);
    if (loop->closing) throw RuntimeError("the event loop is closing: it starts no more subprocesses");
    if (loop->backend->kind() == Backend::sim) {
        throw RuntimeError(
            "the backend 'sim' has no subprocesses: choose another with ASYNCIO_BACKEND= (epoll, io_uring) "
            "or "
            "{.backend = …}");
    }
    orphans().collect();
    if (loop->processes == nullptr) loop->processes = std::make_unique<ProcessPart>(loop);
    return static_cast<ProcessPart&>(*loop->processes);
}

}}}  // namespace asyncio::v1::detail
