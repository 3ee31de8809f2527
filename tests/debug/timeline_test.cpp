#include "asyncio/debug/timeline.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "asyncio/base/error.hpp"

namespace {

using namespace std::chrono_literals;
using asyncio::TimePoint;
using asyncio::debug::Activity;
using asyncio::debug::Timeline;
using asyncio::debug::TimelineOptions;
using asyncio::debug::TimelineStyle;

TimePoint at(std::chrono::nanoseconds time) { return TimePoint(1h + time); }

std::vector<std::string> lines(const std::string& text) {
    std::vector<std::string> all;
    std::size_t from = 0;
    for (std::size_t to; (to = text.find('\n', from)) != std::string::npos; from = to + 1) {
        all.push_back(text.substr(from, to - from));
    }
    EXPECT_EQ(from, text.size()) << "the last line has no end";
    return all;
}

std::size_t columns(const std::string& line) {
    std::size_t count = 0;
    for (char c : line) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    return count;
}

/// Two tasks that sleep for 100 ms and 50 ms; running takes no time, as on a virtual clock.
Timeline two_sleeps() {
    Timeline timeline;
    const std::size_t a = timeline.add_row("A");
    const std::size_t b = timeline.add_row("B");
    for (const auto& [row, slept] : {std::pair(a, 100ms), std::pair(b, 50ms)}) {
        timeline.change(row, Activity::runs, at(0ms));
        timeline.change(row, Activity::waits, at(0ms));
        timeline.change(row, Activity::runs, at(slept));
        timeline.finish(row, at(slept));
    }
    return timeline;
}

TEST(Timeline, DrawsWhoRanAndWhoWaitedWhen) {
    EXPECT_EQ(two_sleeps().render({.width = 43}),
              "A  █░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░█\n"
              "B  █░░░░░░░░░░░░░░░░░░░█\n"
              "   ├─────────┼─────────┼─────────┼────────┤\n"
              "   0 ms      25        50        75     100\n"
              "   █ runs  ░ waits\n");
}

TEST(Timeline, CountsItsRows) {
    EXPECT_EQ(Timeline().row_count(), 0u);
    Timeline timeline = two_sleeps();
    EXPECT_EQ(timeline.row_count(), 2u);
    EXPECT_EQ(timeline.add_row("C"), 2u);
    EXPECT_EQ(timeline.row_count(), 3u);
}

TEST(Timeline, AsciiStyleUsesAsciiAlone) {
    const std::string chart = two_sleeps().render({.width = 43, .style = TimelineStyle::ascii});
    EXPECT_EQ(chart,
              "A  #--------------------------------------#\n"
              "B  #-------------------#\n"
              "   +---------+---------+---------+--------+\n"
              "   0 ms      25        50        75     100\n"
              "   # runs  - waits\n");
}

TEST(Timeline, IntervalsThatTouchInTimeTouchInTheChartAndDoNotOverlap) {
    Timeline timeline;
    const std::size_t a = timeline.add_row("A");
    const std::size_t b = timeline.add_row("B");
    for (int i = 0; i < 4; ++i) {
        timeline.add(i % 2 == 0 ? a : b, at(i * 100ms), at((i + 1) * 100ms), Activity::runs);
        timeline.add(i % 2 == 0 ? b : a, at(i * 100ms), at((i + 1) * 100ms), Activity::waits);
    }
    const auto chart = lines(timeline.render({.width = 23, .style = TimelineStyle::ascii}));
    EXPECT_EQ(chart.at(0), "A  #####-----#####-----");
    EXPECT_EQ(chart.at(1), "B  -----#####-----#####");
}

TEST(Timeline, NoRunIsTooShortToBeSeenButAWaitMayBe) {
    Timeline timeline;
    const std::size_t row = timeline.add_row("A");
    timeline.add(row, at(0s), at(1us), Activity::waits);
    timeline.add(row, at(500ms), at(500ms), Activity::runs);
    timeline.add(row, at(1s), at(1s), Activity::failed);
    EXPECT_EQ(lines(timeline.render({.width = 23, .style = TimelineStyle::ascii})).at(0),
              "A            #        x");
}

TEST(Timeline, LegendExplainsWhatIsInTheChartAndNothingElse) {
    Timeline timeline;
    const std::size_t row = timeline.add_row("url");
    timeline.add(row, at(0s), at(1s), Activity::queued);
    timeline.add(row, at(1s), at(2s), Activity::waits);
    timeline.add(row, at(2s), at(3s), Activity::receives);
    EXPECT_EQ(lines(timeline.render()).back(), "     · queued  ░ waits  ▒ receives");
}

TEST(Timeline, AxisBeginsAtTheEarliestTimeAndItsUnitFitsTheSpan) {
    const auto axis_of = [](std::chrono::nanoseconds span) {
        Timeline timeline;
        timeline.add(timeline.add_row("A"), at(7s), at(7s + span), Activity::waits);
        return lines(timeline.render({.width = 43, .style = TimelineStyle::ascii})).at(2);
    };
    EXPECT_EQ(axis_of(3s), "   0 s          1             2           3");
    EXPECT_EQ(axis_of(90s), "   0 s        25         50         75");
    EXPECT_EQ(axis_of(400us), "   0 us      100       200       300    400");
    EXPECT_EQ(axis_of(8ns), "   0 ns      2         4         6        8");
}

TEST(Timeline, EveryLineFitsIntoTheWidthHoweverLongTheLabels) {
    Timeline timeline;
    timeline.add(timeline.add_row("http://localhost:8080/delay/1?with=a&very=long&query=string&and=more"),
                 at(0s), at(1s), Activity::waits);
    timeline.add(timeline.add_row("grün"), at(0s), at(2s), Activity::waits);
    for (int width : {20, 21, 40, 80, 133}) {
        const auto chart = lines(timeline.render({.width = width}));
        for (const std::string& line : chart) EXPECT_LE(columns(line), std::size_t(width)) << line;
        EXPECT_EQ(columns(chart.at(1)), std::size_t(width)) << chart.at(1);
    }
    EXPECT_EQ(lines(timeline.render({.width = 40, .style = TimelineStyle::ascii})).at(0).substr(0, 18),
              "http://lo~and=more");
}

TEST(Timeline, ControlCharactersInALabelDoNotTearTheChart) {
    Timeline timeline;
    timeline.add(timeline.add_row("a\nb\tc\x1b[31m"), at(0s), at(1s), Activity::waits);
    EXPECT_EQ(lines(timeline.render()).size(), 4u);
    EXPECT_EQ(timeline.render().find('\x1b'), std::string::npos);
}

TEST(Timeline, TooManyRowsLoseTheMiddleOnes) {
    Timeline timeline;
    for (int i = 0; i < 100; ++i) {
        timeline.add(timeline.add_row(std::to_string(i)), at(0s), at(1s), Activity::waits);
    }
    const auto chart = lines(timeline.render({.width = 40, .rows_max = 5}));
    ASSERT_EQ(chart.size(), 5u + 1 + 3);
    EXPECT_TRUE(chart[2].starts_with("2 ")) << chart[2];
    EXPECT_EQ(chart[3], "    (95 more)");
    EXPECT_TRUE(chart[4].starts_with("98")) << chart[4];
    EXPECT_EQ(lines(timeline.render({.rows_max = 1})).size(), 1u + 1 + 3);
    EXPECT_EQ(lines(timeline.render({.rows_max = 100})).size(), 100u + 3);
}

TEST(Timeline, WithoutRowsOrIntervalsThereIsNothingToDraw) {
    EXPECT_EQ(Timeline().render(), "");
    Timeline timeline;
    timeline.add_row("A");
    EXPECT_EQ(lines(timeline.render({.width = 20})).at(0), "A");
    timeline.add(0, at(1s), at(1s), Activity::runs);
    EXPECT_EQ(lines(timeline.render({.width = 23, .style = TimelineStyle::ascii})).at(0), "A  #");
}

TEST(Timeline, WhatIsStillOpenIsNotDrawnAndTimeDoesNotRunBackwards) {
    Timeline timeline;
    const std::size_t row = timeline.add_row("A");
    timeline.finish(row, at(1s));
    timeline.change(row, Activity::waits, at(2s));
    EXPECT_TRUE(timeline.intervals(row).empty());
    timeline.finish(row, at(1s));
    ASSERT_EQ(timeline.intervals(row).size(), 1u);
    EXPECT_EQ(timeline.intervals(row)[0].end, at(2s));
}

TEST(Timeline, ARowThatIsNotThereIsRefusedByItsNumber) {
    Timeline timeline;
    timeline.add_row("A");
    try {
        timeline.add(3, at(0s), at(1s), Activity::runs);
        FAIL() << "row 3 was accepted";
    } catch (const asyncio::ValueError& error) {
        EXPECT_STREQ(error.what(), "Timeline: no row 3: there are 1, use what add_row returned");
    }
    EXPECT_THROW(timeline.change(1, Activity::runs, at(0s)), asyncio::ValueError);
    EXPECT_THROW(timeline.finish(1, at(0s)), asyncio::ValueError);
    EXPECT_THROW(static_cast<void>(timeline.intervals(1)), asyncio::ValueError);
}

}  // namespace
