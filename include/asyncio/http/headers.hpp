// Header fields and query parameters as options take them: looked at, never owned.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "asyncio/base/config.hpp"
#include "asyncio/proto/headers.hpp"
#include "asyncio/proto/url.hpp"

namespace asyncio { inline namespace v1 { namespace http {

using proto::Headers;
using proto::HeaderView;
using proto::Url;

/// A fixed number of name-value pairs, looked at where they are stored: what `headers` and `params` make.
template <std::size_t N>
struct Pairs {
    std::array<HeaderView, N> items;
};

/// Name-value pairs of any origin, looked at: how options take header fields and query parameters.
///
/// Lifetime    what it was made from must live while it is used; the calls of this library that take options
///             copy what they need before they return
class PairsView {
  public:
    constexpr PairsView() noexcept = default;
    template <std::size_t N>
    constexpr PairsView(const Pairs<N>& pairs ASYNCIO_LIFETIMEBOUND) noexcept
        : kind_(Kind::views), views_(pairs.items.data()), size_(N) {}
    constexpr PairsView(std::span<const HeaderView> views) noexcept
        : kind_(Kind::views), views_(views.data()), size_(views.size()) {}
    PairsView(const Headers& headers ASYNCIO_LIFETIMEBOUND) noexcept
        : kind_(Kind::headers), headers_(&headers), size_(headers.size()) {}
    PairsView(const proto::QueryPairs& pairs ASYNCIO_LIFETIMEBOUND) noexcept
        : kind_(Kind::strings), strings_(pairs.data()), size_(pairs.size()) {}

    constexpr std::size_t size() const noexcept { return size_; }
    constexpr bool empty() const noexcept { return size_ == 0; }
    HeaderView operator[](std::size_t index) const noexcept {
        switch (kind_) {
            case Kind::views: return views_[index];
            case Kind::headers: return (*headers_)[index];
            case Kind::strings: return {strings_[index].first, strings_[index].second};
        }
        return {};
    }

  private:
    enum class Kind : std::uint8_t { views, headers, strings };
    Kind kind_ = Kind::views;
    union {
        const HeaderView* views_ = nullptr;
        const Headers* headers_;
        const proto::QueryPairs::value_type* strings_;
    };
    std::size_t size_ = 0;
};

namespace detail {

template <class... T>
constexpr auto make_pairs(const T&... texts) noexcept {
    static_assert(sizeof...(T) % 2 == 0,
                  "names and values come in pairs: headers(\"Accept\", \"text/html\")");
    Pairs<sizeof...(T) / 2> made{};
    const std::array<std::string_view, sizeof...(T)> all{std::string_view(texts)...};
    for (std::size_t i = 0; i < made.items.size(); ++i)
        made.items[i] = HeaderView{all[2 * i], all[2 * i + 1]};
    return made;
}

}  // namespace detail

/// Header fields for an option: `{.headers = http::headers("Accept", "text/html", "X-Id", id)}`.
///
/// Lifetime    looks at its arguments; good for the call that it is written in
template <class... T>
    requires(std::convertible_to<const T&, std::string_view> && ...)
constexpr auto headers(const T&... names_and_values ASYNCIO_LIFETIMEBOUND) noexcept {
    return detail::make_pairs(names_and_values...);
}

/// Query parameters for an option: `{.params = http::params("q", "two words", "page", "2")}`.
///
/// Lifetime    looks at its arguments; good for the call that it is written in
template <class... T>
    requires(std::convertible_to<const T&, std::string_view> && ...)
constexpr auto params(const T&... names_and_values ASYNCIO_LIFETIMEBOUND) noexcept {
    return detail::make_pairs(names_and_values...);
}

}}}  // namespace asyncio::v1::http
