// to_thread: the way to a thread and back. The end of a call is a post that was made beforehand, so that it
// cannot fail; once it is posted the thread touches nothing of the call any more.
#include "asyncio/task/detail/thread_call.hpp"

#include <cstdio>
#include <utility>

#include "asyncio/base/error.hpp"
#include "detail/context_slot.hpp"
#include "detail/loop_impl.hpp"
#include "detail/thread_pool.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

namespace {

constexpr std::uint64_t warning_after_ns = 1'000'000'000;

CancelAnswer unasked(Leaf*) noexcept { return CancelAnswer::pending; }

void print_warning(Leaf*) noexcept {
    std::fputs(
        "asyncio: a to_thread call was cancelled a second ago and has not returned: let it look at its "
        "std::stop_token, or use to_thread(abandon_on_cancel, …)\n",
        stderr);
}

void submit_to_pool(LoopImpl* loop, PoolJob* job) {
    if (loop->has_contexts) job->context = inherit_context();
    if (loop->pool == nullptr) loop->pool = std::make_shared<ThreadPool>();
    loop->pool->submit(job);
    ++loop->thread_jobs;
}

}  // namespace

const LeafOps ThreadCall::ops_{&ThreadCall::cancel, nullptr, "to_thread"};
const LeafOps ThreadCall::warning_ops_{&unasked, &print_warning, "to_thread"};
const LeafOps ThreadCall::stop_ops_{&unasked, &ThreadCall::stop_now, "to_thread"};
const LeafOps AbandoningBase::ops_{&AbandoningBase::cancel, nullptr, "to_thread"};

ThreadCall::Helper::Helper(ThreadCall* c, const LeafOps* ops) noexcept : Timer(ops), call(c) {}

ThreadCall::ThreadCall(void (*run)(PoolJob*) noexcept, void (*ask_to_stop)(ThreadCall*) noexcept,
                       const char* what) noexcept
    : Leaf(&ops_),
      PoolJob(run, what),
      ask_to_stop_(ask_to_stop),
      back_(nullptr),
      warning_(this, &warning_ops_),
      stop_(this, &stop_ops_) {
    back_.refs = 2;  // it lies in this object: nobody deletes it
}

ThreadCall::~ThreadCall() {
    if (warning_.armed()) disarm_timer(current_loop, &warning_);
    if (stop_.armed()) disarm_timer(current_loop, &stop_);
}

void ThreadCall::start() {
    LoopImpl* const loop = impl_of(current_loop);
    remote_ = loop->remote;
    back_.function = [this] {
        --impl_of(current_loop)->thread_jobs;
        if (!stop_asked_) release_slot(current_loop);
        if (warning_.armed()) disarm_timer(current_loop, &warning_);
        if (stop_.armed()) disarm_timer(current_loop, &stop_);
        wake(this);
    };
    reserve_slot(loop);  // for `stop_`
    try {
        submit_to_pool(loop, this);
    } catch (...) {
        release_slot(loop);
        throw;
    }
    suspend_on(this);
}

void ThreadCall::report_back() noexcept {
    // A copy: the awaiter may be gone before post_made has let go of the state.
    const std::shared_ptr<RemoteState> remote = remote_;
    const bool posted = remote->post_made(&back_);
    ASYNCIO_ASSERT(posted, "a loop closed while a task of its waited for a thread");
}

CancelAnswer ThreadCall::cancel(Leaf* leaf) noexcept {
    auto* const call = static_cast<ThreadCall*>(leaf);
    // In a turn of its own: who listens to the stop_token is user code, and a cancel runs none.
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

void ThreadCall::stop_now(Leaf* leaf) noexcept {
    ThreadCall* const call = static_cast<Helper*>(leaf)->call;
    call->ask_to_stop_(call);
}

void SharedThreadCall::run_on_thread(PoolJob* job) noexcept {
    auto* const me = static_cast<SharedThreadCall*>(job);
    me->call();
    // The callback's share is the last one on this side: function, arguments and result die on the loop's
    // thread, where the post brings it; only if that loop is closed, here.
    const std::shared_ptr<RemoteState> state = me->remote.lock();
    auto back = std::move(me->back);
    me->self.reset();
    if (state != nullptr && state->post_made(back.get())) static_cast<void>(back.release());
}

void AbandoningBase::start() {
    LoopImpl* const loop = impl_of(current_loop);
    shared_->remote = loop->remote;
    shared_->back = std::make_unique<Callback>([keep = shared_]() mutable {
        --impl_of(current_loop)->thread_jobs;
        if (keep->waiting != nullptr) wake(std::exchange(keep->waiting, nullptr));
    });
    shared_->self = shared_;  // a circle from here on, which the call's end breaks
    shared_->waiting = this;
    try {
        submit_to_pool(loop, shared_.get());
    } catch (...) {
        shared_->back.reset();
        shared_->self.reset();
        throw;
    }
    suspend_on(this);
}

void AbandoningBase::finish() {
    if (frame->task->pending == 0) return;
    // Only now, in the task's own step: who listens to the stop_token is user code.
    shared_->ask_to_stop();
    throw take_cancel(frame->task);
}

CancelAnswer AbandoningBase::cancel(Leaf* leaf) noexcept {
    auto* const me = static_cast<AbandoningBase*>(leaf);
    me->shared_->waiting = nullptr;
    return CancelAnswer::resume;
}

}}}  // namespace asyncio::v1::detail
