// Remote handles. A record's count is not atomic, so other threads never touch one: they hold an anchor,
// which the loop holds, too. The loop lets the record go when the last remote handle is gone (it posts that),
// or when it closes.
#include "asyncio/task/remote.hpp"

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "asyncio/base/error.hpp"
#include "detail/loop_impl.hpp"

namespace asyncio { inline namespace v1 {
namespace detail {

// ---- anchors ------------------------------------------------------------------------------------

struct RemoteAnchor {
    explicit RemoteAnchor(std::shared_ptr<RemoteState> s) noexcept : state(std::move(s)) {}
    std::shared_ptr<RemoteState> state;
    PromiseBase* record = nullptr;  // loop thread only; set while the loop holds it
    std::size_t index = 0;          // loop thread only: its place among the loop's anchors, until then
    std::uint64_t callback = 0;     // loop thread only: the number of the done-callback; 0: none
    std::atomic<bool> finished{false};
};

namespace {

void let_go(LoopImpl* loop, RemoteAnchor* anchor) noexcept {
    PromiseBase* const record = std::exchange(anchor->record, nullptr);
    if (record == nullptr) return;  // it has let go already
    std::vector<std::shared_ptr<RemoteAnchor>>& anchors = loop->anchors;
    ASYNCIO_ASSERT(anchors[anchor->index].get() == anchor);
    const std::shared_ptr<RemoteAnchor> held =
        std::exchange(anchors[anchor->index], std::move(anchors.back()));
    anchors.pop_back();
    if (held->index != anchors.size()) anchors[held->index]->index = held->index;
    held->finished.store(true, std::memory_order_release);
    if (held->callback != 0) remove_done_callback(record, held->callback);
    release(record);
}

/// What remote handles share: when the last is gone, the loop is told to let the record go.
struct HandleShare {
    std::shared_ptr<RemoteAnchor> anchor;
    explicit HandleShare(std::shared_ptr<RemoteAnchor> a) noexcept : anchor(std::move(a)) {}
    HandleShare(const HandleShare&) = delete;
    ~HandleShare() {
        if (!remote_is_open(*anchor->state)) return;  // it has let go already
        try {
            anchor->state->post(
                [anchor = anchor.get(), keep = anchor] { let_go(impl_of(current_loop), anchor); });
        } catch (...) {
            // Closed just now: it has let go already. No memory: it lets go when it closes.
        }
    }
};

}  // namespace

std::shared_ptr<RemoteAnchor> make_anchor(PromiseBase* record) {
    LoopImpl* const loop = impl_of(running_loop());
    if (loop == nullptr)
        throw RuntimeError("remote(): no running event loop: take the remote handle on the loop's thread");
    auto anchor = std::make_shared<RemoteAnchor>(loop->remote);
    auto share = std::make_shared<HandleShare>(anchor);  // without memory below it finds that nothing is held
    anchor->index = loop->anchors.size();
    loop->anchors.push_back(anchor);
    anchor->record = record;
    ++record->refs;
    if (record->is(done)) {
        anchor->finished.store(true, std::memory_order_release);
    } else {
        try {
            anchor->callback = add_done_callback(
                record, [anchor](AnyTask) { anchor->finished.store(true, std::memory_order_release); });
        } catch (...) {
            let_go(loop, anchor.get());
            throw;
        }
    }
    // The handles share `share`, and see the anchor.
    return std::shared_ptr<RemoteAnchor>(share, anchor.get());
}

void post_to_anchor(const std::shared_ptr<RemoteAnchor>& anchor, UniqueFunction<void(PromiseBase*)> action) {
    anchor->state->post([anchor, act = std::move(action)]() mutable {
        if (anchor->record != nullptr) act(anchor->record);
    });
}

bool anchor_done(const RemoteAnchor& anchor) noexcept {
    return anchor.finished.load(std::memory_order_acquire);  // pairs with the releases above
}

void drop_anchors(LoopImpl* loop) noexcept {
    while (!loop->anchors.empty()) let_go(loop, loop->anchors.back().get());
}

// ---- run_coroutine_threadsafe -------------------------------------------------------------------

struct CrossThreadState::Impl {
    std::mutex mutex;
    std::condition_variable changed;
    bool finished = false;               // guarded by mutex
    bool cancel_asked = false;           // guarded by mutex
    std::shared_ptr<RemoteAnchor> task;  // guarded by mutex; null before it is known
};

CrossThreadState::CrossThreadState() : impl_(std::make_unique<Impl>()) {}
CrossThreadState::~CrossThreadState() = default;

void CrossThreadState::require_other_thread() const {
    if (done() || current_loop == nullptr) return;
    throw RuntimeError(
        "waiting for a ConcurrentFuture here would block this thread's event loop: co_await the coroutine, "
        "or "
        "what loop.run_in_executor gives");
}

void CrossThreadState::wait() {
    require_other_thread();
    std::unique_lock lock(impl_->mutex);
    impl_->changed.wait(lock, [this] { return impl_->finished; });
}

bool CrossThreadState::wait_for(Duration limit) {
    require_other_thread();
    std::unique_lock lock(impl_->mutex);
    if (!limit.has_value()) {
        impl_->changed.wait(lock, [this] { return impl_->finished; });
        return true;
    }
    return impl_->changed.wait_for(lock, limit.to_chrono(), [this] { return impl_->finished; });
}

bool CrossThreadState::done() const noexcept {
    std::lock_guard lock(impl_->mutex);
    return impl_->finished;
}

void CrossThreadState::finish() noexcept {
    std::shared_ptr<RemoteAnchor> task;
    {
        std::lock_guard lock(impl_->mutex);
        impl_->finished = true;
        task = std::move(impl_->task);  // breaks the circle task -> frame -> state -> task
    }
    impl_->changed.notify_all();
}

void CrossThreadState::set_task(std::shared_ptr<RemoteAnchor> task) {
    bool cancel_now = false;
    {
        std::lock_guard lock(impl_->mutex);
        if (impl_->finished) return;
        cancel_now = impl_->cancel_asked;
        impl_->task = task;
    }
    if (cancel_now) request_cancel(task->record);  // asked for before the task existed
}

bool CrossThreadState::cancel() {
    std::shared_ptr<RemoteAnchor> task;
    {
        std::lock_guard lock(impl_->mutex);
        if (impl_->finished) return false;
        impl_->cancel_asked = true;
        task = impl_->task;
    }
    if (task != nullptr) post_to_anchor(task, [](PromiseBase* record) { request_cancel(record); });
    return true;
}

}  // namespace detail

void RemoteTask::cancel() const {
    detail::post_to_anchor(anchor_, [](detail::PromiseBase* record) { detail::request_cancel(record); });
}

}}  // namespace asyncio::v1
