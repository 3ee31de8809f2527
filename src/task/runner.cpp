// Runner, and Ctrl-C.
//
// The first SIGINT sets a flag and wakes the loop, which cancels the main task. The second one, while that is
// not done, prints a line (from the handler: preformatted, write(2) only), lets a helper thread list the
// tasks for at most half a second, then restores the default action and raises: status 130. Installed only in
// the main thread and over the default action, and removed only if it is still ours.
//
// SIGPIPE is ignored if it was at its default: a peer that goes away is an error of one write.
#include "asyncio/task/runner.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "asyncio/base/error.hpp"
#include "asyncio/base/exception_group.hpp"
#include "detail/loop_impl.hpp"

namespace asyncio { inline namespace v1 {

namespace {

using detail::LoopImpl;

// Shared with the signal handler. Set while a main task runs in the main thread.
std::atomic<LoopImpl*> interruptible{nullptr};
std::atomic<int> interrupts{0};
std::atomic<int> dump_pipe{-1};  // a byte written here starts the helper thread's dump

void say(const char* text) noexcept {
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text, std::strlen(text));
}

/// Ends the process as SIGINT's default action does, whatever this thread blocks: a shell sees 130.
[[noreturn]] void die_of_sigint() noexcept {
    ::signal(SIGINT, SIG_DFL);
    sigset_t only;
    sigemptyset(&only);
    sigaddset(&only, SIGINT);
    ::pthread_sigmask(SIG_UNBLOCK, &only, nullptr);
    ::raise(SIGINT);
    ::_exit(130);
}

void on_sigint(int) noexcept {
    const int saved_errno = errno;
    LoopImpl* const loop =
        interruptible.load(std::memory_order_acquire);  // pairs with the release in InterruptScope
    if (interrupts.fetch_add(1, std::memory_order_relaxed) == 0 && loop != nullptr) {
        loop->interrupted.store(true, std::memory_order_release);  // pairs with the acquire in poll_kernel
        loop->remote->wake();
        errno = saved_errno;
        return;
    }
    say("\nasyncio: second Ctrl-C: the program ends now; what it was doing:\n");
    const int pipe = dump_pipe.load(std::memory_order_acquire);
    if (pipe >= 0) {
        [[maybe_unused]] const auto written = ::write(pipe, "x", 1);
        const timespec half_second{0, 500'000'000};
        ::nanosleep(&half_second,
                    nullptr);  // the helper exits the process when it is done; this is its limit
    }
    die_of_sigint();
}

bool in_main_thread() noexcept { return ::getpid() == ::gettid(); }

/// While it lives, Ctrl-C belongs to the loop's main task.
class InterruptScope {
  public:
    InterruptScope(LoopImpl& loop, detail::PromiseBase* main) : loop_(loop) {
        loop.main_task = main;
        struct sigaction current{};
        if (::sigaction(SIGPIPE, nullptr, &current) == 0 && current.sa_handler == SIG_DFL)
            ::signal(SIGPIPE, SIG_IGN);
        if (!in_main_thread()) return;
        if (::sigaction(SIGINT, nullptr, &current) != 0 || current.sa_handler != SIG_DFL) return;
        start_helper();
        interrupts.store(0, std::memory_order_relaxed);
        loop.interrupted.store(false, std::memory_order_relaxed);
        interruptible.store(&loop, std::memory_order_release);  // pairs with the acquire in on_sigint
        struct sigaction ours{};
        ours.sa_handler = &on_sigint;
        sigemptyset(&ours.sa_mask);
        ours.sa_flags = SA_RESTART;
        installed_ = ::sigaction(SIGINT, &ours, nullptr) == 0;
    }
    InterruptScope(const InterruptScope&) = delete;
    InterruptScope& operator=(const InterruptScope&) = delete;
    ~InterruptScope() {
        loop_.main_task = nullptr;
        if (!installed_) return;
        struct sigaction current{};
        if (::sigaction(SIGINT, nullptr, &current) == 0 && current.sa_handler == &on_sigint)
            ::signal(SIGINT, SIG_DFL);
        interruptible.store(nullptr, std::memory_order_release);
        const int pipe = dump_pipe.exchange(-1, std::memory_order_acq_rel);
        if (pipe >= 0) ::close(pipe);  // the helper reads end of file and goes
        if (helper_.joinable()) helper_.join();
    }
    bool interrupted() const noexcept {
        return installed_ && interrupts.load(std::memory_order_relaxed) != 0;
    }

