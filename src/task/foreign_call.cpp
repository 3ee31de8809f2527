// The way back from another thread. The end of a call is a post that was made beforehand; once it is posted
// the thread touches nothing of the call any more.
#include "asyncio/task/detail/foreign_call.hpp"

#include <string>
#include <utility>

#include "asyncio/base/error.hpp"
#include "detail/loop_impl.hpp"
#include "detail/warnings.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

namespace {

constexpr std::uint64_t warning_after_ns = 1'000'000'000;

CancelAnswer unasked(Leaf*) noexcept { return CancelAnswer::pending; }

}  // namespace

const LeafOps ForeignCall::kinds_[] = {{&cancel, nullptr, "to_thread"},
                                       {&cancel, nullptr, "adapt"},
                                       {&cancel, nullptr, "from_callback"},
                                       {&cancel, nullptr, "a call of the file system"}};
const LeafOps ForeignCall::warning_ops_{&unasked, &ForeignCall::warn, "to_thread"};
const LeafOps ForeignCall::stop_ops_{&unasked, &ForeignCall::stop_now, "to_thread"};

ForeignCall::Helper::Helper(ForeignCall* c, const LeafOps* ops) noexcept : Timer(ops), call(c) {}

ForeignCall::ForeignCall(const LeafOps* o, Ask ask) noexcept
    : Leaf(o),
      ask_to_stop_(ask),
      back_(UniqueFunction<void()>()),
      warning_(this, &warning_ops_),
      stop_(this, &stop_ops_) {}

ForeignCall::~ForeignCall() { end_helpers(); }

void ForeignCall::end_helpers() noexcept {
    if (warning_.armed()) disarm_timer(current_loop, &warning_);
    if (stop_.armed()) disarm_timer(current_loop, &stop_);
}

void ForeignCall::begin() {
    LoopImpl* const loop = impl_of(current_loop);
    reserve_slot(loop);  // for `stop_`
    remote_ = loop->remote;
    back_.function = [this] {
        take_back();
        wake(this);
    };
    ++loop->thread_jobs;
    suspend_on(this);
}

void ForeignCall::take_back() noexcept {
    LoopImpl* const loop = impl_of(current_loop);
    --loop->thread_jobs;
    if (!stop_asked_) release_slot(loop);
    end_helpers();
    frame->task->live.waits_on.clear();
}

void ForeignCall::report_back() noexcept {
    // A copy: the awaiter may be gone before post_made has let go of the state.
    const std::shared_ptr<RemoteState> remote = remote_;
    has_ended_.store(true, std::memory_order_release);  // pairs with stop_now
    const bool posted = remote->post_made(&back_);
    ASYNCIO_ASSERT(posted, "a loop closed while a task of its waited for a thread");
}

CancelAnswer ForeignCall::cancel(Leaf* leaf) noexcept {
    auto* const call = static_cast<ForeignCall*>(leaf);
    // In a turn of its own: who is asked to stop is user code, and a cancel runs none.
    if (!std::exchange(call->stop_asked_, true)) {
        release_slot(current_loop);
        queue_timer(current_loop, &call->stop_);  // there is room: the slot was set aside for it
    }
    if (current_loop->debug && !call->warning_.armed()) {
        try {
            arm_timer(current_loop, &call->warning_, read_clock(current_loop) + warning_after_ns);
        } catch (const std::bad_alloc&) {
            // No warning then.
        }
    }
    return CancelAnswer::pending;
}

void ForeignCall::stop_now(Leaf* leaf) noexcept {
    ForeignCall* const call = static_cast<Helper*>(leaf)->call;
    if (call->ask_to_stop_ == nullptr) return;
    // The post that ends the wait may stand behind this turn. What has ended is not to be asked any more: its
    // library may have freed what the hook would touch. (A thread may still end it in the next moment.)
    if (call->has_ended_.load(std::memory_order_acquire)) return;  // pairs with report_back
    try {
        call->ask_to_stop_(call);
    } catch (...) {
        // Nobody was asked, so the wait goes on; what ended it is not this exception's to say.
        report_exception(impl_of(current_loop), "Exception in on_cancel", std::current_exception(),
                         call->frame->task);
    }
}

const char* ForeignCall::advice() const noexcept {
    switch (static_cast<Kind>(ops - kinds_)) {
        case to_thread:
            return "let the function look at its std::stop_token, or use to_thread(abandon_on_cancel, …)";
        case file:
            return "the file system has to answer first (a pipe without a peer, a disk or server that is "
                   "slow)";
        default: return "give it a way to be stopped (its last argument)";
    }
}

void ForeignCall::warn(Leaf* leaf) noexcept {
    const ForeignCall* const call = static_cast<Helper*>(leaf)->call;
    warn_with(remark, "a task was cancelled a second ago, and what it waits for has not ended", [&] {
        return std::string("the task that waits in ") + call->ops->what + " at " +
               place_text(call->frame->where) +
               " was cancelled a second ago, and what it waits for has not ended: " + call->advice();
    });
}

std::exception_ptr dropped_error(const char* what, Where where) noexcept {
    try {
        return std::make_exception_ptr(RuntimeError(
            std::string(what) + " at " + place_text(where) +
            ": what was to complete it was destroyed without doing so, so nothing will ever come of it"));
    } catch (...) {
        return std::current_exception();
    }
}

}}}  // namespace asyncio::v1::detail
