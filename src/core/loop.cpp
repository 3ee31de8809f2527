// The engine: one iteration after another.
//
// An iteration looks at the kernel, moves due timers to the ready queue, then runs exactly the entries that
// stand there (what they add waits for the next one). While there is work the kernel is polled by time, about
// every 50 us by the processor's time-stamp counter, not every pass: an empty epoll_wait costs as much as
// forty task switches.
//
// Invariants
//   1. Coroutines are resumed in `step` and nowhere else; it returns to its caller before the next one runs.
//   2. The ready queue never grows while something is woken: `reserved` counts a slot for every live task,
//      scheduled callback and record with callbacks, each of which stands there at most once. Due timers are
//      counted when they are moved there, which is done only as far as there is room.
//   3. A task's frame is gone before anybody can see the task done.
//
// Virtual time (a VirtualClock, the simulated backend): the clock stands still while anything can run. When
// nothing can, and neither threads nor the kernel owe us anything, it jumps to the next deadline. If there is
// none, every task waits for something that cannot happen, and `deadlocked` says so.
#include <sched.h>

#include <algorithm>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>

#include "asyncio/core/detail/record.hpp"
#include "detail/loop_impl.hpp"
#include "detail/signal_hub.hpp"
#include "detail/step_timer.hpp"
#include "detail/task_extra.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

constinit thread_local LoopCore* current_loop = nullptr;

namespace {

/// The processor's own clock: cheap enough to read in a busy loop; only intervals of it are compared, and
/// roughly.
std::uint64_t ticks() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    std::uint64_t value;
    asm volatile("mrs %0, cntvct_el0" : "=r"(value));
    return value * 64;  // it counts at some 25 to 100 MHz
#else
    return 0;
#endif
}
constexpr std::uint64_t poll_interval_ticks = 130'000;  // 50 us at 2.6 GHz
constexpr std::uint64_t long_pass_ticks = 26'000;       // 10 us
constexpr int passes_between_looks = 16;

/// Of more timers that are due at once the rest comes in the next pass: their tasks are still in the cache
/// when they run, and the queue need not hold all of them.
constexpr int due_per_pass_max = 4096;
constexpr std::uint64_t for_ever_ns = std::numeric_limits<std::int64_t>::max();  // a timer that is never due
constexpr std::uint64_t surplus_kept_ns = 250'000'000;
constexpr std::size_t surplus_worth_a_trim = std::size_t{16} << 20;
constexpr std::size_t blocks_given_back_at_once = 256;  // some 7 us; 15 once in a hundred
constexpr int looks_for_posts = 10;
constexpr std::uint64_t kernel_grace_ns =
    10'000'000;  // virtual time waits so long for operations in the kernel

}  // namespace

// ---- the ready queue ----------------------------------------------------------------------------

namespace {

bool try_grow_ready(ReadyQueue& q, std::uint64_t wanted) noexcept {
    std::uint64_t capacity = q.slots == nullptr ? 256 : q.capacity();
    while (capacity < wanted) capacity *= 2;
    if (q.slots != nullptr && capacity == q.capacity()) return true;
    auto* slots =
        static_cast<std::uintptr_t*>(::operator new(capacity * sizeof(std::uintptr_t), std::nothrow));
    if (slots == nullptr) return false;
    for (std::uint64_t at = q.head; at != q.tail; ++at) slots[at & (capacity - 1)] = q.slots[at & q.mask];
    ::operator delete(q.slots);
    q.slots = slots;
    q.mask = capacity - 1;
    return true;
}

}  // namespace

void grow_ready(LoopCore* loop) {
    if (impl_of(loop)->left_behind) refuse_forked_loop();
    ReadyQueue& q = loop->ready;
    if (!try_grow_ready(q, q.reserved + 1)) throw std::bad_alloc();
}

// ---- steps --------------------------------------------------------------------------------------

