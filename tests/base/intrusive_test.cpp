#include "asyncio/base/intrusive.hpp"

#include <gtest/gtest.h>

#include <string>

namespace {

using asyncio::IntrusiveList;
using asyncio::ListHook;

struct Item {
    explicit Item(int value) : value(value) {}
    virtual ~Item() = default;  // A vtable pointer in front: the hooks have no trivial offset.

    int value;
    ListHook hook;
    ListHook other_hook;
};
using List = IntrusiveList<Item, &Item::hook>;
using OtherList = IntrusiveList<Item, &Item::other_hook>;

std::string values(List& list) {
    std::string text;
    for (Item& item : list) text += std::to_string(item.value) + " ";
    return text;
}

TEST(IntrusiveList, KeepsTheOrderInWhichElementsCame) {
    Item a(1), b(2), c(3);
    List list;
    EXPECT_TRUE(list.empty());
    EXPECT_EQ(list.pop_front(), nullptr);
    list.push_back(a);
    list.push_back(b);
    list.push_front(c);
    EXPECT_EQ(values(list), "3 1 2 ");
    EXPECT_EQ(list.size(), 3u);
    EXPECT_EQ(&list.front(), &c);
    EXPECT_EQ(&list.back(), &b);
    EXPECT_EQ(list.pop_front(), &c);
    EXPECT_EQ(list.pop_front(), &a);
    EXPECT_EQ(list.pop_front(), &b);
    EXPECT_TRUE(list.empty());
}

TEST(IntrusiveList, AnElementLeavesFromAnyPlaceWithoutKnowingItsList) {
    Item a(1), b(2), c(3);
    List list;
    list.push_back(a);
    list.push_back(b);
    list.push_back(c);
    EXPECT_TRUE(b.hook.is_linked());
    b.hook.unlink();
    EXPECT_FALSE(b.hook.is_linked());
    EXPECT_EQ(values(list), "1 3 ");
    EXPECT_FALSE(b.hook.unlink_if_linked());
    EXPECT_TRUE(c.hook.unlink_if_linked());
    List::erase(a);
    EXPECT_TRUE(list.empty());
    list.push_back(b);
    EXPECT_EQ(values(list), "2 ");
    list.clear();
}

TEST(IntrusiveList, AnElementMayBeInOneListForEachOfItsHooks) {
    Item a(1);
    List list;
    OtherList other;
    list.push_back(a);
    other.push_back(a);
    EXPECT_EQ(&other.front(), &a);
    EXPECT_EQ(list.pop_front(), &a);
    EXPECT_EQ(other.pop_front(), &a);
}

TEST(IntrusiveList, InsertsBeforeAnElement) {
    Item a(1), b(2), c(3);
    List list;
    list.push_back(a);
    list.push_back(c);
    List::insert_before(c, b);
    EXPECT_EQ(values(list), "1 2 3 ");
    list.clear();
}

TEST(IntrusiveList, TheElementAtHandMayLeaveWhileIterating) {
    Item a(1), b(2), c(3);
    List list;
    list.push_back(a);
    list.push_back(b);
    list.push_back(c);
    for (auto it = list.begin(); it != list.end();) {
        Item& item = *it++;
        if (item.value % 2 == 1) item.hook.unlink();
    }
    EXPECT_EQ(values(list), "2 ");
    list.clear();
}

TEST(IntrusiveList, SpliceMovesAllAndLeavesTheOtherEmpty) {
    Item a(1), b(2), c(3);
    List list;
    List other;
    list.splice_back(other);
    EXPECT_TRUE(list.empty());
    list.push_back(a);
    other.push_back(b);
    other.push_back(c);
    list.splice_back(other);
    EXPECT_EQ(values(list), "1 2 3 ");
    EXPECT_TRUE(other.empty());
    other.splice_back(list);
    EXPECT_EQ(values(other), "1 2 3 ");
    other.splice_back(other);
    EXPECT_EQ(values(other), "1 2 3 ");
    List moved = std::move(other);
    EXPECT_EQ(values(moved), "1 2 3 ");
    b.hook.unlink();
    EXPECT_EQ(values(moved), "1 3 ");
    moved.clear();
}

TEST(IntrusiveListDeathTest, MisuseIsCaughtWhereItHappens) {
    EXPECT_DEATH(
        {
            Item a(1);
            List list;
            List second;
            list.push_back(a);
            second.push_back(a);
        },
        "one list at a time");
    EXPECT_DEATH(
        {
            List list;
            Item a(1);
            list.push_back(a);
        },
        "a list element dies while it is in its list");
    EXPECT_DEATH(
        {
            Item a(1);
            List list;
            list.push_back(a);
        },
        "a list dies while elements are in it");
    EXPECT_DEATH(
        {
            Item a(1);
            a.hook.unlink();
        },
        "is_linked");
    EXPECT_DEATH(
        {
            List list;
            list.front();
        },
        "empty");
}

}  // namespace
