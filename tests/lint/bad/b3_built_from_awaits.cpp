// Aggregates and captures made from awaits. Each marked line must be found, no other.
#include "../mini.hpp"
using namespace mini;

Coro<> variable() {
    Text t{co_await text(), 2};  // BAD B3
    (void)t;
}
Coro<> computed_member() {
    Text t = {std::to_string(co_await number()), 2};  // BAD B3
    (void)t;
}
Coro<Text> returned() {
    co_return Text{co_await text(), 1};  // BAD B3,B2
}
Coro<> captured() {
    auto f = [s = co_await text()] { (void)s; };  // BAD B3
    f();
}