namespace {

/// Destroys a task's frame but keeps its memory, in which the record goes on.
inline void end_frame(PromiseBase* task, DropFn drop) noexcept {
    void* const frame = frame_address(task);
    // Destroying parameters runs user code, which may end other frames, and (by an eager start) other tasks.
    void* const outer = std::exchange(recycler.kept_frame, frame);
    task->handle().destroy();
    recycler.kept_frame = outer;
    ::new (frame) Husk{drop, recycler.kept_bytes};
}

/// Several wait, or somebody who is no coroutine: told by an entry of the record's own, unless all that there
/// is to do is to resume coroutines. True: that entry stands in the queue.
bool schedule_told_waiters(LoopCore* loop, PromiseBase* record) noexcept {
    if (TaskExtra* extra = record->extra()) {
        bool only_resumes = true;
        for (Waiter* waiter : extra->waiters) only_resumes &= waiter->resumes != nullptr;
        if (only_resumes) {
            for (Waiter* waiter : extra->waiters) {
                waiter->resumes->task->live.waits_on.clear();
                push_frame(loop, waiter->resumes);
            }
            extra->waiters.clear();
            return false;
        }
    }
    ASYNCIO_ASSERT(record->is(owns_slot));
    record->set(queued_done);
    ++record->refs;
    loop->ready.push(reinterpret_cast<std::uintptr_t>(record) | tag_done);
    return true;
}

/// Who waits is told in its turn: awaiting coroutines directly, anything else through an entry of the
/// record's own.
inline void schedule_waiters(LoopCore* loop, PromiseBase* record) noexcept {
    if (const std::uintptr_t word = record->waiter_word; word != 0) {
        auto* const waiter = reinterpret_cast<Waiter*>(word);
        if ((word & 1) != 0) {
            if (schedule_told_waiters(loop, record)) return;
        } else if (waiter->resumes != nullptr) {
            record->waiter_word = 0;
            waiter->resumes->task->live.waits_on.clear();
            push_frame(loop, waiter->resumes);
        } else if (waiter->counts && record->is(has_value) && static_cast<Counter*>(waiter)->count()) {
            record->waiter_word = 0;
        } else {
            schedule_told_waiters(loop, record);
            return;
        }
    }
    if (record->is(owns_slot)) {
        record->clear(owns_slot);
        release_slot(loop);
    }
}

/// A task has ended that has requests to cancel pending, or without a result.
ASYNCIO_COLD void settle_end(PromiseBase* task, DropFn drop) noexcept {
    if (!task->ended()) fail_without_return(task);
    if (task->pending != 0 && task->is(has_value)) {
        // Cancelled, but it never awaited again: it ends cancelled and its value is destroyed (Python's
        // rule).
        if (drop != nullptr) drop(task);
        task->clear(has_value);
        task->set(was_cancelled);
    }
    task->pending = 0;
    task->clear(cancel_thrown);
}

inline void finish_task(LoopImpl* loop, PromiseBase* task, DropFn drop) noexcept {
    if (!task->ended() || task->pending != 0) [[unlikely]]
        settle_end(task, drop);
    end_frame(task, drop);
    task->set(done);
    --loop->task_count;
    schedule_waiters(loop, task);
    // A signal handler that looks at what runs here (the watchdog's) may come at any instruction.
    loop->current = nullptr;
    loop->running = nullptr;
    std::atomic_signal_fence(std::memory_order_release);
    release(task);
}

void tell_waiters(LoopImpl* loop, PromiseBase* record) noexcept {
    record->clear(queued_done | owns_slot);
    release_slot(loop);
    if (TaskExtra* extra = record->extra()) {
        // By index, and withdrawn ones are null: whoever is told may withdraw others. Who forks goes no
        // further in the child.
        for (std::size_t i = 0; i < extra->waiters.size() && current_loop == loop; ++i) {
            if (Waiter* waiter = std::exchange(extra->waiters[i], nullptr)) waiter->notify(waiter, record);
        }
        extra->waiters.clear();
    } else if (record->waiter_word != 0) {
        auto* waiter = reinterpret_cast<Waiter*>(std::exchange(record->waiter_word, 0));
        waiter->notify(waiter, record);
    }
    release(record);
}

}  // namespace

