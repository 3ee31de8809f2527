// Results: where a coroutine, task or future keeps its value, and what stays of a task when its frame is
// gone.
//
// When a task ends its frame is destroyed at once, parameters included, but its memory stays while handles
// exist: the record with the result goes on where it lay (a promise is trivially destructible, so nothing in
// it is lost), and the first 16 bytes of the frame, once the pointers to its code, become the `Husk`: how to
// destroy the result, how much to free. A future is a husk and a record from the start.
#pragma once
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "asyncio/core/detail/loop_core.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

struct Husk {
    DropFn drop;
    std::size_t bytes;
};
static_assert(sizeof(Husk) == record_offset);

inline void* frame_address(PromiseBase* record) noexcept {
    return reinterpret_cast<std::byte*>(record) - record_offset;
}
inline Husk* husk_of(PromiseBase* record) noexcept { return static_cast<Husk*>(frame_address(record)); }

/// A value that can be written without a throw lies in the bytes of the live links, if it fits.
template <class T>
inline constexpr bool fits_in_record =
    sizeof(T) <= 24 && alignof(T) <= 8 && std::is_nothrow_move_constructible_v<T>;

template <class T, bool InRecord = fits_in_record<T>>
struct Record : PromiseBase {
    T* value() noexcept { return std::launder(reinterpret_cast<T*>(store)); }
    void* place_of_value() noexcept { return store; }
};
template <class T>
struct Record<T, false> : PromiseBase {
    static_assert(alignof(T) <= 16,
                  "a result aligned to more than 16 bytes does not fit in a coroutine frame");
    T* value() noexcept { return std::launder(reinterpret_cast<T*>(own)); }
    void* place_of_value() noexcept { return own; }
    alignas(T) std::byte own[sizeof(T)];
};

/// What a coroutine of `T` keeps: a value for void, so that nobody need ask.
struct Nothing {};
template <class T>
using Stored = std::conditional_t<std::is_void_v<T>, Nothing, T>;

template <class T>
bool drop_value(PromiseBase* record) noexcept {
    if (record->is(has_value)) static_cast<Record<T>*>(record)->value()->~T();
    return false;
}
template <class T>
inline constexpr DropFn drop_value_fn = std::is_trivially_destructible_v<T> ? nullptr : &drop_value<T>;

/// Writes the value of a record that may be a live task. The links end here, the result begins.
template <class T, class U>
void write_value(Record<T>* record, U&& from) {
    if constexpr (!fits_in_record<T>) {
        ::new (record->place_of_value()) T(std::forward<U>(from));  // a throw leaves the task as it was
        if (record->is(is_task)) unlink_live(record);
    } else if constexpr (std::is_nothrow_constructible_v<T, U&&>) {
        if (record->is(is_task)) unlink_live(record);
        ::new (record->place_of_value()) T(std::forward<U>(from));
    } else {
        T made(std::forward<U>(from));
        if (record->is(is_task)) unlink_live(record);
        ::new (record->place_of_value()) T(std::move(made));
    }
    record->set(has_value);
}

/// Inside a handler: stores the current exception in a record that may be a live task, after its value, if it
/// has one already (a destructor threw after co_return), was destroyed.
ASYNCIO_COLD void store_current_exception(PromiseBase* record, DropFn drop) noexcept;
/// The same with an exception at hand.
ASYNCIO_COLD void store_exception(PromiseBase* record, std::exception_ptr error) noexcept;

/// Of a coroutine that was to give a value and has run off its end, which is undefined: g++ ends it there,
/// and then this becomes its exception. (The place is that of its last await, or of its definition.)
ASYNCIO_COLD void fail_without_return(PromiseBase* record) noexcept;

/// Throws what a done record holds instead of a value: its exception, CancelledError, or InvalidStateError.
[[noreturn]] ASYNCIO_COLD void throw_outcome(PromiseBase* record);
/// The same without the throw, but of InvalidStateError.
ASYNCIO_COLD std::exception_ptr failure_of(PromiseBase* record);
/// The exception of a coroutine that was awaited in place and has ended; without one it has run off its end.
ASYNCIO_COLD std::exception_ptr error_of_awaited(PromiseBase* frame) noexcept;
/// Destroys such a coroutine, with its exception if it has one; or one that has not ended.
ASYNCIO_COLD void drop_awaited(PromiseBase* frame) noexcept;
/// Both.
ASYNCIO_COLD std::exception_ptr take_error_and_destroy(PromiseBase* frame) noexcept;

/// "result is not set", "result was already taken" …
[[noreturn]] ASYNCIO_COLD void throw_invalid_state(PromiseBase* record, const char* what);

}}}  // namespace asyncio::v1::detail
