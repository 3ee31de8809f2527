// gather with a limit: so many coroutines at once.
#pragma once
#include <algorithm>
#include <cstddef>
#include <optional>
#include <vector>

#include "asyncio/base/assert.hpp"
#include "asyncio/base/error.hpp"
#include "asyncio/base/option.hpp"
#include "asyncio/task/gather.hpp"
#include "asyncio/task/wait_for.hpp"

namespace asyncio { inline namespace v1 {

/// Options of `gather`. All members may be left out.
struct GatherOptions {
    std::size_t limit = 0;  ///< so many run at once; 0: all
};
static_assert(OptionStruct<GatherOptions>);

namespace detail {

/// The coroutine becomes a task of somebody who joins it, and who says with `flags` what becomes of a
/// failure. If a task factory refuses it, what is given has failed. Throws std::bad_alloc.
RecordRef start_joined(GatherChild& child, unsigned flags);

/// Some workers, gathered, take one coroutine after another. Each runs as a task, as without a limit.
template <bool Keep, class T>
class LimitedGather {
  public:
    using Result = std::conditional_t<Keep, Outcome<T>, OrMonostate<T>>;

    explicit LimitedGather(std::vector<GatherChild> children)
        : children_(std::move(children)), results_(children_.size()) {}

    Coro<> work() {
        const AnyTask self = current_task();
        // A worker that was asked to stop, while the coroutine at hand went on to its end, begins no other.
        // Whoever asked it to, the gather is cancelled then: results are missing.
        while (next_ != children_.size() && self.cancelling() == 0) {
            const std::size_t at = next_++;
            Task<T> task(start_joined(children_[at], Keep ? logs_off : 0));
            if constexpr (Keep) {
                results_[at].emplace(co_await outcome_of(std::move(task), self));
            } else if constexpr (std::is_void_v<T>) {
                co_await task;
                results_[at].emplace();
            } else {
                results_[at].emplace(co_await std::move(task));
            }
        }
        if (next_ != children_.size()) throw CancelledError("a task of this gather was cancelled");
    }
    std::vector<Result> take_results() {
        std::vector<Result> all;
        all.reserve(results_.size());
        for (std::optional<Result>& each : results_) {
            ASYNCIO_ASSERT(each.has_value());
            all.push_back(std::move(*each));
        }
        return all;
    }

  private:
    static Coro<Outcome<T>> outcome_of(Task<T> task, AnyTask worker) {
        std::exception_ptr cancelled;
        try {
            co_return co_await try_wait_for(std::move(task), Duration::none());
        } catch (const CancelledError&) {
            cancelled = std::current_exception();
        }
        if (worker.cancelling() != 0) std::rethrow_exception(cancelled);
        co_return Outcome<T>(
            std::move(cancelled));  // it was the coroutine that was cancelled, not the gather
    }

    std::vector<GatherChild> children_;
    std::vector<std::optional<Result>> results_;
    std::size_t next_ = 0;
};

template <bool Keep, class T>
Coro<std::vector<typename LimitedGather<Keep, T>::Result>> gather_limited(std::size_t limit,
                                                                          std::vector<GatherChild> children) {
    const std::size_t count = limit == 0 ? children.size() : std::min(limit, children.size());
    LimitedGather<Keep, T> all(std::move(children));
    std::vector<Coro<>> workers;
    workers.reserve(count);
    while (workers.size() != count) workers.push_back(all.work());
    co_await gather(std::move(workers));
    co_return all.take_results();
}

template <bool Keep, class R>
auto gather_range_limited(std::size_t limit, R&& range) {
    using Argument = std::decay_t<decltype(*std::begin(range))>;
    static_assert(
        is_coro<Argument>,
        "gather with a limit takes coroutines: tasks and futures run already, whoever waits for them");
    std::vector<GatherChild> children;
    if constexpr (requires { range.size(); }) children.reserve(range.size());
    for (auto& each : range) children.push_back(gather_child(std::move(each)));
    return gather_limited<Keep, typename GatherArgument<Argument>::Result>(limit, std::move(children));
}

}  // namespace detail

/// As `gather(range)`, of coroutines, but at most `limit` of them run at once:
///
///     auto pages = co_await gather({.limit = 10}, std::move(coros));
///
/// They are begun in order, and those that were not begun before a failure or a cancel never are.
///
/// Throws      the first failure; later ones go to the exception handler
/// Suspends    unless the range is empty
/// Cancel      all that run are cancelled, and have ended when the await does
/// Threads     loop thread
/// Python      none: asyncio.gather with a Semaphore around each
template <detail::GatherRange R>
auto gather(GatherOptions options, R&& range) {
    return detail::gather_range_limited<false>(options.limit, std::forward<R>(range));
}

/// The same, and gives an `Outcome` for each; nothing is cancelled when one fails.
///
/// Throws      CancelledError  only if the gather was cancelled, or one of the tasks by which it goes on
/// Suspends    unless the range is empty
/// Cancel      all that run are cancelled, and have ended when the await does
/// Threads     loop thread
template <detail::GatherRange R>
auto gather(return_exceptions_t, GatherOptions options, R&& range) {
    return detail::gather_range_limited<true>(options.limit, std::forward<R>(range));
}

}}  // namespace asyncio::v1
