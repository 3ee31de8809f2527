// The loops of this process, and what becomes of them in a child process.
//
// A loop that was forked is a copy of the parent's loop, but what it holds of the kernel is not: the epoll
// instance and its registrations, the memory of the ring, the wake descriptor are shared. A child that went
// on running it would take the parent's events. So it must not be used; and to say so costs nothing while
// nobody forks, because it is a handler of pthread_atfork that, in the child, makes each copied loop one
// whose every use ends in an assertion which names the cure:
//
//   - It counts as closed, which all that begins something on a loop asks. So does its RemoteState.
//   - Its backend is one that closes descriptors (which the parent has, too), and asserts when it is given an
//     operation or told to wait. The old one stays untouched for ever: it has the parent's operations.
//   - First in its ready queue stands an entry which asserts: the iteration in which a task forked gets no
//     further than to the end of that task's step. Behind it there is room for what is still woken, by
//     connections that are closed, say.
//   - The thread that forked has a stand-in for its loop. No coroutine runs there, so each await asserts; its
//     ready queue is full, so create_task and call_soon take the cold path that makes room, which asserts. A
//     coroutine that ends leaves its mark on the stand-in, where nobody looks.
//
// The loop's memory is never freed in the child, nor are its tasks: destroying them would run the code of
// users who think that they still have a loop. Leaving the loop's EventLoop object behind, as exit() does, is
// fine, and so is a new loop: nothing of the old one is in its way, not even inside the old one's coroutine.
// (Python agrees: in a child process there is no running loop.)
//
// vfork, posix_spawn and clone run no such handlers, and need none: they are followed by exec.
#include <errno.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include <mutex>
#include <new>
#include <vector>

#include "detail/loop_impl.hpp"
#include "detail/warnings.hpp"
#include "detail/watchdog.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

namespace {

struct LoopRegistry {
    std::mutex mutex;
    std::vector<LoopImpl*> loops;  // guarded by mutex
    std::uint32_t next_id = 1;     // guarded by mutex
    LoopImpl* left = nullptr;      // those of the parent process: nobody may think them lost
};
LoopRegistry& loop_registry() {
    static auto* const registry = new LoopRegistry;  // never destroyed: handles in globals may ask for it
    return *registry;
}

// ---- in the child -------------------------------------------------------------------------------

class LeftBackend final : public KernelBackend {
  public:
    Backend kind() const noexcept override { return Backend::automatic; }
    bool submit(Operation&) noexcept override { refuse_forked_loop(); }
    /// The kernel does not know this process's copy of the operation: nothing need be asked.
    bool cancel(Operation& operation) noexcept override {
        operation.held = false;
        operation.result = -ECANCELED;
        return true;
    }
    void close_descriptor(int descriptor) noexcept override { ::close(descriptor); }
    void poll(std::uint64_t) noexcept override { refuse_forked_loop(); }
    std::uint64_t now() noexcept override {
        timespec time;
        clock_gettime(CLOCK_MONOTONIC, &time);
        return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000u +
               static_cast<std::uint64_t>(time.tv_nsec);
    }
    std::size_t in_flight() const noexcept override { return 0; }
    int descriptor() const noexcept override { return -1; }
};

constexpr LeafOps left_ops{[](Leaf*) noexcept { return CancelAnswer::pending; },
                           [](Leaf*) noexcept { refuse_forked_loop(); }, "a loop of the parent process"};

/// What the loops of the parent share in the child.
struct LeftBehind {
    static constexpr std::size_t room = 4096;  // a power of two

    LeftBackend backend;
    Leaf trap{&left_ops};
    std::atomic<Post*> no_posts{nullptr};
    std::uintptr_t slots[room] = {};
    PromiseBase task;   // has a cancel pending: no await thinks that it need not suspend
    LoopImpl stand_in;  // the loop of the thread that forked

