// The cures, and what looks like a bad pattern but is sound. Nothing here may be found.
#include "../mini.hpp"
using namespace mini;

Coro<> named_lambda(std::string s) {
    auto fn = [s] { (void)s; };
    co_await call(std::move(fn));
}
Coro<> captureless_lambda(std::string s) {
    co_await run([](std::string) {});
    int n = 1;
    co_await run([n] { return n; });
    co_await run([&] { return s.size(); });
}
Coro<> captured_after_the_await() {
    auto s = co_await text();
    auto by_reference = [&] { return s.size(); };
    auto by_value = [s] { return s.size(); };
    (void)by_reference();
    (void)by_value();
}
Coro<> lambda_without_await(std::string s) {
    std::function<void()> f([s] { (void)s; });
    auto made = call([s] { (void)s; });
    co_await std::move(made);
}
Coro<> lambda_body_with_owning_lambda(std::string s) {
    co_await run([&]() -> Coro<> {
        auto fn = [s] { (void)s; };
        auto made = call([s] { (void)s; });
        co_await call(std::move(fn));
        co_await std::move(made);
    });
    co_await run([&] {
        Text t = {s, 1};
        std::function<void()> f([s] { (void)s; });
        return s.empty() ? s : s + "x";
    });
}
void not_a_coroutine(std::string s) {
    auto task = run([s]() -> Coro<> { co_await number(); });
    (void)task;
    auto other = [](bool c) { return c ? std::string("a") : std::string("b"); }(true);
    (void)other;
}

// Option types: aggregates of numbers and views. They may be written in place.
Coro<> options() {
    co_await with_options({.timeout = 3});
    co_await with_options({.timeout = 3, .host = "localhost", .limit = 4});
    co_await with_options({});
    co_await with_options(Options{.limit = 2});
    co_await with_options_default();
}
Coro<> class_with_constructor(std::string s) {
    co_await with_safe({});
    co_await with_safe({s});
    co_await with_safe(Safe(s));
}
Coro<> named_aggregate(std::string s) {
    Text t{s, 1};
    co_await with_text(t);
    co_await with_text(std::move(t));
    Text u = {.a = "x"};
    co_await with_text(u);
    co_await with_text(Text());
}
Coro<> aggregates_of_scalars_from_awaits() {
    Options o{co_await number(), "a"};
    (void)o;
    auto n = co_await text();
    Text t{n, 2};
    (void)t;
}

Coro<> conditionals(bool c, std::string a, std::string b) {
    int n = c ? co_await number() : 3;
    (void)n;
    co_await with_view(c ? std::string_view("a") : std::string_view("b"));
    co_await with_string(c ? a : b);
    std::string s;
    if (c)
        s = co_await text();
    else
        s = "b";
    std::string t = c ? a + "x" : b;
    co_await with_string(t);
}

Coro<> conditions() {
    bool more = co_await number();
    while (more) more = co_await number();
    if (auto n = co_await number()) co_await number(n);
    if (auto n = co_await number(); n > 3) co_await number(n);
    while (auto n = co_await number()) co_await number(n);
    for (int i = 0; i < 3; ++i) co_await number(i);
    for (char c : co_await text()) co_await number(c);
    for (int i : {1, 2, 3}) co_await number(i);
    if (auto f = [](int n) -> Coro<int> { co_return co_await number(n); }; more) co_await f(1);
}
Coro<> vectors() {
    std::vector<int> v{1, 2, 3};
    co_await with_vector(v);
    co_await with_vector({});
    co_await with_vector(std::vector<int>(3, 1));
}

Coro<> allowed_by_hand() {
    if (co_await number()) co_return;  // asyncio-lint: allow B5
    int declared = 1;
    (void)declared;
}
