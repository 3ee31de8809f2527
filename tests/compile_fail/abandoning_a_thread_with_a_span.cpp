// expect: the call may outlive the caller, so pass no references, pointers, views or capturing lambdas
#include <asyncio/asyncio.hpp>
#include <functional>
#include <span>
#include <string>
#include <string_view>
asyncio::Coro<> f(std::span<int> s) {
    co_await asyncio::to_thread(asyncio::abandon_on_cancel, [](std::span<int> v) { return v.size(); }, s);
}
