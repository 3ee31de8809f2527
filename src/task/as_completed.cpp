// as_completed. A task's end takes a turn (Python's done-callback), then whoever waits in next() the one
// after.
#include "asyncio/task/as_completed.hpp"

#include "asyncio/base/error.hpp"
#include "asyncio/task/future.hpp"
#include "detail/await_links.hpp"
#include "detail/drop_duplicates.hpp"
#include "detail/start_task.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

namespace {

CancelAnswer unasked(Leaf*) noexcept { return CancelAnswer::pending; }

}  // namespace

const LeafOps AsCompletedCore::clock_ops_{
    .cancel = &unasked, .run = &AsCompletedCore::clock_due, .what = "as_completed", .may_outlive_loop = true};
const LeafOps AsCompletedCore::NextBase::ops_{&AsCompletedCore::NextBase::cancel, nullptr, "as_completed"};

/// Waits for the scope's own tasks to end, whatever becomes of them or of us.
class AsCompletedCore::Join : public Leaf {
  public:
    explicit Join(AsCompletedCore* core) noexcept : Leaf(&ops_), core_(core) {}
    bool await_ready() const noexcept { return core_->owned_left_ == 0; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h, Where where = where_here()) noexcept {
        frame = &h.promise();
        frame->where = where;
        core_->join_ = this;
        suspend_on(this);
    }
    void await_resume() const noexcept {}

  private:
    static constexpr LeafOps ops_{&unasked, nullptr, "as_completed"};
    AsCompletedCore* core_;
};

void drop_duplicates(std::vector<GatherChild>& children) {
    drop_duplicates_by(children, [](const GatherChild& child) { return child.record(); });
}

AsCompletedCore::Clock::Clock(AsCompletedCore* c) noexcept : Timer(&AsCompletedCore::clock_ops_), core(c) {}

AsCompletedCore::AsCompletedCore(std::vector<GatherChild> children, AsCompletedOptions options) noexcept
    : children_(std::move(children)),
      options_(options),
      owned_(this, &owned_ended),
      others_(this, &other_ended),
      limit_(this),
      done_before_(this) {}

AsCompletedCore::AsCompletedCore(AsCompletedCore&& other) noexcept
    : children_(std::move(other.children_)),
      options_(other.options_),
      owned_(this, &owned_ended),
      others_(this, &other_ended),
      limit_(this),
      done_before_(this) {
    ASYNCIO_ASSERT(!other.started_, "as_completed is movable until it has started");
}

AsCompletedCore::~AsCompletedCore() {
    if (leaving_.has_value() && leaving_->valid()) leaving_->release()->handle().destroy();
    if (started_) stop();
    for (GatherChild& child : children_) {
        PromiseBase* const record = child.take();
        if (child.owned() && !started_) {
            drop_unstarted(record);
        } else {
            ASYNCIO_ASSERT(!child.owned() || record->is(done), "this as_completed was entered, and not left");
            release(record);
        }
    }
}

PromiseBase* awaiting_as_completed(const Waiter* waiter) noexcept {
    using Core = AsCompletedCore;
    if (waiter->notify != &Core::owned_ended && waiter->notify != &Core::other_ended) return nullptr;
    const Core& core = *static_cast<const Core::Listener*>(waiter)->core;
    if (core.waiting_ != nullptr) return core.waiting_->frame;
    return core.join_ != nullptr ? core.join_->frame : nullptr;
}

/// Somebody calls next().
void AsCompletedCore::admit() {
    // Two that wait would have to be woken in turn, and who comes later could take what the first was woken
    // for.
    if (waiting_ != nullptr) throw RuntimeError("another task waits in next() of this as_completed already");
    if (started_ && loop_ != current_loop)
        throw RuntimeError("next() of an as_completed that belongs to another event loop: iterate there");
    if (started_) return;
    // Nobody could wait for them where this is dropped.
    for (const GatherChild& child : children_) {
        if (child.owned()) {
            throw RuntimeError(
                "as_completed of coroutines is a scope: co_await with(as_completed(std::move(coros)), body)");
        }
    }
    start();
}

void AsCompletedCore::start_child(GatherChild& child) {
    LoopImpl* const loop = impl_of(current_loop);
    child.record()->set(adopted);
    if (loop->task_factory == nullptr) return promote(child.record(), 1);
    // One that the factory refuses has failed: a future stands for it.
    RecordRef failed(make_future_record<void>());
    PromiseBase* const record = child.take();
    try {
        start_by_factory(loop, record, TaskOptions(), nullptr);
        child = GatherChild(record, true);
    } catch (...) {
        store_exception(failed.record(), std::current_exception());
        failed.record()->set(done);
        child = GatherChild(failed.give(), true);
    }
}

