// expect: a result aligned to more than 16 bytes does not fit in a coroutine frame
#include <asyncio/asyncio.hpp>
struct alignas(32) Wide {
    char bytes[32];
};
asyncio::Coro<Wide> f() { co_return Wide(); }
