// PathView: the path that a call is given, however it is spelt.
#pragma once
#include <concepts>
#include <string>
#include <string_view>

#include "asyncio/base/config.hpp"

namespace asyncio { inline namespace v1 {

/// A look at a path: literals, strings, views and std::filesystem::path convert to it. Whoever is called
/// copies it before it waits for anything.
class PathView {
  public:
    PathView(const char* path ASYNCIO_LIFETIMEBOUND) noexcept : text_(path) {}
    PathView(const std::string& path ASYNCIO_LIFETIMEBOUND) noexcept : text_(path) {}
    PathView(std::string_view path) noexcept : text_(path) {}
    template <class P>
        requires requires(const P& path) {
            { path.native() } -> std::same_as<const std::string&>;
        }
    PathView(const P& path ASYNCIO_LIFETIMEBOUND) noexcept : text_(path.native()) {}

    std::string_view text() const noexcept { return text_; }

  private:
    std::string_view text_;
};

}}  // namespace asyncio::v1