void AsCompletedCore::start() {
    LoopCore* const loop = current_loop;
    if (loop == nullptr || loop->current == nullptr)
        throw RuntimeError("as_completed is used inside a task only");
    ready_.reserve(children_.size());
    std::size_t promoted = 0;
    std::size_t watched = 0;
    bool any_done = false;
    try {
        for (; promoted != children_.size(); ++promoted) {
            if (children_[promoted].owned()) start_child(children_[promoted]);
        }
        for (; watched != children_.size(); ++watched) {
            PromiseBase* const record = children_[watched].record();
            if (record->is(done)) {
                any_done = true;
            } else {
                add_waiter(record, children_[watched].owned() ? &owned_ : &others_);
            }
        }
        if (any_done) queue_timer(loop, &done_before_);
        if (options_.timeout.has_value()) {
            const std::int64_t ns = options_.timeout.count_ns();
            arm_timer(loop, &limit_,
                      saturating_add(now_ns(loop), ns > 0 ? static_cast<std::uint64_t>(ns) : 0));
        }
    } catch (...) {
        if (done_before_.armed()) disarm_timer(loop, &done_before_);
        for (std::size_t i = 0; i != watched; ++i) {
            remove_waiter(children_[i].record(), children_[i].owned() ? &owned_ : &others_);
        }
        std::size_t kept = 0;
        for (std::size_t i = 0; i != children_.size(); ++i) {
            if (i < promoted && children_[i].owned()) {
                request_cancel(children_[i].record());  // before its first step: it never runs
                release(children_[i].take());
            } else {
                children_[kept++] = std::move(children_[i]);
            }
        }
        children_.resize(kept);
        throw;
    }
    loop_ = loop;
    started_ = true;
}

void AsCompletedCore::clock_due(Leaf* leaf) noexcept {
    auto* const clock = static_cast<Clock*>(leaf);
    AsCompletedCore* const core = clock->core;
    if (clock == &core->done_before_) {
        for (const GatherChild& child : core->children_) {
            if (child.record()->is(done) && !child.record()->is(queued_done)) core->ended(child.record());
        }
        return;
    }
    // Whoever ends from here on comes too late, even if its own turn has begun.
    core->timed_out_ = true;
    core->stop();
    core->wake_next();
}

void AsCompletedCore::owned_ended(Waiter* waiter, PromiseBase* record) noexcept {
    AsCompletedCore* const core = static_cast<Listener*>(waiter)->core;
    if (core->owned_left_ == 0) return core->ended(record);
    // The scope is being left.
    if (--core->owned_left_ == 0 && core->join_ != nullptr) step_frame(current_loop, core->join_->frame);
}

void AsCompletedCore::other_ended(Waiter* waiter, PromiseBase* record) noexcept {
    static_cast<Listener*>(waiter)->core->ended(record);
}

void AsCompletedCore::ended(PromiseBase* record) noexcept {
    if (timed_out_) return;
    ready_.push_back(record);  // its room is there
    if (ready_.size() == children_.size() && limit_.armed()) disarm_timer(current_loop, &limit_);
    wake_next();
}

void AsCompletedCore::wake_next() noexcept {
    if (waiting_ != nullptr && !std::exchange(waiting_->woken_, true)) wake(waiting_);
}

/// Its own tasks are listened to until the end: the scope joins them.
void AsCompletedCore::stop() noexcept {
    if (limit_.armed()) disarm_timer(loop_, &limit_);
    if (done_before_.armed()) disarm_timer(loop_, &done_before_);
    for (const GatherChild& child : children_) {
        if (!child.owned()) remove_waiter(child.record(), &others_);
    }
}

void AsCompletedCore::enter() {
    if (started_) throw RuntimeError("this as_completed was entered already");
    leaving_.emplace(leave());
    start();
}

Coro<bool> AsCompletedCore::take_leave() {
    if (!leaving_.has_value() || !leaving_->valid())
        throw RuntimeError("AsCompleted::aexit is called once, after aenter: let asyncio::with do it");
    return std::move(*leaving_);
}

Coro<bool> AsCompletedCore::leave() {
    stop();
    for (const GatherChild& child : children_) {
        if (!child.owned()) continue;
        if (child.record()->is(done)) {
            remove_waiter(child.record(), &owned_);
        } else {
            ++owned_left_;
            request_cancel(child.record());
        }
    }
    co_await Join(this);
    co_return false;
}

PromiseBase* AsCompletedCore::NextBase::take() {
    if (core_->waiting_ == this) core_->waiting_ = nullptr;
    if (frame != nullptr) throw_if_cancelled(frame->task);
    if (core_->given_ != core_->ready_.size()) return core_->ready_[core_->given_++];
    if (core_->given_ == core_->children_.size()) return nullptr;
    throw TimeoutError();
}

CancelAnswer AsCompletedCore::NextBase::cancel(Leaf* leaf) noexcept {
    static_cast<NextBase*>(leaf)->woken_ = true;
    return CancelAnswer::resume;
}

}}}  // namespace asyncio::v1::detail
