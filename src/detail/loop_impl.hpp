// The loop itself: what EventLoop owns and what the library's layers above the core use.
#pragma once
#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "asyncio/core/detail/post.hpp"
#include "asyncio/core/event_loop.hpp"
#include "detail/timer_queue.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

class DescriptorTable;
class SignalHub;
class ThreadPool;
struct TaskInTheMaking;
class Watchdog;
struct RemoteAnchor;
struct ExecutorCall;

/// What other threads may touch: outlives the loop for as long as somebody holds a LoopHandle.
struct RemoteState {
    explicit RemoteState(int wake) noexcept : wake_descriptor(wake) {}
    ~RemoteState();
    RemoteState(const RemoteState&) = delete;
    RemoteState& operator=(const RemoteState&) = delete;

    /// Any thread, signal handlers.
    void wake() const noexcept;
    /// Any thread that holds a share of this. Throws RuntimeError "event loop is closed"; the callable is
    /// then destroyed by the caller. It runs in a copy of the current context of this thread, unless there is
    /// another one.
    void post(UniqueFunction<void()>&& function, const ContextRef* context = nullptr);
    /// The same with a post made before; false if the loop is closed. Allocates nothing.
    bool post_made(Post* post) noexcept;
    bool is_open() const noexcept;

    // The loop's thread.
    /// All that have come, the oldest first.
    Post* take_all() noexcept;
    /// The same; from here on posts are refused.
    Post* close() noexcept;
    /// From here on the wake descriptor is written for the next post. False: one has come already.
    bool fall_asleep() noexcept;
    void wake_up() noexcept { asleep.store(false, std::memory_order_relaxed); }
    /// False: those who post have some already.
    bool give_spare(FreeBlock* blocks) noexcept;

    static Post* closed() noexcept { return reinterpret_cast<Post*>(std::uintptr_t{1}); }

    // See src/core/posts.cpp.
    const int wake_descriptor;
    bool left_behind = false;  // in a child process: see loop_registry.cpp
    alignas(64) std::atomic<Post*> head{nullptr};
    std::atomic<bool> asleep{true};
    std::atomic<FreeBlock*> spare{nullptr};
};

/// Who watches a loop step by step: the testing kit.
struct LoopWatch {
    /// Before each entry of the ready queue is run, and (0) each time nothing is ready and the loop is about
    /// to wait.
    virtual void at_step(std::uintptr_t entry) noexcept = 0;
    /// An order that is counted out (see `counted_order`) has chosen one of so many frames.
    virtual void at_choice(std::uint64_t below) noexcept = 0;

  protected:
    ~LoopWatch() = default;
};

/// Seeds from here on are no seeds of random numbers: the digits of the rest, in the bases that the loop
/// finds, choose which of the ready frames comes next. So every order that a short program can run in has a
/// number.
inline constexpr std::uint64_t counted_order = std::uint64_t{1} << 63;

/// What a layer above the core keeps for a loop: made by that layer when it is first needed.
struct LoopPart {
    LoopPart() = default;
    LoopPart(const LoopPart&) = delete;
    LoopPart& operator=(const LoopPart&) = delete;
    virtual ~LoopPart() = default;
    /// The loop closes and no task is left: gives up what the kernel holds for this part. The loop then polls
    /// until the kernel holds nothing, and destroys the part.
    virtual void shut_down() noexcept = 0;
};

/// How a loop's passes are compiled.
enum class Passes : std::uint8_t {
    plain,        // it keeps the kernel's time and the order of arrival; nobody watches or measures
    watched,      // the same, with a watchdog
    of_any_kind,  // virtual time, another order, the testing kit, debug mode
};

struct LoopImpl final : LoopCore {
    LoopImpl(EventLoop* owning_loop, RunOptions loop_options);
    /// No loop, but what stands for one: see loop_registry.cpp.
    LoopImpl() noexcept = default;
    ~LoopImpl();