void complete_future(PromiseBase* future) noexcept {
    ASYNCIO_ASSERT(future->is(is_future) && !future->is(done));
    future->set(done);
    if (future->waiter_word == 0 && !future->is(owns_slot)) return;
    LoopCore* const loop = current_loop != nullptr ? current_loop : loop_of(future);
    ASYNCIO_ASSERT(
        loop != nullptr,
        "a Future with waiters was completed after its loop had closed, or in a child made by fork");
    schedule_waiters(loop, future);
}

void tell_in_turn(PromiseBase* record, Waiter* waiter) {
    ASYNCIO_ASSERT(record->is(done));
    LoopCore* const loop = current_loop;
    const bool due = record->is(queued_done);  // others are to be told: it is one more
    if (!due) reserve_slot(loop);
    try {
        make_extra(record).waiters.push_back(waiter);
    } catch (...) {
        if (!due) release_slot(loop);
        throw;
    }
    if (due) return;
    record->set(owns_slot | queued_done);
    ++record->refs;
    loop->ready.push(reinterpret_cast<std::uintptr_t>(record) | tag_done);
}

/// Resumes one coroutine after another, from `frame` on, until the task suspends or has ended. Leaves
/// `current` and `running` as they were last; null, if it has ended.
inline void LoopImpl::resume_task(PromiseBase* frame) noexcept {
    PromiseBase* const task = frame->task;
    ASYNCIO_DASSERT(task->magic == magic && !task->is(done));
    current = task;
    budget = completions_per_step_max;
    step_time = 0;
    if (!task->is(started)) {
        task->set(started);
        if (task->pending != 0) [[unlikely]] {
            // Cancelled before its first step: the body never runs, nothing is thrown.
            unlink_live(task);
            task->set(was_cancelled);
            return finish_task(this, task, nullptr);
        }
    }
    do {
        next = 0;
        running = frame;
        frame->handle().resume();
        frame = reinterpret_cast<PromiseBase*>(next);
    } while (next > task_finished);
    if (next == task_finished) finish_task(this, task, drop);
}

void LoopImpl::step(PromiseBase* frame) noexcept {
    PromiseBase* const outer_task = current;
    PromiseBase* const outer_frame = running;
    const int outer_budget = budget;
    resume_task(frame);
    current = outer_task;
    running = outer_frame;
    budget = outer_budget;
}

void step_frame(LoopCore* loop, PromiseBase* frame) noexcept {
    frame->task->live.waits_on.clear();
    impl_of(loop)->step(frame);
}

/// What stands in the ready queue and is no coroutine.
void LoopImpl::run_entry(std::uintptr_t word) noexcept {
    current = nullptr;
    running = nullptr;
    step_time = 0;
    void* const target = reinterpret_cast<void*>(word & ~std::uintptr_t{tag_mask});
    switch (word & tag_mask) {
        case tag_leaf:
        case tag_turn: {
            auto* const leaf = static_cast<Leaf*>(target);
            leaf->ops->run(leaf);
            break;
        }
        case tag_done: tell_waiters(this, static_cast<PromiseBase*>(target)); break;
        case tag_timer: {
            --ready.reserved;
            if (target == nullptr) break;  // withdrawn after it had become due
            auto* const timer = static_cast<Timer*>(target);
            timer->node.set_idle();
            timer->ops->run(timer);
            break;
        }
        case tag_sleeper: {
            --ready.reserved;
            auto* const frame = static_cast<PromiseBase*>(target);
            frame->task->live.waits_on.clear();
            push_frame(this, frame);
            break;
        }
    }
}

inline void LoopImpl::run_next_entry() noexcept {
    const std::uintptr_t word = ready.pop();
    if ((word & tag_mask) == tag_frame) [[likely]] {
        resume_task(reinterpret_cast<PromiseBase*>(word));
    } else {
        run_entry(word);
    }
}

