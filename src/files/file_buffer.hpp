// FileBuffer: bytes that were read ahead, or that wait to be written.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include "asyncio/base/assert.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

/// Bytes are put in at the end and taken out at the beginning. What was taken stays before the beginning
/// until room is needed, so that the reader can step back.
class FileBuffer {
  public:
    FileBuffer() noexcept = default;
    FileBuffer(FileBuffer&& other) noexcept
        : bytes_(std::move(other.bytes_)),
          room_(std::exchange(other.room_, 0)),
          begin_(std::exchange(other.begin_, 0)),
          end_(std::exchange(other.end_, 0)) {}
    FileBuffer& operator=(FileBuffer&&) = delete;

    std::string_view content() const noexcept { return {bytes_.get() + begin_, end_ - begin_}; }
    std::size_t size() const noexcept { return end_ - begin_; }
    bool empty() const noexcept { return begin_ == end_; }
    /// How far `step_back` can go.
    std::size_t behind() const noexcept { return begin_; }

    /// Where `make_room` has made room.
    char* end() noexcept { return bytes_.get() + end_; }
    std::size_t room() const noexcept { return room_ - end_; }
    /// Throws std::bad_alloc; then nothing has changed.
    void make_room(std::size_t wanted) {
        if (room() >= wanted) return;
        if (begin_ + room() >= wanted && begin_ >= size()) {  // moves less than it has moved on since
            std::memmove(bytes_.get(), bytes_.get() + begin_, size());
        } else {
            const std::size_t grown = std::max(size() + wanted, size() * 2);
            std::unique_ptr<char[]> made(new char[grown]);
            content().copy(made.get(), size());
            bytes_ = std::move(made);
            room_ = grown;
        }
        end_ = size();
        begin_ = 0;
    }
    void put(std::size_t count) noexcept {
        ASYNCIO_ASSERT(count <= room());
        end_ += count;
    }
    void append(std::string_view data) {
        make_room(data.size());
        put(data.copy(end(), data.size()));
    }
    void take(std::size_t count) noexcept {
        ASYNCIO_ASSERT(count <= size());
        begin_ += count;
    }
    void step_back(std::size_t count) noexcept {
        ASYNCIO_ASSERT(count <= begin_);
        begin_ -= count;
    }
    /// Forgets all; keeps no more memory than that.
    void clear(std::size_t kept) noexcept {
        begin_ = end_ = 0;
        if (room_ <= kept) return;
        bytes_.reset();
        room_ = 0;
    }

  private:
    std::unique_ptr<char[]> bytes_;
    std::size_t room_ = 0;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

}}}  // namespace asyncio::v1::detail
