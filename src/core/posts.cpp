// Posts of other threads: a stack that anybody pushes to and the loop takes as a whole, newest first, and
// turns over.
//
// Invariants
//   1. `head` is null, the newest post, or `closed`; once closed it stays so. A post that was pushed is run
//      or dropped by the loop's thread, once; one that was refused is its poster's.
//   2. Whoever pushes writes to the wake descriptor only if the loop is `asleep`, and takes that mark away:
//      one write for each time that the loop falls asleep, none while it runs. The loop sets the mark, then
//      looks for posts once more; a poster pushes, then looks for the mark. Both are sequentially consistent,
//      so one of the two sees the other. A loop that does not run counts as asleep: a host may wait for its
//      descriptor.
//   3. A block goes in a circle: from its poster to the loop, with many others back to `spare`, from where
//      the next poster whose own have run out takes them all. Each takes the whole list or none, so nobody
//      can meet a block twice. The loop keeps no more than so many. (The frames' recycler is none for this:
//      its lists belong to threads, and the loop's would only ever grow.)
//
// Rejected: a mutex and a list (eight posters on two cores spend their time in the kernel, handing it to each
// other); a queue whose push is one exchange (a poster that is interrupted between its two stores hides
// all that come after it, and a loop that closes would have to wait for it).
#include <sched.h>

#include <new>

#include "asyncio/base/error.hpp"
#include "asyncio/core/loop_handle.hpp"
#include "detail/context_slot.hpp"
#include "detail/loop_impl.hpp"
#include "detail/wake_descriptor.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

namespace {

// ---- blocks -------------------------------------------------------------------------------------

constexpr bool keeps_blocks = ASYNCIO_ASAN == 0 && ASYNCIO_TSAN == 0;  // sanitizers see each post by itself
constexpr unsigned spare_max = 4096;
constexpr unsigned fresh_before_yield = 256;

void free_blocks(FreeBlock* list) noexcept {
    while (list != nullptr) ::operator delete(std::exchange(list, list->next));
}

/// What this thread may post with.
struct OwnBlocks {
    FreeBlock* head;
    unsigned fresh;
    bool opened;
    bool closed;
};
constinit thread_local OwnBlocks own_blocks{};

void open_own_blocks() noexcept {
    struct Guard {
        Guard() noexcept { own_blocks.opened = true; }
        ~Guard() {
            own_blocks.closed = true;
            free_blocks(std::exchange(own_blocks.head, nullptr));
        }
    };
    static thread_local const Guard guard;
}

ASYNCIO_NOINLINE void* new_block() {
    if (++own_blocks.fresh == fresh_before_yield) {
        own_blocks.fresh = 0;
        ::sched_yield();
    }
    return ::operator new(sizeof(Post));
}

void* take_post_block() {
    if (FreeBlock* const block = own_blocks.head) {
        own_blocks.head = block->next;
        return block;
    }
    return new_block();
}

void give_post_block(void* block) noexcept {
    LoopImpl* const loop = impl_of(current_loop);
    if (!keeps_blocks || loop == nullptr || loop->spare_posts_count == spare_max) {
        ::operator delete(block);
        return;
    }
    loop->spare_posts = ::new (block) FreeBlock{loop->spare_posts};
    ++loop->spare_posts_count;
}

// ---- a post -------------------------------------------------------------------------------------

CancelAnswer never_asked(Leaf*) noexcept { return CancelAnswer::pending; }

void call(UniqueFunction<void()>& function) noexcept {
    try {
        function();
    } catch (...) {
        report_exception(impl_of(current_loop), "Exception in callback", std::current_exception(), nullptr);
    }
}

/// The object that it lies in may go when it is called.
void run_embedded(Leaf* leaf) noexcept {
    auto function = std::move(static_cast<Post*>(leaf)->function);
    release_slot(current_loop);
    call(function);
}

void run_block(Leaf* leaf) noexcept {
    auto* const post = static_cast<Post*>(leaf);
    LoopImpl* const loop = impl_of(current_loop);
    release_slot(loop);
    call(post->function);
    post->~Post();
    give_post_block(post);
    loop->leave_callback_context();
}

/// The function, called in a context that is not empty; `run_block` leaves it.
UniqueFunction<void()> in_context(ContextRef context, UniqueFunction<void()>&& function) {
    return [context = std::move(context), function = std::move(function)] {
        impl_of(current_loop)->enter_callback_context(context);
        function();
    };
}

}  // namespace

