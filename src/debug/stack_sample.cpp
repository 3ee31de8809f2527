// Taking a sample of another thread.
//
// The handler runs on the thread that is asked, between two instructions of whatever it does. So:
//   1. It allocates nothing, takes no lock, prints nothing. The unwinder of gcc reads its tables through
//      _dl_find_object, which takes no lock either (glibc since 2.35; before, dl_iterate_phdr waits while
//      another thread is inside of dlopen). It was used once before, so that nothing is bound or made lazily.
//   2. What it reads of the loop is that thread's own: the running coroutine cannot go away under it, since
//      the loop forgets a task before it lets it go. A task that is given a name at this very instant may be
//      read torn; the bytes are bounded.
//   3. `stage` says whose the sample is. idle -> asked (the asker), asked -> taking -> taken (the handler),
//   and back
//      to idle (the asker). An asker that gives up takes it from `asked` to `idle` itself; where that fails
//      the handler is at work, and is waited for.
//
// A system call that the signal interrupts goes on (SA_RESTART) but for those that never do: nanosleep, poll,
// select and the like return EINTR, as after any other signal.
#include "debug/stack_sample.hpp"

#include <errno.h>
#include <signal.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>

#include "detail/task_extra.hpp"
#include "detail/watchdog.hpp"

namespace asyncio { inline namespace v1 {
namespace debug {

namespace {

enum Stage : int { idle, asked, taking, taken };

/// What the handler is asked; written before `stage` becomes `asked`.
struct Request {
    const detail::LoopImpl* loop = nullptr;
    pid_t tid = 0;
    std::uint64_t pulse = 0;
    StackSample* sample = nullptr;
    bool moved_on = false;
};
Request request;
std::atomic<int> stage{idle};
std::atomic<bool> busy{false};  // one asker at a time

// ---- on the thread that is asked ----------------------------------------------------------------

std::uintptr_t instruction_of(const void* context) noexcept {
    const auto* const machine = &static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
    return static_cast<std::uintptr_t>(machine->gregs[REG_RIP]);
#elif defined(__aarch64__)
    return static_cast<std::uintptr_t>(machine->pc);
#else
    static_cast<void>(machine);
    return 0;
#endif
}

struct Walk {
    StackSample& sample;
    std::uintptr_t from;  // the frames before this one are the handler's own; 0: none are
};

_Unwind_Reason_Code take_frame(_Unwind_Context* context, void* argument) {
    auto& walk = *static_cast<Walk*>(argument);
    int is_exact = 0;  // else it is the address of the return, and the call stands before it
    const std::uintptr_t at = _Unwind_GetIPInfo(context, &is_exact);
    if (at == 0) return _URC_END_OF_STACK;
    if (walk.from != 0 && at != walk.from) return _URC_NO_REASON;
    walk.from = 0;
    walk.sample.native[walk.sample.native_count++] = is_exact != 0 ? at : at - 1;
    return walk.sample.native_count == StackSample::native_max ? _URC_END_OF_STACK : _URC_NO_REASON;
}

void take_native(StackSample& sample, std::uintptr_t from) noexcept {
    Walk walk{sample, from};
    _Unwind_Backtrace(&take_frame, &walk);
    if (sample.native_count != 0 || from == 0) return;
    walk.from = 0;  // it was not met: all frames, then
    _Unwind_Backtrace(&take_frame, &walk);
}

void take_awaits(StackSample& sample, const detail::LoopImpl& loop) noexcept {
    const detail::PromiseBase* const task = loop.current;
    if (task == nullptr) return;
    sample.runs_task = true;
    sample.task_id = task->id;
    if (const detail::TaskExtra* const extra = task->extra()) {
        const std::size_t bytes = std::min(extra->name.size(), sizeof sample.task_name - 1);
        std::memcpy(sample.task_name, extra->name.data(), bytes);
    }
    for (const detail::PromiseBase* frame = loop.running; frame != nullptr; frame = frame->continuation) {
        if (sample.await_count == StackSample::awaits_max) {
            sample.more_awaits = true;
            return;
        }
        sample.awaits[sample.await_count++] = frame->where;
        if (frame == task) return;
    }
}

void on_asked(int, siginfo_t*, void* context) {
    const int saved_errno = errno;
    int expected = asked;
    // Acquire: pairs with the release in sample_stack. The request may be read only by who has taken it.
    if (!stage.compare_exchange_strong(expected, taking, std::memory_order_acquire)) {
        // Its asker has given up.
    } else if (request.tid != ::gettid()) {
        stage.store(asked, std::memory_order_release);  // a late signal of an earlier request
    } else {
        const detail::LoopImpl& loop = *request.loop;
        if (loop.pulse == nullptr || loop.pulse->load(std::memory_order_relaxed) != request.pulse) {
            request.moved_on = true;
        } else {
            request.sample->entries_run = loop.ready.head - (request.pulse >> 1);
            take_awaits(*request.sample, loop);
            take_native(*request.sample, instruction_of(context));
        }
        stage.store(taken, std::memory_order_release);  // pairs with the acquire in wait_for_answer
    }
    errno = saved_errno;
}

// ---- on the asker's -----------------------------------------------------------------------------

void sleep_a_millisecond() noexcept {
    const timespec millisecond{0, 1'000'000};
    ::nanosleep(&millisecond, nullptr);
}

bool wait_for_answer() noexcept {
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
    // Pairs with the release in on_asked.
    while (stage.load(std::memory_order_acquire) != taken) {
        if (std::chrono::steady_clock::now() >= give_up) {
            int expected = asked;
            if (stage.compare_exchange_strong(expected, idle, std::memory_order_acq_rel)) return false;
            // The handler is at work, and will end.
        }
        sleep_a_millisecond();
    }
    stage.store(idle, std::memory_order_relaxed);
    return true;
}

/// SIGURG is ours for a moment, unless the program has a use for it.
class OurSignal {
  public:
    OurSignal() noexcept {
        if (::sigaction(SIGURG, nullptr, &before_) != 0) return;
        if ((before_.sa_flags & SA_SIGINFO) != 0) return;
        if (before_.sa_handler != SIG_DFL && before_.sa_handler != SIG_IGN) return;
        struct sigaction ours{};
        ours.sa_sigaction = &on_asked;
        ours.sa_flags = SA_SIGINFO | SA_RESTART;
        sigfillset(&ours.sa_mask);
        have_ = ::sigaction(SIGURG, &ours, nullptr) == 0;
    }
    OurSignal(const OurSignal&) = delete;
    OurSignal& operator=(const OurSignal&) = delete;
    ~OurSignal() {
        struct sigaction now{};
        if (have_ && ::sigaction(SIGURG, nullptr, &now) == 0 && now.sa_sigaction == &on_asked)
            ::sigaction(SIGURG, &before_, nullptr);
    }
    explicit operator bool() const noexcept { return have_; }

