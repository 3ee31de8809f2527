// Runner, and Ctrl-C.
//
// The first SIGINT sets a flag and wakes the loop, which cancels the main task. The second one, while that is
// not done, prints a line (from the handler: preformatted, write(2) only), lets a helper thread list the
// tasks for at most half a second, then restores the default action and raises: status 130. Installed only in
// the main thread and over the default action, and removed only if it is still ours.
//
// The kernel gives a SIGINT to any thread that does not block it. The lists of a loop can be read only while
// the loop's thread stands still: if the second SIGINT has come to another one, the helper stops the loop's
// thread with a signal of its own, SIGURG, which hardly anybody uses or blocks (and the process is about to
// die). At whatever instruction that thread stops, the list of tasks is whole: see ListChange. Should it
// have been writing what the helper reads besides (a task's name), the process may die of that a little
// earlier, but dies as it would have.
//
// SIGPIPE is ignored if it was at its default: a peer that goes away is an error of one write.
#include "asyncio/task/runner.hpp"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <thread>

#include "asyncio/base/error.hpp"
#include "asyncio/base/exception_group.hpp"
#include "detail/context_slot.hpp"
#include "detail/loop_impl.hpp"
#include "detail/signal_hub.hpp"
#include "detail/task_extra.hpp"

namespace asyncio { inline namespace v1 {

namespace {

using detail::LoopImpl;

// Shared with the signal handlers.
std::atomic<LoopImpl*> interruptible{nullptr};  // set while a main task runs in the main thread
std::atomic<int> interrupts{0};
std::atomic<int> handlers_running{0};  // while it is not 0, the loop that they may look at stays
std::atomic<bool> main_stopped{false};
sem_t helper_wanted;  // posted: the helper thread looks what there is to do

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

bool in_main_thread() noexcept { return ::getpid() == ::gettid(); }

/// The helper ends the process when it is done; this is its limit.
[[noreturn]] void die_in_half_a_second() noexcept {
    timespec left{0, 500'000'000};
    while (::nanosleep(&left, &left) != 0 && errno == EINTR) {}
    die_of_sigint();
}

void on_sigint(int) noexcept {
    const int saved_errno = errno;
    // Sequentially consistent, like its partner in ~InterruptScope: either we see no loop there, or it sees
    // us.
    handlers_running.fetch_add(1);
    LoopImpl* const loop = interruptible.load();
    if (loop == nullptr) die_of_sigint();  // the main task has just ended: nobody catches it any more
    if (interrupts.fetch_add(1, std::memory_order_relaxed) == 0) {
        loop->interrupted.store(true, std::memory_order_release);  // pairs with the acquire in poll_kernel
        loop->remote->wake();
        handlers_running.fetch_sub(1);
        errno = saved_errno;
        return;
    }
    say("\nasyncio: second Ctrl-C: the program ends now; what it was doing:\n");
    if (in_main_thread()) main_stopped.store(true, std::memory_order_release);  // pairs with stop_main_thread
    ::sem_post(&helper_wanted);
    die_in_half_a_second();
}

void on_stop(int) noexcept {
    main_stopped.store(true, std::memory_order_release);  // pairs with the acquire in stop_main_thread
    die_in_half_a_second();
}

void on_crash(int) noexcept { die_of_sigint(); }

/// On the helper thread. False if the main thread blocks this signal, too.
bool stop_main_thread() noexcept {
    struct sigaction stop{};
    stop.sa_handler = &on_stop;
    sigfillset(&stop.sa_mask);
    if (!main_stopped.load(std::memory_order_acquire) && ::sigaction(SIGURG, &stop, nullptr) == 0)
        ::tgkill(::getpid(), ::getpid(), SIGURG);
    // By the clock: on a busy machine a sleep of a millisecond may take ten, and half a second is all there
    // is.
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::milliseconds(200);
    while (std::chrono::steady_clock::now() < give_up) {
        // Pairs with the releases in the handlers: what the main thread has written is here to be read.
        if (main_stopped.load(std::memory_order_acquire)) return true;
        const timespec millisecond{0, 1'000'000};
        ::nanosleep(&millisecond, nullptr);
    }
    return false;
}

[[noreturn]] void dump_and_die(const LoopImpl& loop) noexcept {
    ::signal(SIGSEGV, &on_crash);
    ::signal(SIGBUS, &on_crash);
    if (!stop_main_thread()) {
        say("  (the main thread blocks all signals: its tasks cannot be listed)\n");
    } else {
        try {
            say(loop.list_tasks().c_str());
        } catch (const std::bad_alloc&) {
            say("  (no memory to list the tasks)\n");
        }
    }
    die_of_sigint();
}

/// In a child process there is neither a main task nor the helper: there Ctrl-C does what it did before.
void forget_interrupts() noexcept {
    if (interruptible.exchange(nullptr) == nullptr) return;
    struct sigaction current{};
    if (::sigaction(SIGINT, nullptr, &current) == 0 && current.sa_handler == &on_sigint)
        ::signal(SIGINT, SIG_DFL);
    handlers_running.store(0);
    main_stopped.store(false);
}

/// While it lives, Ctrl-C belongs to the loop's main task.
class InterruptScope {
  public:
    InterruptScope(LoopImpl& loop, detail::PromiseBase* main) : loop_(loop) {
        loop.main_task = main;
        detail::ignore_sigpipe();
        if (!in_main_thread()) return;
        struct sigaction current{};
        // (Ours is what an add_signal_handler of an earlier run has put back.)
        if (::sigaction(SIGINT, nullptr, &current) != 0 ||
            (current.sa_handler != SIG_DFL && current.sa_handler != &on_sigint)) {
            return;
        }
        static const bool watches_forks = ::pthread_atfork(nullptr, nullptr, &forget_interrupts) == 0;
        static_cast<void>(watches_forks);
        interrupts.store(0, std::memory_order_relaxed);
        loop.interrupted.store(false, std::memory_order_relaxed);
        interruptible.store(&loop);
        start_helper();
        struct sigaction ours{};
        ours.sa_handler = &on_sigint;
        sigemptyset(&ours.sa_mask);
        ours.sa_flags = SA_RESTART;
        ::sigaction(SIGINT, &ours, nullptr);  // cannot fail: it was asked for above
        installed_ = true;
    }
    InterruptScope(const InterruptScope&) = delete;
    InterruptScope& operator=(const InterruptScope&) = delete;
    ~InterruptScope() {
        loop_.main_task = nullptr;
        if (!installed_) return;
        struct sigaction current{};
        if (::sigaction(SIGINT, nullptr, &current) == 0 && current.sa_handler == &on_sigint)
            ::signal(SIGINT, SIG_DFL);
        interruptible.store(nullptr);
        // A handler on another thread may have seen the loop before; one of a second Ctrl-C stays for good.
        while (handlers_running.load() != 0) ::sched_yield();
        if (!helper_.joinable()) return;
        ::sem_post(&helper_wanted);
        helper_.join();
    }
    bool interrupted() const noexcept {
        return installed_ && interrupts.load(std::memory_order_relaxed) != 0;
    }

