// What an exception was thrown in place of: Python's `__context__`.
#pragma once
#include <atomic>
#include <exception>

#include "asyncio/base/config.hpp"

namespace asyncio { inline namespace v1 {

namespace detail {
struct ContextAccess;
}

/// Base of this library's exceptions: each can carry the exception that it was thrown in place of. `with`
/// fills it in when `aexit` throws although the body has failed already.
///
/// It is filled in at most once and never changes then, so that those who share the exception see either
/// nothing or the same.
///
/// Threads     any thread
/// Python      BaseException.__context__, which every `raise` inside an `except` sets. C++ has no such moment
class ASYNCIO_API ContextCarrier {
  public:
    /// The exception that this one has replaced; null if there is none.
    std::exception_ptr context() const noexcept;

  protected:
    ContextCarrier() noexcept = default;
    ContextCarrier(const ContextCarrier& other) noexcept { *this = other; }
    ContextCarrier& operator=(const ContextCarrier& other) noexcept;
    ~ContextCarrier() = default;

  private:
    friend detail::ContextAccess;
    // empty -> filled: `error_` is written before, and not touched any more. empty -> closed: there will be
    // none. Both under one lock of all carriers; readers need none.
    enum class State : unsigned char { empty, filled, closed };
    mutable std::exception_ptr error_;
    mutable std::atomic<State> state_{State::empty};
};

/// What the exception inside `error` was thrown in place of; null if there is none, or if nobody can know. Of
/// foreign exceptions those that are a std::nested_exception can tell.
///
/// Threads     any thread
ASYNCIO_API std::exception_ptr context_of(const std::exception_ptr& error) noexcept;

namespace detail {

/// `replaced` becomes the context of `error`. False if it would be lost: `error` is foreign, or has another
/// context already, or is itself what `replaced` leads to, or the chain would be too long.
ASYNCIO_API bool set_context(const std::exception_ptr& error, const std::exception_ptr& replaced) noexcept;

struct ContextAccess {
    /// Under the lock of `set_context`.
    static bool fill(const ContextCarrier& carrier, const std::exception_ptr& error) noexcept;
    /// Before the exception is thrown. Python's `raise error from None`: nobody wants to hear what it has
    /// replaced.
    ASYNCIO_API static void close(const ContextCarrier& carrier) noexcept;
};

}  // namespace detail
}}  // namespace asyncio::v1