template <Passes kind>
inline void LoopImpl::run_ready_batch() noexcept {
    if constexpr (kind == Passes::of_any_kind) {
        if (reorders) ordered ? order_batch() : shuffle_batch();
        if (pulse != nullptr && ready.size() != 0) tell_watchdog(1);
    } else if constexpr (kind == Passes::watched) {
        tell_watchdog(1);  // there is something to run
    }
    for (std::uint64_t left = ready.size(); left != 0; --left) {
        if constexpr (kind == Passes::of_any_kind) {
            if (watch != nullptr) watch->at_step(ready.slots[ready.head & ready.mask]);
            if (debug) {
                run_timed_entry();
                continue;
            }
        }
        run_next_entry();
    }
    current = nullptr;
    running = nullptr;
}

/// In debug mode.
void LoopImpl::run_timed_entry() noexcept {
    StepTimer timer(*this, ready.slots[ready.head & ready.mask]);
    run_next_entry();
    timer.stop();
}

namespace {
bool is_turn_of_task(std::uintptr_t word) noexcept {
    return (word & tag_mask) == tag_frame || (word & tag_mask) == tag_turn;
}
}  // namespace

/// Sim with a seed: the tasks of a batch run in a random order; callbacks keep theirs, which is promised.
void LoopImpl::shuffle_batch() noexcept {
    const auto random = [this](std::uint64_t below) {
        random_state ^= random_state << 13;  // xorshift64
        random_state ^= random_state >> 7;
        random_state ^= random_state << 17;
        return random_state % below;
    };
    for (std::uint64_t at = ready.tail; at > ready.head + 1;) {
        --at;
        const std::uint64_t other = ready.head + random(at - ready.head + 1);
        std::uintptr_t& a = ready.slots[at & ready.mask];
        std::uintptr_t& b = ready.slots[other & ready.mask];
        if (is_turn_of_task(a) && is_turn_of_task(b)) std::swap(a, b);
    }
}

/// Sim with a counted order: as above, but the digits choose; 0 everywhere is FIFO.
void LoopImpl::order_batch() noexcept {
    const auto is_frame = [this](std::uint64_t at) { return is_turn_of_task(ready.slots[at & ready.mask]); };
    std::uint64_t frames = 0;
    for (std::uint64_t at = ready.head; at != ready.tail; ++at) frames += is_frame(at) ? 1u : 0u;
    for (std::uint64_t at = ready.head; frames > 1; ++at) {
        if (!is_frame(at)) continue;
        std::uint64_t choice = choices % frames;
        choices /= frames;
        if (watch != nullptr) watch->at_choice(frames);
        --frames;
        // The chosen one moves to the front, those that it passes keep their order.
        std::uintptr_t carried = ready.slots[at & ready.mask];
        for (std::uint64_t other = at + 1; choice != 0; ++other) {
            if (!is_frame(other)) continue;
            std::swap(carried, ready.slots[other & ready.mask]);
            --choice;
        }
        ready.slots[at & ready.mask] = carried;
    }
}

// ---- time ---------------------------------------------------------------------------------------

std::uint64_t read_clock(LoopCore* loop) noexcept {
    LoopImpl* const impl = impl_of(loop);
    impl->last_clock = impl->real_or_virtual_now();
    return impl->last_clock;
}

std::uint64_t random_bits(LoopCore* loop) noexcept {
    std::uint64_t bits = impl_of(loop)->jitter_state += 0x9e3779b97f4a7c15;  // splitmix64
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111eb;
    return bits ^ (bits >> 31);
}

void arm_timer(LoopCore* loop, TimerRef timer, std::uint64_t deadline_ns) {
    impl_of(loop)->timers.insert(timer, deadline_ns);
}

void start_sleep(LoopCore* loop, PromiseBase* frame, std::uint64_t deadline_ns) {
    WaitsOn& here = frame->live.waits_on;
    here.node()->set_idle();
    try {
        impl_of(loop)->timers.insert(TimerRef(frame), deadline_ns);
    } catch (...) {
        here.clear();
        throw;
    }
    if (frame != loop->current) loop->current->live.waits_on.sleeps_in(frame);
}

namespace {

/// There is room for it.
void push_timer(ReadyQueue& ready, TimerRef timer) noexcept {
    timer.node()->set(TimerNode::queued,
                      static_cast<std::uint32_t>(ready.tail));  // enough: a queue has fewer places
    ++ready.reserved;
    ready.push(timer.word());
}

}  // namespace

