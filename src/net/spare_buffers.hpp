// Buffers that were used up, for the next connections that have to keep bytes. An idle connection holds none;
// so many as work at the same time find one each here, and no allocator is asked for each message.
#pragma once
#include <array>
#include <cstddef>
#include <string>
#include <utility>

namespace asyncio { inline namespace v1 { namespace detail {

class SpareBuffers {
  public:
    /// Gives `empty` memory, if there is some, for so many bytes or fewer.
    void lend(std::string& empty, std::size_t bytes) noexcept {
        if (bytes > small_max) {
            empty = std::move(large_);
        } else if (count_ != 0) {
            empty = std::move(small_[--count_]);
        }
    }
    /// Takes the memory of what was used up; it is empty afterwards and has none.
    void take_back(std::string& used) noexcept {
        used.clear();
        if (used.capacity() == std::string().capacity()) return;  // the bytes lay in the object itself
        if (used.capacity() <= small_max && count_ != small_.size()) {
            small_[count_++] = std::move(used);
            return;
        }
        if (used.capacity() <= large_max && used.capacity() > large_.capacity()) large_ = std::move(used);
        std::string().swap(used);
    }

  private:
    static constexpr std::size_t small_max = 4096;
    static constexpr std::size_t large_max = 256 * 1024;

    std::array<std::string, 64> small_;  // the first `count_` have memory
    std::size_t count_ = 0;
    std::string large_;
};

}}}  // namespace asyncio::v1::detail
