// Closing the generators that a generator has iterated.
#pragma once
#include <exception>

#include "asyncio/task/async_generator.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

/// In a handler: what closing a source has thrown becomes `error`, if that is nothing, or only says that
/// somebody closes, or if it is a cancel, which must not be lost. Of two the other goes to the exception
/// handler.
ASYNCIO_COLD void met_while_closing(std::exception_ptr& error) noexcept;

template <class G>
Coro<> close_and_keep(G& generator, std::exception_ptr& error) {
    try {
        co_await generator.aclose();
    } catch (...) {
        met_while_closing(error);
    }
}

/// Closes each, whatever becomes of the others; then throws `error`, or what closing has met.
template <class... G>
Coro<> close_all(std::exception_ptr error, G&... generators) {
    (co_await close_and_keep(generators, error), ...);
    if (error != nullptr) std::rethrow_exception(error);
}

}}}  // namespace asyncio::v1::detail
