// FileSource: the file that sendfile sends, and how far it has got.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "asyncio/core/coro.hpp"
#include "asyncio/net/sendfile.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

/// See sendfile.cpp. It lies in the coroutine that sends.
class FileSource {
  public:
    /// Throws  OSError  the descriptor is not open; ValueError  an offset into what has no positions
    FileSource(int file, const SendfileOptions& options);
    FileSource(const FileSource&) = delete;
    FileSource& operator=(const FileSource&) = delete;

    /// As much as was asked for has been sent.
    bool complete() const noexcept { return left_ == 0; }
    std::uint64_t sent() const noexcept { return sent_; }

    enum class Moved : std::uint8_t { some, end, would_block, not_available };
    /// sendfile(2) to `target`, once. Throws its failure, with `subject`.
    Moved send_to(int target, const std::string& subject);
    /// Throws SendfileNotAvailableError unless the file may be read and written instead.
    void require_fallback() const;
    /// Reads the next bytes, without blocking the loop; empty at the end. They count as sent when `took` is
    /// told so.
    Coro<std::string_view> read(std::span<char> memory);
    /// The same of a few bytes that sendfile(2) has been sending, so that they are in memory.
    std::string_view read_now(std::span<char> memory);
    void took(std::size_t bytes) noexcept;

  private:
    std::size_t wanted(std::size_t most) const noexcept {
        return left_ < most ? static_cast<std::size_t>(left_) : most;
    }
    std::string_view taken(std::int64_t result, std::span<char> memory) const;

    const int file_;
    bool has_positions_ = true;
    const bool fallback_;
    std::uint64_t position_;
    std::uint64_t left_;
    std::uint64_t sent_ = 0;
    std::uint64_t* const told_;
};

}}}  // namespace asyncio::v1::detail
