// EventLoop: making one, its callbacks, running and closing it.
//
// Closing ("Shutdown" in ARCHITECTURE.md): live tasks are cancelled in order of creation and driven until
// none is left, with the tasks that their cleanup creates; then the pools take no more calls, and the loop
// runs on until their threads have ended, for the shutdown timeout: a call may wait for a coroutine that it
// has given to this loop. Tasks that are left then are cancelled, too. The parts of higher layers give up
// their connections; the kernel must hold nothing; the threads are joined; then posts are refused, and what
// was scheduled and has not run is destroyed.
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>

#include "asyncio/base/error.hpp"
#include "asyncio/core/event_loop.hpp"
#include "asyncio/core/loop_handle.hpp"
#include "detail/context_slot.hpp"
#include "detail/descriptor_table.hpp"
#include "detail/loop_impl.hpp"
#include "detail/signal_hub.hpp"
#include "detail/task_extra.hpp"
#include "detail/thread_pool.hpp"
#include "detail/wake_descriptor.hpp"
#include "detail/watchdog.hpp"

namespace asyncio { inline namespace v1 {

namespace detail {

// ---- callbacks ----------------------------------------------------------------------------------

namespace {

CancelAnswer never_asked(Leaf*) noexcept { return CancelAnswer::pending; }

void run_callback(Leaf* leaf) noexcept {
    auto* callback = static_cast<Callback*>(leaf);
    LoopImpl* const loop = impl_of(current_loop);
    const bool was_soon = callback->when_ns == 0;
    if (was_soon) release_slot(loop);
    callback->scheduled = false;
    if (!callback->cancelled) {
        auto function = std::move(callback->function);
        try {
            function();
        } catch (...) {
            report_exception(loop, "Exception in callback", std::current_exception(), nullptr);
        }
    }
    release_callback(callback);
    loop->leave_callback_context();
}

constexpr LeafOps callback_ops{&never_asked, &run_callback, "callback"};

/// One that runs in a context that is not empty.
struct ContextCallback : Callback {
    ContextRef context;