const LeafOps Post::embedded_ops{&never_asked, &run_embedded, "callback"};
const LeafOps Post::block_ops{&never_asked, &run_block, "callback"};

Post* make_post(UniqueFunction<void()>&& function) {
    return ::new (take_post_block()) Post(&Post::block_ops, std::move(function));
}

void drop_post(Post* post) noexcept {
    const auto function = std::move(post->function);  // dies last
    if (post->ops != &Post::block_ops) return;
    post->~Post();
    ::operator delete(post);
}

bool is_post(const Leaf* leaf) noexcept {
    return leaf->ops == &Post::embedded_ops || leaf->ops == &Post::block_ops;
}

// ---- the list -----------------------------------------------------------------------------------

namespace {

Post* turned_over(Post* newest) noexcept {
    Post* oldest = nullptr;
    while (newest != nullptr) {
        Post* const post = std::exchange(newest, newest->next);
        post->next = std::exchange(oldest, post);
    }
    return oldest;
}

}  // namespace

RemoteState::~RemoteState() {
    free_blocks(spare.load(std::memory_order_relaxed));
    close_wake_descriptor(wake_descriptor);
}

void RemoteState::wake() const noexcept { write_wake_descriptor(wake_descriptor); }

void RemoteState::post(UniqueFunction<void()>&& function, const ContextRef* asked) {
    if (ContextRef context = context_for(asked); context != nullptr) [[unlikely]]
        function = in_context(std::move(context), std::move(function));
    if (keeps_blocks && own_blocks.head == nullptr && spare.load(std::memory_order_relaxed) != nullptr &&
        !own_blocks.closed) {
        if (!own_blocks.opened) open_own_blocks();
        own_blocks.head = spare.exchange(nullptr, std::memory_order_acquire);  // pairs with give_spare
    }
    PostPtr made(make_post(std::move(function)));
    if (!post_made(made.get())) {
        if (left_behind) refuse_forked_loop();
        throw RuntimeError("event loop is closed");
    }
    static_cast<void>(made.release());
}

bool RemoteState::post_made(Post* post) noexcept {
    Post* newest = head.load(std::memory_order_relaxed);
    do {
        if (newest == closed()) return false;
        post->next = newest;
        // Its release pairs with the acquire in take_all; the total order is invariant 2's.
    } while (!head.compare_exchange_weak(newest, post, std::memory_order_seq_cst, std::memory_order_relaxed));
    // From here on the post may have run. What follows is this state's, which the poster holds.
    if (asleep.load(std::memory_order_seq_cst) && asleep.exchange(false, std::memory_order_relaxed)) wake();
    return true;
}

Post* RemoteState::take_all() noexcept {
    return turned_over(head.exchange(nullptr, std::memory_order_acquire));  // pairs with post_made
}

Post* RemoteState::close() noexcept {
    return turned_over(head.exchange(closed(), std::memory_order_acq_rel));  // pairs with post_made, is_open
}

bool RemoteState::is_open() const noexcept { return head.load(std::memory_order_acquire) != closed(); }

bool RemoteState::fall_asleep() noexcept {
    asleep.store(true, std::memory_order_seq_cst);
    return head.load(std::memory_order_seq_cst) == nullptr;
}

bool RemoteState::give_spare(FreeBlock* blocks) noexcept {
    FreeBlock* none = nullptr;
    return spare.compare_exchange_strong(none, blocks, std::memory_order_release,
                                         std::memory_order_relaxed);  // pairs with the exchange in post
}

void LoopImpl::give_spare_posts() noexcept {
    if (spare_posts == nullptr || !remote->give_spare(spare_posts)) return;
    spare_posts = nullptr;
    spare_posts_count = 0;
}

void LoopImpl::drop_spare_posts() noexcept {
    free_blocks(std::exchange(spare_posts, nullptr));
    spare_posts_count = 0;
}

void post_remote(RemoteState& remote, UniqueFunction<void()>&& function, const Context* context) {
    remote.post(std::move(function), context != nullptr ? &context->state() : nullptr);
}

bool remote_is_open(const RemoteState& remote) noexcept { return remote.is_open(); }

}}}  // namespace asyncio::v1::detail