    // ---- running --------------------------------------------------------------------------------
    /// Runs until `stopping` is set; the batch in which that happens is finished.
    void run();
    /// One iteration; waits at most until `deadline`.
    void iterate(std::uint64_t deadline);
    void run_what_is_ready() noexcept;
    template <Passes kind>
    void run_passes();
    template <Passes kind>
    void gather_work();
    template <Passes kind>
    void run_ready_batch() noexcept;
    void run_next_entry() noexcept;
    void run_entry(std::uintptr_t word) noexcept;
    Passes kind_of_passes() const noexcept {
        if (clock != nullptr || reorders || watch != nullptr || debug) return Passes::of_any_kind;
        return pulse != nullptr ? Passes::watched : Passes::plain;
    }
    /// Ends `run` after the batch that runs.
    void request_stop() noexcept {
        stopping = true;
        restarting = false;
    }
    void run_timed_entry() noexcept;
    void set_debug(bool on) noexcept;
    /// The watchdog runs if it is wanted.
    void keep_watchdog() noexcept;
    void stop_watchdog() noexcept;
    /// What the watchdog reads: where the ready queue stood when the latest pass began, and a 1 while it
    /// runs. Pairs with nothing: it only has to change.
    void tell_watchdog(unsigned passing) noexcept {
        pulse->store(ready.head << 1 | passing, std::memory_order_relaxed);
    }
    void step(PromiseBase* frame) noexcept;
    void resume_task(PromiseBase* frame) noexcept;
    void poll_kernel(std::uint64_t deadline);
    void wait_for_work(std::uint64_t deadline);
    std::uint64_t tidy_memory() noexcept;
    void give_back_all() noexcept;
    void fire_timers(std::uint64_t now) noexcept;
    void take_posts() noexcept;
    bool linger_for_posts() const noexcept;
    void give_spare_posts() noexcept;
    void drop_spare_posts() noexcept;
    void shuffle_batch() noexcept;
    void order_batch() noexcept;
    std::uint64_t real_or_virtual_now() noexcept { return clock != nullptr ? clock_ns() : backend->now(); }
    std::uint64_t clock_ns() const noexcept {
        return static_cast<std::uint64_t>(clock->now().time_since_epoch().count());
    }
    void check_thread(const char* what) const;
    void require_open() const;
    /// After a change of what `special` stands for. While the loop does not run, what is started or scheduled
    /// inherits the context of the thread.
    void note_special() noexcept {
        special = debug || has_contexts || task_factory != nullptr || !running_now;
    }
    /// The same for what primitives keep of this loop.
    void note_binding() noexcept { binding = loop_id | (debug ? watched_binding : 0); }
    /// From here on something of this loop may run in a context that is not empty.
    void note_contexts() noexcept { has_contexts = special = true; }
    /// For a callback that is about to run; `leave_callback_context` follows.
    void enter_callback_context(const ContextRef& context) noexcept {
        callback_context = context;
        if (context != nullptr) note_contexts();
    }
    /// What was not a task's has run: the next begins with an empty context.
    void leave_callback_context() noexcept {
        while (callback_context != nullptr) [[unlikely]]  // its values may set variables when they go
            callback_context.reset();
    }

    // ---- ending ---------------------------------------------------------------------------------
    void shut_down();
    /// Those that were not asked to end yet; or all that were, once more.
    void cancel_new_tasks() noexcept;
    void cancel_tasks_again() noexcept;
    void warn_of_tasks(std::uint64_t cancelled_for_ns) const noexcept;
    std::string list_tasks() const;

    std::unique_ptr<KernelBackend> backend;
    std::shared_ptr<RemoteState> remote;
    std::atomic<Post*>* posts = nullptr;  // remote->head
    RunOptions options;
    VirtualClock* clock = nullptr;  // null: the kernel's
    std::optional<VirtualClock> own_clock;
    TimerQueue timers;
    std::uint64_t last_clock = 0;  // the latest time anybody read: timers up to here are due
    std::size_t surplus_seen =
        0;                      // the most that the recycler's lists held beyond their caps since they did …
    std::uint64_t tidy_at = 0;  // … and when to look whether it has become more
    std::shared_ptr<EventLoop::ExceptionHandler> exception_handler;  // null: what nobody awaits is printed
    std::shared_ptr<ThreadPool> pool;  // the default executor's: made by the first to_thread, or set
    std::vector<std::shared_ptr<ThreadPool>> former_pools;      // default executors that another has replaced
    bool pool_has_ended = false;                                // shutdown_default_executor was called
    std::vector<std::shared_ptr<ExecutorCall>> executor_calls;  // whose futures are not done
    ContextRef callback_context;                   // of the callback that runs; null before and after it
    std::shared_ptr<TaskFactory> task_factory;     // null: the default
    TaskInTheMaking* in_the_making = nullptr;      // by task factories that are called just now
    std::shared_ptr<DescriptorTable> descriptors;  // whose they are, and the callbacks of add_reader
    std::unique_ptr<LoopPart> net;                 // made by the first connection, server or name lookup
    std::unique_ptr<LoopPart> processes;           // made by the first subprocess
    Post* posted = nullptr;                        // taken from `remote`, waiting for room in the ready queue
    FreeBlock* spare_posts = nullptr;  // of posts that have run, on their way back to those who post
    unsigned spare_posts_count = 0;
    bool posts_came = false;                             // since it last waited
    std::size_t thread_jobs = 0;                         // to_thread calls not yet delivered
    std::vector<std::shared_ptr<RemoteAnchor>> anchors;  // of remote handles to tasks and futures
    std::vector<Leaf*> idle_waiters;                     // wait_all_tasks_blocked
    std::uint32_t next_task_id = 1;
    std::uint64_t random_state = 0;       // sim's order; 0: FIFO, or …
    std::uint64_t choices = 0;            // … the digits that are left of a counted order
    bool ordered = false;                 // … which this says
    bool reorders = false;                // either of them
    std::uint64_t jitter_state = 0;       // of random_bits; its own, so that asking changes no order
    LoopWatch* watch = nullptr;           // null but in tests of the kit's kind
    std::uint64_t slow_ns = 100'000'000;  // of a step in debug mode
    std::unique_ptr<Watchdog> watchdog;
    std::atomic<std::uint64_t>* pulse = nullptr;  // the watchdog's; null: there is none
    std::thread::id thread;
    bool running_now = false;
    bool has_contexts = false;
    bool closed = false;
    bool closing = false;
    std::uint64_t pools_deadline = 0;  // it closes: until when its pools' threads are waited for
    bool stopping = false;
    bool restarting = false;  // … to run on in another way: see kind_of_passes
    bool entered_thread = false;
    bool deadlocked = false;               // virtual time: every task waits and nothing can wake one
    PromiseBase* main_task = nullptr;      // whom the first Ctrl-C cancels
    std::atomic<bool> interrupted{false};  // set by the handler of Ctrl-C
    std::atomic<bool> signalled{false};    // set by the handler of the signals that `signals` has
    std::shared_ptr<SignalHub> signals;    // made by the first add_signal_handler or SignalReceiver

