#include "asyncio/base/function.hpp"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

namespace {

using asyncio::UniqueFunction;

/// Counts its live instances; `Size` decides whether it fits inside.
template <std::size_t Size, bool NothrowMove = true>
struct Counted {
    explicit Counted(int* live) : live(live) { ++*live; }
    Counted(Counted&& other) noexcept(NothrowMove) : live(other.live) { ++*live; }
    Counted(const Counted&) = delete;
    ~Counted() { --*live; }
    int operator()() const { return *live; }

    int* live;
    std::array<char, Size> padding{};
};

int twice(int x) { return 2 * x; }

struct Account {
    int balance = 10;
    int add(int amount) { return balance += amount; }
};

TEST(UniqueFunction, CallsWhatItWasGiven) {
    UniqueFunction<int(int)> add_one = [](int x) { return x + 1; };
    EXPECT_EQ(add_one(41), 42);
    UniqueFunction<int(int)> plain = twice;
    EXPECT_EQ(plain(21), 42);
    UniqueFunction<int(Account&, int)> member = &Account::add;
    Account account;
    EXPECT_EQ(member(account, 5), 15);
    UniqueFunction<int(Account*, int)> through_pointer = &Account::add;
    EXPECT_EQ(through_pointer(&account, 5), 20);
}

TEST(UniqueFunction, OwnsCallablesThatOnlyMove) {
    auto owned = std::make_unique<int>(7);
    UniqueFunction<int()> get = [owned = std::move(owned)] { return *owned; };
    UniqueFunction<int()> moved = std::move(get);
    EXPECT_EQ(moved(), 7);
    EXPECT_FALSE(get);
}

TEST(UniqueFunction, IsEmptyUntilFilledAndAfterItWasMovedFrom) {
    UniqueFunction<void()> empty;
    EXPECT_FALSE(empty);
    EXPECT_TRUE(empty == nullptr);
    int (*null_function)(int) = nullptr;
    EXPECT_FALSE((UniqueFunction<int(int)>(null_function)));
    UniqueFunction<void()> nothing = nullptr;
    EXPECT_FALSE(nothing);
    UniqueFunction<long(int)> converted = UniqueFunction<int(int)>();
    EXPECT_FALSE(converted);
    empty = [] {};
    EXPECT_TRUE(empty);
    empty = nullptr;
    EXPECT_FALSE(empty);
}

TEST(UniqueFunction, MovesWithoutFailingAndIsFortyEightBytes) {
    using F = UniqueFunction<void()>;
    static_assert(std::is_nothrow_move_constructible_v<F> && std::is_nothrow_move_assignable_v<F>);
    static_assert(!std::is_copy_constructible_v<F>);
    static_assert(sizeof(F) == 48 && alignof(F) == 16);
    auto small = [p = static_cast<void*>(nullptr)] { static_cast<void>(p); };
    static_assert(std::is_nothrow_constructible_v<F, decltype(small)>);
    static_assert(!std::is_constructible_v<UniqueFunction<void(int)>, decltype(small)>);
}

template <std::size_t Size, bool NothrowMove>
void expect_exactly_one_destruction() {
    int live = 0;
    {
        UniqueFunction<int()> f = Counted<Size, NothrowMove>(&live);
        EXPECT_EQ(live, 1);
        UniqueFunction<int()> g = std::move(f);
        EXPECT_EQ(live, 1);
        EXPECT_EQ(g(), 1);
        UniqueFunction<int()> h = [] { return -1; };
        h = std::move(g);
        EXPECT_EQ(h(), 1);
        auto& same = h;
        h = std::move(same);
        EXPECT_EQ(h(), 1);
    }
    EXPECT_EQ(live, 0);
    {
        UniqueFunction<int()> f = Counted<Size, NothrowMove>(&live);
        f = nullptr;
        EXPECT_EQ(live, 0);
    }
}

TEST(UniqueFunction, DestroysItsCallableOnceWhereverItLives) {
    expect_exactly_one_destruction<8, true>();   // Inside.
    expect_exactly_one_destruction<24, true>();  // Inside, to the last byte.
    expect_exactly_one_destruction<25, true>();  // On the heap.
    expect_exactly_one_destruction<1000, true>();
    expect_exactly_one_destruction<8, false>();  // On the heap: its move may throw.
}

TEST(UniqueFunction, OverAlignedCallablesAreAlignedOnTheHeap) {
    struct alignas(64) Wide {
        bool operator()() const { return reinterpret_cast<std::uintptr_t>(this) % 64 == 0; }
    };
    UniqueFunction<bool()> f = Wide();
    UniqueFunction<bool()> g = std::move(f);
    EXPECT_TRUE(g());
}

TEST(UniqueFunction, PassesArgumentsAsTheyWereDeclared) {
    UniqueFunction<std::size_t(std::unique_ptr<std::string>)> take = [](std::unique_ptr<std::string> s) {
        return s->size();
    };
    EXPECT_EQ(take(std::make_unique<std::string>("four")), 4u);
    UniqueFunction<void(int&)> change = [](int& x) { x = 5; };
    int value = 0;
    change(value);
    EXPECT_EQ(value, 5);
    UniqueFunction<int&(int&)> same = [](int& x) -> int& { return x; };
    EXPECT_EQ(&same(value), &value);
    UniqueFunction<void()> discards = [] { return 42; };
    discards();
}

TEST(UniqueFunction, KeepsStateBetweenCallsAlsoThroughConst) {
    const UniqueFunction<int()> counter = [n = 0]() mutable { return ++n; };
    EXPECT_EQ(counter(), 1);
    EXPECT_EQ(counter(), 2);
}

TEST(UniqueFunction, AnExceptionPassesThrough) {
    UniqueFunction<void()> f = [] { throw 42; };
    EXPECT_THROW(f(), int);
    EXPECT_TRUE(f);
}

TEST(UniqueFunction, MayBeReplacedByTheDestructorOfItsOwnCallable) {
    struct Owner {
        UniqueFunction<int()> f;
    } owner;
    struct ReplacesOnDeath {
        explicit ReplacesOnDeath(Owner* owner) : owner(owner) {}
        ReplacesOnDeath(ReplacesOnDeath&& other) noexcept : owner(std::exchange(other.owner, nullptr)) {}
        ~ReplacesOnDeath() {
            if (owner != nullptr) owner->f = [] { return 3; };
        }
        int operator()() const { return 1; }
        Owner* owner;
    };
    owner.f = ReplacesOnDeath(&owner);
    EXPECT_EQ(owner.f(), 1);
    owner.f = [] { return 2; };
    EXPECT_EQ(owner.f(), 3);
}

TEST(UniqueFunctionDeathTest, CallingAnEmptyOneIsAnAssertion) {
    UniqueFunction<void()> empty;
    EXPECT_DEATH(empty(), "empty UniqueFunction was called");
}

}  // namespace
