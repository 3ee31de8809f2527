#include "asyncio/proto/headers.hpp"

#include <functional>
#include <limits>

#include "asyncio/base/error.hpp"
#include "proto/characters.hpp"

namespace asyncio { inline namespace v1 { namespace proto {

namespace {

constexpr std::size_t none = static_cast<std::size_t>(-1);

// A block may hold this many dead bytes before set() and remove() are made to tidy up.
constexpr std::size_t waste_max_bytes = 1024;

void check(std::string_view name, std::string_view value) {
    if (!is_token(name)) {
        throw ValueError("header name " + quoted(name) +
                         " is not a token: only letters, digits and !#$%&'*+-.^_`|~ may be in it");
    }
    if (!is_field_value(value)) {
        throw ValueError("the value of header '" + std::string(name) +
                         "' has a control character (CR, LF and NUL would let it forge other headers)");
    }
}

bool points_into(const std::string& block, std::string_view text) noexcept {
    const std::less<const char*> before;
    return !before(text.data(), block.data()) && before(text.data(), block.data() + block.size());
}

}  // namespace

void Headers::add(std::string_view name, std::string_view value) {
    check(name, value);
    if (points_into(block_, name) || points_into(block_, value)) {
        // `h.add("Copy", *h.get("Original"))`: the block would move away under the views.
        const std::string name_copy(name);
        const std::string value_copy(value);
        add(name_copy, value_copy);
        return;
    }
    const std::size_t begin = block_.size();
    if (name.size() + value.size() > std::numeric_limits<std::uint32_t>::max() - begin) {
        throw ValueError("the headers are larger than 4 GiB in all");
    }
    // The entry comes last: if an append or it runs out of memory, only unreferenced bytes stay behind.
    block_.append(name).append(value);
    entries_.push_back({static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(name.size()),
                        static_cast<std::uint32_t>(begin + name.size()),
                        static_cast<std::uint32_t>(value.size())});
}

void Headers::set(std::string_view name, std::string_view value) {
    const std::size_t place = find(name);
    add(name, value);
    if (place == none) return;

    entries_[place] = entries_.back();
    entries_.pop_back();
    std::size_t kept = place + 1;
    const std::string_view wanted = (*this)[place].name;
    for (std::size_t i = place + 1; i < entries_.size(); ++i) {
        if (!equals_ignore_case((*this)[i].name, wanted)) entries_[kept++] = entries_[i];
    }
    entries_.resize(kept);
    compact_if_wasteful();
}

std::size_t Headers::remove(std::string_view name) noexcept {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        if (!equals_ignore_case((*this)[i].name, name)) entries_[kept++] = entries_[i];
    }
    const std::size_t removed = entries_.size() - kept;
    entries_.resize(kept);
    if (kept == 0) block_.clear();
    return removed;
}

void Headers::clear() noexcept {
    block_.clear();
    entries_.clear();
}

void Headers::reserve(std::size_t fields, std::size_t bytes) {
    entries_.reserve(fields);
    block_.reserve(bytes);
}

std::optional<std::string_view> Headers::get(std::string_view name) const noexcept {
    const std::size_t i = find(name);
    if (i == none) return std::nullopt;
    return (*this)[i].value;
}

std::string_view Headers::get(std::string_view name, std::string_view fallback) const noexcept {
    const std::size_t i = find(name);
    return i == none ? fallback : (*this)[i].value;
}

std::vector<std::string_view> Headers::get_all(std::string_view name) const {
    std::vector<std::string_view> values;
    for (const HeaderView field : *this) {
        if (equals_ignore_case(field.name, name)) values.push_back(field.value);
    }
    return values;
}

bool Headers::contains(std::string_view name) const noexcept { return find(name) != none; }

std::size_t Headers::find(std::string_view name) const noexcept {
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        if (entries_[i].name_size == name.size() && equals_ignore_case((*this)[i].name, name)) return i;
    }
    return none;
}

bool Headers::equals(const Headers& other) const noexcept {
    if (size() != other.size()) return false;
    for (std::size_t i = 0; i < size(); ++i) {
        const HeaderView a = (*this)[i];
        const HeaderView b = other[i];
        if (!equals_ignore_case(a.name, b.name) || a.value != b.value) return false;
    }
    return true;
}

// A set() leaves the old text behind; without this, headers kept for long and changed often would grow for
// ever.
void Headers::compact_if_wasteful() {
    std::size_t live = 0;
    for (const HeaderView field : *this) live += field.name.size() + field.value.size();
    if (block_.size() < 2 * live + waste_max_bytes) return;

    std::string block;
    block.reserve(live);
    for (Entry& e : entries_) {
        const auto name_begin = static_cast<std::uint32_t>(block.size());
        block.append(block_, e.name_begin, e.name_size).append(block_, e.value_begin, e.value_size);
        e.name_begin = name_begin;
        e.value_begin = name_begin + e.name_size;
    }
    block_.swap(block);
}

bool is_token(std::string_view text) noexcept {
    if (text.empty()) return false;
    for (const char c : text) {
        if (!is(c, character::token)) return false;
    }
    return true;
}

bool is_field_value(std::string_view text) noexcept {
    for (const char c : text) {
        if (is(c, character::control) && c != '\t') return false;
    }
    return true;
}

bool equals_ignore_case(std::string_view a, std::string_view b) noexcept {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (a[i] != b[i] && to_lower(a[i]) != to_lower(b[i])) return false;
    }
    return true;
}

bool list_contains(std::string_view list, std::string_view member) noexcept {
    while (!list.empty()) {
        const std::size_t comma = list.find(',');
        if (equals_ignore_case(trimmed(list.substr(0, comma)), member)) return true;
        if (comma == std::string_view::npos) break;
        list.remove_prefix(comma + 1);
    }
    return false;
}

}}}  // namespace asyncio::v1::proto