    // In a child process, of a loop that its parent has made: what fork has cut it off from.
    bool left_behind = false;
    LoopImpl* next_left = nullptr;
    KernelBackend* left_backend = nullptr;
    std::uintptr_t* left_slots = nullptr;
};

/// Loops that are not closed can be found by their records. Throws std::bad_alloc.
void register_loop(LoopImpl* loop);
void unregister_loop(LoopImpl* loop) noexcept;
/// The loop of a task that is not done, or that a future is awaited on; null if there is none (any more).
LoopCore* loop_of(const PromiseBase* record) noexcept;
/// The loop with this number is in debug mode, and runs on a thread that is not this one. Any thread.
bool runs_on_another_thread(std::uint32_t loop_id) noexcept;
/// Ends a child process that uses the loop of its parent.
[[noreturn]] ASYNCIO_COLD void refuse_forked_loop() noexcept;

/// The loop that runs in this thread, or null; in a child process the one that its parent ran there is none.
inline LoopCore* running_loop() noexcept {
    LoopCore* const loop = current_loop;
    return loop != nullptr && loop->owner != nullptr ? loop : nullptr;
}

/// Makes a loop that does not run this thread's for a moment, to wake something of its.
class OnLoop {
  public:
    explicit OnLoop(LoopCore* loop) noexcept : outer_(std::exchange(current_loop, loop)) {}
    OnLoop(const OnLoop&) = delete;
    OnLoop& operator=(const OnLoop&) = delete;
    ~OnLoop() { current_loop = outer_; }

  private:
    LoopCore* outer_;
};

inline LoopImpl* impl_of(LoopCore* loop) noexcept { return static_cast<LoopImpl*>(loop); }

/// The loop closes: remote handles lose their tasks and futures.
void drop_anchors(LoopImpl* loop) noexcept;
/// … and the calls of run_in_executor that have not come back their futures.
void drop_executor_calls(LoopImpl* loop) noexcept;

/// A record dies: destroys the done-callbacks of a future that was never completed.
void drop_done_callbacks(PromiseBase* record) noexcept;

/// Reports to the loop's exception handler, or to stderr if there is no loop (any more).
/// The handler runs in the context of that task; or, of `in_current_context`, where it is called.
void report_exception(LoopImpl* loop, std::string_view message, std::exception_ptr error, PromiseBase* record,
                      bool in_current_context = false) noexcept;

/// ASYNCIO_DEBUG is set to something but 0.
bool environment_debug() noexcept;

std::string record_name(const PromiseBase* record);
/// "task 'x' (file.cpp:12)": what this thread runs, for assertions; null if it runs no task.
const char* running_task_text() noexcept;
/// "file.cpp:12", without directories.
std::string place_text(Where where);
/// The coroutine's own name, without namespaces of the compiler's making: "amain".
std::string coroutine_name(Where where);
/// The same of a symbol of the program: "amain (coroutine)", or the demangled name.
std::string native_function_name(const std::string& mangled);
/// Where a task's coroutine stands, for people. Of an awaitable that was handed over instead of a coroutine
/// that is where somebody waits for it, or where it was handed over.
Where shown_place(const PromiseBase* frame) noexcept;
/// The coroutines of a task, the innermost first. Empty when it has ended.
std::vector<const PromiseBase*> await_frames(const PromiseBase* task);
/// Their names and places, the outermost first: "fetch (main.cpp:12)".
std::vector<std::string> await_chain(const PromiseBase* task);
/// The type in what `type_spelling` gives; "a lambda's captures" for a closure.
std::string type_name(const char* spelling);
/// The same; a closure is named by where it stands, as the compiler spells it: "amain()::<lambda()>".
std::string callable_name(const char* spelling);

}}}  // namespace asyncio::v1::detail
