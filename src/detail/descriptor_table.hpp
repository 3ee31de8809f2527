// DescriptorTable: who waits for which descriptor of a loop, and the callbacks of add_reader.
#pragma once
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "asyncio/base/function.hpp"
#include "asyncio/core/descriptor.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

struct LoopImpl;
class DescriptorWatch;

/// See descriptor.cpp. A part of its loop, from the beginning.
class DescriptorTable {
  public:
    explicit DescriptorTable(LoopImpl& loop) noexcept;
    DescriptorTable(const DescriptorTable&) = delete;
    DescriptorTable& operator=(const DescriptorTable&) = delete;
    ~DescriptorTable();

    /// A stream or server has the descriptor now. Without memory nobody is warned of it.
    void give_to_stream(int fd) noexcept;
    void take_from_stream(int fd) noexcept;

    /// Somebody waits for this end of it. Throws RuntimeError if somebody does already, or a stream has it.
    void claim(int fd, Direction direction, const char* what);
    void release(int fd, Direction direction) noexcept;

    void add_watch(int fd, Direction direction, UniqueFunction<void()> function);
    bool remove_watch(int fd, Direction direction) noexcept;
    void remove_all() noexcept;

  private:
    friend DescriptorWatch;
    void erase(DescriptorWatch* watch) noexcept;

    LoopImpl& loop_;
    std::vector<std::uint8_t> marks_;  // by descriptor
    std::unordered_map<std::uint64_t, std::unique_ptr<DescriptorWatch>> watches_;
};

}}}  // namespace asyncio::v1::detail
