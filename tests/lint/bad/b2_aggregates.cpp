// Temporary aggregates that own something. Each marked line must be found, no other.
#include "../mini.hpp"
using namespace mini;

Coro<> designated() {
    co_await with_text({.a = "x"});  // BAD B2
}
Coro<> braced(std::string s) {
    co_await with_text({s});  // BAD B2
}
Coro<> named_braces() {
    co_await with_text(Text{"x", 1});  // BAD B2
}
Coro<> empty_braces() {
    co_await with_text({});  // BAD B2
}
Coro<> to_reference() {
    co_await with_text_ref({.a = "x"});  // BAD B2
}
Coro<> default_argument() {
    co_await with_text_default();  // BAD B2
}
Coro<int> beside_an_await() {
    int n = Text{"x", 1}.n + co_await number();  // BAD B2
    co_return n;
}

struct Generator {
    struct promise_type {
        Text value;
        Generator get_return_object() { return {}; }
        std::suspend_always initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        std::suspend_always yield_value(Text t) {
            value = std::move(t);
            return {};
        }
        void return_void() {}
        void unhandled_exception() {}
    };
};
Generator yielded(std::string s) {
    co_yield {s, 1};      // BAD B2
    co_yield Text{s, 2};  // BAD B2
}
