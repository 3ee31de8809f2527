// Timeline: a chart in plain text of who ran and who waited, when.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "asyncio/base/duration.hpp"
#include "asyncio/base/option.hpp"

namespace asyncio { inline namespace v1 { namespace debug {

/// What a row of a timeline did during an interval.
enum class Activity : std::uint8_t {
    queued,    ///< has not begun
    waits,     ///< suspended: for a timer, a peer, another task
    runs,      ///< has the processor; drawn at least one column wide, however short it was
    receives,  ///< its data arrives; at least one column, too
    failed,    ///< ended with an error; at least one column, too
};

/// The characters that a timeline is drawn with.
enum class TimelineStyle : std::uint8_t {
    utf8,   ///< block elements
    ascii,  ///< for terminals and files that know nothing else
};

/// Options of `Timeline::render`. All members may be left out.
struct TimelineOptions {
    int width = 80;  ///< columns of the whole chart with its labels; at least 20 are used
    TimelineStyle style = TimelineStyle::utf8;
    std::size_t rows_max = 0;  ///< more rows than that: the middle ones are left out; 0: all are drawn
};
static_assert(OptionStruct<TimelineOptions>);

/// Rows of intervals, drawn as a chart with a time axis:
///
///     A  █░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░█
///     B  █░░░░░░░░░░░░░░░░░░█
///        ├─────────┼─────────┼─────────┼────────┤
///        0 ms      25        50        75     100
///        █ runs  ░ waits
///
/// It measures nothing by itself: give it times of the loop's clock. The axis begins at the earliest of them.
///
/// Threads     one at a time
/// Python      no equivalent
class Timeline {
  public:
    struct Interval {
        TimePoint start;
        TimePoint end;
        Activity activity;
    };

    /// Adds a row below the others; returns its number.
    std::size_t add_row(std::string label);
    /// Adds an interval to a row. Where intervals overlap the later one is drawn over the earlier. One that
    /// ends before it starts is taken as a moment.
    /// Throws  ValueError  there is no such row
    void add(std::size_t row, TimePoint start, TimePoint end, Activity activity);

    /// For a row that is recorded while it happens: from `when` on it does `activity`, until the next
    /// `change` or `finish` of that row.
    /// Throws  ValueError  there is no such row
    void change(std::size_t row, Activity activity, TimePoint when);
    /// Ends what `change` began; does nothing if nothing is open.
    /// Throws  ValueError  there is no such row
    void finish(std::size_t row, TimePoint when);

    std::size_t row_count() const noexcept { return rows_.size(); }
    /// What a row holds, without what is still open.
    /// Throws  ValueError  there is no such row
    const std::vector<Interval>& intervals(std::size_t row) const;

    /// The chart, lines ending with '\n'; empty if there is no row. What is still open is not drawn.
    std::string render(TimelineOptions options = TimelineOptions()) const;

  private:
    struct Row {
        std::string label;
        std::vector<Interval> intervals;
        TimePoint open_since = TimePoint::max();  // max: nothing is open
        Activity open = Activity::waits;
    };
    Row& row_at(std::size_t row);

    std::vector<Row> rows_;
};

}}}  // namespace asyncio::v1::debug
