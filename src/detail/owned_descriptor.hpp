// A descriptor that is closed unless somebody takes it.
#pragma once
#include <unistd.h>

#include <utility>

namespace asyncio { inline namespace v1 { namespace detail {

class OwnedDescriptor {
  public:
    OwnedDescriptor() noexcept = default;
    explicit OwnedDescriptor(int descriptor) noexcept : descriptor_(descriptor) {}
    OwnedDescriptor(OwnedDescriptor&& other) noexcept : descriptor_(other.give()) {}
    OwnedDescriptor& operator=(OwnedDescriptor&& other) noexcept {
        std::swap(descriptor_, other.descriptor_);
        return *this;
    }
    ~OwnedDescriptor() {
        if (descriptor_ >= 0) ::close(descriptor_);
    }
    int get() const noexcept { return descriptor_; }
    int give() noexcept { return std::exchange(descriptor_, -1); }

  private:
    int descriptor_ = -1;
};

}}}  // namespace asyncio::v1::detail
