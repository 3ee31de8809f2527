// zip: several generators side by side.
#pragma once
#include <tuple>
#include <utility>

#include "asyncio/task/detail/close_all.hpp"
#include "asyncio/task/gather.hpp"

namespace asyncio { inline namespace v1 {

/// A tuple of one item of each source, until the shortest has ended. The sources are asked all at once, each
/// in a task of its own, so a tuple takes as long as the slowest of its items; when one has ended, what the
/// others gave in that round is dropped.
///
/// It owns the sources, and closing it closes them.
///
/// Throws      the first failure of a source; the others are cancelled where they wait
/// Suspends    always
/// Cancel      reaches all sources where they wait
/// Threads     loop thread
/// Cost        a task for each item
/// Python      zip; for async iterators, aioitertools.zip
template <class... T>
    requires(sizeof...(T) != 0)
AsyncGenerator<std::tuple<T...>> zip(AsyncGenerator<T>... sources) {
    std::exception_ptr error;
    try {
        for (;;) {
            auto items = co_await gather(sources.next()...);
            const bool all = std::apply([](auto&... item) { return (item.has_value() && ...); }, items);
            if (!all) break;
            co_yield std::apply([](auto&... item) { return std::tuple<T...>(std::forward<T>(*item)...); },
                                items);
        }
    } catch (...) {
        error = std::current_exception();
    }
    co_await detail::close_all(error, sources...);
}

}}  // namespace asyncio::v1