void queue_timer(LoopCore* loop, Timer* timer) {
    ASYNCIO_ASSERT(!timer->armed());
    if (loop->ready.full()) grow_ready(loop);
    push_timer(loop->ready, timer);
}

void disarm_timer(LoopCore* loop, TimerRef timer) noexcept {
    TimerNode* const node = timer.node();
    if (!node->armed()) return;
    if (node->slot() == TimerNode::queued) {
        loop->ready.slots[node->index() & loop->ready.mask] = tag_timer;  // a null timer
        node->set_idle();
        return;
    }
    impl_of(loop)->timers.erase(timer);
}

void LoopImpl::fire_timers(std::uint64_t now) noexcept {
    for (int moved = 0; timers.next_deadline() <= now && !timers.empty(); ++moved) {
        if (moved == due_per_pass_max) return;
        if (ready.full() && !try_grow_ready(ready, ready.reserved + 1)) {
            // No memory: they stay due. What stands in the queue runs first and makes room.
            if (ready.size() != 0) return;
            std::abort();  // unreachable: an empty queue has room for one
        }
        push_timer(ready, timers.pop());
    }
    timers.advance(now);
}

// ---- iterations ---------------------------------------------------------------------------------

void LoopImpl::take_posts() noexcept {
    if (posted == nullptr && posts->load(std::memory_order_relaxed) != nullptr) {
        posted = remote->take_all();
        posts_came = true;
        give_spare_posts();
    }
    while (posted != nullptr) {
        if (ready.full() && !try_grow_ready(ready, ready.reserved + 1)) {
            return;  // no memory now: they keep their order and come with the next look
        }
        Post* const post = std::exchange(posted, posted->next);
        ++ready.reserved;
        push_leaf(this, post);
    }
}

void LoopImpl::poll_kernel(std::uint64_t deadline) {
    if (deadline != 0 && (posted != nullptr || !remote->fall_asleep())) deadline = 0;
    backend->poll(deadline);
    remote->wake_up();
    if (interrupted.exchange(false, std::memory_order_acquire) &&
        main_task != nullptr) {  // pairs with on_sigint
        request_cancel(main_task);
    }
    if (signalled.exchange(false, std::memory_order_acquire)) signals->deliver();  // pairs with on_signal
    take_posts();
    last_clock = real_or_virtual_now();
    fire_timers(last_clock);
}

namespace {

/// After so many bytes were freed: the allocator keeps what lies below a block that is in use, and after a
/// burst of some size that is a lot.
void trim_heap(std::size_t bytes) noexcept {
#if defined(__GLIBC__)
    if (bytes >= surplus_worth_a_trim) ::malloc_trim(0);
#else
    static_cast<void>(bytes);
#endif
}

}  // namespace

/// There is nothing to do. What a burst has left behind is given back, a little at a time, when a while ago
/// it was no less: then the burst is over. Gives when to go on with it.
std::uint64_t LoopImpl::tidy_memory() noexcept {
    if (last_clock < tidy_at) return tidy_at;
    const std::size_t bytes = surplus_bytes();
    if (bytes > surplus_seen) {
        surplus_seen = bytes;
        tidy_at = last_clock + surplus_kept_ns;
        return tidy_at;
    }
    give_back_surplus(blocks_given_back_at_once);
    if (recycler.surplus) return 0;
    trim_heap(std::exchange(surplus_seen, 0));
    return no_deadline;
}

void LoopImpl::give_back_all() noexcept {
    surplus_seen = std::max(surplus_seen, surplus_bytes());
    give_back_surplus(std::numeric_limits<std::size_t>::max());
    trim_heap(std::exchange(surplus_seen, 0));
}

/// Where posts have come, more may: to fall asleep and be woken costs two thread switches and a write.
bool LoopImpl::linger_for_posts() const noexcept {
    for (int look = 0; look != looks_for_posts; ++look) {
        if (posts->load(std::memory_order_relaxed) != nullptr) return true;
        ::sched_yield();
    }
    return false;
}

