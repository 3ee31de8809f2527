// Awaitables that never suspend: what scopes give whose entering and leaving need no wait.
#pragma once
#include <coroutine>

namespace asyncio { inline namespace v1 { namespace detail {

struct Ready {
    explicit constexpr Ready() noexcept = default;
    bool await_ready() const noexcept { return true; }
    void await_suspend(std::coroutine_handle<>) const noexcept {}
    void await_resume() const noexcept {}
};

struct ReadyBool {
    explicit constexpr ReadyBool(bool v) noexcept : value(v) {}
    bool await_ready() const noexcept { return true; }
    void await_suspend(std::coroutine_handle<>) const noexcept {}
    bool await_resume() const noexcept { return value; }
    bool value;
};

}}}  // namespace asyncio::v1::detail