  private:
    /// A thread that only waits: it can print while the loop's thread is stuck in user code.
    void start_helper() {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) return;  // no dump then
        sigset_t all;
        sigset_t before;
        sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before);
        try {
            helper_ = std::thread([read_end = ends[0], loop = &loop_] {
                char byte;
                if (::read(read_end, &byte, 1) == 1) {
                    // The loop's thread is stopped in its signal handler, so its lists hold still.
                    say(loop->list_tasks().c_str());
                    die_of_sigint();
                }
                ::close(read_end);
            });
            dump_pipe.store(ends[1], std::memory_order_release);
        } catch (...) {
            ::close(ends[0]);
            ::close(ends[1]);
        }
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }

    LoopImpl& loop_;
    bool installed_ = false;
    std::thread helper_;
};

// ---- the end of the program by an exception -----------------------------------------------------

std::terminate_handler default_terminate = nullptr;

[[noreturn]] void on_terminate() noexcept {
    const std::exception_ptr error = std::current_exception();
    if (error != nullptr) {
        if (exception_cast<KeyboardInterrupt>(error) != nullptr) {
            say("KeyboardInterrupt\n");
            die_of_sigint();
        }
        try {
            if (const auto* group = exception_cast<ExceptionGroup>(error)) {
                say((group->format() + "\n").c_str());
            } else {
                say(("terminate called after an uncaught exception: " + describe(error) + "\n").c_str());
            }
        } catch (...) {
            say("terminate called after an uncaught exception\n");
        }
    }
    if (error == nullptr && default_terminate != nullptr) default_terminate();
    std::abort();
}

/// Once, and only over the default one: programs with their own keep it.
void install_terminate_hook() noexcept {
    static const bool done = [] {
        const std::terminate_handler current = std::get_terminate();
        // The default is the runtime's verbose handler, or abort itself.
#if defined(__GLIBCXX__)
        const bool is_default = current == &__gnu_cxx::__verbose_terminate_handler || current == &std::abort;
#else
        const bool is_default = current == &std::abort;
#endif
        if (!is_default) return false;
        default_terminate = current;
        std::set_terminate(&on_terminate);
        return true;
    }();
    static_cast<void>(done);
}

}  // namespace

Runner::~Runner() {
    try {
        close();
    } catch (...) {
        std::fprintf(stderr, "asyncio: closing the loop failed: %s\n",
                     describe(std::current_exception()).c_str());
    }
}

EventLoop& Runner::get_loop() {
    if (closed_) throw RuntimeError("Runner is closed");
    if (loop_ == nullptr) loop_ = std::make_unique<EventLoop>(options_);
    return *loop_;
}

detail::PromiseBase* Runner::start_main(detail::PromiseBase* frame) {
    try {
        if (detail::current_loop != nullptr) {
            throw RuntimeError(
                "asyncio::run cannot be called from a running event loop: co_await the coroutine, or start "
                "it "
                "with asyncio::create_task");
        }
        get_loop();
    } catch (...) {
        frame->handle().destroy();
        throw;
    }
    install_terminate_hook();
    return loop_->start_in(frame);
}

void Runner::drive(detail::PromiseBase* task) {
    LoopImpl& loop = loop_->impl();
    bool interrupted = false;
    {
        const InterruptScope scope(loop, task);
        loop_->run_until_done(task);
        interrupted = scope.interrupted();
    }
    if (interrupted && task->is(detail::was_cancelled) && task->cancels <= 1) throw KeyboardInterrupt();
}

void Runner::close() {
    if (loop_ != nullptr && loop_->is_running()) throw RuntimeError("cannot close a running Runner");
    if (closed_) return;
    closed_ = true;
    if (loop_ != nullptr) loop_->close();
    loop_.reset();
}

}}  // namespace asyncio::v1
