#include "detail/file_call.hpp"

#include <cerrno>
#include <utility>

#include "detail/thread_pool.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

namespace {

/// A copy of so much takes the loop no longer than to hand it to a thread.
constexpr std::size_t at_once_max = 256 * 1024;

}  // namespace

const LeafOps FileCall::ring_ops_{&FileCall::cancel, nullptr, "a call of the file system"};

FileCall::FileCall(const FileRequest& request) noexcept
    : ThreadCall(&run_on_thread, nullptr, type_spelling<FileCall>(), ForeignCall::file),
      Operation(OperationKind::file, -1, &done),
      request_(request) {
    Operation::file = &request_;
}

bool FileCall::await_ready() noexcept {
    if (request_.verb != FileVerb::read || request_.bytes > at_once_max) return false;
    LoopImpl* const loop = impl_of(current_loop);
    if (loop->current->pending != 0 || loop->backend->takes(FileVerb::read) || budget_spent(loop))
        return false;
    result = read_without_waiting(request_);
    // What went wrong is left to a thread to find out: some file systems refuse the question.
    return at_once_ = result >= 0;
}

void FileCall::start() {
    started_ = true;
    LoopImpl* const loop = impl_of(current_loop);
    if (!loop->backend->takes(request_.verb)) return ThreadCall::start();
    ops = &ring_ops_;
    if (loop->backend->submit(*this)) return push_frame(loop, frame);
    ++loop->thread_jobs;  // like a thread's: it ends by itself, and virtual time waits for it
    suspend_on(loop, this);
}

std::int64_t FileCall::await_resume() {
    if (at_once_) return result;
    if (!started_ || result == -ECANCELED) throw_if_cancelled(frame->task);
    return result;
}

CancelAnswer FileCall::cancel(Leaf* leaf) noexcept {
    auto* const call = static_cast<FileCall*>(leaf);
    LoopImpl* const loop = impl_of(current_loop);
    // Of a close that was interrupted nobody could tell whether the descriptor is still ours.
    if (call->request_.verb == FileVerb::close) return CancelAnswer::pending;
    if (!loop->backend->cancel(*call)) return CancelAnswer::pending;
    --loop->thread_jobs;
    return CancelAnswer::resume;
}

void FileCall::done(Operation* operation) noexcept {
    --impl_of(current_loop)->thread_jobs;
    wake(static_cast<FileCall*>(operation));
}

void FileCall::run_on_thread(PoolJob* job) noexcept {
    auto* const call = static_cast<FileCall*>(job);
    call->result = perform(call->request_);
    call->report_back();
}

// ---- what nobody waits for ----------------------------------------------------------------------

namespace {

struct DetachedJob final : PoolJob {
    UniqueFunction<void()> function;

    explicit DetachedJob(UniqueFunction<void()>&& f) noexcept
        : PoolJob(&call, type_spelling<DetachedJob>()), function(std::move(f)) {}
    static void call(PoolJob* job) noexcept {
        const std::unique_ptr<DetachedJob> mine(static_cast<DetachedJob*>(job));
        mine->function();
    }
};

bool hand_to_thread(std::uint32_t loop_id, UniqueFunction<void()>& function) noexcept {
    LoopCore* const loop = running_loop();
    if (loop == nullptr || loop->loop_id != loop_id) return false;
    try {
        auto job = std::make_unique<DetachedJob>(UniqueFunction<void()>());
        job->function = std::move(function);
        try {
            default_pool(impl_of(loop)).submit(job.get());
        } catch (...) {
            function = std::move(job->function);
            return false;
        }
        static_cast<void>(job.release());
        return true;
    } catch (...) {
        return false;
    }
}

}  // namespace

void call_detached(std::uint32_t loop_id, UniqueFunction<void()>&& function) noexcept {
    if (!hand_to_thread(loop_id, function)) function();
}

}}}  // namespace asyncio::v1::detail
