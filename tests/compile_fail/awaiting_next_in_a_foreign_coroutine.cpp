// expect: this can be awaited in a coroutine of this library
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
Foreign f(asyncio::AsyncGenerator<int>& generator) { co_await generator.next(); }
