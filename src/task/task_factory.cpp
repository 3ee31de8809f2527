// Task factories. Whoever makes a task looks for one in `start_task` and its kin; what a factory is given is
// noted while it runs, so that what it gives back can be held against it.
#include "asyncio/task/task_factory.hpp"

#include "asyncio/base/error.hpp"
#include "detail/loop_impl.hpp"
#include "detail/start_task.hpp"

namespace asyncio { inline namespace v1 {
namespace detail {

/// A coroutine for which a factory is called just now.
struct TaskInTheMaking {
    LoopImpl* loop;
    PromiseBase* frame;       // null once it is used or dropped
    RecordRef made{nullptr};  // the task of it, once it is one
    TaskInTheMaking* outer;

    TaskInTheMaking(LoopImpl* l, PromiseBase* f) noexcept
        : loop(l), frame(f), outer(std::exchange(l->in_the_making, this)) {}
    TaskInTheMaking(const TaskInTheMaking&) = delete;
    TaskInTheMaking& operator=(const TaskInTheMaking&) = delete;
    ~TaskInTheMaking() { loop->in_the_making = outer; }
};

namespace {

TaskInTheMaking* find_in_the_making(const LoopCore* loop, const PromiseBase* frame) noexcept {
    if (loop == nullptr) return nullptr;
    TaskInTheMaking* each = static_cast<const LoopImpl*>(loop)->in_the_making;
    while (each != nullptr && each->frame != frame) each = each->outer;
    return each;
}

}  // namespace

void start_by_factory(LoopImpl* loop, PromiseBase* frame, const TaskOptions& options, Where where) {
    AnyCoro coro(frame, where);
    const std::shared_ptr<TaskFactory> factory = loop->task_factory;  // a share: it may replace itself
    TaskInTheMaking making(loop, frame);
    try {
        AnyTask task = (*factory)(*loop->owner, std::move(coro), options);
        if (making.made.record() == nullptr || task.record() != making.made.record()) {
            throw RuntimeError(
                "a task factory has to give the task of the coroutine that it is given: make it with "
                "default_task_factory");
        }
        task.give();  // whoever called has this reference now
    } catch (...) {
        // It has no owner.
        if (making.made.record() != nullptr) request_cancel(making.made.record());
        throw;
    }
}

}  // namespace detail

AnyCoro::~AnyCoro() {
    if (frame_ == nullptr) return;
    if (detail::TaskInTheMaking* const making = detail::find_in_the_making(detail::current_loop, frame_))
        making->frame = nullptr;
    frame_->handle().destroy();
}

std::string AnyCoro::name() const { return frame_ != nullptr ? detail::coroutine_name(frame_->where) : ""; }
std::string AnyCoro::place() const { return frame_ != nullptr ? detail::place_text(frame_->where) : ""; }

AnyTask default_task_factory(EventLoop& loop, AnyCoro coro, const TaskOptions& options) {
    detail::LoopImpl* const impl = &loop.impl();
    const detail::Where where = coro.created_at();
    detail::PromiseBase* const frame = coro.release();
    if (frame == nullptr)
        throw RuntimeError("default_task_factory: this AnyCoro was moved from, or has become a task already");
    detail::TaskInTheMaking* const making = detail::find_in_the_making(impl, frame);
    if (making != nullptr) making->frame = nullptr;
    detail::Refused refused{frame};
    impl->require_open();
    if (detail::running_loop() != nullptr && detail::current_loop != impl)
        throw RuntimeError("default_task_factory: another loop runs in this thread");
    refused.frame = nullptr;
    const detail::OnLoop on(impl);
    detail::launch_task(impl, frame, options, where);
    AnyTask task{detail::RecordRef(frame)};
    if (making != nullptr) making->made = task;
    return task;
}

AnyTask eager_task_factory(EventLoop& loop, AnyCoro coro, const TaskOptions& options) {
    TaskOptions eager = options;
    if (!eager.eager_start.has_value()) eager.eager_start = true;
    return default_task_factory(loop, std::move(coro), eager);
}

TaskFactory create_eager_task_factory(TaskFactory constructor) {
    if (constructor == nullptr) return eager_task_factory;
    return [make = std::move(constructor)](EventLoop& loop, AnyCoro coro, const TaskOptions& options) {
        TaskOptions eager = options;
        if (!eager.eager_start.has_value()) eager.eager_start = true;
        return make(loop, std::move(coro), eager);
    };
}

void EventLoop::set_task_factory(TaskFactory factory) {
    std::shared_ptr<TaskFactory> made;
    if (factory != nullptr) made = std::make_shared<TaskFactory>(std::move(factory));
    made.swap(impl_->task_factory);  // the old one dies last: its captures may look at the loop
    impl_->note_special();
}

TaskFactory EventLoop::get_task_factory() const {
    return impl_->task_factory != nullptr ? *impl_->task_factory : TaskFactory();
}

}}  // namespace asyncio::v1
