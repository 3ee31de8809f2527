// Lambdas whose captures own something. Each marked line must be found, no other.
#include "../mini.hpp"
using namespace mini;

Coro<> to_function(std::string s) {
    co_await call([s] { (void)s; });  // BAD B1
}
Coro<int> by_value(std::string s) {
    co_return co_await run([s] { (void)s; });  // BAD B1
}
Coro<int> invoked_at_once(std::string s) {
    co_return co_await [s]() -> Coro<int> { co_return static_cast<int>(s.size()); }();  // BAD B1
}
Coro<int> beside_an_await(std::string s) {
    int n = [s] { return static_cast<int>(s.size()); }() + co_await number();  // BAD B1
    co_return n;
}
template <class T>
Coro<> in_a_template(T s) {
    co_await call([s] { (void)s; });  // BAD B1
}
template Coro<> in_a_template(std::string);

Coro<> in_a_nested_coroutine_lambda(std::string s) {
    auto inner = [](std::string t) -> Coro<> {
        co_await call([t] { (void)t; });  // BAD B1
    };
    co_await inner(s);
}
