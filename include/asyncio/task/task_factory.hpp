// Task factories: who decides how tasks are made of coroutines.
#pragma once
#include <string>
#include <utility>

#include "asyncio/core/event_loop.hpp"
#include "asyncio/task/any_task.hpp"
#include "asyncio/task/task.hpp"

namespace asyncio { inline namespace v1 {

/// A coroutine of any result type that has not begun: what a task factory is given. One that is dropped is
/// destroyed, without a warning.
///
/// Threads     loop thread only
/// Python      the coroutine object
class AnyCoro {
  public:
    /// For the library's own.
    AnyCoro(detail::PromiseBase* frame, detail::Where created_at) noexcept
        : frame_(frame), created_at_(created_at) {}
    AnyCoro(AnyCoro&& other) noexcept
        : frame_(std::exchange(other.frame_, nullptr)), created_at_(other.created_at_) {}
    AnyCoro& operator=(AnyCoro&& other) noexcept {
        std::swap(frame_, other.frame_);
        std::swap(created_at_, other.created_at_);
        return *this;
    }
    ~AnyCoro();

    /// "app::fetch": the coroutine function. Of a callable that is handed over it is a function of the
    /// library.
    /// Python  coro.__qualname__
    std::string name() const;
    /// "main.cpp:12": where it is written.
    std::string place() const;

    detail::PromiseBase* release() noexcept { return std::exchange(frame_, nullptr); }
    detail::Where created_at() const noexcept { return created_at_; }

  private:
    detail::PromiseBase* frame_;
    detail::Where created_at_;
};

/// What `create_task` does if no factory is set: what other factories call in the end. The coroutine becomes
/// a task of that loop.
///
///     loop.set_task_factory([](EventLoop& loop, AnyCoro coro, const TaskOptions& options) {
///         std::printf("a task is made of %s\n", coro.name().c_str());
///         return default_task_factory(loop, std::move(coro), options);
///     });
///
/// Throws      RuntimeError  the coroutine was used already, the loop is closed, or another one runs in this
///             thread
/// Suspends    never
/// Cancel      no effect
/// Threads     loop thread
/// Python      asyncio.Task(coro, loop=loop, **options)
AnyTask default_task_factory(EventLoop& loop, AnyCoro coro, const TaskOptions& options);

/// Starts every task eagerly: its first step runs inside `create_task`. `{.eager_start = false}` makes an
/// exception.
///
///     loop.set_task_factory(asyncio::eager_task_factory);
///
/// Throws      as default_task_factory
/// Suspends    never
/// Cancel      no effect
/// Threads     loop thread
/// Python      asyncio.eager_task_factory
AnyTask eager_task_factory(EventLoop& loop, AnyCoro coro, const TaskOptions& options);

/// The same with tasks that another factory makes.
///
/// Throws      std::bad_alloc
/// Suspends    never
/// Cancel      no effect
/// Threads     any thread
/// Python      asyncio.create_eager_task_factory
TaskFactory create_eager_task_factory(TaskFactory constructor);

}}  // namespace asyncio::v1
