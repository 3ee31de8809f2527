#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "asyncio/base/config.hpp"

namespace asyncio { inline namespace v1 { namespace proto {

namespace detail {
struct HeadersAccess;
}

/// One header field, looked at where it is stored.
struct HeaderView {
    std::string_view name;
    std::string_view value;

    friend bool operator==(const HeaderView&, const HeaderView&) = default;
};

/// The header fields of a message: an ordered multimap whose names are compared without regard to case.
///
/// All text is kept in one block, so any number of fields costs two allocations, and a parsed head none
/// beyond the bytes that came. What it hands out are views into that block: they hold until the next change
/// of the object. Every field in it is valid: a name is an RFC 9110 token, a value has no CR, LF, NUL or
/// other control character but HTAB. So a writer may send it as it is.
///
/// Threads     const methods any thread
/// Python      `multidict.CIMultiDict`
/// See         RFC 9110 §5
class ASYNCIO_API Headers {
  public:
    class const_iterator;

    Headers() noexcept = default;

    /// Appends a field, also if there is one of that name.
    ///
    /// Throws  ValueError  the name is no token, or the value has a control character
    void add(std::string_view name, std::string_view value);

    /// Gives `name` this one value: the first field of that name keeps its place, the others go.
    ///
    /// Throws  ValueError  as add()
    void set(std::string_view name, std::string_view value);

    /// Removes all fields of that name; returns how many there were.
    std::size_t remove(std::string_view name) noexcept;

    void clear() noexcept;

    /// Makes room for `fields` fields with `bytes` bytes of names and values in all.
    void reserve(std::size_t fields, std::size_t bytes);

    /// The value of the first field of that name.
    std::optional<std::string_view> get(std::string_view name) const noexcept;

    /// The value of the first field of that name, or `fallback`.
    std::string_view get(std::string_view name, std::string_view fallback) const noexcept;

    /// The values of all fields of that name, in order.
    std::vector<std::string_view> get_all(std::string_view name) const;

    bool contains(std::string_view name) const noexcept;

    /// The number of fields; a repeated name counts each time.
    std::size_t size() const noexcept { return entries_.size(); }
    bool empty() const noexcept { return entries_.empty(); }

    /// The field at `index`, which must be less than size().
    HeaderView operator[](std::size_t index) const noexcept;

    const_iterator begin() const noexcept;
    const_iterator end() const noexcept;

    /// Equal fields in equal order; names without regard to case.
    friend bool operator==(const Headers& a, const Headers& b) noexcept { return a.equals(b); }

  private:
    friend struct detail::HeadersAccess;

    struct Entry {
        std::uint32_t name_begin;
        std::uint32_t name_size;
        std::uint32_t value_begin;
        std::uint32_t value_size;
    };

    void compact_if_wasteful();
    bool equals(const Headers& other) const noexcept;
    std::size_t find(std::string_view name) const noexcept;

    std::string block_;  // Names, values and, in a parsed head, the bytes between them.
    std::vector<Entry> entries_;
};

/// Goes through the fields in order; yields each as a `HeaderView` by value.
class Headers::const_iterator {
  public:
    using iterator_category = std::input_iterator_tag;
    using iterator_concept = std::forward_iterator_tag;
    using value_type = HeaderView;
    using difference_type = std::ptrdiff_t;
    using reference = HeaderView;
    using pointer = void;

    const_iterator() noexcept = default;

    HeaderView operator*() const noexcept { return (*headers_)[index_]; }
    const_iterator& operator++() noexcept {
        ++index_;
        return *this;
    }
    const_iterator operator++(int) noexcept {
        const_iterator old = *this;
        ++index_;
        return old;
    }
    friend bool operator==(const const_iterator&, const const_iterator&) = default;

  private:
    friend class Headers;
    const_iterator(const Headers* headers, std::size_t index) noexcept : headers_(headers), index_(index) {}

    const Headers* headers_ = nullptr;
    std::size_t index_ = 0;
};

inline HeaderView Headers::operator[](std::size_t index) const noexcept {
    const Entry& e = entries_[index];
    const char* text = block_.data();
    return {{text + e.name_begin, e.name_size}, {text + e.value_begin, e.value_size}};
}
inline Headers::const_iterator Headers::begin() const noexcept { return {this, 0}; }
inline Headers::const_iterator Headers::end() const noexcept { return {this, entries_.size()}; }

/// Whether the text is a `token`: what header names and methods are made of.
///
/// See         RFC 9110 §5.6.2
ASYNCIO_API bool is_token(std::string_view text) noexcept;

/// Whether the text may be sent as a header's value: no control character but HTAB, bytes from 0x80 allowed.
ASYNCIO_API bool is_field_value(std::string_view text) noexcept;

/// Compares ASCII letters without regard to case, all else by value.
ASYNCIO_API bool equals_ignore_case(std::string_view a, std::string_view b) noexcept;

/// Whether a comma-separated list, such as the value of `Connection`, has this member (case is ignored).
ASYNCIO_API bool list_contains(std::string_view list, std::string_view member) noexcept;

}}}  // namespace asyncio::v1::proto
