// `?:` around an await, or beside one. Each marked line must be found, no other.
#include "../mini.hpp"
using namespace mini;

Coro<> one_arm_awaits(bool c) {
    std::string s = c ? co_await text() : std::string("b");  // BAD B4
    (void)s;
}
Coro<> both_arms_await(bool c) {
    std::string s = c ? co_await text() : co_await text();  // BAD B4
    (void)s;
}
Coro<> an_argument(bool c, std::string a) {
    co_await with_string(c ? a + "x" : std::string("q"));  // BAD B4
}
Coro<> one_arm_is_a_name(bool c, std::string a) {
    co_await with_string(c ? a : a + "x");  // BAD B4
}
Coro<> only_looked_at(bool c, std::string a) {
    int n = co_await number(static_cast<int>((c ? a : a + "x").size()));  // BAD B4
    (void)n;
}
