#include "asyncio/task/retry.hpp"

#include <algorithm>
#include <cmath>

namespace asyncio { inline namespace v1 { namespace detail {

void check_retry(const RetryOptions& options) {
    if (options.attempts < 1) throw ValueError("retry: attempts must be at least 1");
    if (options.delay < Duration::zero() || options.delay_max < Duration::zero())
        throw ValueError("retry: a delay cannot be negative");
    if (!(options.factor >= 1)) throw ValueError("retry: factor must be at least 1");
    if (std::isinf(options.factor)) throw ValueError("retry: factor must be finite");
    if (!(options.jitter >= 0 && options.jitter <= 1)) throw ValueError("retry: jitter is between 0 and 1");
}

bool tries_again(const RetryOptions& options, int attempt, const std::exception_ptr& error) {
    if (attempt == options.attempts || is_cancelled(error)) return false;
    return options.retry_if != nullptr ? options.retry_if(error) : retry_on<std::exception>(error);
}

Duration retry_delay(const RetryOptions& options, int attempt) {
    if (options.delay == Duration::zero()) return options.delay;  // and not 0 times infinity
    // In doubles: what overflows is infinite, and delay_max bounds it.
    const double longest =
        std::min(static_cast<double>(options.delay.count_ns()) * std::pow(options.factor, attempt - 1),
                 static_cast<double>(options.delay_max.count_ns()));
    const double lot = static_cast<double>(random_bits(current_loop) >> 11) * 0x1p-53;  // from [0, 1)
    const double chosen = longest * (1 - options.jitter * lot);
    return Duration(std::chrono::duration<double, std::nano>(chosen));
}

}}}  // namespace asyncio::v1::detail
