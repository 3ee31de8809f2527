// Future<T>: a result that somebody sets.
#pragma once
#include "asyncio/base/error.hpp"
#include "asyncio/task/task.hpp"

namespace asyncio { inline namespace v1 {

template <class T>
class RemoteFuture;

namespace detail {

/// A future's memory: a husk and a record, as a finished task's. One reference.
template <class T>
PromiseBase* make_future_record() {
    using R = Record<Stored<T>>;
    static_assert(alignof(R) <= 16);
    constexpr std::size_t bytes = record_offset + sizeof(R);
    void* const block = take_block(bytes);
    ::new (block) Husk{drop_value_fn<Stored<T>>, bytes};
    auto* const record = ::new (static_cast<std::byte*>(block) + record_offset) R();
    record->task = record;
    record->waiter_word = 0;
    record->where = nullptr;
    record->refs = 1;
    record->id = 0;
    record->made_by_main = 0;
    record->asked_to_end = 0;
    record->cancels = 0;
    record->pending = 0;
    record->epoch = 0;
    record->live = {nullptr, nullptr, {}};
    record->set(is_future);
    return record;
}

[[noreturn]] ASYNCIO_COLD void throw_already_done(PromiseBase* record);

/// Throws InvalidStateError if the future is done, RuntimeError if it is another loop's.
inline void require_settable(PromiseBase* record) {
    if (record->is(done)) throw_already_done(record);
    if (record->magic != record_magic && (current_loop == nullptr || record->magic != current_loop->magic))
        [[unlikely]] {
        require_own(record, "completed");
    }
}

}  // namespace detail

/// A result that somebody sets: the other end of a wait. Cheap to copy; all copies are the same future.
///
/// Awaiting works as for `Task`: an lvalue copies the result, an rvalue moves it out; a cancelled waiter
/// cancels it.
///
/// Suspends    unless it is done
/// Cancel      the future is cancelled
/// Threads     loop thread only; `remote()` gives a handle for others
/// Python      asyncio.Future
template <class T = void>
class Future : public AnyTask {
  public:
    using value_type = T;
    /// For the library's own.
    template <class R>
        requires std::is_same_v<std::remove_cvref_t<R>, detail::RecordRef>
    explicit Future(R&& ref) noexcept : AnyTask(std::forward<R>(ref)) {}
    /// A new future, not done.
    Future() : AnyTask(detail::RecordRef(detail::make_future_record<T>())) {}

    /// Sets the result and wakes who waits, in their turn.
    /// Throws  InvalidStateError  it is done already; RuntimeError  another loop's task awaits it, or another
    ///         thread's loop runs that: see remote()
    template <class U = T>
        requires(!std::is_void_v<T>)
    void set_result(U&& value) const {
        detail::require_settable(record_);
        detail::write_value<T>(static_cast<detail::Record<T>*>(record_), std::forward<U>(value));
        detail::complete_future(record_);
    }
    void set_result() const
        requires(std::is_void_v<T>)
    {
        detail::require_settable(record_);
        record_->set(detail::has_value);
        detail::complete_future(record_);
    }
    /// Sets an exception: an exception object, or an exception_ptr.
    /// Throws  InvalidStateError  it is done already
    template <class E>
    void set_exception(E&& error) const {
        detail::require_settable(record_);
        if constexpr (std::is_same_v<std::decay_t<E>, std::exception_ptr>) {
            ASYNCIO_ASSERT(error != nullptr, "set_exception: the exception_ptr is null");
            detail::store_exception(record_, std::forward<E>(error));
        } else {
            detail::store_exception(record_, std::make_exception_ptr(std::forward<E>(error)));
        }
        detail::complete_future(record_);
    }

    decltype(auto) result() const& { return detail::peek_result<T>(seen()); }
    T result() && { return detail::take_result<T>(seen()); }

    using AnyTask::add_done_callback;
    /// The same for a function that takes the future with its type: `[](Future<int> future) { … }`.
    template <class F>
        requires(std::is_invocable_v<std::decay_t<F>&, Future<T>> &&
                 !std::is_invocable_v<std::decay_t<F>&, AnyTask>)
    std::uint64_t add_done_callback(F&& function, const ContextOptions& options = ContextOptions()) const {
        return AnyTask::add_done_callback(
            [f = std::decay_t<F>(std::forward<F>(function))](const AnyTask& task) mutable {
                f(Future<T>(static_cast<const detail::RecordRef&>(task)));
            },
            options);
    }

    RemoteFuture<T> remote() const;

    detail::CopyAwaiter<T> operator co_await() const& { return detail::CopyAwaiter<T>(handle()); }
    detail::TakeAwaiter<T> operator co_await() && noexcept { return detail::TakeAwaiter<T>(handle()); }

  private:
    const RecordRef& handle() const noexcept {
        ASYNCIO_ASSERT(record_ != nullptr, "this Future was moved from");
        return *this;
    }
};

template <class T>
Future<T> EventLoop::create_future() {
    return Future<T>();
}

}}  // namespace asyncio::v1
