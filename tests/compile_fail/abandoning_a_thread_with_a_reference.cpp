// expect: the call may outlive the caller, so pass no references, pointers, views or capturing lambdas
#include <asyncio/asyncio.hpp>
#include <functional>
#include <span>
#include <string>
#include <string_view>
asyncio::Coro<> f(int& n) {
    co_await asyncio::to_thread(asyncio::abandon_on_cancel, [](int& p) { return p; }, std::ref(n));
}
