// The smallest coroutine type that the lint's own test files need: they test the patterns, not the library,
// and so stay quick to parse and right whatever the library becomes.
#pragma once
#include <coroutine>
#include <exception>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace mini {

template <class T>
struct Value {
    T value{};
    template <class U>
    void return_value(U&& result) {
        value = static_cast<U&&>(result);
    }
};
template <>
struct Value<void> {
    void return_void() {}
};

template <class T = void>
class Coro {
  public:
    struct promise_type : Value<T> {
        std::coroutine_handle<> continuation;
        Coro get_return_object() { return Coro(std::coroutine_handle<promise_type>::from_promise(*this)); }
        std::suspend_always initial_suspend() noexcept { return {}; }
        struct Final {
            bool await_ready() noexcept { return false; }
            std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> h) noexcept {
                return h.promise().continuation ? h.promise().continuation : std::noop_coroutine();
            }
            void await_resume() noexcept {}
        };
        Final final_suspend() noexcept { return {}; }
        void unhandled_exception() { std::terminate(); }
    };

    explicit Coro(std::coroutine_handle<promise_type> h) : handle_(h) {}
    Coro(Coro&& other) noexcept : handle_(other.handle_) { other.handle_ = nullptr; }
    ~Coro() {
        if (handle_) handle_.destroy();
    }

    struct Awaiter {
        explicit Awaiter(std::coroutine_handle<promise_type> h) : handle(h) {}
        std::coroutine_handle<promise_type> handle;
        bool await_ready() { return false; }
        std::coroutine_handle<> await_suspend(std::coroutine_handle<> h) {
            handle.promise().continuation = h;
            return handle;
        }
        T await_resume() {
            if constexpr (!std::is_void_v<T>) return std::move(handle.promise().value);
        }
    };
    Awaiter operator co_await() && { return Awaiter(handle_); }

    void start() { handle_.resume(); }

  private:
    std::coroutine_handle<promise_type> handle_;
};

struct Text {  // An aggregate that owns memory: what g++ 12 destroys twice.
    std::string a;
    int n = 0;
};

// An aggregate of views and numbers: harmless, and the shape of this library's option types.
struct Options {
    long timeout = 0;
    std::string_view host;
    int limit = 0;
};

class Safe {  // Owns memory, but has a declared constructor and is no aggregate.
  public:
    Safe() = default;
    Safe(std::string text) : text_(std::move(text)) {}

  private:
    std::string text_;
};

Coro<int> number(int n = 0);
Coro<std::string> text();
Coro<> call(std::function<void()> f);
template <class F>
Coro<int> run(F f) {
    (void)f;
    co_return 1;
}
Coro<> with_text(Text t);
Coro<> with_text_ref(const Text& t);
Coro<> with_text_default(Text t = {});
Coro<> with_options(Options o);
Coro<> with_options_default(Options o = {});
Coro<> with_safe(Safe s);
Coro<> with_string(std::string s);
Coro<> with_view(std::string_view s);
Coro<> with_vector(std::vector<int> v);

}  // namespace mini
