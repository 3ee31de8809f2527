// expect: run_in_executor: the call may outlive the caller
#include <asyncio/asyncio.hpp>
#include <functional>
void use(int&);
asyncio::Coro<> f() {
    int n = 0;
    co_await asyncio::get_running_loop().run_in_executor(nullptr, use, std::ref(n));
}
