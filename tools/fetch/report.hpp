// The lines that a run prints: text or JSON.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "fetch/result.hpp"

namespace fetch {

/// "200 1234 1.003 http://…", with the cause in brackets if it failed.
std::string text_line(const Result& result);
/// {"url":…,"status":…,"bytes":…,"seconds":…,"error":…}
std::string json_line(const Result& result);
/// "3 ok, 1 failed, 1234 bytes in 1.01 s"
std::string summary_line(const Totals& totals);

/// A chart of who waited when: one row for each URL, in order of their starts, at most `rows_max` (0: all).
std::string timeline(const std::vector<Result>& results, std::size_t rows_max, std::size_t width);

/// `text` with control characters and what is no UTF-8 made harmless for a terminal.
std::string printable(std::string_view text);

}  // namespace fetch
