// Held: something acquired, given back when this goes out of scope.
#pragma once
#include <exception>
#include <utility>

#include "asyncio/base/assert.hpp"

namespace asyncio { inline namespace v1 {

/// What `co_await lock.scoped()` gives: holds the lock (condition, semaphore) and releases it when it goes.
///
/// Threads     loop thread
/// Lifetime    the primitive must outlive it
/// Python      no equivalent; `async with lock:`
template <class Primitive>
class [[nodiscard("it is released at once if nothing holds it: auto held = co_await lock.scoped()")]] Held {
  public:
    /// Takes over an acquisition.
    explicit Held(Primitive& acquired) noexcept : primitive_(&acquired) {}
    Held(Held&& other) noexcept : primitive_(std::exchange(other.primitive_, nullptr)) {}
    Held& operator=(Held&& other) noexcept {
        Held old(std::move(*this));
        primitive_ = std::exchange(other.primitive_, nullptr);
        return *this;
    }
    ~Held() {
        try {
            release();
        } catch (const std::exception& error) {  // it was released by hand, or this is another thread
            detail::assert_failed("a Held goes, and can release what it holds", error.what(), __FILE__,
                                  __LINE__);
        }
    }

    /// Releases it now.
    /// Throws  RuntimeError, ValueError  it was released by hand; as `release` of what it holds
    void release() {
        if (primitive_ != nullptr) std::exchange(primitive_, nullptr)->release();
    }
    /// Whether there is still something to release.
    bool held() const noexcept { return primitive_ != nullptr; }

  private:
    Primitive* primitive_;
};

}}  // namespace asyncio::v1