    ContextCallback(UniqueFunction<void()>&& f, ContextRef c) noexcept;
};

void run_in_context(Leaf* leaf) noexcept {
    impl_of(current_loop)->enter_callback_context(static_cast<ContextCallback*>(leaf)->context);
    run_callback(leaf);
}

constexpr LeafOps context_callback_ops{&never_asked, &run_in_context, "callback"};

ContextCallback::ContextCallback(UniqueFunction<void()>&& f, ContextRef c) noexcept
    : Callback(std::move(f)), context(std::move(c)) {
    ops = &context_callback_ops;
}

bool is_callback(const Leaf* leaf) noexcept {
    return leaf->ops == &callback_ops || leaf->ops == &context_callback_ops;
}

void delete_callback(Callback* callback) noexcept {
    if (callback->ops == &context_callback_ops) {
        delete static_cast<ContextCallback*>(callback);
    } else {
        delete callback;
    }
}
struct DeleteCallback {
    void operator()(Callback* callback) const noexcept { delete_callback(callback); }
};

}  // namespace

Callback::Callback(UniqueFunction<void()>&& f) noexcept : Timer(&callback_ops), function(std::move(f)) {}

void release_callback(Callback* callback) noexcept {
    if (--callback->refs != 0) return;
    if (!callback->recycled) return delete_callback(callback);
    callback->~Callback();
    give_block(callback, sizeof(Callback));
}

/// One that this thread's loop makes and drops.
static Callback* make_callback(UniqueFunction<void()>&& function) {
    void* const block = take_block(sizeof(Callback));
    auto* const callback = ::new (block) Callback(std::move(function));
    callback->recycled = true;
    return callback;
}

static Callback* make_callback_in(ContextRef context, UniqueFunction<void()>&& function) {
    if (context == nullptr) return make_callback(std::move(function));
    return new ContextCallback(std::move(function), std::move(context));
}

/// Puts a new callback into the ready queue. `make` may throw.
template <class Make>
static Handle queue_callback(LoopImpl* loop, const Make& make) {
    reserve_slot(loop);
    Callback* callback = nullptr;
    try {
        callback = make();
    } catch (...) {
        release_slot(loop);
        throw;
    }
    callback->scheduled = true;
    Handle handle(callback);
    push_leaf(loop, callback);
    return handle;
}

/// The loop closes before its turn came: handles may keep it, but not what it captured.
static void drop_callback(Callback* callback) noexcept {
    callback->scheduled = false;
    callback->node.set_idle();
    const auto function = std::move(callback->function);  // dies last
    release_callback(callback);
}

void cancel_callback(Callback* callback) noexcept {
    if (!callback->scheduled || callback->cancelled) return;
    callback->cancelled = true;
    auto function = std::move(callback->function);  // dies last, when everything is consistent
    if (callback->armed()) {
        disarm_timer(callback->loop, callback);
        callback->scheduled = false;
        release_callback(callback);
    }
}

// ---- making a loop ------------------------------------------------------------------------------

namespace {

Backend backend_from_environment() {
    const char* value = std::getenv("ASYNCIO_BACKEND");
    if (value == nullptr || *value == '\0') return Backend::automatic;
    const std::string_view name = value;
    for (Backend each : {Backend::io_uring, Backend::epoll, Backend::sim, Backend::automatic}) {
        if (name == to_string(each)) return each;
    }
    throw RuntimeError("ASYNCIO_BACKEND=" + std::string(name) +
                       ": no such backend: use epoll, io_uring, sim or automatic");
}

std::uint64_t seed_from_environment() {
    const char* const value = std::getenv("ASYNCIO_SEED");
    if (value == nullptr || *value == '\0') return 0;
    std::uint64_t seed = 0;
    const char* const end = value + std::strlen(value);
    const auto [at, error] = std::from_chars(value, end, seed);
    if (error != std::errc() || at != end)
        throw ValueError("ASYNCIO_SEED=" + std::string(value) + ": a seed is a number of at most 64 bits");
    return seed;
}

std::unique_ptr<KernelBackend> make_backend(Backend wanted, int wake, const BackendOptions& options,
                                            bool debug) {
    std::string_view reason;
    std::unique_ptr<KernelBackend> made;
    switch (wanted) {
        case Backend::sim: made = make_sim_backend(wake, options, reason); break;
        case Backend::epoll: made = make_epoll_backend(wake, options, reason); break;
        case Backend::io_uring: made = make_io_uring_backend(wake, options, reason); break;
        case Backend::automatic:
            // epoll first: see "Which backend" in ARCHITECTURE.md.
            made = make_epoll_backend(wake, options, reason);
            if (made == nullptr) {
                if (debug)
                    std::fprintf(stderr, "asyncio: no epoll here (%.*s)\n", int(reason.size()),
                                 reason.data());
                made = make_io_uring_backend(wake, options, reason);
            }
            break;
    }
    if (made == nullptr) {
        if (reason.find("no memory for the ") == 0) throw std::bad_alloc();
        const bool few_descriptors = reason.find("no descriptor is left") == 0;
        throw RuntimeError("the backend '" + std::string(to_string(wanted)) +
                           "' is not to be had here: " + std::string(reason) +
                           (few_descriptors ? ": raise the limit of open files (ulimit -n)"
                                            : ": choose another with ASYNCIO_BACKEND= or {.backend = …}"));
    }
    return made;
}

}  // namespace

LoopImpl::LoopImpl(EventLoop* owning_loop, RunOptions loop_options) : options(loop_options) {
    owner = owning_loop;
    debug = options.debug || environment_debug();
    if (options.timer_slack < Duration::zero() || options.timer_slack.is_infinite())
        throw ValueError("timer_slack: not a length of time that a timer may be late");
    if (options.backend == Backend::automatic) options.backend = backend_from_environment();
    const int wake = make_wake_descriptor();
    try {
        remote = std::make_shared<RemoteState>(wake);
    } catch (...) {
        close_wake_descriptor(wake);
        throw;
    }
    posts = &remote->head;
    BackendOptions backend_options;
    backend_options.timer_slack_ns = static_cast<std::uint64_t>(options.timer_slack.count_ns());
    backend_options.seed = options.seed != 0 ? options.seed : seed_from_environment();
    backend = make_backend(options.backend, wake, backend_options, debug);
    options.backend = backend->kind();  // asked for when the loop has closed, too
    if (backend->kind() == Backend::sim) {
        ordered = (backend_options.seed & counted_order) != 0;
        (ordered ? choices : random_state) = backend_options.seed & ~counted_order;
        reorders = ordered || random_state != 0;
        jitter_state = backend_options.seed;
    } else {
        jitter_state = backend->now() ^ reinterpret_cast<std::uintptr_t>(this);
    }
    clock = options.clock;
    if (clock == nullptr && backend->kind() == Backend::sim) clock = &own_clock.emplace();
    descriptors = std::make_shared<DescriptorTable>(*this);
    timers.advance(real_or_virtual_now());
    register_loop(this);
    try {
        grow_ready(this);
    } catch (...) {
        unregister_loop(this);
        throw;
    }
}

LoopImpl::~LoopImpl() {
    unregister_loop(this);
    ::operator delete(ready.slots);
}

void LoopImpl::stop_watchdog() noexcept {
    pulse = nullptr;
    watchdog.reset();
}

void LoopImpl::keep_watchdog() noexcept {
    // Virtual time stands still as long as a callback likes.
    const bool wanted = clock == nullptr && !closed &&
                        (options.watchdog.has_value() ? options.watchdog > Duration::zero() : debug);
    if (!wanted) return stop_watchdog();
    if (watchdog == nullptr) {
        const Duration limit = options.watchdog.has_value() ? options.watchdog : watchdog_default;
        watchdog = start_watchdog(*this, limit);
        pulse = watchdog != nullptr ? &watchdog->pulse() : nullptr;
    }
    if (watchdog != nullptr) watchdog->watch_this_thread();
}

void LoopImpl::require_open() const {
    if (left_behind) refuse_forked_loop();
    if (closed) throw RuntimeError("event loop is closed");
}

void LoopImpl::check_thread(const char* what) const {
    if (debug && running_now && thread != std::this_thread::get_id()) {
        throw RuntimeError(std::string(what) +
                           ": this loop runs on another thread: use loop.remote().call_soon_threadsafe(…)");
    }
}

// ---- closing ------------------------------------------------------------------------------------

std::string LoopImpl::list_tasks() const {
    std::string text;
    for (PromiseBase* task = live.live.next; task != &live; task = task->live.next) {
        text += "  " + record_name(task);
        if (task->is(started)) {
            const PromiseBase* innermost = task->live.waits_on.frame(task);
            if (innermost != nullptr) {
                text += std::string(": waits in ") + task->live.waits_on.what() + " at " +
                        place_text(innermost->where);
                for (const PromiseBase* frame = innermost; frame != nullptr && frame != task;
                     frame = frame->continuation) {
                    text += " < " + place_text(frame->continuation->where);
                }
            } else {
                text += ": ready to run, last at " + place_text(task->where);
            }
        } else {
            text += ": not started (" + coroutine_name(task->where) + ", " + place_text(task->where) + ")";
        }
        text += '\n';
    }
    return text;
}

void LoopImpl::cancel_new_tasks() noexcept {
    // Cancelling runs no user code, so the list holds still.
    for (PromiseBase* task = live.live.next; task != &live; task = task->live.next) {
        if (task->asked_to_end) continue;
        task->asked_to_end = 1;
        request_cancel(task);
    }
}

void LoopImpl::cancel_tasks_again() noexcept {
    for (PromiseBase* task = live.live.next; task != &live; task = task->live.next) {
        if (task->asked_to_end) request_cancel(task);
    }
}

void LoopImpl::warn_of_tasks(std::uint64_t cancelled_for_ns) const noexcept {
    try {
        std::fprintf(
            stderr,
            "asyncio: the loop is closing, these tasks were cancelled %.0f s ago and have not ended:\n%s",
            static_cast<double>(cancelled_for_ns) / 1e9, list_tasks().c_str());
    } catch (const std::bad_alloc&) {
        std::fputs("asyncio: the loop is closing, and tasks that were cancelled have not ended\n", stderr);
    }
}

namespace {

constexpr std::uint64_t first_warning_ns = 2'000'000'000;
constexpr std::uint64_t next_warning_ns = 10'000'000'000;

/// Callbacks that stand in the queue at the end get so many more iterations (as many as asyncio.run gives
/// them); one that schedules itself for ever is dropped then.
constexpr int turns_at_the_end = 4;

/// The tasks that were cancelled at the end: what they throw instead goes to the exception handler.
struct Leftovers {
    std::vector<PromiseBase*> tasks;
    ~Leftovers() {
        for (PromiseBase* task : tasks) release(task);
    }
    void take_all(LoopImpl& loop) noexcept {
        try {
            tasks.reserve(loop.task_count);
        } catch (const std::bad_alloc&) {
            return;  // a loop is closed also without memory; then what they throw is reported when they are
                     // dropped
        }
        for (PromiseBase* task = loop.live.live.next; task != &loop.live; task = task->live.next) {
            tasks.push_back(task);
            ++task->refs;
        }
    }
    void report(LoopImpl& loop) noexcept {
        for (PromiseBase* task : tasks) {
            if (!task->is(has_error) || task->is(was_cancelled)) continue;
            task->set(retrieved);
            report_exception(&loop, "unhandled exception during asyncio.run() shutdown", task->error(), task);
        }
    }
};

}  // namespace

void LoopImpl::shut_down() {
    closing = true;
    deadlocked = false;
    const std::uint64_t began = backend->now();
    std::uint64_t warn_at = began + first_warning_ns;
    int turns_left = turns_at_the_end;
    bool pools_ended = false;
    bool parts_told = false;
    for (;;) {
        if (task_count == 0 && !std::exchange(pools_ended, true)) {
            run_until_pools_end(this);
            continue;
        }
        if (task_count == 0 && !std::exchange(parts_told, true)) {
            descriptors->remove_all();
            if (processes != nullptr) processes->shut_down();
            if (net != nullptr) net->shut_down();
        }
        if (task_count == 0 && backend->in_flight() == 0 && (ready.size() == 0 || turns_left-- <= 0)) break;
        if (task_count != 0 && !live.live.prev->asked_to_end) {
            // First everything, then what the cleanup of the cancelled created, and so on.
            Leftovers leftovers;
            leftovers.take_all(*this);
            cancel_new_tasks();
            while (live.live.next != &live && live.live.next->asked_to_end) {  // in order of creation
                iterate(warn_at);
                if (deadlocked) {
                    deadlocked = false;
                    // Virtual time and a task that swallowed its cancel: cancel once more, or nothing moves
                    // again.
                    cancel_tasks_again();
                }
                if (backend->now() >= warn_at) {
                    warn_of_tasks(backend->now() - began);
                    warn_at = backend->now() + next_warning_ns;
                }
            }
            // Two turns more, as asyncio.run takes them: done-callbacks come before what the tasks are blamed
            // for.
            iterate(0);
            iterate(0);
            leftovers.report(*this);
            continue;
        }
        if (task_count == 0 && backend->in_flight() == 0) {
            take_posts();
            run_what_is_ready();  // timers that still wait never run
        } else {
            iterate(ready.size() != 0 ? 0 : warn_at);
        }
    }
}

}  // namespace detail

// ---- the public class ---------------------------------------------------------------------------

using detail::LoopImpl;
using detail::PromiseBase;

namespace {

/// Makes a loop this thread's for a scope.
class Running {
  public:
    explicit Running(LoopImpl& loop) : loop_(loop), outer_(detail::current_loop) {
        loop.require_open();
        if (detail::running_loop() != nullptr) {
            throw RuntimeError(
                "a loop is running in this thread already: co_await the coroutine, or start it with "
                "asyncio::create_task (from another thread: loop.remote())");
        }
        if (loop.entered_thread && loop.thread != std::this_thread::get_id()) {
            throw RuntimeError("an event loop runs on one thread: this one has been run on another");
        }
        loop.thread = std::this_thread::get_id();
        if (!std::exchange(loop.entered_thread, true)) loop.backend->enter_thread();
        detail::current_loop = &loop;
        loop.running_now = true;
        loop.remote->wake_up();
        loop.note_special();
        loop.keep_watchdog();
        loop.deadlocked = false;
        loop.last_clock = loop.real_or_virtual_now();
    }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    ~Running() {
        detail::current_loop = outer_;
        if (loop_.pulse != nullptr) loop_.tell_watchdog(0);
        loop_.running_now = false;
        loop_.note_special();
        loop_.stopping = false;
        loop_.restarting = false;
        // A host may wait for the descriptor: also for a post that came before the loop fell asleep.
        if (!loop_.remote->fall_asleep() && !loop_.closed) loop_.remote->wake();
    }