void LoopImpl::wait_for_work(std::uint64_t deadline) {
    if (pulse != nullptr) tell_watchdog(0);
    if (watch != nullptr) [[unlikely]] {
        watch->at_step(0);
        if (ready.size() != 0) return;
    }
    if (!idle_waiters.empty()) {
        poll_kernel(0);
        if (ready.size() != 0) return;
        if (thread_jobs == 0) {
            for (Leaf* waiter : idle_waiters) wake(waiter);
            idle_waiters.clear();
            return;
        }
    }
    if (clock == nullptr) {
        if (std::exchange(posts_came, false) && deadline != 0 && linger_for_posts()) return take_posts();
        deadline = std::min(deadline, timers.next_deadline());
        if (recycler.surplus) [[unlikely]]
            deadline = std::min(deadline, tidy_memory());
        poll_kernel(deadline);
        return;
    }
    poll_kernel(0);
    if (ready.size() != 0 || deadline == 0 || posted != nullptr) return;
    if (thread_jobs != 0) return poll_kernel(deadline);
    if (backend->in_flight() != 0) {
        poll_kernel(backend->now() + kernel_grace_ns);
        if (ready.size() != 0) return;
    }
    if (timers.next_deadline() < for_ever_ns && clock->autojump()) {
        clock->advance_to(TimePoint(std::chrono::nanoseconds(timers.next_deadline())));
        last_clock = clock_ns();
        fire_timers(last_clock);
        return;
    }
    if (backend->in_flight() != 0 || remote.use_count() > 1) return poll_kernel(deadline);
    deadlocked = true;
    request_stop();
}

/// What is due besides what is ready, without a look at the kernel.
template <Passes kind>
inline void LoopImpl::gather_work() {
    if constexpr (kind == Passes::of_any_kind) {
        if (clock != nullptr) last_clock = clock_ns();
    }
    if (posts->load(std::memory_order_relaxed) != nullptr) [[unlikely]]
        take_posts();
    if (timers.deadline_bound() <= last_clock) [[unlikely]]
        fire_timers(last_clock);
}

void LoopImpl::iterate(std::uint64_t deadline) {
    if (ready.size() == 0) {
        wait_for_work(deadline);
    } else {
        gather_work<Passes::of_any_kind>();
    }
    run_ready_batch<Passes::of_any_kind>();
}

/// Not inlined: `run` has several of these, and in the one that counts each register does.
template <Passes kind>
ASYNCIO_NOINLINE void LoopImpl::run_passes() {
    std::uint64_t polled = ticks();
    std::uint64_t looked = polled;
    int until_look = 1;  // the first pass polls
    do {
        if (ready.size() == 0) {
            iterate(stopping ? 0 : no_deadline);  // stopped before it ran: one look
            polled = looked = ticks();
            continue;
        }
        if (--until_look <= 0) {
            const std::uint64_t now = ticks();
            // Long passes are few: look at the clock after each of them.
            until_look = now - std::exchange(looked, now) > long_pass_ticks ? 1 : passes_between_looks;
            if (now - polled >= poll_interval_ticks || now == 0) {
                poll_kernel(0);
                polled = now;
            }
        }
        gather_work<kind>();
        run_ready_batch<kind>();
    } while (!stopping);
}

void LoopImpl::run() {
    for (;;) {
        switch (kind_of_passes()) {
            case Passes::plain: run_passes<Passes::plain>(); break;
            case Passes::watched: run_passes<Passes::watched>(); break;
            case Passes::of_any_kind: run_passes<Passes::of_any_kind>(); break;
        }
        if (!std::exchange(restarting, false)) return;
        stopping = false;
    }
}

void LoopImpl::set_debug(bool on) noexcept {
    if (left_behind) refuse_forked_loop();
    if (debug == on) return;
    debug = on;
    note_binding();
    keep_watchdog();
    if (running_now && !stopping) stopping = restarting = true;
}

/// Without a look at the kernel or at timers.
void LoopImpl::run_what_is_ready() noexcept { run_ready_batch<Passes::of_any_kind>(); }

}}}  // namespace asyncio::v1::detail
