// expect: a Coro can be awaited in a coroutine of this library only: elsewhere, start it with create_task
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
asyncio::Coro<> f();
Foreign g() { co_await f(); }
