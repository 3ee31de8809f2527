// Drawing a timeline.
//
// Time is mapped to columns by rounding both ends of an interval the same way, so that intervals which touch
// in time touch in the chart and never overlap. What is worth seeing although it is short (it ran, it failed)
// is then widened to one column; waiting is not, or the chart would show waits that nobody noticed. So
// waiting is painted first and the rest over it. In virtual time all running takes no time at all: the rule
// makes that visible, too.
//
// Labels are measured in code points. Wide characters (CJK) would shift a row; they are not worth a table of
// widths.
#include "asyncio/debug/timeline.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "asyncio/base/assert.hpp"
#include "asyncio/base/error.hpp"

namespace asyncio { inline namespace v1 { namespace debug {

namespace {

constexpr int width_min = 20;
constexpr int width_max = 1000;
constexpr int chart_width_min = 10;
constexpr std::size_t activity_count = 5;

struct Alphabet {
    std::string_view activities[activity_count];
    std::string_view axis, axis_begin, axis_tick, axis_end;
    std::string_view ellipsis;  // one column
};
constexpr Alphabet utf8{{"·", "░", "█", "▒", "×"}, "─", "├", "┼", "┤", "…"};
constexpr Alphabet ascii{{".", "-", "#", "=", "x"}, "-", "+", "+", "+", "~"};
constexpr std::string_view words[activity_count] = {"queued", "waits", "runs", "receives", "failed"};

constexpr std::size_t index_of(Activity activity) noexcept { return static_cast<std::size_t>(activity); }

/// One that is drawn even where it is shorter than a column.
constexpr bool always_seen(Activity activity) noexcept {
    return activity != Activity::queued && activity != Activity::waits;
}

// ---- labels -------------------------------------------------------------------------------------

constexpr bool continues_character(char c) noexcept { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

int columns_of(std::string_view text) noexcept {
    return static_cast<int>(
        std::count_if(text.begin(), text.end(), [](char c) { return !continues_character(c); }));
}

/// The first `columns` characters of a text.
std::string_view first_columns(std::string_view text, int columns) noexcept {
    std::size_t at = 0;
    while (at < text.size() && (columns > 0 || continues_character(text[at]))) {
        if (!continues_character(text[at])) --columns;
        ++at;
    }
    return text.substr(0, at);
}

/// At most `columns` wide: the middle is left out, since names of one kind differ at their ends.
std::string shortened(std::string_view text, int columns, const Alphabet& alphabet) {
    const int all = columns_of(text);
    if (all <= columns) return std::string(text);
    const int tail = (columns - 1) / 2;
    const int head = columns - 1 - tail;
    std::string made(first_columns(text, head));
    made += alphabet.ellipsis;
    made += text.substr(first_columns(text, all - tail).size());
    return made;
}

void pad_to(std::string& line, int columns) {
    const int have = columns_of(line);
    if (have < columns) line.append(static_cast<std::size_t>(columns - have), ' ');
}

void trim_end(std::string& line) {
    while (!line.empty() && line.back() == ' ') line.pop_back();
}

// ---- time ---------------------------------------------------------------------------------------

struct Range {
    TimePoint start = TimePoint::max();
    TimePoint end = TimePoint::min();
    double ns() const noexcept { return static_cast<double>((end - start).count()); }
};

/// Maps the time of the chart to its columns.
struct Scale {
    Range range;
    int columns;
    int column(TimePoint at) const noexcept {
        const double share =
            range.ns() > 0 ? static_cast<double>((at - range.start).count()) / range.ns() : 0.0;
        return std::clamp(static_cast<int>(std::lround(share * columns)), 0, columns);
    }
};

struct Unit {
    const char* name;
    double ns;
};
constexpr Unit units[] = {{"s", 1e9}, {"ms", 1e6}, {"us", 1e3}, {"ns", 1}};

/// The largest unit of which there is at least one.
Unit unit_of(double ns) noexcept {
    for (const Unit& unit : units) {
        if (ns >= unit.ns) return unit;
    }
    return units[3];
}

/// The distance of ticks: 1, 2, 2.5 or 5 times a power of ten, in the unit, with at least `columns_min`
/// between them.
double tick_step(double span, int columns, int columns_min) noexcept {
    const double wanted = span * columns_min / columns;
    double power = std::pow(10.0, std::floor(std::log10(wanted)));
    for (double factor : {1.0, 2.0, 2.5, 5.0}) {
        if (factor * power >= wanted * (1 - 1e-9)) return factor * power;
    }
    return 10 * power;
}

// ---- lines --------------------------------------------------------------------------------------

/// `seen` collects what the legend must explain.
std::string draw_row(const std::vector<Timeline::Interval>& intervals, const Scale& scale,
                     const Alphabet& alphabet, bool (&seen)[activity_count]) {
    constexpr std::size_t nothing = activity_count;
    std::vector<std::size_t> cells(static_cast<std::size_t>(scale.columns), nothing);
    for (const bool painting_short_ones : {false, true}) {
        for (const Timeline::Interval& interval : intervals) {
            if (always_seen(interval.activity) != painting_short_ones) continue;
            int from = scale.column(interval.start);
            int to = scale.column(interval.end);
            if (painting_short_ones && from == to) {
                from = std::min(from, scale.columns - 1);
                to = from + 1;
            }
            ASYNCIO_ASSERT(from <= to && to <= scale.columns);
            if (from != to) seen[index_of(interval.activity)] = true;
            std::fill(cells.begin() + from, cells.begin() + to, index_of(interval.activity));
        }
    }
    std::string line;
    for (std::size_t cell : cells) {
        line += cell == nothing ? std::string_view(" ") : alphabet.activities[cell];
    }
    return line;
}

/// Two lines: the ruler, and its numbers.
std::string draw_axis(const Scale& scale, const std::string& margin, const Alphabet& alphabet) {
    std::vector<std::string_view> ruler(static_cast<std::size_t>(scale.columns), alphabet.axis);
    std::string numbers = margin;
    const int margin_columns = columns_of(margin);
    const Unit unit = unit_of(scale.range.ns());
    const double span = scale.range.ns() / unit.ns;
    const double step = span > 0 ? tick_step(span, scale.columns, 9) : 1;
    for (int tick = 0; tick * step <= span * (1 + 1e-9); ++tick) {
        const double value = tick * step;
        const int column = span > 0 ? static_cast<int>(std::lround(value / span * scale.columns)) : 0;
        ruler[static_cast<std::size_t>(std::min(column, scale.columns - 1))] = alphabet.axis_tick;
        char text[48];
        std::snprintf(text, sizeof text, tick == 0 ? "%.10g %s" : "%.10g", value, unit.name);
        const std::string_view number = text;
        int at = margin_columns + column;
        if (column >= scale.columns - 1)
            at = margin_columns + scale.columns - static_cast<int>(number.size());
        if (at <= columns_of(numbers) && tick != 0) continue;
        pad_to(numbers, at);
        numbers += number;
    }
    ruler.front() = alphabet.axis_begin;
    ruler.back() = alphabet.axis_end;
    std::string lines = margin;
    for (std::string_view piece : ruler) lines += piece;
    return lines + '\n' + numbers + '\n';
}

std::string draw_legend(const bool (&seen)[activity_count], const std::string& margin,
                        const Alphabet& alphabet) {
    std::string line;
    for (Activity each :
         {Activity::queued, Activity::runs, Activity::waits, Activity::receives, Activity::failed}) {
        const std::size_t at = index_of(each);
        if (!seen[at]) continue;
        line += line.empty() ? margin : "  ";
        line += alphabet.activities[at];
        line += ' ';
        line += words[at];
    }
    return line.empty() ? line : line + '\n';
}

}  // namespace

// ---- the class ----------------------------------------------------------------------------------

std::size_t Timeline::add_row(std::string label) {
    // A line break or a tab would tear the chart.
    for (char& c : label) {
        if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = ' ';
    }
    Row row;
    row.label = std::move(label);
    rows_.push_back(std::move(row));
    return rows_.size() - 1;
}

Timeline::Row& Timeline::row_at(std::size_t row) {
    if (row >= rows_.size()) {
        throw ValueError("Timeline: no row " + std::to_string(row) + ": there are " +
                         std::to_string(rows_.size()) + ", use what add_row returned");
    }
    return rows_[row];
}

void Timeline::add(std::size_t row, TimePoint start, TimePoint end, Activity activity) {
    row_at(row).intervals.push_back({start, std::max(start, end), activity});
}

void Timeline::change(std::size_t row, Activity activity, TimePoint when) {
    finish(row, when);
    Row& changed = row_at(row);
    changed.open = activity;
    changed.open_since = when;
}

void Timeline::finish(std::size_t row, TimePoint when) {
    Row& finished = row_at(row);
    if (finished.open_since == TimePoint::max()) return;
    finished.intervals.push_back({finished.open_since, std::max(finished.open_since, when), finished.open});
    finished.open_since = TimePoint::max();
}

const std::vector<Timeline::Interval>& Timeline::intervals(std::size_t row) const {
    return const_cast<Timeline*>(this)->row_at(row).intervals;
}

std::string Timeline::render(TimelineOptions options) const {
    if (rows_.empty()) return {};
    const Alphabet& alphabet = options.style == TimelineStyle::ascii ? ascii : utf8;
    const int width = std::clamp(options.width, width_min, width_max);

    Range range;
    int label_columns = 0;
    for (const Row& row : rows_) {
        label_columns = std::max(label_columns, columns_of(row.label));
        for (const Interval& each : row.intervals) {
            range.start = std::min(range.start, each.start);
            range.end = std::max(range.end, each.end);
        }
    }
    if (range.start > range.end) range = {TimePoint(), TimePoint()};
    label_columns = std::min(label_columns, std::max(width / 2 - 2, width_min - chart_width_min - 2));
    const int margin_columns = label_columns + 2;
    const std::string margin(static_cast<std::size_t>(margin_columns), ' ');
    const Scale scale{range, width - margin_columns};
    ASYNCIO_ASSERT(scale.columns >= chart_width_min - 1);

    // With too many rows the middle ones go: the beginning and the end of a run are what differs.
    const std::size_t shown = options.rows_max == 0 ? rows_.size() : std::min(options.rows_max, rows_.size());
    const std::size_t head = shown - shown / 2;
    const std::size_t tail_from = rows_.size() - shown / 2;

    std::string chart;
    bool seen[activity_count] = {};
    for (std::size_t at = 0; at < rows_.size(); ++at) {
        if (at == head && tail_from > head) {
            chart += margin + '(' + std::to_string(tail_from - head) + " more)\n";
            at = tail_from;
            if (at == rows_.size()) break;
        }
        std::string line = shortened(rows_[at].label, label_columns, alphabet);
        pad_to(line, margin_columns);
        line += draw_row(rows_[at].intervals, scale, alphabet, seen);
        trim_end(line);
        chart += line + '\n';
    }
    return chart + draw_axis(scale, margin, alphabet) + draw_legend(seen, margin, alphabet);
}

}}}  // namespace asyncio::v1::debug
