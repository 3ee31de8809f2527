#include "asyncio/proto/headers.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "asyncio/base/error.hpp"

namespace asyncio::proto { namespace {

using Views = std::vector<std::string_view>;

std::string text(const Headers& headers) {
    std::string out;
    for (const HeaderView field : headers)
        out += std::string(field.name) + ": " + std::string(field.value) + "\n";
    return out;
}

TEST(Headers, FindFieldsWithoutRegardToCase) {
    Headers headers;
    headers.add("Content-Type", "text/html");
    EXPECT_EQ(headers.get("content-TYPE"), "text/html");
    EXPECT_TRUE(headers.contains("CONTENT-TYPE"));
    EXPECT_EQ(headers.get("Content-Length"), std::nullopt);
    EXPECT_EQ(headers.get("Content-Length", "none"), "none");
}

TEST(Headers, KeepOrderAndRepeatedFields) {
    Headers headers;
    EXPECT_TRUE(headers.empty());
    headers.add("A", "1");
    headers.add("B", "2");
    headers.add("a", "3");
    EXPECT_EQ(headers.size(), 3U);
    EXPECT_EQ(headers.get("a"), "1");
    EXPECT_EQ(headers.get_all("A"), (Views{"1", "3"}));
    EXPECT_EQ(text(headers), "A: 1\nB: 2\na: 3\n");
}

TEST(Headers, SetKeepsThePlaceOfTheFirstAndRemovesTheOthers) {
    Headers headers;
    for (const auto& [name, value] : {std::pair("A", "1"), {"B", "2"}, {"a", "3"}, {"C", "4"}, {"A", "5"}}) {
        headers.add(name, value);
    }
    headers.set("a", "new");
    EXPECT_EQ(text(headers), "a: new\nB: 2\nC: 4\n");
    headers.set("D", "5");
    EXPECT_EQ(text(headers), "a: new\nB: 2\nC: 4\nD: 5\n");
}

TEST(Headers, RemoveTellsHowManyThereWere) {
    Headers headers;
    headers.add("A", "1");
    headers.add("B", "2");
    headers.add("a", "3");
    EXPECT_EQ(headers.remove("A"), 2U);
    EXPECT_EQ(headers.remove("A"), 0U);
    EXPECT_EQ(text(headers), "B: 2\n");
}

TEST(Headers, RefuseWhatWouldForgeOtherFields) {
    Headers headers;
    const std::vector<std::string> bad_names{"",   "A B", "A:", "A\r\nB", "\xc3\xa9", std::string("A\0", 2),
                                             "(A)"};
    for (const std::string& name : bad_names) EXPECT_THROW(headers.add(name, "v"), ValueError) << name;
    const std::vector<std::string> bad_values{"a\rb", "a\nb",  "a\r\nX: y", std::string("a\0b", 3),
                                              "\x7f", "\x1b[m"};
    for (const std::string& value : bad_values) EXPECT_THROW(headers.set("A", value), ValueError) << value;
    EXPECT_TRUE(headers.empty());
    headers.add("!#$%&'*+-.^_`|~09azAZ", "tab\there, \xc3\xa9, \"quotes\"");
    EXPECT_EQ(headers.size(), 1U);
}

TEST(Headers, TakeViewsOfThemselves) {
    Headers headers;
    headers.add("Original", std::string(100, 'x'));
    for (int i = 0; i < 100; ++i) headers.add(headers[0].name, *headers.get("Original"));
    for (const std::string_view value : headers.get_all("original")) EXPECT_EQ(value, std::string(100, 'x'));
    headers.set("Original", *headers.get("Original"));
    EXPECT_EQ(text(headers), "Original: " + std::string(100, 'x') + "\n");
}

TEST(Headers, StayCorrectThroughManyChanges) {
    Headers headers;
    headers.add("First", "stays");
    for (int i = 0; i < 10'000; ++i) headers.set("Counter", std::to_string(i));
    headers.add("Last", "too");
    EXPECT_EQ(text(headers), "First: stays\nCounter: 9999\nLast: too\n");
}

TEST(Headers, CompareByContentAndCopyIndependently) {
    Headers a;
    a.add("X", "1");
    a.add("Y", "2");
    Headers b = a;
    EXPECT_EQ(a, b);
    b.set("x", "1");
    EXPECT_EQ(a, b) << "names are compared without case, and how it came about does not matter";
    b.set("X", "other");
    EXPECT_NE(a, b);
    EXPECT_EQ(a.get("X"), "1");
    const Headers moved = std::move(b);
    EXPECT_EQ(moved.get("X"), "other");
}

TEST(Lists, AreSearchedMemberByMember) {
    EXPECT_TRUE(list_contains("keep-alive, Upgrade", "upgrade"));
    EXPECT_TRUE(list_contains("close", "close"));
    EXPECT_FALSE(list_contains("closed, x-close", "close"));
    EXPECT_FALSE(list_contains("", "close"));
    EXPECT_TRUE(list_contains(",, \tclose ,", "CLOSE"));
}

}}  // namespace asyncio::proto
