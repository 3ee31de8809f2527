// Awaits in conditions. Each marked line must be found, no other.
#include "../mini.hpp"
using namespace mini;

Coro<> in_if() {
    if (co_await number()) {  // BAD B5
        co_await number();
    }
}
Coro<> in_a_part_of_if(bool a) {
    if (a && !(co_await number() == 3)) co_await number();  // BAD B5
}
Coro<> in_while() {
    while (co_await number()) co_await number(1);  // BAD B5
}
Coro<> in_do() {
    do {  // BAD B5
        co_await number();
    } while (co_await number());
}
Coro<> in_for() {
    for (; co_await number();) co_await number(1);  // BAD B5
}
Coro<> in_switch() {
    switch (co_await number()) {  // BAD B5
        case 1: co_await number(); break;
        default: break;
    }
}
