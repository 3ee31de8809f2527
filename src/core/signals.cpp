// Signals: what a loop does when one arrives.
//
// The handler counts the signal in a table of the process and wakes the loop that has it, which may stand on
// another thread than the one that the kernel chose for the handler; the loop schedules the calls at its next
// look at the kernel. A signal belongs to one loop at a time.
//
// A handler may be slower than the end of the loop that it has just read from the table. So whoever takes a
// loop out of the table puts back what the signal did before, then removes the loop, then waits until no
// handler is at work. A handler that finds no loop therefore knows that the old action is back, and raises
// the signal again, for that.
#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <string>

#include "asyncio/base/error.hpp"
#include "asyncio/core/event_loop.hpp"
#include "detail/context_slot.hpp"
#include "detail/loop_impl.hpp"
#include "detail/signal_hub.hpp"

namespace asyncio { inline namespace v1 {
namespace detail {

namespace {

constexpr int signal_numbers = NSIG;

struct Slot {
    std::atomic<LoopImpl*> loop{nullptr};  // null: nobody's
    std::atomic<unsigned> arrived{0};      // and not delivered yet
    struct sigaction before{};             // guarded by `mutex`
};
std::array<Slot, signal_numbers> slots;
std::mutex mutex;                      // of who takes a signal and gives it back
std::atomic<int> handlers_running{0};  // while it is not 0, the loops that they may look at stay

void on_signal(int number) noexcept {
    const int saved_errno = errno;
    Slot& slot = slots[static_cast<std::size_t>(number)];
    // Sequentially consistent, like its partner in give_back: either we see no loop, or it sees us.
    handlers_running.fetch_add(1);
    if (LoopImpl* const loop = slot.loop.load()) {
        slot.arrived.fetch_add(1, std::memory_order_relaxed);    // published by the next line
        loop->signalled.store(true, std::memory_order_release);  // pairs with the acquire in poll_kernel
        loop->remote->wake();
    } else {
        ::raise(number);  // is taken when this handler returns
    }
    handlers_running.fetch_sub(1);
    errno = saved_errno;
}

/// A child process has no loop to tell.
void forget_signals() noexcept {
    for (int number = 1; number < signal_numbers; ++number) {
        Slot& slot = slots[static_cast<std::size_t>(number)];
        if (slot.loop.exchange(nullptr) != nullptr) ::sigaction(number, &slot.before, nullptr);
    }
    handlers_running.store(0);
    mutex.unlock();
}

void require_signal(int number) {
    if (number < 1 || number >= signal_numbers)
        throw ValueError("signal " + std::to_string(number) + ": there is no such signal");
}

void take(int number, LoopImpl& loop) {
    static const bool watches_forks =
        ::pthread_atfork([] { mutex.lock(); }, [] { mutex.unlock(); }, &forget_signals) == 0;
    static_cast<void>(watches_forks);
    const std::lock_guard lock(mutex);
    Slot& slot = slots[static_cast<std::size_t>(number)];
    if (slot.loop.load() != nullptr) {
        throw RuntimeError("signal " + std::to_string(number) +
                           " is handled by another event loop of this process: remove that handler first");
    }
    slot.arrived.store(0, std::memory_order_relaxed);
    struct sigaction ours{};
    ours.sa_handler = &on_signal;
    sigemptyset(&ours.sa_mask);
    ours.sa_flags = SA_RESTART;
    slot.loop.store(&loop);  // first: the handler may run at once
    if (::sigaction(number, &ours, &slot.before) != 0) {
        const int error = errno;
        slot.loop.store(nullptr);
        if (error != EINVAL) throw_os_error(error, "sigaction");
        throw ValueError("signal " + std::to_string(number) + " cannot be caught: no program can");
    }
}

void give_back(int number) noexcept {
    const std::lock_guard lock(mutex);
    Slot& slot = slots[static_cast<std::size_t>(number)];
    struct sigaction current{};
    if (::sigaction(number, nullptr, &current) == 0 && current.sa_handler == &on_signal)
        ::sigaction(number, &slot.before, nullptr);
    slot.loop.store(nullptr);
    // (One that has interrupted this very thread has ended.)
    while (handlers_running.load() != 0) ::sched_yield();
}

}  // namespace

SignalHub::SignalHub(LoopImpl& loop) noexcept : loop_(loop), keeps_waiting_(loop.remote) {}

SignalHub::~SignalHub() {
    for (Entry& entry : entries_) {
        give_back(entry.number);
        for (const auto& subscriber : entry.subscribers) subscriber->gone = true;
    }
}

SignalHub::Entry* SignalHub::find(int number) noexcept {
    const auto found = std::find_if(entries_.begin(), entries_.end(),
                                    [number](const Entry& entry) { return entry.number == number; });
    return found == entries_.end() ? nullptr : &*found;
}

void SignalHub::subscribe(int number, std::shared_ptr<SignalSubscriber> subscriber) {
    require_signal(number);
    if (Entry* const entry = find(number)) {
        entry->subscribers.push_back(std::move(subscriber));
        return;
    }
    Entry entry{number, {}, nullptr};
    entry.subscribers.push_back(std::move(subscriber));
    entries_.reserve(entries_.size() + 1);
    take(number, loop_);
    entries_.push_back(std::move(entry));
}

void SignalHub::unsubscribe(int number, const SignalSubscriber* subscriber) noexcept {
    Entry* const entry = find(number);
    if (entry == nullptr) return;
    for (const auto& each : entry->subscribers) {
        if (each.get() == subscriber) each->gone = true;
    }
    std::erase_if(entry->subscribers, [subscriber](const auto& each) { return each.get() == subscriber; });
    drop_if_unused(entry);
}

void SignalHub::drop_if_unused(Entry* entry) noexcept {
    if (!entry->subscribers.empty()) return;
    give_back(entry->number);
    entries_.erase(entries_.begin() + (entry - entries_.data()));
}

void SignalHub::set_handler(int number, UniqueFunction<void()> function) {
    auto made = std::make_shared<SignalSubscriber>(std::move(function));
    made->context = inherit_context();
    subscribe(number, made);
    Entry* const entry = find(number);
    if (const auto old = std::exchange(entry->handler, std::move(made))) unsubscribe(number, old.get());
}

bool SignalHub::remove_handler(int number) noexcept {
    Entry* const entry = find(number);
    if (entry == nullptr || entry->handler == nullptr) return false;
    const auto handler = std::exchange(entry->handler, nullptr);
    unsubscribe(number, handler.get());
    return true;
}

void SignalHub::schedule(const Entry& entry) {
    for (const auto& subscriber : entry.subscribers) {
        loop_.owner->call_soon([subscriber] {
            if (subscriber->gone) return;
            impl_of(current_loop)->enter_callback_context(subscriber->context);
            subscriber->function();
        });
    }
}

void SignalHub::deliver() noexcept {
    for (const Entry& entry : entries_) {
        std::atomic<unsigned>& arrived = slots[static_cast<std::size_t>(entry.number)].arrived;
        for (unsigned left = arrived.exchange(0, std::memory_order_relaxed); left != 0; --left) {
            try {
                schedule(entry);
            } catch (...) {
                // No memory. The rest comes with the next look at the kernel; who has been told is told
                // twice.
                arrived.fetch_add(left, std::memory_order_relaxed);
                loop_.signalled.store(true, std::memory_order_relaxed);
                return;
            }
        }
    }
}

void ignore_sigpipe() noexcept {
    struct sigaction current{};
    if (::sigaction(SIGPIPE, nullptr, &current) == 0 && current.sa_handler == SIG_DFL)
        ::signal(SIGPIPE, SIG_IGN);
}

SignalHub& signal_hub_of(LoopImpl& loop) {
    loop.require_open();
    loop.check_thread("add_signal_handler");
    if (loop.signals == nullptr) loop.signals = std::make_shared<SignalHub>(loop);
    return *loop.signals;
}

}  // namespace detail

void EventLoop::set_signal_handler(int number, UniqueFunction<void()>&& function) {
    detail::signal_hub_of(*impl_).set_handler(number, std::move(function));
}

bool EventLoop::remove_signal_handler(int number) {
    detail::require_signal(number);
    impl_->check_thread("remove_signal_handler");
    return impl_->signals != nullptr && impl_->signals->remove_handler(number);
}

}}  // namespace asyncio::v1
