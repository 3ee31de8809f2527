// A temporary aggregate made with parentheses (C++20's P0960, which clang knows since 16).
#include "../mini.hpp"
using namespace mini;

Coro<> parentheses() {
    co_await with_text(Text("x", 1));  // BAD B2
}
