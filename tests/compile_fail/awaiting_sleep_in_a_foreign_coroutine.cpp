// expect: can be awaited in a coroutine of this library \(Coro<T>, AsyncGenerator<T>\) only
#include <asyncio/asyncio.hpp>
struct Foreign {
    struct promise_type {
        Foreign get_return_object() { return {}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() {}
    };
};
using namespace std::chrono_literals;
Foreign g() { co_await asyncio::sleep(1s); }
