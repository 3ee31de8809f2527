#pragma once

#include <exception>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "asyncio/base/assert.hpp"
#include "asyncio/base/error.hpp"

namespace asyncio { inline namespace v1 {

template <class T>
class Outcome;

namespace detail {

template <class T>
inline constexpr bool is_outcome = false;
template <class T>
inline constexpr bool is_outcome<Outcome<T>> = true;

/// The half of an Outcome that does not depend on the value: the error, null when there is a value.
class OutcomeBase {
  public:
    bool has_value() const noexcept { return error_ == nullptr; }
    explicit operator bool() const noexcept { return has_value(); }

    /// The failure, or null if there is a value.
    const std::exception_ptr& error() const noexcept { return error_; }
    /// Whether the failure is a CancelledError.
    bool cancelled() const noexcept { return is_cancelled(error_); }
    /// The failure as an `E`, or null if it is none. Nothing is thrown.
    template <class E>
    const E* error_as() const noexcept ASYNCIO_LIFETIMEBOUND {
        return exception_cast<E>(error_);
    }
    /// The failure's text, also for CancelledError; empty if there is a value.
    std::string what() const { return error_text(error_); }

  protected:
    OutcomeBase() noexcept = default;
    explicit OutcomeBase(std::exception_ptr&& error) noexcept : error_(std::move(error)) {
        ASYNCIO_ASSERT(error_ != nullptr,
                       "an Outcome made from a null exception_ptr is neither value nor error");
    }
    // Copied also where the Outcome is moved: a moved-from failure must not turn into a value.
    OutcomeBase(const OutcomeBase&) noexcept = default;
    OutcomeBase& operator=(const OutcomeBase&) noexcept = default;
    ~OutcomeBase() = default;

    void require_value() const {
        if (error_ != nullptr) {
            std::rethrow_exception(error_);
        }
    }

    std::exception_ptr error_;
};

}  // namespace detail

/// A value of type `T`, or the exception that came in its place.
///
/// Threads     as a plain value
/// Python      what `gather(…, return_exceptions=True)` puts into its list
template <class T>
class [[nodiscard]] Outcome : public detail::OutcomeBase {
    static_assert(std::is_object_v<T> && !std::is_const_v<T>, "Outcome<T>: T is a value type or void");

  public:
    using value_type = T;

    /// From a value, or from anything that makes one. (Of outcomes only from a `T` that is one: an
    /// Outcome<int> would else make a bool.)
    template <class U = T>
        requires(std::is_constructible_v<T, U> &&
                 (!detail::is_outcome<std::remove_cvref_t<U>> || std::is_same_v<std::remove_cvref_t<U>, T>) &&
                 !std::is_same_v<std::remove_cvref_t<U>, std::exception_ptr> &&
                 !std::is_same_v<std::remove_cvref_t<U>, std::in_place_t>)
    explicit(!std::is_convertible_v<U, T>)
        Outcome(U&& value) noexcept(std::is_nothrow_constructible_v<T, U>) {
        std::construct_at(std::addressof(value_), std::forward<U>(value));
    }
    template <class... Args>
    explicit Outcome(std::in_place_t, Args&&... args) {
        std::construct_at(std::addressof(value_), std::forward<Args>(args)...);
    }
    /// From a failure, which must not be null.
    Outcome(std::exception_ptr error) noexcept : OutcomeBase(std::move(error)) {}

    Outcome(const Outcome& other)
        requires(std::is_copy_constructible_v<T>)
        : OutcomeBase(other) {
        if (has_value()) {
            std::construct_at(std::addressof(value_), other.value_);
        }
    }
    Outcome(Outcome&& other) noexcept(std::is_nothrow_move_constructible_v<T>) : OutcomeBase(other) {
        if (has_value()) {
            std::construct_at(std::addressof(value_), std::move(other.value_));
        }
    }
    Outcome& operator=(const Outcome& other)
        requires(std::is_copy_constructible_v<T>)
    {
        if (this != &other) {
            *this = Outcome(other);
        }
        return *this;
    }
    Outcome& operator=(Outcome&& other) noexcept(std::is_nothrow_move_constructible_v<T>) {
        if (this != &other) {
            clear();
            if (other.has_value()) {
                construct_or_keep_error(std::move(other));
            } else {
                error_ = other.error_;
            }
        }
        return *this;
    }
    ~Outcome() { clear(); }

    /// The value; the failure is rethrown if there is one.
    T& value() & ASYNCIO_LIFETIMEBOUND {
        require_value();
        return value_;
    }
    const T& value() const& ASYNCIO_LIFETIMEBOUND {
        require_value();
        return value_;
    }
    T&& value() && ASYNCIO_LIFETIMEBOUND {
        require_value();
        return std::move(value_);
    }
    template <class U>
    T value_or(U&& fallback) const& {
        return has_value() ? value_ : static_cast<T>(std::forward<U>(fallback));
    }
    template <class U>
    T value_or(U&& fallback) && {
        return has_value() ? std::move(value_) : static_cast<T>(std::forward<U>(fallback));
    }

    /// The value, which must be there.
    T& operator*() & noexcept ASYNCIO_LIFETIMEBOUND { return checked(), value_; }
    const T& operator*() const& noexcept ASYNCIO_LIFETIMEBOUND { return checked(), value_; }
    T&& operator*() && noexcept ASYNCIO_LIFETIMEBOUND { return checked(), std::move(value_); }
    T* operator->() noexcept ASYNCIO_LIFETIMEBOUND { return checked(), std::addressof(value_); }
    const T* operator->() const noexcept ASYNCIO_LIFETIMEBOUND { return checked(), std::addressof(value_); }

  private:
    void checked() const noexcept {
        ASYNCIO_ASSERT(has_value(), "this Outcome holds an error: look first, or use value()");
    }
    void clear() noexcept {
        if (has_value()) {
            std::destroy_at(std::addressof(value_));
        }
    }
    /// Fills a cleared Outcome. If the move throws, the Outcome holds that exception: it cannot be left
    /// empty.
    void construct_or_keep_error(Outcome&& other) noexcept(std::is_nothrow_move_constructible_v<T>) {
        if constexpr (std::is_nothrow_move_constructible_v<T>) {
            std::construct_at(std::addressof(value_), std::move(other.value_));
            error_ = nullptr;
        } else {
            try {
                std::construct_at(std::addressof(value_), std::move(other.value_));
                error_ = nullptr;
            } catch (...) {
                error_ = std::current_exception();
                throw;
            }
        }
    }

    union {
        T value_;
    };
};

/// Success, or the exception that came in its place.
template <>
class [[nodiscard]] Outcome<void> : public detail::OutcomeBase {
  public:
    using value_type = void;

    Outcome() noexcept = default;
    /// From a failure, which must not be null.
    Outcome(std::exception_ptr error) noexcept : OutcomeBase(std::move(error)) {}
    Outcome(const Outcome&) noexcept = default;
    Outcome& operator=(const Outcome&) noexcept = default;
    ~Outcome() = default;

    /// Rethrows the failure if there is one.
    void value() const { require_value(); }
    void operator*() const noexcept {
        ASYNCIO_ASSERT(has_value(), "this Outcome holds an error: look first, or use value()");
    }
};

}}  // namespace asyncio::v1
