// wait. Hops as in Python: a task's end takes a turn, then the waiter's own resumption the next one.
#include "asyncio/task/wait.hpp"

#include <utility>

#include "asyncio/base/error.hpp"
#include "detail/await_links.hpp"
#include "detail/drop_duplicates.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

namespace {

CancelAnswer unasked(Leaf*) noexcept { return CancelAnswer::pending; }

}  // namespace

const LeafOps WaitCore::ops_{&WaitCore::cancel, nullptr, "wait"};
const LeafOps WaitCore::clock_ops_{&unasked, &WaitCore::run_done_before, "wait"};

void drop_duplicates(std::vector<RecordRef>& records) {
    drop_duplicates_by(records, [](const RecordRef& ref) { return ref.record(); });
}

WaitCore::Clock::Clock(WaitCore* w) noexcept : Timer(&WaitCore::clock_ops_), wait(w) {}

WaitCore::WaitCore(std::vector<RecordRef> records, WaitOptions options)
    : Leaf(&ops_),
      records_(std::move(records)),
      options_(options),
      listener_(this, &one_ended),
      limit_(this),
      done_before_(this) {
    if (records_.empty()) throw ValueError("wait: the set of tasks is empty");
}

void WaitCore::one_ended(Waiter* waiter, PromiseBase* record) noexcept {
    static_cast<Listener*>(waiter)->wait->ended(record);
}

PromiseBase* awaiting_wait(const Waiter* waiter) noexcept {
    if (waiter->notify != &WaitCore::one_ended) return nullptr;
    return static_cast<const WaitCore::Listener*>(waiter)->wait->frame;
}

void WaitCore::start() {
    LoopCore* const loop = current_loop;
    std::size_t watched = 0;
    bool any_done = false;
    try {
        for (; watched != records_.size(); ++watched) {
            PromiseBase* const record = records_[watched].record();
            if (record->is(done)) {
                any_done = true;
            } else {
                add_waiter(record, &listener_);
            }
        }
        if (any_done) queue_timer(loop, &done_before_);
        if (options_.timeout.has_value()) {
            const std::int64_t ns = options_.timeout.count_ns();
            arm_timer(loop, &limit_,
                      saturating_add(now_ns(loop), ns > 0 ? static_cast<std::uint64_t>(ns) : 0));
        }
    } catch (...) {
        watching_ = true;
        stop();
        throw;
    }
    watching_ = true;
    left_ = records_.size();
    suspend_on(this);
}

void WaitCore::run_done_before(Leaf* leaf) noexcept {
    auto* const clock = static_cast<Clock*>(leaf);
    WaitCore* const wait = clock->wait;
    if (clock == &wait->limit_) return wait->resume();
    // Those that were done when the wait began; a record that ended since has its own turn.
    for (const RecordRef& ref : wait->records_) {
        if (ref.record()->is(done) && !ref.record()->is(queued_done)) wait->ended(ref.record());
    }
}

void WaitCore::ended(PromiseBase* record) noexcept {
    if (left_ != 0) --left_;
    const bool failed = record->is(has_error) && !record->is(was_cancelled);
    if (failed && options_.return_when == FIRST_EXCEPTION) record->set(retrieved);
    if (left_ == 0 || options_.return_when == FIRST_COMPLETED ||
        (options_.return_when == FIRST_EXCEPTION && failed))
        resume();
}

void WaitCore::resume() noexcept {
    if (std::exchange(resumed_, true)) return;
    disarm_timer(current_loop, &limit_);
    wake(this);
}

CancelAnswer WaitCore::cancel(Leaf* leaf) noexcept {
    auto* const wait = static_cast<WaitCore*>(leaf);
    if (wait->resumed_) return CancelAnswer::pending;
    wait->resumed_ = true;
    wait->stop();
    return CancelAnswer::resume;
}

void WaitCore::stop() noexcept {
    if (!std::exchange(watching_, false)) return;
    if (limit_.armed()) disarm_timer(current_loop, &limit_);
    if (done_before_.armed()) disarm_timer(current_loop, &done_before_);
    for (const RecordRef& ref : records_) remove_waiter(ref.record(), &listener_);
}

void WaitCore::finish() {
    stop();
    throw_if_cancelled(frame->task);
}

}}}  // namespace asyncio::v1::detail
