// Handles of the same task or future count once, where Python has a set; the first stays, in its place.
#pragma once
#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "asyncio/core/promise.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

template <class T, class RecordOf>
void drop_duplicates_by(std::vector<T>& handles, RecordOf record_of) {
    std::vector<std::pair<const PromiseBase*, std::size_t>> sorted;
    sorted.reserve(handles.size());
    for (const T& each : handles) sorted.emplace_back(record_of(each), sorted.size());
    std::sort(sorted.begin(), sorted.end());
    std::vector<std::size_t> again;
    for (std::size_t i = 1; i < sorted.size(); ++i) {
        if (sorted[i].first == sorted[i - 1].first) again.push_back(sorted[i].second);
    }
    if (again.empty()) return;
    std::sort(again.begin(), again.end());
    std::size_t kept = 0;
    std::size_t skipped = 0;
    for (std::size_t i = 0; i < handles.size(); ++i) {
        if (skipped != again.size() && again[skipped] == i) {
            ++skipped;
            continue;
        }
        if (kept != i) handles[kept] = std::move(handles[i]);
        ++kept;
    }
    handles.erase(handles.begin() + static_cast<std::ptrdiff_t>(kept), handles.end());
}

}}}  // namespace asyncio::v1::detail
