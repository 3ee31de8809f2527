// retry: once more, after a while.
#pragma once
#include <exception>
#include <tuple>
#include <type_traits>
#include <utility>

#include "asyncio/base/duration.hpp"
#include "asyncio/base/error.hpp"
#include "asyncio/base/option.hpp"
#include "asyncio/task/detail/awaitable.hpp"
#include "asyncio/task/detail/callable.hpp"
#include "asyncio/task/sleep.hpp"

namespace asyncio { inline namespace v1 {

/// Options of `retry`. All members may be left out.
struct RetryOptions {
    int attempts = 3;                                 ///< calls in all
    Duration delay = std::chrono::milliseconds(100);  ///< before the second call
    double factor = 2;                                ///< by which each further delay is longer
    Duration delay_max = std::chrono::seconds(30);    ///< none is longer
    double jitter = 0.5;  ///< the part of a delay that is drawn by lot: 0 none of it, 1 all of it
    bool (*retry_if)(const std::exception_ptr&) =
        nullptr;  ///< whether to go on after this failure; null: after each std::exception
};
static_assert(OptionStruct<RetryOptions>);

/// For `RetryOptions::retry_if`: after these exceptions, and those derived from them.
///
///     co_await asyncio::retry({.retry_if = asyncio::retry_on<OSError, EOFError>}, fetch, url);
template <class... E>
bool retry_on(const std::exception_ptr& error) {
    return ((exception_cast<E>(error) != nullptr) || ...);
}

namespace detail {

/// Throws ValueError.
void check_retry(const RetryOptions& options);
/// After the attempt of that number, from 1, has failed: whether there is to be another.
bool tries_again(const RetryOptions& options, int attempt, const std::exception_ptr& error);
/// How long to wait after that attempt; draws its lot.
Duration retry_delay(const RetryOptions& options, int attempt);

template <class R, class F, class... Args>
Coro<R> run_retries(RetryOptions options, F function, Args... args) {
    for (int attempt = 1;; ++attempt) {
        std::exception_ptr error;
        try {
            if constexpr (std::is_void_v<R>) {
                co_await std::apply(function, std::tie(args...));
                co_return;
            } else {
                co_return co_await std::apply(function, std::tie(args...));
            }
        } catch (...) {
            error = std::current_exception();
        }
        if (!tries_again(options, attempt, error)) std::rethrow_exception(error);
        error = nullptr;  // what it holds goes before the wait
        co_await sleep(retry_delay(options, attempt));
    }
}

}  // namespace detail

/// Calls `function(args…)` and awaits what it gives, until that succeeds; between two calls it waits, each
/// time longer. After the last attempt, or a failure that is not to be retried, that failure is thrown.
///
///     auto page = co_await asyncio::retry({.attempts = 5, .delay = 200ms}, fetch, url);
///
/// The function and its arguments are copied, and each attempt is given the same copies.
///
/// Throws      what the last attempt has thrown; ValueError  the options make no sense
/// Suspends    where the function does, and between attempts
/// Cancel      reaches the attempt, or ends the wait; CancelledError is never retried
/// Threads     loop thread
/// Python      none; tenacity.retry, backoff.on_exception. The lot comes from the loop: on the simulated
///             backend the same seed gives the same delays
template <class F, class... Args>
auto retry(RetryOptions options, F&& function, Args&&... args) {
    detail::refuse_fragile_closure<F>();
    static_assert(std::is_invocable_v<std::decay_t<F>&, std::decay_t<Args>&...>,
                  "retry: each attempt calls function(args...) with the same copies of the arguments, as "
                  "lvalues");
    using Call = std::invoke_result_t<std::decay_t<F>&, std::decay_t<Args>&...>;
    static_assert(detail::Awaited<Call>, "retry: the function must give a coroutine, or another awaitable");
    detail::check_retry(options);
    return detail::run_retries<detail::AwaitResult<Call>, std::decay_t<F>, std::decay_t<Args>...>(
        options, std::forward<F>(function), std::forward<Args>(args)...);
}

}}  // namespace asyncio::v1