  private:
    struct sigaction before_{};
    bool have_ = false;
};

}  // namespace

Sampled sample_stack(const detail::LoopImpl& loop, pid_t tid, std::uint64_t pulse,
                     StackSample& sample) noexcept {
    while (busy.exchange(true, std::memory_order_acquire)) sleep_a_millisecond();
    struct Free {
        ~Free() { busy.store(false, std::memory_order_release); }
    } const free;
    const OurSignal signal;
    if (!signal) return Sampled::no_signal;
    request = Request{&loop, tid, pulse, &sample, false};
    stage.store(asked, std::memory_order_release);  // pairs with the acquire in on_asked
    if (::tgkill(::getpid(), tid, SIGURG) != 0) {
        stage.store(idle, std::memory_order_relaxed);
        return Sampled::moved_on;  // the thread has ended
    }
    if (!wait_for_answer()) return Sampled::no_answer;
    return request.moved_on ? Sampled::moved_on : Sampled::taken;
}

void warm_up_unwinder() noexcept {
    StackSample sample;
    take_native(sample, 0);
}

}  // namespace debug

void detail::forget_samples() noexcept {
    debug::stage.store(debug::idle, std::memory_order_relaxed);
    debug::busy.store(false, std::memory_order_relaxed);
}

}}  // namespace asyncio::v1
