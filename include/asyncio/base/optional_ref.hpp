// OptionalRef<T>: a reference, or nothing. (std::optional holds no references.)
#pragma once
#include <memory>
#include <optional>

#include "asyncio/base/assert.hpp"

namespace asyncio { inline namespace v1 {

/// A reference to a `T`, or nothing: used like a std::optional, copied like a pointer.
template <class T>
class OptionalRef {
  public:
    using value_type = T;
    constexpr OptionalRef() noexcept = default;
    constexpr OptionalRef(std::nullopt_t) noexcept {}  // NOLINT(google-explicit-constructor)
    constexpr explicit OptionalRef(T& target) noexcept : target_(std::addressof(target)) {}

    constexpr bool has_value() const noexcept { return target_ != nullptr; }
    constexpr explicit operator bool() const noexcept { return target_ != nullptr; }
    constexpr T& operator*() const noexcept {
        ASYNCIO_DASSERT(target_ != nullptr);
        return *target_;
    }
    constexpr T* operator->() const noexcept { return target_; }
    /// Throws  std::bad_optional_access  there is nothing
    constexpr T& value() const {
        if (target_ == nullptr) throw std::bad_optional_access();
        return *target_;
    }

  private:
    T* target_ = nullptr;
};

}}  // namespace asyncio::v1
