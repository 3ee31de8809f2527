// Braced lists with elements; g++ 12 to 14 do not even compile them. Each marked line must be found, no
// other.
#include "../mini.hpp"
using namespace mini;

Coro<> an_argument() {
    co_await with_vector({1, 2, 3});  // BAD B6
}
Coro<> a_variable() {
    std::vector<int> v{co_await number(), 2};  // BAD B6
    (void)v;
}