  private:
    LoopImpl& loop_;
    detail::LoopCore* outer_;  // null, or in a child process what stands for the parent's
};

}  // namespace

EventLoop::EventLoop(RunOptions options) : impl_(std::make_unique<LoopImpl>(this, options)) {}

EventLoop::~EventLoop() {
    if (impl_->left_behind) {
        static_cast<void>(impl_.release());  // nothing in it is this process's
        return;
    }
    ASYNCIO_ASSERT(!impl_->running_now, "an EventLoop was destroyed while it runs");
    if (impl_->closed) return;
    // Also inside a callback of another loop, and on another thread than the one that ran it.
    detail::LoopCore* const outer = std::exchange(detail::current_loop, nullptr);
    impl_->thread = std::this_thread::get_id();
    try {
        close();
    } catch (...) {
        std::fprintf(stderr, "asyncio: closing an event loop failed: %s\n",
                     describe(std::current_exception()).c_str());
        std::abort();  // what it still holds cannot be let go
    }
    detail::current_loop = outer;
}

Handle EventLoop::schedule_soon(UniqueFunction<void()>&& function) {
    if (impl_->special) [[unlikely]]
        return schedule_soon_in(ContextOptions(), std::move(function));
    impl_->require_open();
    return detail::queue_callback(impl_.get(),
                                  [&function] { return detail::make_callback(std::move(function)); });
}

Handle EventLoop::schedule_soon_in(const ContextOptions& options, UniqueFunction<void()>&& function) {
    impl_->require_open();
    impl_->check_thread("call_soon");
    return detail::queue_callback(impl_.get(), [&] {
        return detail::make_callback_in(detail::context_for(options), std::move(function));
    });
}

TimerHandle EventLoop::schedule_at(TimePoint when, UniqueFunction<void()>&& function) {
    if (impl_->special) [[unlikely]]
        return schedule_at_in(ContextOptions(), when, std::move(function));
    impl_->require_open();
    return arm(when, detail::make_callback(std::move(function)));
}

TimerHandle EventLoop::schedule_at_in(const ContextOptions& options, TimePoint when,
                                      UniqueFunction<void()>&& function) {
    impl_->require_open();
    impl_->check_thread("call_at");
    return arm(when, detail::make_callback_in(detail::context_for(options), std::move(function)));
}

TimerHandle EventLoop::arm(TimePoint when, detail::Callback* callback) {
    TimerHandle handle(callback);
    --callback->refs;  // the handle's alone, until it is armed
    const auto ns = when.time_since_epoch().count();
    callback->when_ns = ns > 0 ? static_cast<std::uint64_t>(ns) : 1;
    impl_->timers.insert(callback, callback->when_ns);
    ++callback->refs;
    callback->loop = impl_.get();
    callback->scheduled = true;
    return handle;
}

void EventLoop::post(const ContextOptions& options, UniqueFunction<void()>&& function) {
    const std::shared_ptr<detail::RemoteState> remote = impl_->remote;  // what it calls may end this loop
    detail::post_remote(*remote, std::move(function), options.context);
}

TimePoint EventLoop::time() const noexcept {
    std::uint64_t ns = impl_->last_clock;
    if (impl_->running_now) {
        ns = detail::now_ns(impl_.get());
    } else if (!impl_->closed) {
        ns = impl_->real_or_virtual_now();
    }
    return TimePoint(std::chrono::nanoseconds(ns));
}

TimePoint EventLoop::time_after(Duration delay) const noexcept { return time() + delay; }

void EventLoop::run_forever() {
    const Running running(*impl_);
    impl_->run();
    if (impl_->deadlocked) {
        impl_->deadlocked = false;
        throw RuntimeError("deadlock: every task waits and nothing can wake one:\n" + impl_->list_tasks());
    }
}

void EventLoop::run_until_done(detail::PromiseBase* task) {
    struct StopWhenDone : detail::Waiter {
        LoopImpl* loop;
        explicit StopWhenDone(LoopImpl* l) noexcept
            : Waiter([](Waiter* me, detail::PromiseBase*) noexcept {
                  static_cast<StopWhenDone*>(me)->loop->request_stop();
              }),
              loop(l) {}
    } stop(impl_.get());
    if (!task->is(detail::done)) {
        const Running running(*impl_);
        detail::add_waiter(task, &stop);
        try {
            impl_->run();
        } catch (...) {
            detail::remove_waiter(task, &stop);
            throw;
        }
        detail::remove_waiter(task, &stop);
    }
    if (impl_->deadlocked) {
        impl_->deadlocked = false;
        throw RuntimeError("deadlock: every task waits and nothing can wake one:\n" + impl_->list_tasks());
    }
    if (!task->is(detail::done)) throw RuntimeError("event loop stopped before the coroutine completed");
}

void EventLoop::stop() noexcept {
    if (impl_->left_behind) detail::refuse_forked_loop();
    impl_->request_stop();
}

bool EventLoop::poll_once(Duration timeout) {
    const Running running(*impl_);
    std::uint64_t deadline = 0;
    if (timeout.is_infinite()) {
        deadline = detail::no_deadline;
    } else if (timeout.count_ns() > 0) {
        deadline = impl_->backend->now() + static_cast<std::uint64_t>(timeout.count_ns());
    }
    if (impl_->ready.size() != 0) impl_->poll_kernel(0);
    impl_->iterate(deadline);
    impl_->deadlocked = false;  // virtual time: nothing to do here is no error, the host may have more
    if (!impl_->remote->fall_asleep()) return true;  // from here on a post makes the descriptor readable
    if (impl_->ready.size() != 0 || impl_->backend->has_more()) return true;
    impl_->backend->flush();  // the host may be the one who waits
    return false;
}

int EventLoop::poll_descriptor() const noexcept { return impl_->closed ? -1 : impl_->backend->descriptor(); }

Duration EventLoop::poll_timeout() const noexcept {
    if (impl_->closed) return Duration::none();
    if (impl_->ready.size() != 0 || impl_->posted != nullptr || !impl_->idle_waiters.empty() ||
        impl_->posts->load(std::memory_order_relaxed) != nullptr || impl_->backend->has_more()) {
        return Duration::zero();
    }
    if (impl_->timers.empty()) return Duration::none();
    const std::uint64_t due = impl_->timers.next_deadline();
    if (due >= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return Duration::none();
    const std::uint64_t now = impl_->real_or_virtual_now();
    return due <= now ? Duration::zero() : Duration(std::chrono::nanoseconds(due - now));
}

int EventLoop::poll_timeout_ms() const noexcept {
    const Duration wait = poll_timeout();
    if (!wait.has_value()) return -1;
    // A host that is woken after 24 days finds nothing to do, and asks again.
    constexpr std::int64_t longest = std::numeric_limits<int>::max();
    return static_cast<int>(
        std::min(wait.count_ns() / 1'000'000 + (wait.count_ns() % 1'000'000 != 0), longest));
}

void EventLoop::close() {
    if (impl_->running_now) throw RuntimeError("cannot close a running event loop");
    if (impl_->closed) return;
    {
        const Running running(*impl_);
        impl_->shut_down();
        impl_->signals.reset();
        impl_->stop_watchdog();  // from here on it waits for threads, which speak for themselves
        impl_->give_back_all();
        detail::end_pools(impl_.get());
        // From here on posts are refused; those that came before are destroyed, on this thread, with what
        // they own.
        detail::Post* const dropped = impl_->remote->close();
        impl_->closed = true;
        for (detail::Post* list : {std::exchange(impl_->posted, nullptr), dropped}) {
            while (list != nullptr) detail::drop_post(std::exchange(list, list->next));
        }
        while (!impl_->timers.empty()) {
            const detail::TimerRef ref = impl_->timers.pop();
            ASYNCIO_ASSERT((ref.word() & detail::tag_mask) == detail::tag_timer,
                           "a task sleeps that has ended");
            auto* const timer =
                reinterpret_cast<detail::Timer*>(ref.word() & ~std::uintptr_t{detail::tag_mask});
            if (timer->ops->may_outlive_loop) continue;
            ASYNCIO_ASSERT(detail::is_callback(timer), "a timer is armed whose task has ended");
            detail::drop_callback(static_cast<detail::Callback*>(timer));
        }
        while (impl_->ready.size() != 0) {  // no task lives, so what stands here are callbacks and records
            const std::uintptr_t word = impl_->ready.pop();
            void* const target = reinterpret_cast<void*>(word & ~std::uintptr_t{detail::tag_mask});
            if (target == nullptr) continue;
            switch (word & detail::tag_mask) {
                case detail::tag_done: {
                    auto* const record = static_cast<detail::PromiseBase*>(target);
                    record->clear(detail::queued_done | detail::owns_slot);
                    detail::release(record);
                    break;
                }
                case detail::tag_timer: {
                    auto* const timer = static_cast<detail::Timer*>(target);
                    if (timer->ops->may_outlive_loop) {
                        timer->node.set_idle();
                    } else {
                        detail::drop_callback(static_cast<detail::Callback*>(timer));
                    }
                    break;
                }
                default: {
                    auto* const leaf = static_cast<detail::Leaf*>(target);
                    if (detail::is_post(leaf)) {
                        detail::drop_post(static_cast<detail::Post*>(leaf));
                    } else {
                        detail::drop_callback(static_cast<detail::Callback*>(leaf));
                    }
                }
            }
        }
        detail::drop_executor_calls(impl_.get());
        detail::drop_anchors(impl_.get());
        impl_->drop_spare_posts();
        impl_->exception_handler = nullptr;
    }
    impl_->processes.reset();
    impl_->net.reset();
    impl_->backend.reset();
    detail::unregister_loop(impl_.get());
}

bool EventLoop::is_running() const noexcept { return impl_->running_now; }
bool EventLoop::is_closed() const noexcept { return impl_->closed; }

LoopHandle EventLoop::remote() const { return LoopHandle(impl_->remote); }

bool EventLoop::get_debug() const noexcept { return impl_->debug; }
void EventLoop::set_debug(bool on) noexcept {
    impl_->set_debug(on);
    impl_->note_special();
}
void EventLoop::set_slow_callback_duration(Duration duration) noexcept {
    const std::int64_t ns = duration.has_value() ? duration.count_ns() : -1;
    impl_->slow_ns = ns >= 0 ? static_cast<std::uint64_t>(ns) : detail::no_deadline;
}
Duration EventLoop::slow_callback_duration() const noexcept {
    if (impl_->slow_ns == detail::no_deadline) return Duration::none();
    return Duration(std::chrono::nanoseconds(impl_->slow_ns));
}
Backend EventLoop::backend() const noexcept { return impl_->options.backend; }

EventLoop& get_running_loop() {
    if (detail::running_loop() == nullptr) {
        throw RuntimeError(
            detail::current_loop == nullptr
                ? "no running event loop: call this from a coroutine or callback that asyncio::run drives"
                : "no running event loop: this process was made by fork, and has none of its own");
    }
    return *detail::current_loop->owner;
}

std::string_view to_string(Backend backend) noexcept {
    switch (backend) {
        case Backend::automatic: return "automatic";
        case Backend::io_uring: return "io_uring";
        case Backend::epoll: return "epoll";
        case Backend::sim: return "sim";
    }
    return "?";
}

std::string available_backends() {
    std::string names;
    for (Backend each : {Backend::epoll, Backend::io_uring, Backend::sim}) {
        const int wake = detail::make_wake_descriptor();
        std::string_view reason;
        const detail::BackendOptions options;
        const auto made = each == Backend::epoll      ? detail::make_epoll_backend(wake, options, reason)
                          : each == Backend::io_uring ? detail::make_io_uring_backend(wake, options, reason)
                                                      : detail::make_sim_backend(wake, options, reason);
        if (made != nullptr) {
            if (!names.empty()) names += ' ';
            names += to_string(each);
        }
        detail::close_wake_descriptor(wake);
    }
    return names;
}

}}  // namespace asyncio::v1
