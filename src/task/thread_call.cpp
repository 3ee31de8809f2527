// to_thread: the way to a thread, and back for calls that may be left behind.
#include "asyncio/task/detail/thread_call.hpp"

#include <utility>

#include "detail/context_slot.hpp"
#include "detail/loop_impl.hpp"
#include "detail/thread_pool.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

namespace {

void submit_to_pool(LoopImpl* loop, PoolJob* job) {
    if (loop->has_contexts) job->context = inherit_context();
    default_pool(loop).submit(job);
    ++loop->thread_jobs;
}

}  // namespace

const LeafOps AbandoningBase::ops_{&AbandoningBase::cancel, nullptr, "to_thread"};

void ThreadCall::start() {
    LoopImpl* const loop = impl_of(current_loop);
    begin();
    try {
        if (loop->has_contexts) context = inherit_context();
        default_pool(loop).submit(this);
    } catch (...) {
        take_back();
        throw;
    }
}

void SharedThreadCall::run_on_thread(PoolJob* job) noexcept {
    auto* const me = static_cast<SharedThreadCall*>(job);
    me->call();
    me->report_back();
}

void SharedThreadCall::report_back() noexcept {
    // The callback's share is the last one on this side: function, arguments and result die on the loop's
    // thread, where the post brings it; only if that loop is closed, here.
    const std::shared_ptr<RemoteState> state = remote.lock();
    PostPtr way_back = std::move(back);
    self.reset();
    if (state != nullptr && state->post_made(way_back.get())) static_cast<void>(way_back.release());
}

void AbandoningBase::start() {
    LoopImpl* const loop = impl_of(current_loop);
    shared_->remote = loop->remote;
    shared_->back = PostPtr(make_post([keep = shared_]() mutable {
        --impl_of(current_loop)->thread_jobs;
        if (keep->waiting != nullptr) wake(std::exchange(keep->waiting, nullptr));
    }));
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
