// enumerate: items with their numbers.
#pragma once
#include <cstddef>
#include <utility>

#include "asyncio/task/detail/close_all.hpp"

namespace asyncio { inline namespace v1 {

/// The items of `source`, each with its number: a std::pair of std::size_t and the item.
///
///     auto lines = asyncio::enumerate(read_lines(path), 1);
///     while (auto line = co_await lines.next()) print(line->first, line->second);
///
/// It owns the source, and closing it closes that.
///
/// Suspends    where the source does
/// Cancel      as of the source's next()
/// Threads     loop thread
/// Python      enumerate; for async iterators, aioitertools.enumerate
template <class T>
AsyncGenerator<std::pair<std::size_t, T>> enumerate(AsyncGenerator<T> source, std::size_t start = 0) {
    std::exception_ptr error;
    try {
        for (std::size_t number = start;; ++number) {
            auto item = co_await source.next();
            if (!item.has_value()) break;
            co_yield std::pair<std::size_t, T>(number, std::forward<T>(*item));
        }
    } catch (...) {
        error = std::current_exception();
    }
    co_await detail::close_all(error, source);
}

}}  // namespace asyncio::v1