    LeftBehind() noexcept {
        slots[0] = reinterpret_cast<std::uintptr_t>(&trap) | tag_leaf;
        task.pending = 1;
        stand_in.left_behind = true;
        stand_in.closed = true;
        stand_in.current = &task;
        stand_in.ready = queue();
        stand_in.ready.reserved = std::uint64_t{1} << 40;  // full: see grow_ready
    }
    ReadyQueue queue() noexcept {
        ReadyQueue made;
        made.slots = slots;
        made.mask = room - 1;
        made.tail = 1;
        made.reserved = room / 2;  // neither full, nor empty when entries of the old one are given back
        return made;
    }
};

LeftBehind& left_behind() noexcept {
    alignas(LeftBehind) static std::byte memory[sizeof(LeftBehind)];
    static auto* const made = ::new (memory) LeftBehind;  // never destroyed
    return *made;
}

void leave_behind(LoopImpl& loop) noexcept {
    LeftBehind& left = left_behind();
    loop.left_behind = true;
    loop.closed = true;
    loop.running_now = false;
    loop.stopping = false;
    loop.left_backend = loop.backend.release();
    loop.backend.reset(&left.backend);  // never destroyed: see ~EventLoop
    loop.left_slots = loop.ready.slots;
    loop.ready = left.queue();
    loop.posts = &left.no_posts;
    loop.remote->head.store(RemoteState::closed(),
                            std::memory_order_relaxed);  // what was posted is the parent's
    loop.remote->left_behind = true;
}

// ---- the handlers -------------------------------------------------------------------------------

// A child in which another thread holds this lock would wait for ever.
void before_fork() noexcept { loop_registry().mutex.lock(); }

void after_fork_in_parent() noexcept { loop_registry().mutex.unlock(); }

void after_fork_in_child() noexcept {
    LoopRegistry& registry = loop_registry();
    for (LoopImpl* loop : registry.loops) {
        leave_behind(*loop);
        loop->next_left = std::exchange(registry.left, loop);
    }
    registry.mutex.unlock();
    forget_warning_lock();
    forget_samples();
    registry.loops.clear();
    if (current_loop != nullptr) current_loop = &left_behind().stand_in;
}

}  // namespace

void refuse_forked_loop() noexcept {
    ASYNCIO_ASSERT(
        false,
        "this process was made by fork, and may not use the event loop of its parent: call exec or "
        "_exit in the child, or run a loop of its own there (asyncio::run), then _exit");
    __builtin_unreachable();
}

void register_loop(LoopImpl* loop) {
    LoopRegistry& registry = loop_registry();
    std::lock_guard lock(registry.mutex);
    static const bool watches_forks =
        ::pthread_atfork(&before_fork, &after_fork_in_parent, &after_fork_in_child) == 0;
    static_cast<void>(watches_forks);  // without memory for it a fork goes unnoticed
    assert_context = &running_task_text;
    registry.loops.push_back(loop);
    loop->loop_id = registry.next_id++ & 0x3fffffff;
    loop->note_binding();
    loop->magic = static_cast<std::uint16_t>(record_magic | (1 + loop->loop_id % 0x0fff));
}

bool runs_on_another_thread(std::uint32_t loop_id) noexcept {
    if (current_loop != nullptr && current_loop->loop_id == loop_id) return false;
    LoopRegistry& registry = loop_registry();
    std::lock_guard lock(registry.mutex);
    for (const LoopImpl* loop : registry.loops) {
        if (loop->loop_id != loop_id) continue;
        return loop->debug && loop->running_now && loop->thread != std::this_thread::get_id();
    }
    return false;
}

void unregister_loop(LoopImpl* loop) noexcept {
    LoopRegistry& registry = loop_registry();
    std::lock_guard lock(registry.mutex);
    std::erase(registry.loops, loop);
}

LoopCore* loop_of(const PromiseBase* record) noexcept {
    if (record->is(is_future)) {
        LoopRegistry& registry = loop_registry();
        std::lock_guard lock(registry.mutex);
        for (LoopCore* loop : registry.loops) {
            if (record->id != 0 && loop->loop_id == record->id) return loop;
        }
        return nullptr;
    }
    if (!record->is(is_task) || record->ended()) return nullptr;
    // The list of live tasks is a circle through the loop's own head, which is no task.
    const PromiseBase* each = record;
    while (each->is(is_task)) each = each->live.next;
    return static_cast<LoopCore*>(const_cast<void*>(each->where));  // the head keeps its loop there
}

}}}  // namespace asyncio::v1::detail