  private:
    /// A thread that only waits: it can print while the loop's thread is stuck in user code.
    void start_helper() {
        ::sem_init(&helper_wanted, 0, 0);
        sigset_t all;
        sigset_t before;
        sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before);
        try {
            helper_ = std::thread([] {
                while (::sem_wait(&helper_wanted) != 0) {}
                if (const LoopImpl* const loop = interruptible.load()) dump_and_die(*loop);
            });
        } catch (...) {
            // No thread: no list of the tasks, then.
        }
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }

    LoopImpl& loop_;
    bool installed_ = false;
    std::thread helper_;
};

/// The first task of a Runner that sets a variable makes the Runner's context.
class KeepContext {
  public:
    KeepContext(std::optional<Context>* kept, detail::PromiseBase* task) noexcept
        : kept_(kept), task_(task) {}
    KeepContext(const KeepContext&) = delete;
    KeepContext& operator=(const KeepContext&) = delete;
    ~KeepContext() {
        if (kept_ == nullptr || kept_->has_value()) return;
        const detail::TaskExtra* const extra = task_->extra();
        if (extra != nullptr && extra->context != nullptr) kept_->emplace(extra->context);
    }

  private:
    std::optional<Context>* kept_;
    detail::PromiseBase* task_;
};

// ---- the end of the program by an exception -----------------------------------------------------

std::terminate_handler default_terminate = nullptr;

[[noreturn]] void on_terminate() noexcept {
    const std::exception_ptr error = std::current_exception();
    if (error != nullptr) {
        if (exception_cast<KeyboardInterrupt>(error) != nullptr) {
            std::fflush(nullptr);  // what the program has printed is not lost: this is an orderly end
            say("KeyboardInterrupt\n");
            die_of_sigint();
        }
        try {
            const bool one_line =
                exception_cast<ExceptionGroup>(error) == nullptr && context_of(error) == nullptr;
            say(((one_line ? "terminate called after an uncaught exception: " : "") + format_exception(error))
                    .c_str());
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
    if (loop_ == nullptr) {
        if (detail::ContextRef context = detail::inherit_context()) context_.emplace(std::move(context));
        loop_ = std::make_unique<EventLoop>(options_);
    }
    return *loop_;
}

detail::PromiseBase* Runner::start_main(detail::PromiseBase* frame, const ContextOptions& options) {
    try {
        if (detail::running_loop() != nullptr) {
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
    const Context* const own = context_.has_value() ? &*context_ : nullptr;
    return loop_->start_in(frame, options.context != nullptr ? options.context : own);
}

void Runner::drive(detail::PromiseBase* task, const ContextOptions& options) {
    LoopImpl& loop = loop_->impl();
    bool interrupted = false;
    {
        const KeepContext keep(options.context == nullptr ? &context_ : nullptr, task);
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
