// What debug mode says: warnings, and who hears them.
#pragma once
#include <string>
#include <string_view>

#include "asyncio/base/function.hpp"

namespace asyncio { inline namespace v1 {

/// One report of debug mode.
struct Warning {
    std::string_view category;  ///< "RuntimeWarning", "ResourceWarning"; empty for what is no fault as such
    std::string text;           ///< may have several lines; ends without a line break
};

using WarningHandler = UniqueFunction<void(const Warning&)>;

/// Replaces what is done with the reports of debug mode, for the whole process: never-awaited coroutines,
/// slow callbacks, unclosed resources, blocked loops. An empty one restores the default, which prints
/// "ResourceWarning: …" (without a category: "asyncio: …") to stderr. What the handler throws is dropped.
///
/// Threads     any thread; the handler is called on the thread that has something to say (of a blocked loop:
///             the watchdog's), maybe on several at once. What it gives rise to itself is printed
/// Python      warnings.showwarning, and the logger "asyncio"
void set_warning_handler(WarningHandler handler);

}}  // namespace asyncio::v1
